"""The changes that members may vote on: one table, one small pure function each.

A change turns rules into rules; what it does to nodes beside that is its `effect`. Loosening
changes wait, tightening ones take effect at once (T24, T44). The same functions serve the vote, the
activation and a client's dry run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.policy import Floors, Policy
from strongroom.enclave.attestation.report import Product, Tcb
from strongroom.enclave.governance import arguments as kinds
from strongroom.enclave.governance import people_changes
from strongroom.enclave.governance.arguments import Kind
from strongroom.enclave.governance.records import Arguments, Node, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.region_changes import PLACES, PROGRAM, set_regions, widens
from strongroom.enclave.governance.rules import LIMITS, Rules, misfit


class Effect(Enum):
    """What a change does to nodes or users, beside the rules."""

    NONE = auto()
    ATTEST_AGAIN = auto()
    """Every node is suspended until it attests again: its old evidence was judged by other
    rules."""
    REMOVE_NODE = auto()
    ROTATE = auto()
    ADD_USERS = auto()
    REMOVE_USERS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the table."""

    takes: Mapping[str, Kind]
    """Arguments, in the order in which a proposal names them."""
    apply: Callable[[Rules, Mapping[str, Any]], Rules]
    loosens: bool = False
    widens: Callable[[Rules, Mapping[str, Any]], bool] | None = None
    """Does it loosen these rules? Where that hangs on what stood before; else `loosens` says."""
    effect: Effect = Effect.NONE

    def waits(self, rules: Rules, given: Arguments) -> bool:
        """Does it loosen these rules, and must wait?"""
        return self.loosens if self.widens is None else self.widens(rules, self.bind(given))

    def bind(self, given: Arguments) -> dict[str, Any]:
        """Arguments by name.

        Raises:
            ProgramError: ``arguments``: others than the row takes, in another order, or of another
                kind.
        """
        for pair in given:
            if type(pair) is not tuple or len(pair) != 2:
                refuse(Ground.ARGUMENTS, "arguments are pairs of name and value")
        if [name for name, _ in given] != list(self.takes):
            refuse(
                Ground.ARGUMENTS,
                f"expected the arguments {', '.join(self.takes) or '(none)'}, in this order",
            )
        return {name: self.takes[name].check(name, value) for name, value in given}


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


def dry_run(
    rules: Rules, name: str, given: Arguments, nodes: Sequence[Node], current: EpochDescription
) -> Rules:
    """The rules after a change, or why there must be no such change.

    Args:
        rules: before.
        name: of the change.
        given: its arguments.
        nodes: the registry.
        current: the current epoch.

    Raises:
        ProgramError: an argument is wrong, nothing would change, a list would be too long, or
            nobody could govern, operate or validate afterwards (``lock-out``, T43).
    """
    change = change_named(name)
    values = change.bind(given)
    try:
        after = change.apply(rules, values)
    except NotCanonical:
        refuse(Ground.FULL, "the list is full: forbid or remove something first")
    if after == rules and change.effect in (Effect.NONE, Effect.ATTEST_AGAIN):
        refuse(Ground.NO_CHANGE, f"{name}: it is so already")
    after.check()
    standing = [node for node in nodes if node.status is not Status.REMOVED]
    validators = [node for node in standing if current.index_of(node.node_key) is not None]
    if change.effect is Effect.REMOVE_NODE:
        _check_removable(values["node"], standing, validators)
    lost = [
        node.name
        for node in validators
        if misfit(node, after.policy) and not misfit(node, rules.policy)
    ]
    if lost and sum(not misfit(node, after.policy) for node in validators) < current.quorum.size:
        refuse(
            Ground.LOCK_OUT, f"too few validators would meet the policy, without {', '.join(lost)}"
        )
    return after


def _check_removable(name: str, standing: Sequence[Node], validators: Sequence[Node]) -> None:
    if all(node.name != name for node in standing):
        refuse(Ground.ARGUMENTS, f"node: there is no node {name}, or it was removed")
    if all(node.name == name for node in validators):
        refuse(Ground.LOCK_OUT, "no validator would be left: let another node join first")


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
    return replace(
        rules, members=tuple(member for member in rules.members if member[0] != values["name"])
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


def _same(rules: Rules, _values: Mapping[str, Any]) -> Rules:
    return rules


_ROLE = {"program": kinds.NAME, "role": kinds.NAME, "identity": kinds.IDENTITY}
_CHIP = {"operator": kinds.NAME, "chip": kinds.CHIP}
_FLOORS = {
    "product": kinds.PRODUCT,
    "committed": kinds.TCB,
    "launch": kinds.TCB,
    "reported": kinds.TCB,
}

CHANGES: Mapping[str, Change] = {
    "allow_measurement": Change(
        takes={"measurement": kinds.MEASUREMENT},
        apply=_listed("measurements", "measurement"),
        loosens=True,
    ),
    "forbid_measurement": Change(
        takes={"measurement": kinds.MEASUREMENT}, apply=_unlisted("measurements", "measurement")
    ),
    "allow_chip": Change(takes=_CHIP, apply=_allow_chip, loosens=True),
    "forbid_chip": Change(takes=_CHIP, apply=_unlisted("chips", "operator", "chip")),
    "allow_operator": Change(
        takes={"operator": kinds.NAME, "key": kinds.KEY}, apply=_allow_operator, loosens=True
    ),
    "forbid_operator": Change(takes={"operator": kinds.NAME}, apply=_forbid_operator),
    "allow_region": Change(
        takes={"region": kinds.NAME}, apply=_listed("regions", "region"), loosens=True
    ),
    "forbid_region": Change(takes={"region": kinds.NAME}, apply=_unlisted("regions", "region")),
    "set_country": Change(
        takes={"region": kinds.NAME, "country": kinds.COUNTRY}, apply=_set_country, loosens=True
    ),
    "remove_country": Change(takes={"region": kinds.NAME}, apply=_remove_country),
    "set_floors": Change(
        takes=_FLOORS, apply=_set_floors, loosens=True, effect=Effect.ATTEST_AGAIN
    ),
    "revoke_key": Change(
        takes={"key": kinds.IDENTITY}, apply=_listed("revoked", "key"), effect=Effect.ATTEST_AGAIN
    ),
    "set_max_age": Change(
        takes={"max_age_ms": kinds.AGE},
        apply=lambda rules, values: _policy(rules, max_age_ms=values["max_age_ms"]),
        loosens=True,
    ),
    "add_member": Change(
        takes={"name": kinds.NAME, "key": kinds.KEY}, apply=_add_member, loosens=True
    ),
    "remove_member": Change(takes={"name": kinds.NAME}, apply=_remove_member),
    "grant": Change(takes=_ROLE, apply=_grant, loosens=True),
    "revoke": Change(takes=_ROLE, apply=_revoke),
    "remove_node": Change(takes={"node": kinds.NAME}, apply=_same, effect=Effect.REMOVE_NODE),
    "rotate": Change(takes={"compromised": kinds.BOOL}, apply=_same, effect=Effect.ROTATE),
    "add_users": Change(
        takes={"users": kinds.IDENTITIES}, apply=_same, loosens=True, effect=Effect.ADD_USERS
    ),
    "remove_users": Change(
        takes={"users": kinds.IDENTITIES}, apply=_same, effect=Effect.REMOVE_USERS
    ),
    "set_program_regions": Change(
        takes={"program": PROGRAM, "regions": PLACES}, apply=set_regions, widens=widens
    ),
    "set_limit": Change(
        takes={"name": kinds.LIMIT, "value": kinds.VALUE}, apply=_set_limit, loosens=True
    ),
    **{name: Change(**row._asdict()) for name, row in people_changes.ROWS.items()},
}
"""By name. Those that loosen take effect `activation_delay_ms` after they were accepted."""
