"""What an owner does with a key: make it, fill it, rotate it, stop it.

Owns who may do it and how a key and its versions go from state to state. Everything here that stops
something takes the owner alone, and holds from the next transaction on; what would loosen a key's
terms is in changes.py.

    draft → active → suspended ⇄ active → revoked | destroyed
"""

from typing import Any

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.primitives import SECRET_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account, Identity
from strongroom.enclave.programs.vault.boxes import (
    drop_secret,
    has_secret,
    is_kept,
    make_place,
    put_secret,
)
from strongroom.enclave.programs.vault.changes import begin_approval, settled
from strongroom.enclave.programs.vault.events import record
from strongroom.enclave.programs.vault.shares import who_keeps
from strongroom.enclave.programs.vault.tables import (
    KEYS,
    NUMBERS,
    TERMS,
    VERSIONS,
    Key,
    Version,
    count,
    key_of,
    vault,
    version_of,
)
from strongroom.enclave.programs.vault.terms import Terms, canonical, checked, read_policy
from strongroom.enclave.text import KEY_NAME_MAX, is_name

WRAPPED_KEY_BYTES_MAX = 64
VERSIONS_MAX = 1_000
"""Of a key: one transaction stops them all."""
KEY_ENTRIES, KEY_BYTES = 8, 160 * 1024
"""What a key counts: its records are the most of it."""
VERSION_ENTRIES, VERSION_BYTES = 2, 1024
_OVER = {"revoked": "revoked", "destroyed": "destroyed"}


@vault.transaction
def new(
    context: Context,
    *,
    name: str,
    policy: str,
    custody: str = "ledger",
    custodian: Identity | None = None,
    approvers: list[Identity] = (),  # type: ignore[assignment]
    threshold: int = 0,
    quantity: int = 0,
    window_from_ms: int = 0,
    window_until_ms: int = 0,
    heartbeat_ms: int = 10_000,
    lease_ms: int = 30_000,
    allotment: int = 1,
    pieces: int = 0,
    delay_ms: int = 0,
) -> dict[str, Any]:
    """Make a key of the caller's: its terms, without a secret yet."""
    if not 1 <= len(name) <= KEY_NAME_MAX or not is_name(name) or "/" in name or "@" in name:
        raise ProgramError("name", f"a name has 1 to {KEY_NAME_MAX} letters, neither / nor @")
    owner = context.identity
    if context.map(NUMBERS).get((owner, name)) is not None:
        raise ProgramError("taken", "you have a key of this name: rotate it, or name another")
    terms = checked(
        Terms(
            policy=canonical(read_policy(context, policy)),
            custody=custody,
            custodian=custodian or b"",
            approvers=tuple(approvers),
            threshold=threshold,
            quantity=quantity,
            window_from_ms=window_from_ms,
            window_until_ms=window_until_ms,
            heartbeat_ms=heartbeat_ms,
            lease_ms=lease_ms,
            allotment=allotment,
            pieces=pieces,
            delay_ms=delay_ms,
        ),
        owner,
    )
    charge(context, KEY_ENTRIES, KEY_BYTES + len(terms.policy))
    number = count(context, "keys", 1)
    context.map(NUMBERS).put((owner, name), number)
    made = Key(owner, name, "draft", 1, 0, 0, 0, not terms.threshold, 0, *who_keeps(context))
    _write(context, number, made)
    context.map(TERMS).put(number, (1, terms.encode()))
    record(context, number, "new")
    change = begin_approval(context, number, terms) if terms.threshold else b""
    return {"key": name, "version": 1, "state": "draft", "change": change}


@vault.transaction
def put(
    context: Context,
    *,
    key: Account,
    secret: bytes,
    wrapped: bytes = b"",
    digest: bytes = b"",
) -> dict[str, Any]:
    """Give a new key its secret: the data key for `ledger`, L for `split`, nothing for `hsm`."""
    number, found = own(context, key)
    if found.state != "draft":
        raise ProgramError("put", "the key has its secret: rotate it to give it another")
    _check_secret(context, number, secret, wrapped, digest)
    if version_of(context, number, 1) is None:
        charge(context, VERSION_ENTRIES, VERSION_BYTES)
    _fill(context, number, 1, secret, wrapped, digest)
    state = "active" if found.approved else "draft"
    _write(context, number, found._replace(state=state))
    record(context, number, "put", amount=1)
    return {"version": 1, "state": state}


@vault.transaction
def rotate(
    context: Context,
    *,
    key: Account,
    secret: bytes,
    wrapped: bytes = b"",
    digest: bytes = b"",
    old_until_ms: int,
) -> dict[str, Any]:
    """Give a key its next version; until `old_until_ms` of block time the one before may be opened
    still."""
    number, found = own(context, key)
    if found.state not in ("active", "suspended"):
        raise ProgramError("rotate", f"the key is {found.state}: only a filled one is rotated")
    _check_secret(context, number, secret, wrapped, digest)
    if not 0 <= old_until_ms < 2**53:
        raise ProgramError("old_until_ms", "block time in milliseconds; 0: the old one ends now")
    if found.version >= VERSIONS_MAX:
        raise ProgramError("rotate", f"a key has at most {VERSIONS_MAX} versions: make a new one")
    charge(context, VERSION_ENTRIES, VERSION_BYTES)
    before = version_of(context, number, found.version)
    if before is not None and before.state == "active":
        kept = before._replace(state="old", until_ms=max(1, old_until_ms))
        context.map(VERSIONS).put((number, found.version), tuple(kept))
        if not is_kept(context, number, kept):
            drop_secret(context, number, found.version)
    make_place(context, number)
    version = found.version + 1
    _write(context, number, found._replace(version=version))
    _fill(context, number, version, secret, wrapped, digest)
    record(context, number, "rotate", amount=version)
    return {"version": version, "state": found.state}


@vault.transaction
def suspend(context: Context, *, key: Account) -> dict[str, Any]:
    """Stop a key for a while: no lease, no beat."""
    number, found = own(context, key)
    _demand(found, "active")
    return _turn(context, number, found, "suspended", "suspend")


@vault.transaction
def resume(context: Context, *, key: Account) -> dict[str, Any]:
    """Let a suspended key be used again, under the terms that it has."""
    number, found = own(context, key)
    _demand(found, "suspended")
    return _turn(context, number, found, "active", "resume")


@vault.transaction
def revoke(context: Context, *, key: Account) -> dict[str, Any]:
    """Stop a key for good, or one version of it (NAME@VERSION): its secret is left behind."""
    return _end(context, key, "revoked", "revoke")


@vault.transaction
def destroy(context: Context, *, key: Account) -> dict[str, Any]:
    """Revoke, and forget what stands beside the secret: a wrapped key, a container's digest."""
    return _end(context, key, "destroyed", "destroy")


@vault.transaction
def confirm(context: Context, *, key: Account) -> dict[str, Any]:
    """Let versions be used again that lived in an epoch which ended as compromised: the owner
    knows, and takes it."""
    number, found = own(context, key)
    _demand(found, "active", "suspended")
    confirmed = 0
    for version in _versions(key, found):
        known = version_of(context, number, version)
        if known is not None and known.exposed:
            context.map(VERSIONS).put((number, version), tuple(known._replace(exposed=False)))
            confirmed += 1
    if not confirmed:
        raise ProgramError("confirm", "no version of the key is exposed")
    record(context, number, "confirm", amount=confirmed)
    return {"confirmed": confirmed, "state": found.state}


def find(context: Context, key: Account) -> tuple[int, int]:
    """(number, version or 0) of a key that a caller names; an empty owner is the caller.

    Raises:
        ProgramError: ``no-key``.
    """
    owner, label = key[0] or context.identity, key[1]
    name, at, digits = label.partition("@")
    number = context.map(NUMBERS).get((owner, name))
    version = _decimal(digits) if at else 0
    if number is None or version is None:
        raise ProgramError("no-key", "there is no such key: `strongroom vault keys` lists them")
    return number, version


def own(context: Context, key: Account) -> tuple[int, Key]:
    """A key of the caller's, with whatever was due to it.

    Raises:
        ProgramError: ``no-key``: it is nobody's, or another's.
    """
    number, _ = find(context, key)
    found = key_of(context, number)
    if found.owner != context.identity:
        raise ProgramError("no-key", "the key is another's: only its owner may do this")
    return number, found


def version_named(context: Context, key: Account) -> int:
    """Which version a caller names; 0: none."""
    return find(context, key)[1]


def _end(context: Context, key: Account, state: str, what: str) -> dict[str, Any]:
    number, found = own(context, key)
    if found.state == state or found.state == "destroyed":
        raise ProgramError(_OVER[found.state], f"the key is {found.state} for good already")
    named = version_named(context, key)
    if named > found.version:
        raise ProgramError("no-key", f"the key has {found.version} versions")
    stop(context, number, found, state, what, named)
    return {"state": state, "version": named}


def stop(context: Context, number: int, found: Key, state: str, what: str, named: int = 0) -> None:
    """Stop a key for good, or one version of it: secrets are left behind. Whoever calls this has
    checked that the caller may."""
    if not named:
        _write(context, number, found._replace(state=state))
    for version in (named,) if named else range(1, found.version + 1):
        known = version_of(context, number, version)
        if known is None:
            continue
        drop_secret(context, number, version)
        known = known._replace(state=state)
        if state == "destroyed":
            known = known._replace(wrapped=b"", digest=b"")
        context.map(VERSIONS).put((number, version), tuple(known))
    record(context, number, what, amount=named)


def _turn(context: Context, number: int, found: Key, state: str, what: str) -> dict[str, Any]:
    _write(context, number, found._replace(state=state))
    record(context, number, what)
    return {"state": state}


def _demand(found: Key, *states: str) -> None:
    if found.state not in states:
        raise ProgramError(
            found.state, f"the key is {found.state}: this takes one that is {' or '.join(states)}"
        )


def _versions(key: Account, found: Key) -> range:
    digits = key[1].partition("@")[2]
    version = _decimal(digits) if digits else 0
    return range(version, version + 1) if version else range(1, found.version + 1)


def _check_secret(
    context: Context, number: int, secret: bytes, wrapped: bytes, digest: bytes
) -> None:
    custody = settled(context, number)[1].custody
    size = 0 if custody == "hsm" else SECRET_SIZE
    if len(secret) != size:
        where = "`vault put`" if custody == "ledger" else "`custodian put`, beside its HSM"
        why = f"the secret of a key of custody {custody} has {size} bytes: {where} makes it"
        raise ProgramError("secret", why)
    check_beside(wrapped, digest)


def check_beside(wrapped: bytes, digest: bytes) -> None:
    """Check what stands beside a secret.

    Raises:
        ProgramError: ``wrapped``.
    """
    if len(wrapped) > WRAPPED_KEY_BYTES_MAX or len(digest) not in (0, DIGEST_SIZE):
        raise ProgramError(
            "wrapped",
            f"wrapped: at most {WRAPPED_KEY_BYTES_MAX} bytes; digest: none or {DIGEST_SIZE}",
        )


def _fill(
    context: Context, number: int, version: int, secret: bytes, wrapped: bytes, digest: bytes
) -> None:
    row = tuple(Version("active", False, 0, wrapped, digest))
    context.map(VERSIONS).put((number, version), row)
    if secret:
        put_secret(context, number, version, secret)
    elif has_secret(context, number, version):
        drop_secret(context, number, version)


def _decimal(digits: str) -> int | None:
    """A version as it is written: ASCII digits, no sign, no zero in front."""
    if not 1 <= len(digits) <= 9 or digits[0] == "0":
        return None
    value = 0
    for digit in digits:
        if not "0" <= digit <= "9":
            return None
        value = value * 10 + ord(digit) - ord("0")
    return value


def _write(context: Context, number: int, key: Key) -> None:
    context.map(KEYS).put(number, tuple(key))
