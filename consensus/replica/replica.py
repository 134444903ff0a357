"""One member of the quorum: the rules of PROTOCOL §4 in one place, each cited where it stands.

Owns the order of things: what comes in changes what is held (votes, certificates, headers, batches,
outcomes), then `_settle` asks each rule once what follows. Deterministic: the same events in, the
same effects out. It has no clock, no dice and no I/O; what is held is in state.py, counting in
tally.py, promises in safety.py, validity in validity.py, patience in pacemaker.py.
"""

from collections.abc import Iterable
from typing import assert_never

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault, invariant
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import (
    BlockMessage,
    CertificateMessage,
    CertificateRequest,
    Justify,
    Propose,
    RangeRequest,
    Status,
    StatusBody,
    VoteMessage,
)
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.replica.caster import Caster
from strongroom.consensus.replica.events import (
    BatchHeld,
    BatchRelay,
    CertificateRecord,
    Event,
    Executed,
    FinalRange,
    Linked,
    Now,
    Output,
    Proposal,
    Received,
    ReplicaMessage,
    Send,
    Tick,
    Unlinked,
    Work,
)
from strongroom.consensus.replica.failure_detector import FailureDetector
from strongroom.consensus.replica.laggards import LaggardHelp
from strongroom.consensus.replica.lanes import HeldBatch
from strongroom.consensus.replica.proposals import ahead_ms, build_header
from strongroom.consensus.replica.ranges import check_links
from strongroom.consensus.replica.relay import Relay, has_turn
from strongroom.consensus.replica.state import GAPS_MAX, ReplicaConfig, ReplicaState
from strongroom.consensus.replica.tally import VIEWS_AHEAD_MAX, VIEWS_BEHIND_MAX, Count
from strongroom.consensus.replica.validity import Bad, Ok
from strongroom.consensus.replica.work import RELAY_DELTAS
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, SignerIndex, View

__all__ = ["Replica", "ReplicaConfig"]

SPREAD_DELTAS = 0.5
"""A certificate goes, so many Δ after it is held here, to those that have not shown to have come
past it (R2)."""
_Rest = CertificateRequest | BlockMessage | Status | RangeRequest


class Replica:
    """One member of the quorum, for one epoch.

    It decides; what it holds and how far it has come is its `state`, which the driver restores
    before `resume` and reads afterwards.
    """

    def __init__(self, config: ReplicaConfig) -> None:
        state = self.state = ReplicaState(config)
        self._config, self._own, self._members = config, config.own, config.members
        self._epoch, self._quorum, self._settings = state.epoch, state.quorum, config.settings
        self._others = state.others
        # The parts of the state, by their own names: none of them is ever replaced.
        self._promises = state.promises
        self._tally = state.tally
        self._proofs = state.proofs
        self._lanes = state.lanes
        self._tree = state.tree
        self._pacemaker = state.pacemaker
        self._missing = state.missing
        self._answers = LaggardHelp(state)
        self._caster = Caster(self._promises, self._tree)
        self._relay = Relay(self._own, self._others)
        self._leader_lied = False
        self._missing_view: View | None = None
        self._failure_detector = FailureDetector(
            len(self._members.validators), self._own, self._quorum.size
        )
        self._executed_at = 0.0
        self._wakes: list[float] = []
        self._deadline: float | None = None

    # --- in and out -------------------------------------------------------------------------------

    def step(self, event: Event, now: Now) -> Output:
        """Advance by one event; carry the effects out in the order of the Output's fields.

        Raises:
            PeerFault: the message breaks a rule; nothing has changed but when its sender was last
                heard.
        """
        state = self.state
        out = Output()
        moved = True
        match event:
            case Received(sender, message):
                moved = self._receive(sender, message, now, out)
            case BatchHeld(header):
                state.hold_batch(header, now.monotonic)
            case Executed():
                self._note_execution(event, now)
                state.execute(event)
                self._check_divergence(out)
            case FinalRange():
                moved = self._take_range(event, now, out)
            case Linked(peer):
                self._link(peer, now, out)
            case Unlinked(peer):
                self._failure_detector.link_down(peer, now.monotonic)
                self._missing.doubt(peer)
            case Work():
                state.demand.until_ms = max(state.demand.until_ms, now.wall_ms)
            case Tick():
                pass
            case _:
                assert_never(event)
        if moved:
            self._settle(now, out)
        return out

    def _note_execution(self, event: Executed, now: Now) -> None:
        """When it was, for whoever waits by that."""
        state = self.state
        self._executed_at = now.monotonic
        state.patience.execute(event.height, now.monotonic)
        if not state.work.waiting:
            state.company.execute(now.monotonic)

    def deadline(self) -> float | None:
        """Monotonic seconds at which a Tick is due; None while the chain is quiet."""
        return self._deadline

    def resume(self, now: Now) -> Output:
        """Begin: say where one stands, and go on."""
        out = Output()
        self._failure_detector.begin(now.monotonic)
        self._await_idle(now)
        self._pacemaker.enter(now.monotonic)
        self._repeat(None, out)
        self._settle(now, out)
        return out

    def _repeat(self, to: SignerIndex | None, out: Output) -> None:
        """R12's message, if there is anything that it could say."""
        if self.state.view > 1 or self._promises.all():
            self._send(out, to, self._answers.repeating())

    def _link(self, peer: SignerIndex, now: Now, out: Output) -> None:
        """Whoever was cut off has missed what was said meanwhile: it need not wait for a retry."""
        if peer != self._own and self._failure_detector.link_up(
            peer, now.monotonic, self._pacemaker.delta
        ):
            self._missing.doubt(peer)
            self._repeat(peer, out)

    def _receive(self, sender: SignerIndex, message: ReplicaMessage, now: Now, out: Output) -> bool:
        """Take one message in; returns whether a rule may follow from it."""
        if not 0 <= sender < len(self._failure_detector):
            raise PeerFault(f"message from {sender}, who is no member")
        self._failure_detector.note(sender, now.monotonic)
        match message:
            case VoteMessage(vote):
                self._help_laggard(sender, vote, now, out)
                return self._count(vote, sender == vote.signer, now, out)
            case Propose():
                return self._accept(message, now, out)
            case CertificateMessage(certificate):
                if certificate.statement.epoch != self._epoch:
                    return False
                return self._hold(self._checked((certificate,)), now, out)
            case Justify():
                return self._take_justify(sender, message, now, out)
            case CertificateRequest() | BlockMessage() | Status() | RangeRequest():
                return self._receive_rest(sender, message, now, out)
        assert_never(message)

    def _receive_rest(self, sender: SignerIndex, message: _Rest, now: Now, out: Output) -> bool:
        match message:
            case CertificateRequest(epoch, view):
                if epoch == self._epoch and self._answers.due(
                    sender, View(0), self._pacemaker.delta, now.monotonic, asked=True
                ):
                    self._help(sender, view, out)
                return False
            case BlockMessage(header):
                return self._take_header(header)
            case Status(body):
                return self._take_status(sender, body, now, out)
            case RangeRequest():
                return False
        assert_never(message)

    # --- votes and certificates: R0 to R3 ---------------------------------------------------------

    def _count(
        self, vote: Vote, own_link: bool, now: Now, out: Output, *, verified: bool = False
    ) -> bool:
        """R0 admit, R1 tally."""
        state = self.state
        statement = vote.statement
        if statement.epoch != self._epoch:
            return False
        if own_link or verified:
            self._relay.heard(vote.signer, statement)
        lowest = max(state.final_view + 1, state.view - VIEWS_BEHIND_MAX)
        if not lowest <= statement.view <= state.view + VIEWS_AHEAD_MAX:
            if own_link:
                self._tally.note(vote)
            return False
        count = self._tally.add(vote, own_link=own_link, verified=verified)
        return self._follow(count, vote, now, out)

    def _follow(self, count: Count, vote: Vote, now: Now, out: Output) -> bool:
        state = self.state
        statement = vote.statement
        out.faults.extend(count.forgers)
        out.evidence.extend(count.evidence)
        leads = statement.view == state.view and vote.signer == state.leader
        if count.evidence and leads and statement.kind is Kind.NOTARIZE:
            self._leader_lied = True
        if count.certificate is not None:
            return self._hold([count.certificate], now, out)
        if statement.kind is Kind.NULLIFY and statement.view == state.view:
            return leads or self._tally.nullifiers(state.view) >= self._quorum.blocking
        return self._leader_lied and leads

    def _checked(self, certificates: Iterable[Certificate]) -> list[Certificate]:
        """Those that are new, above the final block, and verified.

        Raises:
            PeerFault: one is of another epoch, short of a quorum, or forged.
        """
        fresh = []
        for certificate in certificates:
            if certificate.statement.epoch != self._epoch:
                raise PeerFault(
                    f"certificate of epoch {certificate.statement.epoch}, this is {self._epoch}"
                )
            held = self._proofs.get(certificate.kind, certificate.view)
            if certificate.view < self.state.final_view or (
                held is not None and held.digest == certificate.digest
            ):
                continue
            self._tally.check(certificate)
            fresh.append(certificate)
        return fresh

    def _hold(self, certificates: list[Certificate], now: Now, out: Output) -> bool:
        """R2: each first time: store, log, have it passed on to whoever lacks it; then R3 for the
        newest view."""
        for certificate in certificates:
            contradiction = self._proofs.contradiction(certificate)
            if contradiction:
                self._raise_alarm(contradiction, out)
            if contradiction or self._proofs.get(certificate.kind, certificate.view) is not None:
                continue
            self.state.hold_certificate(certificate)
            out.persist.append(CertificateRecord(certificate))
            spread = self._pacemaker.delta * SPREAD_DELTAS
            self._relay.hold(
                certificate, now.monotonic, first=spread, later=spread + self._settings.retry
            )
        newest = max((certificate.view for certificate in certificates), default=View(0))
        if newest >= self.state.view:
            self._enter(View(newest + 1), now)
        return bool(certificates)

    def _enter(self, view: View, now: Now) -> None:
        """R3: views move by certificates only; skipping some is fine."""
        state = self.state
        state.enter(view, now.monotonic)
        self._leader_lied = False
        self._missing_view = None
        self._pacemaker.enter(now.monotonic)
        oldest = View(view - VIEWS_BEHIND_MAX)
        if oldest > state.final_view:
            state.drop_candidates(oldest)

    # --- messages: R5, R12, R13 and catch-up ------------------------------------------------------

    def _accept(self, message: Propose, now: Now, out: Output) -> bool:
        """R5: a proposal stands by itself, whoever brings it; all of it is checked before any of it
        counts."""
        header, view, vote = message.header, message.view, message.vote
        if header.epoch != self._epoch or view <= self.state.final_view:
            return False
        self._tree.admit(header)
        self._tree.check_proposal(message)
        if not self._tally.has_verified(vote):
            vote.check(self._config.chain, self._members, self._config.verify)
        justification = message.justification
        parents = () if justification.parent is None else (justification.parent,)
        self._hold(self._checked(parents + justification.nulls), now, out)
        self._consider(header, view, now)
        self._count(vote, False, now, out, verified=True)
        return True

    def _consider(self, header: Header, view: View, now: Now) -> None:
        """One candidate per view, the first; of a view that was left it is held for whoever
        notarized it there."""
        state = self.state
        if view in state.candidates or view < state.view - VIEWS_BEHIND_MAX:
            return
        state.candidates[view] = header.digest
        self._tree.add(header)
        if view == state.view:
            self._pacemaker.candidate_came()
            state.candidate_at = now.monotonic
            if state.leader != state.own:
                state.patience.hear(view, now.monotonic)

    def _take_justify(self, sender: SignerIndex, message: Justify, now: Now, out: Output) -> bool:
        """R12 and R13 from the other side: take what it brings, then help whoever is not further
        than this replica."""
        state = self.state
        if message.epoch != self._epoch:
            return False
        moved = self._hold(self._checked(message.certificates), now, out)
        for vote in message.votes:
            try:
                moved |= self._count(vote, sender == vote.signer, now, out)
            except PeerFault:
                out.faults.append(sender)
                break
        silent = self._promises.silent_in(state.view)
        behind = message.view < state.view or (message.view == state.view and not silent)
        if (
            sender != self._own
            and behind
            and self._answers.due(sender, message.view, self._settings.retry, now.monotonic)
        ):
            self._help(sender, message.view, out)
        return moved

    def _help_laggard(self, sender: SignerIndex, vote: Vote, now: Now, out: Output) -> None:
        """R13: a vote for a view that was left long enough ago for its certificate to have arrived
        by itself."""
        statement = vote.statement
        late = (
            statement.epoch == self._epoch
            and statement.view < self.state.view
            and statement.kind is not Kind.FINALIZE
        )
        if not late or sender != vote.signer or sender == self._own:
            return
        settled = now.monotonic - self._pacemaker.entered >= 2 * self._pacemaker.delta
        if settled and self._answers.due(
            sender, statement.view, self._settings.retry, now.monotonic
        ):
            self._help(sender, statement.view, out)

    def _help(self, peer: SignerIndex, view: View, out: Output) -> None:
        self._send(out, peer, self._answers.helping(view))

    def _take_header(self, header: Header) -> bool:
        """R14: only a header that was asked for; its digest is what makes it genuine."""
        if not self._missing.wants_header(header.digest):
            return False
        self._tree.admit(header)
        self._tree.add(header)
        return True

    def _take_status(self, sender: SignerIndex, body: StatusBody, now: Now, out: Output) -> bool:
        """Claims only pick whom to ask (PROTOCOL §6); a peer in a later view is asked once per
        claim."""
        state = self.state
        if body.epoch != self._epoch or sender == self._own:
            return False
        self._missing.note_claim(sender, body)
        self._relay.seen(sender, body.view, body.final_view)
        stale = now.monotonic - self._pacemaker.entered >= 2 * self._pacemaker.delta
        if body.view > state.view and stale:
            self._send(out, sender, CertificateRequest(self._epoch, state.view))
        return body.height > state.final.height

    def _take_range(self, event: FinalRange, now: Now, out: Output) -> bool:
        """Catch-up goes through R2 and R8 like everything else."""
        headers = [header for header in event.headers if header.height > self.state.final.height]
        if not headers:
            return False
        check_links(headers, event.certificate, self.state.final)
        for header in headers:
            self._tree.admit(header)
        certificate = event.certificate
        if isinstance(certificate, RecoveryCertificate):
            self.state.check_certificate(certificate)
            fresh = []
            self.state.hold(certificate)
        else:
            fresh = self._checked((certificate,))
        for header in headers:
            self._tree.add(header)
        self._hold(fresh, now, out)
        self._missing.note_progress()
        return True

    # --- what follows: each rule once, in this order ----------------------------------------------

    def _settle(self, now: Now, out: Output) -> None:
        state = self.state
        self._wakes = []
        # A clock that was put back is not waited for: a deadline that it has not reached again is
        # none.
        state.demand.until_ms = min(state.demand.until_ms, now.wall_ms)
        out.evidence.extend(self._lanes.take_forks())
        self._commit(now, out)
        self._finalise(out)
        self._notarize(now, out)
        state.work = state.draw_up_work(now.monotonic)
        self._propose(now, out)
        self._keep_pace(now, out)
        self._relay_batches(state.work.relay, now, out)
        self._fetch(now, out)
        self._relay_certificates(now, out)
        others = (
            self._missing.deadline,
            state.work.wake,
            self._failure_detector.relay_at,
            self._relay.deadline,
        )
        times = (*self._pacemaker.deadlines, *others, *self._wakes)
        self._deadline = min([at for at in times if at is not None], default=None)

    def _commit(self, now: Now, out: Output) -> None:
        """R8: the newest final block whose chain down to the last one is held, with all its
        data."""
        state = self.state
        for certificate in state.finalities():
            verdict = self._tree.judge(certificate.digest)
            if isinstance(verdict, Bad):
                self._raise_alarm(f"final block of view {certificate.view}: {verdict.flaw}", out)
            lineage = self._tree.lineage(certificate.digest)
            if (
                isinstance(lineage, list)
                and lineage
                and all(node.batches is not None for node in lineage)
            ):
                out.commit += state.commits(lineage, certificate)
                state.become_final(
                    lineage[-1].header, certificate, [node.header for node in lineage]
                )
                for node in lineage:
                    state.patience.commit(node.header.height, now.monotonic)
                self._pacemaker.finalised()
                self._await_idle(now)
                self._check_divergence(out)
                return

    def _await_idle(self, now: Now) -> None:
        if self._settings.idle_block is not None:
            self.state.demand.idle_at = now.monotonic + self._settings.idle_block

    def _finalise(self, out: Output) -> None:
        """R7: for every notarized view above the final one, whatever the current view and one's own
        N."""
        for certificate in reversed(self._proofs.above(Kind.NOTARIZE, self.state.final_view)):
            verdict = self._tree.judge(certificate.digest)
            if isinstance(verdict, Bad):
                self._raise_alarm(
                    f"notarized block of view {certificate.view}: {verdict.flaw}", out
                )
                return
            statement = Statement(Kind.FINALIZE, self._epoch, certificate.view, certificate.digest)
            if isinstance(verdict, Ok) and self._casting and self._caster.may_cast(statement):
                self._caster.cast(statement, out)

    def _notarize(self, now: Now, out: Output) -> None:
        """R6: the candidate of the current view, once it and all below it is held, valid and not
        ahead of the clock."""
        state = self.state
        digest = state.candidates.get(state.view)
        if digest is None:
            return
        statement = Statement(Kind.NOTARIZE, self._epoch, state.view, digest)
        header = self._tree.header(digest)
        if header is None or not (self._casting and self._caster.may_cast(statement)):
            return
        verdict = self._tree.judge(digest)
        if isinstance(verdict, Bad):
            self._nullify(now, out)
        elif isinstance(verdict, Ok):
            ahead = ahead_ms(header, self._tree.header(header.parent) or state.final, now.wall_ms)
            if ahead:
                self._wakes.append(now.monotonic + ahead / 1000)
            else:
                self._caster.cast(statement, out)

    def _propose(self, now: Now, out: Output) -> None:
        """R4: as leader, with nothing said in this view."""
        state = self.state
        self._missing_view = None
        silent = self._promises.silent_in(state.view)
        if (
            not self._casting
            or state.leader != self._own
            or not silent
            or state.view in state.candidates
        ):
            return
        if not state.work.any:
            return
        if state.draining:
            self._nullify(now, out)
            return
        found = self._proofs.justify(state.view, state.final_view, self._tree.available)
        if not isinstance(found, Justification):
            self._missing_view = found
            return
        parent = (
            state.final
            if found.parent is None
            else self._tree.header(found.parent.digest) or state.final
        )
        terminal = self._tree.is_terminal(parent)
        ready, patience = self._ready_at(parent), self._pacemaker.entered + self._pacemaker.delta
        if now.monotonic < ready:
            self._wakes.append(ready)
        elif self._tree.executed >= parent.anchor.height and isinstance(
            self._tree.judge(parent.digest), Ok
        ):
            state.patience.propose(state.view, now.monotonic)
            self._lead(parent if terminal else self._build(parent, now), found, now, out)
        elif now.monotonic < patience:
            self._wakes.append(patience)
        else:
            self._nullify(now, out)

    def _ready_at(self, parent: Header) -> float:
        """When to propose on this block: as soon as the next one is worth its cost (Settings), in
        monotonic seconds."""
        state = self.state
        entered = self._pacemaker.entered
        if self._tree.is_terminal(parent) or not state.work.build:
            return entered + self._pacemaker.delta
        gap = state.gap_above(parent)
        if not state.work.waiting:
            return max(entered + 2 * gap, self._executed_at + state.anchor_gap)
        _, batches, _ = self._lanes.newest_cut(self._tree.cut_of(parent))
        ready = entered + (gap if batches >= min(parent.batch_count, GAPS_MAX) else 2 * gap)
        if self._tree.executed < parent.height <= state.final.height:
            ready += state.patience.usual_execution
        return ready

    def _build(self, parent: Header, now: Now) -> Header:
        state = self.state
        cut = self._tree.cut_of(parent)
        return build_header(
            parent,
            chain=self._config.chain,
            epoch=self._epoch,
            view=state.view,
            proposer=state.leader,
            wall_ms=now.wall_ms,
            data=(cut, 0, 0) if state.work.throttled else self._lanes.newest_cut(cut),
            anchor=self._tree.newest_anchor(parent),
        )

    def _lead(self, header: Header, justification: Justification, now: Now, out: Output) -> None:
        state = self.state
        self._consider(header, state.view, now)
        verdict = self._tree.judge(header.digest)
        invariant(
            isinstance(verdict, Ok), f"own proposal in view {state.view} is invalid: {verdict}"
        )
        statement = Statement(Kind.NOTARIZE, self._epoch, state.view, header.digest)
        self._caster.cast(statement, out, Proposal(header, justification))

    def _keep_pace(self, now: Now, out: Output) -> None:
        """R9 to R12: arm, fire, nullify, repeat; nothing of it without work."""
        state = self.state
        back = self._failure_detector.relay_due(now.monotonic)
        if back:
            self._relay_batches(state.work.waiting, now, out, again=True, back=back)
            self._lanes.relay_anew(state.work.waiting, self._settings.relay_batches_max)
        if not self._casting:
            self._pacemaker.disarm()
            return
        candidate = state.view in state.candidates
        nullified = self._promises.said(state.view, Kind.NULLIFY) is not None
        if state.work.arms or candidate or state.tip_is_unknown:
            self._pacemaker.arm(now.monotonic, candidate=candidate, nullified=nullified)
        else:
            self._pacemaker.disarm()
        if not nullified and self._gives_up(now, candidate=candidate):
            self._nullify(now, out)
        retry = self._pacemaker.retry_due(now.monotonic)
        if retry:
            self._send(out, None, self._answers.repeating())
            for batch in state.work.waiting:  # before it is late, it was nobody's turn yet
                batch.retries += self._is_late(batch, now)
            self._relay_batches(state.work.waiting, now, out, again=True)
            self._lanes.relay_anew(state.work.waiting, self._settings.relay_batches_max)

    def _relay_batches(
        self,
        batches: Iterable[HeldBatch],
        now: Now,
        out: Output,
        *,
        again: bool = False,
        back: tuple[SignerIndex, ...] = (),
    ) -> None:
        """Unordered batches may be known to few (PROTOCOL §7, Work): their origin and a few others,
        by turns, send them to whoever has not shown to hold them. `again`: the first time may be
        lost, so whoever knows of no f + 1 others that hold a late one sends it too; so does, a
        retry later, whoever casts nothing, for it retries nothing. `back`: only to these, whose
        links came up."""
        for batch in batches:
            lacking = self._missing.lacking(batch.header)
            to = tuple(peer for peer in lacking if peer in back) if back else lacking
            late, casting = self._is_late(batch, now), self._casting
            last = again and late if casting else self._is_late(batch, now, self._settings.retry)
            sent = bool(to) and (self._relays(batch) or (last and self._is_alone(lacking)))
            if sent:
                everybody = len(to) == len(self._others)
                out.relay.append(BatchRelay(batch.header.digest, None if everybody else to, late))
            batch.relayed |= not back and (sent or casting)

    def _is_late(self, batch: HeldBatch, now: Now, beyond: float = 0.0) -> bool:
        """Has it been the next one of its lane for 2Δ, and so many seconds beyond?"""
        if batch.first_at is None:
            return False
        due = batch.first_at + RELAY_DELTAS * self._pacemaker.delta + beyond
        if due > now.monotonic:
            self._wakes.append(due)
        return due <= now.monotonic

    def _is_alone(self, lacking: tuple[SignerIndex, ...]) -> bool:
        """Do so few others say that they hold it, that all of these may lie?"""
        return len(self._others) - len(lacking) <= self._quorum.faults

    def _relays(self, batch: HeldBatch) -> bool:
        header = batch.header
        draw = int.from_bytes(header.digest[:4]) + batch.retries
        return int(header.lane) == self._own or has_turn(
            self._own, len(self._failure_detector), draw
        )

    def _relay_certificates(self, now: Now, out: Output) -> None:
        """R2: certificates to members that may lack them."""
        for send in self._relay.due(now.monotonic):
            self._send(out, send.to, send.message)

    def _gives_up(self, now: Now, *, candidate: bool) -> bool:
        """R10: timers, the leader's own X, its two faces, b others; R11: a leader that is dead
        while a quorum lives."""
        state = self.state
        if self._pacemaker.expired(now.monotonic) or self._leader_lied:
            return True
        nullifiers = self._tally.nullifiers(state.view)
        if nullifiers >= self._quorum.blocking:
            return True
        if nullifiers and self._tally.vote_of(state.view, Kind.NULLIFY, state.leader) is not None:
            return True
        return state.work.any and not candidate and self._leader_is_gone(now)

    def _leader_is_gone(self, now: Now) -> bool:
        """R11: silent for long, or its link lost for a little, while a quorum is there."""
        lost = self._failure_detector.cut_off_at(self.state.leader)
        if lost is not None:
            given_up = lost + max(self._settings.link_grace, self._pacemaker.delta)
            if given_up <= now.monotonic:
                return True
            self._wakes.append(given_up)
        return self._failure_detector.is_dead(
            self.state.leader, now.monotonic - self._pacemaker.skip_after
        )

    def _nullify(self, now: Now, out: Output) -> None:
        """R10: the current view, guard permitting."""
        statement = Statement(Kind.NULLIFY, self._epoch, self.state.view, NO_DIGEST)
        if self._casting and self._caster.may_cast(statement):
            self._caster.cast(statement, out)
            self._pacemaker.nullified(now.monotonic)

    # --- casting ----------------------------------------------------------------------------------

    @property
    def _casting(self) -> bool:
        state = self.state
        return state.voting and not state.ended and not state.alarm

    def _send(self, out: Output, to: SignerIndex | None, message: ReplicaMessage) -> None:
        """Say something; an observer that is no member has no voice."""
        if self._own is not None and (to is not None or self._others):
            out.send.append(Send(to, message))

    def _raise_alarm(self, reason: str, out: Output) -> None:
        """Stop voting: more than f liars, or execution that is not deterministic."""
        if not self.state.alarm:
            self.state.alarm = out.alarm = reason

    def _check_divergence(self, out: Output) -> None:
        if self._tree.diverged:
            self._raise_alarm(
                f"execution at height {self.state.final.anchor.height} "
                "differs from what a quorum vouches",
                out,
            )

    def _fetch(self, now: Now, out: Output) -> None:
        """R14: headers and batches of whatever is certified or a candidate, and what a leader's
        justification lacks."""
        state = self.state
        digest = state.candidates.get(state.view)
        candidate = None if digest is None else (digest, state.leader)
        self._missing.pursue(
            state.certified,
            candidate,
            self._missing_view,
            delta=self._pacemaker.delta,
            now=now.monotonic,
            out=out,
        )
