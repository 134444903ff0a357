"""The types of columns and values, and how each stands in the engine.

Owns six kinds, their names in the engine, and the reading of literals. A decimal is a whole number
of its last digit, in the engine too: sums are exact, and no conversion can fail. Knows no query.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
SCALE_MAX = 12
"""Digits of a decimal behind its point."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
)


class Kind(Enum):
    """What a column holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    REAL = "real"
    TEXT = "text"
    TRUTH = "truth"
    DATE = "date"
    TIMESTAMP = "timestamp"


ENGINE_TYPES = {
    Kind.INTEGER: "BIGINT",
    Kind.DECIMAL: "BIGINT",
    Kind.REAL: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.TRUTH: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
}
NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.REAL})


@dataclass(frozen=True, slots=True)
class Type:
    """A kind, and of a decimal its digits behind the point."""

    kind: Kind
    scale: int = 0

    @property
    def engine(self) -> str:
        """Its name in the engine."""
        return ENGINE_TYPES[self.kind]

    def __str__(self) -> str:
        return f"decimal({self.scale})" if self.kind is Kind.DECIMAL else self.kind.value


INTEGER = Type(Kind.INTEGER)
REAL = Type(Kind.REAL)
TEXT = Type(Kind.TEXT)
TRUTH = Type(Kind.TRUTH)
DATE = Type(Kind.DATE)
TIMESTAMP = Type(Kind.TIMESTAMP)


def whole(text: str) -> int | None:
    """The number that a literal's text is, if it is a whole one of 64 bits."""
    number = _number(text)
    if number is None or number != number.to_integral_value():
        return None
    return int(number) if INTEGER_MIN <= number <= INTEGER_MAX else None


def scaled(text: str, scale: int) -> int | None:
    """A number as a whole one of its last digit, if it has no more digits and fits 64 bits."""
    number = _number(text)
    return None if number is None else whole(str(number.scaleb(scale)))


def real(text: str) -> float | None:
    """A number as the nearest of IEEE 754, if it is finite."""
    number = _number(text)
    if number is None:
        return None
    value = float(number)
    return value if abs(value) < float("inf") else None


def day(text: str) -> str | None:
    """A day, as ISO 8601 writes it, if there is one."""
    try:
        return date.fromisoformat(text).isoformat() if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def moment(text: str) -> str | None:
    """A moment to the microsecond, without a zone, if there is one; a day is its midnight."""
    if _DATE.fullmatch(text):
        text += " 00:00"
    try:
        found = datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
    except ValueError:
        return None
    return found.isoformat(sep=" ", timespec="microseconds") if found else None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= 400 else None
