"""The registry at one moment: who is suspended, who is wanted in the next epoch.

Owns the rules of suspension and of the wished set, as pure functions of the registry, the current
epoch, the policy and the active clock. Changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from strongroom.consensus.types import Epoch, Milliseconds, PublicKey
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.governance.records import Node, Status
from strongroom.enclave.governance.rules import misfit

CHANGES_SHARE = 3
"""At most one member in so many changes per epoch, and always one may."""


@dataclass(frozen=True, kw_only=True)
class NodeRoster:
    """Who stands where."""

    nodes: Sequence[Node]
    current: EpochDescription
    policy: Policy
    active_ms: Milliseconds
    suspended: frozenset[PublicKey] = field(init=False)
    """They get no keys until they attest again."""
    alarms: tuple[PublicKey, ...] = field(init=False)
    """Members whose evidence is too old, and who are not suspended only because a quorum must
    stay."""

    def __post_init__(self) -> None:
        members = [node for node in self.nodes if self.is_validator(node.node_key)]
        lost = [node for node in members if self._is_lost(node)]
        stale = sorted(
            (
                node
                for node in members
                if self._age(node) > self.policy.max_age_ms and not self._is_lost(node)
            ),
            key=lambda node: (node.attested_ms, node.node_key),
        )
        room = max(0, len(self.current.validators) - self.current.quorum.size - len(lost))
        others = (node for node in self.nodes if not self.is_validator(node.node_key))
        suspended = {node.node_key for node in (*lost, *stale[:room])}
        suspended |= {node.node_key for node in others if self._age(node) > self.policy.max_age_ms}
        suspended |= {node.node_key for node in self.nodes if misfit(node, self.policy)}
        object.__setattr__(self, "suspended", frozenset(suspended))
        object.__setattr__(self, "alarms", tuple(node.node_key for node in stale[room:]))

    def is_validator(self, node_key: PublicKey) -> bool:
        """Is it a member of the current epoch?"""
        return self.current.index_of(node_key) is not None

    def wanted(self, wrap_key: Callable[[PublicKey, Epoch], bytes | None]) -> tuple[PublicKey, ...]:
        """The members that the next epoch should have, ascending by node key; never nobody.

        Those who must go go first; what is left of the share of changes takes in those who are
        synced and have announced a wrap key for the next epoch, in order of admission.
        """
        members = [validator.node_key for validator in self.current.validators]
        share = max(1, len(members) // CHANGES_SHARE)
        known = {node.node_key: node for node in self.nodes}
        ranks = {key: self._rank(known.get(key)) for key in members}
        going = sorted(
            (key for key in members if ranks[key] is not None), key=lambda key: (ranks[key], key)
        )
        following = Epoch(self.current.epoch + 1)
        coming = [
            node.node_key
            for node in sorted(self.nodes, key=lambda node: (node.admitted_height, node.node_key))
            if node.status is Status.SYNCED
            and not node.offence
            and node.node_key not in self.suspended
            and wrap_key(node.node_key, following) is not None
        ]
        gone = going[: min(share, len(members) - 1)]
        staying = [key for key in members if key not in gone]
        room = min(share - len(gone), VALIDATORS_MAX - len(staying))
        return tuple(sorted((*staying, *coming[:room])))

    def is_due_to_attest(self, node: Node) -> bool:
        """Is half of its evidence's time over?"""
        return 2 * self._age(node) > self.policy.max_age_ms

    def _rank(self, node: Node | None) -> int | None:
        """In which order members go; None: it stays."""
        if node is None or self._is_lost(node):
            return 0
        if node.status is Status.LEAVING:
            return 1
        expired = self._age(node) > 2 * self.policy.max_age_ms
        return 2 if expired and node.node_key in self.suspended else None

    def _is_lost(self, node: Node) -> bool:
        return (
            node.status is Status.REMOVED or bool(node.offence) or bool(misfit(node, self.policy))
        )

    def _age(self, node: Node) -> int:
        return self.active_ms - node.attested_ms
