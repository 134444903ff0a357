"""Jobs: charged before they run, for life; pinned to versions; run by executors of several
operators (ROOMS §2; T60, T62, T65).

Owns running, and what happens when executors stay away. Nothing is given back: what was charged for
a job that failed could have told something by failing.

    scheduled → agreed | failed         serving → ended (servings.py)
"""

from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Contract, parameters_in
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.contracts import (
    allow,
    contract_text,
    demand_time,
    input_of,
)
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.lineage import data_terms, demand_standing
from strongroom.enclave.programs.rooms.parties import demand_open, demand_role, party_of
from strongroom.enclave.programs.rooms.results import (
    Pinned,
    fail,
    make_result,
    pinned_of,
    roots_of,
)
from strongroom.enclave.programs.rooms.servings import begin, settled, staff
from strongroom.enclave.programs.rooms.tables import (
    ATTEMPTS,
    CONTRACTS,
    DATA,
    EXECUTORS,
    JOBS,
    ORDERS,
    RESULTS,
    ROOMS,
    SERIALS,
    SERIES_RUNS,
    VERSIONS,
    WORK,
    Agreed,
    Executor,
    Job,
    Room,
    contract_of,
    data_numbered,
    executors_of,
    job_of,
    rooms,
    version_numbered,
)
from strongroom.enclave.programs.rooms.taking import demand_takeable
from strongroom.enclave.programs.rooms.workers import are_outsiders, ranked
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.vault import bound

GRACE_MS = 30_000
"""What executors have besides the contract's duration: to take a job, and to report it."""
JOB_ENTRIES, JOB_BYTES = 24, 8 * 1024
TOLD_BYTES = 384
"""Of each output for each recipient: its line in the report, and why nodes keep its chunks."""


@rooms.transaction
def run(context: Context, *, contract: bytes, parameters: bytes) -> dict[str, Any]:
    """Run an approved contract on the newest or pinned versions of its inputs.

    The same contract, parameters and versions again are the same job, and cost nothing; one that
    failed, or whose result's key is gone, may be run again, and is charged again.
    """
    room, agreed, read, given = _runnable(context, contract, parameters)
    pinned = _pin(context, read)
    order = codec.encode((contract, given, pinned))
    wanted = bytes(labels.labelled_digest(labels.JOB, context.chain + order))
    attempt = context.map(ATTEMPTS).get(wanted) or 0
    if attempt:
        recorded = job_numbered(wanted, attempt)
        found = settled(context, recorded, job_of(context, recorded))
        lost = found.state != "serving" and not bound.opens(context, found.key)
        if found.state not in ("failed", "ended") and not lost:
            return shown(recorded, found)
    job = job_numbered(wanted, attempt + 1)
    demand_takeable(context, pinned)
    keeps = _charge(context, contract, agreed, read, pinned)
    regions = RoomTerms.decode(room.terms).regions
    chosen = ranked(context, job, regions)
    if not chosen and are_outsiders(context, regions):
        raise ProgramError(
            "no-one-in-region", "workers wait only outside of the room's regions: ask operators"
        )
    if len(chosen) < read.executors:
        raise ProgramError(
            "no-executors",
            f"workers of {read.executors} operators are needed, of {len(chosen)} one waits that "
            "has no other job: try again soon",
        )
    if read.serves:
        chosen = chosen[: read.executors]
    told = sum(len(one.recipients) if one.filter_alias else 1 for one in read.outputs)
    charge(context, JOB_ENTRIES + told, JOB_BYTES + told * TOLD_BYTES + len(order))
    serial = room.jobs + 1
    context.map(ROOMS).put(read.room, tuple(room._replace(jobs=serial)))
    context.map(SERIALS).put((read.room, "job", serial), job)
    context.map(ATTEMPTS).put(wanted, attempt + 1)
    context.map(ORDERS).put(job, (codec.encode(given), codec.encode(pinned)))
    key = make_result(context, read.room, serial, job, keeps)
    made = Job(
        contract,
        read.room,
        "serving" if read.serves else "scheduled",
        context.identity,
        context.time_ms,
        context.time_ms + read.duration_ms + (0 if read.serves else GRACE_MS),
        len(chosen),
        read.executors,
        b"",
        key,
        "",
    )
    context.map(JOBS).put(job, tuple(made))
    for rank, (identity, worker) in enumerate(chosen):
        row = Executor(identity, worker.operator, worker.region, b"", b"", 0, 0)
        context.map(EXECUTORS).put((job, rank), tuple(row))
        context.map(WORK).put((identity, job), rank)
    if read.serves:
        begin(context, job, given)
    record(context, read.room, "run", job, read.name)
    return shown(job, made)


@rooms.transaction
def advance(context: Context, *, job: bytes) -> dict[str, Any]:
    """Ask the next executors, when those asked have let the time pass: by a party, or by one of the
    executors that stand by."""
    found = job_of(context, job)
    if context.map(WORK).get((context.identity, job)) is None:
        party_of(context, found.room)
    read = contract_text(context, found.contract)
    if found.state == "serving":
        found = settled(context, job, found)
        return shown(job, staff(context, job, found, read) if found.state == "serving" else found)
    if found.state != "scheduled" or context.time_ms <= found.deadline_ms:
        return shown(job, found)
    return shown(job, ask_next(context, job, found, read))


def ask_next(context: Context, job: bytes, found: Job, read: Contract) -> Job:
    """Ask as many more executors as might make an agreement; fail when there are none."""
    asked = executors_of(context, job, found.asked)
    same: dict[bytes, int] = {}
    for one in asked:
        if one.report:
            same[one.report] = same.get(one.report, 0) + 1
    missing = read.agreement - max(same.values(), default=0)
    if found.asked + missing > found.ranks:
        record(context, found.room, "failed", job, "no-agreement")
        failed = fail(context, job, found, "no-agreement")
        forget_work(context, job, failed)
        return failed
    more = found._replace(
        asked=found.asked + missing,
        deadline_ms=context.time_ms + read.duration_ms + GRACE_MS,
    )
    context.map(JOBS).put(job, tuple(more))
    record(context, found.room, "next-rank", job, str(more.asked))
    return more


def forget_work(context: Context, job: bytes, found: Job) -> None:
    """The job is decided: no executor waits for it, and only what was agreed on is remembered."""
    for one in executors_of(context, job, found.ranks):
        context.map(WORK).delete((one.identity, job))
        if one.report and one.report != found.result:
            context.map(RESULTS).delete((job, one.report))


def job_numbered(wanted: bytes, attempt: int) -> bytes:
    """The job of the attempt so numbered, from 1."""
    return bytes(labels.labelled_digest(labels.JOB, wanted + attempt.to_bytes(4, "big")))


def check_inputs(context: Context, job: bytes) -> None:
    """Check that every data set that a job reads stands still; of an asset, all data that it was
    made from too, unless their terms keep it.

    Raises:
        ProgramError: ``withdrawn``.
    """
    for alias, number, _ in pinned_of(context, job):
        demand_standing(context, alias, number)
        roots = () if data_terms(context, number).keep else roots_of(context, number)
        keys = (data_numbered(context, number).key, *roots)
        if not all(bound.stands(context, key) for key in keys):
            raise ProgramError("withdrawn", f"{alias}: its owner has withdrawn it")


def shown(job: bytes, found: Job) -> dict[str, Any]:
    """What whoever runs a job is told of it."""
    return {
        "job": job,
        "state": found.state,
        "deadline_ms": found.deadline_ms,
        "asked": found.asked,
        "result": found.result,
        "why": found.why,
    }


def _runnable(
    context: Context, contract: bytes, parameters: bytes
) -> tuple[Room, Agreed, Contract, tuple[tuple[str, bool | int | str], ...]]:
    agreed = contract_of(context, contract)
    demand_role(context, agreed.room, "analyst", "owner", "recipient")
    room = demand_open(context, agreed.room)
    if agreed.state != "approved":
        raise ProgramError(
            "not-approved", f"the contract is {agreed.state}: `strongroom rooms vote`"
        )
    read = contract_text(context, contract)
    demand_time(context, read)
    try:
        given = parameters_in(parameters)
        read.check_parameters(given)
    except NotCanonical as error:
        raise ProgramError("parameters", str(error)) from None
    return room, agreed, read, given


def _pin(context: Context, read: Contract) -> Pinned:
    pinned = []
    for one in read.inputs:
        number, found = input_of(context, one)
        version = one.version or found.version
        if not 1 <= version <= found.version:
            raise ProgramError("version", f"{one.alias}: there is no version {version}")
        pinned.append((one.alias, number, version))
    return tuple(pinned)


def _charge_series(context: Context, alias: str, series: tuple[int, int], runs_max: int) -> None:
    """Count a run of versions that extend one another: two answers over rows that differ by one
    batch tell that batch, so an extension brings no new runs.

    Raises:
        ProgramError: ``differencing``.
    """
    runs = context.map(SERIES_RUNS).get(series) or 0
    if runs >= runs_max:
        raise ProgramError(
            "differencing",
            f"{alias}: its {runs_max} runs went to versions that an extension sets apart",
        )
    context.map(SERIES_RUNS).put(series, runs + 1)


def _charge(
    context: Context, contract: bytes, agreed: Agreed, read: Contract, pinned: Pinned
) -> tuple[tuple[int, bool], ...]:
    """Charge contract and data sets; what the withdrawal of each means for the result.

    Raises:
        ProgramError: ``budget``, with what is used up; or as `allow`.
    """
    if agreed.runs >= read.runs:
        raise ProgramError("budget", f"the contract's {read.runs} runs are used up")
    context.map(CONTRACTS).put(contract, tuple(agreed._replace(runs=agreed.runs + 1)))
    keeps = []
    for one, (alias, number, version) in zip(read.inputs, pinned, strict=True):
        terms = allow(context, read, one)
        found, at = data_numbered(context, number), version_numbered(context, number, version)
        if at.runs >= terms.runs:
            raise ProgramError("budget", f"{alias}: {terms.runs} runs of this version are used up")
        _charge_series(context, alias, (number, at.key_version), terms.runs)
        if found.epsilon + one.epsilon > terms.epsilon_life:
            left = terms.epsilon_life - found.epsilon
            raise ProgramError("budget", f"{alias}: {max(left, 0)} millionths are left for life")
        context.map(VERSIONS).put((number, version), tuple(at._replace(runs=at.runs + 1)))
        charged = found._replace(epsilon=found.epsilon + one.epsilon)
        context.map(DATA).put(number, tuple(charged))
        keeps.append((number, terms.keep))
    return tuple(keeps)
