"""A room asks for a key, and has a lease (VAULT §3; T50, T52, T53).

Owns what a lease gives at first, and where it stands; what goes on with it is in leases.py. Key
material leaves in answers that are given once, and piece by piece where the container has pieces.
A refusal leaves its record, what it freezes, and no more.
"""

from typing import Any

from strongroom.enclave.formats.piece_keys import piece_key
from strongroom.enclave.formats.vault_claims import LEASE_SIZE, LeaseStatement
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault.boxes import open_secret
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.clones import see
from strongroom.enclave.programs.vault.custodians import customer_of
from strongroom.enclave.programs.vault.events import mistake, record, refusal
from strongroom.enclave.programs.vault.judging import Shown
from strongroom.enclave.programs.vault.keys import find
from strongroom.enclave.programs.vault.standing import (
    Seen,
    check_custodian,
    check_key,
    check_region,
    check_window,
    is_same_room,
    left_of,
    see_evidence,
)
from strongroom.enclave.programs.vault.tables import (
    BOUND,
    HOLDERS,
    KEYS,
    LEASES,
    LEASES_KEPT,
    LIVE,
    SLOTS,
    Holder,
    Key,
    Lease,
    Version,
    key_of,
    lease_of,
    vault,
)
from strongroom.enclave.programs.vault.terms import Terms
from strongroom.enclave.text import is_line

PURPOSE_MAX = 64
LEASE_ENTRIES, LEASE_BYTES = 3, 2048
"""What a lease counts, for the room that asks, while the key's places are not all taken: from then
on it takes an old one's, and adds nothing."""
PLACES_TRIED = 256
"""By one ask: four accesses to state each, where an open lease keeps it."""


@vault.transaction
def ask(
    context: Context, *, key: Account, purpose: str, evidence: bytes, room: str = ""
) -> dict[str, Any]:
    """Ask for a key as the room that the evidence shows: a lease, and what it opens with first."""
    number, named = find(context, key)
    if len(purpose) > PURPOSE_MAX or not is_line(purpose):
        why = f"a purpose is a line of at most {PURPOSE_MAX} characters"
        raise mistake(context, number, "purpose", why)
    if context.map(BOUND).get(number) is not None:
        why = "the key of a data set: jobs of its clean rooms open it"
        raise refusal(context, number, "policy", why)
    version = named or key_of(context, number).version
    answer, claim = grant(context, number, version, purpose=purpose, evidence=evidence, room=room)
    context.claim(claim)
    context.give_once()
    return answer


def grant(
    context: Context,
    number: int,
    version: int,
    *,
    purpose: str,
    evidence: bytes | Shown,
    room: str = "",
) -> tuple[dict[str, Any], bytes]:
    """Judge the caller, a room, and grant it a lease; (what it opens with, its claim).

    Raises:
        ProgramError: the first refusal that applies; it is recorded.
    """
    found = key_of(context, number)
    _, terms = settled(context, number)
    try:
        standing = check_key(context, number, found, version)
        seen = see_evidence(context, terms, evidence)
        if room not in ("", seen.room):
            raise ProgramError("evidence", "the evidence is another room's than the call names")
        _check_machine(context, number, seen)
        see(context, number, seen)
        check_window(context, terms)
        left = left_of(terms, found)
        if left == 0:
            raise ProgramError(
                "quantity", f"all {found.reserved} units are reserved: ask its owner"
            )
        check_region(seen)
        check_custodian(context, terms)
        place = _free_place(context, number, found)
        if context.map(SLOTS).get((number, place % LEASES_KEPT)) is None:
            charge(context, LEASE_ENTRIES, LEASE_BYTES)
    except ProgramError as refused:
        raise refusal(context, number, refused.code, refused.message) from None
    reserved = min(terms.allotment, left)
    lease = context.secret(b"lease" + number.to_bytes(8, "big"))[:LEASE_SIZE]  # one job has several
    until_ms = until_of(context, terms, standing, 1)
    made = Lease("open", until_ms, 0, context.time_ms, reserved, 0, 0, 1)
    slot = _take_place(context, number, place, lease)
    holder = Holder(
        number,
        version,
        seen.identity,
        seen.chip,
        seen.room,
        seen.boot,
        context.time_ms,
        slot,
        seen.made_ms,
        seen.claims,
        context.believed,
    )
    context.map(LEASES).put(lease, tuple(made))
    context.map(HOLDERS).put(lease, tuple(holder))
    context.map(LIVE).put((number, seen.chip), lease)
    found = found._replace(leases=found.leases + 1, reserved=found.reserved + reserved, place=place)
    context.map(KEYS).put(number, tuple(found))
    record(context, number, "ask", lease=lease, amount=reserved, why=purpose)
    claim = lease_claim(found, version, lease, holder, made.until_ms, terms)
    return {
        "lease": lease,
        "version": version,
        "until_ms": made.until_ms,
        "heartbeat_ms": terms.heartbeat_ms,
        "allotment": reserved,
        "half": _first(context, number, found, version, terms),
        "piece": 0,
        "pieces": terms.pieces,
        "custody": terms.custody,
        "wrapped": standing.wrapped,
        "digest": standing.digest,
        "custodian": terms.custodian,
        "customer": customer_of(context, terms.custodian) if terms.custodian else "",
    }, claim


def lease_claim(
    key: Key, version: int, lease: bytes, holder: Holder, until_ms: int, terms: Terms
) -> bytes:
    """What the receipt of an ask can reveal: to a custodian, who has which lease until when."""
    return LeaseStatement(
        owner=key.owner,
        name=key.name,
        version=version,
        lease=lease,
        session=holder.identity,
        chip=holder.chip,
        room=holder.room,
        boot=holder.boot,
        until_ms=until_ms,
        pieces=terms.pieces,
        custody=terms.custody,
    ).encode()


def _check_machine(context: Context, number: int, seen: Seen) -> None:
    """One live lease per key and chip. A second one of the same boot is no busy machine: clones.py
    sees to it."""
    found = lease_of(context, context.map(LIVE).get((number, seen.chip)))
    if found is None:
        return
    held, holder = found
    if not held.is_live(context.time_ms):
        return
    if is_same_room(seen, holder):
        if seen.boot > holder.boot:
            see(context, number, seen)
        elif seen.identity != holder.identity:
            return
    raise ProgramError("machine-busy", f"this machine has a lease until {held.until_ms} ms: wait")


def until_of(context: Context, terms: Terms, standing: Version, factor: int) -> int:
    """Until which block time a lease lasts that is granted or beats now."""
    ends = [context.time_ms + terms.lease_ms * factor]
    ends += [end for end in (terms.window_until_ms, standing.until_ms) if end]
    return min(ends)


def _free_place(context: Context, number: int, found: Key) -> int:
    """The next place among the key's leases that no open one keeps.

    Raises:
        ProgramError: ``machine-busy``: so many in a row are kept. The next ask looks further on.
    """
    for place in range(found.place + 1, found.place + 1 + PLACES_TRIED):
        kept = lease_of(context, context.map(SLOTS).get((number, place % LEASES_KEPT)))
        if kept is None or not kept[0].is_live(context.time_ms):
            return place
    passed = found._replace(place=found.place + PLACES_TRIED)
    context.map(KEYS).put(number, tuple(passed))
    raise ProgramError("machine-busy", "too many leases of the key are open: ask again")


def _take_place(context: Context, number: int, place: int, lease: bytes) -> int:
    """A lease stands where one stood that is over; the slot."""
    slot = place % LEASES_KEPT
    old = context.map(SLOTS).get((number, slot))
    found = lease_of(context, old)
    if old is not None and found is not None:
        chip = found[1].chip
        if context.map(LIVE).get((number, chip)) == old:
            context.map(LIVE).delete((number, chip))
        context.map(LEASES).delete(old)
        context.map(HOLDERS).delete(old)
    context.map(SLOTS).put((number, slot), lease)
    return slot


def _first(context: Context, number: int, found: Key, version: int, terms: Terms) -> bytes:
    """What a room opens with first: the key of piece 0, the whole key, L, or nothing."""
    if terms.custody == "hsm":
        return b""
    secret = open_secret(context, number, version)
    if terms.custody == "ledger" and terms.pieces:
        return piece_key(Secret(secret), found.owner, found.name, version, 0).reveal()
    return secret
