"""How far a node is: what waits is bounded, and when an epoch is over here (R16)."""

from dataclasses import replace

from tests.consensus import samples

from strongroom.consensus.batches import BATCH_BYTES_MAX
from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.replica.events import Commit
from strongroom.consensus.types import Height
from strongroom.node.ordering.backlog import BACKLOG_BLOCKS_MAX, BACKLOG_BYTES_MAX, Backlog


def header(height: int, size: int = 100, anchor: int = 0) -> Header:
    root = samples.HEADER.anchor.root
    return replace(
        samples.HEADER, height=Height(height), batch_bytes=size, anchor=Anchor(Height(anchor), root)
    )


def commits(first: int, last: int, size: int = 100) -> list[Commit]:
    return [Commit(header(height, size), (), None) for height in range(first, last + 1)]


def backlog() -> Backlog:
    return Backlog(recorded=Height(0), executed=Height(0))


def test_what_waits_for_execution_is_bounded_in_blocks_and_bytes() -> None:
    made = backlog()
    made.add(commits(1, BACKLOG_BLOCKS_MAX))
    assert not made.overfull
    made.add(commits(BACKLOG_BLOCKS_MAX + 1, BACKLOG_BLOCKS_MAX + 1))
    assert made.overfull
    made.note_recorded(Height(1))
    assert made.overfull, "recorded is not executed"
    made.note_executed(Height(1))
    assert not made.overfull
    made = backlog()
    made.add(commits(1, BACKLOG_BYTES_MAX // BATCH_BYTES_MAX + 1, BATCH_BYTES_MAX))
    assert made.overfull
    made.note_recorded(Height(1))
    made.note_following(True)
    assert not made.overfull, "whoever follows holds nothing for execution"


def test_an_epoch_is_over_once_its_last_block_is_recorded_and_executed() -> None:
    made, terminal = backlog(), header(9, anchor=7)
    made.note_executed(Height(9))
    assert not made.is_through(terminal)
    made.note_recorded(Height(9))
    assert made.is_through(terminal)


def test_whoever_follows_enters_the_next_epoch_with_the_last_block_not_executed() -> None:
    made, terminal = backlog(), header(9, anchor=7)
    made.note_recorded(Height(9))
    made.note_executed(Height(7))
    assert not made.is_through(terminal)
    made.note_following(True)
    assert made.is_through(terminal)
