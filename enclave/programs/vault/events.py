"""What happened to a key: a record of each ask, refusal, beat, use, end and act of its owner.

Owns their keeping. There are three logs: what stands, what was refused, and callers' mistakes. Each
counts on, with a hash chain over all, and all is on the ledger; the newest stand in the state. What
many can do often never pushes out what matters: acts of owner and approvers, beats, and the rest of
what rooms do have rings of their own; of refusals and of mistakes nobody has more than his share,
and beyond it his next takes the place of his own oldest.
"""

from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.framework import Context, RecordedRefusal
from strongroom.enclave.programs.roster import payer_of
from strongroom.enclave.programs.vault.tables import EVENTS, LOGS, Event

WORK, REFUSED, MISTAKES, ACTS, BEATS = 0, 1, 2, 3, 4
"""Rings; the first three also number the logs, and what stands is in WORK, ACTS and BEATS."""
KEPT = {WORK: 512, REFUSED: 128, MISTAKES: 64, ACTS: 128, BEATS: 128}
SHARES_KEPT = 8
"""One caller has at most one in so many places of a ring of refusals or mistakes."""
_STANDING = (ACTS, BEATS, WORK)
_RINGS = {"beat": BEATS} | dict.fromkeys(("ask", "abandon", "use", "end", "release"), WORK)


def record(
    context: Context, number: int, what: str, *, lease: bytes = b"", amount: int = 0, why: str = ""
) -> None:
    """Record something that stands."""
    ring = _RINGS.get(what, ACTS)
    counter = (number, ring + len(KEPT))
    made, _ = context.map(LOGS).get(counter) or (0, b"")
    context.map(LOGS).put(counter, (made + 1, b""))
    event = _next(context, number, WORK, what, lease, amount, why, b"")
    context.map(EVENTS).put((number, ring, made % KEPT[ring]), tuple(event))


def refusal(
    context: Context, number: int, code: str, message: str, *, lease: bytes = b""
) -> RecordedRefusal:
    """Record a refusal; raise what comes back, so that nothing but the record stands."""
    return _refused(context, number, REFUSED, code, message, lease)


def mistake(
    context: Context, number: int, code: str, message: str, *, lease: bytes = b""
) -> RecordedRefusal:
    """The same, of a call that says of itself that it is wrong: no rule of the key's was asked."""
    return _refused(context, number, MISTAKES, code, message, lease)


def kept(context: Context, number: int, log: int, after: int, limit: int) -> list[Event]:
    """Records of a log in order, those after number `after` that are still kept."""
    rings = _STANDING if log == WORK else (log,)
    found = [Event(*row) for ring in rings for _, row in _rows(context, number, ring)]
    return sorted(event for event in found if event.number > after)[:limit]


def head_of(context: Context, number: int, log: int) -> tuple[int, bytes]:
    """(number of records of a log so far, digest of the chain over them)."""
    return context.map(LOGS).get((number, log)) or (0, bytes(NO_DIGEST))


def _refused(
    context: Context, number: int, ring: int, code: str, message: str, lease: bytes
) -> RecordedRefusal:
    who = payer_of(context)
    place = _place_for(context, number, ring, who)
    event = _next(context, number, ring, code, lease, 0, message, who)
    context.map(EVENTS).put((number, ring, place), tuple(event))
    return RecordedRefusal(code, message)


def _place_for(context: Context, number: int, ring: int, who: bytes) -> int:
    """Where the next refusal of somebody stands: at a free place, or that of the oldest there is;
    when he has his share, at that of his own oldest."""
    rows = _rows(context, number, ring)
    own = [(row[0], place) for place, row in rows if row[-1] == who]
    if len(own) >= KEPT[ring] // SHARES_KEPT:
        return min(own)[1]
    if len(rows) < KEPT[ring]:
        return len(rows)
    return min((row[0], place) for place, row in rows)[1]


def _rows(context: Context, number: int, ring: int) -> list[tuple[int, tuple[Any, ...]]]:
    """(place, row) of a ring, which is filled from place 0 on."""
    table, rows = context.map(EVENTS), []
    for place in range(KEPT[ring]):
        row = table.get((number, ring, place))
        if row is None:
            break
        rows.append((place, row))
    return rows


def _next(
    context: Context,
    number: int,
    log: int,
    what: str,
    lease: bytes,
    amount: int,
    detail: str,
    who: bytes,
) -> Event:
    """The next record of a log, in its chain."""
    total, head = head_of(context, number, log)
    event = Event(total + 1, context.height, context.time_ms, what, lease, amount, detail, who)
    chained = labels.labelled_digest(labels.VAULT_RECORDS, head + codec.encode(tuple(event)))
    context.map(LOGS).put((number, log), (total + 1, bytes(chained)))
    return event
