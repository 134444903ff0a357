"""Servings: rows asked one by one, answered by operators that agree, never after a withdrawal, and
within bounds (ROOMS §2; T60, T65, T66)."""

from typing import Any

import pytest
from tests.enclave.programs.rooms.test_assets import learned
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    STRANGER,
    RoomsChain,
    again,
    contract,
    who,
    worker,
)
from tests.enclave.programs.vault.world import Room

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Parameter, Stage
from strongroom.enclave.formats.clean_rooms.serving import encode_row
from strongroom.enclave.programs.rooms import predicting, servings

ROW = encode_row((("age", "50"), ("pressure", "120.5")))
PROGRAMS = ("aml.round_trips", "ml.serve")
EACH = 3


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def serves(room: bytes, **changes: Any) -> Any:
    told: dict[str, Any] = {
        "name": "answers",
        "inputs": (Input("model", room, "joint", 0, 0),),
        "stages": (Stage("library", "ml.serve", ""),),
        "outputs": (Output("answers", "bytes", tuple(sorted(map(who, BANKS))), 64, "", 0),),
        "parameters": (Parameter("answers", "int", 1, 10),),
        "duration_ms": 600_000,
    }
    return contract(room, **(told | changes))


class Story:
    """A serving of the model of both banks, and who answers."""

    def __init__(self, chain: RoomsChain, each: int = EACH, **changes: Any) -> None:
        self.chain, self.each = chain, each
        self.leases: list[bytes] = []
        self.room, self.learned = learned(chain, programs=PROGRAMS)
        chain.staff("operator0", "operator1")
        self.contract = chain.agree(serves(self.room, **changes))
        self.job = self.run()
        self.executors = chain.ranks(self.job)
        for one in self.executors:
            self.take(one)

    def run(self) -> bytes:
        parameters = codec.encode((("answers", self.each),))
        return self.chain.start(self.contract, parameters=parameters)

    def take(self, one: Room) -> None:
        result = self.chain.take(one, self.job)
        assert result.ok, (result.code, result.message)
        self.leases.append(result.value["inputs"][0]["lease"])
        self.chain.ok(one.who, "leave")

    def ask(self, name: str = BANKS[0]) -> int:
        number: int = self.chain.ok(name, "predict", job=self.job, row=ROW)["number"]
        return number

    def refused(self, name: str = BANKS[0], row: bytes = ROW) -> str:
        return self.chain.no(name, "predict", job=self.job, row=row)

    def answer(self, at: int, number: int, answer: str = "0.25") -> Any:
        told = [[number, answer]]
        return self.chain.act(self.executors[at].who, "answer", job=self.job, answers=told)

    def state(self, number: int, name: str = BANKS[0]) -> tuple[str, str]:
        shown = self.chain.see(name, "prediction", job=self.job, number=number)
        return shown["state"], shown["answer"]

    def shown(self) -> Any:
        return self.chain.see(ANALYST, "serving", job=self.job)

    def waiting(self, at: int) -> list[int]:
        rows = self.chain.see(self.executors[at].who, "asked", job=self.job)
        return [one["number"] for one in rows]


def test_T65_an_answer_is_one_when_as_many_operators_as_agreed_have_said_the_same(
    chain: RoomsChain,
) -> None:
    here = Story(chain)
    number = here.ask()
    assert here.waiting(0) == here.waiting(1) == [number]
    assert here.answer(0, number).value["counted"] == 1
    assert here.waiting(0) == []
    assert here.answer(0, number).value["counted"] == 0
    assert here.state(number) == ("waiting", "")
    assert here.answer(1, number).value["counted"] == 1
    assert here.state(number) == ("answered", "0.25")
    assert here.waiting(1) == []


def test_T65_two_that_differ_are_no_answer(chain: RoomsChain) -> None:
    here = Story(chain)
    number = here.ask()
    assert here.answer(0, number, "0.25").ok
    assert here.answer(1, number, "0.5").ok
    assert here.state(number) == ("disputed", "")


def test_of_a_row_that_the_model_does_not_know_that_is_said(chain: RoomsChain) -> None:
    here = Story(chain)
    number = here.ask()
    for at in range(2):
        assert here.answer(at, number, "refused").ok
    assert here.state(number) == ("refused", "")


def test_a_row_is_read_by_its_executors_and_an_answer_by_whoever_asked(chain: RoomsChain) -> None:
    here = Story(chain)
    number = here.ask()
    outsider = worker("operator2")
    chain.of(outsider.who)
    for name in (outsider.who, *BANKS, ANALYST):
        with pytest.raises(AssertionError, match="no-job"):
            chain.see(name, "asked", job=here.job)
    for at in range(2):
        here.answer(at, number)
    for name in (BANKS[1], ANALYST, REGULATOR):
        with pytest.raises(AssertionError, match="no-prediction"):
            chain.see(name, "prediction", job=here.job, number=number)
    with pytest.raises(AssertionError, match="no-room"):
        chain.see(STRANGER, "prediction", job=here.job, number=number)
    shown = chain.act(outsider.who, "answer", job=here.job, answers=[[number, "0.5"]])
    assert shown.code == "no-job"


def test_T60_recipients_alone_ask_and_each_as_often_as_was_agreed(chain: RoomsChain) -> None:
    here = Story(chain)
    assert here.refused(REGULATOR) == here.refused(ANALYST) == "recipients"
    assert here.refused(STRANGER) == "no-room"
    for _ in range(EACH):
        here.ask()
    assert here.refused() == "budget"
    here.ask(BANKS[1])
    shown = here.shown()
    assert {one["asked"] for one in shown["askers"]} == {EACH, 1}
    assert (shown["each"], shown["asked"], shown["waiting"]) == (EACH, EACH + 1, EACH + 1)
    assert here.run() == here.job
    assert here.refused() == "budget"


@pytest.mark.parametrize(
    "row",
    [
        b"",
        codec.encode(()),
        codec.encode((("age", 50),)),
        codec.encode((("age", "x"),)),
        codec.encode((("age", "1"), ("age", "2"))),
        codec.encode((("b", "1"), ("a", "2"))),
        codec.encode((("age", "1" * 3_000),)),
        codec.encode(tuple((f"c{at:03}", "1") for at in range(129))),
    ],
)
def test_what_is_no_row_is_refused_and_not_counted(chain: RoomsChain, row: bytes) -> None:
    here = Story(chain)
    assert here.refused(row=row) == "row"
    assert here.shown()["askers"] == []


@pytest.mark.parametrize("what", ["data", "asset", "contract", "key", "room"])
def test_T66_after_a_withdrawal_nothing_is_asked_answered_or_read(
    chain: RoomsChain, what: str
) -> None:
    here = Story(chain)
    decided, number = here.ask(), here.ask()
    for at in range(2):
        here.answer(at, decided)
    here.answer(0, number)
    if what == "data":
        chain.ok(BANKS[1], "withdraw_data", data="/transfers")
    elif what == "asset":
        chain.ok(BANKS[1], "withdraw_data", data=f"id:{here.room.hex()}/joint")
    elif what == "key":
        chain.must(BANKS[1], "revoke", key="/transfers")
    elif what == "contract":
        chain.ok(BANKS[1], "withdraw", contract=here.contract)
    else:
        chain.ok(BANKS[0], "close", room=here.room)
    wanted = "not-open" if what == "room" else "withdrawn"
    assert here.refused() == wanted
    assert here.answer(1, number).code == wanted
    for one in (number, decided):
        with pytest.raises(AssertionError, match=wanted):
            here.state(one)
    with pytest.raises(AssertionError, match=wanted):
        here.waiting(1)


def test_T66_a_worker_loses_its_lease_with_the_data(chain: RoomsChain) -> None:
    here = Story(chain)
    one, lease = here.executors[0], here.leases[0]
    assert chain.tell(one.who, "beat", lease=lease, number=1, used=0).ok
    chain.ok(BANKS[0], "withdraw_data", data="/transfers")
    assert chain.refused(one.who, "beat", lease=lease, number=2, used=0) == "revoked"


def test_a_row_without_answer_is_told_so_after_its_time(chain: RoomsChain) -> None:
    here = Story(chain)
    number = here.ask()
    assert here.answer(0, number).ok
    beats = servings.ANSWER_MS + 1_000
    chain.wait(beats)
    chain.commit()
    assert here.state(number) == ("unanswered", "")
    assert here.waiting(1) == []
    assert here.answer(1, number).value["counted"] == 0
    assert here.state(number) == ("unanswered", "")


def test_waiting_rows_and_kept_answers_are_bounded(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "ASKED_WAITING_MAX", 2)
    for module in (predicting, servings):
        monkeypatch.setattr(module, "ASKED_KEPT", 3)
    here = Story(chain, each=10)
    first = here.ask(), here.ask()
    assert here.refused() == "busy"
    for number in first:
        for at in range(2):
            here.answer(at, number)
    here.ask()
    assert here.refused() == "busy"
    assert here.state(first[0])[0] == "answered"


def other(one: Room) -> Room:
    """The next start of a worker: another session, on its chip."""
    return again(one, who=f"{one.who}, once more", boot=one.boot + 1)


def test_T65_who_is_gone_is_replaced_by_another_of_no_operator_that_is_here(
    chain: RoomsChain,
) -> None:
    here = Story(chain)
    gone, left = here.executors
    chain.ok(gone.who, "finish", job=here.job)
    assert here.refused() == "no-executors"
    both = [other(gone), other(left)]
    chain.wait(61_000)
    chain.commit()
    for one in both:
        chain.of(one.who)
        chain.ok(one.who, "wait", evidence=chain.shown(one))
    number = here.ask()  # the lease of the one that was left has lapsed too
    here.executors = both
    for at, one in enumerate(both):
        here.take(one)
        assert here.answer(at, number).ok
    assert here.state(number) == ("answered", "0.25")
    shown = chain.see(ANALYST, "job", job=here.job)["executors"]
    operators = sorted(one["operator"] for one in shown)
    assert operators == sorted(("operator0", "operator1") * 2)


def test_T65_no_operator_takes_two_places_of_a_serving(chain: RoomsChain) -> None:
    here = Story(chain)
    gone, left = here.executors
    chain.ok(gone.who, "finish", job=here.job)
    twin = again(worker(left.operator, 1), chip=gone.chip, boot=gone.boot + 1)
    chain.of(twin.who)
    chain.ok(twin.who, "wait", evidence=chain.shown(twin))
    assert here.refused() == "no-executors"
    assert chain.ok(ANALYST, "advance", job=here.job)["asked"] == 2


def test_T65_one_operator_has_one_voice_however_often_its_worker_starts(
    chain: RoomsChain,
) -> None:
    here = Story(chain)
    number = here.ask()
    assert here.answer(0, number).ok
    chain.ok(here.executors[0].who, "finish", job=here.job)
    second = other(here.executors[0])
    chain.of(second.who)
    chain.ok(second.who, "wait", evidence=chain.shown(second))
    here.ask()
    here.executors[0] = second
    here.take(second)
    assert here.waiting(0) == [number + 1]
    assert here.answer(0, number).value["counted"] == 0
    assert here.state(number) == ("waiting", "")
    assert here.answer(1, number).ok
    assert here.state(number) == ("answered", "0.25")


def test_a_serving_ends_with_its_time_and_is_run_again_for_another_charge(
    chain: RoomsChain,
) -> None:
    here = Story(chain, duration_ms=20_000)
    number = here.ask()
    chain.wait(21_000)
    chain.commit()
    assert here.refused() == "ended"
    assert here.answer(0, number).code == "ended"
    assert chain.ok(ANALYST, "advance", job=here.job)["state"] == "ended"
    with pytest.raises(AssertionError, match="no-prediction"):
        here.state(number)
    shown = here.shown()
    assert (shown["state"], shown["answering"]) == ("ended", [])
    assert {one["asked"] for one in shown["askers"]} == {1}
    chain.wait(61_000)
    chain.commit()
    fresh = [other(one) for one in here.executors]
    for one in fresh:
        chain.of(one.who)
        chain.ok(one.who, "wait", evidence=chain.shown(one))
    again_run = here.run()
    assert again_run != here.job
    assert chain.see(ANALYST, "contract", contract=here.contract)["runs"] == 2


def test_a_serving_is_not_reported_and_nothing_else_answers_rows(chain: RoomsChain) -> None:
    here = Story(chain)
    assert chain.report(here.executors[0], here.job, entries=[]).code == "serving"
    assert chain.no(BANKS[0], "predict", job=here.learned, row=ROW) == "not-serving"
    with pytest.raises(AssertionError, match="not-serving"):
        chain.see(ANALYST, "serving", job=here.learned)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": ()},
        {"parameters": (Parameter("answers", "int", 0, 10),)},
        {"parameters": (Parameter("answers", "str", 1, 10),)},
        {"parameters": (Parameter("answers", "int", 1, 10**7),)},
        {"parameters": (Parameter("answers", "int", 1, 9), Parameter("more", "int", 1, 9))},
        {"outputs": (Output("answers", "table", (), 64, "", 0),)},
        {"outputs": (Output("answers", "bytes", (), 64, "", 1),)},
        {"stages": (Stage("library", "ml.serve", ""), Stage("sql", "x", "SELECT 1"))},
        {"duration_ms": 8 * 24 * 3_600_000},
    ],
)
def test_a_contract_that_serves_says_nothing_else(changes: dict[str, Any]) -> None:
    room = bytes(32)
    assert serves(room, duration_ms=7 * 24 * 3_600_000).serves
    with pytest.raises(NotCanonical):
        serves(room, **changes)
    with pytest.raises(NotCanonical):
        contract(room, duration_ms=3_600_001)
