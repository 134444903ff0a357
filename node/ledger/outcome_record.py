"""An outcome as the block store keeps it: without the ids of its transactions, for they are digests
of the envelopes that stand in its block (DESIGN §8).

Owns the way there and back; what is given back is byte for byte what was executed. An outcome that
is not of the block beside it is refused here; one that is changed otherwise shows at its leaf in
the history. Refuses to know where records stand (store.py, segments.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgpack

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.node.ledger.block_record import StoredBlock

_HEAD_BYTES_MAX = 64
"""In which stand version, height, the block's digest, and the length of what follows them."""
_NO_IDS = b"\xc4\x00"
_UNREADABLE = (msgpack.exceptions.UnpackException, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an outcome's record takes on disk, in bytes, and for how many transactions."""

    count: int
    results: int
    write_set: int


def without_ids(outcome: bytes) -> bytes:
    """The record of an outcome's canonical bytes."""
    _, start, end = _ids_of(outcome)
    return b"".join((memoryview(outcome)[:start], _NO_IDS, memoryview(outcome)[end:]))


def with_ids(record: bytes, block: bytes) -> bytes:
    """The outcome of a record, its ids computed from its block's record.

    Raises:
        NotCanonical: it is of another block, of more or fewer envelopes, or none.
    """
    stored = StoredBlock.decode(block)
    ids = [sha256(envelope).digest() for envelope in stored.envelopes()]
    return joined(record, stored.header.digest, ids)


def joined(record: bytes, block: bytes, ids: Sequence[bytes]) -> bytes:
    """The same for one who knows the digest of the block's header and its envelopes' ids, 32 bytes
    each.

    Raises:
        NotCanonical: as above.
    """
    named, start, end = _ids_of(record)
    if end - start != len(_NO_IDS):
        raise NotCanonical("outcome record: it holds ids, which its block tells")
    if named != block:
        raise NotCanonical("outcome record: it is of another block than stands beside it")
    codes, _ = _bytes_at(record, end)
    if codes != len(ids):
        raise NotCanonical("outcome record: not as many codes as its block has envelopes")
    told = codec.encode(b"".join(ids))
    return b"".join((memoryview(record)[:start], told, memoryview(record)[end:]))


def parts_of(record: bytes) -> Parts:
    """What a record's bytes are for.

    Raises:
        NotCanonical: it is none.
    """
    value = codec.decode(record)
    if type(value) is not tuple or len(value) < 8 or type(value[5]) is not tuple:
        raise NotCanonical("outcome record: not as many fields as an outcome has")
    results, counted = value[5], (value[4], value[7])
    if {bytes} < {bytes, *map(type, (*results, *counted))}:
        raise NotCanonical("outcome record: codes, results and write set are bytes")
    return Parts(len(value[4]), sum(map(len, results)), len(value[7]))


def _ids_of(data: bytes) -> tuple[bytes, int, int]:
    """The block's digest that an outcome or a record names; where its ids begin and end."""
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(data[:_HEAD_BYTES_MAX])
    try:
        unpacker.read_array_header()
        unpacker.unpack()
        unpacker.unpack()
        block = unpacker.unpack()
        start = unpacker.tell()
    except _UNREADABLE:
        raise NotCanonical("outcome record: not the head of an outcome") from None
    if type(block) is not bytes:
        raise NotCanonical("outcome record: no block's digest")
    length, begin = _bytes_at(data, start)
    return block, start, begin + length


def _bytes_at(data: bytes, at: int) -> tuple[int, int]:
    """How many bytes of a byte string stand at an offset, and where they begin."""
    size = {0xC4: 1, 0xC5: 2, 0xC6: 4}.get(data[at] if at < len(data) else 0)
    begin = at + 1 + (size or 0)
    if size is None or len(data) < begin:
        raise NotCanonical("outcome record: no bytes where they must stand")
    return int.from_bytes(data[at + 1 : begin], "big"), begin
