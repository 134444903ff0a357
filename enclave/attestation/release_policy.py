"""A release policy: which claims a room must show before a key is given to it.

The grammar is that of Azure Secure Key Release 1.0.0, in a strict form, and the operator `in`:
docs/release-policy.md. Owns parsing, the one canonical text that is stored, and the verdict. It is
judged inside replicas: both are total, bounded, without recursion, and the same on every
interpreter. Knows nothing of evidence, keys or leases; who makes claims sees to their truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from strongroom.enclave.attestation.release_condition import (
    Condition,
    Line,
    PolicyRefused,
    canonical,
    read_condition,
    shown,
)
from strongroom.enclave.attestation.strict_json import Json, NotStrictJson, read_json
from strongroom.enclave.attestation.vocabulary import Claim

__all__ = ["Line", "PolicyRefused", "ReleasePolicy"]

POLICY_BYTES_MAX = 8 * 1024
"""Of the text, in UTF-8; the canonical one is never longer."""
POLICY_DEPTH_MAX = 8
"""allOf and anyOf within one another, below an authority; its own is the first."""
POLICY_CONDITIONS_MAX = 128
VERSION = "1.0.0"
AUTHORITY = "strongroom"
"""Who vouches for the claims: the ledger, which judges evidence by itself."""

_T = TypeVar("_T")
_POLICIES_KEPT_MAX = 1024
"""Parsed, by their text: 3 KB each as a rule, at most 50 KB. A verdict does not hang on it."""


@dataclass(frozen=True, slots=True)
class Group:
    """`allOf` or `anyOf` of as many conditions and groups before it."""

    opening: str
    """What its canonical text begins with."""
    name: str
    members: int

    def first_failure(self, failures: list[Condition | None]) -> Condition | None:
        """The first condition because of which this does not hold; `failures` are its members'."""
        failed = [failure for failure in failures if failure is not None]
        if self.name == "anyOf" and len(failed) < len(failures):
            return None
        return failed[0] if failed else None


@dataclass(frozen=True, slots=True, repr=False)
class ReleasePolicy:
    """A policy that was parsed: made by `parse` alone. Two are equal if their steps are."""

    steps: tuple[Condition | Group, ...]
    """Conditions in their order, each group behind its members; the policy itself is the last."""

    @classmethod
    def parse(cls, text: bytes | str) -> "ReleasePolicy":
        """Read a policy: UTF-8 JSON of at most POLICY_BYTES_MAX.

        Raises:
            PolicyRefused: it is none, or breaks a bound.
        """
        if not isinstance(text, bytes | str) or len(text) > POLICY_BYTES_MAX:
            raise PolicyRefused("its text", f"expected at most {POLICY_BYTES_MAX} bytes of JSON")
        try:
            decoded = text if isinstance(text, str) else text.decode("utf-8")
            size = len(decoded.encode("utf-8"))
        except UnicodeError:
            raise PolicyRefused("its text", "expected UTF-8") from None
        if size > POLICY_BYTES_MAX:
            raise PolicyRefused("its text", f"expected at most {POLICY_BYTES_MAX} bytes of JSON")
        return _parse(decoded)

    def encode(self) -> bytes:
        """The one canonical text, which is stored: keys in the grammar's order, no blanks, UTF-8;
        never longer than what was parsed."""
        texts: list[str] = []
        for step in self.steps:
            if isinstance(step, Condition):
                texts.append(step.text)
            else:
                members = _taken(texts, step.members)
                texts.append(f'{step.opening}"{step.name}":[{",".join(members)}]}}')
        return texts[0].encode("utf-8")

    def first_failure(self, claims: Mapping[str, Claim]) -> str | None:
        """None if the claims are enough; else the first condition that does not hold, as a line,
        e.g. ``region equals eu-north: is eu-south``."""
        failures: list[Condition | None] = []
        for step in self.steps:
            if isinstance(step, Condition):
                failures.append(None if step.holds(claims) else step)
            else:
                failures.append(step.first_failure(_taken(failures, step.members)))
        return None if failures[0] is None else str(failures[0].explain(claims))

    def explain(self, claims: Mapping[str, Claim]) -> list[Line]:
        """Each condition in its order, also where the verdict does not hang on it."""
        return [condition.explain(claims) for condition in self.conditions]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, in their order."""
        return tuple(step for step in self.steps if isinstance(step, Condition))


@dataclass(slots=True)
class _Open:
    """A group whose members are being read."""

    opening: str
    name: str
    path: str
    members: list[Json]
    read: int = 0


@lru_cache(maxsize=_POLICIES_KEPT_MAX)
def _parse(text: str) -> ReleasePolicy:
    try:
        whole = read_json(text)
    except NotStrictJson as error:
        raise PolicyRefused(f"character {error.at}", error.why) from None
    if not isinstance(whole, dict) or whole.get("version") != VERSION:
        raise PolicyRefused("version", f'expected an object with version "{VERSION}"')
    return ReleasePolicy(_steps(_open(whole, "", "version", "anyOf")))


def _steps(policy: _Open) -> tuple[Condition | Group, ...]:
    """Conditions and groups of a policy, each group behind its members."""
    steps: list[Condition | Group] = []
    open_groups, conditions = [policy], 0
    while open_groups:
        group = open_groups[-1]
        if group.read == len(group.members):
            steps.append(Group(group.opening, group.name, group.read))
            open_groups.pop()
            continue
        member, path = group.members[group.read], f"{group.path}[{group.read}]"
        group.read += 1
        if len(open_groups) == 1:
            open_groups.append(_authority(member, path))
        elif isinstance(member, dict) and "claim" in member:
            conditions += 1
            steps.append(read_condition(member, path))
        else:
            open_groups.append(_open(member, path, None, "allOf", "anyOf"))
        if len(open_groups) > 1 + POLICY_DEPTH_MAX or conditions > POLICY_CONDITIONS_MAX:
            bounds = (
                f"{POLICY_DEPTH_MAX} lists within one another, {POLICY_CONDITIONS_MAX} conditions"
            )
            raise PolicyRefused(path, f"more than a policy may have: {bounds}")
    return tuple(steps)


def _authority(value: Json, path: str) -> _Open:
    """An authority and its list."""
    if not isinstance(value, dict) or value.get("authority") != AUTHORITY:
        raise PolicyRefused(
            f"{path}.authority",
            f'expected "{AUTHORITY}"; `strongroom vault policy import` takes in a policy of Azure',
        )
    return _open(value, path, "authority", "allOf", "anyOf")


def _open(value: Json, path: str, head: str | None, *lists: str) -> _Open:
    """An object of one non-empty list by one of these names, beside a head that was judged."""
    found = [name for name in lists if isinstance(value, dict) and name in value]
    if not isinstance(value, dict) or len(found) != 1 or len(value) != 1 + (head is not None):
        names = value if isinstance(value, dict) else ()
        unknown = [name for name in names if name not in (head, *lists)]
        also = f"; {shown(unknown[0])} is none of the grammar" if unknown else ""
        raise PolicyRefused(path or "the whole", f"expected one {' or '.join(lists)}{also}")
    path = f"{path}.{found[0]}".lstrip(".")
    members = value[found[0]]
    if not isinstance(members, list) or not members:
        raise PolicyRefused(path, "expected a list that is not empty")
    opening = "{" if head is None else f'{{"{head}":{canonical(str(value[head]))},'
    return _Open(opening, found[0], path, members)


def _taken(stack: list[_T], count: int) -> list[_T]:
    """The last values of a stack, taken off."""
    taken = stack[-count:]
    del stack[-count:]
    return taken
