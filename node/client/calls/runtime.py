"""The parts of one client, from entering it to leaving it, and how long it waits for an answer.

Owns their life and their order of beginning and ending; what a user calls is client.py's.
"""

import asyncio
import random
from collections.abc import Awaitable
from typing import TypeVar

from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.trust import Trust
from strongroom.node import tls
from strongroom.node.client.calls.calls import Done, Entry
from strongroom.node.client.calls.doors import Doors
from strongroom.node.client.calls.failback import fail_back, follow, keep_spare
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.letting_in import LettingIn
from strongroom.node.client.calls.lifetime import Lifetime
from strongroom.node.client.calls.no_room import RoomProofs
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.calls.refusals import Refusals
from strongroom.node.client.calls.requests import QueryResult, Requests
from strongroom.node.client.calls.sealing import OnSealed, Sealer
from strongroom.node.client.calls.waiting import OnWaiting, tell_while, watch
from strongroom.node.client.errors import Unreachable
from strongroom.node.client.names import Bound
from strongroom.node.client.trust.service import Service
from strongroom.node.faults import NotYet
from strongroom.node.layout import dir_option

_T = TypeVar("_T")
TAKEN_MAX = 4096
"""Ids of submissions that are remembered."""


class ClientRuntime:
    """One identity's open way to a service, through one node at a time."""

    def __init__(
        self,
        service: Service,
        identity: Identity,
        *,
        timeout: float,
        on_waiting: OnWaiting | None,
        on_sealed: OnSealed | None,
        one_shot: bool,
        first_endpoint: int | None,
        spare: bool,
    ) -> None:
        self.service, self.identity, self.timeout = service, identity, timeout
        self._spare = spare and not one_shot
        self.trust = Trust(service.pin, service.kept_genesis())
        self._on_waiting, self._on_sealed, self._one_shot = on_waiting, on_sealed, one_shot
        self._first = (
            random.randrange(len(service.endpoints)) if first_endpoint is None else first_endpoint
        )
        self._lifetime: Lifetime | None = None
        self._taken: dict[TransactionId, None] = {}
        """What nodes took without our waiting for its place; the newest."""

    async def open(self) -> None:
        """Connect to a node that verifies.

        Raises:
            Unreachable: no node, or no quorum, in time.
            NotTrusted, AttestationError: nodes answer, and none verifies.
        """
        context = tls.client_context(self.service.ca)
        lifetime = await Lifetime.open(self.service.credential)
        await self.begin(lifetime, Doors(self.trust, lifetime.http, context, lifetime.group))

    async def begin(self, lifetime: Lifetime, doors: Doors) -> None:
        """Go on through these doors, for this lifetime; errors as of `open`."""
        self._lifetime = lifetime
        self.nodes = Nodes(
            self.service.endpoints,
            self.trust,
            doors,
            lifetime.group,
            first=self._first,
            name_of=self.service.name_of,
            behind=dir_option(self.service.folder),
        )
        refusals = Refusals(lifetime.group, self.trust, self.nodes)
        self.proofs = RoomProofs(
            lifetime.group, self.nodes, self.service.pin, seconds_max=self.timeout
        )
        sealer = Sealer(
            self.identity, self.trust, one_shot=self._one_shot, on_sealed=self._on_sealed
        )
        letting_in = LettingIn(
            self.service.endpoints, credential=self.service.credential is not None
        )
        self.pipeline = Pipeline(
            sealer,
            self.nodes,
            letting_in,
            on_refusal=refusals.take,
            on_no_room=self.proofs.take,
            fetch_receipt=self._receipt_of,
        )
        self.requests = Requests(self.identity, self.trust, self.nodes, self.pipeline, letting_in)
        try:
            await self.within(self.nodes.connection())
        except BaseException as fault:
            await lifetime.close(fault)
            raise
        lifetime.start(self.pipeline.run())
        lifetime.start(watch(self.pipeline, self.nodes, self._on_waiting))
        lifetime.start(follow(self.trust, self.nodes))
        lifetime.start(fail_back(self.pipeline, self.nodes))
        if self._spare and len(self.service.endpoints) > 1:
            lifetime.start(keep_spare(self.nodes))

    async def close(self, error: BaseException | None) -> None:
        """End it: what has no answer yet raises Unreachable."""
        self.nodes.closed = True
        self.pipeline.close()
        if self._lifetime is not None:
            await self._lifetime.close(error)

    async def answered(self, entry: Entry, *, until: float | None = None) -> Done:
        """Wait for a call as long as the timeout allows.

        Args:
            entry: the call.
            until: the loop's time at which the wait is over, if it began earlier.

        Raises:
            Unreachable: no answer in time; with the id, if it was sent.
        """
        end = asyncio.get_running_loop().time() + self.timeout if until is None else until
        try:
            async with asyncio.timeout_at(end):
                return await entry.future
        except TimeoutError:
            fault = self.nodes.unreachable(f"no answer in {self.timeout:g} s")
            fault.id = entry.id
            raise fault from None

    async def submitted(self, bound: Bound) -> TransactionId:
        """Have a node take a call in an envelope of its own: its id; errors as of
        Requests.submit."""
        sent: list[TransactionId] = []
        try:
            id = await self.within(self.requests.submit(*bound, sent.append))
        except Unreachable as fault:
            fault.id = sent[-1] if sent else None
            raise
        self._taken[id] = None
        if len(self._taken) > TAKEN_MAX:
            del self._taken[next(iter(self._taken))]
        return id

    async def queried(self, bound: Bound, at_least: int, linearizable: bool) -> QueryResult:
        """A sealed query, as long as the timeout allows; errors as of Requests.query."""
        try:
            return await self.within(self.requests.query(*bound, at_least, linearizable))
        except Unreachable:
            executed = self.nodes.executed()
            if executed is None or executed >= at_least:
                raise
            raise NotYet(
                f"height {at_least} is demanded, nodes have executed {executed}: ask again later, "
                "or demand less",
                executed=executed,
            ) from None

    async def receipt(self, id: TransactionId) -> Receipt:
        """A transaction's receipt, verified; of one that a node has just taken of us, once it has
        its place. Errors as of Requests.receipt."""
        receipt, _ = await self.within(self.requests.receipt(id, executed=id in self._taken))
        return receipt

    async def _receipt_of(self, done: Done) -> Receipt:
        return await self.within(self.requests.receipt_of(done))

    async def within(self, answer: Awaitable[_T]) -> _T:
        """Wait as long as the client's timeout allows, telling why it takes so long."""
        telling = None
        if self._on_waiting is not None and self._lifetime is not None:
            telling = self._lifetime.start(tell_while(self.nodes, self._on_waiting))
        try:
            async with asyncio.timeout(self.timeout):
                return await answer
        except TimeoutError:
            raise self.nodes.unreachable(f"no answer in {self.timeout:g} s") from None
        finally:
            if telling is not None:
                telling.cancel()
