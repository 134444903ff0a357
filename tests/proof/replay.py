"""Real replicas that repeat a trace of the Quint model, one event of the trace each.

Owns the translation: blocks of the model are headers here, its members are validators in the order
in which they lead, its liar is keys in the test's hand. What a member then is, in the model's
words, is `Repeated.shows`; that it agrees is for the test to say. Durable things (log, block store,
outcomes, batches) are kept here, as a driver would.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.simulation.keys import FakeKeyring

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import Anchor, Header, LaneTip, genesis_header, initial_cut
from strongroom.consensus.justifications import Justification
from strongroom.consensus.leaders import leader_order
from strongroom.consensus.messages import BlockMessage, CertificateMessage, Propose, VoteMessage
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.replica.events import (
    BatchHeld,
    CastRecord,
    Event,
    Executed,
    Now,
    Output,
    Received,
    Record,
    Tick,
    Work,
)
from strongroom.consensus.replica.lanes import Cut
from strongroom.consensus.replica.replica import Replica, ReplicaConfig
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

MEMBERS = 4
START = 1_000.0
START_MS = 1_700_000_000_000
STEP_MS = 1_000
BATCH_SIZE = 100
PATIENCE_DELTAS = 1.01
EXPIRY_DELTAS = 20.0
KINDS = {"N": Kind.NOTARIZE, "X": Kind.NULLIFY, "F": Kind.FINALIZE}
LETTERS = {kind: letter for letter, kind in KINDS.items()}
BEFORE = {"G2": "G1", "G3": "G2", "A2": "A1", "B2": "B1"}
Said = tuple[str, int, int, int]
"""Kind, epoch, view and block, as the model writes them."""


class Paced(Replica):
    """A replica that leads when the trace says so, and not before."""

    leads = False

    def _propose(self, now: Now, out: Output) -> None:
        if self.leads:
            super()._propose(now, out)


@dataclass
class Member:
    """One honest member, with what is durable at it."""

    place: int
    epoch: int = 0
    voting: bool = True
    replica: Paced = field(init=False)
    log: list[Record] = field(default_factory=list)
    spoken: set[Statement] = field(default_factory=set)
    ledger: list[tuple[Header, Certificate | None]] = field(default_factory=list)
    outcomes: list[Executed] = field(default_factory=list)
    batches: list[BatchHeader] = field(default_factory=list)

    @property
    def final(self) -> Header:
        return self.ledger[-1][0]


class Repeated:
    """A cluster that follows one trace."""

    def __init__(self, liar: int, wish_at: int) -> None:
        self.liar, self.wish_at = liar, wish_at
        self.keyring = FakeKeyring()
        nodes = sorted(
            (self.keyring.make(b"node %d" % i) for i in range(MEMBERS)), key=lambda key: key.public
        )
        self.vote_keys = [
            [self.keyring.make(b"vote %d %d" % (epoch, i)) for i in range(MEMBERS)]
            for epoch in (0, 1)
        ]
        self.epochs = [
            EpochDescription(
                epoch=Epoch(epoch),
                validators=tuple(
                    Validator(node_key=node.public, vote_key=vote.public)
                    for node, vote in zip(nodes, self.vote_keys[epoch], strict=True)
                ),
                public_key_digest=Digest(sha256(b"epoch %d" % epoch).digest()),
            )
            for epoch in (0, 1)
        ]
        self.chain = ChainId(sha256(b"chain").digest())
        genesis = genesis_header(
            chain=self.chain, description=self.epochs[0].digest, time_ms=Milliseconds(START_MS)
        )
        self.blocks = [genesis]
        self.anchors = {0: genesis}
        self.proposals: dict[tuple[int, int, int], Propose] = {}
        self.wall_ms = Milliseconds(START_MS)
        self.members: dict[int, Member] = {}
        for place in range(MEMBERS):
            if place != liar:
                member = self.members[place] = Member(place, ledger=[(genesis, None)])
                self._boot(member)

    # --- names ------------------------------------------------------------------------------------

    def _index(self, epoch: int, place: int) -> SignerIndex:
        """The validator that a member of the model is: it leads the same views."""
        return leader_order(self.anchors[epoch].digest, MEMBERS)[place]

    def _place(self, epoch: int, index: int) -> int:
        return leader_order(self.anchors[epoch].digest, MEMBERS).index(SignerIndex(index))

    def _number(self, digest: Digest) -> int:
        """The model's number of a block."""
        return (
            -1 if digest == NO_DIGEST else [header.digest for header in self.blocks].index(digest)
        )

    def _said(self, statement: Statement) -> Said:
        return (
            LETTERS[statement.kind],
            statement.epoch,
            statement.view,
            self._number(statement.digest),
        )

    def _statement(self, said: dict[str, Any]) -> Statement:
        digest = NO_DIGEST if said["block"] == -1 else self.blocks[said["block"]].digest
        return Statement(KINDS[said["kind"]], Epoch(said["epoch"]), View(said["view"]), digest)

    def _vote(self, place: int, statement: Statement) -> Vote:
        """A vote; of an honest member only what its replica said itself."""
        if place != self.liar:
            assert statement in self.members[place].spoken, (
                f"{place} never said {self._said(statement)}"
            )
        index = self._index(statement.epoch, place)
        key = self.vote_keys[statement.epoch][index]
        return Vote(statement, index, key.sign(statement.signed_bytes(self.chain)))

    def _certificate(self, statement: Statement) -> Certificate:
        """By the liar and everybody honest who said it; a replica refuses it if they are too
        few."""
        places = [
            self.liar,
            *(at for at, member in self.members.items() if statement in member.spoken),
        ]
        votes = sorted(
            (self._vote(place, statement) for place in places), key=lambda vote: vote.signer
        )
        return Certificate(
            statement, tuple(vote.signer for vote in votes), tuple(vote.signature for vote in votes)
        )

    # --- blocks -----------------------------------------------------------------------------------

    def _batch(self, epoch: int, name: str) -> BatchHeader:
        honest = self._index(epoch, (self.liar + 1) % MEMBERS)
        previous = (
            self._batch(epoch, BEFORE[name]).digest
            if name in BEFORE
            else self.anchors[epoch].digest
        )
        return BatchHeader(
            epoch=Epoch(epoch),
            lane=Lane(honest if name[0] == "G" else self._index(epoch, self.liar)),
            sequence=Sequence(int(name[1]) - 1),
            previous=previous,
            count=1,
            size=BATCH_SIZE,
            payload_digest=Digest(sha256(name.encode()).digest()),
        )

    def _cut(self, epoch: int, good: int, forked: str) -> Cut:
        tips = list(initial_cut(self.anchors[epoch].digest, MEMBERS))
        for name in ([f"G{good}"] if good else []) + ([forked] if forked else []):
            batch = self._batch(epoch, name)
            tips[batch.lane] = LaneTip(Sequence(batch.sequence + 1), batch.digest)
        return tuple(tips)

    def cut_of(self, header: Header, epoch: int) -> Cut:
        """The cut from which a child of this block goes on."""
        same = header.epoch == epoch and header.height > 0
        return header.cut if same else initial_cut(self.anchors[epoch].digest, MEMBERS)

    def root(self, block: Header) -> Digest:
        """What executing a block gives: the same at everybody honest."""
        return Digest(sha256(b"root" + block.digest).digest())

    def _wish(self, height: int) -> Digest:
        return self.epochs[1 if height >= self.wish_at else 0].digest

    def _forged(self, block: dict[str, Any]) -> Header:
        """The liar's block, of whatever content."""
        epoch, parent = block["epoch"], self.blocks[block["parent"]]
        cut, before = self._cut(epoch, block["good"], block["forked"]), self.cut_of(parent, epoch)
        count = max(0, sum(tip.length for tip in cut) - sum(tip.length for tip in before))
        line = [self.blocks[at] for at in sorted(block["line"]) if at < len(self.blocks)]
        at_anchor = next((one for one in line if one.height == block["anchor"]), parent)
        root = self.root(at_anchor) if block["genuine"] else Digest(sha256(b"false").digest())
        other = self.epochs[1].digest if epoch == 0 else Digest(sha256(b"another epoch").digest())
        return Header(
            chain=self.chain,
            epoch=Epoch(epoch),
            view=View(block["view"]),
            height=Height(block["height"]),
            parent=parent.digest,
            proposer=self._index(epoch, (block["view"] - 1) % MEMBERS),
            time_ms=Milliseconds(parent.time_ms + 1 + len(self.blocks)),
            cut=cut,
            batch_count=count,
            batch_bytes=count * BATCH_SIZE,
            anchor=parent.anchor
            if block["anchor"] == parent.anchor.height
            else Anchor(Height(block["anchor"]), root),
            next_epoch=other if block["terminal"] else self.epochs[epoch].digest,
        )

    def forge(self, proposal: dict[str, Any], block: dict[str, Any]) -> None:
        """The liar proposes: a new block, or a terminal one again."""
        if proposal["block"] == len(self.blocks):
            self.blocks.append(self._forged(block))
        header, epoch, view = self.blocks[proposal["block"]], proposal["epoch"], proposal["view"]
        parent = None
        if proposal["parentView"]:
            why = {"kind": proposal["parentKind"], "epoch": epoch, "view": proposal["parentView"]}
            parent = self._certificate(self._statement({**why, "block": proposal["parent"]}))
        nulls = [
            {"kind": "X", "epoch": epoch, "view": at, "block": -1}
            for at in sorted(proposal["nulls"])
        ]
        vote = self._vote(
            self.liar, Statement(Kind.NOTARIZE, Epoch(epoch), View(view), header.digest)
        )
        why_now = Justification(
            parent, tuple(self._certificate(self._statement(null)) for null in nulls)
        )
        self.proposals[epoch, view, proposal["block"]] = Propose(header, View(view), why_now, vote)

    # --- one member -------------------------------------------------------------------------------

    def _boot(self, member: Member, *, executed_from: int = 0) -> None:
        """Start a member from what is durable at it (PROTOCOL §6)."""
        member.replica = Paced(
            ReplicaConfig(
                chain=self.chain,
                members=self.epochs[member.epoch],
                own=self._index(member.epoch, member.place),
                anchor=self.anchors[member.epoch],
                verify=self.keyring.verify,
                voting=member.voting,
            )
        )
        final, certificate = member.ledger[-1]
        cut = self.cut_of(final, member.epoch)
        said = member.replica.state.restore(
            final=final,
            final_certificate=certificate,
            recent=[header for header, _ in member.ledger if header.height > final.anchor.height],
            batches=[
                batch
                for batch in member.batches
                if batch.epoch == member.epoch and batch.sequence >= cut[batch.lane].length
            ],
            executed=[done for done in member.outcomes if done.height >= final.anchor.height],
            records=member.log,
        )
        for statement in said:
            self._hear_own(member, statement)
        self._carry_out(member, member.replica.resume(self._now()))

    def _now(self, seconds: float = 0.0) -> Now:
        return Now(START + seconds, self.wall_ms)

    def _step(self, member: Member, event: Event, seconds: float = 0.0) -> None:
        self._carry_out(member, member.replica.step(event, self._now(seconds)))

    def _hear_own(self, member: Member, statement: Statement) -> None:
        vote = self._vote(member.place, statement)
        self._step(member, Received(vote.signer, VoteMessage(vote)))

    def _carry_out(self, member: Member, out: Output) -> None:
        """As a driver would: log, sign, own votes back; the block store."""
        assert not out.alarm, out.alarm
        assert not out.faults
        member.log += out.persist
        for cast in out.cast:
            member.log.append(CastRecord(cast.statement))
            member.spoken.add(cast.statement)
            if cast.proposal is not None:
                self._publish(
                    member, cast.statement, cast.proposal.header, cast.proposal.justification
                )
        for commit in out.commit:
            assert not isinstance(commit.certificate, RecoveryCertificate)
            member.ledger.append((commit.header, commit.certificate))
        for cast in out.cast:
            self._hear_own(member, cast.statement)

    def _publish(self, member: Member, said: Statement, header: Header, why: Justification) -> None:
        if header not in self.blocks:
            self.blocks.append(header)
        message = Propose(header, said.view, why, self._vote(member.place, said))
        self.proposals[said.epoch, said.view, self._number(header.digest)] = message

    def follow(self, last: dict[str, Any], block: dict[str, Any] | None) -> None:
        """Let happen what the trace says; `block` is the one that it forged, if any."""
        self.wall_ms = Milliseconds(self.wall_ms + STEP_MS)
        if last["what"] == "forge":
            assert block is not None
            self.forge(last["proposal"], block)
            return
        member = self.members[last["member"]]
        getattr(self, f"_{last['what']}")(member, last)

    def _lead(self, member: Member, last: dict[str, Any]) -> None:
        member.replica.leads = True
        self._step(member, Work(), PATIENCE_DELTAS * member.replica.state.delta)
        member.replica.leads = False

    def _expire(self, member: Member, last: dict[str, Any]) -> None:
        self._step(member, Work())
        self._step(member, Tick(), EXPIRY_DELTAS * member.replica.state.delta)

    def _receive(self, member: Member, last: dict[str, Any]) -> None:
        proposal = last["proposal"]
        message = self.proposals[proposal["epoch"], proposal["view"], proposal["block"]]
        self._step(member, Received(message.vote.signer, message))

    def _hear(self, member: Member, last: dict[str, Any]) -> None:
        vote = self._vote(last["signer"], self._statement(last["said"]))
        self._step(member, Received(vote.signer, VoteMessage(vote)))

    def _certify(self, member: Member, last: dict[str, Any]) -> None:
        statement = self._statement(last["said"])
        self._from_liar(member, CertificateMessage(self._certificate(statement)))

    def _fetch(self, member: Member, last: dict[str, Any]) -> None:
        self._from_liar(member, BlockMessage(self.blocks[last["said"]["block"]]))

    def _from_liar(self, member: Member, message: CertificateMessage | BlockMessage) -> None:
        self._step(member, Received(self._index(member.epoch, self.liar), message))

    def _give(self, member: Member, last: dict[str, Any]) -> None:
        batch = self._batch(member.epoch, last["batch"])
        member.batches.append(batch)
        self._step(member, BatchHeld(batch))

    def _execute(self, member: Member, last: dict[str, Any]) -> None:
        height = (member.outcomes[-1].height if member.outcomes else 0) + 1
        self._execute_block(
            member, next(header for header, _ in member.ledger if header.height == height)
        )
        self._step(member, member.outcomes[-1])

    def _execute_block(self, member: Member, block: Header) -> None:
        member.outcomes.append(Executed(block.height, self.root(block), self._wish(block.height)))

    def _restart(self, member: Member, last: dict[str, Any]) -> None:
        self._boot(member)

    def _lose(self, member: Member, last: dict[str, Any]) -> None:
        member.voting, member.log = False, []
        self._boot(member)

    def _open(self, member: Member, last: dict[str, Any]) -> None:
        member.epoch, member.voting = member.epoch + 1, True
        self.anchors[member.epoch] = member.final
        self._boot(member)

    def _adopt(self, member: Member, last: dict[str, Any]) -> None:
        """A snapshot: the ledger up to a final block, and the outcome that its anchor vouches
        for."""
        statement = self._statement(last["said"])
        final = self.blocks[last["said"]["block"]]
        line = [final]
        while line[-1].height > 0:
            line.append(next(block for block in self.blocks if block.digest == line[-1].parent))
        line.reverse()
        member.ledger = [(header, None) for header in line[:-1]] + [
            (final, self._certificate(statement))
        ]
        member.batches += [
            batch for batch in self._data(line, member.epoch) if batch not in member.batches
        ]
        self._execute_block(member, line[final.anchor.height])
        self._boot(member)

    def _data(self, line: Iterable[Header], epoch: int) -> list[BatchHeader]:
        names = ("G1", "G2", "G3", "A1", "B1", "A2", "B2")
        known = {batch.digest: batch for batch in (self._batch(epoch, name) for name in names)}
        found = []
        for header in line:
            if header.epoch == epoch:
                for tip in self.cut_of(header, epoch):
                    digest = tip.digest
                    while digest in known:
                        found.append(known[digest])
                        digest = known[digest].previous
        return found

    # --- what it shows ----------------------------------------------------------------------------

    def shows(self, place: int) -> dict[str, object]:
        """What a replica holds and has said, in the model's words."""
        member = self.members[place]
        state, epoch = member.replica.state, member.epoch
        return {
            "epoch": epoch,
            "view": state.view,
            "finalView": state.final_view,
            "ledger": [self._number(header.digest) for header, _ in member.ledger],
            "certificates": {self._said(one.statement) for one in state.proofs.all()},
            "promises": {self._said(statement) for statement in state.promises.all()},
            "votes": {
                (self._place(epoch, signer), self._said(slot.vote.statement))
                for held in state.tally._rounds.values()
                for (_, signer), slot in held.slots.items()
            },
            "candidates": {
                (view, self._number(digest)) for view, digest in state.candidates.items()
            },
            "headers": {self._number(header.digest) for header in state.tree.headers()},
            "executed": state.tree.executed,
            "frozen": bool(state.frozen_lanes),
            "voting": state.voting,
            "ended": state.ended,
            "spoken": {self._said(statement) for statement in member.spoken},
        }
