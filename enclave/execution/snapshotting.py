"""Makes snapshots beside execution: the tables are frozen at one height, encoded and sealed piece
by piece at the heights that follow.

Owns when one begins, how much of it each block pays for, and that every replica makes the same
bytes: items are put in order before they are encoded, for the order of a dict tells who executed
and who applied. Knows nothing of what the tables mean.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from zlib import crc32

from strongroom.consensus import codec
from strongroom.consensus.errors import invariant
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest, Height
from strongroom.enclave.formats.snapshot import (
    CHUNK_BYTES,
    CHUNKS_MAX,
    HAND_OUT_MAX,
    ExecutorState,
    SnapshotBox,
    Table,
    chunk_hash,
    frame,
    snapshot_root,
)
from strongroom.enclave.primitives import DeterministicBox

BLOCKS_MIN = 8
"""Fewer blocks than this are never between two snapshots, whatever a constitution says."""
PIECE_ITEMS = 512
"""Items of a piece, about: one step sorts and encodes so many, in under a millisecond when they are
small."""
SLICE_ITEMS = 1024
"""Items that one step puts into their pieces."""


class Capture:
    """One snapshot on its way: encoded within three quarters of its heights, the longer work, and
    sealed by the last of them."""

    def __init__(
        self, state: ExecutorState, tables: list[Table], chain: ChainId, box: DeterministicBox
    ) -> None:
        self.height, self.due = state.header.height, state.due
        self._encoded_by = Height((self.height + 3 * self.due) // 4)
        self._box = SnapshotBox(chain, state.header, box)
        self._stream = bytearray(frame(state.encode()))
        self._plain: list[bytes] = []
        self._left = sum(_steps_of(table) for table in tables)
        self._steps = self._encode(tables)
        self._hashes: list[Digest] = []
        self._first = 0
        self._kept: list[bytes] = []
        """Sealed chunks from number `_first` on: those that were not handed out."""
        self.count = 0
        """Chunks in all; 0 until everything is encoded."""

    def advance(self, height: Height) -> None:
        """Do one height's share of the work."""
        for _ in range(_share(self._left, self._encoded_by - height)):
            next(self._steps)
            self._left -= 1
        if self._left == 0:
            if self.count == 0:
                self._cut()
            for _ in range(_share(self.count - len(self._hashes), self.due - height)):
                self._seal_next()

    @property
    def root(self) -> Digest:
        """Over all chunks; known at height `due`."""
        invariant(
            0 < self.count == len(self._hashes),
            f"the snapshot of height {self.height} is not finished",
        )
        return snapshot_root(self._hashes)

    def drop_below(self, first: int) -> None:
        """Chunks below this number are safe elsewhere."""
        gone = min(max(0, first - self._first), len(self._kept))
        del self._kept[:gone]
        self._first += gone

    def chunks(self) -> tuple[int, tuple[bytes, ...]]:
        """(number of the first, sealed chunks) that are here."""
        return self._first, tuple(self._kept[:HAND_OUT_MAX])

    def _encode(self, tables: list[Table]) -> Iterator[None]:
        """Every table in pieces, one step at a time; a table that is done is let go of."""
        tables.reverse()
        while tables:
            table = tables.pop()
            pieces: list[list[Any]] = [[] for _ in range(_pieces_of(table.count))]
            if len(pieces) == 1:
                pieces[0] = list(table.keys)
            else:
                mask, keys = len(pieces) - 1, iter(table.keys)
                while taken := list(islice(keys, SLICE_ITEMS)):
                    for key in taken:
                        pieces[crc32(codec.encode(key)) & mask].append(key)
                    yield
            for piece in pieces:
                self._stream += frame(_encoded(table, piece))
                piece.clear()
                self._fill()
                yield
            table.release()

    def _fill(self) -> None:
        size = CHUNK_BYTES - 1
        full = len(self._stream) // size
        self._plain += [bytes(self._stream[at * size : (at + 1) * size]) for at in range(full)]
        del self._stream[: full * size]

    def _cut(self) -> None:
        """Everything is encoded: what is left is the last chunk."""
        for _ in self._steps:  # to its end: until then it and this object hold each other
            invariant(False, f"the snapshot of height {self.height} takes more steps")
        self._fill()
        self._plain.append(bytes(self._stream))
        self._stream.clear()
        self.count = len(self._plain)
        invariant(self.count <= CHUNKS_MAX, f"a snapshot of {self.count} chunks")
        self._plain.reverse()

    def _seal_next(self) -> None:
        sealed = self._box.seal(len(self._hashes), self.count, self._plain.pop())
        self._hashes.append(chunk_hash(sealed))
        self._kept.append(sealed)


class Snapshots:
    """An executor's snapshots: the one that is being made, and the finished one while chunks of it
    are here."""

    def __init__(self, chain: ChainId) -> None:
        self._chain = chain
        self._finished: Capture | None = None
        self._current: Capture | None = None
        self._named: tuple[Height, Digest] | None = None
        """(height that names it, root) of the snapshot that this executor was loaded from."""

    def advance(self, height: Height) -> Digest:
        """Do a height's share; the root of the snapshot that this height names, zeros when there is
        none.

        Asked again for the same height it says the same.
        """
        if self._named is not None:
            return self._named[1] if self._named[0] == height else NO_DIGEST
        if self._current is None or height > self._current.due:
            return NO_DIGEST
        self._current.advance(height)
        return self._current.root if height == self._current.due else NO_DIGEST

    def is_due(self, height: Height, blocks: int) -> Height | None:
        """Does a snapshot of this height begin, `blocks` being the governed distance? The height
        that will name it."""
        blocks = max(blocks, BLOCKS_MIN)
        busy = max(
            0 if self._current is None else self._current.due,
            0 if self._named is None else self._named[0],
        )
        return None if height % blocks or height < busy else Height(height + blocks)

    def begin(self, state: ExecutorState, tables: list[Table], box: DeterministicBox) -> None:
        """Begin the one of the newest height; an older one that nobody took is let go of."""
        self._finished, self._named = self._current, None
        self._current = Capture(state, tables, self._chain, box)

    def go_on(self, due: Height, root: Digest) -> None:
        """This executor was loaded from a snapshot: the one on its way at that height, which is
        here already."""
        self._named = (due, root)

    def hand_out(self, height: Height, first: int) -> tuple[int, int, int, int, tuple[bytes, ...]]:
        """Hand out chunks: (height, due, count, number of the first, chunks); zeros when there are
        none.

        Args:
            height: whose chunks below `first` the host has stored; they are dropped here.
            first: see there.
        """
        for one in (self._finished, self._current):
            if one is not None and one.height == height:
                one.drop_below(first)
        for one in (self._finished, self._current):
            if one is not None:
                number, chunks = one.chunks()
                if chunks:
                    return one.height, one.due, one.count, number, chunks
        return 0, 0, 0, 0, ()


def _pieces_of(items: int) -> int:
    """A power of two, the same on every replica."""
    return 1 << max(0, -(-items // PIECE_ITEMS) - 1).bit_length()


def _steps_of(table: Table) -> int:
    pieces = _pieces_of(table.count)
    return pieces if pieces == 1 else pieces + -(-table.walk // SLICE_ITEMS)


def _encoded(table: Table, piece: list[Any]) -> bytes:
    """A piece, each of its keys once and in order; keys that have nothing are not in it."""
    keys = sorted(set(piece))
    values = table.values_of(keys)
    if None in values:
        keys = [key for key, value in zip(keys, values, strict=True) if value is not None]
        values = [value for value in values if value is not None]
    return codec.encode((table.program, table.name, keys, values))


def _share(left: int, heights: int) -> int:
    """Of the work that is left, with so many heights to go."""
    return -(-left // max(1, heights))
