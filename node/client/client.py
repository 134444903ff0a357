"""The client: one identity's way to a service, from service.json to an opened result and a verified
receipt.

    async with Client.connect("strongroom-data", identity="alice") as client:
        done = await client.call("payments.transfer", to="bob", amount=5)

Owns the words of its methods. The life of its parts is in calls/runtime.py, what is checked before
the first seal in trust/trust.py, the calls under way in calls/in_flight.py, the choice of node in
calls/nodes.py.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.trust import TrustedEpoch
from strongroom.node.client.calls.blocks import follow_blocks
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.calls.many import CALLS_AHEAD_MAX, Many, ManyCalls, OnProgress
from strongroom.node.client.calls.replies import NUMBER_MAX
from strongroom.node.client.calls.requests import QueryResult, believed_height
from strongroom.node.client.calls.runtime import ClientRuntime
from strongroom.node.client.calls.sealing import OnSealed
from strongroom.node.client.calls.waiting import OnWaiting
from strongroom.node.client.errors import NotTrusted
from strongroom.node.client.identities import Ask
from strongroom.node.client.names import Bound, Names
from strongroom.node.client.trust.service import Service, load_service

TIMEOUT_SECONDS = 60.0


class Client:
    """An open way to a service: `async with Client.connect(…) as client`."""

    def __init__(self, runtime: ClientRuntime) -> None:
        self._runtime = runtime
        self._names = Names(runtime.service.keys)

    @classmethod
    def connect(
        cls,
        where: Path | str,
        identity: Identity | str,
        *,
        passphrase: Ask | None = None,
        timeout: float = TIMEOUT_SECONDS,
        on_waiting: OnWaiting | None = None,
        on_sealed: OnSealed | None = None,
        one_shot: bool = False,
        first_endpoint: int | None = None,
        spare: bool = True,
    ) -> "Client":
        """Prepare a client; entering it connects, and checks the service against its pin before
        anything is sealed.

        Args:
            where: a cluster's folder, or its service.json.
            identity: who calls: an Identity, or the name of one in the folder's keys/.
            passphrase: asks the user for one, when the key file takes one.
            timeout: seconds that connecting, and each method, waits before it raises Unreachable.
            on_waiting: told, in words, why an answer does not come, after 3 s without progress.
            on_sealed: told the id of each envelope of a transaction before it leaves.
            one_shot: each call in an envelope of its own, which opens and closes its session: for a
                single call.
            first_endpoint: index of the endpoint to begin with; by default any.
            spare: keep a second connection ready from the first half second on, so that calls go on
                at once when their node dies; never with `one_shot`.

        Raises:
            OperatorFault: service.json or the key file is missing or damaged.
            ClientFault: no such identity.
        """
        service = load_service(where)
        if isinstance(identity, str):
            identity = service.keys.load(identity, passphrase)
        runtime = ClientRuntime(
            service,
            identity,
            timeout=timeout,
            on_waiting=on_waiting,
            on_sealed=on_sealed,
            one_shot=one_shot,
            first_endpoint=first_endpoint,
            spare=spare,
        )
        return cls(runtime)

    async def __aenter__(self) -> Self:
        """Connect to a node that verifies.

        Raises:
            Unreachable: no node, or no quorum, in time.
            NotTrusted, AttestationError: nodes answer, and none verifies.
        """
        await self._runtime.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it: what has no answer yet raises Unreachable."""
        await self._runtime.close(error)

    # --- what is known ----------------------------------------------------------------------------

    @property
    def service(self) -> Service:
        """What service.json says."""
        return self._runtime.service

    @property
    def identity(self) -> Identity:
        """Who calls."""
        return self._runtime.identity

    @property
    def timeout(self) -> float:
        """Seconds that a method waits before it raises Unreachable."""
        return self._runtime.timeout

    @property
    def epoch(self) -> TrustedEpoch:
        """The epoch that is sealed to, with the verified genesis.

        Raises:
            NotTrusted: the client was not entered.
        """
        if self._runtime.trust.epoch is None:
            raise NotTrusted("epoch-key", "not connected yet")
        return self._runtime.trust.epoch

    @property
    def node(self) -> str:
        """Name of the node that is talked to, from its verified claims."""
        return self._runtime.nodes.name

    @property
    def height(self) -> int:
        """The newest height of any answer; queries demand at least this. May be set, to go on from
        an earlier life.

        Of a call's answer it is the word of one node; `proven_height` is what may be kept.
        """
        return max(self._runtime.pipeline.height, self._runtime.requests.height)

    @height.setter
    def height(self, height: int) -> None:
        self._runtime.requests.height = _checked_height(height)

    async def proven_height(self) -> int:
        """The newest height of any answer that more than one node stands for: sealed in it, or
        confirmed by f+1 nodes.

        Raises:
            Unreachable: too few nodes answer in time.
        """
        runtime = self._runtime
        if runtime.pipeline.height > runtime.requests.height:
            believed = await runtime.within(
                believed_height(runtime.trust, runtime.nodes, runtime.pipeline)
            )
            runtime.requests.height = max(runtime.requests.height, believed)
        return runtime.requests.height

    # --- transactions -----------------------------------------------------------------------------

    async def call(self, name: str, /, **arguments: Any) -> Done:
        """One transaction, committed, executed, and its result opened.

        Args:
            name: like `payments.transfer`.
            arguments: by name; identities and accounts as text too.

        Raises:
            ClientFault: the arguments are wrong; nothing was sent.
            ProgramFailed: the program refused.
            TransactionRefused: it was refused before the program ran.
            Unreachable: no answer in time; with the id to ask for later, if it was sent.
        """
        return await self._runtime.answered(
            self._runtime.pipeline.submit(*self._names.transaction(name, arguments))
        )

    async def call_texts(self, name: str, texts: Mapping[str, str]) -> Done:
        """`call` with arguments as texts of a command line."""
        return await self._runtime.answered(
            self._runtime.pipeline.submit(*self._names.transaction(name, texts, texts=True))
        )

    async def query_recorded(self, name: str, texts: Mapping[str, str]) -> Done:
        """A query that is sent as a transaction, on record, with arguments as texts: for who holds
        a role of its program by a grant. Errors as of `call`."""
        return await self._runtime.answered(
            self._runtime.pipeline.submit(*self._names.query(name, texts, texts=True))
        )

    def submit_call(self, name: str, /, **arguments: Any) -> "asyncio.Future[Done]":
        """`call` without waiting: the future is its Done or error. Calls of one turn of the event
        loop leave together.

        Raises:
            ClientFault: the arguments are wrong.
            Overloaded: too many calls wait.
        """
        return self._runtime.pipeline.submit(*self._names.transaction(name, arguments)).future

    async def call_many(
        self,
        name: str,
        many: Many,
        *,
        window: int = CALLS_AHEAD_MAX,
        on_progress: OnProgress | None = None,
    ) -> AsyncGenerator[Done | ClientFault, None]:
        """Many calls in order through one session, pipelined; their answers in the same order,
        errors as values: what one comes to ends no other.

        Args:
            name: like `payments.transfer`.
            many: arguments of each call, by name; an iterable, or an asynchronous one, that is read
                only as fast as calls are answered.
            window: calls under way at most, 1 to 4096.
            on_progress: told after each answer how far it has come.

        Yields:
            Done; or ProgramFailed, TransactionRefused or another fault: of no effect; or
            Unreachable: no answer in the client's timeout, with the id if it may still be ordered.

        Raises:
            ClientFault: the window is none.
        """
        calls = ManyCalls(
            self._runtime,
            lambda arguments: self._runtime.pipeline.submit(
                *self._names.transaction(name, arguments)
            ),
            window=window,
            on_progress=on_progress,
        )
        async with aclosing(calls.answers(many)) as answers:
            async for answer in answers:
                yield answer

    async def submit(self, name: str, /, **arguments: Any) -> TransactionId:
        """One transaction in an envelope of its own, without waiting for its place: its id, once a
        node has taken it.

        Raises:
            ClientFault: the arguments are wrong.
            Unreachable: no node took it in time.
        """
        return await self._runtime.submitted(self._names.transaction(name, arguments))

    async def submit_texts(self, name: str, texts: Mapping[str, str]) -> TransactionId:
        """`submit` with arguments as texts of a command line."""
        return await self._runtime.submitted(self._names.transaction(name, texts, texts=True))

    async def receipt(self, id: bytes) -> Receipt:
        """A transaction's receipt, verified against the pin; waits until it exists. Of what this
        client has just submitted, it waits until that has its place, too.

        Raises:
            NotFound: no transaction of that id is final.
            ReceiptInvalid: it does not verify.
            Unreachable: no receipt in time.
        """
        return await self._runtime.receipt(TransactionId(id))

    # --- reading ----------------------------------------------------------------------------------

    async def query(
        self,
        name: str,
        /,
        *,
        at_least: int | None = None,
        linearizable: bool = False,
        **arguments: Any,
    ) -> QueryResult:
        """One sealed query.

        Args:
            name: like `payments.balance`.
            at_least: the height demanded; by default the newest of any answer so far, so that
                nothing goes back (T06).
            linearizable: after everything that was final when it was asked, as a quorum knows it.
            arguments: by name.

        Raises:
            ClientFault: the arguments are wrong.
            ProgramFailed: the program refused.
            NotYet: no node has executed that height yet.
            Unreachable: no answer in time.
        """
        return await self._query(self._names.query(name, arguments), at_least, linearizable)

    async def query_texts(
        self,
        name: str,
        texts: Mapping[str, str],
        *,
        at_least: int | None = None,
        linearizable: bool = False,
    ) -> QueryResult:
        """`query` with arguments as texts of a command line."""
        return await self._query(self._names.query(name, texts, texts=True), at_least, linearizable)

    async def blocks(self, after: int | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """Executed blocks in height order, without a gap, for ever: from the next one, or the one
        `after` a height.

        Each is the document of `ledger_block`, bytes raw. Its header is decoded and must follow the
        one before; whether it is final is what `strongroom explorer verify` and receipts show.
        """
        async with aclosing(follow_blocks(self._runtime.nodes, after)) as blocks:
            async for block in blocks:
                yield block

    async def request(self, method: str, /, **params: Any) -> Any:
        """Any method of the front door, at whichever node answers; bytes raw. The answer is that
        node's word."""
        return await self._runtime.within(self._runtime.requests.ask(method, **params))

    # --- inside -----------------------------------------------------------------------------------

    async def _query(self, bound: Bound, at_least: int | None, linearizable: bool) -> QueryResult:
        demanded = self.height if at_least is None else _checked_height(at_least)
        return await self._runtime.queried(bound, demanded, linearizable)


def _checked_height(height: int) -> int:
    """A height that the caller demands.

    Raises:
        ClientFault: it is none.
    """
    if type(height) is not int or not 0 <= height <= NUMBER_MAX:
        raise ClientFault(f"{height!r} is no height: a whole number from 0 to 2^63 - 1")
    return height
