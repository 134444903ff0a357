"""The synchronous twin: the same client on an event loop in a thread of its own.

with SyncClient.connect("strongroom-data", identity="alice") as client:
    done = client.call("payments.transfer", to="bob", amount=5)
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.calls.requests import QueryResult
from strongroom.node.client.client import Client

_T = TypeVar("_T")
ANSWERS_AT_ONCE = 256
"""Answers that `call_many` hands over between threads at a time."""


@dataclass(slots=True)
class SyncDone:
    """A Done whose receipt is fetched without `await`."""

    done: Done
    client: "SyncClient"

    @property
    def id(self) -> TransactionId:
        """Transaction id."""
        return self.done.id

    @property
    def height(self) -> int:
        """Height of its block."""
        return self.done.height

    @property
    def index(self) -> int:
        """Position in its block."""
        return self.done.index

    @property
    def result(self) -> Any:
        """What the program returned."""
        return self.done.result

    def receipt(self) -> Receipt:
        """See Done.receipt."""
        return self.client.run(self.done.receipt())


class SyncClient:
    """Methods as of Client, without `await`. For one thread at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="strongroom-client", daemon=True
        )

    @classmethod
    def connect(cls, where: Path | str, identity: Identity | str, **options: Any) -> "SyncClient":
        """See Client.connect."""
        return cls(Client.connect(where, identity, **options))

    def __enter__(self) -> Self:
        """Start the thread and connect."""
        self._thread.start()
        try:
            self.run(self._client.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client and end the thread."""
        try:
            self.run(self._client.__aexit__(None, None, None))
        finally:
            self._stop()

    def call(self, name: str, /, **arguments: Any) -> SyncDone:
        """See Client.call."""
        return SyncDone(self.run(self._client.call(name, **arguments)), self)

    def call_many(
        self, name: str, many: Iterable[Mapping[str, Any]]
    ) -> Iterator[SyncDone | ClientFault]:
        """See Client.call_many."""
        answers = self._client.call_many(name, many)
        while some := self.run(_take(answers, ANSWERS_AT_ONCE)):
            for answer in some:
                yield SyncDone(answer, self) if isinstance(answer, Done) else answer

    def submit(self, name: str, /, **arguments: Any) -> TransactionId:
        """See Client.submit."""
        return self.run(self._client.submit(name, **arguments))

    def query(
        self,
        name: str,
        /,
        *,
        at_least: int | None = None,
        linearizable: bool = False,
        **arguments: Any,
    ) -> QueryResult:
        """See Client.query."""
        return self.run(
            self._client.query(name, at_least=at_least, linearizable=linearizable, **arguments)
        )

    def query_recorded(self, name: str, texts: Mapping[str, str]) -> SyncDone:
        """See Client.query_recorded."""
        return SyncDone(self.run(self._client.query_recorded(name, texts)), self)

    def proven_height(self) -> int:
        """See Client.proven_height."""
        return self.run(self._client.proven_height())

    def receipt(self, id: bytes) -> Receipt:
        """See Client.receipt."""
        return self.run(self._client.receipt(id))

    def blocks(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """See Client.blocks."""
        blocks = self._client.blocks(after)
        try:
            while some := self.run(_take(blocks, 1)):
                yield from some
        finally:
            self.run(_close(blocks))

    def request(self, method: str, **params: Any) -> Any:
        """See Client.request."""
        return self.run(self._client.request(method, **params))

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run one coroutine on the client's loop, and wait for it; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _take(items: Any, count: int) -> list[Any]:
    """The next items of an asynchronous iterator, at most so many; fewer when they have ended."""
    taken: list[Any] = []
    while len(taken) < count:
        try:
            taken.append(await anext(items))
        except StopAsyncIteration:
            break
    return taken


async def _close(items: Any) -> None:
    await items.aclose()
