"""What a change of the rules would do to nodes: who loses keys or place, when, and why (`gov
simulate`).

Owns the words. The rules are the enclave's own: the nodes' roster before the change against the one
after it. Firmware and certificates stand in no public record, only in evidence, so of those it says
when they are judged again.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from strongroom.consensus.types import Milliseconds
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.changes import Effect, change_named
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.node_roster import CHANGES_SHARE, NodeRoster
from strongroom.enclave.governance.records import Changes, Node, Status
from strongroom.enclave.governance.rules import Rules, misfit

NOW, NEXT_EVIDENCE = "at once", "at its next attestation"


@dataclass(frozen=True, slots=True)
class NodeEffect:
    """One node that the change does something to."""

    node: str
    validator: bool
    when: str
    what: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """A document for programs."""
        return {
            "node": self.node,
            "validator": self.validator,
            "when": self.when,
            "what": self.what,
            "why": self.why,
        }


def effects_on_nodes(state: Document, changes: Changes, after: Rules) -> tuple[NodeEffect, ...]:
    """Every node that changes do something to, validators first.

    Args:
        state: of now.
        changes: all of a proposal.
        after: the rules after all of them, as `Document.simulate` gives them.
    """
    before, current = state.member_rules(), EpochDescription.decode(state.description)
    nodes = [one.node() for one in state.nodes if one.status != Status.REMOVED]
    effects = [(change_named(name).effect, dict(given)) for name, given in changes]
    anew = any(effect is Effect.ATTEST_AGAIN for effect, _ in effects)
    removed = {given["node"] for effect, given in effects if effect is Effect.REMOVE_NODE}
    told = _stale(nodes, after, state.active_ms) if anew else nodes
    old, new = _roll(nodes, current, before, state), _roll(told, current, after, state)
    found = [_effect(node, old, new, before, after, anew, removed) for node in nodes]
    return tuple(
        sorted((one for one in found if one), key=lambda one: (not one.validator, one.node))
    )


def epochs_needed(effects: Sequence[NodeEffect], state: Document) -> int:
    """How many epochs pass until all validators that must go are gone: a share of the set changes
    in each."""
    going = sum(one.validator and one.what == _OUT for one in effects)
    members = len(EpochDescription.decode(state.description).validators)
    return -(-going // max(1, members // CHANGES_SHARE))


def _roll(
    nodes: Sequence[Node], current: EpochDescription, rules: Rules, state: Document
) -> NodeRoster:
    return NodeRoster(
        nodes=nodes, current=current, policy=rules.policy, active_ms=Milliseconds(state.active_ms)
    )


def _stale(nodes: Sequence[Node], rules: Rules, active_ms: int) -> list[Node]:
    """As `attest_again` leaves them."""
    stale_ms = Milliseconds(active_ms - rules.policy.max_age_ms - 1)
    return [replace(node, attested_ms=min(node.attested_ms, stale_ms)) for node in nodes]


_OUT = "suspended, then out of the set"
_NO_KEYS = "suspended: it gets no keys, and joins no set"
_AGAIN = "suspended until it attests again"
_ALARM = "an alarm until it attests again: a quorum must stay"
_WHY = {
    "measurement": "its code is not allowed any more",
    "region": "its region is not allowed any more",
    "operator": "its operator is not allowed any more",
    "chip": "its chip is not allowed any more",
}


def _effect(
    node: Node,
    old: NodeRoster,
    new: NodeRoster,
    before: Rules,
    after: Rules,
    anew: bool,
    removed: Set[str],
) -> NodeEffect | None:
    key, validator = node.node_key, old.is_validator(node.node_key)
    out = _OUT if validator else _NO_KEYS

    def told(when: str, what: str, why: str) -> NodeEffect:
        return NodeEffect(node.name, validator, when, what, why)

    if node.name in removed:
        return told(NOW, out, "members remove it")
    misfits = misfit(node, after.policy)
    if misfits and not misfit(node, before.policy):
        return told(NOW, out, _WHY[misfits])
    if before.policy.operator_key(node.operator) != after.policy.operator_key(node.operator):
        return told(NEXT_EVIDENCE, out, "its operator's new key did not sign its deployment")
    again = "all evidence is judged anew" if anew else "its evidence would be too old"
    if key in new.suspended and key not in old.suspended:
        return told(NOW, _AGAIN, again)
    if key in new.alarms and key not in old.alarms:
        return told(NOW, _ALARM, again)
    return None
