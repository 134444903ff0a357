"""Executors at work: a worker takes a job, and reports its result (ROOMS §2, §4; T65).

Owns what an executor is given (leases on the inputs, the secret of the result, once) and when
reports agree. What others have reported nobody is shown before the job is decided, so that no
executor copies a digest.
"""

from typing import Any, NamedTuple

from strongroom.consensus import codec, labels
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.vault_claims import LEASE_SIZE
from strongroom.enclave.primitives import SECRET_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.contracts import contract_text
from strongroom.enclave.programs.rooms.data import (
    DATA_CHUNKS_MAX,
    SIZE_CLASS_MAX,
)
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.jobs import ask_next, check_inputs, forget_work, shown
from strongroom.enclave.programs.rooms.kept_chunks import keep_for_result
from strongroom.enclave.programs.rooms.parties import demand_open
from strongroom.enclave.programs.rooms.results import fail
from strongroom.enclave.programs.rooms.tables import (
    EXECUTORS,
    JOBS,
    ORDERS,
    RESULTS,
    TEXTS,
    WORK,
    Executor,
    Job,
    contract_of,
    executors_of,
    job_of,
    rooms,
)
from strongroom.enclave.programs.rooms.taking import given_inputs
from strongroom.enclave.programs.vault import bound

FAILED = "failed"
"""All that an executor may say of a program that did not end: which row, which text it met there,
how far it came are nobody's business."""
RESULT_ENTRIES_MAX = 256


class Entry(NamedTuple):
    """One sealed result, as executors report it."""

    output: str
    recipient: bytes
    """Whose alone it is; nothing: of all the output's recipients."""
    root: bytes
    """Merkle root over the names of its sealed chunks."""
    chunks: int
    size_class: int


@rooms.transaction
def take(context: Context, *, job: bytes, evidence: bytes) -> dict[str, Any]:
    """Take a job as one of the executors that are asked: a lease on each input, and the secret
    under which the result is sealed. A worker that takes it again has new leases."""
    found, rank, own = executor_of(context, job)
    serving = found.state == "serving"  # then nothing is sealed under the job's secret
    _demand_wanted(context, job, found, rank)
    if own.report:
        raise ProgramError("reported", "this worker has reported the job already")
    inputs, leases = given_inputs(context, job, evidence)
    taken = own._replace(leases=leases, taken_ms=context.time_ms)
    context.map(EXECUTORS).put((job, rank), tuple(taken))
    record(context, found.room, "taken", job, own.operator)
    context.give_once()
    return {
        "job": job,
        "contract": context.map(TEXTS).get(found.contract),
        "parameters": _parameters(context, job),
        "inputs": inputs,
        "result": bytes(SECRET_SIZE) if serving else bound.reveal(context, found.key),
        "taken_ms": context.time_ms,
        "deadline_ms": found.deadline_ms,
    }


@rooms.transaction
def report(
    context: Context, *, job: bytes, entries: list[Entry], failed: bool = False
) -> dict[str, Any]:
    """Report the sealed result of a job, or that its program failed.

    It counts while the worker's leases are live: not after a withdrawal, whoever is late.
    """
    found, rank, own = executor_of(context, job)
    _demand_wanted(context, job, found, rank)
    if found.state == "serving":
        raise ProgramError("serving", "this job answers rows: `rooms.answer`")
    read = contract_text(context, found.contract)
    if not own.leases:
        raise ProgramError("not-taken", "take the job first")
    if own.report:
        raise ProgramError("reported", "this worker has reported the job already")
    leases = codec.split(own.leases, LEASE_SIZE)
    if not all(bound.is_live(context, lease) for lease in leases):
        raise ProgramError("lapsed", "a lease on an input is over: take the job again")
    told = codec.encode((failed, tuple(tuple(one) for one in _checked(read, entries, failed))))
    digest = bytes(labels.labelled_digest(labels.JOB_REPORT, job + told))
    context.map(EXECUTORS).put(
        (job, rank), tuple(own._replace(report=digest, reported_ms=context.time_ms))
    )
    for lease in leases:
        bound.give_back(context, lease)
    context.map(WORK).delete((own.identity, job))
    context.map(RESULTS).put((job, digest), told)
    record(context, found.room, "reported", job, own.operator)
    return shown(job, _decide(context, job, found, read, digest, failed))


def entries_of(context: Context, job: bytes, digest: bytes) -> tuple[Entry, ...]:
    """What was reported under a digest."""
    told = context.map(RESULTS).get((job, digest))
    if told is None:
        raise KeyError(job, digest)
    _, rows = codec.decode(told)
    return tuple(Entry(*row) for row in rows)


def demand_contract(context: Context, contract: bytes) -> None:
    """Check that a job's contract was not withdrawn.

    Raises:
        ProgramError: ``withdrawn``.
    """
    if contract_of(context, contract).state == "withdrawn":
        raise ProgramError("withdrawn", "its contract was withdrawn")


def executor_of(context: Context, job: bytes) -> tuple[Job, int, Executor]:
    """(job, rank of the caller, what it did so far).

    Raises:
        ProgramError: ``no-job``: there is none, or the caller is no executor of it.
    """
    found = job_of(context, job)
    for rank, one in enumerate(executors_of(context, job, found.ranks)):
        if one.identity == context.identity:
            return found, rank, one
    raise ProgramError("no-job", "there is no such job, or it is not for this worker")


def _demand_wanted(context: Context, job: bytes, found: Job, rank: int) -> None:
    if found.state not in ("scheduled", "serving"):
        raise ProgramError(found.state, f"the job is {found.state}")
    if rank >= found.asked:
        raise ProgramError("rank", "others are asked first: `rooms.advance` after the deadline")
    if context.time_ms > found.deadline_ms:
        raise ProgramError("late", "the job's time is over: the next executors are asked")
    demand_open(context, found.room)
    demand_contract(context, found.contract)
    check_inputs(context, job)


def _decide(
    context: Context, job: bytes, found: Job, read: Contract, digest: bytes, failed: bool
) -> Job:
    """Agreed, failed, or the next executors are asked, once enough have reported."""
    asked = executors_of(context, job, found.asked)
    if sum(one.report == digest for one in asked) >= read.agreement:
        if failed:
            decided = fail(context, job, found, FAILED)
        else:
            decided = found._replace(state="agreed", result=digest)
            context.map(JOBS).put(job, tuple(decided))
            for one in entries_of(context, job, digest):
                keep_for_result(context, one.root, job)
        record(context, found.room, decided.state, job)
        forget_work(context, job, decided)
        return decided
    if all(one.report for one in asked):
        record(context, found.room, "disputed", job)
        return ask_next(context, job, found, read)
    return found


def _checked(read: Contract, entries: list[Entry], failed: bool) -> list[Entry]:
    if failed and entries:
        raise ProgramError("entries", "a program that failed has no result")
    if len(entries) > RESULT_ENTRIES_MAX:
        raise ProgramError("entries", f"at most {RESULT_ENTRIES_MAX} entries")
    wanted = [
        (output.name, recipient)
        for output in read.outputs
        for recipient in (output.recipients if output.filter_alias else (b"",))
    ]
    if not failed and [(one.output, one.recipient) for one in entries] != wanted:
        raise ProgramError("entries", "one for each output and recipient, in the contract's order")
    for one in entries:
        if len(one.root) != DIGEST_SIZE or not 1 <= one.chunks <= DATA_CHUNKS_MAX:
            raise ProgramError("entries", f"a root of {DIGEST_SIZE} bytes, at least one chunk")
        if not 0 <= one.size_class <= SIZE_CLASS_MAX:
            raise ProgramError("entries", f"a size class of 0 to {SIZE_CLASS_MAX}")
    return entries


def _parameters(context: Context, job: bytes) -> bytes:
    row = context.map(ORDERS).get(job)
    if row is None:
        raise KeyError(job)
    parameters: bytes = row[0]
    return parameters
