"""The changes that members may vote on: one table, one small pure function each.

A change turns rules into rules; what it does to nodes beside that is its `effect`. Loosening
changes wait, tightening ones take effect at once (T24, T44). The same functions serve the vote, the
activation and a client's dry run (dry_runs.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from strongroom.enclave.attestation.policy import Floors, Policy
from strongroom.enclave.attestation.report import Product, Tcb
from strongroom.enclave.governance import (
    access_changes,
    people_changes,
    region_changes,
    users_changes,
)
from strongroom.enclave.governance import arguments as kinds
from strongroom.enclave.governance.change_rows import Change as Change
from strongroom.enclave.governance.change_rows import Effect as Effect
from strongroom.enclave.governance.records import Arguments
from strongroom.enclave.governance.recovery_changes import limits_with
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.rules import LIMITS, LIMITS_OF_GOVERNANCE, Rules
from strongroom.enclave.governance.thresholds import MAJORITY, Class, is_as_strict


def change_named(name: str) -> Change:
    """A row of the table.

    Raises:
        ProgramError: ``unknown-change``.
    """
    change = CHANGES.get(name)
    if change is None:
        refuse(Ground.UNKNOWN_CHANGE, f"no such change; there are {', '.join(CHANGES)}")
    return change


def parse_change(name: str, texts: Mapping[str, str]) -> Arguments:
    """Arguments of a change from key=value texts of the command line.

    Raises:
        ProgramError: ``unknown-change`` or ``arguments``.
    """
    takes = change_named(name).takes
    if set(texts) != set(takes):
        refuse(Ground.ARGUMENTS, f"{name} takes {', '.join(takes) or 'no arguments'}")
    return tuple((key, kind.from_text(key, texts[key])) for key, kind in takes.items())


def _policy(rules: Rules, **changed: Any) -> Rules:
    policy = rules.policy
    fields = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    return replace(rules, policy=Policy.of(**(fields | changed)))


def _listed(field: str, *names: str) -> Callable[[Rules, Mapping[str, Any]], Rules]:
    """Puts an entry into a list of the policy."""

    def apply(rules: Rules, values: Mapping[str, Any]) -> Rules:
        return _policy(rules, **{field: (*getattr(rules.policy, field), _entry(values, names))})

    return apply


def _unlisted(field: str, *names: str) -> Callable[[Rules, Mapping[str, Any]], Rules]:
    """Takes an entry out of a list of the policy."""

    def apply(rules: Rules, values: Mapping[str, Any]) -> Rules:
        entry = _entry(values, names)
        return _policy(
            rules, **{field: tuple(one for one in getattr(rules.policy, field) if one != entry)}
        )

    return apply


def _entry(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    return values[names[0]] if len(names) == 1 else tuple(values[name] for name in names)


def _allow_chip(rules: Rules, values: Mapping[str, Any]) -> Rules:
    if rules.policy.operator_key(values["operator"]) is None:
        refuse(Ground.ARGUMENTS, "the policy knows no such operator: allow_operator first")
    return _listed("chips", "operator", "chip")(rules, values)


def _allow_operator(rules: Rules, values: Mapping[str, Any]) -> Rules:
    operators = dict(rules.policy.operators) | {values["operator"]: values["key"]}
    return _policy(rules, operators=operators.items())


def _forbid_operator(rules: Rules, values: Mapping[str, Any]) -> Rules:
    name, policy = values["operator"], rules.policy
    return _policy(
        rules,
        operators=[entry for entry in policy.operators if entry[0] != name],
        chips=[entry for entry in policy.chips if entry[0] != name],
    )


def _set_country(rules: Rules, values: Mapping[str, Any]) -> Rules:
    countries = dict(rules.policy.countries) | {values["region"]: values["country"]}
    return _policy(rules, countries=countries.items())


def _remove_country(rules: Rules, values: Mapping[str, Any]) -> Rules:
    kept = (one for one in rules.policy.countries if one[0] != values["region"])
    return _policy(rules, countries=kept)


def _set_floors(rules: Rules, values: Mapping[str, Any]) -> Rules:
    product = Product(values["product"])
    floors = Floors(
        product=product,
        **{part: Tcb.from_wire(values[part]) for part in ("committed", "launch", "reported")},
    )
    return _policy(
        rules, floors=[*(one for one in rules.policy.floors if one.product is not product), floors]
    )


def _add_member(rules: Rules, values: Mapping[str, Any]) -> Rules:
    if any(values["name"] == name or values["key"] == key for name, key in rules.members):
        refuse(Ground.TAKEN, "a member has this name or key")
    return replace(rules, members=tuple(sorted((*rules.members, (values["name"], values["key"])))))


def _remove_member(rules: Rules, values: Mapping[str, Any]) -> Rules:
    name = values["name"]
    return replace(
        rules,
        members=tuple(member for member in rules.members if member[0] != name),
        watchers=tuple(one for one in rules.watchers if one != name),
    )


def _grant(rules: Rules, values: Mapping[str, Any]) -> Rules:
    role = (values["program"], values["role"], values["identity"])
    return replace(rules, roles=tuple(sorted({*rules.roles, role})))


def _revoke(rules: Rules, values: Mapping[str, Any]) -> Rules:
    role = (values["program"], values["role"], values["identity"])
    return replace(rules, roles=tuple(one for one in rules.roles if one != role))


def _set_limit(rules: Rules, values: Mapping[str, Any]) -> Rules:
    name, value = values["name"], values["value"]
    limit = LIMITS[name]
    if not limit.least <= value <= limit.most:
        refuse(Ground.ARGUMENTS, f"{name}: expected {limit.least}..{limit.most}")
    return replace(rules, limits=tuple(sorted((dict(rules.limits) | {name: value}).items())))


def _set_weight(rules: Rules, values: Mapping[str, Any]) -> Rules:
    name = values["name"]
    if all(name != member for member, _ in rules.members):
        refuse(Ground.ARGUMENTS, "name: there is no such member: add_member first")
    watchers = {*rules.watchers} - {name} if values["weight"] else {*rules.watchers, name}
    return replace(rules, watchers=tuple(sorted(watchers)))


def _set_threshold(rules: Rules, values: Mapping[str, Any]) -> Rules:
    thresholds = dict(rules.thresholds) | {values["class"]: values["threshold"]}
    kept = (one for one in thresholds.items() if one[1] != MAJORITY)
    return replace(rules, thresholds=tuple(sorted(kept)))


def _asks_for_fewer(rules: Rules, values: Mapping[str, Any]) -> bool:
    former = rules.threshold(Class(values["class"]))
    return not is_as_strict(values["threshold"], former, len(rules.voters))


def _of_limit(values: Mapping[str, Any]) -> Class:
    return Class.STRICTEST if values["name"] in LIMITS_OF_GOVERNANCE else Class.LIMITS


_ROLE = {"program": kinds.NAME, "role": kinds.NAME, "identity": kinds.IDENTITY}
_CHIP = {"operator": kinds.NAME, "chip": kinds.CHIP}
_FLOORS = {
    "product": kinds.PRODUCT,
    "committed": kinds.TCB,
    "launch": kinds.TCB,
    "reported": kinds.TCB,
}

_CODE: dict[str, Change] = {
    "allow_measurement": Change(
        takes={"measurement": kinds.MEASUREMENT},
        apply=_listed("measurements", "measurement"),
        loosens=True,
        group=Class.CODE,
    ),
    "forbid_measurement": Change(
        takes={"measurement": kinds.MEASUREMENT},
        apply=_unlisted("measurements", "measurement"),
        group=Class.CODE,
    ),
    "set_floors": Change(
        takes=_FLOORS,
        apply=_set_floors,
        loosens=True,
        effect=Effect.ATTEST_AGAIN,
        group=Class.CODE,
    ),
    "revoke_key": Change(
        takes={"key": kinds.IDENTITY},
        apply=_listed("revoked", "key"),
        effect=Effect.ATTEST_AGAIN,
        group=Class.CODE,
    ),
    "set_max_age": Change(
        takes={"max_age_ms": kinds.AGE},
        apply=lambda rules, values: _policy(rules, max_age_ms=values["max_age_ms"]),
        loosens=True,
        group=Class.CODE,
    ),
}
_NODES: dict[str, Change] = {
    "allow_chip": Change(takes=_CHIP, apply=_allow_chip, loosens=True, group=Class.NODES),
    "forbid_chip": Change(
        takes=_CHIP, apply=_unlisted("chips", "operator", "chip"), group=Class.NODES
    ),
    "allow_operator": Change(
        takes={"operator": kinds.NAME, "key": kinds.KEY},
        apply=_allow_operator,
        loosens=True,
        group=Class.NODES,
    ),
    "forbid_operator": Change(
        takes={"operator": kinds.NAME}, apply=_forbid_operator, group=Class.NODES
    ),
    "allow_region": Change(
        takes={"region": kinds.NAME},
        apply=_listed("regions", "region"),
        loosens=True,
        group=Class.NODES,
    ),
    "forbid_region": Change(
        takes={"region": kinds.NAME}, apply=_unlisted("regions", "region"), group=Class.NODES
    ),
    "set_country": Change(
        takes={"region": kinds.NAME, "country": kinds.COUNTRY},
        apply=_set_country,
        loosens=True,
        group=Class.NODES,
    ),
    "remove_country": Change(
        takes={"region": kinds.NAME}, apply=_remove_country, group=Class.NODES
    ),
    "remove_node": Change(takes={"node": kinds.NAME}, effect=Effect.REMOVE_NODE, group=Class.NODES),
    "rotate": Change(takes={"compromised": kinds.BOOL}, effect=Effect.ROTATE, group=Class.NODES),
}
_PEOPLE: dict[str, Change] = {
    "add_member": Change(
        takes={"name": kinds.NAME, "key": kinds.KEY},
        apply=_add_member,
        loosens=True,
        group=Class.MEMBERS,
    ),
    "remove_member": Change(takes={"name": kinds.NAME}, apply=_remove_member, group=Class.MEMBERS),
    "set_weight": Change(
        takes={"name": kinds.NAME, "weight": kinds.WEIGHT},
        apply=_set_weight,
        loosens=lambda _, values: bool(values["weight"]),
        group=Class.MEMBERS,
    ),
    "grant": Change(takes=_ROLE, apply=_grant, loosens=True, group=Class.USERS),
    "revoke": Change(takes=_ROLE, apply=_revoke, group=Class.USERS),
    "add_users": Change(
        takes={"users": kinds.IDENTITIES},
        loosens=True,
        effect=Effect.ADD_USERS,
        group=Class.USERS,
    ),
    "remove_users": Change(
        takes={"users": kinds.IDENTITIES}, effect=Effect.REMOVE_USERS, group=Class.USERS
    ),
}
_GOVERNANCE: dict[str, Change] = {
    "set_limit": Change(
        takes={"name": kinds.LIMIT, "value": kinds.VALUE},
        apply=_set_limit,
        loosens=True,
        group=_of_limit,
    ),
    "set_threshold": Change(
        takes={"class": kinds.CLASS, "threshold": kinds.THRESHOLD},
        apply=_set_threshold,
        loosens=_asks_for_fewer,
        group=Class.STRICTEST,
    ),
}
CHANGES: Mapping[str, Change] = {
    **_CODE,
    **_NODES,
    **_PEOPLE,
    **_GOVERNANCE,
    "set_recovery_threshold": Change(
        takes={"threshold": kinds.SHARES},
        apply=lambda rules, values: replace(rules, limits=limits_with(rules, values)),
        loosens=True,
        group=Class.STRICTEST,
    ),
    **people_changes.ROWS,
    **users_changes.ROWS,
    **region_changes.ROWS,
    **access_changes.ROWS,
}
"""By name. Those that loosen take effect `activation_delay_ms` after they were accepted. Modules
that bring rows of their own stand here in a line each."""
