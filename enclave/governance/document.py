"""The public document of governance: for hosts, explorers and clients, in canonical values only.

Named tuples, so that a reader of the wire says `Document.read(codec.decode(data)).nodes[0].name`.
Keys, digests and measurements are bytes; None stands where there is nothing.
"""

from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.counting import expires_ms, tally
from strongroom.enclave.governance.dry_runs import Trial, try_each
from strongroom.enclave.governance.grant_document import AccessEntry, build_access
from strongroom.enclave.governance.proposals import ballots_of
from strongroom.enclave.governance.records import Changes, Node, Proposal, Status
from strongroom.enclave.governance.recovery_document import RecoveryEntry, recovery_entry
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.users import admitting, voted
from strongroom.enclave.programs.governance import EPOCHS, OBSERVATIONS, OFFENCES


class NodeEntry(NamedTuple):
    """One node: the fields of records.Node in their order, then three verdicts."""

    node_key: bytes
    name: str
    operator: str
    region: str
    measurement: bytes
    chip_id: bytes
    tls_key: bytes
    vote_key: bytes
    boot: int
    rpc: str
    peer: str
    status: str
    admitted_height: int
    attested_height: int
    attested_ms: int
    evidence_digest: bytes
    offence: str
    removed_height: int
    simulated: bool
    suspended: bool
    """It gets no keys until it attests again."""
    alarm: bool
    """Its evidence is too old, and it is not suspended only because a quorum must stay."""
    age_ms: int
    """Of its evidence, on the active clock."""

    def node(self) -> Node:
        """The node as the rules know it."""
        fields: dict[str, Any] = dict(zip(Node.__dataclass_fields__, self, strict=False))
        return Node(**(fields | {"status": Status(self.status)}))


class ProposalEntry(NamedTuple):
    """One proposal."""

    id: str
    digest: bytes
    """What a ballot names."""
    proposer: str
    """Name of the member, or the key in hex when it is none any more."""
    changes: Changes
    """In order; all take effect, or none."""
    status: str
    proposed_ms: int
    decided_ms: int
    activates_ms: int
    note: str
    ballots: tuple[tuple[str, bool], ...]
    """(name of the member or key in hex, yes), by key."""
    expires_ms: int
    """From which block time on it is expired, if it is open still."""
    yes: int
    """Ballots of members who vote now; when it is decided for good, all of them."""
    no: int
    needed: int
    """How many yes the thresholds of now ask for; 0 when it is decided for good."""

    @property
    def change(self) -> str:
        """Names of its changes."""
        return ", ".join(name for name, _ in self.changes)


class EpochEntry(NamedTuple):
    """One epoch, of the newest 256."""

    epoch: int
    description_digest: bytes
    public_key_digest: bytes
    members: int
    anchor_height: int
    anchor_ms: int
    reason: str
    """founded, set, blocks, rotate or refresh."""


class DueEntry(NamedTuple):
    """The next epoch, which is due."""

    epoch: int
    members: tuple[bytes, ...]
    digest: bytes
    since_ms: int
    reason: str
    compromised: bool
    won: bytes | None
    """The offer that won; from then on nothing of it changes."""
    wished: bytes | None
    """Digest of the description with which a leader may end the epoch."""


class OfferEntry(NamedTuple):
    """One open offer."""

    digest: bytes
    offerer: bytes
    public_key: bytes
    wrapped: tuple[bytes, ...]
    """Node keys of those to whom it wraps the secret."""
    readies: tuple[bytes, ...]
    """Node keys of those who are ready."""


class OffenceEntry(NamedTuple):
    """One offence that was proven."""

    node_key: bytes
    epoch: int
    what: str
    height: int
    """Of the block that recorded it."""


class ObservationEntry(NamedTuple):
    """What one operator saw at an issuer last."""

    issuer: str
    operator: str
    seen_ms: int
    """Block time."""
    node_key: bytes
    keys: tuple[bytes, ...]
    """Digests of the keys (issuers.PinnedKey.digest)."""


class Document(NamedTuple):
    """Everything public, at one height."""

    time_ms: int
    """Block time of the newest executed block."""
    active_ms: int
    """The active clock there."""
    epoch: int
    description: bytes
    """EpochDescription of the current epoch, encoded."""
    public_key: bytes
    """Its hybrid public key, 1216 bytes."""
    grace_until_ms: int
    """0: there is no grace."""
    deadline_ms: int
    """When a block is worth making for governance's sake; 0: never."""
    rules: tuple[Any, ...]
    """(policy, members, roles, limits, …); read it by rules.Rules.from_wire."""
    nodes: tuple[NodeEntry, ...]
    """By node key."""
    proposals: tuple[ProposalEntry, ...]
    """Newest first: all undecided ones, and the newest decided."""
    epochs: tuple[EpochEntry, ...]
    """Ascending."""
    due: DueEntry | None
    offers: tuple[OfferEntry, ...]
    """In order of execution."""
    offences: tuple[OffenceEntry, ...]
    recovery: RecoveryEntry
    """Who could bring a dead service back."""
    access: AccessEntry
    """Privileged access: grants, events, for whom keys act."""
    observations: tuple[ObservationEntry, ...] = ()
    """Ascending by issuer and operator."""
    admitting: tuple[str, ...] = ()
    """Issuers whose tokens admit, in order."""
    voted_users: int = 0
    """Users whom members voted for. How many members brought is nobody's to know."""

    @classmethod
    def read(cls, value: tuple[Any, ...]) -> "Document":
        """Name the fields of a decoded document that came from an enclave.

        Raises:
            NotCanonical: another number of fields, or others' types.
        """
        shape = (*(int,) * 3, *(bytes,) * 2, *(int,) * 2, *(tuple,) * 4)
        if type(value) is not tuple or len(value) != len(cls._fields):
            raise NotCanonical(f"governance document: expected {len(cls._fields)} fields")
        codec.fields(value[: len(shape)], *shape, name="governance document")
        nodes, proposals, epochs, due, offers, offences, recovery, access, *later = value[8:]
        observations, admitting, voted_users = later
        read = (
            tuple(NodeEntry(*one) for one in nodes),
            tuple(ProposalEntry(*one) for one in proposals),
            tuple(EpochEntry(*one) for one in epochs),
            None if due is None else DueEntry(*due),
            tuple(OfferEntry(*one) for one in offers),
            tuple(OffenceEntry(*one) for one in offences),
            RecoveryEntry.read(recovery),
            AccessEntry.read(access),
            tuple(ObservationEntry(*one) for one in observations),
            admitting,
            voted_users,
        )
        return cls._make((*value[:8], *read))

    def member_rules(self) -> Rules:
        """What members govern."""
        return Rules.from_wire(self.rules)

    def simulate(self, changes: Changes) -> tuple[Trial, ...]:
        """Each of these changes on what the former ones left, by the enclave's own dry run.

        Raises:
            ProgramError: why they must not be; of several, the message names the change.
        """
        nodes = [one.node() for one in self.nodes]
        current = EpochDescription.decode(self.description)
        return tuple(try_each(self.member_rules(), changes, nodes, current))


def build_document(view: GovernanceView, deadline_ms: int) -> Document:
    """The document of a state."""
    tables, record = view.tables, view.epoch_record
    rules = tables.rules
    newest = sorted(tables.proposals(), key=lambda one: (-one.proposed_ms, one.id))
    names = {key: name for name, key in rules.members}
    return Document(
        time_ms=view.clock.block_ms,
        active_ms=view.clock.now_ms,
        epoch=record.description.epoch,
        description=record.description.encode(),
        public_key=record.public_key,
        grace_until_ms=tables.grace_until_ms,
        deadline_ms=deadline_ms,
        rules=rules.to_wire(),
        nodes=_nodes(view),
        proposals=tuple(_proposal(view, one, rules, names) for one in newest),
        epochs=tuple(EpochEntry(epoch, *shown) for epoch, shown in tables.maps.items(EPOCHS)),
        due=_due(view),
        offers=tuple(
            OfferEntry(
                one.digest, one.offerer, one.public_key, tuple(one.wraps), tuple(one.readies)
            )
            for one in tables.offers()
        ),
        offences=tuple(OffenceEntry(*key, *value) for key, value in tables.maps.items(OFFENCES)),
        recovery=recovery_entry(view),
        access=build_access(view),
        observations=tuple(
            ObservationEntry(url, operator, seen_ms, node_key, codec.decode(seen))
            for (url, operator), (seen_ms, node_key, seen) in tables.maps.items(OBSERVATIONS)
        ),
        admitting=admitting(tables),
        voted_users=voted(tables),
    )


def _nodes(view: GovernanceView) -> tuple[NodeEntry, ...]:
    roster, now_ms = view.roster, view.clock.now_ms
    names = tuple(Node.__dataclass_fields__)

    def entry(node: Node) -> NodeEntry:
        fields = {name: getattr(node, name) for name in names} | {"status": str(node.status)}
        suspended, alarm = node.node_key in roster.suspended, node.node_key in roster.alarms
        return NodeEntry(
            **fields, suspended=suspended, alarm=alarm, age_ms=now_ms - node.attested_ms
        )

    return tuple(entry(node) for node in roster.nodes)


def _proposal(
    view: GovernanceView, one: Proposal, rules: Rules, names: dict[Any, str]
) -> ProposalEntry:
    ballots = dict(ballots_of(view, one))
    alive = one.status.alive
    counted = tally(rules, one, ballots)
    said = list(ballots.values())
    return ProposalEntry(
        id=one.id,
        digest=one.digest,
        proposer=names.get(one.proposer, one.proposer.hex()),
        changes=one.changes,
        status=str(one.status),
        proposed_ms=one.proposed_ms,
        decided_ms=one.decided_ms,
        activates_ms=one.activates_ms,
        note=one.note,
        ballots=tuple((names.get(key, key.hex()), yes) for key, yes in ballots.items()),
        expires_ms=expires_ms(view.tables, one),
        yes=counted.yes if alive else said.count(True),
        no=counted.no if alive else said.count(False),
        needed=counted.needed if alive else 0,
    )


def _due(view: GovernanceView) -> DueEntry | None:
    tables = view.tables
    due, winner, wish = tables.due, tables.winner, tables.wish
    if due is None:
        return None
    return DueEntry(
        epoch=due.epoch,
        members=due.members,
        digest=due.digest,
        since_ms=due.since_ms,
        reason=due.reason,
        compromised=due.compromised,
        won=None if winner is None else winner.offer,
        wished=None if wish is None else wish.description.digest,
    )
