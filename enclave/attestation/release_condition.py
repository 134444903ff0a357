"""One condition of a release policy: a claim, an operator, and a literal of the claim's type.

Owns the operators and when a condition holds: a claim that is missing, or of another type, fulfils
none. Owns the lines that explain it. Knows nothing of lists of conditions: see release_policy.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.attestation.strict_json import INTEGER_MAX, INTEGER_MIN, Json
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim
from strongroom.enclave.text import is_line

_SHOWN_MAX = 140
"""Characters of a text or list that a line shows: a chip id's 128, and some."""
_CONTAINERS = (dict, list)
_TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a text"}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "less": lt,
    "lessOrEquals": le,
    "greater": gt,
    "greaterOrEquals": ge,
}
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": eq,
    "notEquals": ne,
    "in": lambda value, literals: value in literals,
    "exists": lambda _value, _literal: True,
    **ORDER,
}
"""Operator → does it hold of (a claim that is there and of its type, the literal)?"""


class PolicyRefused(ClientFault):
    """A text is no release policy; the message says where and why, never the whole text.

    Attributes:
        where: Path such as ``anyOf[0].allOf[2]``, or ``character 17``.
        why: What is wrong there, and what would be taken.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"release policy, {where}: {why}")
        self.where, self.why = where, why


class Verdict(StrEnum):
    """What one condition comes to."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    MISSING = "missing"
    """The claim is not there, or not of its type: false under every operator."""


@dataclass(frozen=True, slots=True)
class Line:
    """One condition, explained under some claims."""

    path: str
    text: str
    """The condition, e.g. ``region equals eu-north``."""
    verdict: Verdict
    shown: str
    """The claim's value as text; empty if it is missing."""

    def __str__(self) -> str:
        if self.verdict is Verdict.MISSING:
            return f"{self.text}: is missing"
        return f"{self.text}: is {self.shown}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One claim compared with a literal."""

    path: str
    claim: str
    operator: str
    literal: Claim | tuple[Claim, ...]

    def holds(self, claims: Mapping[str, Claim]) -> bool:
        """Is the claim there, of exactly its type, and does the operator hold of it?"""
        value = claims.get(self.claim)
        if type(value) is not VOCABULARY[self.claim]:
            return False
        return OPERATORS[self.operator](value, self.literal)

    @property
    def text(self) -> str:
        """Its JSON."""
        return f'{{"claim":"{self.claim}","{self.operator}":{canonical(self.literal)}}}'

    def explain(self, claims: Mapping[str, Claim]) -> Line:
        """This condition as a line."""
        text = f"{self.claim} {self.operator} {shown(self.literal)}"
        value = claims.get(self.claim)
        if type(value) is not VOCABULARY[self.claim]:
            return Line(self.path, text, Verdict.MISSING, "")
        verdict = Verdict.HOLDS if self.holds(claims) else Verdict.DOES_NOT_HOLD
        return Line(self.path, text, verdict, shown(value))


def read_condition(value: dict[str, Json], path: str) -> Condition:
    """A condition from its JSON object, which has a claim.

    Raises:
        PolicyRefused: claim, operator or literal is not as the grammar wants it.
    """
    claim = value["claim"]
    if not isinstance(claim, str) or claim not in VOCABULARY:
        raise PolicyRefused(f"{path}.claim", f"{shown(claim)} is no claim of the vocabulary")
    operators = [name for name in value if name != "claim"]
    if len(operators) != 1 or operators[0] not in OPERATORS:
        raise PolicyRefused(path, f"expected beside the claim one of {', '.join(OPERATORS)}")
    operator = operators[0]
    where = f"{path}.{operator}"
    if operator in ORDER and VOCABULARY[claim] is not int:
        raise PolicyRefused(where, f"only whole numbers have an order; {claim} is none")
    return Condition(path, claim, operator, _literal(value[operator], claim, operator, where))


def _literal(value: Json, claim: str, operator: str, where: str) -> Claim | tuple[Claim, ...]:
    if operator == "exists":
        if value is not True:
            raise PolicyRefused(
                where, "expected true: a claim that is missing fulfils no condition"
            )
        return True
    kind = VOCABULARY[claim]
    literals = value if operator == "in" and isinstance(value, list) else [value]
    fitting = tuple(
        one for one in literals if type(one) is kind and not isinstance(one, _CONTAINERS)
    )
    if (operator == "in") is not isinstance(value, list) or len(fitting) < max(len(literals), 1):
        many = "a list, not empty, of values, each " if operator == "in" else ""
        raise PolicyRefused(where, f"expected {many}{_TYPE_NAMES[kind]}, as {claim} is")
    return fitting if operator == "in" else fitting[0]


def canonical(literal: Claim | tuple[Claim, ...]) -> str:
    """A literal as JSON: of characters, only those are escaped that must be."""
    if isinstance(literal, tuple):
        return f"[{','.join(_scalar(one) for one in literal)}]"
    return _scalar(literal)


def shown(value: object) -> str:
    """A value in a line for people, cut to _SHOWN_MAX characters."""
    if isinstance(value, tuple):
        text = f"[{', '.join(_shown_scalar(one) for one in value)}]"
    else:
        text = _shown_scalar(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


def _scalar(literal: Claim) -> str:
    if isinstance(literal, str):
        escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(literal) if type(literal) is int else ("true" if literal else "false")


def _shown_scalar(value: object) -> str:
    if isinstance(value, str):
        return value if is_line(value) else "(unreadable)"
    if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX:
        return _scalar(value)
    return "(no text, truth value or number of 64 bits)"
