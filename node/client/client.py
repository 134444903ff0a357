"""The client: one identity's way to a service, from service.json to an opened result and a verified receipt.

    async with Client.connect("strongroom-data", identity="alice") as client:
        done = await client.call("payments.transfer", to="bob", amount=5)

Owns the life of its parts and the words of its methods. What is checked before the first seal is in trust.py, the calls
under way in pipeline.py, the choice of node in nodes.py.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import TransactionId
from strongroom.enclave.receipt import Receipt
from strongroom.enclave.sender import Identity
from strongroom.node import tls
from strongroom.node.client.blocks import follow_blocks
from strongroom.node.client.calls import Done, Entry
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.client.identities import Ask
from strongroom.node.client.names import Bound, Names
from strongroom.node.client.nodes import Nodes
from strongroom.node.client.pipeline import Pipeline
from strongroom.node.client.questions import QueryResult, Questions
from strongroom.node.client.refusals import Refusals
from strongroom.node.client.scope import Scope
from strongroom.node.client.service import Service, load_service
from strongroom.node.client.trust import Trust, TrustedEpoch
from strongroom.node.client.waiting import OnWaiting, tell_while, watch

TIMEOUT_SECONDS = 60.0
CALLS_AHEAD_MAX = 4096
"""Calls that `call_many` keeps under way or waiting for the window."""
_T = TypeVar("_T")


class Client:
    """An open way to a service: `async with Client.connect(…) as client`."""

    def __init__(
        self,
        service: Service,
        identity: Identity,
        *,
        timeout: float,
        on_waiting: OnWaiting | None,
        one_shot: bool,
        first_endpoint: int | None,
    ) -> None:
        self.service, self.identity = service, identity
        self.timeout = timeout
        """Seconds that a method waits before it raises Unreachable."""
        self._on_waiting, self._one_shot = on_waiting, one_shot
        self._first = random.randrange(len(service.endpoints)) if first_endpoint is None else first_endpoint
        self._trust = Trust(service.pin)
        self._names = Names(service.keys)

    @classmethod
    def connect(
        cls,
        where: Path | str,
        identity: Identity | str,
        *,
        passphrase: Ask | None = None,
        timeout: float = TIMEOUT_SECONDS,
        on_waiting: OnWaiting | None = None,
        one_shot: bool = False,
        first_endpoint: int | None = None,
    ) -> "Client":
        """Prepare a client; entering it connects, and checks the service against its pin before anything is sealed.

        Args:
            where: a cluster's folder, or its service.json.
            identity: who calls: an Identity, or the name of one in the folder's keys/.
            passphrase: asks the user for one, when the key file takes one.
            timeout: seconds that connecting, and each method, waits before it raises Unreachable.
            on_waiting: told, in words, why an answer does not come, after 3 s without progress.
            one_shot: each call in an envelope of its own, which opens and closes its session: for a single call.
            first_endpoint: index of the endpoint to begin with; by default any.

        Raises:
            OperatorFault: service.json or the key file is missing or damaged.
            ClientFault: no such identity.
        """
        service = load_service(where)
        if isinstance(identity, str):
            identity = service.keys.load(identity, passphrase)
        return cls(
            service,
            identity,
            timeout=timeout,
            on_waiting=on_waiting,
            one_shot=one_shot,
            first_endpoint=first_endpoint,
        )

    async def __aenter__(self) -> Self:
        """Connect to a node that verifies.

        Raises:
            Unreachable: no node, or no quorum, in time.
            NotTrusted, AttestationError: nodes answer, and none verifies.
        """
        context = tls.client_context(self.service.ca)
        self._scope = scope = await Scope.open()
        self._nodes = Nodes(self.service.endpoints, self._trust, scope.http, context, scope.group, first=self._first)
        refusals = Refusals(scope.group, self._trust, self._nodes)
        self._pipeline = Pipeline(
            self.identity,
            self._trust,
            self._nodes,
            one_shot=self._one_shot,
            on_refusal=refusals.take,
            fetch_receipt=self._receipt_of,
        )
        self._questions = Questions(self.identity, self._trust, self._nodes, self._pipeline)
        try:
            await self._within(self._nodes.connection())
        except BaseException as fault:
            await scope.close(fault)
            raise
        scope.start(self._pipeline.run())
        scope.start(watch(self._pipeline, self._nodes, self._on_waiting))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: what has no answer yet raises Unreachable."""
        self._pipeline.close()
        await self._scope.close(error)

    # --- what is known ------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> TrustedEpoch:
        """The epoch that is sealed to, with the verified genesis.

        Raises:
            NotTrusted: the client was not entered.
        """
        if self._trust.epoch is None:
            raise NotTrusted("epoch-key", "not connected yet")
        return self._trust.epoch

    @property
    def node(self) -> str:
        """Name of the node that is talked to, from its verified claims."""
        return self._nodes.name

    @property
    def height(self) -> int:
        """The newest height of any answer; queries demand at least this. May be set, to go on from an earlier life."""
        return max(self._pipeline.height, self._questions.height)

    @height.setter
    def height(self, height: int) -> None:
        self._questions.height = height

    # --- transactions -------------------------------------------------------------------------------------------

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
        return await self._answered(self._pipeline.submit(*self._names.transaction(name, arguments)))

    async def call_texts(self, name: str, texts: Mapping[str, str]) -> Done:
        """`call` with arguments as texts of a command line."""
        return await self._answered(self._pipeline.submit(*self._names.transaction(name, texts, texts=True)))

    def submit_call(self, name: str, /, **arguments: Any) -> "asyncio.Future[Done]":
        """`call` without waiting: the future is its Done or error. Calls of one turn of the event loop leave together.

        Raises:
            ClientFault: the arguments are wrong.
            Overloaded: too many calls wait.
        """
        return self._pipeline.submit(*self._names.transaction(name, arguments)).future

    async def call_many(self, name: str, many: Iterable[Mapping[str, Any]]) -> AsyncGenerator[Done | ClientFault, None]:
        """Many calls in order through one session, pipelined; their answers in the same order, errors as values."""
        under_way: deque[Entry] = deque()
        for arguments in many:
            under_way.append(self._pipeline.submit(*self._names.transaction(name, arguments)))
            while len(under_way) >= CALLS_AHEAD_MAX or (under_way and under_way[0].future.done()):
                yield await self._answer_or_fault(under_way.popleft())
        while under_way:
            yield await self._answer_or_fault(under_way.popleft())

    async def submit(self, name: str, /, **arguments: Any) -> TransactionId:
        """One transaction in an envelope of its own, without waiting for its place: its id, once a node has taken it.

        Raises:
            ClientFault: the arguments are wrong.
            Unreachable: no node took it in time.
        """
        return await self._within(self._questions.submit(*self._names.transaction(name, arguments)))

    async def submit_texts(self, name: str, texts: Mapping[str, str]) -> TransactionId:
        """`submit` with arguments as texts of a command line."""
        return await self._within(self._questions.submit(*self._names.transaction(name, texts, texts=True)))

    async def receipt(self, id: bytes) -> Receipt:
        """A transaction's receipt, verified against the pin; waits until it exists.

        Raises:
            NotFound: no transaction of that id is final.
            ReceiptInvalid: it does not verify.
            Unreachable: no receipt in time.
        """
        receipt, _ = await self._within(self._questions.receipt(TransactionId(id)))
        return receipt

    # --- reading ------------------------------------------------------------------------------------------------

    async def query(
        self, name: str, /, *, at_least: int | None = None, linearizable: bool = False, **arguments: Any
    ) -> QueryResult:
        """One sealed query.

        Args:
            name: like `payments.balance`.
            at_least: the height demanded; by default the newest of any answer so far, so that nothing goes back (T06).
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
        self, name: str, texts: Mapping[str, str], *, at_least: int | None = None, linearizable: bool = False
    ) -> QueryResult:
        """`query` with arguments as texts of a command line."""
        return await self._query(self._names.query(name, texts, texts=True), at_least, linearizable)

    async def blocks(self, after: int | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """Executed blocks in height order, without a gap, for ever: from the next one, or the one `after` a height.

        Each is the document of `ledger_block`, bytes raw. Its header is decoded and must follow the one before; whether
        it is final is what `strongroom explorer verify` and receipts show.
        """
        async with aclosing(follow_blocks(self._nodes, after)) as blocks:
            async for block in blocks:
                yield block

    async def request(self, method: str, **params: Any) -> Any:
        """Any method of the front door, at whichever node answers; bytes raw. The answer is that node's word."""
        return await self._within(self._questions.ask(method, **params))

    # --- inside -------------------------------------------------------------------------------------------------

    async def _answered(self, entry: Entry) -> Done:
        try:
            async with asyncio.timeout(self.timeout):
                return await entry.future
        except TimeoutError:
            fault = self._nodes.unreachable(f"no answer in {self.timeout:g} s")
            fault.id = entry.id
            raise fault from None

    async def _answer_or_fault(self, entry: Entry) -> Done | ClientFault:
        try:
            return entry.future.result() if entry.future.done() else await self._answered(entry)
        except Unreachable:
            raise
        except ClientFault as fault:
            return fault

    async def _query(self, bound: Bound, at_least: int | None, linearizable: bool) -> QueryResult:
        demanded = self.height if at_least is None else at_least
        return await self._within(self._questions.query(*bound, demanded, linearizable))

    async def _receipt_of(self, done: Done) -> Receipt:
        return await self._within(self._questions.receipt_of(done))

    async def _within(self, answer: Awaitable[_T]) -> _T:
        """Wait as long as the client's timeout allows, telling why it takes so long."""
        telling = None
        if self._on_waiting is not None:
            telling = self._scope.start(tell_while(self._nodes, self._on_waiting))
        try:
            async with asyncio.timeout(self.timeout):
                return await answer
        except TimeoutError:
            raise self._nodes.unreachable(f"no answer in {self.timeout:g} s") from None
        finally:
            if telling is not None:
                telling.cancel()
