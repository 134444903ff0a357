"""A batch's payload as the block store keeps it: what several of its envelopes begin with stands
once (DESIGN §8).

All bytes are public: sealed, and seen by everybody who orders them, so their length tells nothing
new. Owns the way there and back; that the payload came back whole, its batch's digest shows
(consensus/batches.py). A payload that would not become shorter stands as it is.
"""

import struct

from strongroom.consensus import codec
from strongroom.consensus.batches import decode_payload, encode_payload
from strongroom.consensus.errors import NotCanonical

HEAD_SIZE = 38
"""Of a call's envelope up to its sequence: kind, epoch and session (enclave/formats/envelope.py);
where the epoch takes more bytes, a few less repeat."""
_SHORT_MAX = 0xFFFF
"""References and sizes are two bytes each."""

Packed = bytes | tuple[bytes, bytes, bytes, bytes]
"""The payload, or (heads, reference of each envelope, size of each, what follows the heads)."""


def pack(payload: bytes, count: int) -> Packed:
    """What is stored of a payload of `count` envelopes."""
    try:
        envelopes = decode_payload(payload, count)
    except NotCanonical:  # ordered all the same: it holds nothing that could be executed
        return payload
    sizes = list(map(len, envelopes))
    heads: dict[bytes, int] = {}
    references = [heads.setdefault(one[:HEAD_SIZE], len(heads)) for one in envelopes]
    if min(sizes) < HEAD_SIZE or max(*sizes, len(heads)) > _SHORT_MAX:
        return payload
    packed = (
        b"".join(heads),
        struct.pack(f">{count}H", *references),
        struct.pack(f">{count}H", *sizes),
        b"".join([one[HEAD_SIZE:] for one in envelopes]),
    )
    is_shorter = sum(map(len, packed)) < len(payload)
    return packed if is_shorter and encode_payload(list(envelopes)) == payload else payload


def unpack(stored: object, count: int) -> bytes:
    """The payload again; `count` is its batch's.

    Raises:
        NotCanonical: it is no packed payload of so many envelopes.
    """
    if type(stored) is bytes:
        return stored
    joined, references, sizes, rest = _fields(stored, count)
    heads = [joined[at : at + HEAD_SIZE] for at in range(0, len(joined), HEAD_SIZE)]
    envelopes, at = list[bytes](), 0
    lengths = struct.unpack(f">{count}H", sizes)
    for reference, size in zip(struct.unpack(f">{count}H", references), lengths, strict=True):
        if reference >= len(heads) or size < HEAD_SIZE:
            raise NotCanonical("packed payload: an envelope without a head")
        end = at + size - HEAD_SIZE
        envelopes.append(heads[reference] + rest[at:end])
        at = end
    if at != len(rest):
        raise NotCanonical("packed payload: cut short, or too long")
    return encode_payload(envelopes)


def envelope_at(stored: object, count: int, position: int) -> bytes:
    """The envelope at a position of a packed payload, below `count`, without making the others: a
    few µs; whether they are whole is not looked at.

    Raises:
        NotCanonical: it is no packed payload of so many envelopes.
    """
    joined, references, sizes, rest = _fields(stored, count)
    (reference,) = struct.unpack_from(">H", references, 2 * position)
    *before, size = struct.unpack_from(f">{position + 1}H", sizes)
    start = sum(before) - HEAD_SIZE * position
    head = joined[HEAD_SIZE * reference : HEAD_SIZE * (reference + 1)]
    envelope = head + rest[start : start + size - HEAD_SIZE]
    if not head or len(envelope) != size:
        raise NotCanonical("packed payload: an envelope without a head, or cut short")
    return envelope


def _fields(stored: object, count: int) -> tuple[bytes, bytes, bytes, bytes]:
    joined, references, sizes, rest = codec.fields(
        stored, bytes, bytes, bytes, bytes, name="packed payload"
    )
    if not len(references) == len(sizes) == 2 * count or len(joined) % HEAD_SIZE:
        raise NotCanonical("packed payload: not as many references or sizes as envelopes")
    return joined, references, sizes, rest
