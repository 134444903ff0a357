"""Two twins side by side: what differs.

Owns the comparison and its words. Knows nothing of what the values mean.
"""

from dataclasses import dataclass, replace
from typing import Any

from scripts.leak_hunt.sightings import Sightings

_SHOWN = 48
"""Characters of a value in a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that hosts see."""

    what: str
    where: str
    """The first place inside it where they part."""
    differs: bool
    declared: bool
    """That it may differ stands in DESIGN."""
    first: str
    second: str
    """In short, from that place on."""
    more: bool | None = None
    """Of two numbers there: is the first one greater? None: they are no numbers."""

    @property
    def is_leak(self) -> bool:
        """It differs, and nothing says that it may."""
        return self.differs and not self.declared


def lasting(rows: list[Row], again: list[Row]) -> list[Row]:
    """The rows of the later run, where a difference that the earlier one did not show is put down
    to the clock.

    A secret makes a difference each time, and of two counts the same twin's is the greater one; a
    view that timed out on a busy machine makes one now and then, of either.
    """
    before = {(row.what, row.more) for row in rows if row.is_leak}
    return [
        replace(row, declared=row.declared or (row.what, row.more) not in before) for row in again
    ]


def compare(first: Sightings, second: Sightings) -> list[Row]:
    """Everything that either twin's hosts saw, differences first."""
    rows = [
        _row(what, first.seen, second.seen, declared=False)
        for what in _names(first.seen, second.seen)
    ]
    rows += [
        _row(what, first.by_the_clock, second.by_the_clock, declared=True)
        for what in _names(first.by_the_clock, second.by_the_clock)
    ]
    return sorted(rows, key=lambda row: (not row.differs, row.declared))


def _names(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _row(what: str, first: dict[str, Any], second: dict[str, Any], *, declared: bool) -> Row:
    one, other = first.get(what), second.get(what)
    place, left, right = first_difference(one, other)
    differs = one != other
    counts = type(left) is int and type(right) is int
    more = left > right if counts else None
    return Row(what, place, differs, declared, _short(left), _short(right), more)


def first_difference(one: Any, other: Any) -> tuple[str, Any, Any]:
    """(where, value here, value there): the first place inside lists and maps where two values
    part."""
    if one == other:
        return "", one, other
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                place, left, right = first_difference(one.get(key), other.get(key))
                return f", {key}{place}", left, right
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        for index, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                place, left, right = first_difference(left, right)
                return f", {index + 1}.{place}", left, right
        return ", how many", len(one), len(other)
    return "", one, other


def _short(value: Any) -> str:
    text = f"{value}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
