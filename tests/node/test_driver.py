"""The driver's own duties: what the log may forget and when, who is silent for good, when to ask for old blocks.

The replica is a stand-in that says what the test wants; log, batches and block store are real.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.consensus import samples

from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.events import (
    Ask,
    BatchHeld,
    Cast,
    CastRecord,
    Commit,
    Event,
    FinalRecord,
    Now,
    Output,
    Record,
)
from strongroom.consensus.lanes import Cut
from strongroom.consensus.messages import BatchMessage, Message, RangeRequest, VoteMessage, decode_message
from strongroom.consensus.records import encode_record
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Digest, Epoch, Height, Lane, Sequence, Signature, SignerIndex
from strongroom.node.batches import BatchPool
from strongroom.node.consensus_log import BATCH_RECORD, OBSERVER_RECORD, ConsensusLog, begin_epoch
from strongroom.node.driver import BatchArrived, Driver
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.standing import read_log

KIB = 1024
OWN = SignerIndex(0)
EPOCH = samples.HEADER.epoch


@dataclass
class StandInReplica:
    """Final at a height, with a log to carry."""

    final: Header = samples.HEADER
    records: tuple[Record, ...] = ()
    voting: bool = True
    view: int = 1
    on_held: Output = field(default_factory=Output)
    """What follows from a held batch."""

    def step(self, event: Event, _now: Now) -> Output:
        return self.on_held if isinstance(event, BatchHeld) else Output()

    @property
    def final_cut(self) -> Cut:
        return self.final.cut

    def log_records(self) -> tuple[Record, ...]:
        return self.records

    def deadline(self) -> float | None:
        return None


@dataclass
class StandInPipeline:
    """Takes commits; records them when it is told to."""

    commits: list[Commit] = field(default_factory=list)
    overfull: bool = False
    on_record: Callable[[], None] = lambda: None

    def put(self, commits: list[Commit]) -> None:
        self.commits += commits

    def record(self) -> FinalRecord | None:
        self.on_record()
        if not self.commits:
            return None
        newest = self.commits[-1]
        assert newest.certificate is not None
        self.commits.clear()
        return FinalRecord(newest.header, newest.certificate)


@dataclass
class Sent:
    """What went out over the links."""

    messages: list[tuple[SignerIndex, bytes]] = field(default_factory=list)
    to_all: list[Message] = field(default_factory=list)
    on_broadcast: Callable[[], None] = lambda: None

    def broadcast(self, message: bytes) -> None:
        self.on_broadcast()
        self.to_all.append(decode_message(message))

    def ask(self, to: SignerIndex, message: bytes) -> None:
        self.messages.append((to, message))


class StandInEnclave:
    """Signs whatever it is asked to."""

    async def cast(self, statements: list[Statement]) -> list[Signature]:
        return [samples.signature(0) for _ in statements]


@dataclass
class Bench:
    """A driver among stand-ins."""

    driver: Driver
    wal: WriteAheadLog
    batches: BatchPool
    pipeline: StandInPipeline
    replica: StandInReplica
    sent: Sent
    alarms: list[str]


def bench(folder: Path, *, wal_bytes_max: int = 64 * KIB, later: tuple[Record, ...] = ()) -> Bench:
    wal, batches, pipeline, replica = WriteAheadLog.open(folder), BatchPool(), StandInPipeline(), StandInReplica()
    sent, alarms = Sent(), list[str]()
    loose: dict[str, Any] = {"replica": replica, "pipeline": pipeline, "links": sent, "enclave": StandInEnclave()}
    log = ConsensusLog(wal, loose["replica"], batches, bytes_max=wal_bytes_max, later=later)
    driver = Driver(
        epoch=samples.EPOCH.epoch,
        own=OWN,
        wal=log,
        batches=batches,
        on_alarm=alarms.append,
        on_evidence=lambda _: None,
        **loose,
    )
    return Bench(driver, wal, batches, pipeline, replica, sent, alarms)


def large_batch(kib: int) -> Batch:
    """A batch of the samples' lane with a payload of its own size."""
    payload = bytes(kib * KIB)
    return Batch(replace(samples.BATCH_HEADER, size=len(payload)), payload, samples.signature(1))


def fresh_batch(kib: int) -> Batch:
    """A batch of a lane of the samples' header, far above its final cut."""
    payload = bytes(kib * KIB)
    header = replace(
        samples.BATCH_HEADER,
        lane=Lane(1),
        sequence=Sequence(10**6),
        size=len(payload),
        payload_digest=Digest(sha256(payload).digest()),
    )
    return Batch(header, payload, samples.signature(1))


async def turn(bench: Bench, *outputs: Output) -> None:
    await bench.driver._carry_out(list(outputs))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_final_blocks_are_in_the_block_store_before_the_log_forgets_them(tmp_path: Path) -> None:
    """PROTOCOL §5: the replica remembers nothing below its final block, so the store must have that."""
    made = bench(tmp_path, wal_bytes_max=KIB)
    at_record: list[list[str]] = []
    made.pipeline.on_record = lambda: at_record.append(files(tmp_path))
    made.replica.records = (CastRecord(samples.STATEMENTS["nullify"]),)
    for _ in range(20):
        made.wal.append(1, bytes(KIB))
    await turn(made, Output(commit=[Commit(samples.HEADER, (), samples.certificate("finalize"))]))
    assert at_record == [["wal-000000000001.log"]]
    assert files(tmp_path) == ["wal-000000000002.log"]
    assert read_log(made.wal).records == (
        FinalRecord(samples.HEADER, samples.certificate("finalize")),
        *made.replica.records,
    )


async def test_a_log_that_has_to_carry_more_than_its_limit_is_not_begun_anew_at_every_turn(tmp_path: Path) -> None:
    made = bench(tmp_path, wal_bytes_max=16 * KIB)
    made.batches.add(large_batch(64))
    for _ in range(20):
        made.wal.append(1, bytes(KIB))
    for _ in range(10):
        await turn(made)
    assert files(tmp_path) == ["wal-000000000002.log"]


async def test_a_node_that_may_only_observe_is_silent_after_every_restart_and_rotation(tmp_path: Path) -> None:
    """PROTOCOL §6: the second start finds a log, but it is not the one in which the promises stood."""
    made = bench(tmp_path, wal_bytes_max=KIB)
    made.driver.observe(EPOCH, "the log was lost")
    assert (made.replica.voting, made.alarms) == (False, ["the log was lost"])
    for _ in range(2):
        made.wal.append(1, bytes(2 * KIB))
        await turn(made)
        assert read_log(made.wal).silence(EPOCH) == (EPOCH, "the log was lost")
    made.wal.close()
    again = WriteAheadLog.open(tmp_path)
    assert not again.created
    assert read_log(again).silence(EPOCH) == (EPOCH, "the log was lost")
    assert read_log(again).silence(Epoch(EPOCH + 1)) is None, "silence ends with the epoch"
    again.close()


async def test_an_observer_record_is_durable_before_it_is_told(tmp_path: Path) -> None:
    made = bench(tmp_path)

    def look(_: str) -> None:
        assert OBSERVER_RECORD in [kind for kind, _ in WriteAheadLog.open(tmp_path).replay()]

    made.driver._on_alarm = look
    made.driver.observe(EPOCH, "a peer holds an unknown vote")


async def test_old_blocks_are_asked_for_only_when_execution_has_caught_up(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.pipeline.overfull = True
    await turn(made, Output(ask=[Ask(SignerIndex(2), range_from=Height(65))]))
    await made.driver._turn()
    assert made.sent.messages == []
    made.pipeline.overfull = False
    await made.driver._turn()
    await made.driver._turn()
    ((to, message),) = made.sent.messages
    assert (to, decode_message(message)) == (2, RangeRequest(Height(65)))


def durable(folder: Path) -> list[int]:
    """Kinds of the records that a restart would find now."""
    return [kind for kind, _ in WriteAheadLog.open(folder).replay()]


async def test_an_own_batch_is_durable_before_it_leaves(tmp_path: Path) -> None:
    """PROTOCOL §5: else a restart could begin another branch of its lane."""
    made = bench(tmp_path)
    seen: list[list[int]] = []
    made.sent.on_broadcast = lambda: seen.append(durable(tmp_path))
    batch = fresh_batch(1)
    made.driver.put(BatchArrived(batch, own=True))
    await made.driver._turn()
    assert made.sent.to_all == [BatchMessage(batch)]
    assert seen == [[BATCH_RECORD]]


async def test_a_peers_batch_is_durable_before_a_vote_that_rests_on_it_leaves_and_costs_no_fsync_alone(
    tmp_path: Path,
) -> None:
    """PROTOCOL §5: before N leaves, the block's batches; nothing that is said earlier rests on them."""
    made = bench(tmp_path)
    syncs: list[int] = []
    sync = made.wal.sync

    def counted() -> None:
        syncs.append(1)
        sync()

    made.wal.sync = counted  # type: ignore[method-assign]
    made.driver.put(BatchArrived(fresh_batch(1), own=False))
    await made.driver._turn()
    assert (syncs, made.sent.to_all) == ([], [])
    seen: list[list[int]] = []
    made.sent.on_broadcast = lambda: seen.append(durable(tmp_path))
    made.replica.on_held = Output(cast=[Cast(samples.STATEMENTS["notarize"])])
    made.driver.put(BatchArrived(fresh_batch(2), own=False))
    await made.driver._turn()
    (vote,) = made.sent.to_all
    assert isinstance(vote, VoteMessage)
    assert [kinds.count(BATCH_RECORD) for kinds in seen] == [2]
    assert len(syncs) == 1


async def test_whoever_waits_for_the_next_view_is_told_of_it_once(tmp_path: Path) -> None:
    made = bench(tmp_path)
    views: list[int] = []
    made.driver._on_view = lambda: views.append(made.replica.view)
    await made.driver._turn()
    made.replica.view = 2
    await made.driver._turn()
    await made.driver._turn()
    assert views == [2]


async def test_T35_a_batch_that_came_is_wanted_no_more_whether_it_was_kept_or_not(tmp_path: Path) -> None:
    """T35: nobody grows this node's memory with names of batches."""
    made = bench(tmp_path)
    ordered = Batch(replace(samples.BATCH_HEADER, lane=Lane(1)), samples.PAYLOAD, samples.signature(1))
    made.batches.add(samples.BATCH)
    for batch in (samples.BATCH, ordered):
        made.batches.want([batch.header.digest])
        assert not made.driver._store(BatchArrived(batch, own=False))
        assert not made.batches.arrived(batch.header.digest)


def said_in(epoch: Epoch) -> CastRecord:
    """A promise of an epoch."""
    return CastRecord(replace(samples.STATEMENTS["nullify"], epoch=epoch))


async def test_promises_of_a_later_epoch_outlive_every_rotation(tmp_path: Path) -> None:
    """R16: a block store that was cut back over an epoch's end is behind its own log."""
    later = said_in(Epoch(EPOCH + 1))
    made = bench(tmp_path, wal_bytes_max=KIB, later=(later,))
    for _ in range(2):
        made.wal.append(1, bytes(2 * KIB))
        await turn(made)
        assert later in read_log(made.wal).records


def test_a_new_epochs_log_holds_its_anchor_what_is_to_be_batched_again_and_no_old_promise(tmp_path: Path) -> None:
    """R16; PROTOCOL §10, known mistakes: an old epoch's log must not be replayed into the new one."""
    made = bench(tmp_path)
    made.wal.append(*encode_record(said_in(EPOCH)))
    opened = FinalRecord(samples.HEADER, samples.certificate("finalize"))
    later, silence = said_in(Epoch(EPOCH + 1)), (Epoch(EPOCH + 2), "the log was lost")
    begin_epoch(made.wal, opened, later=[later], silences=[silence], unordered=[samples.BATCH])
    made.wal.close()
    again = WriteAheadLog.open(tmp_path)
    read = read_log(again)
    assert (read.records, read.batches, read.silences) == ((opened, later), [samples.BATCH], [silence])
    again.close()
