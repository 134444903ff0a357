"""A worker that serves: rows go to the bench and come back as answers, whatever its host says of
blocks; it ends with its right to the model, and tells nothing of why a row has no answer (ROOMS §2;
T63, T65, T66)."""

import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.test_predict import forest, joint
from tests.enclave.room.worker.test_chunks import Clock
from tests.enclave.room.worker.test_life import World as Taken

from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.formats.clean_rooms.contract import Contract, Output, Parameter, Stage
from strongroom.enclave.formats.clean_rooms.serving import encode_row
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.ledger import Executed, Refused
from strongroom.enclave.room.library.models import read_model
from strongroom.enclave.room.sdk import Room
from strongroom.enclave.room.turns import Turns, Waiting
from strongroom.enclave.room.worker.answering import TELLS_NOTHING, answer_of, answer_rows
from strongroom.enclave.room.worker.link import BenchLink, ToBench, ToWorker
from strongroom.enclave.room.worker.serving import WAKE_SECONDS, AnsweringLink, Serving

ROW = encode_row((("age", "50"), ("pain", "3"), ("pressure", "120.5")))
SECONDS = 60.0


def test_the_answer_is_the_models_probability_to_the_contracts_digits() -> None:
    model = read_model(joint())
    told = float(answer_of(model, ROW, 6))
    assert 0 < told < 1
    assert answer_of(model, ROW, 2) == repr(float(f"{told:.2g}"))
    assert answer_of(model, ROW, 6) == answer_of(read_model(joint()), ROW, 6)


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"no row",
        encode_row((("age", "500"), ("pain", "3"), ("pressure", "120"))),
        encode_row((("age", "50"), ("pain", "4"), ("pressure", "120"))),
        encode_row((("age", "50"), ("pain", "3"))),
        encode_row((("other", "50"),)),
    ],
)
def test_T63_a_row_of_which_nothing_is_told_has_one_answer(row: bytes) -> None:
    assert answer_of(read_model(joint()), row, 6) == TELLS_NOTHING


def test_a_gap_is_answered_where_the_model_learned_from_gaps() -> None:
    gap = encode_row((("pain", "3"), ("pressure", "120")))
    assert answer_of(read_model(forest()), gap, 6) == "0.119203"


def bench(segments: list[bytes], *frames: tuple[Any, ...]) -> list[Any]:
    """What a bench says to these frames, before its worker is gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Door(ours)
        for frame in frames:
            worker.send(*frame)
        ours.shutdown(socket.SHUT_WR)
        with suppress(DoorClosed):
            answer_rows(Door(theirs), segments, 6)
        theirs.shutdown(socket.SHUT_WR)
        said = list[Any]()
        with suppress(DoorClosed):
            while True:
                said.append(worker.receive())
        return said


def test_a_bench_answers_row_after_row() -> None:
    said = bench([joint()], (ToBench.ASK, ROW), (ToBench.ASK, b""), (ToBench.ASK, ROW))
    assert [one[0] for one in said] == [ToWorker.ANSWER] * 3
    assert said[0] == said[2] != said[1] == (ToWorker.ANSWER, TELLS_NOTHING)


@pytest.mark.parametrize("segments", [[b"{}"], [], [b"tree\n"], [b"a", b"b"]])
def test_T64_without_a_model_it_says_so_and_answers_nothing(segments: list[bytes]) -> None:
    assert bench(segments, (ToBench.ASK, ROW)) == [(ToWorker.FAILED,)]


class Bench:
    """Answers each row with its own bytes; or as a test says."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.gone = False

    async def answer(self, _turns: Turns, row: bytes) -> str:
        if self.gone:
            raise DoorClosed
        self.rows.append(row)
        return row.decode()


class World(Taken):
    """A worker that has taken a serving; the ledger has rows, the host says heights."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        changed = vars_of(self.contract) | {
            "stages": (Stage("library", "ml.serve", ""),),
            "outputs": (Output("answers", "bytes", (), 64, "", 0),),
            "parameters": (Parameter("answers", "int", 1, 9),),
        }
        self.contract = Contract(**changed)
        self.taken["contract"] = self.contract.encode()
        self.taken["deadline_ms"] = 1_000 + int(SECONDS * 1000)
        self.clock = Clock()
        self.turns = Turns(self.clock.now)
        self.waits: list[tuple[int, bytes]] = []
        self.refuses: dict[str, Refused] = {}
        self.looked: list[float] = []
        self.answered: list[tuple[int, str]] = []
        self.finished = 0
        self.heights: list[Any] = []
        self.rows = Bench()

    def begin(self, _method: str, **params: Any) -> Waiting[Any]:
        waiting: Waiting[Any] = Waiting()
        assert set(params) == {"after"}
        if self.heights:
            height = self.heights.pop(0)
            if isinstance(height, Exception):
                waiting.fail(height)
            else:
                waiting.set(height)
        return waiting

    async def query(self, _program: str, operation: str, *_: Any, **more: Any) -> Any:
        assert (operation, more["at_least"]) == ("asked", Height(0))
        self.looked.append(self.clock.now())
        if "asked" in self.refuses:
            raise self.refuses["asked"]
        rows, self.waits = self.waits, []
        return [{"number": number, "row": row} for number, row in rows]

    async def call(self, program: str, operation: str, *arguments: Any, until: float) -> Executed:
        if operation in self.refuses:
            raise self.refuses[operation]
        if operation == "answer":
            self.answered += arguments[1]
        else:
            assert operation == "finish"
            self.finished += 1
        return Executed(TransactionId(bytes(32)), Height(1), {}, b"")

    def serve(self) -> Serving:
        room = SimpleNamespace(
            ledger=self,
            host=self,
            turns=self.turns,
            boot=SimpleNamespace(place=SimpleNamespace(chain=bytes(32))),
            evidence=None,
            keep=self.kept.append,
            tell=lambda *_, **__: None,
            rest=self.turns.pause,
        )
        executed = Executed(TransactionId(bytes(32)), Height(1), self.taken, b"")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            job = Serving(cast(Room, room), BenchLink(ours), executed, 0.0)
            job._answers = cast(AnsweringLink, self.rows)

            async def serve() -> None:
                await job._serve()

            job._computed = serve  # type: ignore[method-assign]
            self.turns.run(self.turns.spawn(job.run()), self.clock.look)
        return job


def vars_of(contract: Contract) -> dict[str, Any]:
    return {name: getattr(contract, name) for name in contract.__dataclass_fields__}


def test_each_row_that_waits_is_answered_once() -> None:
    there = World()
    there.waits = [(1, b"a"), (2, b"b")]
    there.heights = [5, 6, 7]
    there.serve()
    assert there.answered == [(1, "a"), (2, "b")]
    assert there.rows.rows == [b"a", b"b"]
    assert there.finished == 1


@pytest.mark.parametrize(
    "lies", [[2**60], ["soon"], [None, -1, 3], [HostFailed(0, "away")] * 3, [5] * 50]
)
def test_T65_a_host_that_lies_about_blocks_only_costs_time(lies: list[Any]) -> None:
    there = World()
    there.heights = list(lies)
    there.waits = []
    there.serve()
    later = [at for at in there.looked if at > 1]
    assert len(there.looked) >= len(lies)
    assert len(later) >= int(SECONDS / WAKE_SECONDS) - 1
    assert there.clock.now() >= SECONDS
    assert there.finished == 1


@pytest.mark.parametrize("operation", ["asked", "answer"])
@pytest.mark.parametrize("code", ["withdrawn", "lapsed", "not-open"])
def test_T66_a_worker_without_its_right_ends(operation: str, code: str) -> None:
    there = World()
    there.waits = [(1, b"a")]
    there.refuses[operation] = Refused(code, "no more")
    with pytest.raises(Refused, match=code):
        there.serve()
    assert there.clock.now() < 1
    assert not there.answered


def test_a_serving_that_the_ledger_has_ended_is_over() -> None:
    there = World()
    there.refuses["asked"] = Refused("ended", "its time is over")
    job = there.serve()
    assert there.finished == 1
    assert all(keeper.over is not None for keeper in job._keepers)
    assert there.clock.now() < 1


def test_a_bench_that_has_no_model_ends_the_worker() -> None:
    there = World()
    there.waits, there.rows.gone = [(1, b"a")], True
    with pytest.raises(Refused, match="failed"):
        there.serve()
    assert not there.answered


def test_the_way_to_the_bench_takes_an_answer_and_nothing_else() -> None:
    for said, wanted in (
        ((ToWorker.ANSWER, "0.5"), "0.5"),
        ((ToWorker.FAILED,), None),
        ((ToWorker.ANSWER, b"0.5"), None),
        ((ToWorker.OUT, 0, "a", b"", b""), None),
    ):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            other, turns = Door(theirs), Turns()
            other.send(*said)

            async def nothing() -> None: ...

            link = AnsweringLink(BenchLink(ours), nothing)
            main = turns.spawn(link.answer(turns, ROW))
            if wanted is None:
                with pytest.raises(DoorClosed):
                    turns.run(main, lambda: None)
            else:
                assert turns.run(main, lambda: None) == wanted
                assert other.receive() == (ToBench.ASK, ROW)
