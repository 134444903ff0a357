"""Aims are ratios of one run; where a payment's time goes adds up to what clients measured."""

import sys
from typing import Any

import pytest

from strongroom.node.bench import load
from strongroom.node.bench.aims import AIMS, DEAD, HALF, LONE, MOST, aims_of, aims_table, ways_table
from strongroom.node.bench.report import Document, is_good, verdict_of
from strongroom.node.bench.stages import PLACES, SUBMIT, Passed, way


def row(pace: float, p50: float, **more: Any) -> Document:
    return {
        "committed_per_second": pace,
        "latency_ms": {"p50": p50},
        "receipt_ms": 5.0,
        "floor_ratio": 0.18,
    } | more


ETCD = {"committed_per_second": 4000.0, "latency_ms": {"p50": 16.0}}
RUN = {
    MOST: row(10_000.0, 120.0, etcd=ETCD),
    HALF: row(5_000.0, 32.0, etcd=ETCD),
    LONE: row(100.0, 10.0),
    DEAD: row(9_000.0, 120.0),
}


def test_each_aim_is_a_ratio_of_the_runs_own_rows_and_says_whether_it_is_met() -> None:
    found = {told["aim"]: (told["found"], told["met"]) for told in aims_of(RUN)}
    assert list(found.values()) == [
        (3.2, True),
        (2.0, True),
        (2.5, True),
        (1.156, True),
        (0.9, False),
        (0.18, False),
        (0.18, True),
    ]
    assert len(found) == len(AIMS)


def test_an_aim_whose_rows_are_not_there_is_not_measured_rather_than_met() -> None:
    alone = {MOST: row(10_000.0, 120.0)}
    told = {one["aim"]: one["met"] for one in aims_of(alone)}
    assert told.pop("floor ratio at the maximum") is False
    assert set(told.values()) == {None}
    assert "| not measured | – |" in "\n".join(aims_table(alone))


def test_where_a_payments_time_goes_adds_up_to_what_clients_measured() -> None:
    stages = {"batch": 0.010, "order": 0.008, "record": 0.001, "execute": 0.004, "answer": 0.002}
    before = Passed({SUBMIT: 1.0, "batch": 5.0}, {SUBMIT: 10.0, "batch": 3.0})
    after = Passed(
        {SUBMIT: 1.0 + 100 * 0.030, "batch": 5.0 + 50 * 0.010}
        | {name: 50 * took for name, took in stages.items() if name != "batch"},
        {SUBMIT: 110.0, "batch": 53.0} | {name: 50.0 for name in stages if name != "batch"},
    )
    found = way(before, after, 36.0)
    assert found == {
        "client": 6.0,
        "gather": 5.0,
        "propose": 10.0,
        "order": 8.0,
        "record": 1.0,
        "execute": 4.0,
        "answer": 2.0,
    }
    assert tuple(found) == PLACES
    assert sum(found.values()) == 36.0
    assert ways_table({"half": row(1.0, 1.0, way_ms=found)})[-1].startswith("| half | 6.0 | 5.0 |")


def test_nodes_that_counted_nothing_tell_no_way() -> None:
    assert way(Passed(), Passed(), 36.0) is None
    assert way(Passed(), Passed({SUBMIT: 1.0}, {SUBMIT: 1.0}), None) is None
    assert ways_table({"half": row(1.0, 1.0)}) == []


def test_a_run_in_which_nothing_was_committed_is_not_good_and_is_no_disagreement() -> None:
    nothing = row(0.0, 0.0, agreement=True)
    assert (is_good(nothing), verdict_of(nothing)) == (False, "nothing committed")
    apart = row(5.0, 1.0, agreement=False)
    assert (is_good(apart), verdict_of(apart)) == (False, "NO")
    assert verdict_of(row(5.0, 1.0, agreement=True)) == "yes"


async def test_a_load_process_says_ready_before_it_is_told_when_to_begin(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    said_before_window: list[bytes] = []

    class Told:
        def readline(self) -> str:
            sys.stdout.flush()
            said_before_window.append(capfdbinary.readouterr().out)
            return '{"begin": 0.0, "end": 0.0}'

    monkeypatch.setattr(sys, "stdin", Told())
    result = await load.load({"clients": [], "operation": "payments.transfer"})
    assert said_before_window == [load.READY]
    assert result["committed"] == 0
