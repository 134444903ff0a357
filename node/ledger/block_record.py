"""A final block as the block store keeps it: header, its own FINALIZE certificate if it has one,
and its batches.

The bytes are those that were voted on: payloads become shorter where envelopes begin alike, and
come back byte for byte (payload_record.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any

import msgpack

from strongroom.consensus import codec, labels
from strongroom.consensus.batches import Batch, BatchHeader, decode_payload
from strongroom.consensus.blocks import HEADER_BYTES_MAX, Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import Finality, read_finality
from strongroom.enclave.proofs.block_data import envelopes_of, is_void
from strongroom.node.ledger.payload_record import envelope_at, pack, unpack

HEAD_BYTES_MAX = HEADER_BYTES_MAX + 16
"""In which a header and what msgpack puts before it stand."""


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """One record of the block store."""

    header: Header
    certificate: Finality | None
    """None when a descendant's certificate finalised it."""
    batches: tuple[Batch, ...]
    """In execution order."""

    def envelopes(self) -> tuple[bytes, ...]:
        """All envelopes, in execution order."""
        return tuple(chain.from_iterable(map(envelopes_of, self.batches)))

    def encode(self) -> bytes:
        """Canonical bytes."""
        certificate = None if self.certificate is None else self.certificate.to_wire()
        batches = tuple(
            (batch.header.to_wire(), pack(batch.payload, batch.header.count), batch.signature)
            for batch in self.batches
        )
        return codec.encode((self.header.encoded, certificate, batches))

    @classmethod
    def decode(cls, data: bytes) -> "StoredBlock":
        """Read canonical bytes, batches' payloads checked against their headers.

        Raises:
            NotCanonical: not a stored block.
        """
        header, certificate, batches = _parts(data)
        return cls(Header.decode(header), certificate, tuple(map(_batch, batches)))


def header_and_certificate(data: bytes) -> tuple[Header, Finality | None]:
    """The public head of a stored block, without looking at its batches."""
    header, certificate, _ = _parts(data)
    return Header.decode(header), certificate


def ids_of(data: bytes) -> list[bytes]:
    """The id of each transaction of a stored block (32 bytes), by position.

    Raises:
        NotCanonical: not a stored block.
    """
    return [
        sha256(envelope).digest()
        for batch in map(_batch, _parts(data)[2])
        for envelope in envelopes_of(batch)
    ]


def id_at(data: bytes, position: int) -> bytes:
    """The id of the transaction at a position of a stored block (32 bytes); empty if there is none.

    For the event loop: no other envelope of a packed payload is made, and no digest of a payload
    compared; that the id is the one looked for shows more.

    Raises:
        NotCanonical: not a stored block, as far as it was read.
    """
    for header, stored in _payloads(data):
        if is_void(header):
            continue
        if type(stored) is bytes:
            envelopes = _envelopes_in(stored, header.count)
            if position < len(envelopes):
                return sha256(envelopes[position]).digest()
            position -= len(envelopes)
        elif position < header.count:
            return sha256(envelope_at(stored, header.count, position)).digest()
        else:
            position -= header.count
    return b""


def header_hash(data: bytes) -> bytes:
    """The digest of a stored block's header; its batches are not even read.

    Raises:
        NotCanonical: no bytes stand where a header must.
    """
    unpacker = msgpack.Unpacker(raw=False, max_buffer_size=HEAD_BYTES_MAX)
    unpacker.feed(data[:HEAD_BYTES_MAX])
    try:
        unpacker.read_array_header()
        header = unpacker.unpack()
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise NotCanonical(f"stored block: {type(error).__name__}") from None
    if type(header) is not bytes:
        raise NotCanonical("stored block: no header")
    return labels.labelled_digest(labels.HEADER, header)


def _payloads(data: bytes) -> Iterator[tuple[BatchHeader, object]]:
    """Each batch's header, and what is stored of its payload, without reading what is behind."""
    unpacker = msgpack.Unpacker(raw=False, use_list=False, max_buffer_size=max(len(data), 1))
    unpacker.feed(data)
    try:
        if unpacker.read_array_header() != 3:
            raise NotCanonical("stored block: expected (header, certificate, batches)")
        unpacker.skip()
        unpacker.skip()
        for _ in range(unpacker.read_array_header()):
            header, stored, _ = _batch_parts(unpacker.unpack())
            yield BatchHeader.from_wire(header), stored
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise NotCanonical(f"stored block: {type(error).__name__}") from None


def _envelopes_in(payload: bytes, count: int) -> tuple[bytes, ...]:
    """As `envelopes_of` a batch that is not void."""
    try:
        return decode_payload(payload, count)
    except NotCanonical:
        return ()


def _batch(value: object) -> Batch:
    """One batch, its payload checked against its header."""
    header, stored, signature = _batch_parts(value)
    count = BatchHeader.from_wire(header).count
    return Batch.from_wire((header, unpack(stored, count), signature))


def _batch_parts(value: object) -> tuple[Any, Any, Any]:
    if type(value) is not tuple or len(value) != 3 or type(value[0]) is not tuple:
        raise NotCanonical("stored block: expected (header, payload, signature) of a batch")
    return value


def _parts(data: bytes) -> tuple[bytes, Finality | None, tuple[Any, ...]]:
    value = codec.decode(data)
    if (
        type(value) is not tuple
        or len(value) != 3
        or type(value[0]) is not bytes
        or type(value[2]) is not tuple
    ):
        raise NotCanonical("stored block: expected (header, certificate, batches)")
    certificate = None if value[1] is None else read_finality(value[1])
    return value[0], certificate, value[2]
