"""Keys that another program opens: those of data sets, and of results that no person has made.

Owns that `vault.ask` alone opens none of them: a lease on one is granted by the program that it is
bound to, under that program's rules besides the key's own. Secrets stand in boxes as all others do.
"""

from typing import Any

from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault.asking import grant
from strongroom.enclave.programs.vault.boxes import has_secret, open_secret, put_secret
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.events import record
from strongroom.enclave.programs.vault.judging import Shown
from strongroom.enclave.programs.vault.keys import own, stop
from strongroom.enclave.programs.vault.shares import who_keeps
from strongroom.enclave.programs.vault.standing import (
    check_key,
    check_region,
    check_window,
    see_evidence,
)
from strongroom.enclave.programs.vault.tables import (
    BOUND,
    KEYS,
    LEASES,
    NUMBERS,
    TERMS,
    VERSIONS,
    Key,
    Version,
    count,
    key_of,
    lease_of,
    version_of,
)
from strongroom.enclave.programs.vault.terms import Terms, canonical

_ANY_BOOT = (
    b'{"version":"1.0.0","anyOf":[{"authority":"strongroom",'
    b'"allOf":[{"claim":"bootcount","greaterOrEquals":1}]}]}'
)
_MADE = Terms(
    policy=canonical(ReleasePolicy.parse(_ANY_BOOT)),
    custody="ledger",
    custodian=b"",
    approvers=(),
    threshold=0,
    quantity=0,
    window_from_ms=0,
    window_until_ms=0,
    heartbeat_ms=10_000,
    lease_ms=30_000,
    allotment=1,
    pieces=0,
    delay_ms=0,
)
"""Of a key that a program made: any attested room will do, for the program asks more (`judge`)."""


def bind(context: Context, key: Account) -> tuple[int, int]:
    """Bind a key of the caller's to the program that runs; (number, newest version).

    Raises:
        ProgramError: ``no-key``, ``bound``, or ``pieces``: data sets have chunks of their own.
    """
    number, found = own(context, key)
    if context.map(BOUND).get(number) is not None:
        raise ProgramError("bound", "the key has its data set already: make another key")
    if found.state not in ("active", "draft"):
        raise ProgramError(found.state, f"the key is {found.state}: make another")
    if settled(context, number)[1].pieces:
        raise ProgramError("pieces", "a data set's key is given whole: make one with --pieces 0")
    context.map(BOUND).put(number, context.program)
    return number, found.version


def make(context: Context, owner: bytes, name: str, secret: bytes) -> int:
    """Keep a secret that the program has made, as a key of `owner`, which is no person; its number.

    Raises:
        ProgramError: ``full``: as many are kept as can be carried.
    """
    number = count(context, "keys", 1)
    context.map(NUMBERS).put((owner, name), number)
    made = Key(owner, name, "active", 1, 0, 0, 0, True, 0, *who_keeps(context))
    context.map(KEYS).put(number, tuple(made))
    context.map(TERMS).put(number, (1, _MADE.encode()))
    context.map(VERSIONS).put((number, 1), tuple(Version("active", False, 0, b"", b"")))
    context.map(BOUND).put(number, context.program)
    put_secret(context, number, 1, secret)
    return number


def newest(context: Context, number: int) -> tuple[int, bool]:
    """(newest version of a key, whether it has its secret)."""
    found = key_of(context, number)
    return found.version, version_of(context, number, found.version) is not None


def reveal(context: Context, number: int, version: int = 1) -> bytes:
    """The secret of a key that the program made.

    Raises:
        ProgramError: ``revoked`` or ``suspended``: it is not given any more.
    """
    check_key(context, number, key_of(context, number), version)
    if not has_secret(context, number, version):
        raise ProgramError("revoked", "its key is gone for good")
    return open_secret(context, number, version)


def opens(context: Context, number: int, version: int = 1) -> bool:
    """Would `reveal` give the secret of a key that the program made?"""
    try:
        check_key(context, number, key_of(context, number), version)
    except ProgramError:
        return False
    return has_secret(context, number, version)


def lease(
    context: Context, number: int, version: int, *, purpose: str, evidence: bytes | Shown
) -> dict[str, Any]:
    """Grant the caller, a room, a lease on a bound key: what `vault.ask` answers, and the key's
    name.

    Raises:
        ProgramError: as an ask's.
    """
    answer, _ = grant(context, number, version, purpose=purpose, evidence=evidence)
    return answer | {"name": key_of(context, number).name}


def judge(context: Context, number: int, evidence: bytes | Shown) -> None:
    """Check that a key's own policy admits the caller, without a lease: for what was computed from
    its data.

    Raises:
        ProgramError: evidence, simulated, policy, not-this-hardware or region.
    """
    check_region(see_evidence(context, settled(context, number)[1], evidence))


def policy_of(context: Context, number: int) -> str:
    """The release policy of a key, as it is in force."""
    return settled(context, number)[1].policy


def give_back(context: Context, lease: bytes) -> None:
    """End a lease whose work is done, or that nobody was told of; what it reserved comes back."""
    known = lease_of(context, lease)
    if known is None:
        raise KeyError(lease)
    held, holder = known
    found = key_of(context, holder.key)
    context.map(KEYS).put(
        holder.key, tuple(found._replace(reserved=found.reserved - held.reserved))
    )
    ended = held._replace(state="ended", reserved=0, until_ms=context.time_ms)
    context.map(LEASES).put(lease, tuple(ended))
    record(context, holder.key, "end", lease=lease, amount=held.reserved)


def is_live(context: Context, lease: bytes) -> bool:
    """Is a lease open, and its key not stopped, at this block time?"""
    known = lease_of(context, lease)
    if known is None:
        return False
    held, holder = known
    try:
        check_key(context, holder.key, key_of(context, holder.key), holder.version)
        check_window(context, settled(context, holder.key)[1])
    except ProgramError:
        return False
    return held.is_live(context.time_ms)


def revoke(context: Context, number: int) -> None:
    """Stop a bound key for good; of one that is stopped already, nothing changes."""
    found = key_of(context, number)
    if found.state not in ("revoked", "destroyed"):
        stop(context, number, found, "revoked", "revoke")


def stands(context: Context, number: int) -> bool:
    """Has a key not been stopped for good?"""
    return key_of(context, number).state not in ("revoked", "destroyed")
