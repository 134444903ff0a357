"""A secret of 32 bytes under a passphrase, as key files hold it.

Owns the form and the cost of a guess: AES-256-GCM under scrypt (RFC 7914, N = 2^15, r = 8, p = 1:
about 0.1 s and 32 MiB a guess), and where a passphrase comes from. Knows no file.
"""

import os
from collections.abc import Callable, Mapping
from hashlib import scrypt
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.primitives import SECRET_SIZE, Secret, SequenceBox, random_bytes
from strongroom.node.layout import PASSPHRASE_VARIABLE as PASSPHRASE_VARIABLE

_SALT_SIZE = 16
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_SCRYPT_MEMORY_MAX = 64 * 1024 * 1024

Ask = Callable[[str], str]
"""Gets a passphrase from the user; the argument says whose."""


def seal_secret(secret: Secret, aad: bytes, passphrase: str) -> dict[str, Any]:
    """What a file holds of a secret under a passphrase. A fresh salt makes a fresh key, so that its
    one box may have number 0."""
    salt = random_bytes(_SALT_SIZE)
    box = _box(passphrase, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P).seal(0, secret.reveal(), aad)
    return {
        "n": _SCRYPT_N,
        "r": _SCRYPT_R,
        "p": _SCRYPT_P,
        "salt": salt.hex(),
        "box": box.hex(),
    }


def open_secret(sealed: Mapping[str, Any], aad: bytes, passphrase: str) -> Secret:
    """The secret again.

    Raises:
        DoesNotOpen: another passphrase, or it was changed.
        ValueError, TypeError, KeyError: it has not this form.
    """
    box = _box(passphrase, bytes.fromhex(sealed["salt"]), sealed["n"], sealed["r"], sealed["p"])
    return Secret(box.open(0, bytes.fromhex(sealed["box"]), aad))


def check_sealed_form(sealed: Mapping[str, Any]) -> None:
    """Raises ValueError, TypeError or AttributeError: it has not this form."""
    if not {"n", "r", "p", "salt", "box"} <= sealed.keys():
        raise ValueError("not what a passphrase seals")


def passphrase_of(name: str, ask: Ask | None) -> str:
    """From STRONGROOM_PASSPHRASE, or asked for.

    Raises:
        OperatorFault: there is none.
    """
    passphrase = os.environ.get(PASSPHRASE_VARIABLE) or (ask(name) if ask is not None else "")
    if not passphrase:
        raise OperatorFault(f"{name!r} takes a passphrase: set {PASSPHRASE_VARIABLE}")
    return passphrase


def _box(passphrase: str, salt: bytes, n: int, r: int, p: int) -> SequenceBox:
    key = scrypt(
        passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=_SCRYPT_MEMORY_MAX, dklen=SECRET_SIZE
    )
    return SequenceBox(Secret(key))
