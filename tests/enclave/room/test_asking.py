"""The ask of a room, and an answer that never arrived."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.enclave.room.scripted import Bench

from strongroom.enclave.room.asking import ASKED_AGAIN_MAX, NoKey, ask, read_key
from strongroom.enclave.room.ledger import AnswerLost, Refused

CHIP = bytes(range(32))
KEY = (bytes(32), "toy")


def asked(bench: Bench, answers: list[Any], *received: bytes) -> Any:
    """Ask while the ledger answers so, in order: a value, or an error."""
    coming: Iterator[Any] = iter(answers)

    def say(_operation: str, _words: Any) -> Any:
        bench.clock.seconds += 1
        answer = next(coming)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.ledger.answer = say

    async def work() -> Any:
        return await ask(
            bench.ledger,  # type: ignore[arg-type]
            bench.turns,
            KEY,
            *("print", b"evidence", "hall-7"),
            chip=CHIP,
            received=received,
            until=bench.clock() + 30,
        )

    return bench.run(work())


def operations(bench: Bench) -> list[str]:
    return [operation for operation, _ in bench.ledger.asked]


def busy() -> Refused:
    return Refused("machine-busy", "this machine has a lease")


def test_a_lost_answer_is_abandoned_and_asked_for_again() -> None:
    bench = Bench()
    answer, sent = asked(bench, [AnswerLost(), {"returned": 1}, {"lease": b"second"}])
    assert answer.value == {"lease": b"second"}
    assert operations(bench) == ["ask", "abandon", "ask"]
    assert bench.ledger.of("abandon") == [(KEY, CHIP, ())]
    assert sent == 5.0 + 2, "the lease's clock begins with the ask that was answered"


def test_a_lease_that_nobody_received_makes_no_machine_busy() -> None:
    """The first call had no answer in time; the program asks once more."""
    bench = Bench()
    answer, _ = asked(bench, [busy(), {"returned": 1}, {"lease": b"mine"}])
    assert answer.value == {"lease": b"mine"}


@pytest.mark.parametrize("code", ["lapsed", "used"])
def test_a_machine_that_another_session_keeps_busy_stays_so(code: str) -> None:
    bench = Bench()
    with pytest.raises(Refused) as caught:
        asked(bench, [busy(), Refused(code, "not this session's")])
    assert caught.value.code == "machine-busy"
    assert operations(bench) == ["ask", "abandon"]


@pytest.mark.parametrize("first", [AnswerLost(), busy()], ids=["lost", "busy"])
def test_T54_whatever_the_host_says_of_an_answer_a_lease_that_arrived_is_named(
    first: Exception,
) -> None:
    """A host may say of an ask that it never sent that its answer was lost; or it was silent until
    the lease was over here. Units were made meanwhile: the ledger gives none of them back."""
    bench = Bench()
    with pytest.raises(Refused) as caught:
        asked(bench, [first, *[Refused("used", "it arrived"), busy()] * 3], b"one", b"two")
    assert caught.value.code == "machine-busy"
    assert {words[-1] for words in bench.ledger.of("abandon")} == {(b"one", b"two")}


@pytest.mark.parametrize("code", ["revoked", "suspended", "clone"])
@pytest.mark.parametrize("first", [AnswerLost(), busy()], ids=["lost", "busy"])
def test_what_stopped_the_key_is_what_the_program_hears(code: str, first: Exception) -> None:
    bench = Bench()
    with pytest.raises(Refused) as caught:
        asked(bench, [first, Refused(code, "stopped")])
    assert caught.value.code == code


def test_a_lease_that_lapsed_meanwhile_is_asked_for_anew() -> None:
    bench = Bench()
    answer, _ = asked(bench, [AnswerLost(), Refused("lapsed", "over"), {"lease": b"new"}])
    assert answer.value == {"lease": b"new"}


def test_a_host_that_loses_every_answer_is_asked_no_more() -> None:
    bench = Bench()
    with pytest.raises(AnswerLost):
        asked(bench, [AnswerLost(), {"returned": 1}] * 100)
    assert operations(bench).count("ask") == ASKED_AGAIN_MAX


@pytest.mark.parametrize("words", ["toy", "id:zz/toy", "id:00", "name/toy", "id:00/"])
def test_words_that_name_no_key_say_how_it_is_written(words: str) -> None:
    with pytest.raises(NoKey, match="id:HEX/name"):
        read_key(words)
