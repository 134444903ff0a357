"""Carrying out the replacement of an enclave's process, where the ledger went on while the next one
learned (DESIGN §5, Grace).

What is decided, and when, is tests/node/test_replacement.py's.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Height
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.process import EnclaveGone
from strongroom.node.enclave_client.refusals import RefusalKind, refusal_of
from strongroom.node.host import enclave_replacement, replacement_plan
from strongroom.node.host.enclave_replacement import ProcessChange

REACHED = 9


class Successor:
    """Executes up to a height, and then lacks a secret, or is broken."""

    def __init__(
        self, up_to: int, kind: RefusalKind = RefusalKind.KEYS_NEEDED, *, ends_at: str = ""
    ) -> None:
        self._up_to, self._kind, self._ends_at, self.stopped = up_to, kind, ends_at, False
        self.executed: list[int] = []
        self.shown: list[int] = []
        self.hangs = False

    def _may_end(self, at: str) -> None:
        if at == self._ends_at:
            raise EnclaveGone("the enclave ended")

    async def unseal_successor(self, _sealed: bytes, _genesis: bytes) -> bytes:
        self._may_end("unseal")
        if self.hangs:
            await asyncio.Event().wait()
        return b"nonce"

    async def challenge(self) -> bytes:
        return b"challenge"

    async def freshen(self, heads: list[object]) -> None:
        self._may_end("freshen")

    async def epochs(self, entries: list[int]) -> int:
        self.shown += entries
        return entries[-1]

    async def take_over(self, handed: bytes) -> bytes:
        self._may_end("take over")
        return b"sealed"

    async def execute(
        self, blocks: list[tuple[Any, object]], _: object
    ) -> list[tuple[bytes, bytes]]:
        if blocks[-1][0].height > self._up_to:
            raise refusal_of(self._kind, "no such secret")
        self.executed += [header.height for header, _ in blocks]
        return [(b"outcome %d" % header.height, b"") for header, _ in blocks]

    async def stop(self) -> None:
        self.stopped = True


class World:
    """A node whose blocks 1 to 12 are recorded, in runs of two, whose enclave had executed nine or
    ten of them, and four of them anchored; a change of its process is due."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        successor: Successor,
        *,
        reached: int = 10,
        begun: int = 1,
    ) -> None:
        def runs(_: object, above: int) -> list[Any]:
            return [
                SimpleNamespace(
                    blocks=[(SimpleNamespace(height=at), ()) for at in (first, first + 1)],
                    certificate="F",
                )
                for first in range(above + 1, 12, 2)
            ]

        async def start(_: Path) -> Successor:
            return successor

        async def restore(*_: object) -> Height:
            self.epochs.newest.epoch = begun
            return Height(4)

        monkeypatch.setattr(enclave_replacement, "stored_runs", runs)
        monkeypatch.setattr(EnclaveClient, "start", start)
        monkeypatch.setattr(enclave_replacement, "restore_enclave", restore)
        self.order: list[str] = []
        self.behind: int | None = None
        enclave: Any = SimpleNamespace(
            pid=1,
            seal=self._seal,
            hand_over=self._hand_over,
            become=self._become,
            pause=lambda: self.order.append("pause"),
            resume=lambda: self.order.append("resume"),
        )
        self.epochs: Any = SimpleNamespace(
            newest=SimpleNamespace(epoch=1),
            entries=lambda start: list(range(start, self.epochs.newest.epoch + 1)),
        )
        store: Any = SimpleNamespace(outcome=lambda height: b"outcome %d" % height)
        self.pipeline: Any = SimpleNamespace(
            behind=asyncio.Event(), reached=Height(reached), fall_behind=self._fall_behind
        )
        wiring: Any = SimpleNamespace(
            heads=SimpleNamespace(collect=self._collect), pipeline=self.pipeline
        )
        resources: Any = SimpleNamespace(
            enclave=enclave,
            genesis=SimpleNamespace(data=b""),
            store=store,
            epochs=self.epochs,
            history=None,
            snapshots=SimpleNamespace(folder=None),
        )
        self.change = ProcessChange(
            resources=resources,
            wiring=wiring,
            chip=Path(),
            store_sealed=self._store,
            on_changed=lambda: self.order.append("changed"),
            begin=self._begin,
        )

    async def run(self) -> None:
        """One look, and all that follows from it."""
        self.change.look(due=True, own=None)
        await self.task

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.task = asyncio.get_running_loop().create_task(work)
        return self.task

    async def _seal(self) -> bytes:
        return b"sealed"

    async def _collect(self, _: bytes, *, seconds: float) -> list[object]:
        return []

    async def _hand_over(self, nonce: bytes) -> bytes:
        assert nonce == b"nonce"
        return b"handed"

    async def _become(self, _: object) -> None:
        self.order.append("become")

    async def _store(self, _: bytes) -> None:
        self.order.append("stored")

    def _fall_behind(self, reached: int) -> None:
        self.order.append("follows")
        self.behind = reached


async def test_what_was_executed_before_is_executed_again_and_the_node_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    successor = Successor(12)
    world = World(monkeypatch, successor)
    await world.run()
    assert successor.executed == [5, 6, 7, 8, 9, 10]
    assert (world.order, world.behind) == (["pause", "stored", "become", "changed"], None)
    assert not successor.stopped


async def test_a_secret_erased_while_the_next_process_learned_makes_it_follow_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once it ended the node: an epoch ended, and an anchor went by, between learning and taking
    over."""
    successor = Successor(6)
    world = World(monkeypatch, successor)
    await world.run()
    assert world.behind == 6, "the follower begins where the new process stands"
    assert world.order == ["pause", "stored", "follows", "become", "changed"], (
        "before any request goes in"
    )
    assert not successor.stopped


async def test_a_process_that_ends_within_a_run_is_followed_up_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first process may stand at an anchor to which it was caught up by outcomes: no run ends
    there."""
    successor = Successor(12)
    world = World(monkeypatch, successor, reached=REACHED)
    await world.run()
    assert (successor.executed, world.behind) == ([5, 6, 7, 8], 8)


async def test_an_epoch_that_began_while_the_next_process_learned_is_shown_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody showed it any more: the node followed for ever, and the epoch after it ended the
    node."""
    successor = Successor(6)
    await World(monkeypatch, successor, begun=3).run()
    assert successor.shown == [1, 2, 3]


async def test_any_other_refusal_after_the_hand_over_ends_the_node_and_the_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    successor = Successor(6, kind=RefusalKind.PEER_FAULT)
    with pytest.raises(OperatorFault, match="start the node again"):
        await World(monkeypatch, successor).run()
    assert successor.stopped


@pytest.mark.parametrize("at", ["unseal", "freshen"])
async def test_a_successor_that_ends_before_the_hand_over_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Once it ended the node."""
    successor = Successor(12, ends_at=at)
    world = World(monkeypatch, successor)
    await world.run()
    assert successor.stopped
    assert world.order == []


async def test_a_successor_that_ends_after_the_hand_over_ends_the_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OperatorFault, match="start the node again"):
        await World(monkeypatch, Successor(12, ends_at="take over")).run()


async def test_a_start_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory, or no process table entry, for one more process: once it ended the node."""

    async def start(_: Path) -> None:
        raise BlockingIOError(11, "no more processes")

    world = World(monkeypatch, Successor(12))
    monkeypatch.setattr(EnclaveClient, "start", start)
    await world.run()
    assert world.order == []


async def test_a_successor_that_learns_too_slowly_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    successor = Successor(12)
    successor.hangs = True
    world = World(monkeypatch, successor)
    monkeypatch.setattr(enclave_replacement, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(replacement_plan, "LEARN_SECONDS_MAX", 0.0)
    world.change._plan._patience = 0.0
    await world.run()
    assert successor.stopped
    assert world.order == []
