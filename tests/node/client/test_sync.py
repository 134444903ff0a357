"""The synchronous twin: the same answers, without `await`, for threads, never inside a loop."""

import asyncio
import gc
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.node.client.ledger import Service, running

from strongroom.consensus.errors import ClientFault
from strongroom.node.client import Client, ProgramFailed, SyncClient, Unreachable
from strongroom.node.client.sync import IN_A_LOOP, NOT_OPEN

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000
PUBLIC = sorted(name for name in dir(Client) if not name.startswith("_"))


async def _in_a_thread(directory: Path, work: Callable[[Path], Any]) -> Any:
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        return await asyncio.to_thread(work, directory)


async def test_call_query_receipt_submit_and_blocks(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            done = client.call("payments.transfer", to="bob", amount=5)
            assert done.result == {"balance": FUNDS - 5}
            assert (done.height, done.index) == (2, 0)
            assert done.receipt().leaf.id == done.id == client.receipt(done.id).leaf.id
            assert client.query("payments.balance").value == FUNDS - 5
            assert len(client.submit("payments.transfer", to=BOB.id, amount=1)) == 32
            assert client.request("node_status")["state"] == "voting"
            blocks = client.blocks(after=0)
            assert [next(blocks)["height"] for _ in range(3)] == [1, 2, 3]
            blocks.close()  # type: ignore[attr-defined]
            assert client.height == client.proven_height() >= 2
            assert client.node in {f"n{index}" for index in range(4)}
            assert client.epoch.epoch == 0

    await _in_a_thread(tmp_path, work)


async def test_many_calls_are_pipelined_with_errors_as_values(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        seen: list[Any] = []
        with SyncClient.connect(directory, "alice") as client:
            many = ({"to": BOB.id, "amount": amount} for amount in (1, FUNDS, 2))
            first, second, third = client.call_many(
                "payments.transfer", many, window=2, on_progress=seen.append
            )
            assert isinstance(second, ProgramFailed)
            assert [one.result["balance"] for one in (first, third)] == [FUNDS - 1, FUNDS - 3]
            assert [one.taken for one in seen] == [1, 2, 3]

    await _in_a_thread(tmp_path, work)


async def test_a_call_that_is_not_waited_for_tells_its_future(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            futures = [
                client.submit_call("payments.transfer", to="bob", amount=amount)
                for amount in (1, FUNDS)
            ]
            assert futures[0].result().result == {"balance": FUNDS - 1}
            assert futures[0].result().receipt().leaf.id == futures[0].result().id
            assert isinstance(futures[1].exception(), ProgramFailed)
            with pytest.raises(ClientFault, match="amount"):
                client.submit_call("payments.transfer", to="bob")

    await _in_a_thread(tmp_path, work)


@contextmanager
def standing_still(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """From another thread: nothing of this loop runs meanwhile, so a service in it answers
    nothing."""
    still, on = threading.Event(), threading.Event()

    def stand() -> None:
        still.set()
        on.wait()

    loop.call_soon_threadsafe(stand)
    still.wait()
    try:
        yield
    finally:
        on.set()


async def test_a_call_whose_future_was_cancelled_disturbs_nobody(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()

    def work(directory: Path) -> None:
        troubles: list[Any] = []
        with SyncClient.connect(directory, "alice") as client:
            client._loop.set_exception_handler(lambda _, context: troubles.append(context))
            with standing_still(loop):
                futures = [
                    client.submit_call("payments.transfer", to="bob", amount=1) for _ in range(3)
                ]
                cancelled = [one.cancel() for one in futures[:2]]
            futures[2].result()
            client.query("payments.balance")
        assert (cancelled, troubles) == ([True, True], [])

    await _in_a_thread(tmp_path, work)


@pytest.mark.parametrize("elsewhere", ["forked", "ending"])
async def test_a_client_of_another_process_or_of_one_that_ends_waits_for_nothing(
    tmp_path: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread would never answer: a child has none, an interpreter that ends has stopped it."""

    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            blocks = client.blocks(after=0)
            next(blocks)
            with monkeypatch.context() as there:
                there.setattr(client, "_loop", None)  # nor may its loop be touched
                if elsewhere == "forked":
                    there.setattr(client, "_pid", client._pid + 1)
                else:
                    there.setattr("sys.is_finalizing", lambda: True)
                with pytest.raises(ClientFault, match="another process"):
                    client.query("payments.balance")
                blocks.close()  # type: ignore[attr-defined]
                client.__exit__(None, None, None)
            client._open = True

    await _in_a_thread(tmp_path, work)


async def test_errors_come_as_they_are(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            with pytest.raises(ProgramFailed) as caught:
                client.call("payments.transfer", to="bob", amount=FUNDS + 1)
            assert caught.value.code == "insufficient"

    await _in_a_thread(tmp_path, work)


async def test_several_threads_use_one_client(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client, ThreadPoolExecutor(8) as pool:
            pay = lambda _: client.call("payments.transfer", to="bob", amount=1).result  # noqa: E731
            balances = {one["balance"] for one in pool.map(pay, range(40))}
            assert balances == set(range(FUNDS - 40, FUNDS))

    await _in_a_thread(tmp_path, work)


async def test_a_client_that_cannot_connect_ends_its_thread(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        for index in range(4):
            await service.stop(index)

    def work() -> None:
        with pytest.raises(Unreachable), SyncClient.connect(tmp_path, "alice", timeout=0.3):
            pass

    await asyncio.to_thread(work)
    assert not _threads()


def _threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "strongroom-client"]


async def test_a_client_that_is_left_ends_what_other_threads_wait_for(tmp_path: Path) -> None:
    ends: list[BaseException] = []

    def wait(what: Callable[[], Any]) -> None:
        try:
            what()
        except BaseException as error:
            ends.append(error)

    def work(service: Service) -> None:
        with SyncClient.connect(tmp_path, "alice") as client:
            waiting = [
                threading.Thread(target=wait, args=(one,), daemon=True)
                for one in (
                    lambda: client.call("payments.transfer", to="bob", amount=1),
                    lambda: next(client.blocks()),
                )
            ]
            for one in waiting:
                one.start()
            while not service.payments():
                client.request("node_status")
        for one in waiting:
            one.join(30)  # who still waits then, waits for ever
        assert not any(one.is_alive() for one in waiting)

    async with running(tmp_path) as service:
        service.fund(ALICE, FUNDS)
        service.orderer.paused = True
        await asyncio.to_thread(work, service)
    assert [isinstance(one, Unreachable) for one in ends] == [True, True], ends
    assert not _threads()


async def test_inside_a_running_loop_it_says_what_to_use(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(ClientFault, match=IN_A_LOOP[:30]):
            SyncClient.connect(tmp_path, "alice")

        def make() -> SyncClient:
            return SyncClient.connect(tmp_path, "alice")

        client = await asyncio.to_thread(make)
        with pytest.raises(ClientFault, match="event loop"):
            client.__enter__()
        await asyncio.to_thread(client.__enter__)
        with pytest.raises(ClientFault, match="event loop"):
            client.query("payments.balance")
        await asyncio.to_thread(client.__exit__, None, None, None)


async def test_before_and_after_it_is_open_it_says_so(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        client = SyncClient.connect(directory, "alice")
        for _ in range(2):
            with pytest.raises(ClientFault, match=NOT_OPEN[:30]):
                client.query("payments.balance")
            if not client._entered:
                with client:
                    assert client.query("payments.balance").value == FUNDS
        with pytest.raises(ClientFault, match="entered once"):
            client.__enter__()

    await _in_a_thread(tmp_path, work)


async def test_an_iteration_that_is_dropped_ends(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            blocks = client.blocks(after=0)
            next(blocks)
            del blocks
            gc.collect()
            assert client.query("payments.balance").value == FUNDS

    await _in_a_thread(tmp_path, work)


# --- completeness ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_of_the_client_is_one_of_the_twin(name: str) -> None:
    """By one mechanism, with the same parameters and words."""
    ours, theirs = getattr(SyncClient, name), inspect.getattr_static(Client, name)
    if isinstance(theirs, property):
        assert isinstance(ours, property)
        assert (ours.fset is None) == (theirs.fset is None)
        return
    if name == "connect":
        return  # its options are Client's by `**options`
    assert list(inspect.signature(ours).parameters.values()) == list(
        inspect.signature(theirs).parameters.values()
    )
    assert ours.__wrapped__ is theirs
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)


def test_no_method_of_the_twin_gives_something_to_await() -> None:
    for name in PUBLIC:
        assert not inspect.iscoroutinefunction(getattr(SyncClient, name))
        assert not inspect.isasyncgenfunction(getattr(SyncClient, name))
