"""Secrets of keys in replicated state: boxes under an epoch's input secret, carried on while they
may be released (VAULT §2; P10, T52).

Replicated state can be revoked and not forgotten, for write sets and snapshots keep it under the
ledger secret. So a secret stands in state only as a box under a key that dies with its epoch. The
first block of the next epoch boxes anew what may be released still; what was revoked or destroyed
is left behind, and once the ended epoch's input secret is erased nothing opens it.

A carried box costs about 40 µs and 150 bytes of write set, once in an epoch.
"""

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Epoch
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.programs.framework import Context, ProgramError, Turn
from strongroom.enclave.programs.state import SCAN_MAX
from strongroom.enclave.programs.vault.shares import give_back, take
from strongroom.enclave.programs.vault.tables import (
    BOXES,
    VERSIONS,
    Version,
    key_of,
    vault,
    version_of,
)

OLD_MAX = 8
"""Old versions of one key whose secrets are carried on beside the newest."""
RELEASABLE = ("active", "old")


def put_secret(context: Context, number: int, version: int, secret: bytes) -> None:
    """Box a secret for the block's epoch.

    Raises:
        ProgramError: ``full``: as many are kept as may be (shares.py).
    """
    if not has_secret(context, number, version):
        take(context, number)
    _seal(context, number, version, secret)


def open_secret(context: Context, number: int, version: int) -> bytes:
    """The secret of a version whose box stands."""
    return _open(context, number, version, *_box(context, number, version))


def has_secret(context: Context, number: int, version: int) -> bool:
    """Does a box of it stand?"""
    return context.map(BOXES).get((number, version)) is not None


def drop_secret(context: Context, number: int, version: int) -> None:
    """Leave a secret behind: it is in no later state, and opens with this epoch's secret alone."""
    if has_secret(context, number, version):
        context.map(BOXES).delete((number, version))
        give_back(context, number)


def make_place(context: Context, number: int) -> None:
    """Before a key is rotated: leave old secrets behind that are out of date.

    Raises:
        ProgramError: ``full``: too many are open still.
    """
    standing = 0
    for (_, version), _ in context.map(BOXES).scan(prefix=(number,), limit=SCAN_MAX):
        found = version_of(context, number, version)
        if found is None or not is_kept(context, number, found):
            drop_secret(context, number, version)
        elif found.state == "old":
            standing += 1
    if standing > OLD_MAX:
        raise ProgramError(
            "full", f"{OLD_MAX} old versions are open still: revoke one of them (NAME@VERSION)"
        )


def ends(context: Context, compromised: bool) -> None:
    """The epoch ends: whatever lived in a compromised one is exposed."""
    if not compromised:
        return
    for number, version in _all(context):
        found = version_of(context, number, version)
        if found is not None:
            context.map(VERSIONS).put((number, version), tuple(found._replace(exposed=True)))


def begins(context: Context, before: Epoch) -> None:
    """The next epoch begins: box anew what may be released still, leave the rest behind."""
    for number, version in _all(context):
        found = version_of(context, number, version)
        if found is not None and is_kept(context, number, found):
            epoch, box = _box(context, number, version)
            if epoch != before:
                raise InvariantBroken("a secret of the vault was not carried into this epoch")
            _seal(context, number, version, _open(context, number, version, epoch, box))
        else:
            drop_secret(context, number, version)


def loses(context: Context) -> None:
    """The ended epoch's input secret is lost (VAULT §7): what stood in boxes is gone for good."""
    for number, version in _all(context):
        drop_secret(context, number, version)
        found = version_of(context, number, version)
        if found is not None and found.state in RELEASABLE:
            context.map(VERSIONS).put((number, version), tuple(found._replace(state="destroyed")))


def is_kept(context: Context, number: int, version: Version) -> bool:
    """May it be released, now or once it is resumed or confirmed?"""
    if version.state not in RELEASABLE or key_of(context, number).state in ("revoked", "destroyed"):
        return False
    return version.until_ms == 0 or context.time_ms <= version.until_ms


def _all(context: Context) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    while found := context.map(BOXES).scan(after=places[-1] if places else None, limit=SCAN_MAX):
        places += [place for place, _ in found]
    return places


def _box(context: Context, number: int, version: int) -> tuple[int, bytes]:
    row: tuple[int, bytes] | None = context.map(BOXES).get((number, version))
    if row is None:
        raise KeyError(number, version)
    return row


def _seal(context: Context, number: int, version: int, secret: bytes) -> None:
    aad = _aad(context, number, version, context.epoch)
    box = context.box().seal(_place(number, version), secret, aad)
    context.map(BOXES).put((number, version), (context.epoch, box))


def _open(context: Context, number: int, version: int, epoch: int, box: bytes) -> bytes:
    aad = _aad(context, number, version, epoch)
    try:
        return context.box(Epoch(epoch)).open(_place(number, version), box, aad)
    except DoesNotOpen:
        raise InvariantBroken("a vault box does not open under its own epoch's key") from None


def _place(number: int, version: int) -> int:
    """The nonce: no two secrets of an epoch have one, but for a draft's that was put twice."""
    return number << 32 | version


def _aad(context: Context, number: int, version: int, epoch: int) -> bytes:
    key = key_of(context, number)
    return labels.bound(
        labels.VAULT_BOX,
        context.chain,
        codec.encode((epoch, number, key.owner, key.name, version)),
    )


vault.turn = Turn(BOXES, ends, begins, loses)
