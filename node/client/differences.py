"""What differs between two states of the rules, thing by thing: for `gov simulate`.

Owns the names of things. Both states are values of the enclave's own Rules; nothing is judged here,
and nothing is left out: a field that has no words here is told as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from strongroom.enclave.governance.issuers import Issuers
from strongroom.enclave.governance.region_changes import mapped_regions, met
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import SETTABLE, yes_needed
from strongroom.enclave.programs.people.issuers import Issuer
from strongroom.enclave.tokens.jose import encode_base64url


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
        for thing in sorted({*old, *new}, key=lambda thing: (_place(thing), thing))
        if old.get(thing) != new.get(thing)
    )


_ORDER = (
    *("voters", "watchers", "member", "threshold", "operator", "chip", "measurement", "region"),
    *("country", "calls", "privileged", "issuer", "key", "floors", "revoked", "max_age_ms"),
    *("role", "limit"),
)
_IN_WORDS = frozenset(
    {"policy", "members", "roles", "limits", "thresholds", "watchers", "program_regions", "issuers"}
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


def _let_in(rules: Rules) -> dict[str, Any]:
    """Regions in which a caller is let in, by all rules together and the table of countries: what
    narrows and what widens, also where another change than that of the rule does it."""
    ruled = [name for name, _ in rules.program_regions]
    places = {name: met(rules, name) & mapped_regions(rules) for name in ruled}
    return {f"calls of {name} let in": sorted(found) for name, found in places.items()}


def _issuers(issuers: Issuers) -> dict[str, Any]:
    told = {f"issuer {one.url}": _issuer(one) for one in issuers.entries}
    for key in issuers.keys:
        by = "operators" if key.observed else "vote"
        text = f"{key.algorithm} {encode_base64url(key.thumbprint)}, pin {key.serial}, by {by}"
        told[f"key {key.kid} of {key.issuer}"] = text
    for url, print_ in issuers.unpinned:
        told[f"key {encode_base64url(print_)} of {url}"] = "removed: comes back by a vote alone"
    return told


def _issuer(one: Issuer) -> str:
    values = ", ".join(f"{value} is {region}" for value, region in one.regions)
    guests, rule = "guests are not asked about", one.guests
    if rule is not None:
        where = f"are in {rule.region}" if rule.region else "are refused"
        guests = f"guests ({rule.claim} {rule.guest!r}, not {rule.member!r}) {where}"
    keys = "operators and votes" if one.observed else "votes alone"
    return (
        f"for {one.audience}; {one.claim}: {values}; {guests}; at most {one.life_ms // 1000} s; "
        f"keys by {keys}"
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
        **{f"calls of {name} from": list(places) for name, places in rules.program_regions},
        "privileged access from": list(rules.access_regions),
        **_let_in(rules),
        **_issuers(rules.issuers),
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
