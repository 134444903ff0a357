"""An honest node: the real Replica of each epoch, driven in the order of PROTOCOL §9 over a simulated disk.

Owns the driver's part alone: log before sign, sign before send, store before execute, and the way from one epoch's
replica to the next (R16). A crash may fall between any two of its effects; what it said by then was said, and what was
not synced may be lost.
"""

from collections import deque

from tests.simulation.actors.actor import ActorEvent, Role, Send, Submitted
from tests.simulation.actors.carrier import BATCH_RECORD, Carrier
from tests.simulation.actors.store import Store
from tests.simulation.actors.succession import Succession
from tests.simulation.actors.witness import Witness
from tests.simulation.realm import GOVERN

from strongroom.consensus import codec
from strongroom.consensus.admission import epoch_of
from strongroom.consensus.blocks import Batch, decode_payload
from strongroom.consensus.errors import PeerFault, invariant
from strongroom.consensus.events import (
    Ask,
    Cast,
    CastRecord,
    Commit,
    Event,
    FinalRange,
    FinalRecord,
    LaneEvidence,
    Linked,
    Now,
    Output,
    Received,
    Tick,
    Unlinked,
)
from strongroom.consensus.guard import Promises
from strongroom.consensus.host_messages import EpochMessage, EpochRequest, Submit
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockMessage,
    BlockRequest,
    Message,
    Propose,
    Range,
    RangeRequest,
    Status,
    StatusBody,
    VoteMessage,
)
from strongroom.consensus.ranges import check_range
from strongroom.consensus.records import decode_record, encode_record, epoch_of_record
from strongroom.consensus.replica import Replica, ReplicaConfig
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import Epoch, Height, SignerIndex

AMNESIA_RECORD = 103
STATUS_INTERVAL = 1.0
LOG_BYTES_MAX = 40_000
EXECUTION_DELAY = 0.002


class Honest(Carrier):
    """One honest node, across its crashes and its epochs. Peers are seats here, signer indices inside the replica."""

    hears_links = True

    def __init__(self, role: Role, witness: Witness) -> None:
        super().__init__(role, witness)
        self.execution_delay = EXECUTION_DELAY
        self.store_delay = 0.0
        """Seconds from a commit to the block store's fsync; 0: at once."""
        self.log_bytes_max = LOG_BYTES_MAX
        """Size from which on the log begins anew."""
        self.voting = True
        self.wrong_root_from: int | None = None
        """Height from which this node's execution goes wrong, for planting non-determinism."""

    # --- start, crash, and the way from epoch to epoch --------------------------------------------------------------

    def boot(self, now: Now) -> list[Send]:
        """Replay what the disk holds, then begin."""
        role, self._outbox = self.role, []
        self.store = Store(role, self.disk)
        self.succession = Succession(role)
        for header, _, certificate in self.store.blocks:
            self.succession.stored(header, certificate)
        self.wanted = set()
        self.linked: set[SignerIndex] = set()
        self._due: deque[tuple[float, int]] = deque()
        for height in range(self.store.executed + 1, len(self.store.blocks) + 1):
            self._due.append((now.monotonic + self.execution_delay, height))
        self._commits: deque[tuple[float, list[Commit]]] = deque()
        self._rotated_bytes = 0
        self._status_at = now.monotonic + STATUS_INTERVAL * (1 + role.index / 10)
        self._waiting = deque()
        self._handed = 0
        if self.disk.log_lost:
            self.disk.log.append(AMNESIA_RECORD, codec.encode(self._epoch_due()))
            self.disk.log.sync()
            self.disk.log_lost = False
        self.witness.booted(role.index)
        self._begin(self._epoch_due(), now)
        self._go_on(deque(), now)
        return self._take_outbox()

    def _epoch_due(self) -> Epoch:
        """R16: the epoch that is open once its anchor was executed here."""
        final = self.store.final
        opened = self.succession.opened_by(final)
        if opened is not None and self.store.executed >= final.height:
            return opened
        return self.succession.chain.epoch_at(final.height)

    def _begin(self, epoch: Epoch, now: Now) -> None:
        """The replica of an epoch, with what the log says of it; records of other epochs mean nothing to it."""
        role, chain, realm = self.role, self.succession.chain, self.role.realm
        members, anchor = chain.description(epoch), chain.anchor_of(epoch)
        assert members is not None
        assert anchor is not None
        self.epoch, self.members, self.anchor = epoch, members, anchor
        self.seats = [realm.seat(members, index) for index in range(len(members.validators))]
        self.own = members.index_of(role.node_key.public)
        self.vote_key = role.vote_key_of(epoch)
        self.guard = Promises(epoch)
        records = self.disk.log.read()
        self.amnesiac = (AMNESIA_RECORD, codec.encode(epoch)) in records
        self.replica = Replica(
            ReplicaConfig(
                chain=role.chain,
                members=members,
                own=self.own,
                anchor=anchor,
                verify=role.verify,
                settings=role.settings,
                voting=self.voting and not self.amnesiac,
            )
        )
        self.witness.began(role.index, members)
        queue: deque[Event | Batch] = deque()
        for statement in self._restore(records):
            self.guard.add(statement)
            queue.append(self._heard(role.index, VoteMessage(self._sign(statement))))
        self._work_off(queue, now)
        self._carry_out(self.replica.resume(now), queue, now)
        queue.extend(Linked(index) for index, seat in self._peers() if seat in self.linked)
        self._work_off(queue, now)
        if self.amnesiac:
            self._accept(GOVERN + b" refresh %d %d" % (role.index, epoch))

    def _last_final(self) -> FinalRecord | None:
        """What a new log begins with: it says from where on it is whole."""
        certificate = self.store.final_certificate
        return None if certificate is None else FinalRecord(self.store.final, certificate)

    def _restore(self, records: list[tuple[int, bytes]]) -> tuple[Statement, ...]:
        store, final = self.store, self.store.final
        lanes = [Batch.from_wire(codec.decode(data)) for kind, data in records if kind == BATCH_RECORD]
        self.batches = {batch.header.digest: batch for batch in lanes if batch.header.epoch == self.epoch}
        self._leftover = [batch for batch in lanes if batch.header.epoch < self.epoch and self._is_own(batch)]
        self._batch_again(self._leftover)
        said = [decode_record(kind, payload) for kind, payload in records if kind < BATCH_RECORD]
        self._later = [encode_record(record) for record in said if epoch_of_record(record) > self.epoch]
        statements = self.replica.restore(
            final=final,
            final_certificate=store.final_certificate,
            recent=[header for header, _, _ in store.blocks[final.anchor.height :]],
            batches=[batch.header for batch in self.batches.values()],
            executed=[store.outcome(height) for height in range(1, store.executed + 1)],
            records=said,
        )
        self._forget_final_batches(final)
        return statements

    def _go_on(self, queue: deque[Event | Batch], now: Now) -> None:
        """R16: as long as the terminal block is executed, the next epoch begins; then what came too early is heard."""
        self._fill_lane(queue)
        self._work_off(queue, now)
        while (due := self._epoch_due()) != self.epoch:
            self.witness.point(self.role.index, "epoch ends")
            self._begin(due, now)
            self.witness.point(self.role.index, "epoch begins")
            self._rotate()
            self.witness.point(self.role.index, "epoch begun")
            for sender, message in self.succession.take_early():
                self._receive(sender, message, queue, now)
            self._fill_lane(queue)
            self._work_off(queue, now)

    @property
    def is_done(self) -> bool:
        """Everything stored is executed, and nothing more is wished of the set or of this node's keys."""
        executed = self.store.executed
        wish = self.store.outcome(executed).next_epoch
        return executed == self.replica.final.height and wish == self.members.digest and not self.amnesiac

    def crash(self) -> None:
        """Lose power: memory is gone, and what was not synced may be torn."""
        self.disk.crash(self.role.random)

    # --- events -----------------------------------------------------------------------------------------------------

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        self._outbox = []
        queue: deque[Event | Batch] = deque()
        match event:
            case Submitted(transaction):
                self._accept(transaction)
                self._hand_over()
            case Tick():
                while self._commits and self._commits[0][0] <= now.monotonic:
                    self._store_blocks(self._commits.popleft()[1], now)
                self._execute(queue, now)
                self._report(now)
                queue.append(event)
            case Received(sender, message):
                self._receive(sender, message, queue, now)
            case Linked(peer) | Unlinked(peer):
                self._note_link(event, peer, queue)
        self._go_on(queue, now)
        return self._take_outbox()

    def _note_link(self, event: Linked | Unlinked, peer: SignerIndex, queue: deque[Event | Batch]) -> None:
        (self.linked.add if isinstance(event, Linked) else self.linked.discard)(peer)
        queue.extend(type(event)(index) for index, seat in self._peers() if seat == peer)

    def take_outbox_after_crash(self) -> list[Send]:
        """What had left before the power went."""
        return self._take_outbox()

    def _take_outbox(self) -> list[Send]:
        outbox, self._outbox = self._outbox, []
        return outbox

    def deadline(self) -> float | None:
        times = [
            self.replica.deadline(),
            self._status_at,
            *(queue[0][0] for queue in (self._due, self._commits) if queue),
        ]
        return min(at for at in times if at is not None)

    def _work_off(self, queue: deque[Event | Batch], now: Now) -> None:
        while queue:
            event = queue.popleft()
            if isinstance(event, Batch):
                self._store(event, queue)
                continue
            try:
                output = self.replica.step(event, now)
            except PeerFault as fault:
                sender = self.seats[event.sender] if isinstance(event, Received) else self.role.index
                self.witness.fault(self.role.index, sender, str(fault))
                continue
            self._carry_out(output, queue, now)
            if output.commit:
                self._fill_lane(queue)

    def _heard(self, seat: SignerIndex, message: Message) -> Received:
        """A member's message, as its replica hears it."""
        return Received(SignerIndex(self.seats.index(seat)), message)  # type: ignore[arg-type]

    def _receive(self, sender: SignerIndex, message: Message, queue: deque[Event | Batch], now: Now) -> None:
        """R0 first; then what hosts answer themselves; the rest is the replica's, if a member says it."""
        epoch = epoch_of(message)
        if epoch is not None and epoch < self.epoch:
            self._outbox += self.succession.answer_past(sender, message, epoch, now.monotonic)
        elif epoch is not None and epoch > self.epoch:
            self._outbox += self.succession.ask_ahead(
                sender, message, epoch, current=self.epoch, final=self.replica.final, now=now.monotonic
            )
        elif isinstance(message, BatchMessage):
            queue.append(message.batch)
        elif epoch is None:
            self._serve(sender, message, queue)
        elif sender in self.seats:
            queue.append(self._heard(sender, message))

    def _serve(self, sender: SignerIndex, message: Message, queue: deque[Event | Batch]) -> None:
        """Members or not, in whatever epoch: what is final is served, and what is proven is taken."""
        match message:
            case BatchRequest(digests):
                held = [self.batches[digest] for digest in digests if digest in self.batches]
                stored = self.store.batches(tuple(digest for digest in digests if digest not in self.batches))
                self._outbox.extend(Send(sender, BatchMessage(batch)) for batch in (*held, *stored))
            case BlockRequest(digests):
                headers = (self.replica.header_of(digest) for digest in digests)
                self._outbox.extend(Send(sender, BlockMessage(header)) for header in headers if header is not None)
            case RangeRequest(start):
                found = self.store.range_from(start)
                self._outbox += [] if found is None else [Send(sender, found)]
            case Range():
                self._take_range(sender, message, queue)
            case EpochRequest(start):
                self._outbox += self.succession.entries_for(sender, start)
            case EpochMessage():
                self._learn(sender, message)
            case Submit(envelope):
                self._accept(envelope)
            case _:
                pass

    def _learn(self, sender: SignerIndex, message: EpochMessage) -> None:
        """EPOCH: each entry is proven by the one before; then the blocks below it are asked for."""
        chain = self.succession.chain
        known = chain.newest
        try:
            for entry in message.entries:
                chain.extend(entry)
        except PeerFault as fault:
            self.witness.fault(self.role.index, sender, str(fault))
        if chain.newest != known:
            self._outbox += self.succession.missing(sender, self.epoch, self.replica.final)

    # --- effects, in the order of the contract ----------------------------------------------------------------------

    def _carry_out(self, output: Output, queue: deque[Event | Batch], now: Now) -> None:
        node, log = self.role.index, self.disk.log
        self.witness.point(node, "stepped")
        for record in output.persist:
            log.append(*encode_record(record))
        for cast in output.cast:
            log.append(*encode_record(CastRecord(cast.statement)))
        if output.cast:
            self.witness.point(node, "appended")
            log.sync()
        self._say(output.cast, queue)
        self._send(output)
        for evidence in output.evidence:
            liar = evidence.lane if isinstance(evidence, LaneEvidence) else evidence.first.signer
            self.witness.evidence(node, self.seats[liar])
        if output.commit:
            self._commits.append((now.monotonic + self.store_delay, output.commit))
            if not self.store_delay:
                self._store_blocks(self._commits.popleft()[1], now)
        if len(log) > max(self.log_bytes_max, 2 * self._rotated_bytes):
            self._rotate()

    def _say(self, casts: list[Cast], queue: deque[Event | Batch]) -> None:
        node = self.role.index
        for cast in casts:
            self.guard.add(cast.statement)
            self.witness.point(node, "durable")
            vote = self._sign(cast.statement)
            queue.appendleft(self._heard(node, VoteMessage(vote)))
            self._broadcast(self._spoken(cast, vote))

    def _send(self, output: Output) -> None:
        for send in output.send:
            if send.to is None:
                self._broadcast(send.message)
            else:
                self._outbox.append(Send(self.seats[send.to], send.message))
        for ask in output.ask:
            self._ask(ask)
        for digest in output.relay:
            if digest in self.batches:
                self._broadcast(BatchMessage(self.batches[digest]))

    def _spoken(self, cast: Cast, vote: Vote) -> Message:
        if cast.proposal is None:
            return VoteMessage(vote)
        return Propose(cast.proposal.header, cast.statement.view, cast.proposal.justification, vote)

    def _sign(self, statement: Statement) -> Vote:
        assert self.own is not None
        self.guard.check(statement)
        self.witness.signed(self.role.index, statement)
        signature = self.vote_key.sign(statement.signed_bytes(self.role.chain))
        return Vote(statement, self.own, signature)

    def _ask(self, ask: Ask) -> None:
        peer = self.seats[ask.to]
        if ask.batches:
            self.wanted.update(ask.batches)
            self._outbox.append(Send(peer, BatchRequest(ask.batches)))
        if ask.headers:
            self._outbox.append(Send(peer, BlockRequest(ask.headers)))
        if ask.range_from is not None:
            self._outbox.append(Send(peer, RangeRequest(ask.range_from)))

    def _store_blocks(self, commits: list[Commit], now: Now) -> None:
        node = self.role.index
        for commit in commits:
            self.store.append(commit, tuple(self.batches[digest] for digest in commit.batches))
            self.witness.point(node, "block appended")
        self.disk.blocks.sync()
        for commit in commits:
            self.witness.committed(node, commit)
            self.succession.stored(commit.header, commit.certificate)
            self._due.append((now.monotonic + self.execution_delay, commit.header.height))
        final = self._last_final()
        invariant(final is not None, "the last block of a commit has its own certificate")
        assert final is not None
        self.disk.log.append(*encode_record(final))
        self.witness.point(node, "block stored")
        self._forget_final_batches(final.header)
        self.guard.forget_below(final.certificate.view)

    def _rotate(self) -> None:
        """Begin a new log, whatever the block store has by now."""
        final = self._last_final()
        stored = () if final is None else (final,)
        records = [encode_record(record) for record in (*stored, *self.replica.log_records())]
        kept: list[tuple[int, bytes]] = [(int(kind), payload) for kind, payload in (*self._later, *records)]
        waiting = set(self._waiting)
        owed = [batch for batch in self._leftover if waiting & set(decode_payload(batch.payload, batch.header.count))]
        kept += [(BATCH_RECORD, codec.encode(batch.to_wire())) for batch in (*owed, *self.batches.values())]
        if self.amnesiac:
            kept.append((AMNESIA_RECORD, codec.encode(self.epoch)))
        self.disk.log.replace(kept)
        self._rotated_bytes = len(self.disk.log)

    # --- execution, status, ranges ----------------------------------------------------------------------------------

    def _execute(self, queue: deque[Event | Batch], now: Now) -> None:
        while self._due and self._due[0][0] <= now.monotonic:
            _, height = self._due.popleft()
            if height == self.store.executed + 1:
                wrong = self.wrong_root_from is not None and height >= self.wrong_root_from
                queue.append(self.store.execute(wrong=wrong))

    def _report(self, now: Now) -> None:
        """STATUS to everybody, members or not: those who leave may be all who know the epoch that began."""
        if self._status_at > now.monotonic:
            return
        self._status_at = now.monotonic + STATUS_INTERVAL
        self._hand_over()
        replica = self.replica
        body = StatusBody(
            epoch=self.epoch,
            view=replica.view,
            final_view=replica.final_view,
            height=replica.final.height,
            digest=replica.final.digest,
            executed=self.store.executed,
            lanes=replica.lane_lengths,
            lowest=Height(1),
        )
        status = Status(body, self.role.node_key.sign(body.signed_bytes(self.role.chain)))
        for seat in range(self.role.seats):
            if seat != self.role.index:
                self.witness.point(self.role.index, "sending")
                self._outbox.append(Send(SignerIndex(seat), status))

    def _take_range(self, sender: SignerIndex, message: Range, queue: deque[Event | Batch]) -> None:
        """Everything is checked before any of it is stored (T34)."""
        replica = self.replica
        if message.certificate.statement.epoch != self.epoch:
            return
        try:
            checked: FinalRange = check_range(message, replica.final, replica.final_cut)
            replica.check_certificate(message.certificate)
        except PeerFault as fault:
            self.witness.fault(self.role.index, sender, str(fault))
            return
        batches = [batch for header, held in message.blocks if header in checked.headers for batch in held]
        self.wanted.update(batch.header.digest for batch in batches)
        queue.extend(batches)
        queue.append(checked)
        if checked.headers and self.succession.chain.newest.epoch > self.epoch:
            self._outbox += self.succession.missing(sender, self.epoch, checked.headers[-1])
