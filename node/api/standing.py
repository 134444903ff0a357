"""Which chunks the ledger knows, asked by a node of its own enclave as anybody may ask it (T67).

Owns that question: a sealed query of nobody's. A node that is behind does not ask, for what it
knows may be over, or not yet there.
"""

from collections.abc import Sequence

from strongroom.enclave.attestation.report import measurement_digest
from strongroom.enclave.formats.envelope import Call, Query
from strongroom.enclave.outside.client_sessions import Identity, seal_query
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.api.queries import QueryDesk
from strongroom.node.api.sources import Sources
from strongroom.node.faults import RpcFault


class StandingDesk:
    """One node's questions for its own enclave."""

    def __init__(self, sources: Sources, queries: QueryDesk) -> None:
        self._sources, self._queries = sources, queries
        self._identity = Identity.fresh()

    async def ask(self, roots: Sequence[bytes]) -> list[bool] | None:
        """Which of these roots stand; None: this node is behind, or its service has no clean
        rooms."""
        sources, state = self._sources, self._sources.state()
        if state.word != "voting" or state.execution_alarm or state.governance is None:
            return None
        code = {one.name: one.measurement for one in state.governance.nodes}
        epoch, measurement = state.description.epoch, code.get(sources.config.name)
        key = sources.epoch_key(epoch)
        if key is None or measurement is None:
            return None
        call = Call("rooms", measurement_digest(measurement), "standing", (tuple(roots),))
        opener, envelope = seal_query(
            key, sources.genesis.chain, epoch, self._identity, Query(call)
        )
        try:
            answer = opener.open((await self._queries.answer(envelope))["answer"])
        except (RpcFault, DoesNotOpen):
            return None
        return list(answer.value) if answer.ok else None
