"""What members govern, as one value: policy, members, roles and limits.

Owns what a legal state of them is: after no change may it be that nobody can govern, operate or run
(T43). Pure, so that a client's dry run on the public document is the enclave's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest, PublicKey
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.governance.issuers import Issuers
from strongroom.enclave.governance.records import Node
from strongroom.enclave.governance.recovery_changes import check_threshold
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.thresholds import (
    MAJORITY,
    MEMBERS_MAX,
    SETTABLE,
    Class,
    yes_needed,
)
from strongroom.enclave.proofs.constitution import CONSTITUTION_ENTRIES_MAX, Constitution

LATER = ("thresholds", "watchers", "issuers", "program_regions", "access_regions")
"""What rules have only once it is used."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound that members may change."""

    default: int
    least: int
    most: int


LIMITS: Mapping[str, Limit] = {
    "epoch_blocks": Limit(0, 0, 2**32),
    "grace_ms": Limit(60_000, 0, _DAY_MS),
    "activation_delay_ms": Limit(3_600_000, 0, 30 * _DAY_MS),
    "refresh_interval_ms": Limit(600_000, 1_000, 7 * _DAY_MS),
    "snapshot_blocks": Limit(4_096, 8, 1_000_000),
    "open_admission": Limit(0, 0, 1),
    "users_per_member": Limit(10_000, 0, 2**20),
    "sessions_per_identity": Limit(16_384, 1, 2**18),
    "entries_per_user": Limit(100_000, 0, 2**40),
    "bytes_per_user": Limit(256 * 2**20, 0, 2**50),
    "entries_per_member": Limit(10_000_000, 0, 2**40),
    "bytes_per_member": Limit(16 * 2**30, 0, 2**50),
    "secrets_per_user": Limit(256, 0, 8_192),
    "secrets_per_member": Limit(1_024, 0, 8_192),
    "sessions_per_sponsor": Limit(65_536, 1, 2**18),
    "entries_per_sponsor": Limit(10_000_000, 0, 2**40),
    "bytes_per_sponsor": Limit(16 * 2**30, 0, 2**50),
    "proposal_lifetime_ms": Limit(30 * _DAY_MS, 60_000, 366 * _DAY_MS),
    "grant_approvals": Limit(2, 1, 16),
    "upgrade_grants": Limit(0, 0, 1),
}
"""epoch_blocks: an epoch is due after so many blocks, 0: never. grace_ms: how long calls in
sessions of the epoch before still open. activation_delay_ms: how long a loosening change waits.
refresh_interval_ms: how long a node waits from one refresh to the next. snapshot_blocks: every
height divisible by it begins a snapshot, which the one so many blocks later names. open_admission:
1 lets any identity open sessions, 0 only members, who has a role, and users on the roster.
users_per_member: how many a member may bring onto it. sessions_per_identity: how many one may open
in an epoch, one-shots too. entries_per_…, bytes_per_…: what the transactions of one user, or of one
member, may add to the state. secrets_per_…: how many secrets of the vault one user may have kept,
or one member with all whom it brought; never more than an equal share of what is kept for all.
proposal_lifetime_ms: in which a proposal must be decided; its proposer may name less.
grant_approvals: how many members of other operators must approve privileged access.
upgrade_grants: 1 lets no other code in but under a grant.
…_per_sponsor: what all whom one member brought, or whom one issuer's tokens admit, may do together:
sessions in an epoch, entries and bytes added to the state."""
LIMITS_OF_GOVERNANCE = frozenset(
    {"activation_delay_ms", "proposal_lifetime_ms", "grant_approvals", "upgrade_grants"}
)
"""Those that say how governance itself goes, and who has privileged access: whoever changes one
needs the strictest threshold."""
_LATER = frozenset(
    {
        "proposal_lifetime_ms",
        "grant_approvals",
        "upgrade_grants",
        "sessions_per_sponsor",
        "entries_per_sponsor",
        "bytes_per_sponsor",
    }
)
"""Limits that came after there were services: one stands in the state once members have set it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that members vote on, but for the nodes themselves."""

    policy: Policy
    members: tuple[tuple[str, PublicKey], ...]
    """(name, Ed25519 key), ascending by name."""
    roles: tuple[tuple[str, str, Digest], ...]
    """(program, role, identity), ascending."""
    limits: tuple[tuple[str, int], ...]
    """(name, value), ascending: those of LIMITS and whatever else the constitution names."""
    thresholds: tuple[tuple[str, str], ...] = ()
    """(class, threshold), ascending: of the classes that ask for something else than a majority."""
    watchers: tuple[str, ...] = ()
    """Names of members with weight 0, ascending: they only watch."""
    issuers: Issuers = field(default_factory=Issuers)
    """Whose word on people counts."""
    program_regions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(program, or `service` for all; places from which it may be called), ascending; what is not
    there has no rule."""
    access_regions: tuple[str, ...] = ()
    """Where people must be who begin something under a grant; empty: there is no such rule."""

    @classmethod
    def of(cls, constitution: Constitution) -> "Rules":
        """The rules with which a service begins."""
        first = {name: one.default for name, one in LIMITS.items() if name not in _LATER}
        limits = first | dict(constitution.limits)
        return cls(
            policy=constitution.policy,
            members=constitution.members,
            roles=constitution.roles,
            limits=tuple(sorted(limits.items())),
        )

    def limit(self, name: str) -> int:
        """A limit of LIMITS."""
        return dict(self.limits).get(name, LIMITS[name].default)

    @property
    def voters(self) -> tuple[tuple[str, PublicKey], ...]:
        """(name, key) of members with weight 1: who proposes, votes, counts and brings users."""
        return tuple(one for one in self.members if one[0] not in self.watchers)

    def threshold(self, group: Class) -> str:
        """What a class asks for."""
        return dict(self.thresholds).get(group, MAJORITY)

    def yes_needed(self, groups: Iterable[Class]) -> int:
        """How many voting members must say yes to changes of all these classes: as many as the
        strictest of them asks for."""
        asked = {*groups}
        every = SETTABLE if Class.STRICTEST in asked else asked
        return max(yes_needed(self.threshold(one), len(self.voters)) for one in every)

    def check(self) -> None:
        """Check that somebody can govern, operate and run under these rules.

        Raises:
            ProgramError: ``lock-out``, or ``full`` when a list is too long.
        """
        for what, entries in (
            ("voting member", self.voters),
            ("operator", self.policy.operators),
            ("measurement", self.policy.measurements),
            ("region", self.policy.regions),
            ("chip", self.policy.chips),
        ):
            if not entries:
                refuse(Ground.LOCK_OUT, f"no {what} would be left: allow another one first")
        for group, threshold in self.thresholds:
            if yes_needed(threshold, len(self.voters)) > len(self.voters):
                refuse(
                    Ground.LOCK_OUT,
                    f"class {group} would ask for {threshold} of {len(self.voters)} voting members:"
                    " lower its threshold first",
                )
        check_threshold(self.limits, len(self.voters))
        if len(self.members) > MEMBERS_MAX or len(self.roles) > CONSTITUTION_ENTRIES_MAX:
            refuse(
                Ground.FULL, f"at most {MEMBERS_MAX} members and {CONSTITUTION_ENTRIES_MAX} roles"
            )
        self.issuers.check()

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec: (policy, members, roles, limits), then (name, value) of what stands
        there only once it is used, in the order of LATER."""
        issuers = () if self.issuers == Issuers() else self.issuers.to_wire()
        regions = (self.program_regions, self.access_regions)
        used = (self.thresholds, self.watchers, issuers, *regions)
        first = (self.policy.to_wire(), self.members, self.roles, self.limits)
        return (*first, *(one for one in zip(LATER, used, strict=True) if one[1]))

    @classmethod
    def from_wire(cls, value: object) -> "Rules":
        """Read fields of the codec, from a document that came from an enclave.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        if type(value) is not tuple:
            raise NotCanonical("rules: expected a sequence")
        policy, members, roles, limits = codec.fields(
            value[:4], tuple, tuple, tuple, tuple, name="rules"
        )
        later = _read_later(value[4:])
        thresholds, watchers = later["thresholds"], later["watchers"]
        regions = later["program_regions"]
        shapes: tuple[tuple[Any, tuple[type, ...]], ...] = (
            (regions, (str, tuple)),
            (members, (str, bytes)),
            (roles, (str, str, bytes)),
            (limits, (str, int)),
            (thresholds, (str, str)),
            (tuple((name,) for name in watchers), (str,)),
            (tuple((name,) for name in later["access_regions"]), (str,)),
        )
        for entries, shape in shapes:
            for entry in codec.listed(
                entries, name="rules", count_max=2 * CONSTITUTION_ENTRIES_MAX
            ):
                codec.fields(entry, *shape, name="rules' entry")
        for name in codec.listed(watchers, name="watchers", count_max=MEMBERS_MAX):
            if type(name) is not str:
                raise NotCanonical("rules: a watcher is a member's name")
        issuers = Issuers.from_wire(later["issuers"]) if later["issuers"] else Issuers()
        return cls(
            policy=Policy.from_wire(policy),
            members=members,
            roles=roles,
            limits=limits,
            thresholds=thresholds,
            watchers=watchers,
            issuers=issuers,
            program_regions=regions,
            access_regions=later["access_regions"],
        )


def _read_later(entries: tuple[Any, ...]) -> dict[str, Any]:
    """By name what stands in rules only once it is used; () where it does not."""
    pairs = [codec.fields(entry, str, tuple, name="rules' later part") for entry in entries]
    names = [name for name, _ in pairs]
    if names != [name for name in LATER if name in names] or not all(one for _, one in pairs):
        raise NotCanonical("rules: something that this version does not know")
    return dict.fromkeys(LATER, ()) | dict(pairs)


def misfit(node: Node, policy: Policy) -> str:
    """Which word of the policy a node no longer meets, by what its evidence said; "" when none.

    Firmware and certificates are judged on evidence only: a change of floors or of revoked keys
    makes every node attest again (changes.py).
    """
    if node.measurement not in policy.measurements:
        return "measurement"
    if node.region not in policy.regions:
        return "region"
    if policy.operator_key(node.operator) is None:
        return "operator"
    if (node.operator, node.chip_id) not in policy.chips:
        return "chip"
    return ""
