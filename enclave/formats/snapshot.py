"""The form of a snapshot: an executor's whole state at a height, in sealed chunks under one root
(DESIGN §8).

Owns its bytes. The plaintext is one stream of frames (u32 length, canonical value): that state,
then every table in pieces. It is cut into chunks, each sealed with AES-256-GCM-SIV under the ledger
secret of the height's epoch, nonce from height and index; the AAD names chain, epoch, height,
block, index and count (T34, T40). Session secrets are in it only in their boxes, under the input
secret, and die with that (P10). Who makes it: snapshotting.py; who loads: snapshot_loading.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.host_messages import CHUNKS_MAX as CHUNKS_MAX
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest, Height
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.size_classes import pad_write_set, unpad
from strongroom.enclave.primitives import DeterministicBox, place_of

VERSION = 2
CHUNK_BYTES = 7 << 17
"""Plaintext of a chunk, padding included: 896 KiB, a size class of its own (size_classes.py). The
last may be shorter."""
HAND_OUT_MAX = 8
"""Chunks that an enclave gives its host at once."""
SNAPSHOT_FRAME_BYTES_MAX = 1 << 30
RECENT_MAX = 1024
_LENGTH_BYTES = 4
_PREFIX = labels.SNAPSHOT_CHUNK + b"\x00"

Tables = Mapping[tuple[str, str], dict[Any, Any]]
"""By (program, map), and the tables of sessions by their own names."""


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """One table as it stood at a height, whatever changes it since."""

    program: str
    name: str
    count: int
    """Items."""
    walk: int
    """Keys below."""
    keys: Iterable[Any]
    """In no order that means anything; some twice, and keys that have nothing."""
    values_of: Callable[[Sequence[Any]], list[Any]]
    """What these keys had; None: nothing."""
    release: Callable[[], None] = lambda: None
    """To be called when nothing is read any more."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExecutorState:
    """Where an executor stands after a height: all but its maps' and sessions' rows."""

    header: Header
    peaks: tuple[bytes, ...]
    """Of the history tree over heights 0..height: Frontier.peaks."""
    recent: tuple[tuple[Height, Digest, Digest], ...]
    """(height, history root, block digest) of the newest executed heights, ascending."""
    sessions: tuple[object, ...]
    """SessionTables.state."""
    due: Height
    """Whose outcome names this snapshot's root."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (VERSION, self.header.encoded, self.peaks, self.recent, self.sessions, self.due)
        )

    @classmethod
    def decode(cls, data: bytes) -> "ExecutorState":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of such a state.
        """
        version, header, peaks, recent, sessions, due = codec.fields(
            codec.decode(data), int, bytes, tuple, tuple, tuple, int, name="executor state"
        )
        if version != VERSION:
            raise NotCanonical(f"snapshot: version {version}, this enclave reads {VERSION}")
        return cls(
            header=Header.decode(header),
            peaks=tuple(codec.sized(peak, DIGEST_SIZE, name="peak") for peak in peaks),
            recent=tuple(
                _recent(one) for one in codec.listed(recent, name="recent", count_max=RECENT_MAX)
            ),
            sessions=sessions,
            due=Height(codec.unsigned(due, name="due")),
        )


def _recent(value: object) -> tuple[Height, Digest, Digest]:
    height, root, block = codec.fields(value, int, bytes, bytes, name="recent height")
    return (
        Height(codec.unsigned(height, name="height")),
        Digest(codec.sized(root, DIGEST_SIZE, name="root")),
        Digest(codec.sized(block, DIGEST_SIZE, name="block")),
    )


@dataclass(frozen=True, slots=True)
class SnapshotBox:
    """Seals and opens the chunks of one height."""

    chain: ChainId
    header: Header
    box: DeterministicBox

    def seal(self, index: int, count: int, data: bytes) -> bytes:
        """One chunk of at most CHUNK_BYTES − 1 bytes, padded by quarters of a power of two
        (T08)."""
        return self.box.seal(
            place_of(self.header.height, index), pad_write_set(data), self._aad(index, count)
        )

    def open(self, index: int, count: int, sealed: bytes) -> bytes:
        """Open one chunk.

        Raises:
            DoesNotOpen: it was made for another chain, epoch, height, block or place, or was
                changed.
            NotCanonical: its padding is none.
        """
        return unpad(
            self.box.open(place_of(self.header.height, index), sealed, self._aad(index, count))
        )

    def _aad(self, index: int, count: int) -> bytes:
        header = self.header
        place = header.epoch.to_bytes(8, "big") + header.height.to_bytes(8, "big") + header.digest
        return labels.bound(
            labels.SNAPSHOT_CHUNK,
            self.chain,
            place + index.to_bytes(4, "big") + count.to_bytes(4, "big"),
        )


def chunk_hash(sealed: bytes) -> Digest:
    """The leaf of a sealed chunk in its snapshot's tree."""
    return merkle.leaf_hash(_PREFIX + sealed)


def snapshot_root(hashes: Sequence[bytes]) -> Digest:
    """Over the hashes of all chunks, their number bound in."""
    return labels.labelled_digest(
        labels.SNAPSHOT, len(hashes).to_bytes(4, "big") + merkle.root_of(hashes)
    )


def frame(data: bytes) -> bytes:
    """One value of the stream."""
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


class StreamReader:
    """Reads the stream back, chunk by chunk: the state, and the tables."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._state: ExecutorState | None = None
        self.tables: dict[tuple[str, str], dict[Any, Any]] = {}

    def feed(self, data: bytes) -> None:
        """Take the next chunk's plaintext.

        Raises:
            NotCanonical: it is no such stream.
        """
        self._buffer += data
        for framed in self._frames():
            if self._state is None:
                self._state = ExecutorState.decode(framed)
            else:
                self._take(framed)

    def end(self) -> ExecutorState:
        """All was fed: the state.

        Raises:
            NotCanonical: the stream ends too early.
        """
        if self._state is None or self._buffer:
            raise NotCanonical("snapshot: the stream ends inside a value")
        return self._state

    def _frames(self) -> Iterator[bytes]:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= _LENGTH_BYTES:
            size = int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
            if size > SNAPSHOT_FRAME_BYTES_MAX:
                raise NotCanonical("snapshot: a value that is too long")
            end = at + _LENGTH_BYTES + size
            if len(buffer) < end:
                break
            yield bytes(buffer[at + _LENGTH_BYTES : end])
            at = end
        del buffer[:at]

    def _take(self, framed: bytes) -> None:
        value = codec.decode(framed, size_max=SNAPSHOT_FRAME_BYTES_MAX)
        program, name, keys, values = codec.fields(value, str, str, tuple, tuple, name="piece")
        if len(keys) != len(values):
            raise NotCanonical("snapshot: not as many values as keys")
        self.tables.setdefault((program, name), {}).update(zip(keys, values, strict=True))
