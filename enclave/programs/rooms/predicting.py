"""Single predictions: a recipient asks a serving for one row, executors answer, and as many equal
answers as the contract says are one (ROOMS §2; T60, T65, T66).

Owns who may ask how often, and when answers count: never after a withdrawal, and not before enough
operators have said the same. A row is read by its executors alone, an answer by whoever asked.
"""

from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.serving import decode_row
from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.rooms.contracts import contract_text
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.executing import demand_contract, executor_of
from strongroom.enclave.programs.rooms.jobs import check_inputs, shown
from strongroom.enclave.programs.rooms.parties import demand_open, party_of
from strongroom.enclave.programs.rooms.servings import (
    ANSWER_MS,
    ASKED,
    ASKED_KEPT,
    ASKED_WAITING_MAX,
    ASKERS,
    READ_MS,
    SERVINGS,
    Asked,
    alive,
    asked_of,
    decide,
    is_answering,
    release,
    serving_of,
    settled,
    staff,
    swept,
    waiting_rows,
)
from strongroom.enclave.programs.rooms.tables import EXECUTORS, Executor, Job, job_of, rooms

REFUSED = "refused"
"""Answer to a row of which the model tells nothing: outside its bounds, or with a gap."""
ANSWER_CHARACTERS_MAX = 24
_NUMERIC = frozenset("0123456789.e+-")


class Answered(NamedTuple):
    """What an executor says of one row."""

    number: int
    answer: str


@rooms.transaction
def predict(context: Context, *, job: bytes, row: bytes) -> dict[str, Any]:
    """Ask a serving for one row, as one of its contract's recipients: counted now, for good. The
    answer is read by `rooms.prediction`."""
    found, read = _serving(context, job)
    if context.identity not in read.outputs[0].recipients:
        raise ProgramError("recipients", "the contract answers others")
    _demand_standing(context, job, found)
    try:
        decode_row(row)
    except NotCanonical as error:
        raise ProgramError("row", str(error)) from None
    found = staff(context, job, found, read)
    if len(alive(context, job, found)) < read.agreement:
        raise ProgramError("no-executors", f"{read.agreement} workers must answer, fewer are there")
    serving = swept(context, job)
    used = context.map(ASKERS).get((job, context.identity)) or 0
    if used >= serving.each:
        raise ProgramError("budget", f"your {serving.each} answers of this job are used up")
    number = serving.asked + 1
    before = asked_of(context, job, number - ASKED_KEPT)
    kept = before is not None and context.time_ms <= before.made_ms + READ_MS
    if serving.waiting >= ASKED_WAITING_MAX or kept:
        raise ProgramError("busy", "others have asked much just now: again in a few seconds")
    asked = Asked(number, context.identity, context.time_ms, "waiting", row, b"", "")
    context.map(ASKED).put((job, number % ASKED_KEPT), tuple(asked))
    serving = serving._replace(asked=number, waiting=serving.waiting + 1)
    context.map(SERVINGS).put(job, tuple(serving))
    context.map(ASKERS).put((job, context.identity), used + 1)
    if not used:
        record(context, found.room, "asks", job)
    return {
        "job": job,
        "number": number,
        "left": serving.each - used - 1,
        "until_ms": context.time_ms + ANSWER_MS,
    }


@rooms.transaction
def answer(context: Context, *, job: bytes, answers: list[Answered]) -> dict[str, Any]:
    """Answer rows, as an executor with live leases. What is decided already, or late, is passed
    over."""
    own, read = _executor(context, job)
    if len(answers) > ASKED_WAITING_MAX or not all(_is_answer(one.answer) for one in answers):
        raise ProgramError("answers", f"at most {ASKED_WAITING_MAX}, each a number or `{REFUSED}`")
    found = job_of(context, job)
    operators = {one.operator for one in alive(context, job, found)}
    counted = sum(_vote(context, job, read, own.operator, one, operators) for one in answers)
    return {"job": job, "counted": counted}


@rooms.transaction
def finish(context: Context, *, job: bytes) -> dict[str, Any]:
    """Answer no more, as an executor: its leases end, and another one takes its place. When the
    time is over, the serving ends."""
    found, rank, own = executor_of(context, job)
    if found.state == "serving":
        release(context, job, own)
        gone = own._replace(reported_ms=context.time_ms)
        context.map(EXECUTORS).put((job, rank), tuple(gone))
        found = settled(context, job, found)
    return shown(job, found)


@rooms.query
def asked(context: Context, *, job: bytes) -> list[dict[str, Any]]:
    """Rows that wait for the answer of the caller, an executor with live leases."""
    own, _ = _executor(context, job)
    return [
        {"number": one.number, "row": one.row}
        for one in waiting_rows(context, job)
        if own.operator not in dict(_votes(one))
    ]


@rooms.query
def prediction(context: Context, *, job: bytes, number: int) -> dict[str, Any]:
    """What became of a row that the caller asked: waiting, answered, refused, disputed or
    unanswered."""
    found = job_of(context, job)
    party_of(context, found.room)
    one = asked_of(context, job, number) if found.state == "serving" else None
    if one is None or one.caller != context.identity:
        raise ProgramError("no-prediction", "there is no such row of yours, or no longer")
    _demand_standing(context, job, found)
    late = one.state == "waiting" and context.time_ms > one.made_ms + ANSWER_MS
    state = "unanswered" if late else one.state
    return {"job": job, "number": number, "state": state, "answer": one.answer}


@rooms.query
def serving(context: Context, *, job: bytes) -> dict[str, Any]:
    """How a serving stands, for the parties of its room: who answers, who asked how often."""
    found = job_of(context, job)
    party_of(context, found.room)
    if context.map(SERVINGS).get(job) is None:
        raise ProgramError("not-serving", "the job answers no rows: look at `rooms.job`")
    told = serving_of(context, job)
    askers = context.map(ASKERS).scan(prefix=(job,))
    return {
        "job": job,
        "state": found.state,
        "until_ms": found.deadline_ms,
        "each": told.each,
        "asked": told.asked,
        "waiting": sum(1 for _ in waiting_rows(context, job)),
        "answering": [
            one.operator
            for one in (alive(context, job, found) if found.state == "serving" else ())
            if is_answering(context, one)
        ],
        "askers": [{"party": digest_text(who), "asked": count} for (_, who), count in askers],
    }


def _serving(context: Context, job: bytes) -> tuple[Job, Contract]:
    found = job_of(context, job)
    party_of(context, found.room)
    read = contract_text(context, found.contract)
    if not read.serves:
        raise ProgramError("not-serving", "the job answers no rows: open its result")
    if found.state != "serving" or context.time_ms > found.deadline_ms:
        raise ProgramError("ended", "the serving's time is over: `strongroom rooms run`")
    return found, read


def _executor(context: Context, job: bytes) -> tuple[Executor, Contract]:
    """The caller, and the contract, while its answers count."""
    found, _, own = executor_of(context, job)
    if found.state != "serving" or context.time_ms > found.deadline_ms:
        raise ProgramError("ended", "the job does not answer rows, or no longer")
    _demand_standing(context, job, found)
    if not is_answering(context, own):
        raise ProgramError("lapsed", "a lease on an input is over: no answer counts")
    return own, contract_text(context, found.contract)


def _demand_standing(context: Context, job: bytes, found: Job) -> None:
    demand_open(context, found.room)
    demand_contract(context, found.contract)
    check_inputs(context, job)


def _votes(one: Asked) -> tuple[tuple[str, str], ...]:
    votes: tuple[tuple[str, str], ...] = codec.decode(one.votes) if one.votes else ()
    return votes


def _vote(
    context: Context,
    job: bytes,
    read: Contract,
    operator: str,
    said: Answered,
    operators: set[str],
) -> bool:
    """Count an operator's answer, once; decide the row when enough are equal, or none can be."""
    one = asked_of(context, job, said.number)
    if one is None or one.state != "waiting" or context.time_ms > one.made_ms + ANSWER_MS:
        return False
    votes = dict(_votes(one))
    if operator in votes:
        return False
    votes[operator] = said.answer
    same = sum(answer == said.answer for answer in votes.values())
    if same >= read.agreement:
        told = said.answer
        state, told = (REFUSED, "") if told == REFUSED else ("answered", told)
        decide(context, job, one, state, told)
    elif operators <= votes.keys():
        decide(context, job, one, "disputed")
    else:
        kept = one._replace(votes=codec.encode(tuple(sorted(votes.items()))))
        context.map(ASKED).put((job, one.number % ASKED_KEPT), tuple(kept))
        return True
    left = serving_of(context, job)
    context.map(SERVINGS).put(job, tuple(left._replace(waiting=left.waiting - 1)))
    return True


def _is_answer(text: str) -> bool:
    return text == REFUSED or (1 <= len(text) <= ANSWER_CHARACTERS_MAX and set(text) <= _NUMERIC)
