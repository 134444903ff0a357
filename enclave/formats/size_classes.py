"""Size classes: lengths say little of content (DESIGN §1, §4; T08).

Padding is one 0x80 byte, then zeros up to the class (ISO/IEC 7816-4, method 2); what does not unpad
exactly is refused. Inputs and results grow by powers of two. Write sets, which a replica pays for
on every disk, grow by quarters of one, and are never shorter than the envelopes that caused them,
nor than 1 KiB.
"""

from strongroom.consensus.bounds import ENVELOPE_BYTES_MAX as ENVELOPE_BYTES_MAX
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.enclave.primitives import HYBRID_OVERHEAD, TAG_SIZE

_KIB = 1024
CALL_ENVELOPES = tuple(256 << step for step in range(10))
"""Whole envelopes of calls, in bytes at most: 256 … 128 KiB."""
OPENING_ENVELOPES = (1536, *(2048 << step for step in range(7)))
"""Whole envelopes of openings and queries, in bytes at most: 1.5 KiB … 128 KiB."""
WRITE_SET_BYTES_MIN = _KIB

_CALL_HEAD_MAX = 64
"""Version, kind, epoch, session, sequence and the box's length, encoded, take at most 60 bytes."""
_OPENING_HEAD_MAX = 32
"""Version, kind, epoch and the message's length, encoded, take at most 17 bytes."""

CALL_SIZES = tuple(size - _CALL_HEAD_MAX - TAG_SIZE for size in CALL_ENVELOPES)
OPENING_SIZES = tuple(size - _OPENING_HEAD_MAX - HYBRID_OVERHEAD for size in OPENING_ENVELOPES)
RESULT_SIZES = tuple((128 << step) - TAG_SIZE for step in range(8))
ANSWER_SIZES = tuple((256 << step) - TAG_SIZE for step in range(13))
CALL_BOXES = frozenset(size + TAG_SIZE for size in CALL_SIZES)
OPENING_MESSAGES = frozenset(size + HYBRID_OVERHEAD for size in OPENING_SIZES)


class TooLarge(ClientFault):
    """Something is larger than the largest size class."""


def pad(data: bytes, sizes: tuple[int, ...]) -> bytes:
    """Pad to the smallest of `sizes` (ascending) that leaves room for the marker byte.

    Raises:
        TooLarge: there is none.
    """
    length = len(data)
    for size in sizes:
        if length < size:
            return (data + b"\x80").ljust(size, b"\x00")
    raise TooLarge(f"{length} bytes, at most {sizes[-1] - 1} can be sealed")


def unpad(padded: bytes) -> bytes:
    """Take the padding off; whether the length is a class is checked where it is public.

    Raises:
        NotCanonical: no marker byte, or something other than zeros behind it.
    """
    data = padded.rstrip(b"\x00")
    if data[-1:] != b"\x80":
        raise NotCanonical("padding: no marker byte before the zeros")
    return data[:-1]


def pad_write_set(data: bytes, at_least: int = WRITE_SET_BYTES_MIN) -> bytes:
    """Pad to a multiple of a quarter of the power of two at or below the length.

    Args:
        data: the write set.
        at_least: bytes of the envelopes that caused it, which everybody sees: a block of payments
            that fail, or have no memo, leaves as much behind as one of payments that do not. Never
            less than WRITE_SET_BYTES_MIN.
    """
    length = max(len(data) + 1, at_least)
    if length <= WRITE_SET_BYTES_MIN:
        return (data + b"\x80").ljust(WRITE_SET_BYTES_MIN, b"\x00")
    step = 1 << (length.bit_length() - 3)
    return (data + b"\x80").ljust(-(-length // step) * step, b"\x00")
