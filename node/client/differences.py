"""What differs between two states of the rules, thing by thing: for `gov simulate`.

Owns the names of things. Both states are values of the enclave's own Rules; nothing is judged here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
        for thing in sorted({*old, *new}, key=lambda thing: _ORDER.index(thing.split(" ")[0]))
        if old.get(thing) != new.get(thing)
    )


_ORDER = (
    *("voters", "watchers", "member", "threshold", "operator", "chip", "measurement", "region"),
    *("country", "floors", "revoked", "max_age_ms", "role", "limit"),
)


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
    }
