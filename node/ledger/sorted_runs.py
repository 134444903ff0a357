"""Sorted runs: where many transactions stand, in 16 bytes each, in pieces of one page that are
written once and never changed (DESIGN §8).

    entry   first 7 bytes of the id | refused 1 bit | height 39 bits | position u24 | code u8
    piece   CRC32C u32 | last entry of the piece before it | entries, ascending, at most 253
    key     number of the run u32 | last entry of the piece

Big-endian. The checksum is over the run's number and all behind it. An entry says where to look,
not what stands there: two ids may begin alike, so whoever finds one compares the id at that place.
Of what begins alike the best stands first: executed before refused, then by height. Owns these
forms, and how much of a piece may be believed. Refuses to know where pieces are kept, and which
runs there are (run_levels.py).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import google_crc32c

PREFIX_SIZE = 7
"""Of an id, in an entry. Whoever wants two ids that begin alike tries 2^28 envelopes, four 2^42:
each costs a look at its block, and nothing else."""
HEIGHT_MAX = (1 << 39) - 1
ENTRY_SIZE = 16
PIECE_ENTRIES_MAX = 253
"""A piece of these fills what LMDB has of a page of 4 KiB for a large value, 4,080 bytes: so pages
that are free again always fit."""
NOTHING = bytes(ENTRY_SIZE)
"""Below every entry: before a run's first piece. No height is 0."""
_NUMBER_SIZE = 4
_CHECKSUM_SIZE = 4
HEAD_SIZE = _CHECKSUM_SIZE + ENTRY_SIZE
"""Of a piece."""
_REFUSED = 1 << 71
_FULL = struct.Struct(f"{ENTRY_SIZE}s" * PIECE_ENTRIES_MAX)
_SCANNED = 32
"""Entries that are searched by the byte: quicker than to halve them."""


class RunDamaged(ValueError):
    """What stands there is no piece of a run, or not the one that was written."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a transaction stands whose id begins as the one that is looked for."""

    height: int
    position: int
    code: int


def entry_of(id: bytes, height: int, position: int, code: int) -> bytes:
    """16 bytes; code 0 is executed."""
    place = height << 32 | position << 8 | code
    return id[:PREFIX_SIZE] + (place | _REFUSED if code else place).to_bytes(9, "big")


def place_of(entry: bytes) -> Candidate:
    """What an entry says."""
    place = int.from_bytes(entry[PREFIX_SIZE:], "big") & ~_REFUSED
    return Candidate(place >> 32, place >> 8 & 0xFFFFFF, place & 0xFF)


def key_of(number: int) -> bytes:
    """How the keys of a run's pieces begin."""
    return number.to_bytes(_NUMBER_SIZE, "big")


def seed_of(number: int) -> int:
    """With what the checksums of a run's pieces begin."""
    seed: int = google_crc32c.value(key_of(number))
    return seed


def pieces(number: int, before: bytes, entries: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of pieces.

    Args:
        number: of the run.
        before: the last entry of the piece before these, or `NOTHING`.
        entries: ascending.
    """
    key, seed = key_of(number), seed_of(number)
    for at in range(0, len(entries), PIECE_ENTRIES_MAX):
        some = entries[at : at + PIECE_ENTRIES_MAX]
        body = before + b"".join(some)
        before = some[-1]
        yield key + before, _checksum(seed, body) + body


def read_piece(seed: int, key: bytes, value: bytes) -> bytes:
    """The piece, which is what was written under this key; `seed` is of its run.

    Raises:
        RunDamaged: it is not.
    """
    body = value[_CHECKSUM_SIZE:]
    if value[:_CHECKSUM_SIZE] != _checksum(seed, body):
        raise RunDamaged("the checksum does not hold")
    if len(body) % ENTRY_SIZE or not len(body) > ENTRY_SIZE or body[-ENTRY_SIZE:] != key[4:]:
        raise RunDamaged("another piece stands there")
    return value


def before_of(piece: bytes) -> bytes:
    """The last entry of the piece before it."""
    return piece[_CHECKSUM_SIZE:HEAD_SIZE]


def entries_of(piece: bytes) -> Sequence[bytes]:
    """All of it, ascending."""
    if len(piece) == HEAD_SIZE + _FULL.size:  # five times as fast
        return _FULL.unpack_from(piece, HEAD_SIZE)
    return [piece[at : at + ENTRY_SIZE] for at in range(HEAD_SIZE, len(piece), ENTRY_SIZE)]


def first_alike(piece: bytes, prefix: bytes) -> int:
    """Where the first entry begins that begins so; -1: none does."""
    low, high = 0, (len(piece) - HEAD_SIZE) // ENTRY_SIZE
    while high - low > _SCANNED:
        middle = (low + high) // 2
        at = HEAD_SIZE + ENTRY_SIZE * middle
        if piece[at : at + PREFIX_SIZE] < prefix:
            low = middle
        else:
            high = middle
    at, end = HEAD_SIZE + ENTRY_SIZE * low, HEAD_SIZE + ENTRY_SIZE * (high + 1)
    while (at := piece.find(prefix, at, end)) >= 0 and (at - HEAD_SIZE) % ENTRY_SIZE:
        at += 1
    return at


def _checksum(seed: int, body: bytes) -> bytes:
    checksum: int = google_crc32c.extend(seed, body)
    return checksum.to_bytes(_CHECKSUM_SIZE, "big")
