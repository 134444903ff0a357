"""A lease in a room's hands: its clock, its beats, its evidence, an answer that was lost (T52 to
T54). No process: the clock is turned."""

import time
from typing import Any

import pytest
from tests.enclave.room.scripted import HEARTBEAT_MS, LEASE_MS, Bench

from strongroom.enclave.room import turns
from strongroom.enclave.room.leases import ANSWERS_LOST_MAX, EVIDENCE_SECONDS, LeaseEnded
from strongroom.enclave.room.ledger import AnswerLost, CallRefused, Refused, Silent
from strongroom.enclave.room.turns import Turns

RESERVED = 3
"""Place of `reserve` among a beat's words; then piece and evidence."""
PIECE, EVIDENCE = 4, 5


def test_T54_a_rooms_clock_goes_on_while_its_machine_is_suspended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def read(clock: int) -> float:
        asked.append(clock)
        return 12.5

    monkeypatch.setattr(turns, "clock_gettime", read)
    assert Turns().now() == 12.5
    assert asked == [time.CLOCK_BOOTTIME]


def test_T54_after_a_suspension_nothing_opens_and_every_key_is_blank() -> None:
    bench = Bench()

    async def sleeps() -> None:
        key = await bench.keeper.piece_key(0)
        second = await bench.keeper.piece_key(1)
        assert second.reveal() == bytes([1] * 32)
        bench.clock.seconds += LEASE_MS / 1000 + 60
        with pytest.raises(LeaseEnded) as caught:
            await bench.keeper.piece_key(1)
        assert caught.value.code == "silence"
        assert key.reveal() == second.reveal() == bytes(32)

    bench.run(sleeps())


def test_beats_go_out_by_themselves_and_carry_the_lease_on() -> None:
    bench = Bench()
    bench.keep(120.0)
    assert bench.keeper.over is None
    numbers = [words[1] for words in bench.ledger.of("beat")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 120_000 / HEARTBEAT_MS <= len(numbers) <= 2 * 120_000 / HEARTBEAT_MS + 1


def test_T53_fresh_evidence_goes_with_a_beat_after_its_time_and_only_then() -> None:
    bench = Bench()
    bench.keep(3.5 * EVIDENCE_SECONDS)
    beats = bench.ledger.of("beat")
    with_evidence = [words for words in beats if words[EVIDENCE]]
    assert len(bench.shown) == len(with_evidence) == 3
    began = 5.0
    for made in bench.shown:
        assert EVIDENCE_SECONDS < made - began < EVIDENCE_SECONDS + HEARTBEAT_MS / 1000
        began = made
    assert len(beats) > 20 * len(with_evidence)


def test_evidence_of_a_beat_that_was_refused_ends_the_lease() -> None:
    bench = Bench()

    def stale(operation: str, words: tuple[Any, ...]) -> Any:
        if words[EVIDENCE]:
            raise Refused("evidence", "made for another block")
        return bench.ledger.honest(operation, words)

    bench.ledger.answer = stale
    bench.keep(2 * EVIDENCE_SECONDS)
    assert bench.keeper.over is not None
    assert bench.keeper.over.code == "evidence"


def losing(bench: Bench, count: int, *, when: int = PIECE) -> None:
    """The ledger counts beats that wish something, and so many of their answers are lost."""
    left = [count]

    def lose(operation: str, words: tuple[Any, ...]) -> Any:
        told = bench.ledger.honest(operation, words)
        if operation == "beat" and left[0]:
            left[0] -= 1
            raise AnswerLost
        return told

    bench.ledger.answer = lose


def test_T54_a_piece_whose_answer_was_lost_is_asked_for_again_and_nothing_counts_twice() -> None:
    bench = Bench()
    losing(bench, 2)

    async def work() -> None:
        await bench.keeper.beat(reserve=1, piece=1)
        assert bench.keeper.reserved == 2
        assert (await bench.keeper.piece_key(1)).reveal() == bytes([1] * 32)
        await bench.keeper.piece_key(2)

    bench.run(work())
    beats = bench.ledger.of("beat")
    assert [words[1] for words in beats] == [1, 2, 3, 4]
    assert [words[RESERVED] for words in beats] == [1, 0, 0, 0]
    assert [words[PIECE] for words in beats] == [1, 1, 1, 2]


def test_a_host_that_loses_every_answer_ends_the_lease() -> None:
    bench = Bench()
    losing(bench, 1000)

    async def work() -> None:
        held = await bench.keeper.piece_key(0)
        with pytest.raises(LeaseEnded) as caught:
            await bench.keeper.piece_key(1)
        assert caught.value.code == "given once"
        assert held.reveal() == bytes(32)

    bench.run(work())
    assert len(bench.ledger.of("beat")) == ANSWERS_LOST_MAX


@pytest.mark.parametrize("fault", [AnswerLost(), CallRefused("no room", ""), Silent("")])
def test_a_report_or_an_end_without_an_answer_ends_the_lease(fault: Exception) -> None:
    for operation in ("use", "end"):
        bench = Bench()

        def fails(_operation: str, _words: Any, fault: Exception = fault) -> Any:
            raise fault

        bench.ledger.answer = fails

        async def work(bench: Bench = bench, operation: str = operation) -> None:
            keeper = bench.keeper
            with pytest.raises(LeaseEnded):
                await (keeper.use(1, bytes(32)) if operation == "use" else keeper.end())
            assert keeper.over is not None

        bench.run(work())


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lease_that_a_beat_made_shorter_ends_here_as_it_does_on_the_ledger(
    arrives: bool,
) -> None:
    """One that was idle works again: cut off from then on, the room keeps nothing longer than the
    owner is told, also when its host holds the beat's answer back."""
    bench = Bench()

    def grants(operation: str, words: tuple[Any, ...]) -> Any:
        if words[RESERVED] > 1:
            raise Refused("allotment", "at most 1")
        until_ms = bench.ledger.ms() + LEASE_MS * (1 if words[RESERVED] else 6)
        if words[RESERVED] and not arrives:
            raise Silent("its host held it back until nobody waited any more")
        return bench.ledger.honest(operation, words) | {"until_ms": until_ms}

    bench.ledger.answer = grants

    async def work() -> None:
        key = await bench.keeper.piece_key(0)
        bench.keeper.used = bench.keeper.reserved
        await bench.keeper.beat()
        with pytest.raises(Refused):
            await bench.keeper.beat(reserve=2)
        bench.clock.seconds += LEASE_MS / 1000 + 1
        await bench.keeper.piece_key(0)  # what was refused made it no shorter
        if not arrives:
            with pytest.raises(LeaseEnded):
                await bench.keeper.beat(reserve=1)
            assert key.reveal() == bytes(32)
            assert bench.ledger.waited == bench.clock() + LEASE_MS / 1000
            return
        await bench.keeper.beat(reserve=1)
        bench.clock.seconds += LEASE_MS / 1000 + 1
        with pytest.raises(LeaseEnded) as caught:
            await bench.keeper.piece_key(0)
        assert (caught.value.code, key.reveal()) == ("silence", bytes(32))

    bench.run(work())
