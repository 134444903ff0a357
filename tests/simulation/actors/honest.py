"""An honest node: the node's own Participant, whose effects are carried out over a simulated disk,
one by one.

Owns what the world around a participant does: files, clients' transactions, a STATUS now and then,
and crashes. A crash may fall between any two effects; what was said by then was said, and what was
not synced may be lost. What a node decides is not here: it is node/ordering, and the same as in a
real one.
"""

from collections import deque
from collections.abc import Callable

from tests.simulation.actors.actor import Actor, ActorEvent, Role, Send, Submitted
from tests.simulation.actors.enclave import EXECUTION_DELAY, SimulatedEnclave
from tests.simulation.actors.intake import Intake, transactions_of
from tests.simulation.actors.store import Store
from tests.simulation.actors.witness import Witness
from tests.simulation.disk import Disk
from tests.simulation.keys import SigningKey
from tests.simulation.realm import GOVERN

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import invariant
from strongroom.consensus.host_messages import Submit
from strongroom.consensus.messages import Message, Status
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.replica.events import (
    Commit,
    FinalRecord,
    LaneFork,
    Linked,
    Now,
    Received,
    Tick,
    Unlinked,
)
from strongroom.consensus.replica.replica import Replica
from strongroom.consensus.types import Epoch, PublicKey, SignerIndex, View
from strongroom.consensus.validators import EpochDescription
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.effects import (
    Accuse,
    Append,
    BatchAgain,
    Effect,
    EpochBegins,
    Fault,
    Forget,
    Recall,
    ReplaceLog,
    SendBlocks,
    ShowEpochs,
    Sign,
    SignAgain,
    StoreBlocks,
    StoreNow,
    Sync,
    Tell,
)
from strongroom.node.ordering.events import (
    Following,
    Fresh,
    Heard,
    LinkDown,
    LinkUp,
    OrderingMessage,
    OwnBatch,
    ParticipantEvent,
    Recorded,
)
from strongroom.node.ordering.forwarding import ForwardBounds
from strongroom.node.ordering.log import BATCH_RECORD, read_log
from strongroom.node.ordering.participant import Participant
from strongroom.node.ordering.start import extend_from, start_after_restart

STATUS_INTERVAL = 1.0
PHASES = 10
"""Nodes say their STATUS at different times, the first within an interval of their start: whoever
is silent for longer is skipped as a leader (R11)."""
LOG_BYTES_MAX = 40_000
LANE_BYTES_MAX = 4_000
"""Unordered bytes that one origin may make a node keep."""
FORGET_VIEWS = 3


class Honest(Actor):
    """One honest node, across crashes and epochs. Peers are seats in the world, node keys in the
    participant."""

    hears_links = True

    def __init__(self, role: Role, witness: Witness) -> None:
        super().__init__(role)
        self.disk, self.witness = Disk(), witness
        self.make_enclave: Callable[[Role, Witness, Store], SimulatedEnclave] = SimulatedEnclave
        self.execution_delay = EXECUTION_DELAY
        self.store_delay = 0.0
        """Seconds from a commit to the block store's fsync; 0: at once."""
        self.log_bytes_max = LOG_BYTES_MAX
        """Size from which on the log begins anew."""
        self.lane_bytes_max = LANE_BYTES_MAX
        self.forward = ForwardBounds()
        self.sign_delay = 0.0
        """Seconds that the enclave takes to sign a batch; 0: at once."""
        self.voting = True
        self.wrong_root_from: int | None = None
        """Height from which this node's execution goes wrong, for planting non-determinism."""
        self.boots = 0
        self._outbox: list[Send] = []
        self.taken: set[bytes] = set()
        """Transactions that were durable here in an own batch: their clients were told so, and do
        not come back."""

    # --- start and crash ---

    def boot(self, now: Now) -> list[Send]:
        """Replay what the disk holds, then begin."""
        role, self._outbox = self.role, []
        self.store = Store(role, self.disk)
        self.pool = BatchPool(self.lane_bytes_max)
        self.enclave = self.make_enclave(role, self.witness, self.store)
        self.enclave.delay, self.enclave.wrong_root_from = (
            self.execution_delay,
            self.wrong_root_from,
        )
        self._events: deque[ParticipantEvent] = deque()
        self._commits: deque[tuple[float, Commit]] = deque()
        self._storing: Batch | None = None
        """The own batch that is being logged."""
        self._status_at = now.monotonic + STATUS_INTERVAL * (role.index % PHASES) / PHASES
        self.epochs = EpochChain(role.chain, role.members, role.anchor, role.verify)
        extend_from(self.store, self.epochs)
        self.boots += 1
        key, log = role.node_key.public, read_log(self.disk.log.read())
        self.log = log
        """As this boot has read it."""
        start = start_after_restart(self.store, self.epochs, log, key, log_lost=self.disk.log_lost)
        self.participant = Participant(
            node_key=key,
            past=self.store,
            epochs=self.epochs,
            start=start,
            pool=self.pool,
            verify=role.verify,
            settings=role.settings,
            log_bytes_max=self.log_bytes_max,
            may_vote=self.voting,
            forget_views=FORGET_VIEWS,
            forward=self.forward,
        )
        self.intake = Intake(role, self.participant, self.store, self.pool)
        self.witness.booted(role.index)
        self.enclave.show(self.epochs.newest.epoch)
        self.enclave.begin(now.monotonic)
        self._follow(self.witness.lost_secret(role.index))
        self._carry(self.participant.restore(), now)
        self._carry(
            self.participant.step([Fresh(self.epochs.newest.epoch, may_vote=True)], now), now
        )
        self._ask_for_refresh()
        self._go_on(now)
        return self._take_outbox()

    def lose_log(self) -> None:
        """Lose the log, and with it what only it held."""
        self.disk.lose_log()
        self.taken.clear()

    def crash(self) -> None:
        """Lose power: memory is gone, and what was not synced may be torn."""
        self.disk.crash(self.role.random)

    def take_outbox_after_crash(self) -> list[Send]:
        """What had left before the power went."""
        return self._take_outbox()

    def _take_outbox(self) -> list[Send]:
        outbox, self._outbox = self._outbox, []
        return outbox

    # --- what it shows ---

    @property
    def replica(self) -> Replica:
        """Of its current epoch."""
        return self.participant.replica

    @property
    def epoch(self) -> Epoch:
        """The current one."""
        return self.participant.epoch

    @property
    def members(self) -> EpochDescription:
        """Of the current epoch."""
        return self.participant.run.description

    @property
    def anchor(self) -> Header:
        """Of the current epoch."""
        return self.participant.run.start.anchor

    @property
    def own(self) -> SignerIndex | None:
        """Signer index in the current epoch; None if it is no member."""
        return self.participant.run.own

    @property
    def vote_key(self) -> SigningKey:
        """Of the current epoch."""
        return self.role.vote_key_of(self.epoch)

    @property
    def amnesiac(self) -> bool:
        """Its log of this epoch is lost: it says nothing, and opens no lane."""
        return self.participant.silenced

    @property
    def unbatched(self) -> tuple[bytes, ...]:
        """Transactions that wait for a batch."""
        return self.intake.in_memory

    @property
    def untaken(self) -> tuple[bytes, ...]:
        """Transactions that only memory ever held: a crash loses them, and their clients hand them
        in again."""
        return tuple(tx for tx in self.unbatched if tx not in self.taken)

    @property
    def unordered(self) -> list[Batch]:
        """Batches that are held, and in no final block."""
        final = {digest for _, commit in self._commits for digest in commit.batches}
        return [batch for batch in self.pool.all() if batch.header.digest not in final]

    @property
    def final_view(self) -> View:
        """In which the newest block of the store became final, if that is of the running epoch."""
        certificate = self.store.final_certificate
        if certificate is None or certificate.statement.epoch != self.epoch:
            return View(0)
        return certificate.view

    @property
    def executes(self) -> bool:
        """Voting is not executing: can it execute what is final?"""
        return not self.enclave.following

    @property
    def is_done(self) -> bool:
        """Everything stored is executed, and nothing more is wished of the set or of this node's
        keys."""
        return self._is_done_at(self.replica.state.final.height) and self.executes

    @property
    def follows_well(self) -> bool:
        """It cannot execute, and has taken over all that a quorum anchored."""
        return self._is_done_at(self.replica.state.final.anchor.height) and not self.executes

    def _is_done_at(self, height: int) -> bool:
        executed = self.store.executed
        wish = self.store.outcome(executed).next_epoch
        silent = self.amnesiac and self.own is not None
        return executed >= height and wish == self.members.digest and not silent

    # --- events ---

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        self._outbox = []
        match event:
            case Submitted(transaction):
                self.intake.accept(transaction)
                self._outbox += self.intake.hand_over()
            case Tick():
                self._on_tick(now)
            case Received(sender, Submit(envelope)):
                self.intake.accept(envelope)
            case Received(sender, message):
                self._hear(sender, message)
            case Linked(peer):
                self._events.append(LinkUp(self._key(peer)))
            case Unlinked(peer):
                self._events.append(LinkDown(self._key(peer)))
        self._go_on(now)
        return self._take_outbox()

    def _hear(self, sender: SignerIndex, message: Message) -> None:
        if isinstance(message, OrderingMessage):
            self._events.append(Heard(self._key(sender), message))

    def _on_tick(self, now: Now) -> None:
        due = []
        while self._commits and self._commits[0][0] <= now.monotonic:
            due.append(self._commits.popleft()[1])
        self._store(due, now)
        self._execute(now)
        if self._status_at <= now.monotonic:
            self._report(now)
        self._events.append(Tick())

    def _go_on(self, now: Now) -> None:
        """Step as long as there is something to step, and turn what clients gave into batches
        meanwhile."""
        while True:
            if self._events or self.participant.is_hungry:
                events = list(self._events)
                self._events.clear()
                self._carry(self.participant.step(events, now), now)
            elif (batch := self.intake.next_batch(now.monotonic, self.sign_delay)) is not None:
                self._storing = batch
                self._carry(self.participant.step([OwnBatch(batch)], now), now)
                self._storing = None
                self.intake.batched()
            else:
                return

    def deadline(self) -> float | None:
        times = [
            self.participant.deadline(),
            self.enclave.deadline(),
            self._status_at,
            self.intake.deadline,
            self._commits[0][0] if self._commits else None,
        ]
        return min(at for at in times if at is not None)

    # --- effects, each carried out before the next ---

    def _carry(self, effects: list[Effect], now: Now) -> None:
        node = self.role.index
        self.witness.point(node, "stepped")
        held = taken = False
        for effect in effects:
            match effect:
                case Append(kind, payload):
                    self.disk.log.append(kind, payload)
                    held = held or kind == BATCH_RECORD
                    taken |= kind == BATCH_RECORD and self._is_being_stored(payload)
                case Sync():
                    self.witness.point(node, "appended")
                    self.disk.log.sync()
                    self.disk.log_lost = False
                    if taken and self._storing is not None:
                        self.taken.update(transactions_of(self._storing))
                    self.witness.point(node, "batch stored" if held else "synced")
                case Sign(casts):
                    signatures = []
                    for cast in casts:
                        self.witness.point(node, "durable")
                        signatures.append(self.enclave.sign(cast.statement))
                    self._carry(self.participant.signed(casts, signatures), now)
                case SignAgain(statements):
                    again = [self.enclave.sign(statement) for statement in statements]
                    self._carry(self.participant.restated(again, now), now)
                case Tell() | SendBlocks():
                    self._send(effect)
                case _:
                    self._carry_rest(effect, now)

    def _is_being_stored(self, payload: bytes) -> bool:
        batch = self._storing
        return batch is not None and payload == codec.encode(batch.to_wire())

    def _carry_rest(self, effect: Effect, now: Now) -> None:
        node = self.role.index
        match effect:
            case ReplaceLog(records, opens):
                self.witness.point(node, "log is long" if opens is None else "epoch ends")
                self.disk.log.replace(list(records))
                self.witness.point(node, "log begins" if opens is None else "epoch begins")
            case StoreBlocks(commits):
                self._commits += [(now.monotonic + self.store_delay, commit) for commit in commits]
                if not self.store_delay:
                    self._store_all(now)
            case StoreNow():
                self._store_all(now)
            case Recall(epoch, statements):
                self.enclave.recall(epoch, statements)
                self.witness.point(node, "epoch begun")
            case ShowEpochs(entries):
                self.enclave.show(entries[-1].description.epoch)
            case Forget(epoch, view):
                self.enclave.forget(epoch, view)
            case _:
                self._show(effect)

    def _show(self, effect: Effect) -> None:
        """What checkers and clients see; a real node also tells its operator of alarms."""
        node = self.role.index
        match effect:
            case EpochBegins(description):
                self.witness.began(node, description)
            case BatchAgain(envelopes):
                self.intake.batch_again(envelopes)
            case Accuse(description, evidence):
                liar = evidence.lane if isinstance(evidence, LaneFork) else evidence.first.signer
                self.witness.evidence(node, self._seat(description.validators[liar].node_key))
            case Fault(peer, reason):
                self.witness.fault(node, self._seat(peer), reason)
            case _:
                pass

    def _send(self, effect: Tell | SendBlocks) -> None:
        if isinstance(effect, SendBlocks):
            assert not isinstance(effect.certificate, RecoveryCertificate)
            message: Message = self.store.range_of(effect.first, effect.last, effect.certificate)
        else:
            message = effect.message
        if effect.to is None:
            self._broadcast(message)
        else:
            self._outbox.append(Send(self._seat(effect.to), message))

    def _broadcast(self, message: Message) -> None:
        """To everybody, members or not: those who leave may be all who know the epoch that
        began."""
        for seat in range(self.role.seats):
            if seat != self.role.index:
                self.witness.point(self.role.index, "sending")
                self._outbox.append(Send(SignerIndex(seat), message))

    def rotate(self, now: Now) -> None:
        """Begin a new log, whatever the block store has by now."""
        self._carry(self.participant.rotate_log(), now)

    # --- the block store and execution ---

    def _store_all(self, now: Now) -> None:
        commits = [commit for _, commit in self._commits]
        self._commits.clear()
        self._store(commits, now)

    def _store(self, commits: list[Commit], now: Now) -> None:
        node = self.role.index
        if not commits:
            return
        newest = self.store.newest_block
        fresh = [commit for commit in commits if commit.header.height > newest]
        for commit in fresh:
            held = [self.pool.get(digest) for digest in commit.batches]
            invariant(
                None not in held, f"a batch of final block {commit.header.height} is not held"
            )
            self.store.append(commit, tuple(batch for batch in held if batch is not None))
            self.witness.point(node, "block appended")
        self.disk.blocks.sync()
        for commit in fresh:
            self.witness.committed(node, commit)
            self.enclave.take(commit.header, now.monotonic)
        for commit in commits:
            for digest in commit.batches:
                self.pool.drop(digest)
        last = commits[-1]
        invariant(
            last.certificate is not None, "the last block of a commit has its own certificate"
        )
        assert last.certificate is not None
        self.witness.point(node, "block stored")
        self._events.append(Recorded(FinalRecord(last.header, last.certificate)))

    def _execute(self, now: Now) -> None:
        def gives_secret() -> bool:
            return self.witness.gives_secret(self.role.index)

        following = self.enclave.following
        self._events += self.enclave.work(now.monotonic, gives_secret)
        if following and not self.enclave.following:
            self._follow(False)
            self.enclave.begin(now.monotonic)

    def _follow(self, now: bool) -> None:
        self.enclave.following = now
        self._events.append(Following(now))

    # --- now and then ---

    def _report(self, now: Now) -> None:
        self._status_at = now.monotonic + STATUS_INTERVAL
        self._outbox += self.intake.hand_over()
        self._ask_for_refresh()
        body = self.participant.status_body()
        self._broadcast(Status(body, self.role.node_key.sign(body.signed_bytes(self.role.chain))))

    def _ask_for_refresh(self) -> None:
        if self.voting and self.participant.needs_refresh:
            self.intake.accept(GOVERN + b" refresh %d %d" % (self.role.index, self.epoch))

    def _key(self, seat: int) -> PublicKey:
        return self.role.realm.node_keys[seat].public

    def _seat(self, key: PublicKey) -> SignerIndex:
        return self.role.realm.seat_of(key)
