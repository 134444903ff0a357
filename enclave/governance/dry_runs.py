"""Trying changes on rules: what would stand afterwards, or why there must be no such change (T43).

Pure, on rules and the registry alone: the vote, the activation and a client's simulation are the
same functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.change_rows import Effect
from strongroom.enclave.governance.changes import CHANGES, change_named
from strongroom.enclave.governance.records import Arguments, Changes, Node, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.rules import Rules, misfit
from strongroom.enclave.programs.framework import ProgramError


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
    only_rules = change.effect in (Effect.NONE, Effect.ATTEST_AGAIN) and change.carry_out is None
    if after == rules and only_rules:
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


@dataclass(frozen=True, slots=True)
class Trial:
    """One change of a proposal, tried on what the former ones left."""

    change: str
    arguments: Arguments
    before: Rules
    after: Rules
    waits: bool
    """Does it loosen?"""


def try_each(
    rules: Rules, changes: Changes, nodes: Sequence[Node], current: EpochDescription
) -> Iterator[Trial]:
    """Try the changes of a proposal in order, each on the rules and nodes that the former left.

    Raises:
        ProgramError: as `dry_run`; of several changes, the message names the one.
    """
    for number, (name, given) in enumerate(changes, start=1):
        try:
            after = dry_run(rules, name, given, nodes, current)
        except ProgramError as refused:
            raise named(refused, number, changes) from None
        change = change_named(name)
        yield Trial(name, given, rules, after, change.waits(rules, given))
        rules = after
        if change.effect is Effect.REMOVE_NODE:
            gone = dict(given)["node"]
            nodes = [
                replace(one, status=Status.REMOVED) if one.name == gone else one for one in nodes
            ]


def named(refused: ProgramError, number: int, changes: Changes) -> ProgramError:
    """The refusal of a change, which says which of several it was; numbers are from 1."""
    if len(changes) == 1:
        return refused
    name = changes[number - 1][0]
    place = f"change {number} of {len(changes)}" + (f", {name}" if name in CHANGES else "")
    return ProgramError(refused.code, f"{place}: {refused.message}")
