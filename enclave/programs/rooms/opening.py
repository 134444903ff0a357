"""Results: who may open one, and who may use one that nobody opens (ROOMS §2, §7; T66).

Owns the opening, once per call and on record, and assets: results that are data sets of their own,
owned by all owners of their inputs together, under the strictest of their terms.
"""

from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Output
from strongroom.enclave.formats.clean_rooms.data_terms import strictest
from strongroom.enclave.formats.clean_rooms.fields import name_in
from strongroom.enclave.formats.clean_rooms.result_keys import output_key
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.contracts import contract_text
from strongroom.enclave.programs.rooms.data import (
    DATA_BYTES,
    DATA_ENTRIES,
    data_terms,
    owners_in,
)
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.executing import Entry, demand_contract, entries_of
from strongroom.enclave.programs.rooms.parties import demand_open, demand_role, party_of, terms_of
from strongroom.enclave.programs.rooms.results import depth_of, pinned_of, roots_of
from strongroom.enclave.programs.rooms.tables import (
    ASSETS,
    DATA,
    DATA_TERMS,
    NAMES,
    RELEASES,
    ROOTS,
    VERSIONS,
    Data,
    Job,
    Version,
    data_numbered,
    executors_of,
    job_of,
    next_number,
    rooms,
    version_numbered,
)
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.vault import bound

ROOTS_MAX = 64
"""Data sets that an asset was made from, also through other assets."""
ASSETS_MAX = 128
"""Of one clean room, withdrawn ones included: each keeps its key, however old its job."""
ASSET_DEPTH_MAX = 8
"""Assets made from assets made from assets: a withdrawal follows them all."""


@rooms.transaction
def open_(context: Context, *, job: bytes, output: str) -> dict[str, Any]:
    """Open a result as one of its recipients: its key, once for each call, and where its chunks
    are. The receipt's claim says what was agreed, on which data, by whom."""
    found, declared = _result(context, job, output)
    if context.identity not in declared.recipients:
        raise ProgramError("recipients", "the contract gives this output to others")
    _demand_not_withdrawn(context, job, found)
    ayes = _releases(context, job, found, output)
    if ayes < declared.releases:
        raise ProgramError("release", f"{declared.releases} parties release it, {ayes} have")
    entry = _entry(context, job, found, declared, context.identity)
    secret = bound.reveal(context, found.key)
    record(context, found.room, "opened", job, output)
    context.claim(_claim(context, job, found, entry))
    context.give_once()
    return {
        "job": job,
        "output": output,
        "recipient": entry.recipient,
        "kind": declared.kind,
        "root": entry.root,
        "chunks": entry.chunks,
        "size_class": entry.size_class,
        "key": output_key(secret, output, entry.recipient),
    }


@rooms.transaction
def release(context: Context, *, job: bytes, output: str, approve: bool) -> dict[str, Any]:
    """Consent, as a party, to the opening of one output of one job, or not."""
    found, declared = _result(context, job, output)
    demand_open(context, found.room)
    context.map(RELEASES).put((job, output, context.identity), approve)
    record(context, found.room, "released" if approve else "kept-back", job, output)
    ayes = _releases(context, job, found, output)
    return {"job": job, "output": output, "releases": ayes, "needed": declared.releases}


@rooms.transaction
def keep(context: Context, *, job: bytes, output: str, name: str) -> dict[str, Any]:
    """Make an output a data set of its room, for contracts that use it: nobody is given it by
    that. Its owners are all owners of the job's inputs."""
    found, declared = _result(context, job, output)
    demand_role(context, found.room, "analyst", "owner")
    _demand_not_withdrawn(context, job, found)
    try:
        name_in(name, "name")
    except NotCanonical as error:
        raise ProgramError("name", str(error)) from None
    if not bound.stands(context, found.key):
        raise ProgramError("revoked", "the result's key is gone: run the job again")
    if declared.filter_alias:
        raise ProgramError("output", "an output that is filtered for each recipient is no asset")
    if context.map(NAMES).get((found.room, name)) is not None:
        raise ProgramError("taken", "the room has an asset of this name")
    if len(context.map(NAMES).scan(prefix=(found.room,), limit=ASSETS_MAX)) == ASSETS_MAX:
        raise ProgramError("full", f"a room has at most {ASSETS_MAX} assets: use another room")
    inputs = [number for _, number, _ in pinned_of(context, job)]
    depth = 1 + max(depth_of(context, one) for one in inputs)
    if depth > ASSET_DEPTH_MAX:
        raise ProgramError("depth", f"made from assets {ASSET_DEPTH_MAX} deep: no further one")
    owners: set[bytes] = set()
    roots: set[int] = set()
    for number in inputs:
        one = data_numbered(context, number)
        owners.update(owners_in(one))
        roots.update(roots_of(context, number) or (one.key,))
    if len(roots) > ROOTS_MAX:
        raise ProgramError("roots", f"made from more than {ROOTS_MAX} data sets in all")
    entry = _entry(context, job, found, declared, b"")
    charge(context, DATA_ENTRIES + 1, DATA_BYTES)
    number = next_number(context, "data")
    made = Data(
        found.room,
        name,
        "active",
        1,
        found.key,
        0,
        b"".join(sorted(owners)),
        job,
        output,
        context.height,
    )
    version = Version(entry.root, entry.chunks, entry.size_class, context.height, 0, 1)
    context.map(NAMES).put((found.room, name), number)
    context.map(DATA).put(number, tuple(made))
    context.map(ASSETS).put((job, number), depth)
    context.map(ROOTS).put(number, codec.encode(tuple(sorted(roots))))
    terms = strictest([data_terms(context, one) for one in inputs])
    context.map(DATA_TERMS).put(number, terms.encode())
    context.map(VERSIONS).put((number, 1), tuple(version))
    record(context, found.room, "asset", job, name)
    return {"name": name, "owner": found.room, "version": 1, "state": "active"}


def _result(context: Context, job: bytes, output: str) -> tuple[Job, Output]:
    found = job_of(context, job)
    party_of(context, found.room)
    if found.state != "agreed":
        raise ProgramError("not-agreed", f"the job is {found.state}: there is no result")
    for declared in contract_text(context, found.contract).outputs:
        if declared.name == output:
            return found, declared
    raise ProgramError("output", "its contract has no such output")


def _demand_not_withdrawn(context: Context, job: bytes, found: Job) -> None:
    """Nothing is opened after a withdrawal, unless all terms of the withdrawn data let it."""
    demand_open(context, found.room)
    demand_contract(context, found.contract)
    for alias, number, _ in pinned_of(context, job):
        data = data_numbered(context, number)
        if data.state != "active" and not data_terms(context, number).keep:
            raise ProgramError("withdrawn", f"{alias}: its owner has withdrawn it")


def _releases(context: Context, job: bytes, found: Job, output: str) -> int:
    parties = terms_of(context, found.room).identities
    return sum(context.map(RELEASES).get((job, output, one)) is True for one in parties)


def _entry(context: Context, job: bytes, found: Job, declared: Output, recipient: bytes) -> Entry:
    whose = recipient if declared.filter_alias else b""
    for entry in entries_of(context, job, found.result):
        if (entry.output, entry.recipient) == (declared.name, whose):
            return entry
    raise KeyError(job, declared.name)


def _claim(context: Context, job: bytes, found: Job, entry: Entry) -> bytes:
    """What a receipt of the opening can reveal: result, contract, data and executors."""
    data = []
    for alias, number, version in pinned_of(context, job):
        one, at = data_numbered(context, number), version_numbered(context, number, version)
        data.append((alias, one.owner, one.name, version, at.root))
    reported = tuple(
        one.operator
        for one in executors_of(context, job, found.asked)
        if one.report == found.result
    )
    place = (found.room, found.contract, job, context.identity)
    return codec.encode((labels.JOB_OPENED, *place, tuple(entry), tuple(data), reported))
