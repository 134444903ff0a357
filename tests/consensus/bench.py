"""A single replica on a bench: its peers are keys in the test's hand, its time is what the test
says."""

from collections.abc import Iterable
from hashlib import sha256

from tests.simulation.keys import FakeKeyring

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import Anchor, Header, LaneTip, genesis_header, initial_cut
from strongroom.consensus.justifications import Justification
from strongroom.consensus.leaders import leader_of, leader_order
from strongroom.consensus.messages import CertificateMessage, Propose, VoteMessage
from strongroom.consensus.replica.events import (
    BatchHeld,
    Event,
    Executed,
    Now,
    Output,
    Received,
    Tick,
)
from strongroom.consensus.replica.replica import Replica, ReplicaConfig
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Epoch,
    Height,
    Lane,
    Milliseconds,
    Sequence,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Validator

START_MS = 1_700_000_000_000
N, X, F = Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE


class Cluster:
    """Keys, members and genesis of `size` validators."""

    def __init__(self, size: int = 4) -> None:
        self.keyring = FakeKeyring()
        pairs = [
            (self.keyring.make(b"node %d" % i), self.keyring.make(b"vote %d" % i))
            for i in range(size)
        ]
        pairs.sort(key=lambda pair: pair[0].public)
        self.keys = [vote for _, vote in pairs]
        self.members = EpochDescription(
            epoch=Epoch(0),
            validators=tuple(
                Validator(node_key=node.public, vote_key=vote.public) for node, vote in pairs
            ),
            public_key_digest=Digest(sha256(b"epoch").digest()),
        )
        self.chain = ChainId(sha256(b"chain").digest())
        self.genesis = genesis_header(
            chain=self.chain, description=self.members.digest, time_ms=Milliseconds(START_MS)
        )
        self.order = leader_order(self.genesis.digest, size)
        self.size = size

    def leader(self, view: int) -> SignerIndex:
        return leader_of(self.order, View(view))

    def statement(self, kind: Kind, view: int, digest: Digest = NO_DIGEST) -> Statement:
        return Statement(kind, Epoch(0), View(view), digest)

    def vote(self, kind: Kind, view: int, signer: int, digest: Digest = NO_DIGEST) -> Vote:
        statement = self.statement(kind, view, digest)
        return Vote(
            statement,
            SignerIndex(signer),
            self.keys[signer].sign(statement.signed_bytes(self.chain)),
        )

    def certificate(
        self,
        kind: Kind,
        view: int,
        digest: Digest = NO_DIGEST,
        signers: Iterable[int] | None = None,
    ) -> Certificate:
        chosen = sorted(range(self.members.quorum.size) if signers is None else signers)
        votes = [self.vote(kind, view, signer, digest) for signer in chosen]
        return Certificate(
            self.statement(kind, view, digest),
            tuple(vote.signer for vote in votes),
            tuple(vote.signature for vote in votes),
        )

    def header(self, parent: Header | None = None, view: int = 1, **changes: object) -> Header:
        """A valid block: empty unless `batches` says what it orders."""
        parent = parent or self.genesis
        cut = self.cut_of(parent)
        batches = changes.pop("batches", ())
        assert isinstance(batches, Iterable)
        count = size = 0
        for batch in batches:
            tips = list(cut)
            tips[batch.lane] = LaneTip(Sequence(batch.sequence + 1), batch.digest)
            cut, count, size = tuple(tips), count + 1, size + batch.size
        values: dict[str, object] = {
            "chain": self.chain,
            "epoch": Epoch(0),
            "view": View(view),
            "height": Height(parent.height + 1),
            "parent": parent.digest,
            "proposer": self.leader(view),
            "time_ms": Milliseconds(parent.time_ms + 1),
            "cut": cut,
            "batch_count": count,
            "batch_bytes": size,
            "anchor": parent.anchor,
            "next_epoch": self.members.digest,
        }
        return Header(**{**values, **changes})  # type: ignore[arg-type]

    def cut_of(self, header: Header) -> tuple[LaneTip, ...]:
        return initial_cut(header.digest, self.size) if header.height == 0 else header.cut

    def batch(
        self, lane: int, sequence: int = 0, previous: Digest | None = None, body: bytes = b""
    ) -> BatchHeader:
        return BatchHeader(
            epoch=Epoch(0),
            lane=Lane(lane),
            sequence=Sequence(sequence),
            previous=previous or self.genesis.digest,
            count=1,
            size=100,
            payload_digest=Digest(sha256(body).digest()),
        )

    def proposal(
        self,
        header: Header,
        view: int | None = None,
        parent: Certificate | None = None,
        nulls: tuple[Certificate, ...] = (),
    ) -> Propose:
        at = header.view if view is None else view
        vote = self.vote(N, at, self.leader(at), header.digest)
        return Propose(header, View(at), Justification(parent, nulls), vote)


class Bench:
    """One replica, its outputs kept; own votes are fed back as the driver would."""

    def __init__(
        self,
        cluster: Cluster | None = None,
        own: int | None = 0,
        *,
        settings: Settings | None = None,
        voting: bool = True,
        feed_back: bool = True,
    ) -> None:
        self.cluster = cluster or Cluster()
        self.now = 100.0
        self.own = None if own is None else SignerIndex(own)
        self.feed_back = feed_back
        self.replica = self.make(settings or Settings(), voting)
        self.cast: list[Statement] = []
        self.out = self.replica.resume(self.clock())

    def make(self, settings: Settings, voting: bool = True) -> Replica:
        cluster = self.cluster
        return Replica(
            ReplicaConfig(
                chain=cluster.chain,
                members=cluster.members,
                own=self.own,
                anchor=cluster.genesis,
                verify=cluster.keyring.verify,
                settings=settings,
                voting=voting,
            )
        )

    def clock(self) -> Now:
        return Now(self.now, Milliseconds(START_MS + 1000 + int((self.now - 100) * 1000)))

    def step(self, event: Event) -> Output:
        """One event, and then one's own votes."""
        total = self.replica.step(event, self.clock())
        self.out = total
        waiting = list(total.cast)
        self.cast += [cast.statement for cast in waiting]
        while waiting and self.feed_back and self.own is not None:
            cast = waiting.pop(0)
            vote = self.cluster.vote(
                cast.statement.kind, cast.statement.view, self.own, cast.statement.digest
            )
            more = self.replica.step(Received(self.own, VoteMessage(vote)), self.clock())
            self.cast += [later.statement for later in more.cast]
            waiting += more.cast
            for name in Output.__dataclass_fields__:
                if name != "alarm":
                    getattr(total, name).extend(getattr(more, name))
        return total

    def tick(self, seconds: float = 0.0) -> Output:
        self.now += seconds
        return self.step(Tick())

    def hold(self, batch: BatchHeader) -> Output:
        return self.step(BatchHeld(batch))

    def execute(
        self, height: int, root: bytes = b"root", next_epoch: Digest | None = None
    ) -> Output:
        digest = Digest(sha256(root + b"%d" % height).digest())
        return self.step(
            Executed(Height(height), digest, next_epoch or self.cluster.members.digest)
        )

    def anchor(self, height: int, root: bytes = b"root") -> Anchor:
        return Anchor(Height(height), Digest(sha256(root + b"%d" % height).digest()))

    def hear(self, kind: Kind, view: int, signer: int, digest: Digest = NO_DIGEST) -> Output:
        """A vote over its signer's own link."""
        vote = self.cluster.vote(kind, view, signer, digest)
        return self.step(Received(SignerIndex(signer), VoteMessage(vote)))

    def certify(self, kind: Kind, view: int, digest: Digest = NO_DIGEST, sender: int = 1) -> Output:
        """A certificate from a peer."""
        certificate = self.cluster.certificate(kind, view, digest)
        return self.step(Received(SignerIndex(sender), CertificateMessage(certificate)))

    def propose(self, proposal: Propose, sender: int | None = None) -> Output:
        leader = self.cluster.leader(proposal.view)
        return self.step(Received(SignerIndex(leader if sender is None else sender), proposal))

    def said(self, kind: Kind, view: int, digest: Digest = NO_DIGEST) -> bool:
        """Has the replica cast this?"""
        return self.cluster.statement(kind, view, digest) in self.cast
