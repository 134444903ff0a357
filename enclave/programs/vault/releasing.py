"""What a lease has to do with its key's custodian: it records each release, and is shown the lease
alone, also of a job that was given several (T55).

Owns both transactions. What a custodian demands beside them: node/custodian/releasing.py.
"""

from typing import Any

from strongroom.enclave.formats.vault_claims import release_claim
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.vault.asking import lease_claim
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.clones import check_stays
from strongroom.enclave.programs.vault.events import mistake, record, refusal
from strongroom.enclave.programs.vault.leases import (
    check_digest,
    check_open,
    check_time,
    held_by_caller,
)
from strongroom.enclave.programs.vault.standing import (
    check_custodian,
    check_key,
    check_region,
    check_window,
    place_of,
    see_again,
)
from strongroom.enclave.programs.vault.tables import key_of, lease_of, vault


@vault.transaction
def claim_lease(context: Context, *, lease: bytes) -> dict[str, Any]:
    """Claim, as its room and while a lease is live, what its ask claims: of several leases that a
    job was given in one transaction, a custodian is shown the one that is its own."""
    held, holder = held_by_caller(context, lease)
    found = key_of(context, holder.key)
    _, terms = settled(context, holder.key)
    try:
        check_key(context, holder.key, found, holder.version)
        check_open(held)
        check_window(context, terms)
        check_time(context, held)
        check_custodian(context, terms)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    context.claim(lease_claim(found, holder.version, lease, holder, held.until_ms, terms))
    return {"until_ms": held.until_ms}


@vault.transaction
def release(context: Context, *, lease: bytes, digest: bytes) -> dict[str, Any]:
    """Record, as the key's custodian and before it is done, that its half goes to a lease."""
    found = lease_of(context, lease)
    if found is None:
        raise ProgramError("lapsed", "there is no such lease: the room asks anew")
    held, holder = found
    _, terms = settled(context, holder.key)
    if not terms.custodian or terms.custodian != context.identity:
        why = "only the key's custodian records its releases"
        raise mistake(context, holder.key, "not-the-custodian", why, lease=lease)
    check_digest(context, lease, holder, digest)
    key = key_of(context, holder.key)
    try:
        check_key(context, holder.key, key, holder.version)
        check_open(held)
        seen = see_again(context, terms, holder)
        check_stays(context, holder.key, seen)
        check_window(context, terms)
        check_time(context, held)
        check_region(seen)
    except ProgramError as refused:
        raise refusal(context, holder.key, refused.code, refused.message, lease=lease) from None
    record(context, holder.key, "release", lease=lease, why=digest.hex())
    region, country = place_of(holder)
    context.claim(
        release_claim(
            *(key.owner, key.name, holder.version, lease),
            digest=digest,
            time_ms=context.time_ms,
            region=region,
            country=country,
        )
    )
    return {"until_ms": held.until_ms}
