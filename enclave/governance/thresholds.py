"""How many members must say yes: classes of changes, and what each may ask for.

Owns the words of thresholds and what they come to. Which change is of which class stands in its row
(changes.py); which class asks for what is governed (rules.py). Pure, so that a client counts as the
enclave does.
"""

from enum import StrEnum

MAJORITY, UNANIMOUS = "majority", "unanimous"
MEMBERS_MAX = 256
_NUMBERS = {str(number): number for number in range(1, MEMBERS_MAX + 1)}
"""Written in one way only, and read without a parser."""


class Class(StrEnum):
    """What a change is about: each class has a threshold of its own."""

    MEMBERS = "members"
    """Who governs."""
    CODE = "code"
    """What code runs, and on the word of which silicon."""
    NODES = "nodes"
    """Which nodes run it, of whom, where; their epochs."""
    USERS = "users"
    """Who may call, and in which role."""
    LIMITS = "limits"
    OTHER = "other"
    """Rows that name no class."""
    STRICTEST = "strictest"
    """How governance itself goes: as many as the class that asks for most. It has no threshold of
    its own, so no class can loosen another."""


SETTABLE = tuple(one for one in Class if one is not Class.STRICTEST)
"""Classes that have a threshold."""


def is_threshold(value: object) -> bool:
    """Is this ``majority``, ``unanimous``, or how many members, as a number 1..MEMBERS_MAX?"""
    return type(value) is str and (value in (MAJORITY, UNANIMOUS) or value in _NUMBERS)


def yes_needed(threshold: str, voters: int) -> int:
    """How many of so many voting members must say yes; it may be more than there are."""
    if threshold == MAJORITY:
        return voters // 2 + 1
    return voters if threshold == UNANIMOUS else _NUMBERS[threshold]


def is_as_strict(new: str, old: str, voters: int) -> bool:
    """Does `new` ask for no fewer than `old`, of so many voting members or of any smaller number?

    Members go at once, but come after the activation delay: so no removal makes a threshold weaker
    that was set at once.
    """
    counts = range(1, voters + 1)
    fewer = (yes_needed(new, count) < yes_needed(old, count) <= count for count in counts)
    return not any(fewer)
