"""The synchronous twin: the same client on an event loop in a thread of its own.

    with SyncClient.connect("strongroom-data", identity="alice") as client:
        done = client.call("payments.transfer", to="bob", amount=5)

Owns the one mechanism: every method of Client becomes one here that waits for it, with the same
name, parameters and words. May be used by several threads at once; never inside a running loop,
which it would stop.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import update_wrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.trust import TrustedEpoch
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.calls.lifetime import CLOSED
from strongroom.node.client.client import Client
from strongroom.node.client.errors import Unreachable
from strongroom.node.client.trust.service import Service

_T = TypeVar("_T")
_P = ParamSpec("_P")
TAKEN_AT_ONCE = 256
"""Items that an iterator hands over between threads at a time."""
TOGETHER_SECONDS = 0.02
"""What comes within so long is handed over together."""
IN_A_LOOP = (
    "a SyncClient waits, and would stop the event loop that runs here: use "
    "`async with Client.connect(…)`, or move this to a thread by `asyncio.to_thread`"
)
NOT_OPEN = "this SyncClient is not open: use it inside `with SyncClient.connect(…) as client:`"

OTHER_PROCESS = (
    "this SyncClient was made in another process, or its thread has ended: connect another one here"
)


@dataclass(slots=True)
class SyncDone:
    """A Done whose receipt is fetched without `await`."""

    done: Done
    client: "SyncClient" = field(repr=False)

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

    @property
    def sealed(self) -> bytes:
        """See Done.sealed."""
        return self.done.sealed

    @property
    def blinding(self) -> bytes | None:
        """See Done.blinding."""
        return self.done.blinding

    def receipt(self) -> Receipt:
        """See Done.receipt."""
        return self.client.run(self.done.receipt())


def _waits(
    method: Callable[Concatenate[Client, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate["SyncClient", _P], _T]:
    """A method that waits for Client's."""

    def waiting(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.run(method(self.client, *args, **kwargs))

    update_wrapper(waiting, method)
    return waiting


def _waits_for_done(
    method: Callable[Concatenate[Client, _P], Coroutine[Any, Any, Done]],
) -> Callable[Concatenate["SyncClient", _P], SyncDone]:
    """Likewise, of one that gives a Done."""

    def waiting(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> SyncDone:
        return SyncDone(self.run(method(self.client, *args, **kwargs)), self)

    update_wrapper(waiting, method)
    return waiting


def _promises(
    method: Callable[Concatenate[Client, _P], "asyncio.Future[Done]"],
) -> Callable[Concatenate["SyncClient", _P], "Future[SyncDone]"]:
    """Likewise, of one that gives a future: one for threads."""

    def promising(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[SyncDone]":
        outer: Future[SyncDone] = Future()

        async def begin() -> None:
            inner = method(self.client, *args, **kwargs)
            inner.add_done_callback(lambda inner: _hand_over(inner, outer, self))

        self.run(begin())
        return outer

    update_wrapper(promising, method)
    return promising


def _iterates(
    method: Callable[Concatenate[Client, _P], AsyncGenerator[_T, None]], *, at_once: int
) -> Callable[Concatenate["SyncClient", _P], Iterator[Any]]:
    """An iterator over Client's."""

    def iterating(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> Iterator[Any]:
        items = method(self.client, *args, **kwargs)
        try:
            while some := self.run(_take(items, at_once)):
                for item in some:
                    yield SyncDone(item, self) if isinstance(item, Done) else item
        finally:
            self.end(items)

    update_wrapper(iterating, method)
    return iterating


class SyncClient:
    """Methods as of Client, without `await`, for one or several threads."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client behind it; only its loop may touch it."""
        self._open = self._entered = False
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        self._pid: int

    @classmethod
    def connect(cls, where: Path | str, identity: Identity | str, **options: Any) -> "SyncClient":
        """See Client.connect.

        Raises:
            ClientFault: an event loop runs here.
        """
        _check_no_loop()
        return cls(Client.connect(where, identity, **options))

    def __enter__(self) -> Self:
        """Start the thread and connect.

        Raises:
            ClientFault: it was entered before, or an event loop runs here.
        """
        _check_no_loop()
        if self._entered:
            raise ClientFault("a SyncClient is entered once: connect another one")
        self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="strongroom-client", daemon=True
        )
        self._thread.start()
        self._open = self._entered = True
        try:
            self.run(self.client.__aenter__())
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
        """Close the client and end the thread; what other threads wait for raises Unreachable."""
        if not self._is_served:
            self._open = False  # of the process that this one was forked from: it goes on there
            return
        try:
            self.run(self.client.__aexit__(None, None, None))
        finally:
            self._stop()

    call = _waits_for_done(Client.call)
    call_texts = _waits_for_done(Client.call_texts)
    query_recorded = _waits_for_done(Client.query_recorded)
    call_many = _iterates(Client.call_many, at_once=TAKEN_AT_ONCE)
    submit_call = _promises(Client.submit_call)
    submit = _waits(Client.submit)
    submit_texts = _waits(Client.submit_texts)
    query = _waits(Client.query)
    query_texts = _waits(Client.query_texts)
    proven_height = _waits(Client.proven_height)
    receipt = _waits(Client.receipt)
    blocks = _iterates(Client.blocks, at_once=1)
    request = _waits(Client.request)

    @property
    def service(self) -> Service:
        """See Client.service."""
        return self.client.service

    @property
    def identity(self) -> Identity:
        """See Client.identity."""
        return self.client.identity

    @property
    def timeout(self) -> float:
        """See Client.timeout."""
        return self.client.timeout

    @property
    def epoch(self) -> TrustedEpoch:
        """See Client.epoch."""
        return self.client.epoch

    @property
    def node(self) -> str:
        """See Client.node."""
        return self.client.node

    @property
    def height(self) -> int:
        """See Client.height."""
        return self.client.height

    @height.setter
    def height(self, height: int) -> None:
        self.client.height = height

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run one coroutine on the client's loop, and wait for it; Ctrl-C cancels it.

        Raises:
            ClientFault: an event loop runs here, or the client is not open.
            Unreachable: the client was closed meanwhile, by another thread.
        """
        try:
            _check_no_loop()
            if not self._open:
                raise ClientFault(NOT_OPEN)
            if not self._is_served:
                raise ClientFault(OTHER_PROCESS)
        except ClientFault:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise
        except CancelledError:
            raise Unreachable(CLOSED) from None

    def end(self, items: AsyncGenerator[Any, None]) -> None:
        """End an iteration; also from where nothing may wait, as when its garbage is collected."""
        if not self._open or not self._is_served:
            return  # nothing is awaited: whatever it held has ended with its process
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.run(_close(items))
        else:
            asyncio.run_coroutine_threadsafe(_close(items), self._loop)

    @property
    def _is_served(self) -> bool:
        """Does its thread run, in this process?"""
        here = self._pid == os.getpid() and self._thread.is_alive()
        return here and not sys.is_finalizing()

    def _stop(self) -> None:
        self._open = False
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def _check_no_loop() -> None:
    """Check that nothing here would be stopped by waiting.

    Raises:
        ClientFault: an event loop runs in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ClientFault(IN_A_LOOP)


async def _take(items: AsyncGenerator[_T, None], count: int) -> list[_T]:
    """The next items, at most so many: what comes soon comes together; none: they have ended."""
    loop, taken = asyncio.get_running_loop(), list[_T]()
    until = loop.time() + TOGETHER_SECONDS
    while len(taken) < count and (not taken or loop.time() < until):
        try:
            taken.append(await anext(items))
        except StopAsyncIteration:
            break
    return taken


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


def _hand_over(
    inner: "asyncio.Future[Done]", outer: "Future[SyncDone]", client: SyncClient
) -> None:
    """Tell another thread what a call came to, if it still wants to know."""
    if not outer.set_running_or_notify_cancel():
        if not inner.cancelled():
            inner.exception()  # nobody waits; that is no error
    elif inner.cancelled():
        outer.set_exception(Unreachable(CLOSED))
    elif (fault := inner.exception()) is not None:
        outer.set_exception(fault)
    else:
        outer.set_result(SyncDone(inner.result(), client))
