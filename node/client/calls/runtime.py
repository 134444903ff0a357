"""The parts of one client, from entering it to leaving it, and how long it waits for an answer.

Owns their life and their order of beginning and ending; what a user calls is client.py's.
"""

import asyncio
import random
from collections.abc import Awaitable
from typing import TypeVar

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.trust import Trust
from strongroom.node import tls
from strongroom.node.client.calls.calls import Done, Entry
from strongroom.node.client.calls.failback import fail_back, follow
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.lifetime import Lifetime
from strongroom.node.client.calls.no_room import RoomProofs
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.calls.refusals import Refusals
from strongroom.node.client.calls.requests import Requests
from strongroom.node.client.calls.sealing import OnSealed, Sealer
from strongroom.node.client.calls.waiting import OnWaiting, tell_while, watch
from strongroom.node.client.errors import Unreachable
from strongroom.node.client.trust.service import Service
from strongroom.node.layout import dir_option

_T = TypeVar("_T")


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
    ) -> None:
        self.service, self.identity, self.timeout = service, identity, timeout
        self.trust = Trust(service.pin)
        self._on_waiting, self._on_sealed, self._one_shot = on_waiting, on_sealed, one_shot
        self._first = (
            random.randrange(len(service.endpoints)) if first_endpoint is None else first_endpoint
        )
        self._lifetime: Lifetime | None = None

    async def open(self) -> None:
        """Connect to a node that verifies.

        Raises:
            Unreachable: no node, or no quorum, in time.
            NotTrusted, AttestationError: nodes answer, and none verifies.
        """
        context = tls.client_context(self.service.ca)
        self._lifetime = lifetime = await Lifetime.open(self.service.credential)
        self.nodes = Nodes(
            self.service.endpoints,
            self.trust,
            lifetime.http,
            context,
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
        self.pipeline = Pipeline(
            sealer,
            self.nodes,
            on_refusal=refusals.take,
            on_no_room=self.proofs.take,
            fetch_receipt=self._receipt_of,
        )
        self.requests = Requests(self.identity, self.trust, self.nodes, self.pipeline)
        try:
            await self.within(self.nodes.connection())
        except BaseException as fault:
            await lifetime.close(fault)
            raise
        lifetime.start(self.pipeline.run())
        lifetime.start(watch(self.pipeline, self.nodes, self._on_waiting))
        lifetime.start(follow(self.trust, self.nodes))
        lifetime.start(fail_back(self.pipeline, self.nodes))

    async def close(self, error: BaseException | None) -> None:
        """End it: what has no answer yet raises Unreachable."""
        self.pipeline.close()
        if self._lifetime is not None:
            await self._lifetime.close(error)

    async def answered(self, entry: Entry) -> Done:
        """Wait for a call as long as the timeout allows.

        Raises:
            Unreachable: no answer in time; with the id, if it was sent.
        """
        try:
            async with asyncio.timeout(self.timeout):
                return await entry.future
        except TimeoutError:
            fault = self.nodes.unreachable(f"no answer in {self.timeout:g} s")
            fault.id = entry.id
            raise fault from None

    async def answer_or_fault(self, entry: Entry | ClientFault) -> Done | ClientFault:
        """A call's answer, or what it was refused with, as a value."""
        if isinstance(entry, ClientFault):
            return entry
        try:
            return entry.future.result() if entry.future.done() else await self.answered(entry)
        except Unreachable:
            raise
        except ClientFault as fault:
            return fault

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
