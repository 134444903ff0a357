"""What a node tells and takes at its front door: the Backend of node/rpc.

Owns which document answers what (INTERFACES, JSON-RPC). It reads; what changes anything goes
through mempool and enclave. Blocks and receipts: ledger.py; queries: queries.py; nodes: nodes.py.
"""

import time
from asyncio import Future
from collections.abc import Callable

from strongroom.consensus import codec
from strongroom.consensus.heads import Head
from strongroom.consensus.types import TransactionId
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.node.api.access_state import access_document
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.metrics import NodeMetrics
from strongroom.node.api.nodes import node_documents, status_document, validator_documents
from strongroom.node.api.public_state import (
    epoch_documents,
    member_documents,
    policy_document,
    proposal_document,
    rules_of,
    users_document,
    validator_names,
)
from strongroom.node.api.queries import QueryDesk
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.api.screening import Ledger, Screen
from strongroom.node.api.sources import Sources, asking_enclave
from strongroom.node.api.voting import consensus_document
from strongroom.node.enclave_client.refusals import NotFresh, Refusal
from strongroom.node.faults import NotFound, NotReady, Refused, RpcFault
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Blob, Document
from strongroom.node.rpc.limits import RpcLimits

WAITS_FOR_HEADS = "this node waits for fresh heads of a quorum: try another node, or again"


class Service:
    """One node's front door."""

    def __init__(self, sources: Sources, on_heads: Callable[[list[Head]], None]) -> None:
        """Make it.

        Args:
            sources: the node.
            on_heads: takes what heads prove, like any certificate that a peer sends (R2).
        """
        self._sources = sources
        self._ledger, self._queries = LedgerDesk(sources), QueryDesk(sources, on_heads)
        self._screen = screen_of(sources)
        self._metrics = NodeMetrics(sources)
        ledger = self._ledger
        self.receipt_steps = ReceiptDesk(sources).steps
        self.transaction_reading = ledger.transaction_reading
        self.status_reading = ledger.status_reading
        self.block_reading, self.rows_reading = ledger.block_reading, ledger.rows_reading
        self.head_reading, self.header_reading = ledger.head_reading, ledger.header_reading
        self.consistency = ledger.consistency

    @property
    def _governance(self) -> PublicState | None:
        return self._sources.state().governance

    @property
    def live(self) -> bool:
        """The process answers."""
        return True

    @property
    def newest_block(self) -> int:
        """Height of the newest final block."""
        return self._ledger.newest_block

    @property
    def ready(self) -> bool:
        """Takes part: transactions given here are ordered and executed while a quorum is alive."""
        state = self._sources.state()
        return state.word == "voting" and not state.execution_alarm

    @property
    def replicas(self) -> Document:
        """How many validators execute what is final, as this node sees it, of how many, and how
        many must; what is wrong here."""
        state = self._sources.state()
        return {
            "state": state.word,
            "executing": len(state.executing),
            "members": len(state.description.validators),
            "quorum": state.description.quorum.size,
            "alarm": state.alarm_in_words or None,
        }

    # --- the service ---

    def service_info(self) -> Document:
        """Chain, genesis, epoch key, validators, limits; evidence comes from `node_evidence` over
        the asker's nonce."""
        sources, genesis, state = self._sources, self._sources.genesis, self._sources.state()
        description, governance, name = state.description, state.governance, sources.config.name
        key = sources.epoch_key(description.epoch)
        code = {one.claims.node: one.measurement for one in genesis.validators}
        if governance is not None:
            code |= {node.name: node.measurement for node in governance.nodes}
        return {
            "chain": genesis.chain,
            "pin": genesis.pin,
            "name": genesis.constitution.name,
            "genesis": Blob(genesis.data),
            "height": state.height,
            "executed": state.executed,
            "epoch": description.epoch,
            "epoch_key": Blob(key or b""),
            "epoch_key_digest": description.public_key_digest,
            "measurement": code.get(name),
            "node": name,
            "validators": validator_documents(sources, state),
            "limits": {**RpcLimits().public(), **dict(rules_of(genesis, governance).limits)},
            "simulated": genesis.simulated,
        }

    async def service_heads(self, nonce: bytes) -> list[Document]:
        """Heads over the caller's nonce, of q validators or of those that answer in time."""
        names = validator_names(self._sources.genesis, self._governance)
        return [
            {
                "node": names.get(head.node_key, head.node_key.hex()),
                "node_key": head.node_key,
                "head": Blob(codec.encode(head.to_wire())),
            }
            for head in await self._queries.collect(nonce)
        ]

    def service_epochs(self, start: int) -> list[Document]:
        """The succession of epochs from `start` on."""
        sources = self._sources
        return epoch_documents(sources.genesis, sources.epochs, start, self._governance)

    def service_policy(self) -> Document:
        """The governed attestation policy."""
        return policy_document(rules_of(self._sources.genesis, self._governance).policy)

    def service_users(self) -> Document:
        """Who may open sessions, as far as everybody may know."""
        return users_document(self._sources.genesis, self._governance)

    def service_members(self) -> list[Document]:
        """The members of the service and their roles."""
        return member_documents(rules_of(self._sources.genesis, self._governance))

    def service_nodes(self) -> list[Document]:
        """Every validator as this node sees it, and every other registered node as the ledger knows
        it."""
        return node_documents(self._sources, self._sources.state())

    def proposals(self) -> list[Document]:
        """Members' proposals, newest first."""
        governance = self._governance
        return (
            [] if governance is None else [proposal_document(one) for one in governance.proposals]
        )

    def proposal(self, id: str) -> Document:
        """One of them."""
        found = next((one for one in self.proposals() if one["id"] == id), None)
        if found is None:
            raise NotFound(
                "no proposal of this id is open, and none of the newest decided ones has it"
            )
        return found

    def access(self) -> Document:
        """Privileged access: grants, events, alarms."""
        governance = self._governance
        if governance is None:
            raise NotReady("this node has not read its governance yet", retry_after_ms=200)
        return access_document(governance)

    async def diagnostics(self, grant: str, recipient: bytes) -> Document:
        """The enclave's act under a grant, or what it gives once that stands.

        Raises:
            Refused: nothing that was begun says so.
        """
        if not self._sources.state().begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        try:
            with asking_enclave():
                act, sealed = await self._sources.enclave.diagnostics(grant, recipient)
        except NotFresh as refusal:
            raise NotReady(str(refusal), retry_after_ms=500) from None
        except Refusal as refusal:
            reason = refusal.reason or refusal.kind.label
            raise Refused(str(refusal), reason=reason) from None
        return {"act": Blob(act) if act else None, "sealed": Blob(sealed) if sealed else None}

    def public_state(self) -> bytes:
        """The enclave's public document, encoded."""
        governance = self._governance
        if governance is None:
            raise NotReady("this node has not read its governance yet", retry_after_ms=200)
        return codec.encode(governance)

    # --- this node ---

    def node_status(self) -> Document:
        """This node, in numbers."""
        return status_document(self._sources, self._sources.state())

    def node_consensus(self) -> Document:
        """The votes under way, as this node sees them.

        Raises:
            NotReady: it takes no part yet.
        """
        sources, state = self._sources, self._sources.state()
        if not state.begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        known = validator_names(sources.genesis, state.governance)
        keys = [one.node_key for one in state.description.validators]
        return consensus_document(
            sources.picture(),
            [known.get(key, key.hex()) for key in keys],
            own=sources.config.name,
            time_ms=time.time_ns() // 1_000_000,
        )

    async def node_evidence(self, nonce: bytes) -> Document:
        """Fresh evidence of this node's enclave."""
        with asking_enclave():
            evidence = await self._sources.enclave.link_evidence(nonce)
        return {"evidence": Blob(evidence), "nonce": nonce}

    def metrics(self) -> str:
        """Prometheus text."""
        return self._metrics.render()

    # --- transactions and queries ---

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        """Those that are not worth batching (Backend.screen)."""
        faults = self._screen.faults(envelopes)
        if faults:
            self._sources.observer.refused["screened"] += len(faults)
        return faults

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "Future[list[Place]] | list[TransactionId]":
        """Into the mempool (Backend.submit)."""
        begun, voting = self._sources.takes_part()
        if not begun or not voting:
            self._sources.observer.refused["not_ready"] += len(envelopes)
        if not begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        if not voting:
            raise NotReady("this node only observes: submit to another one")
        return self._sources.mempool.submit(envelopes, wait=wait, organisation=organisation)

    async def query(self, envelope: bytes) -> Document:
        """A sealed answer."""
        if not self._sources.state().begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        return await self._queries.answer(envelope)

    async def next_height(self, after: int) -> int:
        """Wait for an executed height above `after`."""
        return await self._sources.pipeline.wait_above(after)

    @property
    def anchored(self) -> int:
        """Newest height of whose transactions receipts can be made (Backend.anchored)."""
        return self._sources.pipeline.anchored

    async def next_anchored(self, after: int) -> int:
        """Wait for a greater one."""
        return await self._sources.pipeline.wait_anchored(after)


def screen_of(sources: Sources) -> Screen:
    """What looks at every envelope that is submitted to this node."""

    def grace_over() -> bool:
        governance = sources.state().governance
        return (
            governance is not None
            and governance.epoch == sources.epochs.newest.epoch
            and governance.grace_until_ms == 0
        )

    return Screen(
        sources.genesis.chain,
        Ledger(
            epoch=lambda: sources.epochs.newest.epoch,
            grace_over=grace_over,
            may_be_executed=sources.store.may_be_executed,
            pending=lambda id: sources.mempool.pending(TransactionId(id)),
            lag=lambda: sources.state().execution_lag,
        ),
    )
