"""What the log says, and what the next file must carry: who is silent for good, what is owed, when
it begins anew."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from tests.consensus import samples

from strongroom.consensus.batches import Batch, encode_payload
from strongroom.consensus.blocks import Header
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import CastRecord, FinalRecord, Record
from strongroom.consensus.types import Digest, Epoch
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.effects import Append, Effect, ReplaceLog, StoreNow
from strongroom.node.ordering.log import LogContent, read_log

KIB = 1024
EPOCH = samples.HEADER.epoch
OPENED = FinalRecord(samples.HEADER, samples.certificate("finalize"))
SILENCE = (Epoch(EPOCH), "the log was lost")


@dataclass
class StandInState:
    """A replica's state: final at a height, with a log to carry."""

    final: Header = samples.HEADER
    final_proof: Finality | None = None
    records: tuple[Record, ...] = ()

    def log_records(self) -> tuple[Record, ...]:
        return self.records


@dataclass
class Bench:
    """A log's content among stand-ins, and the frames that a disk would hold."""

    log: LogContent
    state: StandInState = field(default_factory=StandInState)
    pool: BatchPool = field(default_factory=BatchPool)
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    files: int = 1

    def carry(self, *effects: Effect) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self.frames.append((effect.kind, effect.payload))
            elif isinstance(effect, ReplaceLog):
                self.frames, self.files = list(effect.records), self.files + 1

    def turn(self) -> list[Effect]:
        loose: Any = self.state
        effects = self.log.rotate_if_long(loose, self.pool)
        self.carry(*effects)
        return effects


def bench(bytes_max: int = KIB) -> Bench:
    return Bench(LogContent(bytes_max=bytes_max, size=0))


def batch_of(size: int) -> Batch:
    return batch_with([bytes(size)])


def batch_with(envelopes: list[bytes]) -> Batch:
    payload = encode_payload(envelopes)
    header = replace(
        samples.BATCH_HEADER,
        count=len(envelopes),
        size=len(payload),
        payload_digest=Digest(sha256(payload).digest()),
    )
    return Batch(header, payload, samples.signature(1))


def said_in(epoch: int) -> CastRecord:
    """A promise of an epoch."""
    return CastRecord(replace(samples.STATEMENTS["nullify"], epoch=Epoch(epoch)))


def test_final_blocks_are_in_the_block_store_before_the_log_forgets_them() -> None:
    """PROTOCOL §5: the replica remembers nothing below its final block, so the store must have
    that."""
    made = bench()
    made.state.records = (said_in(EPOCH),)
    made.state.final_proof = OPENED.certificate
    made.carry(made.log.hold(batch_of(2 * KIB), own=False))
    first, second = made.turn()
    assert isinstance(first, StoreNow)
    assert isinstance(second, ReplaceLog)
    assert read_log(second.records).records == (OPENED, *made.state.records)


def test_a_log_that_has_to_carry_more_than_its_limit_is_not_begun_anew_at_every_turn() -> None:
    made = bench(16 * KIB)
    made.pool.add(batch_of(64 * KIB))
    made.carry(made.log.hold(batch_of(64 * KIB), own=False))
    for _ in range(10):
        made.turn()
    assert made.files == 2


def test_a_node_that_may_only_observe_is_silent_in_every_file_and_not_beyond_its_epoch() -> None:
    """PROTOCOL §6: the second start finds a log, but it is not the one in which the promises
    stood."""
    made = bench()
    made.carry(made.log.observe(SILENCE))
    for _ in range(2):
        made.carry(made.log.hold(batch_of(8 * KIB), own=False))
        made.turn()
        assert read_log(made.frames).silence(EPOCH) == SILENCE
    assert made.files == 3
    assert read_log(made.frames).silence(Epoch(EPOCH + 1)) is None, "silence ends with the epoch"


def test_promises_and_batches_of_later_epochs_outlive_every_rotation() -> None:
    """R16: a block store that was cut back over an epoch's end is behind its own log."""
    made = bench()
    made.log.later, made.log.later_batches = (said_in(EPOCH + 1),), (samples.BATCH,)
    for _ in range(2):
        made.carry(made.log.hold(batch_of(8 * KIB), own=False))
        made.turn()
        read = read_log(made.frames)
        assert (read.records, read.batches) == ((said_in(EPOCH + 1),), [samples.BATCH])


def test_a_new_epochs_log_holds_its_anchor_what_is_to_be_batched_again_and_no_old_promise() -> None:
    """R16; PROTOCOL §10, known mistakes: an old epoch's log must not be replayed into the new
    one."""
    made = bench()
    made.carry(made.log.record(said_in(EPOCH)))
    made.log.later, made.log.silence = (said_in(EPOCH + 1),), (Epoch(EPOCH + 2), "the log was lost")
    left = batch_of(10)
    made.carry(made.log.begin_epoch(OPENED, [left]))
    read = read_log(made.frames)
    assert (read.records, read.batches) == ((OPENED, said_in(EPOCH + 1)), [left])
    assert read.silences == [made.log.silence]


def test_what_an_epoch_left_unordered_stays_in_the_log_until_it_is_batched_again() -> None:
    made = bench()
    left = batch_of(10)
    made.carry(made.log.begin_epoch(OPENED, [left]))
    made.carry(*made.log.rotate(made.state, made.pool))  # type: ignore[arg-type]
    assert read_log(made.frames).batches == [left]
    again = replace(left, header=replace(left.header, epoch=Epoch(EPOCH + 1)))
    made.carry(made.log.hold(again, own=True))
    made.carry(*made.log.rotate(made.state, made.pool))  # type: ignore[arg-type]
    assert read_log(made.frames).batches == []


def test_what_is_owed_stays_until_every_envelope_of_it_is_batched_again() -> None:
    """Own batches of an ended epoch are paid for one envelope after the other, each its own."""
    made = bench()
    made.log.owe([batch_with([b"a", b"b"]), batch_with([b"c"])])
    for envelope, left in ((b"a", {b"a", b"b", b"c"}), (b"c", {b"a", b"b"}), (b"b", set())):
        made.log.hold(batch_with([envelope]), own=True)
        assert set(made.log.owed_envelopes()) == left
