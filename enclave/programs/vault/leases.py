"""Leases at work: a room beats, reports units, ends (T52, T54).

Owns what goes on after `ask` (asking.py); what a custodian has to do with one: releasing.py. Every
beat is judged anew, under the terms of now; units are reserved before they are made, and come back
by `end` alone: what crashes loses them.
"""

from typing import Any

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.piece_keys import piece_key
from strongroom.enclave.formats.vault_claims import unit_claim
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault.asking import until_of
from strongroom.enclave.programs.vault.boxes import open_secret
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.clones import see
from strongroom.enclave.programs.vault.events import mistake, record, refusal
from strongroom.enclave.programs.vault.keys import find
from strongroom.enclave.programs.vault.standing import (
    Seen,
    check_custodian,
    check_key,
    check_region,
    check_window,
    left_of,
    see_again,
    see_evidence,
)
from strongroom.enclave.programs.vault.tables import (
    HOLDERS,
    KEYS,
    LEASES,
    LIVE,
    Holder,
    Key,
    Lease,
    Version,
    key_of,
    lease_of,
    vault,
)
from strongroom.enclave.programs.vault.terms import IDLE_FACTOR, UNITS_MAX, Terms


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
    held, holder = held_by_caller(context, lease)
    if number != held.beat + 1:
        raise mistake(context, holder.key, "number", f"beat {held.beat + 1} is next", lease=lease)
    _check_used(context, lease, held, holder, used)
    found = key_of(context, holder.key)
    _, terms = settled(context, holder.key)
    outstanding = held.reserved - used + reserve
    if reserve < 0 or (reserve and outstanding > terms.allotment):
        why = f"at most {terms.allotment} units may be reserved unused"
        raise refusal(context, holder.key, "allotment", why, lease=lease)
    if not -1 <= piece <= held.pieces or piece >= max(terms.pieces, 1):
        why = f"pieces come in order: {held.pieces} is next"
        raise refusal(context, holder.key, "piece", why, lease=lease)
    standing, seen = _go_on(context, lease, held, holder, found, terms, reserve, evidence)
    was, idle = held.used, outstanding == 0 and piece < 0
    factor = IDLE_FACTOR if idle else 1
    held = held._replace(
        until_ms=until_of(context, terms, standing, factor),
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
    """Report one unit that was made: its receipt shows it to anyone. Once a key is stopped there is
    none; `end` counts what was made."""
    held, holder = held_by_caller(context, lease)
    found = key_of(context, holder.key)
    try:
        check_key(context, holder.key, found, holder.version)
        check_open(held)
        check_time(context, held)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    check_digest(context, lease, holder, digest)
    if unit != held.reported + 1:
        why = f"units are reported in order, each once: {held.reported + 1}"
        raise mistake(context, holder.key, "unit", why, lease=lease)
    if unit > held.reserved:
        why = f"{held.reserved} units are reserved: reserve before you make"
        raise refusal(context, holder.key, "quantity", why, lease=lease)
    used = max(held.used, unit)
    _account(context, holder.key, found, 0, used - held.used)
    context.map(LEASES).put(lease, tuple(held._replace(used=used, reported=unit)))
    record(context, holder.key, "use", lease=lease, amount=unit, why=digest.hex())
    place = (found.owner, found.name, holder.version, lease)
    context.claim(unit_claim(*place, unit=unit, digest=digest, time_ms=context.time_ms))
    return {"unit": unit, "left": held.reserved - used}


@vault.transaction
def end(context: Context, *, lease: bytes, used: int) -> dict[str, Any]:
    """End a lease: what it reserved and did not use comes back to the key. Its key's owner may end
    it too: then nothing comes back, for who knows what was made."""
    closed = _end_by_owner(context, lease)
    if closed is not None:
        return closed
    held, holder = held_by_caller(context, lease)
    _check_used(context, lease, held, holder, used)
    try:
        check_time(context, held)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    return _close(context, lease, held, holder, used, "end")


@vault.transaction
def abandon(
    context: Context,
    *,
    key: Account,
    chip: bytes,
    received: list[bytes] = (),  # type: ignore[assignment]
) -> dict[str, Any]:
    """End the lease that this session has of a key on a chip and never received: an answer is given
    once, and this one was lost on its way. Nothing of it was used; its room may ask again. It says
    which leases it did receive: only its host told it that an answer was lost."""
    number, _ = find(context, key)
    lease = context.map(LIVE).get((number, chip)) or b""
    held, holder = held_by_caller(context, lease)
    if lease in received or (held.beat, held.used, held.reported) != (0, 0, 0):
        raise ProgramError("used", "the lease arrived: it beat or reported units; end it")
    try:
        check_key(context, number, key_of(context, number), holder.version)
        check_open(held)
        check_time(context, held)
    except ProgramError as refused:
        raise refusal(context, number, refused.code, refused.message, lease=lease) from None
    return _close(context, lease, held, holder, 0, "abandon")


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
        check_open(held)
        check_window(context, terms)
        left = left_of(terms, found)
        if reserve > left:
            raise ProgramError("quantity", f"{left} units are left to reserve: ask its owner")
        check_time(context, held)
        check_region(seen)
        check_custodian(context, terms)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    return standing, seen


def _close(
    context: Context, lease: bytes, held: Lease, holder: Holder, used: int, what: str
) -> dict[str, Any]:
    """A lease is over, by its room's word: what it did not use comes back to its key."""
    returned = held.reserved - used
    _account(context, holder.key, key_of(context, holder.key), -returned, used - held.used)
    ended = held._replace(state="ended", used=used, reserved=used, until_ms=context.time_ms)
    context.map(LEASES).put(lease, tuple(ended))
    record(context, holder.key, what, lease=lease, amount=returned)
    return {"returned": returned}


def held_by_caller(context: Context, lease: bytes) -> tuple[Lease, Holder]:
    """A lease of the session that calls, over or not.

    Raises:
        ProgramError: ``lapsed``.
    """
    found, why = lease_of(context, lease), "no such lease of this session: ask anew"
    if found is None:
        raise ProgramError("lapsed", why)
    if found[1].identity != context.identity:
        raise mistake(context, found[1].key, "lapsed", why, lease=lease)
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


def check_open(held: Lease) -> None:
    """Check that nobody has stopped a lease.

    Raises:
        ProgramError: ``revoked`` or ``clone``.
    """
    if held.state == "revoked":
        raise ProgramError("revoked", "the key's owner ended this lease: ask the owner")
    if held.state == "frozen":
        raise ProgramError("clone", "the lease is frozen: the key's owner says which boot stays")


def check_time(context: Context, held: Lease) -> None:
    """Check that a lease has not ended.

    Raises:
        ProgramError: ``lapsed``.
    """
    if not held.is_live(context.time_ms):
        raise ProgramError("lapsed", "the lease is over, and what it reserved is lost: ask anew")


def _check_used(context: Context, lease: bytes, held: Lease, holder: Holder, used: int) -> None:
    if not held.used <= used <= min(held.reserved, UNITS_MAX):
        why = f"from {held.used} to the {held.reserved} reserved units"
        raise mistake(context, holder.key, "used", why, lease=lease)


def check_digest(context: Context, lease: bytes, holder: Holder, digest: bytes) -> None:
    """Check the form of what a lease's transaction records.

    Raises:
        ProgramError: ``digest``; it is recorded.
    """
    if len(digest) != DIGEST_SIZE:
        why = f"a digest has {DIGEST_SIZE} bytes"
        raise mistake(context, holder.key, "digest", why, lease=lease)


def _account(context: Context, number: int, found: Key, reserved: int, used: int) -> None:
    if reserved or used:
        changed = found._replace(reserved=found.reserved + reserved, used=found.used + used)
        context.map(KEYS).put(number, tuple(changed))


def _piece(context: Context, holder: Holder, found: Key, terms: Terms, piece: int) -> bytes:
    if piece < 0 or terms.custody != "ledger" or not terms.pieces:
        return b""
    context.give_once()
    secret = open_secret(context, holder.key, holder.version)
    return piece_key(Secret(secret), found.owner, found.name, holder.version, piece).reveal()
