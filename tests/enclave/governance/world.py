"""A service as governance sees it: blocks of public transactions, no consensus, no keys of epochs.

Every block is executed by one replica and applied by another, and both must stand where the other
stands: so every test that uses this world is a test of determinism as well. `swap()` lets the one
that applied go on executing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.fixtures import (
    MEASUREMENT,
    REGION,
    Applicant,
    FoundedCluster,
    key_named,
    make_cluster_genesis,
    manufacturer,
)

from strongroom.consensus import codec
from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.types import (
    Digest,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
    SignerIndex,
    View,
)
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.governance import public
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.records import BlockFacts, Offer
from strongroom.enclave.keys.keys import NodeKeys
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey
from strongroom.enclave.programs.governance import CLOCK
from strongroom.enclave.programs.governance import governance as program
from strongroom.enclave.programs.roster_tables import roster
from strongroom.enclave.programs.state import State

STEP_MS = 10


def seed(*parts: object) -> Secret:
    return Secret(sha256(repr(parts).encode()).digest())


@cache
def hybrid(*parts: object) -> bytes:
    """A hybrid public key that depends on its name alone."""
    return HybridKey(seed("hybrid", *parts)).public


@cache
def founded(n: int) -> FoundedCluster:
    return make_cluster_genesis(n)


@dataclass
class Replica:
    """One replica's governance."""

    state: State
    governance: Governance


@dataclass
class NodeActor:
    """A node's enclave and its chip: what it can say."""

    applicant: Applicant
    boot: int = 1
    tls: bytes = b""
    measurement: bytes = MEASUREMENT
    region: str = REGION
    claimed: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.applicant.name

    @property
    def node(self) -> SigningKey:
        return self.applicant.keys.node

    @property
    def key(self) -> PublicKey:
        return self.node.public

    def vote_key(self, epoch: int) -> PublicKey:
        if epoch == 0:
            return self.applicant.keys.vote(Epoch(0)).public
        return SigningKey(seed("vote", self.key, epoch)).public

    def wrap_key(self, epoch: int) -> bytes:
        return hybrid(self.key, epoch)


def joiner(name: str, *, operator: str = "operator0", chip: Any = None) -> NodeActor:
    """A new enclave, of an operator that the policy knows; its chip must still be allowed unless it
    is given."""
    return NodeActor(
        Applicant(
            name=name,
            chip=chip or manufacturer().make_chip(),
            operator=operator,
            operator_key=key_named(operator),
            keys=NodeKeys.fresh(),
        )
    )


class World:
    """Makes blocks and executes them; `run` gives the plain results."""

    def __init__(self, n: int = 4, *, cluster: FoundedCluster | None = None) -> None:
        self.cluster = cluster or founded(n)
        self.genesis = self.cluster.verified
        self.tip = self.genesis.header
        self.digests: dict[int, Digest] = {0: self.tip.digest}
        self.executing, self.applying = self._replica(), self._replica()
        self.nodes = [NodeActor(one) for one in self.cluster.applicants]
        self.members = self.cluster.members
        self._nonce = 0

    def _replica(self) -> Replica:
        state = State([*program.maps, *roster.maps])
        governance = Governance(state, self.genesis.chain)
        governance.found(self.genesis)
        assert state.take_changes() == ()
        return Replica(state, governance)

    @property
    def governance(self) -> Governance:
        return self.executing.governance

    def swap(self) -> None:
        self.executing, self.applying = self.applying, self.executing

    # --- blocks ---

    def root(self, height: int) -> Digest:
        return Digest(sha256(b"root %d" % height).digest())

    def next_header(self, gap_ms: int = STEP_MS, *, terminal: bool = False) -> Header:
        current = self.governance.current
        wish = self.governance.wish
        following = wish.description.digest if terminal and wish is not None else current.digest
        return Header(
            chain=self.genesis.chain,
            epoch=current.epoch,
            view=View(self.tip.view + 1),
            height=Height(self.tip.height + 1),
            parent=self.tip.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(self.tip.time_ms + gap_ms),
            cut=(),
            batch_count=0,
            batch_bytes=0,
            anchor=Anchor(Height(self.tip.height), self.root(self.tip.height)),
            next_epoch=following,
        )

    def block(
        self, *envelopes: bytes, gap_ms: int = STEP_MS, terminal: bool = False
    ) -> list[tuple[bool, Any]]:
        """One block: executed by one replica, applied by the other."""
        header = self.next_header(gap_ms, terminal=terminal)
        one, other = self.executing, self.applying
        one.state.meter.left = other.state.meter.left = 7
        one.governance.tick(header)
        facts = BlockFacts(
            height=header.height,
            time_ms=header.time_ms,
            epoch=header.epoch,
            digest_of=self.digests.get,
            root_of=self.root,
        )
        results = [
            codec.decode(one.governance.run(split(envelope), facts)) for envelope in envelopes
        ]
        one.governance.end_block(header)
        if terminal:
            one.governance.end_epoch(header)
        changes = codec.decode(codec.encode(one.state.take_changes()))
        other.governance.tick(header)
        other.state.apply(changes)
        other.governance.refresh()
        self.tip = header
        self.digests[header.height] = header.digest
        assert one.state.digest() == other.state.digest()
        assert one.state.meter.left == other.state.meter.left == 7
        assert one.governance.document() == other.governance.document()
        return results

    def pass_time(self, duration_ms: int) -> None:
        """Empty blocks, none of whose gaps is cut by the active clock."""
        while duration_ms > 0:
            self.block(gap_ms=min(duration_ms, 60_000))
            duration_ms -= 60_000

    def ok(self, *envelopes: bytes) -> Any:
        """A block whose transactions all succeed; the last value."""
        results = self.block(*envelopes)
        assert all(good for good, _ in results), results
        return results[-1][1]

    def refused(self, envelope: bytes) -> str:
        """A block whose one transaction is refused, and changes nothing; the code."""
        before = self.everything()
        ((good, answer),) = self.block(envelope)
        assert not good, answer
        code, message = answer
        assert message
        assert self.everything() == before, code
        return str(code)

    def everything(self) -> object:
        """All that governance holds, but the clock."""
        maps = self.executing.state.maps
        return {
            schema.name: tuple(held.items()) for schema, held in maps.items() if schema is not CLOCK
        }

    # --- members ---

    def sign(self, name: str, action: str, fields: tuple[Any, ...]) -> bytes:
        key = self.members[name]
        return public.sign_public(key.public, key.sign, self.genesis.chain, action, fields)

    def proposal(self, change: str, by: str = "member0", **arguments: Any) -> bytes:
        self._nonce += 1
        nonce = self._nonce.to_bytes(16, "big")
        return self.sign(by, public.PROPOSE, (nonce, change, tuple(arguments.items())))

    def ballot(self, id: str, by: str, *, yes: bool = True, digest: bytes | None = None) -> bytes:
        if digest is None:
            digest = next(
                one.digest for one in self.governance.document().proposals if one.id == id
            )
        return self.sign(by, public.BALLOT, (id, digest, yes))

    def decide(self, change: str, **arguments: Any) -> str:
        """Propose by member0, and enough ballots; the id."""
        id, status = self.ok(self.proposal(change, **arguments))
        for name in list(self.members)[1:]:
            if status == "open":
                id, status = self.ok(self.ballot(id, name))
        return str(id)

    def status(self, id: str) -> str:
        return next(one.status for one in self.governance.document().proposals if one.id == id)

    # --- nodes ---

    def say(self, node: NodeActor, action: str, fields: tuple[Any, ...]) -> bytes:
        return public.sign_public(node.key, node.node.sign, self.genesis.chain, action, fields)

    def evidence(self, node: NodeActor, height: int | None = None, /, **claimed: Any) -> bytes:
        """Fresh evidence over the newest block, or over another one."""
        at = self.tip.height if height is None else height
        governance, applicant = self.governance, node.applicant
        fields: dict[str, Any] = {
            "chain": self.genesis.chain,
            "node": node.name,
            "node_key": node.key,
            "vote_key": node.vote_key(0),
            "wrap_keys": (),
            "tls_key": Digest(sha256(b"tls " + node.name.encode()).digest()),
            "epoch": governance.epoch,
            "epoch_key_digest": governance.current.public_key_digest,
            "nonce": self.digests[at],
            "height": Height(at),
            "region": node.region,
            "operator": applicant.operator,
            "boot": node.boot,
        }
        claims = Claims(**(fields | claimed))
        deployment = Deployment(
            name=claims.node,
            operator=claims.operator,
            chip_id=applicant.chip.chip_id,
            measurement=node.measurement,
            region=claims.region,
        )
        return applicant.chip.evidence(
            claims, measurement=node.measurement, deployment=deployment.sign(applicant.operator_key)
        )

    def attest(self, node: NodeActor, height: int | None = None, /, **claimed: Any) -> bytes:
        return self.say(
            node, public.ATTEST, (self.evidence(node, height, **claimed), "https://a:1", "a:2")
        )

    def synced(self, node: NodeActor, **changed: Any) -> bytes:
        following = self.governance.epoch + 1
        fields = {
            "height": int(self.tip.height),
            "root": self.root(self.tip.height),
            "epoch": int(following),
            "wrap_key": node.wrap_key(following),
        } | changed
        return self.say(node, public.SYNCED, tuple(fields.values()))

    def admit(self, name: str) -> NodeActor:
        """A joiner whose chip is allowed, admitted and synced."""
        node = joiner(name)
        self.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
        self.pass_time(3_600_000)
        self.keep_attested()
        self.ok(self.attest(node))
        self.ok(self.synced(node))
        return node

    def keep_attested(self) -> None:
        """Every validator attests again."""
        keys = {validator.node_key for validator in self.governance.current.validators}
        self.ok(
            *[
                self.attest(node, vote_key=self.registered_vote(node))
                for node in self.nodes
                if node.key in keys
            ]
        )

    def registered_vote(self, node: NodeActor) -> PublicKey:
        known = self.governance.node(node.key)
        assert known is not None
        return known.vote_key

    # --- epochs ---

    def offer(self, node: NodeActor, tag: object = 0, **changed: Any) -> bytes:
        governance = self.governance
        due = governance.due
        assert due is not None
        fields = {
            "epoch": int(due.epoch),
            "members": due.digest,
            "public_key": hybrid("offered", due.epoch, node.key, tag),
            "wraps": tuple(
                (member, b"wrap for " + member) for member, _ in governance.recipients(due)
            ),
        } | changed
        return self.say(node, public.OFFER, tuple(fields.values()))

    def ready(self, node: NodeActor, offer: Offer | bytes, /, **changed: Any) -> bytes:
        epoch = int(self.governance.epoch) + 1
        digest = offer.digest if isinstance(offer, Offer) else offer
        fields = {
            "epoch": epoch,
            "offer": digest,
            "vote_key": node.vote_key(epoch),
            "wrap_key": node.wrap_key(epoch + 1),
        } | changed
        return self.say(node, public.READY, tuple(fields.values()))

    def due_members(self, nodes: Sequence[NodeActor]) -> list[NodeActor]:
        due = self.governance.due
        assert due is not None
        return [node for node in nodes if node.key in due.members]

    def agree(self, *others: NodeActor) -> None:
        """Offer and readies of everyone in the due set, until the wish stands."""
        nodes = self.due_members([*self.nodes, *others])
        current = self.governance.current
        self.ok(self.offer(next(node for node in nodes if current.index_of(node.key) is not None)))
        (offer,) = self.governance.offers()
        self.ok(*[self.ready(node, offer) for node in nodes])
        assert self.governance.wish is not None

    def turn(self, *others: NodeActor) -> None:
        """To the next epoch, which is due."""
        self.agree(*others)
        self.block(terminal=True)


def split(envelope: bytes) -> tuple[bytes, bytes, bytes]:
    """Protected header, payload and signature of a PUBLIC envelope."""
    version, kind, protected, payload, signature = codec.decode(envelope)
    assert (version, kind) == (1, 5)
    return protected, payload, signature
