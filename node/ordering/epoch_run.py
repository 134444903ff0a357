"""One epoch of one node: its replica, what follows from each step, the data that blocks name
(PROTOCOL §9; T34, T35).

Owns the way from a replica's outputs to effects, and which batches are held. It knows validators by
index inside and by node key outside.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from strongroom.consensus.batches import Batch
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockRequest,
    Forward,
    Message,
    Propose,
    Range,
    RangeRequest,
    VoteMessage,
)
from strongroom.consensus.remembered import RememberedSignatures
from strongroom.consensus.replica.events import (
    Ask,
    BatchHeld,
    BatchRelay,
    Cast,
    CastRecord,
    Event,
    FinalRecord,
    Output,
    Received,
    Tick,
)
from strongroom.consensus.replica.ranges import check_range
from strongroom.consensus.replica.replica import Replica, ReplicaConfig
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import Height, PublicKey, Signature, SignerIndex, View
from strongroom.consensus.validators import EpochDescription
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.backlog import Backlog
from strongroom.node.ordering.effects import Accuse, Alarm, Effect, Fault, Forget, StoreBlocks, Tell
from strongroom.node.ordering.forwarding import ForwardBounds, Forwarding
from strongroom.node.ordering.lane import OwnLane
from strongroom.node.ordering.log import LogContent
from strongroom.node.ordering.start import ReplicaStart
from strongroom.node.ordering.tail_fetch import TailFetch
from strongroom.node.ordering.turn import Turn

FORGET_VIEWS = 64
"""The enclave's guard is told of final views in steps of this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochContext:
    """What outlasts an epoch."""

    node_key: PublicKey
    epochs: EpochChain
    verify: RememberedSignatures
    settings: Settings
    pool: BatchPool
    log: LogContent
    backlog: Backlog
    reachable: Collection[PublicKey]
    """Nodes that can be asked."""
    forward: ForwardBounds
    may_vote: bool = True
    forget_views: int = FORGET_VIEWS


class EpochRun:
    """One epoch, from where block store and log say it is to its end."""

    def __init__(self, context: EpochContext, start: ReplicaStart) -> None:
        self.context, self.start = context, start
        self.description: EpochDescription = start.description
        self.epoch = start.description.epoch
        self.keys = tuple(validator.node_key for validator in start.description.validators)
        self._indexes = {key: SignerIndex(index) for index, key in enumerate(self.keys)}
        self.own = self._indexes.get(context.node_key)
        """This node's index in the epoch; None: it is no validator, and only follows."""
        self.replica = Replica(
            ReplicaConfig(
                chain=context.epochs.anchor.chain,
                members=self.description,
                own=self.own,
                anchor=start.anchor,
                verify=context.verify,
                settings=context.settings,
                voting=context.may_vote and start.silence is None,
            )
        )
        self._forwarding = Forwarding(self.keys, self.own, context.forward)
        self.begun = False
        """Events reach the replica."""
        self.tail = TailFetch()
        self.own_votes: deque[Received] = deque()
        """Signed and sent, and not yet counted by the own replica."""
        self._own_key_proven = False
        """A signature of the own enclave has verified in this epoch under the key that the epoch
        names: its others are taken as made, and not verified."""
        self._forgotten = View(0)
        self._put_off: Ask | None = None
        """A range of old blocks that is asked for once execution has caught up."""
        self._alarmed = False
        for batch in start.batches:
            context.pool.add(batch)
        self.statements: tuple[Statement, ...] = self.replica.state.restore(
            final=start.final,
            final_certificate=start.certificate,
            recent=start.recent,
            batches=[batch.header for batch in start.batches],
            executed=start.executed,
            records=start.records,
        )
        own = self.own
        self.lane = (
            None
            if own is None
            else OwnLane(self.epoch, own, self.replica.state.final_cut[own], context.pool)
        )

    def index_of(self, peer: PublicKey) -> SignerIndex | None:
        """A node's index in this epoch; None if it is no member."""
        return self._indexes.get(peer)

    # --- votes of its own ---

    def votes(self, statements: Sequence[Statement], signatures: Sequence[Signature]) -> list[Vote]:
        """The own statements, signed."""
        own = self.own
        if own is None:
            raise InvariantBroken("a replica that is no member casts")
        made = list(zip(statements, signatures, strict=True))
        for statement, signature in made:
            self._note_made(statement, signature)
        return [Vote(statement, own, signature) for statement, signature in made]

    def _note_made(self, statement: Statement, signature: Signature) -> None:
        """The own enclave made this signature: the tally need not verify it, unless it would stand
        in a certificate for ever: a bit that flips on its way here would have the enclave refuse
        the block at each start."""
        context, own = self.context, self.own
        if own is None or statement.epoch != self.epoch or statement.kind is Kind.FINALIZE:
            return
        message = statement.signed_bytes(context.epochs.anchor.chain)
        key = self.description.validators[own].vote_key
        if self._own_key_proven:
            context.verify.made(key, signature, message)
        else:
            self._own_key_proven = context.verify(key, signature, message)

    def restate(self, votes: Sequence[Vote], turn: Turn) -> None:
        """The replica counts what it said before a restart like anybody's votes; then it goes
        on."""
        for vote in votes:
            self.step(Received(vote.signer, VoteMessage(vote)), turn, None)
        self.begun = True
        self.apply(self.replica.resume(turn.now), turn)

    def spoken(self, casts: Sequence[Cast], signatures: Sequence[Signature]) -> list[Effect]:
        """Durable statements, signed: they go out, and come back to the own replica before anything
        else."""
        effects: list[Effect] = []
        heard = []
        for cast, vote in zip(
            casts, self.votes([cast.statement for cast in casts], signatures), strict=True
        ):
            message: Message = VoteMessage(vote)
            if cast.proposal is not None:
                proposal = cast.proposal
                message = Propose(
                    proposal.header, cast.statement.view, proposal.justification, vote
                )
            effects.append(Tell(None, message))
            heard.append(Received(vote.signer, VoteMessage(vote)))
        self.own_votes.extendleft(heard)
        return effects

    # --- the replica's steps ---

    def step(self, event: Event, turn: Turn, sender: PublicKey | None) -> None:
        """Step the replica; what it answers joins the turn."""
        try:
            self.apply(self.replica.step(event, turn.now), turn)
        except PeerFault as fault:
            turn.rest.append(Fault(sender or self.context.node_key, str(fault), counts=False))

    def apply(self, output: Output, turn: Turn) -> None:
        """What follows from a step, in the order of the contract."""
        log = self.context.log
        turn.records += map(log.record, output.persist)
        if output.cast:
            turn.records += [log.record(CastRecord(cast.statement)) for cast in output.cast]
            turn.casts += output.cast
            turn.durable = True
        for send in output.send:
            turn.rest.append(Tell(None if send.to is None else self.keys[send.to], send.message))
        for ask in output.ask:
            turn.rest += self._ask(ask)
        for relay in output.relay:
            turn.rest += self._relay(relay, turn)
        if output.commit:
            self.context.backlog.add(output.commit)
            turn.rest.append(StoreBlocks(tuple(output.commit)))
        for member in output.faults:
            turn.rest.append(
                Fault(self.keys[member], "a vote over its own link does not verify", counts=False)
            )
        if output.evidence:
            turn.rest += [Accuse(self.description, evidence) for evidence in output.evidence]
        if output.alarm and not self._alarmed:
            self._alarmed = True
            turn.rest.append(Alarm(output.alarm))

    def tick(self, turn: Turn) -> None:
        """What time brings: timers, ranges that were put off, the end of an epoch that is over
        elsewhere."""
        now = turn.now.monotonic
        deadline = self.replica.deadline()
        if deadline is not None and deadline <= now:
            self.step(Tick(), turn, None)
        backlog = self.context.backlog
        if self._put_off is not None and not backlog.overfull:
            ask, self._put_off = self._put_off, None
            turn.rest += self._ask(ask)
        if self.tail.deadline is None:  # mostly: nothing is over elsewhere
            return
        if self.replica.state.ended:
            self.tail.end()
        final = self.replica.state.final.height
        peer = self.tail.whom(final, self.context.reachable, now, overfull=backlog.overfull)
        if peer is not None:
            turn.rest.append(Tell(peer, RangeRequest(Height(final + 1))))

    def deadline(self) -> float | None:
        """Monotonic seconds at which `tick` is wanted."""
        replica, tail = self.replica.deadline(), self.tail.deadline
        if replica is None or tail is None:
            return tail if replica is None else replica
        return min(replica, tail)

    def _relay(self, relay: BatchRelay, turn: Turn) -> list[Effect]:
        batch = self.context.pool.get(relay.digest)
        if batch is None:
            return []
        if relay.late and int(batch.header.lane) == self.own:
            self._forwarding.distrust(relay.digest, turn.now.monotonic)
        to = (None,) if relay.to is None else tuple(self.keys[index] for index in relay.to)
        return [Tell(peer, BatchMessage(batch)) for peer in to]

    def _ask(self, ask: Ask) -> list[Effect]:
        """What a replica misses is asked of the validator that it names, or of whoever can be
        reached: what is final every node has. Old blocks only when execution has caught up."""
        requests: list[Message] = []
        if ask.batches:
            self.context.pool.want(ask.batches)
            requests.append(BatchRequest(ask.batches))
        if ask.headers:
            requests.append(BlockRequest(ask.headers))
        if ask.range_from is not None and self.context.backlog.overfull:
            self._put_off = Ask(ask.to, range_from=ask.range_from)
        elif ask.range_from is not None:
            requests.append(RangeRequest(ask.range_from))
        peer = self.keys[ask.to]
        if peer not in self.context.reachable and self.context.reachable:
            others = sorted(self.context.reachable)
            peer = others[ask.to % len(others)]
        return [Tell(peer, request) for request in requests]

    # --- data ---

    def hear_batch(self, batch: Batch, turn: Turn) -> None:
        """A peer's batch, or a relay of one.

        Raises:
            PeerFault: of no lane here, not signed by its origin, or beyond its origin's quota.
        """
        if batch.header.digest in self.context.pool:
            self.context.pool.arrived(batch.header.digest)
            return
        header = batch.header
        if header.lane >= len(self.keys):
            raise PeerFault(f"batch of epoch {header.epoch}, lane {header.lane}: no such lane")
        chain = self.context.epochs.anchor.chain
        if not self.context.verify(
            self.keys[header.lane], batch.signature, header.signed_bytes(chain)
        ):
            raise PeerFault(f"batch of lane {header.lane}: signature does not verify")
        self.hold(batch, turn, own=False)

    def hear_forward(self, sender: SignerIndex, forward: Forward, turn: Turn) -> None:
        """An origin's batch, to be passed on, once: whoever holds it already has it from others,
        and so have they.

        Raises:
            PeerFault: as `hear_batch`, and if it is not its sender's own.
        """
        self._forwarding.check(sender, forward)
        digest = forward.batch.header.digest
        known = digest in self.context.pool
        self.hear_batch(forward.batch, turn)
        if not known and digest in self.context.pool:
            turn.rest += [Tell(to, message) for to, message in self._forwarding.passed_on(forward)]

    def hold(self, batch: Batch, turn: Turn, *, own: bool) -> None:
        """Log a batch. A peer's becomes durable with the next vote: nothing that is said before
        rests on it.

        Raises:
            PeerFault: its origin has too many unordered bytes here.
        """
        header, pool = batch.header, self.context.pool
        wanted = pool.arrived(header.digest) or own
        if header.digest in pool or header.epoch != self.epoch or self._is_final(batch):
            return
        pool.admit(batch, wanted=wanted)
        pool.add(batch)
        turn.records.append(self.context.log.hold(batch, own=own))
        if own:
            turn.durable = True
            leaders, reachable = self.replica.state.next_leaders, self.context.reachable
            copies = self._forwarding.copies(batch, leaders, reachable, turn.now.monotonic)
            turn.batches += [Tell(to, message) for to, message in copies]
        self.step(BatchHeld(header), turn, None)

    def _is_final(self, batch: Batch) -> bool:
        """A final block has ordered this place of the lane already: a late relay."""
        return batch.header.sequence < self.replica.state.final_cut[batch.header.lane].length

    def hear_range(self, message: Range, turn: Turn, sender: PublicKey) -> None:
        """Catch-up: headers, data and certificate are checked before any of it is stored (T34).

        Raises:
            PeerFault: it does not follow what is final here, or is not proven.
        """
        if not message.blocks or message.blocks[0][0].epoch != self.epoch:
            return
        replica = self.replica
        final_range = check_range(message, replica.state.final, replica.state.final_cut)
        if not final_range.headers:
            return
        replica.state.check_certificate(message.certificate)
        for _, batches in message.blocks[-len(final_range.headers) :]:
            self.context.pool.want(batch.header.digest for batch in batches)
            for batch in batches:
                self.hold(batch, turn, own=False)
        self.step(final_range, turn, sender)

    def unordered(self) -> tuple[list[Batch], list[bytes]]:
        """Of the own lane, at the end of the epoch: batches that it did not order, all envelopes to
        batch again."""
        if self.lane is None or self.own is None:
            return [], []
        return self.lane.unordered(self.replica.state.final_cut[self.own])

    def note_final(self, record: FinalRecord, turn: Turn) -> None:
        """What lies below a recorded final view is voted on no more."""
        turn.records.append(self.context.log.note_final(record))
        view = record.certificate.view
        if (
            record.header.epoch == self.epoch
            and view >= self._forgotten + self.context.forget_views
        ):
            turn.rest.append(Forget(self.epoch, view))
            self._forgotten = view
