"""Replacing the enclave's process, where the ledger went on while the next one learned (DESIGN §5,
Grace)."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Epoch, Height
from strongroom.node.enclave_client.refusals import RefusalKind, refusal_of
from strongroom.node.host import enclave_replacement
from strongroom.node.host.enclave_replacement import ProcessChange

REACHED = 9


class Successor:
    """Executes up to a height, and then lacks a secret, or is broken."""

    def __init__(self, up_to: int, kind: RefusalKind = RefusalKind.KEYS_NEEDED) -> None:
        self._up_to, self._kind, self.stopped = up_to, kind, False
        self.executed: list[int] = []
        self.shown: list[int] = []

    async def epochs(self, entries: list[int]) -> int:
        self.shown += entries
        return entries[-1]

    async def take_over(self, handed: bytes) -> bytes:
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
    """A node whose blocks 1 to 12 are recorded, in runs of two, and whose enclave had executed nine
    or ten of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, reached: int = 10) -> None:
        def runs(_: object, above: int) -> list[Any]:
            return [
                SimpleNamespace(
                    blocks=[(SimpleNamespace(height=at), ()) for at in (first, first + 1)],
                    certificate="F",
                )
                for first in range(above + 1, 12, 2)
            ]

        monkeypatch.setattr(enclave_replacement, "stored_runs", runs)
        self.order: list[str] = []
        self.behind: int | None = None
        enclave: Any = SimpleNamespace(
            pid=1, pause=lambda: self.order.append("pause"), hand_over=self._hand_over
        )
        enclave.become = self._become
        self.epochs: Any = SimpleNamespace(
            newest=SimpleNamespace(epoch=1),
            entries=lambda start: list(range(start, self.epochs.newest.epoch + 1)),
        )
        store: Any = SimpleNamespace(outcome=lambda height: b"outcome %d" % height)
        parts: Any = SimpleNamespace(
            heads=None,
            pipeline=SimpleNamespace(
                behind=asyncio.Event(), reached=Height(reached), fall_behind=self._fall_behind
            ),
        )
        ground: Any = SimpleNamespace(
            enclave=enclave,
            genesis=SimpleNamespace(data=b""),
            store=store,
            epochs=self.epochs,
            history=None,
            snapshots=SimpleNamespace(folder=None),
        )
        self.change = ProcessChange(
            ground=ground,
            parts=parts,
            chip=Path(),
            store_sealed=self._store,
            on_changed=lambda: None,
        )
        self.change._applied, self.change._shown = Height(4), Epoch(1)

    async def _hand_over(self, _: bytes) -> bytes:
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
    world, successor = World(monkeypatch), Successor(12)
    await world.change._change(successor, b"nonce")  # type: ignore[arg-type]
    assert successor.executed == [5, 6, 7, 8, 9, 10]
    assert (world.order, world.behind) == (["pause", "stored", "become"], None)


async def test_a_secret_erased_while_the_next_process_learned_makes_it_follow_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once it ended the node: an epoch ended, and an anchor went by, between learning and taking
    over."""
    world, successor = World(monkeypatch), Successor(6)
    await world.change._change(successor, b"nonce")  # type: ignore[arg-type]
    assert world.behind == 6, "the follower begins where the new process stands"
    assert world.order == ["pause", "stored", "follows", "become"], "before any request goes in"
    assert not successor.stopped


async def test_a_process_that_ends_within_a_run_is_followed_up_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first process may stand at an anchor to which it was caught up by outcomes: no run ends
    there."""
    world, successor = World(monkeypatch, reached=REACHED), Successor(12)
    await world.change._change(successor, b"nonce")  # type: ignore[arg-type]
    assert (successor.executed, world.behind) == ([5, 6, 7, 8], 8)


async def test_an_epoch_that_began_while_the_next_process_learned_is_shown_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody showed it any more: the node followed for ever, and the epoch after it ended the
    node."""
    world, successor = World(monkeypatch), Successor(6)
    world.epochs.newest.epoch = 3
    await world.change._change(successor, b"nonce")  # type: ignore[arg-type]
    assert successor.shown == [2, 3]


async def test_any_other_refusal_after_the_hand_over_ends_the_node_and_the_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, successor = World(monkeypatch), Successor(6, kind=RefusalKind.PEER_FAULT)
    with pytest.raises(OperatorFault, match="start the node again"):
        await world.change._change(successor, b"nonce")  # type: ignore[arg-type]
    assert successor.stopped
