"""Workers: attested rooms of governed operators, that wait for jobs, and who of them runs one
(ROOMS §2; T65).

Owns the list of those that wait, and the ranks of a job's executors: drawn among operators by a
secret of the run, so that nobody chooses them, neither by making many workers nor by trying
parameters. Whether an owner's key opens for a worker, the key's own policy says when it takes the
job.
"""

from collections import Counter
from typing import Any

from strongroom.consensus import labels
from strongroom.enclave.attestation.room_evidence import UNGOVERNED
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.tables import WORK, WORKERS, Worker, job_of, rooms
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.state import SCAN_MAX
from strongroom.enclave.programs.vault.judging import EVIDENCE_AGE_MS_MAX
from strongroom.enclave.programs.vault.standing import shown_by

WORKERS_MAX = 256
WAITS_MS = 60_000
"""How long a worker counts as waiting after its word."""
WORKER_ENTRIES, WORKER_BYTES = 1, 512
WORK_LOOKED_AT = 16
"""Jobs that a worker is asked for, or stands by for, among which is looked."""
RANKS_MAX = 16
"""Executors of one job, those that stand by included."""


@rooms.transaction
def wait(context: Context, *, evidence: bytes = b"") -> dict[str, Any]:
    """Wait for jobs as the room that the evidence shows; without any, go on waiting as before.

    Said anew every half minute; with fresh evidence every ten minutes.
    """
    found = _of_evidence(context, evidence) if evidence else _again(context)
    waits = found._replace(until_ms=context.time_ms + WAITS_MS)
    context.map(WORKERS).put(context.identity, tuple(waits))
    return {"until_ms": waits.until_ms, "operator": waits.operator, "region": waits.region}


@rooms.transaction
def leave(context: Context) -> dict[str, Any]:
    """Wait for no further job."""
    if context.map(WORKERS).get(context.identity) is None:
        raise ProgramError("not-waiting", "this session waits for no job")
    context.map(WORKERS).delete(context.identity)
    return {"until_ms": context.time_ms}


def ranked(context: Context, job: bytes, regions: tuple[str, ...]) -> list[tuple[bytes, Worker]]:
    """Who may run a job, by rank: workers that wait in these regions and are asked for no other
    job, one of each operator. A worker does one job in its life: who is asked twice would let the
    second one wait for its whole time."""
    dice = context.secret(b"ranks" + job)
    drawn: dict[str, tuple[bytes, bytes, Worker]] = {}
    for identity, worker in _waiting(context):
        if worker.region in regions and not _is_asked(context, identity):
            one = (_drawn(dice, identity), identity, worker)
            drawn[worker.operator] = min(one, drawn.get(worker.operator, one))
    operators = sorted(drawn, key=lambda operator: _drawn(dice, operator.encode()))
    return [drawn[operator][1:] for operator in operators[:RANKS_MAX]]


def are_outsiders(context: Context, regions: tuple[str, ...]) -> bool:
    """Do workers wait, and none of them in these regions?"""
    waiting = [worker.region for _, worker in _waiting(context)]
    return bool(waiting) and not any(region in regions for region in waiting)


def _drawn(dice: bytes, name: bytes) -> bytes:
    return bytes(labels.labelled_digest(labels.JOB_RANK, dice + name))


def _is_asked(context: Context, identity: bytes) -> bool:
    """Is it an executor of a job that is not decided, and that it has not reported?"""
    found = context.map(WORK).scan(prefix=(identity,), limit=WORK_LOOKED_AT)
    return any(rank < job_of(context, job).asked for (_, job), rank in found)


def _waiting(context: Context) -> list[tuple[bytes, Worker]]:
    rows = context.map(WORKERS).scan(limit=SCAN_MAX)
    workers = [(identity, Worker(*row)) for identity, row in rows]
    return [(identity, one) for identity, one in workers if one.until_ms >= context.time_ms]


def _of_evidence(context: Context, evidence: bytes) -> Worker:
    shown = shown_by(context, evidence)
    operator = str(shown.claims["operator"])
    if operator.startswith(UNGOVERNED):
        # Whoever makes keys has as many such names as he likes, and would agree with himself.
        raise ProgramError("operator", "its operator is unknown to the service: ask members")
    if context.map(WORKERS).get(context.identity) is None:
        _make_place(context, operator)
        charge(context, WORKER_ENTRIES, WORKER_BYTES)
    claims = shown.claims
    return Worker(
        operator,
        str(claims["region"]),
        shown.chip,
        str(claims["measurement"]),
        shown.made_ms,
        0,
    )


def _again(context: Context) -> Worker:
    row = context.map(WORKERS).get(context.identity)
    if row is None:
        raise ProgramError("evidence", "this session waits for no job: send evidence")
    found = Worker(*row)
    if context.time_ms - found.evidence_ms > EVIDENCE_AGE_MS_MAX:
        raise ProgramError("evidence", "older than 10 minutes: send fresh evidence")
    return found


def _make_place(context: Context, operator: str) -> None:
    """When the list is full, forget who has not said anything for long, else one worker of the
    operator that has the most: nobody keeps others out by starting many.

    Raises:
        ProgramError: ``full``: none has two more than this operator.
    """
    rows = context.map(WORKERS).scan(limit=SCAN_MAX)
    if len(rows) < WORKERS_MAX:
        return
    workers = [(identity, Worker(*row)) for identity, row in rows]
    gone = [identity for identity, one in workers if one.until_ms < context.time_ms]
    if not gone:
        counted = Counter(one.operator for _, one in workers)
        most, count = min(counted.items(), key=lambda one: (-one[1], one[0]))
        if count < counted[operator] + 2:
            raise ProgramError("full", f"{WORKERS_MAX} workers wait already: come back later")
        gone = [next(identity for identity, one in workers if one.operator == most)]
    for identity in gone:
        context.map(WORKERS).delete(identity)
