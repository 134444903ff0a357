"""May a room have a key, now? The refusals, in their order (VAULT §3).

Owns that order, for asking and for every beat alike: no-key, suspended, revoked, not-approved,
evidence, simulated, policy, not-this-hardware, machine-busy, clone, outside-window, quantity,
lapsed, region, custodian-away. Of several that apply the first is told. Time is that of the block.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from strongroom.enclave.attestation.vocabulary import PERSON
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.regions import person_region
from strongroom.enclave.programs.vault.custodians import CUSTODIANS
from strongroom.enclave.programs.vault.judging import (
    COUNTRY,
    PERSON_COUNTRY,
    PERSON_REGION,
    Shown,
    check_age,
    decode_claims,
    failing,
    judge_evidence,
)
from strongroom.enclave.programs.vault.tables import Holder, Key, Version, version_of
from strongroom.enclave.programs.vault.terms import UNITS_MAX, Terms, policy_steps

EVIDENCE_STEPS = 1_500
"""What judging evidence costs, in steps: its signatures."""


class Seen(NamedTuple):
    """A room, as its newest evidence showed it."""

    identity: bytes
    chip: bytes
    machine: bytes
    """SHA-256 over chip and operator."""
    room: str
    boot: int
    made_ms: int
    claims: bytes
    failed: tuple[str, str] | None
    """(code, line) of the first condition of the policy that does not hold, if that is told behind
    other refusals."""


def check_key(context: Context, number: int, key: Key, version: int) -> Version:
    """The version, if its key stands.

    Raises:
        ProgramError: no-key, suspended, revoked or not-approved.
    """
    found = version_of(context, number, version)
    if found is None:
        raise ProgramError("no-key", "there is no such version, or it has no secret yet: put it")
    if key.state == "suspended":
        raise ProgramError("suspended", "its owner has suspended the key: ask its owner")
    if found.exposed and found.state in ("active", "old"):
        raise ProgramError("suspended", "exposed by a compromise: its owner rotates or confirms it")
    if key.state in ("revoked", "destroyed") or found.state in ("revoked", "destroyed"):
        raise ProgramError("revoked", "the key was revoked for good: ask its owner for another")
    if found.until_ms and found.until_ms < context.time_ms:
        raise ProgramError("revoked", "this version was open until its date: ask for the newest")
    if not key.approved:
        raise ProgramError("not-approved", "its approvers have not consented: vault approve")
    return found


def shown_by(context: Context, evidence: bytes) -> Shown:
    """What evidence shows that the caller sends now, of itself.

    Raises:
        ProgramError: evidence or simulated.
    """
    policy = context.attestation
    if policy is None:
        raise TypeError("no policy of governance is here")
    context.spend(EVIDENCE_STEPS)
    shown = judge_evidence(
        evidence,
        chain=context.chain,
        policy=policy,
        countries=context.countries,
        blocks=context.block,
        now_ms=context.time_ms,
    )
    if shown.identity != context.identity:
        raise ProgramError("evidence", "made for another session key than asks: make your own")
    if shown.simulated and not policy.allow_simulated:
        raise ProgramError("simulated", "this service takes genuine silicon alone")
    check_age(shown.made_ms, context.time_ms)
    return shown


def see_evidence(context: Context, terms: Terms, evidence: bytes | Shown) -> Seen:
    """Judge evidence that a room sends now, or what it was found to show in this call.

    Raises:
        ProgramError: evidence, simulated, policy or not-this-hardware.
    """
    shown = evidence if isinstance(evidence, Shown) else shown_by(context, evidence)
    return _judged(context, terms, shown, shown.encode_claims())


def see_again(context: Context, terms: Terms, holder: Holder) -> Seen:
    """Judge what a room's newest evidence showed, under the terms of now.

    Raises:
        ProgramError: the same.
    """
    if holder.believed != context.believed:
        raise ProgramError("evidence", "members' policy has changed: send fresh evidence")
    claims = decode_claims(holder.claims)
    shown = Shown(
        holder.identity,
        holder.chip,
        holder.room,
        holder.boot,
        holder.evidence_ms,
        bool(claims.get("simulated")),
        claims,
    )
    return _judged(context, terms, shown, holder.claims)


def check_window(context: Context, terms: Terms) -> None:
    """Check that the key may be used at this time.

    Raises:
        ProgramError: ``outside-window``.
    """
    if context.time_ms < terms.window_from_ms:
        raise ProgramError("outside-window", f"from {terms.window_from_ms} ms on: ask again then")
    if terms.window_until_ms and context.time_ms > terms.window_until_ms:
        raise ProgramError(
            "outside-window", f"over since {terms.window_until_ms} ms: ask its owner"
        )


def check_region(seen: Seen) -> None:
    """Tell what the policy says of the room's region.

    Raises:
        ProgramError: ``region``.
    """
    if seen.failed is not None:
        raise ProgramError(*seen.failed)


def check_custodian(context: Context, terms: Terms) -> None:
    """Check that the key's custodian has not said that it is away. Whether it answers, a room finds
    out; one that never announced itself may be known to it otherwise.

    Raises:
        ProgramError: ``custodian-away``.
    """
    said = context.map(CUSTODIANS).get(terms.custodian) if terms.custodian else None
    if said is not None and not said[0]:
        raise ProgramError("custodian-away", "the key's custodian is away: ask it, then again")


def left_of(terms: Terms, key: Key) -> int:
    """Units that may be reserved still."""
    return max(0, (terms.quantity or UNITS_MAX) - key.reserved)


def place_of(holder: Holder) -> tuple[str, str]:
    """(region, country) of a room by its newest evidence, as it was judged then; the country is
    nothing where the members do not say."""
    claims = decode_claims(holder.claims)
    return str(claims["region"]), str(claims.get(COUNTRY, ""))


def is_same_room(seen: Seen, holder: Holder) -> bool:
    """Is it the room that holds a lease, or another start of it?"""
    if seen.room != holder.room:
        return False
    return seen.machine == _machine(holder.chip, decode_claims(holder.claims))


def _machine(chip: bytes, claims: Mapping[str, bool | int | str]) -> bytes:
    """A chip in the hands of one operator: SHA-256 over both."""
    return sha256(chip + str(claims["operator"]).encode()).digest()


def _of_person(context: Context) -> dict[str, str]:
    """Claims of the person who asks, or who vouches for the room that asks, now: none when nobody
    says where he is."""
    region = person_region(context, context.identity)
    if region is None:
        return {}
    country = context.countries.get(region)
    return {PERSON_REGION: region} | ({} if country is None else {PERSON_COUNTRY: country})


def _judged(context: Context, terms: Terms, shown: Shown, claims: bytes) -> Seen:
    check_age(shown.made_ms, context.time_ms)
    context.spend(policy_steps(terms.policy))
    asked = {**shown.claims, **_of_person(context)} if PERSON in terms.policy else shown.claims
    failed = failing(terms.release, asked, context.time_ms - shown.made_ms)
    if failed is not None and failed[0] != "region":
        raise ProgramError(*failed)
    return Seen(
        shown.identity,
        shown.chip,
        _machine(shown.chip, shown.claims),
        shown.room,
        shown.boot,
        shown.made_ms,
        claims,
        failed,
    )
