"""Governance's maps, read and written as records.

Owns how each record lies in the state (enclave/programs/governance.py declares the maps), so that
write sets, state digests and snapshots carry all of it. Decides nothing.
"""

from functools import lru_cache
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import Digest, Epoch, Height, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.governance.issuers import Issuers, PinnedKey
from strongroom.enclave.governance.records import (
    Due,
    EpochRecord,
    Node,
    Offer,
    Proposal,
    ProposalStatus,
    Ready,
    Status,
    Winner,
    Wish,
)
from strongroom.enclave.governance.rules import LIMITS as LIMITS_THERE_ARE
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.uncounted import UncountedMaps
from strongroom.enclave.programs.governance import (
    BALLOTS,
    EPOCHS,
    ISSUER_KEYS,
    ISSUERS,
    LIFETIMES,
    LIMITS,
    MEMBERS,
    NODES,
    OFFERS,
    PROGRAM_REGIONS,
    PROPOSALS,
    READIES,
    ROLES,
    STANDING,
    THRESHOLDS,
    UNPINNED,
    WATCHERS,
    WRAPS,
)
from strongroom.enclave.programs.governance import governance as governance
from strongroom.enclave.programs.people.issuers import issuer_of
from strongroom.enclave.programs.state import SCAN_MAX, MapSchema, State

_NODE_FIELDS = tuple(name for name in Node.__dataclass_fields__ if name != "node_key")
_EPOCHS_SHOWN_MAX = 256
_ACCESS_REGIONS = "access_regions"


class Tables:
    """Typed access to the maps of governance; what has no type of its own is read and set in
    `maps`."""

    def __init__(self, state: State) -> None:
        self.maps = UncountedMaps(state)

    def epoch_record(self, name: str = "tenure") -> EpochRecord | None:
        """The current epoch; with ``before`` the one before it."""
        value = self.maps.single(name)
        if value is None:
            return None
        description, public_key, height, time_ms, reason, offer = value
        return EpochRecord(
            description=EpochDescription.decode(description),
            public_key=public_key,
            anchor_height=Height(height),
            anchor_ms=Milliseconds(time_ms),
            reason=reason,
            offer=Digest(offer),
        )

    def begin(self, record: EpochRecord) -> None:
        """A new epoch: the current one becomes the one before."""
        current = self.maps.get(STANDING, "tenure")
        if current is not None:
            self.maps.put(STANDING, "before", current)
        one = record
        fields = (
            one.description.encode(),
            one.public_key,
            one.anchor_height,
            one.anchor_ms,
            one.reason,
            one.offer,
        )
        self.maps.set_single("tenure", fields)
        description = one.description
        shown = (description.digest, description.public_key_digest, len(description.validators))
        self.maps.put(
            EPOCHS, description.epoch, (*shown, one.anchor_height, one.anchor_ms, one.reason)
        )
        self.maps.delete(EPOCHS, description.epoch - _EPOCHS_SHOWN_MAX)

    @property
    def due(self) -> Due | None:
        """The next epoch, when one is due."""
        value = self.maps.single("due")
        if value is None:
            return None
        epoch, members, digest, since_ms, reason, compromised = value
        return Due(
            epoch=epoch,
            members=members,
            digest=digest,
            since_ms=since_ms,
            reason=reason,
            compromised=compromised,
        )

    @due.setter
    def due(self, due: Due | None) -> None:
        one = due
        self.maps.set_single(
            "due",
            one and (one.epoch, one.members, one.digest, one.since_ms, one.reason, one.compromised),
        )

    @property
    def winner(self) -> Winner | None:
        """The offer that a quorum is ready for."""
        value = self.maps.single("winner")
        return None if value is None else Winner(*value)

    @winner.setter
    def winner(self, winner: Winner | None) -> None:
        self.maps.set_single("winner", winner and (winner.offer, winner.quorum_ms))

    @property
    def wish(self) -> Wish | None:
        """What the next epoch shall be."""
        value = self.maps.single("wish")
        return None if value is None else Wish(EpochDescription.decode(value[0]), value[1])

    @wish.setter
    def wish(self, wish: Wish | None) -> None:
        self.maps.set_single("wish", wish and (wish.description.encode(), wish.public_key))

    @property
    def rotation(self) -> tuple[str, bool] | None:
        """(reason, compromised) of a rotation that was asked for and is not decided yet."""
        value: tuple[str, bool] | None = self.maps.single("rotation")
        return value

    @rotation.setter
    def rotation(self, asked: tuple[str, bool] | None) -> None:
        self.maps.set_single("rotation", asked)

    @property
    def grace_until_ms(self) -> int:
        """When the grace of the epoch before ends; 0: there is none."""
        return self.maps.single("grace") or 0

    @grace_until_ms.setter
    def grace_until_ms(self, until_ms: int) -> None:
        self.maps.set_single("grace", until_ms or None)

    # Rules.

    @property
    def rules(self) -> Rules:
        """What members govern."""
        return Rules(
            policy=self.policy,
            members=tuple(self.maps.items(MEMBERS)),
            roles=tuple(role for role, _ in self.maps.items(ROLES)),
            limits=tuple(self.maps.items(LIMITS)),
            thresholds=tuple(self.maps.items(THRESHOLDS)),
            watchers=tuple(name for name, _ in self.maps.items(WATCHERS)),
            issuers=self.issuers,
            program_regions=tuple(
                (program, tuple(places.split("\n")))
                for program, places in self.maps.items(PROGRAM_REGIONS)
            ),
            access_regions=self.access_regions,
        )

    @property
    def issuers(self) -> Issuers:
        """Whose word on people counts."""
        return Issuers(
            entries=tuple(issuer_of(*entry) for entry in self.maps.items(ISSUERS)),
            keys=tuple(PinnedKey(*key, *pin) for key, pin in self.maps.items(ISSUER_KEYS)),
            unpinned=tuple(key for key, _ in self.maps.items(UNPINNED)),
            serial=self.maps.single("issuer serial") or 0,
        )

    @property
    def access_regions(self) -> tuple[str, ...]:
        """Where people must be who begin something; empty: there is no such rule."""
        return self.maps.single(_ACCESS_REGIONS) or ()

    @property
    def policy(self) -> Policy:
        """What is demanded of enclaves."""
        return _policy(self.maps.get(STANDING, "policy"))

    def write_rules(self, rules: Rules) -> None:
        """Set what members govern, touching only what differs."""
        encoded = rules.policy.encode()
        if self.maps.get(STANDING, "policy") != encoded:
            self.maps.put(STANDING, "policy", encoded)
        for schema, wanted in (
            (MEMBERS, dict(rules.members)),
            (ROLES, dict.fromkeys(rules.roles, True)),
            (LIMITS, dict(rules.limits)),
            (THRESHOLDS, dict(rules.thresholds)),
            (WATCHERS, dict.fromkeys(rules.watchers, True)),
            (PROGRAM_REGIONS, {name: "\n".join(places) for name, places in rules.program_regions}),
        ):
            self._write(schema, wanted)
        if self.access_regions != rules.access_regions:
            self.maps.set_single(_ACCESS_REGIONS, rules.access_regions or None)
        self.write_issuers(rules.issuers)

    def write_issuers(self, issuers: Issuers) -> None:
        """Set whose word on people counts, touching only what differs."""
        self._write(ISSUERS, {one.url: one.encode() for one in issuers.entries})
        self._write(ISSUER_KEYS, {key[:2]: key[2:] for key in map(tuple, issuers.keys)})
        self._write(UNPINNED, dict.fromkeys(issuers.unpinned, True))
        if issuers.serial != (self.maps.single("issuer serial") or 0):
            self.maps.set_single("issuer serial", issuers.serial)

    def _write(self, schema: MapSchema[Any, Any], wanted: dict[Any, Any]) -> None:
        """Let a map hold exactly this."""
        held: dict[Any, Any] = dict(self.maps.items(schema))
        for key in held:
            if key not in wanted:
                self.maps.delete(schema, key)
        for key, value in wanted.items():
            if held.get(key) != value:
                self.maps.put(schema, key, value)

    def limit(self, name: str) -> int:
        """One of the limits."""
        value: int | None = self.maps.get(LIMITS, name)
        return LIMITS_THERE_ARE[name].default if value is None else value

    def voter_keys(self) -> list[PublicKey]:
        """Keys of the members who vote, by name."""
        watchers = dict(self.maps.items(WATCHERS))
        return [key for name, key in self.maps.items(MEMBERS) if name not in watchers]

    def is_member(self, key: PublicKey) -> bool:
        """Is this the key of a member, who votes or only watches?"""
        return any(key == held for _, held in self.maps.items(MEMBERS))

    # The registry.

    def node(self, node_key: PublicKey) -> Node | None:
        """A node of the registry."""
        record = self.maps.get(NODES, node_key)
        return None if record is None else _node(node_key, record)

    def nodes(self) -> tuple[Node, ...]:
        """All of the registry, by node key."""
        return tuple(_node(node_key, record) for node_key, record in self.maps.items(NODES))

    def write_node(self, node: Node) -> None:
        """Enter a node, or what is new of it."""
        record = tuple(getattr(node, name) for name in _NODE_FIELDS)
        self.maps.put(
            NODES,
            node.node_key,
            tuple(str(part) if isinstance(part, Status) else part for part in record),
        )

    def wrap_key(self, node_key: PublicKey, epoch: Epoch) -> bytes | None:
        """The wrap key that a node announced for an epoch."""
        key: bytes | None = self.maps.get(WRAPS, (node_key, epoch))
        return key

    # Proposals.

    def proposal(self, id: str) -> Proposal | None:
        """A proposal that is not archived."""
        record = self.maps.get(PROPOSALS, id)
        return None if record is None else self._proposal(id, record)

    def proposals(self) -> tuple[Proposal, ...]:
        """All that are not archived, by id."""
        return tuple(self._proposal(id, record) for id, record in self.maps.items(PROPOSALS))

    def alive(self) -> list[tuple[bytes, int]]:
        """Of each proposal that is not decided, or waits for its time: who proposed it, and bytes
        of its arguments."""
        alive = {str(status) for status in ProposalStatus if status.alive}
        records = (record for _, record in self.maps.items(PROPOSALS))
        return [(record[1], len(record[3])) for record in records if record[4] in alive]

    def write_proposal(self, one: Proposal) -> None:
        """Enter a proposal, or what is new of it."""
        single = len(one.changes) == 1
        change, arguments = one.changes[0] if single else ("", one.changes)
        times = (one.proposed_ms, one.decided_ms, one.activates_ms)
        encoded, status = codec.encode(arguments), str(one.status)
        record = (one.digest, one.proposer, change, encoded, status, *times, one.note)
        self.maps.put(PROPOSALS, one.id, record)
        if one.lifetime_ms:
            self.maps.put(LIFETIMES, one.id, one.lifetime_ms)

    def _proposal(self, id: str, record: tuple[Any, ...]) -> Proposal:
        digest, proposer, change, arguments, status, *times, note = record
        found = codec.decode(arguments)
        return Proposal(
            id=id,
            digest=digest,
            proposer=proposer,
            changes=((change, found),) if change else found,
            status=ProposalStatus(status),
            proposed_ms=times[0],
            decided_ms=times[1],
            activates_ms=times[2],
            note=note,
            lifetime_ms=self.maps.get(LIFETIMES, id) or Milliseconds(0),
        )

    def ballots(self, id: str) -> dict[PublicKey, bool]:
        """The ballots of a proposal, by member's key."""
        with self.maps.uncounted():
            found = self.maps.map(BALLOTS).scan(prefix=(id,), limit=SCAN_MAX)
        return {key: yes for (_, key), yes in found}

    # Offers.

    def offers(self) -> tuple[Offer, ...]:
        """Open offers, in order of execution."""
        offers = []
        readies = self.maps.items(READIES)
        for _, (digest, offerer, public_key, wraps) in self.maps.items(OFFERS):
            offers.append(
                Offer(
                    digest=digest,
                    offerer=offerer,
                    public_key=public_key,
                    wraps=dict(codec.decode(wraps)),
                    readies={
                        node: Ready(*ready) for (offer, node), ready in readies if offer == digest
                    },
                )
            )
        return tuple(offers)

    def void_offers(self) -> None:
        """Forget all offers and who was ready for them."""
        self.maps.clear(OFFERS)
        self.maps.clear(READIES)


@lru_cache(maxsize=4)
def _policy(encoded: bytes) -> Policy:
    """Read once, not at each word about it: it cannot change."""
    return Policy.from_wire(codec.decode(encoded))


def _node(node_key: PublicKey, record: tuple[Any, ...]) -> Node:
    fields = dict(zip(_NODE_FIELDS, record, strict=True))
    fields["status"] = Status(fields["status"])
    return Node(node_key=node_key, **fields)
