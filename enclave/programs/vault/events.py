"""What happened to a key: a record of each ask, refusal, beat, use, end and act of its owner.

Owns their keeping: the newest of each key stand in the state, all of them on the ledger, and a hash
chain over them tells whether one is missing. Refusals have a place of their own, so that who is
refused cannot push out what was released.
"""

from strongroom.consensus import codec, labels
from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.framework import Context, RecordedRefusal
from strongroom.enclave.programs.vault.tables import EVENTS, LOGS, Event

EVENTS_KEPT = 512
REFUSALS_KEPT = 128


def record(
    context: Context, number: int, what: str, *, lease: bytes = b"", amount: int = 0, why: str = ""
) -> None:
    """Record something that stands."""
    _add(context, number, False, what, lease, amount, why)


def refusal(
    context: Context, number: int, code: str, message: str, *, lease: bytes = b""
) -> RecordedRefusal:
    """Record a refusal; raise what comes back, so that nothing but the record stands."""
    _add(context, number, True, code, lease, 0, message)
    return RecordedRefusal(code, message)


def kept(context: Context, number: int, refused: bool, after: int, limit: int) -> list[Event]:
    """Records in order, those after number `after` that are still kept."""
    total, _ = context.map(LOGS).get((number, refused)) or (0, b"")
    most = REFUSALS_KEPT if refused else EVENTS_KEPT
    first = max(after, total - most) + 1
    rows = (
        context.map(EVENTS).get((number, refused, at % most))
        for at in range(first, min(first + limit - 1, total) + 1)
    )
    return [Event(*row) for row in rows if row is not None]


def head_of(context: Context, number: int, refused: bool) -> tuple[int, bytes]:
    """(number of records so far, digest of the chain over them)."""
    return context.map(LOGS).get((number, refused)) or (0, bytes(NO_DIGEST))


def _add(
    context: Context,
    number: int,
    refused: bool,
    what: str,
    lease: bytes,
    amount: int,
    detail: str,
) -> None:
    total, head = head_of(context, number, refused)
    total += 1
    event = Event(total, context.height, context.time_ms, what, lease, amount, detail)
    most = REFUSALS_KEPT if refused else EVENTS_KEPT
    context.map(EVENTS).put((number, refused, total % most), tuple(event))
    chained = labels.labelled_digest(labels.VAULT_RECORDS, head + codec.encode(tuple(event)))
    context.map(LOGS).put((number, refused), (total, bytes(chained)))
