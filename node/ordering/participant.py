"""The node's part in consensus as one pure state machine: events in, ordered effects out (PROTOCOL
R0, R16, §6, §9).

Owns which epoch runs and how the next one begins, when this node is silent, and what its log says.
No I/O, no clock, no tasks: the node's driver and the simulator carry out the same effects, and a
crash may fall between any two of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.heads import HeadBody
from strongroom.consensus.host_messages import EpochMessage
from strongroom.consensus.messages import CertificateMessage, Status, StatusBody
from strongroom.consensus.remembered import RememberedSignatures
from strongroom.consensus.replica.events import (
    Cast,
    Executed,
    FinalRecord,
    Linked,
    Now,
    Received,
    Tick,
    Unlinked,
    Work,
)
from strongroom.consensus.replica.records import epoch_of_record
from strongroom.consensus.replica.replica import Replica
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height, PublicKey, Signature
from strongroom.consensus.validators import Verify
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.backlog import Backlog
from strongroom.node.ordering.effects import (
    Alarm,
    BatchAgain,
    Effect,
    EpochBegins,
    Fault,
    Forget,
    Recall,
    SignAgain,
    Sync,
    ViewChanged,
)
from strongroom.node.ordering.epoch_entries import EpochEntries
from strongroom.node.ordering.epoch_run import FORGET_VIEWS, EpochContext, EpochRun
from strongroom.node.ordering.events import (
    EpochsKnown,
    Following,
    Fresh,
    Heard,
    LinkDown,
    LinkUp,
    OrderingMessage,
    OwnBatch,
    ParticipantEvent,
    Proven,
    Recorded,
)
from strongroom.node.ordering.forwarding import ForwardBounds
from strongroom.node.ordering.log import LogContent
from strongroom.node.ordering.own_words import head_body, status_body
from strongroom.node.ordering.past import Past
from strongroom.node.ordering.reception import Reception
from strongroom.node.ordering.serving import Serving
from strongroom.node.ordering.start import ReplicaStart, start_at
from strongroom.node.ordering.turn import Turn

STALE_LOG = "a peer holds a vote of this node that its log does not have: observes only"


class Participant:
    """One node, from its restart on: `restore`, then `step` for ever. It begins to vote once it is
    `Fresh`."""

    def __init__(
        self,
        *,
        node_key: PublicKey,
        past: Past,
        epochs: EpochChain,
        start: ReplicaStart,
        pool: BatchPool,
        verify: Verify,
        settings: Settings,
        log_bytes_max: int,
        may_vote: bool = True,
        forget_views: int = FORGET_VIEWS,
        forward: ForwardBounds | None = None,
    ) -> None:
        """Restore what log and block store say; nothing is said yet.

        Args:
            node_key: of this node.
            past: its block store.
            epochs: every epoch that is known; extended here, and by a front door's word
                (`EpochsKnown`).
            start: what log and block store say.
            pool: holds batches; emptied here, of executed ones by whoever executes.
            verify: (public key, signature, message) → does it verify?
            settings: times of the replica.
            log_bytes_max: the log begins anew above this, or above twice what must be carried over.
            may_vote: False: observe in every epoch.
            forget_views: the enclave's guard is told of final views in steps of this many.
            forward: from where on batches travel over two hops.
        """
        self._past, self._pool = past, pool
        self._log = LogContent(bytes_max=log_bytes_max, size=start.log_bytes)
        self._log.recorded, self._log.silence = start.recorded, start.silence
        self._log.owe(start.unordered)
        self.backlog = Backlog(recorded=past.newest_block, executed=past.newest_outcome)
        self._reachable: set[PublicKey] = set()
        self._linked: set[PublicKey] = set()
        self._context = EpochContext(
            node_key=node_key,
            epochs=epochs,
            verify=RememberedSignatures(verify),
            settings=settings,
            pool=pool,
            log=self._log,
            backlog=self.backlog,
            reachable=self._reachable,
            may_vote=may_vote,
            forget_views=forget_views,
            forward=forward or ForwardBounds(),
        )
        self._reception = Reception(epochs, Serving(past, pool, epochs), verify)
        self._succession = EpochEntries(epochs, past)
        finals = (
            record.header.height for record in start.records if isinstance(record, FinalRecord)
        )
        self._fresh: Fresh | None = None
        self._held: list[Executed | Work] = []
        """What was executed before heads were fresh."""
        self._log_height = max(finals, default=Height(0))
        """Up to here the log knew that all was final."""
        self._enter(start)

    def _enter(self, start: ReplicaStart) -> None:
        self.run = EpochRun(self._context, start)
        self.replica: Replica = self.run.replica
        """Of the current epoch."""
        self._log.later = tuple(
            record for record in start.records if epoch_of_record(record) > self.epoch
        )
        self._log.later_batches = start.later
        self._view = self.replica.state.view

    # --- what it shows ---

    @property
    def epoch(self) -> Epoch:
        """The current one."""
        return self.run.epoch

    @property
    def status(self) -> dict[PublicKey, Status]:
        """The newest of each node, of whatever epoch."""
        return self._reception.status

    @property
    def has_lane(self) -> bool:
        """What is submitted here goes into a lane of this node's own.

        Not while the block store is behind the log: a log that began anew holds no batches that
        were final by then, and a lane that began again without them would fork itself.
        """
        if self.run.own is None or not self.run.begun or not self.replica.state.voting:
            return False
        return self.replica.state.final.height >= self._log_height

    @property
    def lane_is_full(self) -> bool:
        """Half of what peers keep of one origin waits: more would have to wait here.

        A peer that misses one batch and is full of those after it keeps no relay of the one that is
        missing; and it has no work, so nobody would ever order the lane. The other half is for what
        is final here and not yet stored there.
        """
        run = self.run
        if run.lane is None or run.own is None:
            return False
        run.lane.settle(self.replica.state.final_cut[run.own])
        return run.lane.waiting_bytes >= self._pool.origin_bytes_max // 2

    @property
    def log_bytes(self) -> int:
        """What the log has, about, and never less."""
        return self._log.size

    @property
    def silenced(self) -> bool:
        """Its log does not hold all that was said in this epoch (PROTOCOL §6)."""
        return self._log.silence is not None

    @property
    def needs_refresh(self) -> bool:
        """A member that may not vote asks for the next epoch, in which it may again (PROTOCOL
        §6)."""
        return self.run.own is not None and self.silenced

    @property
    def begun(self) -> bool:
        """Heads are fresh: this node takes part."""
        return self.run.begun

    def has_certified(self, kind: int, epoch: int, view: int, digest: bytes) -> bool:
        """Is a certificate for exactly this statement held? Then another one says nothing."""
        return self.run.begun and self.replica.state.has_certified(kind, epoch, view, digest)

    def status_body(self) -> StatusBody:
        """What this node says of itself; signed by the node key."""
        return status_body(self.run, self.backlog.executed)

    def head_body(self, nonce: bytes, asker: PublicKey) -> HeadBody:
        """What is newest here, over somebody's nonce."""
        opened = self._succession.end_of(Epoch(self.epoch - 1)) if self.epoch > 0 else None
        return head_body(self.run, opened, nonce, asker)

    @property
    def is_hungry(self) -> bool:
        """Own votes wait to be counted: step again at once."""
        return bool(self.run.own_votes)

    def deadline(self) -> float | None:
        """Monotonic seconds at which a step is wanted even if nothing happens."""
        return self.run.deadline() if self.run.begun else None

    # --- start ---

    def restore(self) -> list[Effect]:
        """Before anything else: the guard learns what this node said."""
        effects: list[Effect] = []
        if self._log.silence is not None:  # before anything else: the next start finds a log
            effects += [self._log.observe(self._log.silence), Sync(), Alarm(self._log.silence[1])]
        effects += [EpochBegins(self.run.description), Recall(self.epoch, self.run.statements)]
        if self.replica.state.final_view > 0:
            effects.append(Forget(self.epoch, self.replica.state.final_view))
        return effects

    def _freshen(self, fresh: Fresh, now: Now) -> list[Effect]:
        """Begin. A log that does not hold all that was said silences this node up to the newest
        epoch of heads (PROTOCOL §6)."""
        epoch, may_vote = fresh.epoch, fresh.may_vote
        silence = self._log.silence
        turn = Turn(now)
        member = self._context.epochs.newest.index_of(self._context.node_key) is not None
        if silence is not None:
            self._observe(max(silence[0], epoch), silence[1], turn)
        elif member and not may_vote:
            self._observe(epoch, STALE_LOG, turn)
        else:
            turn.rest.append(Alarm(""))
        return turn.effects() + self._batch_again(self._log.owed_envelopes()) + self._begin(now)

    def _observe(self, epoch: Epoch, reason: str, turn: Turn) -> None:
        self.replica.state.voting = False
        turn.records.append(self._log.observe((epoch, reason)))
        turn.durable = True
        turn.rest.append(Alarm(reason))

    def _begin(self, now: Now) -> list[Effect]:
        if self.run.statements and self.replica.state.voting:
            return [SignAgain(self.run.statements)]
        return self.restated((), now)

    def restated(self, signatures: Sequence[Signature], now: Now) -> list[Effect]:
        """What the log says was said is signed again: the replica counts it, and begins."""
        turn, run = Turn(now), self.run
        run.restate(run.votes(run.statements, signatures) if signatures else (), turn)
        held, self._held = self._held, []
        for event in held:
            run.step(event, turn, None)
        for (
            sender,
            status,
        ) in self.status.items():  # what was said before, so that catching up begins at once
            self._reception.pass_on(sender, status, run, turn)
        for peer in sorted(self._linked):
            self._tell_link(peer, Linked, turn)
        self._note_end(turn)
        for sender, message in self._reception.others.take_early():
            self._hear(sender, message, turn)
        run.tick(turn)
        return self._finish(turn)

    def limit_log(self, bytes_max: int) -> None:
        """From now on the log begins anew above this, or above twice what must be carried over."""
        self._log.limit(bytes_max)

    def rotate_log(self) -> list[Effect]:
        """Begin a new log now, however short the old one is."""
        return self._log.rotate(self.replica.state, self._pool)

    def signed(self, casts: Sequence[Cast], signatures: Sequence[Signature]) -> list[Effect]:
        """The guard has signed: what goes out. Then `is_hungry`."""
        return self.run.spoken(casts, signatures)

    # --- step ---

    def step(self, events: Iterable[ParticipantEvent], now: Now) -> list[Effect]:
        """Take the events of one turn; carry the effects out in their order."""
        turn = Turn(now)
        while self.run.own_votes:
            self.run.step(self.run.own_votes.popleft(), turn, None)
        for event in events:
            self._take(event, turn)
        if self.run.begun:
            self.run.tick(turn)
        return self._finish(turn)

    def _finish(self, turn: Turn) -> list[Effect]:
        if self.replica.state.view != self._view:
            self._view = self.replica.state.view
            turn.rest.append(ViewChanged())
        effects = turn.effects()
        fresh, self._fresh = self._fresh, None
        if fresh is not None and not self.run.begun:
            effects += self._freshen(fresh, turn.now)
        if not self.run.begun:
            return effects
        effects += self._log.rotate_if_long(self.replica.state, self._pool)
        entry = self._opened()
        return effects if entry is None else effects + self._enter_next(entry, turn.now)

    def _take(self, event: ParticipantEvent, turn: Turn) -> None:
        match event:
            case Heard(sender, message):
                self._reachable.add(sender)
                self._hear(sender, message, turn)
            case OwnBatch(batch):
                self.run.hold(batch, turn, own=True)
            case Fresh():
                self._fresh = event
            case Executed() | Following() | Work():
                self._advance(event, turn)
            case Recorded(record):
                self.backlog.note_recorded(record.header.height)
                self.run.note_final(record, turn)
            case EpochsKnown():
                self._note_epochs(turn)
            case LinkUp() | LinkDown():
                self._note_link(event, turn)
            case Proven(certificate):
                self._feed(certificate, turn)
            case Tick():
                pass

    def _advance(self, event: Executed | Following | Work, turn: Turn) -> None:
        """What happens here before heads are fresh waits for them."""
        if isinstance(event, Following):
            self.backlog.note_following(event.now)
            return
        if isinstance(event, Executed):
            self.backlog.note_executed(event.height)
        if self.run.begun:
            self.run.step(event, turn, None)
        else:
            self._held.append(event)

    def _hear(self, sender: PublicKey, message: OrderingMessage, turn: Turn) -> None:
        try:
            if isinstance(message, EpochMessage):
                self._succession.learn(message)
            else:
                self._reception.hear(sender, message, self.run, turn)
        except PeerFault as fault:
            turn.rest.append(Fault(sender, str(fault)))
        if isinstance(message, EpochMessage):
            self._note_epochs(turn)

    def _note_epochs(self, turn: Turn) -> None:
        """Show the enclave what is new of the succession; this epoch may be over elsewhere."""
        if shown := self._succession.show():
            turn.rest += shown
            self._note_end(turn)

    def _note_link(self, event: LinkUp | LinkDown, turn: Turn) -> None:
        peer = event.peer
        if isinstance(event, LinkUp):
            self._reachable.add(peer)
            self._linked.add(peer)
            self._tell_link(peer, Linked, turn)
        else:
            self._reachable.discard(peer)
            self._linked.discard(peer)
            self.status.pop(peer, None)
            self._tell_link(peer, Unlinked, turn)

    def _tell_link(self, peer: PublicKey, event: type[Linked] | type[Unlinked], turn: Turn) -> None:
        index = self.run.index_of(peer)
        if index is not None and self.run.begun:
            self.run.step(event(index), turn, None)

    # --- from epoch to epoch (R16) ---

    def _note_end(self, turn: Turn) -> None:
        """Is the block that ends this epoch known, and not yet final here?"""
        entry = self._succession.end_of(self.epoch)
        if (
            entry is not None
            and self.run.begun
            and entry.header.height > self.replica.state.final.height
        ):
            if isinstance(entry.certificate, Certificate):
                self._feed(entry.certificate, turn)
            self.run.tail.begin(turn.now.monotonic)

    def _feed(self, certificate: Certificate, turn: Turn) -> None:
        """What is proven is processed like any certificate that a member sends (R2)."""
        if certificate.statement.epoch == self.epoch and self.run.begun:
            sender = certificate.signers[0] if self.run.own is None else self.run.own
            self.run.step(Received(sender, CertificateMessage(certificate)), turn, None)

    def _opened(self) -> EpochEntry | None:
        """The next epoch, once this one is over here: its terminal block is final, recorded,
        executed as it can be."""
        if not self.replica.state.ended or not self.backlog.is_through(self.replica.state.final):
            return None
        return self._succession.opened_by(self.replica.state.final, self.epoch)

    def _enter_next(self, entry: EpochEntry, now: Now) -> list[Effect]:
        """One log ends and the next begins; what was promised in the old epoch is of no use to the
        new one."""
        ended, log = self.run, self._log
        unordered, envelopes = ended.unordered()
        if log.silence is not None and log.silence[0] <= ended.epoch:
            log.silence = None
        records = tuple(
            record for record in ended.start.records if epoch_of_record(record) > ended.epoch
        )
        log.later = records
        opened = FinalRecord(entry.header, entry.certificate)
        effects: list[Effect] = [*self._succession.show(), log.begin_epoch(opened, unordered)]
        for batch in self._pool.all():
            self._pool.drop(batch.header.digest)
        start = start_at(self._past, entry.description, entry.header, entry.header, None)
        batches = tuple(
            batch for batch in ended.start.later if batch.header.epoch == entry.description.epoch
        )
        later = tuple(
            batch for batch in ended.start.later if batch.header.epoch > entry.description.epoch
        )
        self._enter(
            replace(start, records=records, batches=batches, later=later, silence=log.silence)
        )
        effects += [
            EpochBegins(self.run.description),
            Alarm("" if log.silence is None else log.silence[1]),
            Recall(self.epoch, self.run.statements),
            *self._batch_again(envelopes),
        ]
        return effects + self._begin(now)

    def _batch_again(self, envelopes: Iterable[bytes]) -> list[Effect]:
        again = tuple(
            envelope for envelope in envelopes if not self._past.has_transaction(envelope)
        )
        return [BatchAgain(again)] if again else []
