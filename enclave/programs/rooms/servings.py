"""Servings: jobs that answer rows as long as they last; which executors still do, and who takes the
place of one that does not (ROOMS §2; T65).

Owns their rows in the state, bounded by the newest of each serving, and their end. Who may ask and
when answers agree: predicting.py.

    serving → ended
"""

from collections.abc import Iterator
from typing import NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.errors import invariant
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.serving import ANSWERS
from strongroom.enclave.formats.vault_claims import LEASE_SIZE
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.parties import terms_of
from strongroom.enclave.programs.rooms.results import end_result
from strongroom.enclave.programs.rooms.tables import (
    EXECUTORS,
    JOBS,
    WORK,
    WORKERS,
    Executor,
    Job,
    Worker,
    executors_of,
    rooms,
)
from strongroom.enclave.programs.rooms.workers import ranked
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.vault import bound

SERVINGS = rooms.map("servings", key=bytes, value=(int, int, int, int))
"""Job → Serving."""
ASKED = rooms.map("asked", key=(bytes, int), value=(int, bytes, int, str, bytes, bytes, str))
"""(job, number of a row modulo what is kept) → Asked."""
ASKERS = rooms.map("askers", key=(bytes, bytes), value=int)
"""(job, party) → how many rows it asked: for good."""
ASKED_KEPT = 512
"""Newest rows of a serving that stand in the state, without their values once they are decided."""
ASKED_WAITING_MAX = 64
"""Rows of a serving that have no answer yet."""
ANSWER_MS = 10_000
"""Within which executors agree; afterwards the row has no answer."""
READ_MS = 20_000
"""For so long after it was asked, an answer's place is kept for its reader."""
SERVING_RANKS_MAX = 64
"""Executors of one serving, those that came for one that had gone included."""
SERVING_BYTES = 192 * 1024
"""What a serving counts: its waiting rows, and places of all that are kept."""


class Serving(NamedTuple):
    """How far a serving has come."""

    asked: int
    """Rows so far; the number of the newest."""
    oldest: int
    """Number of the first that may have no answer yet."""
    waiting: int
    each: int
    """Rows that each recipient may ask."""


class Asked(NamedTuple):
    """One row, and what became of it."""

    number: int
    caller: bytes
    made_ms: int
    state: str
    """waiting; answered, refused (the model tells nothing of it), disputed or unanswered."""
    row: bytes
    """While it waits."""
    votes: bytes
    """Encoded (operator, answer) pairs, while it waits."""
    answer: str


def begin(context: Context, job: bytes, given: tuple[tuple[str, bool | int | str], ...]) -> None:
    """A job that serves was run with these parameters."""
    charge(context, ASKED_KEPT, SERVING_BYTES)
    each = dict(given)[ANSWERS]
    invariant(type(each) is int, "a contract that serves says how many answers")
    context.map(SERVINGS).put(job, (0, 1, 0, each))


def settled(context: Context, job: bytes, found: Job) -> Job:
    """The job; of a serving whose time is over, its end."""
    if found.state == "serving" and context.time_ms > found.deadline_ms:
        return end(context, job, found)
    return found


def end(context: Context, job: bytes, found: Job) -> Job:
    """End a serving: its leases, its rows, its place at workers."""
    for one in executors_of(context, job, found.ranks):
        release(context, job, one)
    serving = serving_of(context, job)
    for number in range(max(1, serving.asked - ASKED_KEPT + 1), serving.asked + 1):
        context.map(ASKED).delete((job, number % ASKED_KEPT))
    context.map(SERVINGS).put(job, tuple(serving._replace(waiting=0, oldest=serving.asked + 1)))
    ended = found._replace(state="ended")
    context.map(JOBS).put(job, tuple(ended))
    end_result(context, job)
    record(context, found.room, "ended", job)
    return ended


def release(context: Context, job: bytes, one: Executor) -> None:
    """An executor answers no more: its leases end."""
    for lease in codec.split(one.leases, LEASE_SIZE):
        if bound.is_live(context, lease):
            bound.give_back(context, lease)
    context.map(WORK).delete((one.identity, job))


def serving_of(context: Context, job: bytes) -> Serving:
    """A serving that is known to stand."""
    row = context.map(SERVINGS).get(job)
    if row is None:
        raise KeyError(job)
    return Serving(*row)


def asked_of(context: Context, job: bytes, number: int) -> Asked | None:
    """A row by its number, if it still stands in the state."""
    row = context.map(ASKED).get((job, number % ASKED_KEPT))
    found = Asked(*row) if row is not None else None
    return found if found is not None and found.number == number else None


def swept(context: Context, job: bytes) -> Serving:
    """The serving, once rows whose time is over count as unanswered."""
    serving = serving_of(context, job)
    oldest, waiting = serving.oldest, serving.waiting
    while oldest <= serving.asked:
        found = asked_of(context, job, oldest)
        if found is not None and found.state == "waiting":
            if context.time_ms <= found.made_ms + ANSWER_MS:
                break
            decide(context, job, found, "unanswered")
            waiting -= 1
        oldest += 1
    serving = serving._replace(oldest=oldest, waiting=waiting)
    context.map(SERVINGS).put(job, tuple(serving))
    return serving


def decide(context: Context, job: bytes, found: Asked, state: str, answer: str = "") -> None:
    """A row waits no more, and its values are forgotten."""
    decided = found._replace(state=state, answer=answer, row=b"", votes=b"")
    context.map(ASKED).put((job, found.number % ASKED_KEPT), tuple(decided))


def waiting_rows(context: Context, job: bytes) -> Iterator[Asked]:
    """Rows that may still be answered, in order."""
    serving = serving_of(context, job)
    for number in range(serving.oldest, serving.asked + 1):
        found = asked_of(context, job, number)
        if found is None or found.state != "waiting":
            continue
        if context.time_ms <= found.made_ms + ANSWER_MS:
            yield found


def alive(context: Context, job: bytes, found: Job) -> list[Executor]:
    """Executors that answer, or that wait for jobs and will come to this one."""
    return [one for one in executors_of(context, job, found.ranks) if _is_alive(context, one)]


def is_answering(context: Context, one: Executor) -> bool:
    """Does an executor hold live leases on all that it took?"""
    leases = codec.split(one.leases, LEASE_SIZE)
    return bool(leases) and all(bound.is_live(context, lease) for lease in leases)


def staff(context: Context, job: bytes, found: Job, read: Contract) -> Job:
    """Ask other workers that wait, of other operators, in the places of executors that have gone;
    by the digest that ranks all of them."""
    executors = executors_of(context, job, found.ranks)
    here = [one for one in executors if _is_alive(context, one)]
    missing = min(read.executors - len(here), SERVING_RANKS_MAX - found.ranks)
    if missing <= 0:
        return found
    operators = {one.operator for one in here}
    known = {one.identity for one in executors}
    regions = terms_of(context, found.room).regions
    fresh = [
        (identity, worker)
        for identity, worker in ranked(context, job, regions)
        if worker.operator not in operators and identity not in known
    ][:missing]
    for rank, (identity, worker) in enumerate(fresh, start=found.ranks):
        row = Executor(identity, worker.operator, worker.region, b"", b"", 0, 0)
        context.map(EXECUTORS).put((job, rank), tuple(row))
        context.map(WORK).put((identity, job), rank)
    if not fresh:
        return found
    ranks = found.ranks + len(fresh)
    more = found._replace(ranks=ranks, asked=ranks)
    context.map(JOBS).put(job, tuple(more))
    record(context, found.room, "next-rank", job, str(ranks))
    return more


def _is_alive(context: Context, one: Executor) -> bool:
    if one.reported_ms:
        return False
    if one.leases:
        return is_answering(context, one)
    row = context.map(WORKERS).get(one.identity)
    return row is not None and Worker(*row).until_ms >= context.time_ms
