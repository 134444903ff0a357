"""What changes take: kinds of arguments, as canonical values on the ledger and as text of the
command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.policy import is_country
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, MEASUREMENT_SIZE, Product, Tcb
from strongroom.enclave.formats.recovery import SHARED_AMONG_MAX
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.governance.thresholds import (
    MAJORITY,
    MEMBERS_MAX,
    SETTABLE,
    UNANIMOUS,
    is_threshold,
)

AGE_MS_MIN, AGE_MS_MAX = 60_000, 90 * 86_400_000
"""Between which the maximum age of evidence may lie."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of argument."""

    expected: str
    """What it must be, in words."""
    holds: Callable[[Any], bool]
    """Is this value of the wire one of the kind?"""
    parse: Callable[[str], Any]
    """From text to the wire; raises ValueError."""

    def check(self, name: str, value: Any) -> Any:
        """The value, if it is of this kind.

        Raises:
            ProgramError: ``arguments``.
        """
        if not self.holds(value):
            refuse(Ground.ARGUMENTS, f"{name}: expected {self.expected}")
        return value

    def from_text(self, name: str, text: str) -> Any:
        """The value that a text means.

        Raises:
            ProgramError: ``arguments``.
        """
        try:
            value = self.parse(text)
        except ValueError:
            refuse(Ground.ARGUMENTS, f"{name}: expected {self.expected}")
        return self.check(name, value)


def _is_name(value: Any) -> bool:
    try:
        checked_name(value, name="name")
    except NotCanonical:
        return False
    return True


def _is_tcb(value: Any) -> bool:
    try:
        Tcb.from_wire(value)
    except NotCanonical:
        return False
    return True


def _parse_tcb(text: str) -> tuple[int, ...]:
    parts = tuple(int(part) for part in text.split(","))
    return parts if len(parts) == 5 else (*parts, 0)


def _parse_bool(text: str) -> bool:
    if text not in ("true", "yes", "false", "no"):
        raise ValueError(text)
    return text in ("true", "yes")


def _bytes(size: int) -> Kind:
    return Kind(
        f"{size} bytes, {2 * size} characters of hex",
        lambda value: type(value) is bytes and len(value) == size,
        lambda text: bytes.fromhex(text.removeprefix("id:")),
    )


def _number(least: int, most: int, unit: str = "") -> Kind:
    return Kind(
        f"a whole number{unit} in {least}..{most}",
        lambda value: type(value) is int and least <= value <= most,
        int,
    )


NAME = Kind("a name of 1..64 bytes without spaces", _is_name, str)
USERS_AT_ONCE_MAX = 256


def _are_identities(value: Any) -> bool:
    if type(value) is not tuple or not 1 <= len(value) <= USERS_AT_ONCE_MAX:
        return False
    return all(type(one) is bytes and len(one) == DIGEST_SIZE for one in value) and len(
        set(value)
    ) == len(value)


IDENTITIES = Kind(
    f"1 to {USERS_AT_ONCE_MAX} identities, each once, with commas between",
    _are_identities,
    lambda text: tuple(bytes.fromhex(part.strip().removeprefix("id:")) for part in text.split(",")),
)
KEY = _bytes(KEY_SIZE)
IDENTITY = _bytes(DIGEST_SIZE)
CHIP = _bytes(CHIP_ID_SIZE)
MEASUREMENT = _bytes(MEASUREMENT_SIZE)
AGE = _number(AGE_MS_MIN, AGE_MS_MAX, " of milliseconds")
VALUE = _number(0, max(limit.most for limit in LIMITS.values()))
SHARES = _number(0, SHARED_AMONG_MAX)
COUNTRY = Kind("a country's code, two capital letters as in ISO 3166-1", is_country, str)
BOOL = Kind("true or false", lambda value: type(value) is bool, _parse_bool)
PRODUCT = Kind(
    f"one of {', '.join(product.value for product in Product)}",
    lambda value: type(value) is str and value in tuple(Product),
    str,
)
TCB = Kind("bootloader,tee,snp,microcode[,fmc], each 0..255", _is_tcb, _parse_tcb)
LIMIT = Kind(
    f"one of {', '.join(LIMITS)}", lambda value: type(value) is str and value in LIMITS, str
)
WEIGHT = _number(0, 1)
CLASS = Kind(
    f"one of {', '.join(SETTABLE)}",
    lambda value: type(value) is str and value in tuple(SETTABLE),
    str,
)
THRESHOLD = Kind(
    f"{MAJORITY}, {UNANIMOUS}, or how many members, 1..{MEMBERS_MAX}",
    is_threshold,
    str,
)
