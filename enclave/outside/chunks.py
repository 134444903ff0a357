"""Sealed chunks of data sets and results: what lies outside the ledger, and what stands for it
(ROOMS §3; T64, T67).

Owns the bytes of a chunk, its name and the root over names. Whoever has the names and the root can
tell that nothing was dropped, added, moved or changed; whoever has the key besides can read. Pure,
streaming: no more than one chunk is held. Knows no file and no network.

    chunk = AES-256-GCM(K, nonce = index, AAD = label ‖ chain ‖ (owner, data, version, index, last))
    name  = SHA-256(chunk);   root = Merkle root over names (RFC 6962)

A chunk holds 1 MiB − 1 byte of the stream and the padding's marker; the last one of a version is
padded by quarters of a power of two, and never shorter than 1 KiB, of a result 64 KiB.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.formats.merkle import leaf_hash, root_of
from strongroom.enclave.formats.size_classes import (
    WRITE_SET_BYTES_MIN,
    pad_write_set,
    unpad,
)
from strongroom.enclave.primitives import TAG_SIZE, DoesNotOpen, Secret, SequenceBox

CONTENT_BYTES_MAX = 1024 * 1024 - 1
"""Of the stream in one chunk; every chunk but the last holds as much."""
CHUNK_SEALED_BYTES_MAX = CONTENT_BYTES_MAX + 1 + TAG_SIZE


class ChunkChanged(ClientFault):
    """A chunk is not the one that the ledger's root stands for, or not of this place."""


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where chunks belong: one version of one data set, or one result."""

    chain: ChainId
    owner: bytes
    """Identity, 32 bytes; of a result, its clean room."""
    name: str
    version: int

    def aad(self, index: int, last: bool) -> bytes:
        """What a chunk is bound to."""
        place = (self.owner, self.name, self.version, index, last)
        return labels.bound(labels.CHUNK, self.chain, codec.encode(place))


class ChunkSealer:
    """Cuts a stream into chunks and seals them, one after the other."""

    def __init__(self, key: Secret, place: DataPlace, first: int = 0, at_least: int = 0) -> None:
        """
        Args:
            key: of this place alone.
            place: where the chunks belong.
            first: index of the first chunk; under one key no index is sealed twice.
            at_least: bytes of the last chunk.
        """
        self._box, self._place, self._index = SequenceBox(key), place, first
        self._rest, self._at_least = bytearray(), max(at_least, WRITE_SET_BYTES_MIN)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """More of the stream; the chunks that are full with it, and followed by more."""
        view = memoryview(data)
        while len(view):
            if len(self._rest) == CONTENT_BYTES_MAX:
                yield self._seal(last=False)
            taken = CONTENT_BYTES_MAX - len(self._rest)
            self._rest += view[:taken]
            view = view[taken:]

    def finish(self) -> bytes:
        """The last chunk, maybe of an empty rest."""
        return self._seal(last=True)

    def _seal(self, *, last: bool) -> bytes:
        content = bytes(self._rest)
        padded = pad_write_set(content, self._at_least) if last else content + b"\x80"
        self._rest.clear()
        sealed = self._box.seal(self._index, padded, self._place.aad(self._index, last))
        self._index += 1
        return sealed


class ChunkOpener:
    """Opens chunks of one place in order."""

    def __init__(self, key: Secret, place: DataPlace, first: int = 0) -> None:
        self._box, self._place, self._index = SequenceBox(key), place, first

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """The next part of the stream.

        Raises:
            ChunkChanged: it was changed, moved, cut short, or stands for another place.
        """
        if len(sealed) > CHUNK_SEALED_BYTES_MAX:
            raise ChunkChanged("longer than any chunk: ask another node for it")
        try:
            padded = self._box.open(self._index, sealed, self._place.aad(self._index, last))
            content = unpad(padded)
        except (DoesNotOpen, NotCanonical):
            raise ChunkChanged(
                f"chunk {self._index} does not open: it is another's, or was changed"
            ) from None
        if not last and len(content) != CONTENT_BYTES_MAX:
            raise ChunkChanged(f"chunk {self._index} is cut short")
        self._index += 1
        return content


def chunk_name(sealed: bytes) -> bytes:
    """Under which it is stored and asked for, 32 bytes."""
    return sha256(sealed).digest()


def chunks_root(names: Sequence[bytes]) -> Digest:
    """What stands for all chunks on the ledger, in their order."""
    return root_of([leaf_hash(name) for name in names])


def check_names(names: Sequence[bytes], root: bytes, count: int) -> None:
    """Check names that somebody gave against what the ledger says.

    Raises:
        ChunkChanged: they are others.
    """
    if len(names) != count or chunks_root(names) != root:
        raise ChunkChanged("these are not the chunks that the ledger knows: ask another node")


def check_chunk(sealed: bytes, name: bytes) -> None:
    """Check a chunk that somebody gave against its name.

    Raises:
        ChunkChanged: it is another one.
    """
    if chunk_name(sealed) != name:
        raise ChunkChanged("this is not the chunk of that name: ask another node for it")
