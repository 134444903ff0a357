"""An honest node: the real Replica, driven in the order of PROTOCOL §9 over a simulated disk.

Owns the driver's part alone: log before sign, sign before send, store before execute. A crash may fall between any two
of its effects; what it said by then was said, and what was not synced may be lost.
"""

from collections import deque
from collections.abc import Iterator
from hashlib import sha256

from tests.simulation.actors.actor import Actor, ActorEvent, Role, Send, Submitted
from tests.simulation.disk import Disk

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, BatchHeader, Header, encode_payload
from strongroom.consensus.errors import PeerFault, invariant
from strongroom.consensus.events import (
    Ask,
    BatchHeld,
    Cast,
    CastRecord,
    Commit,
    Event,
    Executed,
    FinalRange,
    FinalRecord,
    Now,
    Output,
    Received,
    Tick,
)
from strongroom.consensus.guard import Promises
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
from strongroom.consensus.records import decode_record, encode_record
from strongroom.consensus.replica import Replica, ReplicaConfig
from strongroom.consensus.statements import Certificate, Statement, Vote
from strongroom.consensus.types import Digest, Height, Lane, Sequence, SignerIndex

BATCH_RECORD, BLOCK_RECORD, OUTCOME_RECORD = 100, 101, 102
STATUS_INTERVAL = 1.0
RANGE_BLOCKS = 16
LOG_BYTES_MAX = 40_000
LANE_BATCHES_MAX = 64
EXECUTION_DELAY = 0.002

ZERO = Digest(bytes(32))


class Crash(Exception):
    """The node loses power between two effects."""


class Witness:
    """What checkers see of an honest node; this one sees nothing."""

    def point(self, node: SignerIndex, name: str) -> None:
        """A boundary between two effects; may raise Crash."""

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        """The vote key signed this."""

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        """This block is in the node's block store."""

    def booted(self, node: SignerIndex, replica: Replica) -> None:
        """The node has replayed its log."""

    def fault(self, node: SignerIndex, peer: SignerIndex, reason: str) -> None:
        """The node blames a peer."""

    def evidence(self, node: SignerIndex, signer: SignerIndex) -> None:
        """The node holds two contradicting votes of a signer."""


class Honest(Actor):
    """One honest node, across its crashes."""

    def __init__(self, role: Role, witness: Witness) -> None:
        super().__init__(role)
        self.disk = Disk()
        self.witness = witness
        self.execution_delay = EXECUTION_DELAY
        self.store_delay = 0.0
        """Seconds from a commit to the block store's fsync; 0: at once."""
        self.log_bytes_max = LOG_BYTES_MAX
        """Size from which on the log begins anew."""
        self.voting = True
        self.wrong_root_from: int | None = None
        """Height from which this node's execution goes wrong, for planting non-determinism."""
        self.replica: Replica
        self._outbox: list[Send] = []

    # --- start and crash --------------------------------------------------------------------------------------------

    def boot(self, now: Now) -> list[Send]:
        """Replay what the disk holds, then begin."""
        role, self._outbox = self.role, []
        self.batches: dict[Digest, Batch] = {}
        self.wanted: set[Digest] = set()
        self.blocks: list[tuple[Header, tuple[Batch, ...], Certificate | None]] = []
        self.roots: list[Digest] = [ZERO]
        self._due: deque[tuple[float, int]] = deque()
        self._commits: deque[tuple[float, list[Commit]]] = deque()
        self._recorded: FinalRecord | None = None
        self._rotated_bytes = 0
        self._status_at = now.monotonic + STATUS_INTERVAL * (1 + role.index / 10)
        self._waiting: deque[bytes] = deque()
        self.guard = Promises(role.members.epoch)
        self.replica = Replica(
            ReplicaConfig(
                chain=role.chain,
                members=role.members,
                own=role.index,
                anchor=role.anchor,
                verify=role.verify,
                settings=role.settings,
                voting=self.voting,
            )
        )
        statements = self._replay(now)
        queue: deque[Event | Batch] = deque()
        for statement in statements:
            self.guard.add(statement)
            queue.append(Received(role.index, VoteMessage(self._sign(statement))))
        self._work_off(queue, now)
        self._carry_out(self.replica.resume(now), queue, now)
        self._work_off(queue, now)
        self.witness.booted(role.index, self.replica)
        return self._take_outbox()

    def _replay(self, now: Now) -> tuple[Statement, ...]:
        records = self.disk.log.read()
        for kind, payload in self.disk.blocks.read():
            assert kind == BLOCK_RECORD
            encoded, batches, certificate = codec.decode(payload)
            held = tuple(Batch.from_wire(batch) for batch in batches)
            known = None if certificate is None else Certificate.from_wire(certificate)
            self.blocks.append((Header.decode(encoded), held, known))
        outcomes = self.disk.outcomes.read()
        self.roots += [Digest(payload) for _, payload in outcomes]
        for height in range(len(self.roots), len(self.blocks) + 1):
            self._due.append((now.monotonic + self.execution_delay, height))
        final, certificate = self.role.anchor, None
        if self.blocks:
            final, _, certificate = self.blocks[-1]
        for kind, payload in records:
            if kind == BATCH_RECORD:
                batch = Batch.from_wire(codec.decode(payload))
                self.batches[batch.header.digest] = batch
        statements = self.replica.restore(
            final=final,
            final_certificate=certificate,
            recent=[header for header, _, _ in self.blocks[final.anchor.height :]],
            batches=[batch.header for batch in self.batches.values()],
            executed=[self._executed(height) for height in range(1, len(self.roots))],
            records=[decode_record(kind, payload) for kind, payload in records if kind < BATCH_RECORD],
        )
        self._forget_final_batches(final)
        return statements

    def crash(self) -> None:
        """Lose power: memory is gone, and what was not synced may be torn."""
        self.disk.crash(self.role.random)

    # --- events -----------------------------------------------------------------------------------------------------

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        self._outbox = []
        queue: deque[Event | Batch] = deque()
        match event:
            case Submitted(transaction):
                self._waiting.append(transaction)
            case Tick():
                while self._commits and self._commits[0][0] <= now.monotonic:
                    self._store_blocks(self._commits.popleft()[1], now)
                self._execute(queue, now)
                self._report(now)
                queue.append(event)
            case Received(sender, message):
                self._receive(sender, message, queue)
        self._fill_lane(queue)
        self._work_off(queue, now)
        return self._take_outbox()

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
                sender = event.sender if isinstance(event, Received) else self.role.index
                self.witness.fault(self.role.index, sender, str(fault))
                continue
            self._carry_out(output, queue, now)
            if output.commit:
                self._fill_lane(queue)

    def _receive(self, sender: SignerIndex, message: Message, queue: deque[Event | Batch]) -> None:
        match message:
            case BatchMessage(batch):
                queue.append(batch)
            case BatchRequest(digests):
                stored = self._stored(digests)
                self._outbox.extend(Send(sender, BatchMessage(batch)) for batch in stored)
            case BlockRequest(digests):
                headers = (self.replica.header_of(digest) for digest in digests)
                self._outbox.extend(Send(sender, BlockMessage(header)) for header in headers if header is not None)
            case RangeRequest(start):
                self._serve_range(sender, start)
            case Range():
                self._take_range(sender, message, queue)
            case Propose() | VoteMessage() | BlockMessage() | Status():
                queue.append(Received(sender, message))
            case _:
                queue.append(Received(sender, message))  # type: ignore[arg-type]

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
        for signer in {evidence.first.signer for evidence in output.evidence}:
            self.witness.evidence(node, signer)
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
            queue.appendleft(Received(node, VoteMessage(vote)))
            self._broadcast(self._spoken(cast, vote))

    def _send(self, output: Output) -> None:
        for send in output.send:
            if send.to is None:
                self._broadcast(send.message)
            else:
                self._outbox.append(Send(send.to, send.message))
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
        self.guard.check(statement)
        self.witness.signed(self.role.index, statement)
        signature = self.role.vote_key.sign(statement.signed_bytes(self.role.chain))
        return Vote(statement, self.role.index, signature)

    def _broadcast(self, message: Message) -> None:
        for other in range(len(self.role.members.validators)):
            if other != self.role.index:
                self.witness.point(self.role.index, "sending")
                self._outbox.append(Send(SignerIndex(other), message))

    def _ask(self, ask: Ask) -> None:
        if ask.batches:
            self.wanted.update(ask.batches)
            self._outbox.append(Send(ask.to, BatchRequest(ask.batches)))
        if ask.headers:
            self._outbox.append(Send(ask.to, BlockRequest(ask.headers)))
        if ask.range_from is not None:
            self._outbox.append(Send(ask.to, RangeRequest(ask.range_from)))

    def _store_blocks(self, commits: list[Commit], now: Now) -> None:
        node = self.role.index
        for commit in commits:
            batches = tuple(self.batches[digest] for digest in commit.batches)
            certificate = None if commit.certificate is None else commit.certificate.to_wire()
            wire = (commit.header.encoded, tuple(batch.to_wire() for batch in batches), certificate)
            self.disk.blocks.append(BLOCK_RECORD, codec.encode(wire))
            self.blocks.append((commit.header, batches, commit.certificate))
            self.witness.point(node, "block appended")
        self.disk.blocks.sync()
        for commit in commits:
            self.witness.committed(node, commit)
            self._due.append((now.monotonic + self.execution_delay, commit.header.height))
        last = commits[-1]
        invariant(last.certificate is not None, "the last block of a commit has its own certificate")
        assert last.certificate is not None
        self._recorded = FinalRecord(last.header, last.certificate)
        self.disk.log.append(*encode_record(self._recorded))
        self.witness.point(node, "block stored")
        self._forget_final_batches(last.header)
        self.guard.forget_below(last.certificate.view)

    def _rotate(self) -> None:
        """Begin a new log, whatever the block store has by now."""
        final = () if self._recorded is None else (self._recorded,)
        records = [encode_record(record) for record in (*final, *self.replica.log_records())]
        kept: list[tuple[int, bytes]] = [(int(kind), payload) for kind, payload in records]
        kept += [(BATCH_RECORD, codec.encode(batch.to_wire())) for batch in self.batches.values()]
        self.disk.log.replace(kept)
        self._rotated_bytes = len(self.disk.log)

    # --- batches ----------------------------------------------------------------------------------------------------

    def _fill_lane(self, queue: deque[Event | Batch]) -> None:
        """Turn waiting transactions into batches of the own lane, within its quota."""
        lane, epoch = Lane(self.role.index), self.role.members.epoch
        while self._waiting and not self.replica.throttled and not self.replica.ended:
            tip = self.replica.final_cut[lane]
            length, previous = tip.length, tip.digest
            while (following := self._own_after(previous, length)) is not None:
                length, previous = Sequence(length + 1), following.digest
            if length - tip.length >= LANE_BATCHES_MAX // 2:
                return
            payload = encode_payload([self._waiting.popleft()])
            header = BatchHeader(
                epoch=epoch,
                lane=lane,
                sequence=length,
                previous=previous,
                count=1,
                size=len(payload),
                payload_digest=Digest(sha256(payload).digest()),
            )
            signature = self.role.node_key.sign(header.signed_bytes(self.role.chain))
            self._store(Batch(header, payload, signature), queue, own=True)

    def _own_after(self, previous: Digest, sequence: int) -> BatchHeader | None:
        for batch in self.batches.values():
            header = batch.header
            if header.lane == Lane(self.role.index) and header.previous == previous and header.sequence == sequence:
                return header
        return None

    def _store(self, batch: Batch, queue: deque[Event | Batch], *, own: bool = False) -> None:
        header = batch.header
        if header.digest in self.batches or header.lane >= len(self.role.members.validators):
            return
        if header.sequence < self.replica.final_cut[header.lane].length or header.epoch != self.role.members.epoch:
            return
        key = self.role.members.validators[header.lane].node_key
        if not self.role.verify(key, batch.signature, header.signed_bytes(self.role.chain)):
            self.witness.fault(self.role.index, SignerIndex(header.lane), "batch signature")
            return
        unordered = sum(held.header.lane == header.lane for held in self.batches.values())
        if unordered >= LANE_BATCHES_MAX and header.digest not in self.wanted:
            return
        self.wanted.discard(header.digest)
        self.disk.log.append(BATCH_RECORD, codec.encode(batch.to_wire()))
        self.batches[header.digest] = batch
        self.disk.log.sync()
        self.witness.point(self.role.index, "batch stored")
        if own:
            self._broadcast(BatchMessage(batch))
        queue.append(BatchHeld(header))

    def _forget_final_batches(self, stored: Header) -> None:
        if stored.cut:
            self.batches = {
                digest: batch
                for digest, batch in self.batches.items()
                if batch.header.sequence >= stored.cut[batch.header.lane].length
            }

    def _stored(self, digests: tuple[Digest, ...]) -> Iterator[Batch]:
        for digest in digests:
            if digest in self.batches:
                yield self.batches[digest]
                continue
            for _, batches, _ in reversed(self.blocks):
                found = next((batch for batch in batches if batch.header.digest == digest), None)
                if found is not None:
                    yield found
                    break

    # --- execution, status, ranges ----------------------------------------------------------------------------------

    def _executed(self, height: int) -> Executed:
        wish = self.role.members.digest
        for start in sorted(self.role.wishes):
            if height >= start:
                wish = self.role.wishes[start]
        return Executed(Height(height), self.roots[height], wish)

    def _execute(self, queue: deque[Event | Batch], now: Now) -> None:
        while self._due and self._due[0][0] <= now.monotonic:
            _, height = self._due.popleft()
            if height != len(self.roots):
                continue
            header, _, _ = self.blocks[height - 1]
            wrong = b"" if self.wrong_root_from is None or height < self.wrong_root_from else b"wrong"
            root = Digest(sha256(self.roots[-1] + header.digest + wrong).digest())
            self.disk.outcomes.append(OUTCOME_RECORD, root)
            self.disk.outcomes.sync()
            self.roots.append(root)
            queue.append(self._executed(height))

    def _report(self, now: Now) -> None:
        if self._status_at > now.monotonic:
            return
        self._status_at = now.monotonic + STATUS_INTERVAL
        replica = self.replica
        body = StatusBody(
            epoch=self.role.members.epoch,
            view=replica.view,
            final_view=replica.final_view,
            height=replica.final.height,
            digest=replica.final.digest,
            executed=Height(len(self.roots) - 1),
            lanes=replica.lane_lengths,
            lowest=Height(1),
        )
        signature = self.role.node_key.sign(body.signed_bytes(self.role.chain))
        self._broadcast(Status(body, signature))

    def _serve_range(self, sender: SignerIndex, start: Height) -> None:
        blocks = self.blocks[max(start, 1) - 1 : max(start, 1) - 1 + RANGE_BLOCKS]
        while blocks and blocks[-1][2] is None:
            blocks.pop()
        if blocks and blocks[-1][2] is not None:
            held = tuple((header, batches) for header, batches, _ in blocks)
            self._outbox.append(Send(sender, Range(held, blocks[-1][2])))

    def _take_range(self, sender: SignerIndex, message: Range, queue: deque[Event | Batch]) -> None:
        """Everything is checked before any of it is stored (T34)."""
        replica = self.replica
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
