"""What may be asked of clean rooms: queries, which change nothing.

Owns who may read what: parties their rooms, owners their data, workers their jobs. Nothing here
opens a key, and no report is shown before its job is decided.
"""

from typing import Any

from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.rooms.contracts import consents_of, contract_text, owners_of
from strongroom.enclave.programs.rooms.data import find_data, no_data, owners_in
from strongroom.enclave.programs.rooms.events import head_of, kept
from strongroom.enclave.programs.rooms.executing import entries_of
from strongroom.enclave.programs.rooms.jobs import shown
from strongroom.enclave.programs.rooms.lineage import data_terms
from strongroom.enclave.programs.rooms.parties import is_there, party_of
from strongroom.enclave.programs.rooms.results import pinned_of
from strongroom.enclave.programs.rooms.tables import (
    NAMES,
    PARTIES,
    SERIALS,
    TEXTS,
    VERSIONS,
    WORK,
    Data,
    Version,
    contract_of,
    data_numbered,
    executors_of,
    job_of,
    room_of,
    rooms,
    version_numbered,
)
from strongroom.enclave.programs.schema import Account, Identity

ROOMS_LISTED_MAX = 500


@rooms.query
def list_(context: Context, *, after: bytes = b"", limit: int = 100) -> list[dict[str, Any]]:
    """Clean rooms of which the caller is a party, in order of their ids; of one whose terms ask for
    people elsewhere the id alone."""
    _check_limit(limit)
    own = context.identity
    found = context.map(PARTIES).scan(prefix=(own,), after=(own, after), limit=limit)
    return [
        _room(context, room, hidden=not is_there(context, room)) | {"joined": joined}
        for (_, room), joined in found
    ]


@rooms.query
def room(context: Context, *, room: bytes) -> dict[str, Any]:
    """One clean room, for its parties: its terms as bytes, who has joined."""
    party_of(context, room)
    found = room_of(context, room)
    joined = [
        {"party": digest_text(party), "roles": list(roles), "joined": _joined(context, party, room)}
        for party, roles in RoomTerms.decode(found.terms).parties
    ]
    return _room(context, room) | {"terms": found.terms, "members": joined}


@rooms.query
def contracts(
    context: Context, *, room: bytes, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Contracts of a clean room, in the order in which they were proposed."""
    return [_contract(context, id) for id in _serials(context, room, "contract", after, limit)]


@rooms.query
def contract(context: Context, *, contract: bytes) -> dict[str, Any]:
    """One contract, for the parties of its room: its bytes, and whose consent is missing."""
    agreed = contract_of(context, contract)
    party_of(context, agreed.room)
    read = contract_text(context, contract)
    return _contract(context, contract) | {
        "text": context.map(TEXTS).get(contract),
        "owners": [digest_text(owner) for owner in owners_of(context, read)],
    }


@rooms.query
def jobs(
    context: Context, *, room: bytes, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Jobs of a clean room, in the order in which they were run."""
    found = _serials(context, room, "job", after, limit)
    jobs = ((id, job_of(context, id)) for id in found)
    return [shown(id, one) | {"contract": one.contract} for id, one in jobs]


@rooms.query
def job(context: Context, *, job: bytes) -> dict[str, Any]:
    """One job, for parties: who runs it, on which versions; once it is decided, what was
    reported."""
    found = job_of(context, job)
    party_of(context, found.room)
    decided = found.state != "scheduled"
    executors = [
        {
            "rank": rank,
            "operator": one.operator,
            "region": one.region,
            "asked": rank < found.asked,
            "taken_ms": one.taken_ms,
            "reported_ms": one.reported_ms,
            "report": one.report if decided else b"",
        }
        for rank, one in enumerate(executors_of(context, job, found.ranks))
    ]
    outputs = [one._asdict() for one in _entries(context, job)] if found.result else []
    inputs = [
        {
            "alias": alias,
            "version": version,
            "root": version_numbered(context, number, version).root,
        }
        | _named(data_numbered(context, number))
        for alias, number, version in pinned_of(context, job)
    ]
    return shown(job, found) | {
        "contract": found.contract,
        "caller": digest_text(found.caller),
        "executors": executors,
        "inputs": inputs,
        "outputs": outputs,
    }


@rooms.query
def data(
    context: Context, *, owner: Identity | None = None, after: str = "", limit: int = 100
) -> list[dict[str, Any]]:
    """Data sets of an owner (the caller, or a clean room of the caller's) in order of names."""
    _check_limit(limit)
    whose = owner or context.identity
    if whose != context.identity:
        party_of(context, whose)
    found = context.map(NAMES).scan(prefix=(whose,), after=(whose, after), limit=limit)
    return [_data(context, number) for _, number in found]


@rooms.query
def data_set(context: Context, *, data: Account) -> dict[str, Any]:
    """One data set, for its owners: its versions, its terms, what was charged."""
    number, found = find_data(context, data)
    if context.identity not in owners_in(found):
        raise no_data()
    if found.lineage:
        party_of(context, found.owner)
    versions = []
    for at in range(max(1, found.version - ROOMS_LISTED_MAX + 1), found.version + 1):
        row = context.map(VERSIONS).get((number, at))
        if row is not None:
            one = Version(*row)
            versions.append({"version": at} | one._asdict())
    return _data(context, number) | {
        "versions": versions,
        "terms": data_terms(context, number).encode(),
        "lineage": found.lineage,
    }


@rooms.query
def events(context: Context, *, room: bytes, after: int = 0, limit: int = 100) -> dict[str, Any]:
    """What happened in a clean room, for its parties: in order, those after a number that still
    stand in the state."""
    party_of(context, room)
    _check_limit(limit)
    total, head = head_of(context, room)
    rows = [
        one._asdict() | {"who": digest_text(one.who)} for one in kept(context, room, after, limit)
    ]
    return {"events": rows, "total": total, "head": head}


@rooms.query
def work(context: Context, *, limit: int = 16) -> list[dict[str, Any]]:
    """Jobs that are not decided and for which the caller, a worker, is asked or stands by."""
    _check_limit(limit)
    found = context.map(WORK).scan(prefix=(context.identity,), limit=limit)
    listed = []
    for (_, job), rank in found:
        one = job_of(context, job)
        listed.append(
            {"job": job, "rank": rank, "asked": rank < one.asked, "deadline_ms": one.deadline_ms}
        )
    return listed


def _room(context: Context, room: bytes, *, hidden: bool = False) -> dict[str, Any]:
    found = room_of(context, room)
    terms = RoomTerms.decode(found.terms)
    if hidden:
        told = dict.fromkeys(("name", "purpose", "creator"), "")
        return {"room": room, **told, "state": "elsewhere", "contracts": 0, "jobs": 0}
    return {
        "room": room,
        "name": terms.name,
        "purpose": terms.purpose,
        "state": found.state,
        "creator": digest_text(found.creator),
        "contracts": found.contracts,
        "jobs": found.jobs,
    }


def _joined(context: Context, party: bytes, room: bytes) -> bool:
    return context.map(PARTIES).get((party, room)) is True


def _contract(context: Context, id: bytes) -> dict[str, Any]:
    agreed, read = contract_of(context, id), contract_text(context, id)
    ayes, missing = consents_of(context, id, read)
    expired = agreed.state != "withdrawn" and context.time_ms > read.until_ms
    return {
        "contract": id,
        "name": read.name,
        "purpose": read.purpose,
        "profile": read.profile,
        "state": "expired" if expired else agreed.state,
        "votes": ayes,
        "needs_more": missing and agreed.state == "proposed",
        "runs": agreed.runs,
        "runs_max": read.runs,
        "until_ms": read.until_ms,
    }


def _serials(context: Context, room: bytes, kind: str, after: int, limit: int) -> list[bytes]:
    party_of(context, room)
    _check_limit(limit)
    place = (room, kind)
    found = context.map(SERIALS).scan(prefix=place, after=(*place, max(after, 0)), limit=limit)
    return [id for _, id in found]


def _entries(context: Context, job: bytes) -> Any:
    return entries_of(context, job, job_of(context, job).result)


def _named(found: Data) -> dict[str, Any]:
    return {"owner": digest_text(found.owner), "data": found.name}


def _data(context: Context, number: int) -> dict[str, Any]:
    found, terms = data_numbered(context, number), data_terms(context, number)
    return {
        "owner": digest_text(found.owner),
        "name": found.name,
        "state": found.state,
        "version": found.version,
        "epsilon": found.epsilon,
        "epsilon_life": terms.epsilon_life,
        "runs": terms.runs,
        "until_ms": terms.until_ms,
    }


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= ROOMS_LISTED_MAX:
        raise ProgramError("limit", f"1 to {ROOMS_LISTED_MAX} at a time")
