"""A block store that is to end earlier: what stands above is left out, and the store as it was is
kept aside (VAULT §7).

Owns that this survives a kill at any place: the shorter one is whole before the other one is moved,
and both are moved, never changed. Files that stay as they are get a second name, where the disk can
do that; the one in which the first record is left out is written anew, with what follows it. The
index is made anew when the store is opened. Refuses to know why a store is to end earlier.
"""

import os
import shutil
from pathlib import Path

from strongroom.consensus.errors import OperatorFault, invariant
from strongroom.node.ledger.frames import TornTail
from strongroom.node.ledger.segments import Kind, Location, Record, Segments
from strongroom.node.ledger.store import open_archived
from strongroom.node.machine.durable_files import disk_faults, fsync_directory, make_directory

_LEDGER, _INDEX = "ledger", "index"


def shorten(directory: Path, aside: Path, *, block: int, outcome: int) -> None:
    """Let the block store of a node's directory end with these heights.

    Args:
        directory: with `ledger/` and `index/`; nobody has it open.
        aside: where the ledger as it was goes.
        block: the newest that stays.
        outcome: the newest that stays; not above `block`.

    Raises:
        CorruptRecord: the ledger is damaged; nothing was changed.
        DiskFault: the disk refused; the ledger stands where it stood.
        OperatorFault: another one was moved aside already.
    """
    invariant(outcome <= block, f"outcome {outcome} above block {block}")
    if (aside / _LEDGER).exists():
        raise OperatorFault(
            f"another-ledger: the one that was found here was moved to {aside / _LEDGER}, and "
            f"{directory / _LEDGER} is not what was made of it: move this one away, move "
            f"{aside.name}/{_LEDGER} back into its place, and run the command again"
        )
    made = _made(aside)
    with disk_faults(made):
        if made.exists():
            shutil.rmtree(made)
        make_directory(made)
        _write_shorter(directory / _LEDGER, made, block=block, outcome=outcome)
        _swap(directory, aside)


def go_on_shortening(directory: Path, aside: Path) -> None:
    """After a kill: the ledger was moved aside, and the shorter one is not in its place yet."""
    if not (directory / _LEDGER).exists() and (aside / _LEDGER).exists() and _made(aside).exists():
        with disk_faults(aside):
            _swap(directory, aside)


def _made(aside: Path) -> Path:
    return aside.with_name("shorter")


def _swap(directory: Path, aside: Path) -> None:
    ledger, index = directory / _LEDGER, directory / _INDEX
    if ledger.exists():
        make_directory(aside)
        invariant(not (aside / _LEDGER).exists(), f"{aside} holds a ledger already")
        ledger.rename(aside / _LEDGER)
        fsync_directory(aside)
    if index.exists():
        shutil.rmtree(index)
    _made(aside).rename(ledger)
    fsync_directory(directory)


def _write_shorter(source: Path, made: Path, *, block: int, outcome: int) -> None:
    above = open_archived(source.parent).base
    segments = Segments(source, above=above)
    if block < above.block or outcome < above.outcome:
        raise OperatorFault(
            f"archived: {source} begins above height {min(block, outcome)}, its end: "
            "copy the archive's blocks-*.log into it, remove archived/ beside it, run it again"
        )
    cut, kept = _find_cut(segments, block=block, outcome=outcome)
    newest = segments.firsts[-1] if cut is None else cut.segment  # it is appended to
    for first in segments.firsts:
        path = segments.path(first)
        if first < newest:
            _give_second_name(path, made / path.name)
        elif first == newest:
            size = path.stat().st_size if cut is None else cut.offset
            _copy_beginning(path, made / path.name, size)
    fsync_directory(made)
    shorter, heights = Segments(made, above=above), above
    for record in shorter.scan(above.block + 1, heights):
        heights = record.reached
    shorter.resume(heights, None)
    for record in kept:
        shorter.append(record.kind, record.height, record.payload)
    shorter.sync()
    shorter.close()


def _find_cut(
    segments: Segments, *, block: int, outcome: int
) -> tuple[Location | None, list[Record]]:
    """The first record to be left out, and what is kept behind it."""
    last = {Kind.BLOCK: block, Kind.OUTCOME: outcome}
    cut: Location | None = None
    kept: list[Record] = []
    try:
        for record in segments.scan(segments.above.block + 1, segments.above):
            stays = record.height <= last[record.kind]
            if not stays and cut is None:
                cut = record.location
            elif stays and cut is not None:
                kept.append(record)
    except TornTail as tail:
        if cut is None:
            cut = Location(int(tail.path.stem.rpartition("-")[2]), tail.offset, 0)
    return cut, kept


def _give_second_name(path: Path, second: Path) -> None:
    try:
        os.link(path, second)
    except OSError:
        _copy_beginning(path, second, path.stat().st_size)


def _copy_beginning(path: Path, copy: Path, size: int) -> None:
    """The first bytes of a file, durable, in a file of its own."""
    with path.open("rb") as file, copy.open("xb") as made:
        shutil.copyfileobj(file, made)
        made.truncate(size)
        made.flush()
        os.fsync(made.fileno())
    copy.chmod(0o600)
