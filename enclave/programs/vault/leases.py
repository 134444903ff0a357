"""Leases: a room asks for a key, beats while it works, reports units, ends (VAULT §3; T52 to T54).

Owns what a lease gives and takes. Key material leaves in answers that are given once, and piece by
piece where the container has pieces. Units are reserved before they are made, and come back by
`end` alone: what crashes loses them. A refusal leaves its record, what it freezes, and no more.
"""

from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault.boxes import open_secret
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.clones import see
from strongroom.enclave.programs.vault.events import record, refusal
from strongroom.enclave.programs.vault.keys import find
from strongroom.enclave.programs.vault.pieces import piece_key
from strongroom.enclave.programs.vault.standing import (
    Seen,
    check_custodian,
    check_key,
    check_region,
    check_window,
    is_same_room,
    left_of,
    see_again,
    see_evidence,
)
from strongroom.enclave.programs.vault.tables import (
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
from strongroom.enclave.programs.vault.terms import UNITS_MAX, Terms
from strongroom.enclave.text import is_line

PURPOSE_MAX = 64
IDLE_FACTOR = 6
"""A lease that holds no unit reserved and wants no piece beats, and lasts, so much longer."""
LEASE_ENTRIES, LEASE_BYTES = 3, 2048
"""What a lease counts, for the room that asks."""


@vault.transaction
def ask(
    context: Context, *, key: Account, purpose: str, evidence: bytes, room: str = ""
) -> dict[str, Any]:
    """Ask for a key as the room that the evidence shows: a lease, and what it opens with first."""
    if len(purpose) > PURPOSE_MAX or not is_line(purpose):
        raise ProgramError("purpose", f"a purpose is a line of at most {PURPOSE_MAX} characters")
    number, named = find(context, key)
    found = key_of(context, number)
    version = named or found.version
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
                "quantity", f"all {terms.quantity} units are reserved: ask its owner"
            )
        check_region(seen)
        check_custodian(context, terms)
    except ProgramError as refused:
        raise refusal(context, number, refused.code, refused.message) from None
    charge(context, LEASE_ENTRIES, LEASE_BYTES)
    reserved = terms.allotment if left is None else min(terms.allotment, left)
    lease = context.secret(b"lease")[:16]
    made = Lease("open", _until(context, terms, standing, 1), 0, context.time_ms, reserved, 0, 0, 1)
    slot = _slot(context, number, found.leases + 1, lease)
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
    found = found._replace(leases=found.leases + 1, reserved=found.reserved + reserved)
    context.map(KEYS).put(number, tuple(found))
    record(context, number, "ask", lease=lease, amount=reserved, why=purpose)
    context.claim(lease_claim(found, version, lease, holder, made.until_ms, terms))
    context.give_once()
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
    }


@vault.transaction
def beat(
    context: Context,
    *,
    lease: bytes,
    number: int,
    used: int,
    reserve: int = 0,
    piece: int = -1,
    evidence: bytes = b"",
) -> dict[str, Any]:
    """Go on with a lease: say what was used, reserve more, get the next piece."""
    held, holder = _held(context, lease)
    if number != held.beat + 1:
        raise ProgramError("number", f"beat {held.beat + 1} is next")
    _check_used(held, used)
    found = key_of(context, holder.key)
    _, terms = settled(context, holder.key)
    outstanding = held.reserved - used + reserve
    if reserve < 0 or (reserve and outstanding > terms.allotment):
        raise ProgramError("allotment", f"at most {terms.allotment} units may be reserved unused")
    if not -1 <= piece <= held.pieces or piece >= max(terms.pieces, 1):
        raise ProgramError("piece", f"pieces come in order: {held.pieces} is next")
    standing, seen = _go_on(context, lease, held, holder, found, terms, reserve, evidence)
    was, idle = held.used, outstanding == 0 and piece < 0
    factor = IDLE_FACTOR if idle else 1
    held = held._replace(
        until_ms=_until(context, terms, standing, factor),
        beat=number,
        beat_ms=context.time_ms,
        reserved=held.reserved + reserve,
        used=used,
        pieces=max(held.pieces, piece + 1),
    )
    _account(context, holder.key, found, reserve, used - was)
    context.map(LEASES).put(lease, tuple(held))
    if evidence:
        renewed = holder._replace(
            evidence_ms=seen.made_ms, claims=seen.claims, believed=context.believed
        )
        context.map(HOLDERS).put(lease, tuple(renewed))
    record(context, holder.key, "beat", lease=lease, amount=reserve)
    return {
        "until_ms": held.until_ms,
        "heartbeat_ms": terms.heartbeat_ms * factor,
        "allotment": held.reserved - held.used,
        "piece": piece,
        "piece_key": _piece(context, holder, found, terms, piece),
    }


@vault.transaction
def use(context: Context, *, lease: bytes, unit: int, digest: bytes) -> dict[str, Any]:
    """Report one unit that was made: its receipt shows it to anyone."""
    held, holder = _held(context, lease)
    _check_time(context, held)
    if len(digest) != DIGEST_SIZE:
        raise ProgramError("digest", f"a digest has {DIGEST_SIZE} bytes")
    if unit != held.reported + 1:
        raise ProgramError("unit", f"units are reported in order, each once: {held.reported + 1}")
    if unit > held.reserved:
        raise ProgramError(
            "quantity", f"{held.reserved} units are reserved: reserve before you make"
        )
    used = max(held.used, unit)
    found = key_of(context, holder.key)
    _account(context, holder.key, found, 0, used - held.used)
    context.map(LEASES).put(lease, tuple(held._replace(used=used, reported=unit)))
    record(context, holder.key, "use", lease=lease, amount=unit, why=digest.hex())
    place = (found.owner, found.name, holder.version, lease, unit, digest, context.time_ms)
    context.claim(codec.encode((labels.VAULT_UNIT, *place)))
    return {"unit": unit, "left": held.reserved - used}


@vault.transaction
def end(context: Context, *, lease: bytes, used: int) -> dict[str, Any]:
    """End a lease: what it reserved and did not use comes back to the key. Its key's owner may end
    it too: then nothing comes back, for who knows what was made."""
    closed = _end_by_owner(context, lease)
    if closed is not None:
        return closed
    held, holder = _held(context, lease)
    _check_used(held, used)
    try:
        _check_time(context, held)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    returned = held.reserved - used
    found = key_of(context, holder.key)
    _account(context, holder.key, found, -returned, used - held.used)
    ended = held._replace(state="ended", used=used, reserved=used, until_ms=context.time_ms)
    context.map(LEASES).put(lease, tuple(ended))
    record(context, holder.key, "end", lease=lease, amount=returned)
    return {"returned": returned}


@vault.transaction
def release(context: Context, *, lease: bytes, digest: bytes) -> dict[str, Any]:
    """Record, as the key's custodian and before it is done, that its half goes to a lease."""
    found = lease_of(context, lease)
    if found is None:
        raise ProgramError("lapsed", "there is no such lease: the room asks anew")
    held, holder = found
    _, terms = settled(context, holder.key)
    if not terms.custodian or terms.custodian != context.identity:
        raise ProgramError("not-the-custodian", "only the key's custodian records its releases")
    if len(digest) != DIGEST_SIZE:
        raise ProgramError("digest", f"a digest has {DIGEST_SIZE} bytes")
    key = key_of(context, holder.key)
    try:
        check_key(context, holder.key, key, holder.version)
        _check_open(held)
        see_again(context, terms, holder)
        check_window(context, terms)
        _check_time(context, held)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    record(context, holder.key, "release", lease=lease, why=digest.hex())
    place = (key.owner, key.name, holder.version, lease, digest, context.time_ms)
    context.claim(codec.encode((labels.VAULT_RELEASE, *place)))
    return {"until_ms": held.until_ms}


def lease_claim(
    key: Key, version: int, lease: bytes, holder: Holder, until_ms: int, terms: Terms
) -> bytes:
    """What the receipt of an ask can reveal: to a custodian, who has which lease until when."""
    room = (holder.identity, holder.chip, holder.room, holder.boot)
    return codec.encode(
        (
            labels.VAULT_LEASE,
            key.owner,
            key.name,
            version,
            lease,
            *room,
            until_ms,
            terms.pieces,
            terms.custody,
        )
    )


def _go_on(
    context: Context,
    lease: bytes,
    held: Lease,
    holder: Holder,
    found: Key,
    terms: Terms,
    reserve: int,
    evidence: bytes,
) -> tuple[Version, Seen]:
    """Judge a lease again, under the terms of now."""
    try:
        standing = check_key(context, holder.key, found, holder.version)
        seen = (
            see_evidence(context, terms, evidence)
            if evidence
            else see_again(context, terms, holder)
        )
        if (seen.chip, seen.room, seen.boot) != (holder.chip, holder.room, holder.boot):
            raise ProgramError("evidence", "another chip, room or boot than asked: ask anew")
        see(context, holder.key, seen)
        _check_open(held)
        check_window(context, terms)
        left = left_of(terms, found)
        if left is not None and reserve > left:
            raise ProgramError("quantity", f"{left} of {terms.quantity} units are left to reserve")
        _check_time(context, held)
        check_region(seen)
        check_custodian(context, terms)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    return standing, seen


def _held(context: Context, lease: bytes) -> tuple[Lease, Holder]:
    found = lease_of(context, lease)
    if found is None or found[1].identity != context.identity:
        raise ProgramError("lapsed", "no such lease of this session: ask anew")
    return found


def _end_by_owner(context: Context, lease: bytes) -> dict[str, Any] | None:
    """The owner's word that one lease is over; None when it is not the owner who says so."""
    found = lease_of(context, lease)
    if found is None or found[1].identity == context.identity:
        return None
    held, holder = found
    if key_of(context, holder.key).owner != context.identity:
        return None
    if held.state not in ("open", "frozen"):
        raise ProgramError("lapsed", "the lease is over already")
    context.map(LEASES).put(lease, tuple(held._replace(state="revoked")))
    record(context, holder.key, "end", lease=lease, why="by the owner")
    return {"returned": 0}


def _check_open(held: Lease) -> None:
    if held.state == "revoked":
        raise ProgramError("revoked", "the key's owner ended this lease: ask the owner")
    if held.state == "frozen":
        raise ProgramError("clone", "the lease is frozen: the key's owner says which boot stays")


def _check_time(context: Context, held: Lease) -> None:
    if held.state != "open" or held.until_ms < context.time_ms:
        raise ProgramError("lapsed", "the lease is over, and what it reserved is lost: ask anew")


def _check_used(held: Lease, used: int) -> None:
    if not held.used <= used <= min(held.reserved, UNITS_MAX):
        raise ProgramError("used", f"from {held.used} to the {held.reserved} reserved units")


def _check_machine(context: Context, number: int, seen: Seen) -> None:
    """One live lease per key and chip. A second one of the same boot is no busy machine: clones.py
    sees to it."""
    lease = context.map(LIVE).get((number, seen.chip))
    found = None if lease is None else lease_of(context, lease)
    if found is None:
        return
    held, holder = found
    if held.state != "open" or held.until_ms < context.time_ms:
        return
    if is_same_room(seen, holder):
        if seen.boot > holder.boot:
            see(context, number, seen)
        elif seen.identity != holder.identity:
            return
    raise ProgramError("machine-busy", f"this machine has a lease until {held.until_ms} ms: wait")


def _until(context: Context, terms: Terms, standing: Version, factor: int) -> int:
    ends = [context.time_ms + terms.lease_ms * factor]
    ends += [end for end in (terms.window_until_ms, standing.until_ms) if end]
    return min(ends)


def _slot(context: Context, number: int, count: int, lease: bytes) -> int:
    """A place among the key's leases; the one that stood there has ended long ago."""
    slot = count % LEASES_KEPT
    old = context.map(SLOTS).get((number, slot))
    found = None if old is None else lease_of(context, old)
    if old is not None and found is not None:
        held, holder = found
        if held.state == "open" and held.until_ms >= context.time_ms:
            raise ProgramError("machine-busy", f"{LEASES_KEPT} leases of the key are open: wait")
        if context.map(LIVE).get((number, holder.chip)) == old:
            context.map(LIVE).delete((number, holder.chip))
        context.map(LEASES).delete(old)
        context.map(HOLDERS).delete(old)
    context.map(SLOTS).put((number, slot), lease)
    return slot


def _account(context: Context, number: int, found: Key, reserved: int, used: int) -> None:
    if reserved or used:
        changed = found._replace(reserved=found.reserved + reserved, used=found.used + used)
        context.map(KEYS).put(number, tuple(changed))


def _first(context: Context, number: int, found: Key, version: int, terms: Terms) -> bytes:
    """What a room opens with first: the key of piece 0, the whole key, L, or nothing."""
    if terms.custody == "hsm":
        return b""
    secret = open_secret(context, number, version)
    if terms.custody == "ledger" and terms.pieces:
        return piece_key(secret, found.owner, found.name, version, 0)
    return secret


def _piece(context: Context, holder: Holder, found: Key, terms: Terms, piece: int) -> bytes:
    if piece < 0 or terms.custody != "ledger" or not terms.pieces:
        return b""
    context.give_once()
    secret = open_secret(context, holder.key, holder.version)
    return piece_key(secret, found.owner, found.name, holder.version, piece)
