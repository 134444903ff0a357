"""What differs between two states of the rules, thing by thing: for `gov simulate`.

Owns the names of things. Both states are values of the enclave's own Rules; nothing is judged here,
and nothing is left out: a field that has no words here is told as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import SETTABLE, yes_needed


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; None where there is nothing."""

    thing: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        """A document for programs."""
        return {"thing": self.thing, "before": self.before, "after": self.after}


def rule_differences(before: Rules, after: Rules) -> tuple[Difference, ...]:
    """Every thing that differs: who votes, who watches, what each class asks for, whose nodes may
    run what and where, who has which role, limits."""
    old, new = _things(before), _things(after)
    return tuple(
        Difference(thing, old.get(thing), new.get(thing))
        for thing in sorted({*old, *new}, key=_place)
        if old.get(thing) != new.get(thing)
    )


_ORDER = (
    *("voters", "watchers", "member", "threshold", "operator", "chip", "measurement", "region"),
    *("country", "calls", "privileged", "floors", "revoked", "max_age_ms", "role", "limit"),
)
_IN_WORDS = frozenset(
    {"policy", "members", "roles", "limits", "thresholds", "watchers", "program_regions"}
    | {"access_regions"}
)
_POLICY_IN_WORDS = frozenset(
    {"measurements", "regions", "countries", "max_age_ms", "operators", "chips", "floors"}
    | {"revoked"}
)


def _place(thing: str) -> int:
    word = thing.split(" ")[0]
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)


def _as_it_is(value: Any, in_words: frozenset[str]) -> dict[str, Any]:
    """The other fields of a dataclass, by name."""
    others = (one.name for one in fields(value) if one.name not in in_words)
    return {name: _plain(getattr(value, name)) for name in others}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def _things(rules: Rules) -> Mapping[str, Any]:
    policy, voters = rules.policy, len(rules.voters)
    asked = {one: rules.threshold(one) for one in SETTABLE}
    return {
        "voters": [name for name, _ in rules.voters],
        "watchers": list(rules.watchers),
        **{f"member {name}": key.hex() for name, key in rules.members},
        **{
            f"threshold {one}": f"{text}: {yes_needed(text, voters)} of {voters}"
            for one, text in asked.items()
        },
        **{f"operator {name}": key.hex() for name, key in policy.operators},
        **{f"chip {operator}/{chip.hex()}": "allowed" for operator, chip in policy.chips},
        **{f"measurement {one.hex()}": "allowed" for one in policy.measurements},
        **{f"region {one}": "allowed" for one in policy.regions},
        **{f"country of {region}": country for region, country in policy.countries},
        **{f"calls of {name} from": list(places) for name, places in rules.program_regions},
        "privileged access from": list(rules.access_regions),
        **{
            f"floors {one.product.value}": f"committed {one.committed}, launch {one.launch}, "
            f"reported {one.reported}"
            for one in policy.floors
        },
        **{f"revoked {key.hex()}": "revoked" for key in policy.revoked},
        "max_age_ms": policy.max_age_ms,
        **{
            f"role {program}/{role} of {identity.hex()}": "granted"
            for program, role, identity in rules.roles
        },
        **{f"limit {name}": value for name, value in rules.limits},
        **_as_it_is(policy, _POLICY_IN_WORDS),
        **_as_it_is(rules, _IN_WORDS),
    }
