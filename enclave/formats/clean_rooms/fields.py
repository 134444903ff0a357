"""Fields that the agreements of a clean room share: names, identities, closed sets, bounds.

Owns their checks, so that terms, data terms and contracts refuse the same things alike. A set is
written in ascending order, each member once: one agreement has one encoding (T60).
"""

from itertools import pairwise
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.text import is_line, is_name

AGREED_NAME_MAX = 64
"""Characters of a name."""
LINE_MAX = 200
"""Characters of a sentence for people."""
UNTIL_MS_MAX = 2**53
MICRO_EPSILON_MAX = 1_000_000_000
"""Epsilon counts in millionths: at most 1,000."""
EXECUTORS_MAX = 7


def name_in(value: object, what: str) -> str:
    """A name of 1 to 64 shown characters, neither / nor @ among them.

    Raises:
        NotCanonical: it is none.
    """
    if type(value) is not str or not 1 <= len(value) <= AGREED_NAME_MAX or not is_name(value):
        raise NotCanonical(f"{what}: a name has 1 to {AGREED_NAME_MAX} letters")
    if "/" in value or "@" in value:
        raise NotCanonical(f"{what}: a name has neither / nor @")
    return value


def line_in(value: object, what: str) -> str:
    """A line for people, maybe empty.

    Raises:
        NotCanonical: it is none, or too long.
    """
    if type(value) is not str or len(value) > LINE_MAX or not is_line(value):
        raise NotCanonical(f"{what}: a line of at most {LINE_MAX} characters")
    return value


def identity_in(value: object, what: str) -> bytes:
    """SHA-256 of a user's key.

    Raises:
        NotCanonical: not 32 bytes.
    """
    return codec.sized(value, DIGEST_SIZE, name=what)


def set_in(value: object, what: str, count_max: int, member: Any) -> tuple[Any, ...]:
    """A closed set: ascending, each once; `member` checks one. An empty one means nothing at all,
    never all.

    Raises:
        NotCanonical: too long, out of order, or a member that is none.
    """
    items = tuple(member(one, what) for one in codec.listed(value, name=what, count_max=count_max))
    if any(one >= after for one, after in pairwise(items)):
        raise NotCanonical(f"{what}: in ascending order, each once")
    return items


def one_of(value: object, allowed: tuple[str, ...], what: str) -> str:
    """One word of a closed list.

    Raises:
        NotCanonical: it is none of them.
    """
    if type(value) is not str or value not in allowed:
        raise NotCanonical(f"{what}: one of {', '.join(allowed)}")
    return value


def whole(value: object, what: str, least: int, most: int) -> int:
    """An integer within bounds.

    Raises:
        NotCanonical: it is none, or out of them.
    """
    if type(value) is not int or not least <= value <= most:
        raise NotCanonical(f"{what}: an integer from {least} to {most}")
    return value


def agreement_in(executors: object, agreement: object) -> None:
    """Check how many run a job, and how many of them must report the same: more than half, so that
    no two results are agreed on.

    Raises:
        NotCanonical: out of bounds.
    """
    run = whole(executors, "executors", 1, EXECUTORS_MAX)
    whole(agreement, "agreement", run // 2 + 1, run)
