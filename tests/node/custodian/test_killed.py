"""kill -9 of a custodian at every step of a release: its journal goes on, what was given stands
on the ledger before it, and a room asks again (T55)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.node.custodian.release_world import HALF, ReleaseWorld

from strongroom.node.custodian import journal as journals
from strongroom.node.custodian.errors import HalfRefused
from strongroom.node.custodian.journal import Journal, read_journal


class Killed(BaseException):
    """Nothing after it runs."""


def kill(*_: Any, **__: Any) -> Any:
    raise Killed


def before_the_entry(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journals, "_write_all", kill)


def within_the_entry(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    write: Callable[[int, bytes], None] = journals._write_all

    def cut(descriptor: int, data: bytes) -> None:
        write(descriptor, data[: len(data) // 2])
        raise Killed

    patch.setattr(journals, "_write_all", cut)


def before_the_head(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journals, "_write_head", kill)


def before_the_ledger(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world.ledger, "release", kill)


def before_the_half(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world.halves, "half", kill)


def before_the_last_entry(world: ReleaseWorld, patch: pytest.MonkeyPatch) -> None:
    append = world.journal.append

    def once(what: str, **facts: Any) -> Any:
        if what == "given":
            raise Killed
        return append(what, **facts)

    patch.setattr(world.journal, "append", once)


STEPS = {
    before_the_entry: (0, []),
    within_the_entry: (0, []),
    before_the_head: (0, ["asked"]),
    before_the_ledger: (0, ["asked"]),
    before_the_half: (1, ["asked"]),
    before_the_last_entry: (1, ["asked"]),
}
"""Each step: (releases that the ledger has by then, what the journal says)."""


@pytest.mark.parametrize("step", STEPS)
async def test_t55_a_custodian_that_is_killed_goes_on_and_nothing_was_given_without_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    world = ReleaseWorld(tmp_path)
    request = world.request()
    with monkeypatch.context() as patch:
        step(world, patch)
        with pytest.raises(Killed):
            await world.ask(request)
    world.journal.close()  # as the kernel does
    recorded, said = STEPS[step]
    assert world.ledger.events.count("release") == recorded

    world.journal = Journal.open(tmp_path)
    world.make()
    assert [entry.what for entry in read_journal(tmp_path)] == said
    with pytest.raises(HalfRefused) as refused:
        await world.ask(request)
    assert refused.value.code == "form", "a challenge is of one process"
    assert (await world.ask()).reveal() == HALF.reveal()
    whats = [entry.what for entry in read_journal(tmp_path)]
    assert whats == [*said, "asked", "given"]
    digests = [entry.digest for entry in read_journal(tmp_path) if entry.what == "asked"]
    assert [digest for digest, _ in world.ledger.recorded][-1] == digests[-1]
    world.journal.close()
