"""Contracts: proposed by their canonical bytes, approved by every owner of an input and as the
room's terms say, withdrawn by any owner alone (ROOMS §2; T60).

Owns what data terms allow, and whose consent counts. A `free` contract needs no vote: its owners
agreed to such in their data terms. Whether its SQL keeps to the columns' uses only the worker can
tell, which refuses to run it otherwise.

    proposed → approved → withdrawn
"""

from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input
from strongroom.enclave.formats.clean_rooms.data_terms import FREE, DataTerms, strictest
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.data import data_terms, find_data, owners_in
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.parties import (
    demand_open,
    demand_role,
    party_of,
    terms_of,
)
from strongroom.enclave.programs.rooms.results import pinned_of
from strongroom.enclave.programs.rooms.tables import (
    CONTRACTS,
    ROOMS,
    SERIALS,
    TEXTS,
    VOTES,
    Agreed,
    Data,
    contract_of,
    data_numbered,
    rooms,
)
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault import bound

REVIEWED = "reviewed"
"""In data terms: any program that each owner approved by its digest."""
LINEAGE_MAX = 128
"""Data sets and assets that one asset was made from, and so on."""
CONTRACT_ENTRIES, CONTRACT_BYTES = 4, 1024


@rooms.transaction
def propose(context: Context, *, contract: bytes) -> dict[str, Any]:
    """Propose a contract, as an analyst or owner of its room. Who owns data votes separately."""
    try:
        read = Contract.decode(contract)
    except NotCanonical as error:
        raise ProgramError("contract", str(error)) from None
    demand_role(context, read.room, "analyst", "owner")
    room = demand_open(context, read.room)
    id = bytes(read.id(context.chain))
    if context.map(CONTRACTS).get(id) is not None:
        raise ProgramError("exists", "this very contract stands: vote on it, or run it")
    terms = RoomTerms.decode(room.terms)
    _check_room(read, terms)
    for one in read.inputs:
        _, found = input_of(context, one)
        if any(owner not in terms.identities for owner in owners_in(found)):
            raise ProgramError("party", f"{one.alias}: its owners are no parties of the room")
        allow(context, read, one)
    serial = room.contracts + 1
    charge(context, CONTRACT_ENTRIES, CONTRACT_BYTES + len(contract))
    context.map(ROOMS).put(read.room, tuple(room._replace(contracts=serial)))
    context.map(SERIALS).put((read.room, "contract", serial), id)
    context.map(TEXTS).put(id, contract)
    state = "approved" if read.profile == FREE else "proposed"
    agreed = Agreed(read.room, state, context.identity, serial, 0, context.height)
    context.map(CONTRACTS).put(id, tuple(agreed))
    record(context, read.room, "proposed", id, read.name)
    if state == "approved":
        record(context, read.room, "approved", id)
    return {"contract": id, "state": state, "votes": 0}


@rooms.transaction
def vote(context: Context, *, contract: bytes, approve: bool) -> dict[str, Any]:
    """Consent to a contract as a party of its room, or not; a later vote takes the place of the
    earlier until it is approved."""
    agreed = contract_of(context, contract)
    party_of(context, agreed.room)
    demand_open(context, agreed.room)
    if agreed.state != "proposed":
        raise ProgramError(agreed.state, f"the contract is {agreed.state}: there is no vote on it")
    read = contract_text(context, contract)
    demand_time(context, read)
    context.map(VOTES).put((contract, context.identity), approve)
    record(context, agreed.room, "voted", contract, "yes" if approve else "no")
    ayes, missing = consents_of(context, contract, read)
    if not missing:
        agreed = agreed._replace(state="approved")
        context.map(CONTRACTS).put(contract, tuple(agreed))
        record(context, agreed.room, "approved", contract)
    return {"contract": contract, "state": agreed.state, "votes": ayes}


@rooms.transaction
def withdraw(context: Context, *, contract: bytes) -> dict[str, Any]:
    """Withdraw a contract, as an owner of one of its inputs or its proposer, at once and alone: no
    run, no report that counts, no opening."""
    agreed = contract_of(context, contract)
    party_of(context, agreed.room)
    read = contract_text(context, contract)
    if context.identity != agreed.proposer and context.identity not in owners_of(context, read):
        raise ProgramError("role", "only an owner of an input, or who proposed it, may do this")
    if agreed.state == "withdrawn":
        raise ProgramError("withdrawn", "the contract is withdrawn already")
    context.map(CONTRACTS).put(contract, tuple(agreed._replace(state="withdrawn")))
    record(context, agreed.room, "withdrawn", contract)
    return {"contract": contract, "state": "withdrawn"}


def contract_text(context: Context, contract: bytes) -> Contract:
    """A contract that is known to stand."""
    data = context.map(TEXTS).get(contract)
    if data is None:
        raise KeyError(contract)
    return Contract.decode(data)


def input_of(context: Context, one: Input) -> tuple[int, Data]:
    """(number, data set) of an input.

    Raises:
        ProgramError: ``no-data`` or ``withdrawn``.
    """
    number, found = find_data(context, Account((one.owner, one.data)))
    if found.state != "active" or not bound.stands(context, found.key):
        raise ProgramError("withdrawn", f"{one.alias}: its owner has withdrawn it")
    return number, found


def owners_of(context: Context, read: Contract) -> tuple[bytes, ...]:
    """Every owner of an input, ascending."""
    owners: set[bytes] = set()
    for one in read.inputs:
        owners.update(owners_in(find_data(context, Account((one.owner, one.data)))[1]))
    return tuple(sorted(owners))


def allow(context: Context, read: Contract, one: Input) -> DataTerms:
    """Check that an input's terms, as they are now, let this contract read it.

    Raises:
        ProgramError: ``terms``, with the field that does not allow it.
    """
    number, _ = input_of(context, one)
    terms = _terms_now(context, number)
    _demand(read.purpose in terms.purposes, one, "purposes: this one is not among them")
    for stage in read.stages:
        named = (FREE,) if read.profile == FREE else _names_of(stage.language, stage.program)
        allowed = any(name in terms.programs for name in named)
        _demand(allowed, one, f"programs: none of {' or '.join(name[:16] for name in named)}")
    recipients = {who for output in read.outputs for who in output.recipients}
    _demand(recipients <= set(terms.recipients), one, "recipients: an output's is not among them")
    _demand(one.epsilon <= terms.epsilon_job, one, f"epsilon: at most {terms.epsilon_job} a job")
    _demand(terms.runs > 0, one, "runs: none at all")
    _demand(context.time_ms <= terms.until_ms, one, f"until: over since {terms.until_ms} ms")
    return terms


def _terms_now(context: Context, number: int) -> DataTerms:
    """Terms of a data set; of an asset the strictest of its own and of all that it was made from,
    as they are now: an owner who tightens his has tightened them for what was made before.

    Raises:
        ProgramError: ``lineage``: it was made from more than is looked at.
    """
    found: dict[int, DataTerms] = {}
    line = [number]
    while line:
        one = line.pop()
        if one in found:
            continue
        if len(found) >= LINEAGE_MAX:
            raise ProgramError("lineage", f"made from more than {LINEAGE_MAX} data sets and assets")
        found[one] = data_terms(context, one)
        made_by = data_numbered(context, one).lineage
        if made_by:
            line += [source for _, source, _ in pinned_of(context, made_by)]
    return found[number] if len(found) == 1 else strictest(list(found.values()))


def consents_of(context: Context, contract: bytes, read: Contract) -> tuple[int, bool]:
    """(consents so far, whether one is missing that the contract needs)."""
    terms = terms_of(context, read.room)
    ayes = [
        party for party in terms.identities if context.map(VOTES).get((contract, party)) is True
    ]
    owners = set(owners_of(context, read))
    needed = owners | ({terms.regulator} if terms.regulator else set())
    others = len(set(ayes) - owners)
    return len(ayes), not needed <= set(ayes) or others < terms.votes


def demand_time(context: Context, read: Contract) -> None:
    """Check that a contract has not expired.

    Raises:
        ProgramError: ``expired``.
    """
    if context.time_ms > read.until_ms:
        raise ProgramError("expired", "the contract is past its date: propose another")


def _check_room(read: Contract, terms: RoomTerms) -> None:
    if read.executors < terms.executors or read.agreement < terms.agreement:
        raise ProgramError(
            "executors", f"the room wants {terms.agreement} of {terms.executors} executors"
        )
    for output in read.outputs:
        for who in output.recipients:
            if "recipient" not in terms.roles_of(who):
                raise ProgramError("recipients", f"{output.name}: given to recipients alone")


def _names_of(language: str, program: str) -> tuple[str, ...]:
    return (program,) if language == "library" else (program, REVIEWED)


def _demand(holds: bool, one: Input, sentence: str) -> None:
    if not holds:
        raise ProgramError("terms", f"{one.alias}: {sentence}")
