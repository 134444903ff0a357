"""What a worker does with a job that it took, and when it says so: sealed under the job's secret,
at the end of the contract's duration, whatever came of it (T63, T65)."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.enclave.room.worker.test_chunks import CHAIN, KEY, Clock, Host

from strongroom.consensus import codec
from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.result_keys import noise_seed, output_key, result_name
from strongroom.enclave.outside.chunks import ChunkOpener, DataPlace, chunks_root
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.door import DoorClosed
from strongroom.enclave.room.leases import LeaseKeeper, Opened
from strongroom.enclave.room.ledger import Executed, Refused
from strongroom.enclave.room.sdk import Room
from strongroom.enclave.room.turns import Turns
from strongroom.enclave.room.worker.life import Job
from strongroom.enclave.room.worker.link import BenchLink, TooLate

OWNER, ROOM, JOB, WHO = (bytes([one]) * 32 for one in range(1, 5))
RESULT = bytes(range(32, 64))
SECONDS, DEADLINE = 5.0, 35.0
SEGMENTS = (b"first", b"second")


class Bench:
    """Says what a test wants; keeps what it was given."""

    def __init__(self, made: list[tuple[str, bytes, bytes]] | None) -> None:
        self.made, self.begun = made, list[Any]()
        self.parts: dict[tuple[int, int], bytes] = {}
        self.computes, self.gone = 0.0, False

    async def begin(self, _turns: Turns, _until: float, job: Any, inputs: Any) -> None:
        self.begun.append((job, inputs))

    def part(self, place: tuple[int, int], data: bytes) -> None:
        if self.gone:
            raise DoorClosed
        self.parts[place] = self.parts.get(place, b"") + data

    async def outputs(self, turns: Turns, until: float) -> Any:
        await turns.pause(self.computes)
        if turns.now() > until:
            raise TooLate
        return self.made


class World:
    """A worker that has taken a job of one input in two segments."""

    def __init__(self, bench: Bench, custody: str = "ledger") -> None:
        self.clock, self.bench, self.host = Clock(), bench, Host()
        self.turns = Turns(self.clock.now)
        self.called: list[tuple[float, str, Any]] = []
        self.kept: list[LeaseKeeper] = []
        names, segments = list[bytes](), []
        for version, data in enumerate(SEGMENTS, 1):
            place = DataPlace(CHAIN, OWNER, "rows", version)
            names += self.host.keep(data, place, len(names))
            segments.append([version, len(names)])
        root = chunks_root(names)
        self.host.kept[root] = b"".join(names)
        terms = DataTerms(b"columns", 0, 0, 1, (), (), (), 1, False)
        lease = {"lease": bytes(16), "until_ms": 600_000, "heartbeat_ms": 10_000}
        told = {"alias": "a", "owner": OWNER, "data": "rows", "place": "rows", "version": 2}
        told |= {"root": bytes(root), "segments": segments, "terms": terms.encode()}
        told |= {"half": KEY.reveal(), "custody": custody, "wrapped": b"w", **lease}
        told |= {"key": "key of rows", "key_version": 7, "batches": b""}
        self.told: dict[str, Any] = told
        self.granted: tuple[LeaseKeeper, Any] | None = None
        self.away: Refused | None = None
        self.contract = Contract(
            ROOM,
            "one",
            "tests",
            "reviewed",
            (Input("a", OWNER, "rows", 0, 0),),
            (Stage("sql", "case", "SELECT 1 AS n"),),
            (Output("case", "table", (WHO,), 1 << 20, "", 0),),
            (),
            *(1, 64, int(SECONDS * 1000), 6, 1, 1, 1),
        )
        self.taken = {
            "job": JOB,
            "contract": self.contract.encode(),
            "parameters": codec.encode(()),
            "inputs": [told],
            "result": RESULT,
            "taken_ms": 1_000,
            "deadline_ms": 1_000 + int(DEADLINE * 1000),
        }

    async def call(self, program: str, operation: str, *arguments: Any, until: float) -> Executed:
        assert (program, until) == ("rooms", DEADLINE)
        self.called.append((self.clock.now(), operation, arguments))
        return Executed(TransactionId(bytes(32)), Height(1), {"state": "agreed"}, b"")

    async def open_granted(self, keeper: LeaseKeeper, granted: Any) -> None:
        if self.away is not None:
            raise self.away
        keeper.opened = cast(Opened, SimpleNamespace(whole=lambda: KEY, wipe=lambda: None))
        self.granted = keeper, granted

    def run(self) -> None:
        room = SimpleNamespace(
            open_granted=self.open_granted,
            ledger=self,
            host=self.host,
            turns=self.turns,
            boot=SimpleNamespace(place=SimpleNamespace(chain=CHAIN)),
            evidence=None,
            keep=self.kept.append,
            tell=lambda *_, **__: None,
            rest=self.turns.pause,
        )
        executed = Executed(TransactionId(bytes(32)), Height(1), self.taken, b"")
        job = Job(cast(Room, room), cast(BenchLink, self.bench), executed, 0.0)
        self.turns.run(self.turns.spawn(job.run()), self.clock.look)


def test_T65_a_result_is_sealed_under_its_jobs_secret_in_its_place() -> None:
    there = World(Bench([("case", b"", b"rows of a result")]))
    there.run()
    ((_, operation, (job, ((output, recipient, root, chunks, _size),), failed)),) = there.called
    assert (operation, job, output, recipient, failed) == ("report", JOB, "case", b"", False)
    names = there.host.kept[root]
    assert len(names) == 32 * chunks == 32
    place = DataPlace(CHAIN, ROOM, result_name(JOB, "case", b""), 1)
    opener = ChunkOpener(Secret(output_key(RESULT, "case", b"")), place)
    assert opener.open(there.host.kept[names], last=True) == b"rows of a result"


def test_the_bench_is_given_every_segment_and_no_key() -> None:
    there = World(Bench(None))
    there.run()
    assert there.bench.parts == {(0, 0): SEGMENTS[0], (0, 1): SEGMENTS[1]}
    (((contract, _, seed), inputs),) = there.bench.begun
    assert (contract, seed) == (there.contract.encode(), noise_seed(RESULT))
    assert inputs == [("a", OWNER, "rows", b"columns", b"", (1, 1))]
    assert RESULT not in codec.encode((contract, seed, tuple(inputs)))


def test_the_host_sees_every_chunk_asked_for_also_when_the_bench_is_gone() -> None:
    there = World(Bench([("case", b"", b"never")]))
    there.bench.gone = True
    asked: list[str] = []

    def note(method: str, _turn: int, answer: Any) -> Any:
        asked.append(method)
        return answer

    there.host.lie = note
    there.run()
    assert asked == ["chunk_names", *["chunk"] * len(SEGMENTS)]
    ((_, _, (_, entries, failed)),) = there.called
    assert (failed, entries) == (True, ())


def test_the_bench_is_told_by_what_devices_batches_are_checked() -> None:
    there = World(Bench(None))
    there.told["batches"] = bytes([7]) * 32
    there.run()
    ((*_, inputs),) = there.bench.begun
    assert inputs == [("a", OWNER, "rows", b"columns", CHAIN + bytes([7]) * 32, (1, 1))]


@pytest.mark.parametrize("made", [None, [("case", b"", b"rows")]])
@pytest.mark.parametrize("computes", [0.0, SECONDS - 0.5])
def test_T63_time_tells_nothing_of_a_job(made: Any, computes: float) -> None:
    there = World(Bench(made))
    there.bench.computes = computes
    stored: list[float] = []

    def note(method: str, _turn: int, answer: Any) -> Any:
        if method.startswith("put"):
            stored.append(there.clock.now())
        return answer

    there.host.lie = note
    there.run()
    ((at, _, (_, entries, failed)),) = there.called
    assert SECONDS <= at < SECONDS + 0.3
    assert (failed, bool(entries)) == (made is None, made is not None)
    assert min(stored, default=SECONDS) >= SECONDS


def test_who_computes_longer_than_the_duration_reports_nothing() -> None:
    there = World(Bench(None))
    there.bench.computes = SECONDS + 1
    with pytest.raises(TooLate):
        there.run()
    assert not there.called


def test_after_the_report_no_key_is_left_and_nothing_beats() -> None:
    there = World(Bench(None))
    there.run()
    (keeper,) = there.kept
    assert keeper.over is not None
    assert not keeper._held


def test_T55_a_key_that_the_ledger_does_not_give_alone_is_opened_by_its_custodian() -> None:
    """Under its own name and version, not the data set's; refused, and nothing is reported."""
    there = World(Bench(None), custody="split")
    there.run()
    assert there.granted is not None
    keeper, granted = there.granted
    assert (keeper.key.name, keeper.key.version, granted["wrapped"]) == ("key of rows", 7, b"w")
    assert there.bench.parts == {(0, 0): SEGMENTS[0], (0, 1): SEGMENTS[1]}

    there = World(Bench(None), custody="split")
    there.away = Refused("custodian-away", "of Acme")
    with pytest.raises(Refused, match="Acme"):
        there.run()
    assert not there.called
    assert not there.bench.parts
