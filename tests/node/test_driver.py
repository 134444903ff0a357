"""The driver's own duties: what the log may forget and when, who is silent for good, when to ask for old blocks.

The replica is a stand-in that says what the test wants; log, batches and block store are real.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.consensus import samples

from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.events import Ask, CastRecord, Commit, FinalRecord, Output, Record
from strongroom.consensus.lanes import Cut
from strongroom.consensus.messages import RangeRequest, decode_message
from strongroom.consensus.types import Epoch, Height, Lane, SignerIndex
from strongroom.node.batches import BatchPool
from strongroom.node.driver import OBSERVER_RECORD, BatchArrived, Driver
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.replay import read_log

KIB = 1024
OWN = SignerIndex(0)


@dataclass
class StandInReplica:
    """Final at a height, with a log to carry."""

    final: Header = samples.HEADER
    records: tuple[Record, ...] = ()
    voting: bool = True

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

    def send(self, to: SignerIndex, message: bytes) -> None:
        self.messages.append((to, message))


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


def bench(folder: Path, *, wal_bytes_max: int = 64 * KIB) -> Bench:
    wal, batches, pipeline, replica = WriteAheadLog.open(folder), BatchPool(), StandInPipeline(), StandInReplica()
    sent, alarms = Sent(), list[str]()
    loose: dict[str, Any] = {"replica": replica, "pipeline": pipeline, "links": sent, "enclave": None}
    driver = Driver(own=OWN, wal=wal, batches=batches, wal_bytes_max=wal_bytes_max, on_alarm=alarms.append, **loose)
    return Bench(driver, wal, batches, pipeline, replica, sent, alarms)


def large_batch(kib: int) -> Batch:
    """A batch of the samples' lane with a payload of its own size."""
    payload = bytes(kib * KIB)
    return Batch(replace(samples.BATCH_HEADER, size=len(payload)), payload, samples.signature(1))


async def turn(bench: Bench, *outputs: Output) -> None:
    await bench.driver._carry_out(list(outputs), [])


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
    records, _, _ = read_log(made.wal, samples.HEADER.epoch)
    assert records == (FinalRecord(samples.HEADER, samples.certificate("finalize")), *made.replica.records)


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
    made.driver.observe(samples.HEADER.epoch, "the log was lost")
    assert (made.replica.voting, made.alarms) == (False, ["the log was lost"])
    for _ in range(2):
        made.wal.append(1, bytes(2 * KIB))
        await turn(made)
        assert read_log(made.wal, samples.HEADER.epoch)[2] == "the log was lost"
    made.wal.close()
    again = WriteAheadLog.open(tmp_path)
    assert not again.created
    assert read_log(again, samples.HEADER.epoch)[2] == "the log was lost"
    assert read_log(again, Epoch(samples.HEADER.epoch + 1))[2] == "", "silence ends with the epoch"
    again.close()


async def test_an_observer_record_is_durable_before_it_is_told(tmp_path: Path) -> None:
    made = bench(tmp_path)

    def look(_: str) -> None:
        assert OBSERVER_RECORD in [kind for kind, _ in WriteAheadLog.open(tmp_path).replay()]

    made.driver._on_alarm = look
    made.driver.observe(samples.HEADER.epoch, "a peer holds an unknown vote")


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


async def test_T35_a_batch_that_came_is_wanted_no_more_whether_it_was_kept_or_not(tmp_path: Path) -> None:
    """T35: nobody grows this node's memory with names of batches."""
    made = bench(tmp_path)
    ordered = Batch(replace(samples.BATCH_HEADER, lane=Lane(1)), samples.PAYLOAD, samples.signature(1))
    made.batches.add(samples.BATCH)
    for batch in (samples.BATCH, ordered):
        made.batches.want([batch.header.digest])
        assert not made.driver._store(BatchArrived(batch, own=False))
        assert not made.batches.arrived(batch.header.digest)
