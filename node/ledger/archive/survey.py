"""A closed segment, read once before it goes into the archive: what its contents will say.

Owns that every record of it is intact, of its form and in order: a copy of damage would be damage.
Refuses to know how contents are written (contents_file.py).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.contents import Contents, Row, Summary, digest_of
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.frames import HEADER_SIZE, CorruptRecord, Frame, Purpose, read_frames
from strongroom.node.ledger.payload_form import PayloadForm, damage_named
from strongroom.node.ledger.segments import HEIGHT_SIZE, Heights, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A segment that takes no more, as it was copied."""

    path: Path
    first: int
    """Height of its first block."""
    size: int
    """Bytes of what was copied."""
    digest: bytes
    """SHA-256 of it."""
    epochs: tuple[bytes, ...] = ()
    """How epochs were opened by blocks in it, encoded."""


def survey(closed: Closed, archived: Archived, form: PayloadForm) -> Contents:
    """Read it, every record of it.

    Args:
        closed: the oldest segment here.
        archived: all before it.
        form: of its payloads.

    Raises:
        CorruptRecord: it is damaged, or its records do not follow each other.
    """
    before = archived.base
    rows: dict[Kind, list[Row]] = {kind: [] for kind in Kind}
    reached, end = before, HEADER_SIZE
    waiting: dict[int, bytes] = {}
    for frame, reached in _in_order(closed, before):
        end = frame.offset + frame.size
        kind, payload = Kind(frame.kind), frame.payload[HEIGHT_SIZE:]
        height, ids = reached.of(kind), Ids()
        with damage_named(closed.path, frame.offset, height):
            if kind == Kind.BLOCK:
                waiting[height] = payload
            else:
                below = _below(waiting.pop(height, None), height, archived, form)
                payload = form.whole_of(payload, *below)
                ids = Ids.of(form.transactions_of(payload))
            rows[kind].append(_row(frame, form.hash_of(kind, payload), ids))
        time.sleep(0)  # the event loop goes first: nobody waits for an archive
    for height, block in waiting.items():
        at = height - closed.first
        with damage_named(closed.path, rows[Kind.BLOCK][at].offset, height):
            ids = Ids(b"".join(form.ids_of(block)))
        rows[Kind.BLOCK][at] = replace(rows[Kind.BLOCK][at], ids=ids)
    if end != closed.size:
        raise CorruptRecord(closed.path, end, f"{closed.size} bytes were copied", reached.block)
    return Contents(_summary(closed, before, reached), rows)


def _in_order(closed: Closed, reached: Heights) -> Iterator[tuple[Frame, Heights]]:
    """Every record, and the heights reached with it."""
    for frame in read_frames(closed.path, Purpose.BLOCKS, closed.first):
        height = int.from_bytes(frame.payload[:HEIGHT_SIZE], "big")
        following = reached.following(frame.kind, height)
        if following is None:
            text = f"height {height} after {reached}"
            raise CorruptRecord(closed.path, frame.offset, text, height)
        reached = following
        yield frame, reached


def _below(
    block: bytes | None, height: int, archived: Archived, form: PayloadForm
) -> tuple[bytes, Sequence[bytes]]:
    """What an outcome leaves to its block; that is archived where it stands in no segment here."""
    if block is None:
        return archived.below(height)
    return form.hash_of(Kind.BLOCK, block), form.ids_of(block)


def _row(frame: Frame, hash: bytes, ids: Ids) -> Row:
    return Row(frame.offset, frame.size, digest_of(frame.kind, frame.payload), hash, ids)


def _summary(closed: Closed, before: Heights, reached: Heights) -> Summary:
    with closed.path.open("rb") as file:
        marker = file.read(HEADER_SIZE)[-8:-4]
    return Summary(
        first=closed.first,
        last=reached.block,
        outcome_first=before.outcome + 1,
        outcome_last=reached.outcome,
        size=closed.size,
        digest=closed.digest,
        marker=marker,
        epochs=closed.epochs,
    )
