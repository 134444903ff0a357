"""What stands in the records of a file of contents, decoded and looked at by itself: summary,
directory, rows (contents_file.py has the form).

Owns what each number may be, so that nothing later has to doubt it: heights that follow each other,
rows that an index can hold. All raise NotCanonical. Refuses to know whether they agree with each
other: contents_reader.py compares.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.outcome import Code
from strongroom.node.ledger.archive.contents import Row, Summary
from strongroom.node.ledger.archive.contents_file import DIRECTORY, KINDS, OLDER, SUMMARY, VERSION
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.frames import (
    FRAME_SIZE,
    MARKER_SIZE,
    OFFSET_MAX,
    RECORD_BYTES_MAX,
    Frame,
)
from strongroom.node.ledger.segments import Kind

_CODES = bytes(map(int, Code))
_SHAPE = (str, int, int, int, int, int, bytes, bytes, tuple)


@dataclass(frozen=True, slots=True, order=True)
class Portion:
    """Where some rows stand, by what stands first in it."""

    kind: int
    """Index in KINDS."""
    height: int
    position: int
    """Of the first id of its first piece, in its row."""
    offset: int
    """From the end of the directory."""
    size: int


def summary_in(frame: Frame | None, first: int) -> Summary:
    """The summary of the segment that begins there."""
    if frame is None or frame.kind != SUMMARY:
        raise NotCanonical("no summary")
    told = decoded(frame)
    if type(told) is tuple and told and told[0] in OLDER:
        raise NotCanonical(f"of an older version: {told[0]}, this one reads {VERSION}")
    version, own, last, outcome_first, outcome_last, size, digest, marker, epochs = codec.fields(
        told, *_SHAPE, name="summary"
    )
    if version != VERSION:
        raise NotCanonical("of no version that is known")
    if own != first:
        raise NotCanonical(f"of segment {own}")
    numbers = {"last": last, "outcome_first": outcome_first, "outcome_last": outcome_last}
    for name, number in (*numbers.items(), ("size", size)):
        codec.unsigned(number, name=name)
    if not (first <= last and 1 <= outcome_first <= outcome_last + 1 <= last + 1):
        raise NotCanonical(f"heights {first} to {last}, {outcome_first} to {outcome_last}")
    if not set(map(type, epochs)) <= {bytes}:
        raise NotCanonical("epochs: not encoded")
    return Summary(
        first=first,
        last=last,
        outcome_first=outcome_first,
        outcome_last=outcome_last,
        size=size,
        digest=codec.sized(digest, DIGEST_SIZE, name="digest"),
        marker=codec.sized(marker, MARKER_SIZE, name="marker"),
        epochs=epochs,
    )


def directory_in(frame: Frame | None) -> tuple[int, list[Portion]]:
    """Where the portions begin, and the list of them."""
    if frame is None or frame.kind != DIRECTORY:
        raise NotCanonical("no directory")
    listed = decoded(frame)
    if type(listed) is not tuple:
        raise NotCanonical("directory: expected a list")
    return frame.offset + frame.size, list(map(_portion, listed))


def _portion(wire: object) -> Portion:
    kind, *numbers = codec.fields(wire, int, int, int, int, int, name="directory")
    height, position, offset, size = (codec.unsigned(one, name="directory") for one in numbers)
    if kind not in set(KINDS) or not FRAME_SIZE < size <= FRAME_SIZE + RECORD_BYTES_MAX:
        raise NotCanonical("directory: of no portion")
    return Portion(KINDS.index(Kind(kind)), height, position, offset, size)


def row_in(wire: object, kind: Kind) -> Row:
    """A piece of a row; one that goes on with the row before has no size. An outcome's first has
    its leaf in the history: without, a rebuilt index would make other columns."""
    offset, size, digest, hash, joined, codes = codec.fields(
        wire, int, int, bytes, bytes, bytes, bytes, name="row"
    )
    ids = Ids(joined, codes)
    if len(joined) % DIGEST_SIZE or (codes and len(codes) != len(ids)):
        raise NotCanonical("row: not as many codes as ids")
    if len(hash) not in (0, DIGEST_SIZE) or codes.translate(None, _CODES):
        raise NotCanonical("row: no hash, or an unknown code")
    if kind == Kind.OUTCOME and size and not hash:
        raise NotCanonical("row: an outcome without its leaf")
    codec.unsigned(offset, name="row", value_max=OFFSET_MAX)
    codec.unsigned(size, name="row", value_max=FRAME_SIZE + RECORD_BYTES_MAX)
    return Row(offset, size, digest, hash, ids)


def decoded(frame: Frame) -> codec.Wire:
    """A record's payload."""
    return codec.decode(frame.payload, size_max=RECORD_BYTES_MAX)
