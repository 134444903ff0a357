"""Sorted runs: where many transactions stand, in 16 bytes each, written once and never changed
(DESIGN §8).

    run     magic 4 | count u32 | CRC32C u32 | entries, ascending
    entry   first 7 bytes of the id | height u40 | position u24 | code u8

Big-endian. The checksum is over all but itself. An entry says where to look, not what stands there:
two ids may begin alike, so whoever finds one compares the id at that place. Owns this form, the
search in a run, and how several become one, a few thousand entries at a time. Refuses to know where
runs are kept (transaction_table.py).
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import google_crc32c

Run = bytes | memoryview

PREFIX_SIZE = 7
"""Of an id, in an entry. Whoever wants two ids that begin alike tries 2^28 envelopes, four 2^42:
each costs a look at its block, and nothing else."""
HEIGHT_MAX = (1 << 40) - 1
STEP_ENTRIES = 4_096
"""About as many are merged in one step: 1 to 2 ms."""
_MAGIC = b"RUN1"
_HEAD = struct.Struct(">4sI")
_HEAD_SIZE = _HEAD.size + 4
_ENTRY_SIZE = 16
_GUESSES_MAX = 12
_PREFIX = struct.Struct(">Q")
"""The first 8 bytes of an entry; the last of them is no part of the id."""


class RunDamaged(ValueError):
    """These bytes are no run, or not the one that was written."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a transaction stands whose id begins as the one that is looked for."""

    height: int
    position: int
    code: int


def make_run(found: Iterable[tuple[bytes, int, int, int]]) -> bytes:
    """A run of (id, height, position, code) in any order; an id may stand in it several times."""
    entries = [
        id[:PREFIX_SIZE] + (height << 32 | position << 8 | code).to_bytes(9, "big")
        for id, height, position, code in found
    ]
    entries.sort()
    return _sealed(b"".join(entries))


def count_of(run: Run) -> int:
    """Its entries, by its head.

    Raises:
        RunDamaged: it has none.
    """
    if len(run) < _HEAD_SIZE:
        raise RunDamaged("cut short")
    return int(_HEAD.unpack_from(run)[1])


def check_run(run: Run) -> None:
    """Whether it is what was written.

    Raises:
        RunDamaged: it is not.
    """
    magic, count = _HEAD.unpack_from(run) if len(run) >= _HEAD_SIZE else (b"", 0)
    if magic != _MAGIC or len(run) != _HEAD_SIZE + _ENTRY_SIZE * count:
        raise RunDamaged("no run, or cut short")
    checksum = google_crc32c.value(bytes(run[: _HEAD.size]))
    checksum = google_crc32c.extend(checksum, bytes(run[_HEAD_SIZE:]))
    if checksum != int.from_bytes(run[_HEAD.size : _HEAD_SIZE], "big"):
        raise RunDamaged("the checksum does not hold")


def find_in(run: Run, id: bytes) -> list[Candidate]:
    """What stands in a run under the beginning of an id, by height."""
    prefix, count = id[:PREFIX_SIZE], count_of(run)
    found: list[Candidate] = []
    for at in range(_bound(run, int.from_bytes(prefix, "big"), count), count):
        entry = bytes(run[_at(at) : _at(at + 1)])
        if entry[:PREFIX_SIZE] != prefix:
            break
        place = int.from_bytes(entry[PREFIX_SIZE:], "big")
        found.append(Candidate(place >> 32, place >> 8 & 0xFFFFFF, place & 0xFF))
    return found


def merge(runs: Callable[[], Sequence[Run]]) -> Iterator[bytes | None]:
    """One run of several: None after each step, at last the run.

    Args:
        runs: gives them, always the same; asked once a step, so that they may lie in a map that
            moves in between.
    """
    counts = [count_of(run) for run in runs()]
    steps = max(1, sum(counts) // STEP_ENTRIES)
    starts, parts = [0] * len(counts), list[bytes]()
    for step in range(1, steps + 1):
        upper = (1 << 8 * PREFIX_SIZE) * step // steps
        entries: list[bytes] = []
        for index, (run, count) in enumerate(zip(runs(), counts, strict=True)):
            end = count if step == steps else _bound(run, upper, count)
            data = bytes(run[_at(starts[index]) : _at(end)])
            entries += [data[at : at + _ENTRY_SIZE] for at in range(0, len(data), _ENTRY_SIZE)]
            starts[index] = end
        entries.sort()
        parts.append(b"".join(entries))
        yield None
    yield _sealed(b"".join(parts))


def _sealed(entries: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, len(entries) // _ENTRY_SIZE)
    checksum: int = google_crc32c.extend(google_crc32c.value(head), entries)
    return b"".join((head, checksum.to_bytes(4, "big"), entries))


def _bound(run: Run, prefix: int, count: int) -> int:
    """The first entry that does not begin below a prefix. Ids are digests, so it stands about where
    its share of all prefixes says; halving ends what somebody made uneven."""
    key, low, high, below, above = prefix << 8, 0, count, 0, 1 << 64
    for _ in range(_GUESSES_MAX):
        if low >= high:
            return low
        at = min(low + (key - below) * (high - low) // (above - below), high - 1)
        (found,) = _PREFIX.unpack_from(run, _at(at))
        if found < key:
            low, below = at + 1, found
        else:
            high, above = at, found
    return bisect_left(
        range(count), key, low, high, key=lambda at: _PREFIX.unpack_from(run, _at(at))[0]
    )


def _at(entry: int) -> int:
    return _HEAD_SIZE + _ENTRY_SIZE * entry
