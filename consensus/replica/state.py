"""What a replica holds: votes, certificates, headers, lanes, promises, and how far it has come
(PROTOCOL §6).

Owns the state and its replay after a restart; it decides nothing and says nothing. The rules are in
replica.py, which works on the parts; whoever drives a replica reads the properties below, and
leaves the parts alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import assert_never

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import invariant
from strongroom.consensus.leaders import leader_of
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.replica.batch_aims import AHEAD_MAX, BatchAims
from strongroom.consensus.replica.blocktree import BlockTree, Node
from strongroom.consensus.replica.carried_records import CarriedRecords
from strongroom.consensus.replica.company import Company
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    Commit,
    Executed,
    FinalRecord,
    Record,
)
from strongroom.consensus.replica.lanes import Cut, Lanes
from strongroom.consensus.replica.missing import Missing
from strongroom.consensus.replica.pacemaker import Pacemaker
from strongroom.consensus.replica.patience import Patience
from strongroom.consensus.replica.proofs import Proofs
from strongroom.consensus.replica.proposals import CLOCK_SKEW_MAX
from strongroom.consensus.replica.records import epoch_of_record
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.tally import Tally
from strongroom.consensus.replica.work import Demand, PendingWork, draw_up
from strongroom.consensus.safety import SafetyRules
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Lane,
    Milliseconds,
    Sequence,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Verify

GAPS_MAX = 4
"""A leader waits `min_gap` for each batch of the block below, up to this many: the busier, the
larger the blocks. If fewer batches wait by then than that block had, it waits as long again for the
rest."""

ANCHOR_DELTAS_MAX = 0.125
"""A block that would only anchor waits no longer than so many Δ0 after an execution: others measure
its leader from their own on (R9). Half a Δ0 was seen to have a view given up among honest nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaConfig:
    """Who this replica is, and of which epoch."""

    chain: ChainId
    members: EpochDescription
    own: SignerIndex | None
    """Index in the members; None if it is none: then it observes and sends nothing but
    questions."""
    anchor: Header
    """Genesis, or the terminal block that opened this epoch."""
    verify: Verify
    settings: Settings = field(default_factory=Settings)
    voting: bool = True
    """False: observe only, as after a lost or stale log (PROTOCOL §6)."""


_KINDS = frozenset(int(kind) for kind in Kind)


class ReplicaState:
    """The state of one replica in one epoch."""

    def __init__(self, config: ReplicaConfig) -> None:
        members = config.members
        invariant(config.anchor.next_epoch == members.digest, "the anchor does not open this epoch")
        self.config, self.own, self.members = config, config.own, members
        self.epoch, self.quorum, self.settings = members.epoch, members.quorum, config.settings
        count = len(members.validators)
        self.others = tuple(SignerIndex(index) for index in range(count) if index != config.own)
        self.promises = SafetyRules(members.epoch)
        self.tally = Tally(config.chain, members, config.verify)
        self.proofs = Proofs()
        self.lanes = Lanes(members.epoch, count, config.anchor.digest)
        self.tree = BlockTree(config.chain, members, config.anchor, self.lanes)
        self.pacemaker = Pacemaker(
            config.settings, faults=self.quorum.faults, jitter=(config.own or 0) / count
        )
        self.patience = Patience(config.settings)
        self.company = Company(ANCHOR_DELTAS_MAX * config.settings.delta0)
        self.candidates: dict[View, Digest] = {}
        self.missing = Missing(members.epoch, config.own, self.others, self.tree, config.settings)
        self.work = PendingWork()
        self._carried = CarriedRecords(self.promises, self.proofs, self.tree)
        self._rest = (NO_DIGEST, 0.0)
        """The tip, and since when it is the tip, in monotonic seconds."""
        self.demand = Demand(Milliseconds(0), None)
        self.come_to(View(1))
        self.batches = BatchAims()
        self.candidate_at = 0.0
        """When this view's proposal came, in monotonic seconds; of one that was here before the
        view, when it began."""
        self.final_view = View(0)
        self.final_certificate: Certificate | None = None
        """FINALIZE of the final block itself; None for the anchor, and for a block by which members
        ended this epoch."""
        self.recovery: RecoveryCertificate | None = None
        """Members ended this epoch, for its quorum was lost; verified."""
        self.voting = config.voting and config.own is not None
        self.draining = False
        """True: decline to lead, so that this node may stop without cost (R4)."""
        self.ended = False
        """The terminal block is final: this replica casts no more and keeps answering (R16)."""
        self.alarm = ""
        """Not empty: more than f liars, or execution that is not deterministic; nothing is cast any
        more."""

    # --- how far ----------------------------------------------------------------------------------

    def hold_certificate(self, certificate: Certificate) -> None:
        self.proofs.add(certificate)
        self.tally.close(certificate.view, certificate.kind)
        if certificate.kind is Kind.FINALIZE and certificate.digest == self.final.digest:
            self.final_certificate = certificate

    def become_final(
        self, header: Header, certificate: Finality | None, recent: Iterable[Header]
    ) -> None:
        """Move the final block up (R8), and forget what is settled by it."""
        view = header.view if certificate is None else certificate.view
        if header.digest == self.config.anchor.digest:
            view = View(0)
        recent = tuple(recent)
        self._carried.retire(header, view, recent)
        own = None if isinstance(certificate, RecoveryCertificate) else certificate
        self.final_view, self.final_certificate = view, own
        self.tree.settle(header, view, recent)
        self.lanes.settle(self.final_cut)
        self.promises.forget_below(view)
        self.proofs.drop_below(view)
        self.tally.drop_below(View(view + 1))
        self.candidates = {at: digest for at, digest in self.candidates.items() if at > view}
        self.ended = self.tree.is_terminal(header)

    @property
    def final_proof(self) -> Finality | None:
        """What made the final block final; None for the anchor."""
        recovery = self.recovery
        if recovery is not None and recovery.digest == self.final.digest:
            return recovery
        return self.final_certificate

    def hold(self, certificate: Finality) -> None:
        """Hold what was verified, of whichever kind."""
        if isinstance(certificate, RecoveryCertificate):
            self.recovery = certificate
            self.tree.recovered = certificate.digest
        else:
            self.hold_certificate(certificate)

    def finalities(self) -> Iterator[Finality]:
        """What makes blocks above the final one final, the newest first."""
        if self.recovery is not None and self.recovery.opening.height > self.final.height:
            yield self.recovery
        yield from self.proofs.above(Kind.FINALIZE, self.final_view)

    def execute(self, outcome: Executed) -> None:
        self.tree.execute(outcome)
        self._carried.drop_executed(outcome.height)

    def drop_candidates(self, oldest: View) -> None:
        """Forget candidates and votes of views below this one; certified blocks stay (R3)."""
        self.tree.drop_candidates(oldest, (certificate.digest for certificate in self.certified))
        self.tally.drop_below(oldest)
        self.candidates = {at: digest for at, digest in self.candidates.items() if at >= oldest}

    def tip(self) -> Header:
        """The newest notarized block whose chain is held, else the final one."""
        for certificate in self.proofs.above(Kind.NOTARIZE, self.final_view):
            header = self.tree.header(certificate.digest)
            if header is not None and self.tree.available(certificate.digest):
                return header
        return self.final

    def draw_up_work(self, now: float) -> PendingWork:
        """What waits to be done above the tip."""
        tip = self.tip()
        if tip.digest != self._rest[0]:
            self._rest = (tip.digest, now)
        return draw_up(
            self.tree,
            self.lanes,
            tip,
            self.demand,
            rested_at=self._rest[1],
            settings=self.settings,
            delta=self.delta,
            now=now,
        )

    def gap_above(self, parent: Header) -> float:
        """Seconds from entering a view to the earliest proposal on this block."""
        batches = min(parent.batch_count, GAPS_MAX)
        learnt = self.patience.gap(batches / GAPS_MAX)
        return self.settings.min_gap * batches + learnt

    @property
    def anchor_gap(self) -> float:
        """Seconds from an execution to a block that would only anchor it."""
        fixed = self.settings.anchor_gap
        return self.company.wait(self.patience.usual_round) if fixed is None else fixed

    @property
    def tip_is_unknown(self) -> bool:
        """Is a certified block above the tip not held yet? It may hold something that must become
        final."""
        if self.proofs.above(Kind.FINALIZE, self.final_view):
            return True
        newest = self.newest_notarized
        return newest is not None and newest.digest != self.tip().digest

    @property
    def certified(self) -> list[Certificate]:
        """Certificates F and N above the final block: their blocks must be held."""
        kinds = (Kind.FINALIZE, Kind.NOTARIZE)
        return [
            certificate
            for kind in kinds
            for certificate in self.proofs.above(kind, self.final_view)
        ]

    def commits(self, lineage: Iterable[Node], certificate: Finality) -> Iterator[Commit]:
        """Blocks up to the one that a FINALIZE certificate names, each with its own certificate if
        it has one."""
        for node in lineage:
            own: Finality | None = self.proofs.get(Kind.FINALIZE, node.header.view)
            if node.header.digest == certificate.digest:
                own = certificate
            matches = own is not None and own.digest == node.header.digest
            yield Commit(node.header, node.batches or (), own if matches else None)

    # --- restart ----------------------------------------------------------------------------------

    def restore(
        self,
        *,
        final: Header,
        final_certificate: Finality | None,
        recent: Iterable[Header] = (),
        batches: Iterable[BatchHeader] = (),
        executed: Iterable[Executed] = (),
        records: Iterable[Record] = (),
    ) -> tuple[Statement, ...]:
        """Replay, before anything is processed or sent. Also how an epoch after the first begins.

        Args:
            final: the newest header in the block store (the epoch's anchor if there is none above
                it).
            final_certificate: of exactly that block, if stored; that of the epoch's
                anchor, which the epoch before signed, counts for nothing here.
            recent: final headers with heights in (final.anchor.height, final.height], of whatever
                epoch.
            batches: every stored batch that is not below the final cut.
            executed: durable outcomes at heights from final.anchor.height on; at least the newest.
            records: the log, oldest first, all of it. Records of other epochs are passed over; one
                of a later epoch shows that this one has ended here before, so that nothing is cast
                in it any more.

        Returns:
            One's own statements above the final block. The enclave signs them again, which gives
            the same bytes, and each vote is stepped as Received from oneself; then `resume`.

        Raises:
            GuardRefuses: the log contradicts itself.
        """
        if final.digest == self.config.anchor.digest:
            final_certificate = None
        self.become_final(final, final_certificate, recent)
        if final_certificate is not None:
            self._hold_final(final_certificate)
        for outcome in executed:
            self.execute(outcome)
        for header in batches:
            self.lanes.add(header)
        for record in records:
            epoch = epoch_of_record(record)
            if epoch == self.epoch:
                self._replay(record)
            elif epoch > self.epoch:
                # This epoch has ended here before: what was said in it may be forgotten.
                self.voting = False
        # Only now: what the log says of those views is said again, nothing else.
        ahead = self._carried.ahead
        if ahead is not None:
            self.promises.close(ahead.certificate.view)
            self.voting &= not self.tree.is_terminal(ahead.header)
        self.come_to(View(max(self.final_view, self.proofs.newest_view) + 1))
        said = self.promises.said(self.view, Kind.NOTARIZE)
        if said is not None:
            self.candidates[self.view] = said.digest
        return self.promises.all()

    def _hold_final(self, certificate: Finality) -> None:
        if isinstance(certificate, RecoveryCertificate):
            self.hold(certificate)
        else:
            self.proofs.add(certificate)

    def _replay(self, record: Record) -> None:
        """Take a record of this epoch that is not settled by the final block."""
        match record:
            case CastRecord(statement):
                if statement.view > self.final_view:
                    self.promises.add(statement)
            case CertificateRecord(certificate):
                if certificate.view >= self.final_view:
                    self.hold_certificate(certificate)
            case CandidateRecord(header):
                if header.view > self.final_view:
                    self.tree.add(header, logged=True)
            case FinalRecord(header, _):
                if header.height > self.final.height:
                    self._look_ahead(record)
            case _:
                assert_never(record)

    def _look_ahead(self, record: FinalRecord) -> None:
        """The block store was cut back below what the log knows to be final: R8 and ranges fetch
        the blocks again.

        The log may have dropped what was said up to that block's view, so nothing new is said
        there; above it the log is whole. Nothing is lost by that: views up to a held FINALIZE
        certificate need no vote of anybody.
        """
        self.hold(record.certificate)
        self.tree.add(record.header, logged=True)
        self._carried.note_ahead(record)

    def log_records(self) -> tuple[Record, ...]:
        """What a new log must begin with before the old one may go: all that is not both final and
        executed."""
        return self._carried.all()

    def clock_behind_ms(self, wall_ms: Milliseconds) -> int:
        """Milliseconds by which a clock is behind the final block's time, beyond the skew that R6
        allows; else 0.

        Not 0: clocks were put back, here or everywhere. Block time goes on by 1 ms a block until
        they pass it.
        """
        behind = self.final.time_ms - wall_ms
        return behind if behind > CLOCK_SKEW_MAX else 0

    # --- shown to the driver ----------------------------------------------------------------------

    @property
    def final(self) -> Header:
        """The newest final header."""
        return self.tree.final

    @property
    def final_cut(self) -> Cut:
        """The cut from which the next block above the final one goes on."""
        return self.tree.cut_of(self.final)

    @property
    def next_leaders(self) -> tuple[SignerIndex, ...]:
        """Everybody, in the order in which they lead from the current view on."""
        order = self.tree.order
        at = (self.view - 1) % len(order)
        return order[at:] + order[:at]

    @property
    def newest_notarized(self) -> Certificate | None:
        """The newest NOTARIZE certificate above the final block."""
        return next(iter(self.proofs.above(Kind.NOTARIZE, self.final_view)), None)

    def newest_votes_of(self, signer: SignerIndex) -> tuple[Vote, ...]:
        """The newest votes that are known of a signer, at most one per kind; certificates count too
        (HEAD)."""
        newest = {vote.statement.kind: vote for vote in self.tally.newest_of(signer)}
        for certificate in self.proofs.all():
            held = newest.get(certificate.kind)
            if signer in certificate.signers and (
                held is None or held.statement.view < certificate.view
            ):
                signature = certificate.signatures[certificate.signers.index(signer)]
                newest[certificate.kind] = Vote(certificate.statement, signer, signature)
        return tuple(newest[kind] for kind in sorted(newest))

    def header_of(self, digest: Digest) -> Header | None:
        """A held header from the final one upward: what a BlockRequest is answered with."""
        return self.tree.header(digest)

    def has_certified(self, kind: int, epoch: int, view: int, digest: bytes) -> bool:
        """Is a certificate for exactly this statement held?"""
        held = (
            self.proofs.get(Kind(kind), View(view))
            if kind in _KINDS and epoch == self.epoch
            else None
        )
        return held is not None and held.digest == digest

    def check_certificate(self, certificate: Finality) -> None:
        """Check that a quorum of this epoch signed, or members that may end it; for what must be
        verified before it is stored (T34).

        Raises:
            PeerFault: they did not.
        """
        if isinstance(certificate, RecoveryCertificate):
            config = self.config
            certificate.check(config.chain, config.members, config.verify, anchor=config.anchor)
        else:
            self.tally.check(certificate)

    @property
    def lane_lengths(self) -> tuple[Sequence, ...]:
        """Length of each lane as held here (STATUS)."""
        return self.lanes.lengths

    def batch_due(self, now: float, lead: float | None = None) -> float | None:
        """When the next own batch had better be made: as long before a leader may propose as it
        needs to be signed, durable and there. One for a later view's block is due by what is known
        of that view: by this one's proposal, and while there is none, by the earliest.

        Args:
            now: monotonic seconds.
            lead: seconds that a batch needs; None: as learnt.

        Returns:
            Monotonic seconds, often past. None, where what was made before waits for a block, and
            how long a round takes is not known: not in this view.
        """
        ahead, usual = self._batches_ahead(), self.patience.usual_round
        if ahead and not usual:
            return None
        entered, gap = self.pacemaker.entered, self.gap_above(self.tip())
        if lead is None:
            lead = min(self.batches.lead(usual), gap + usual)
        if not ahead:
            return entered + gap - lead
        vote = usual if self.leader == self.own else self.patience.usual_vote
        candidate = self.candidates.get(self.view)
        if candidate is None:
            voted_from = max(entered + gap + usual - vote, now)
        else:
            voted_from = self.candidate_at
            gap = self.gap_above(self.tree.header(candidate) or self.tip())
        return voted_from + vote + gap - lead + (ahead - 1) * (usual + gap)

    def _batches_ahead(self) -> int:
        """Blocks that a batch comes too late for: those that others were made for, and one that is
        being voted on, unless there is hardly anything to wait for."""
        voted = self.view in self.candidates and self.tip().batch_count > 1
        following = self.batches.following(View(self.view + voted))
        return min(following - self.view, AHEAD_MAX)

    def hold_batch(self, header: BatchHeader, now: float) -> None:
        """A batch is here."""
        self.lanes.add(header)
        self.company.hold(now, self.patience.usual_round)
        if int(header.lane) == self.own and header.epoch == self.epoch:
            self.batches.hold(header.sequence, now)

    def make_batch(self, sequence: Sequence, now: float) -> None:
        """An own batch is begun, for the block that it was due for; one that was full before shares
        the next block."""
        due, usual = self.batch_due(now), self.patience.usual_round
        late = inf if due is None else now - due
        voted = int(self.view in self.candidates)
        ahead = voted if late < 0.0 else max(self._batches_ahead(), voted)
        view = View(self.view + ahead)
        self.batches.make(sequence, view, now, late=late, usual_round=usual)

    def enter(self, view: View, now: float) -> None:
        """A view begins, by a certificate of the one before."""
        notarized = self.proofs.get(Kind.NOTARIZE, View(view - 1))
        self.patience.enter(view, now, notarized=notarized is not None)
        header = None if notarized is None else self.tree.header(notarized.digest)
        if header is not None and self.own is not None:
            self.batches.order(View(view - 1), self.tree.cut_of(header)[self.own].length)
        self.come_to(view)
        self.candidate_at = now

    def come_to(self, view: View) -> None:
        """Another view: who leads it is asked for often, so it is found once."""
        self.view, self.leader = view, leader_of(self.tree.order, view)

    @property
    def frozen_lanes(self) -> frozenset[Lane]:
        """Lanes of which two branches were seen."""
        return self.lanes.frozen

    @property
    def delta(self) -> float:
        """Δ in seconds."""
        return self.pacemaker.delta

    @property
    def strikes(self) -> int:
        """Timers fired, less blocks finalised; never below zero."""
        return self.pacemaker.strikes

    @property
    def has_work(self) -> bool:
        """False: the chain is quiet."""
        return self.work.any or self.view in self.candidates

    @property
    def throttled(self) -> bool:
        """No new batches are ordered until execution or finality catches up."""
        return self.work.throttled

    @property
    def sizes(self) -> Mapping[str, int]:
        """Entries held, by kind: each is bounded."""
        return {
            "votes": self.tally.size,
            "certificates": self.proofs.size,
            "headers": self.tree.size,
            "batches": self.lanes.size,
            "errands": self.missing.size,
            "retired": len(self._carried),
        }
