"""A suite: one row after the other, whatever becomes of one; and tables as our pages hold them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.docs.test_performance import check_rows, rows_of

from strongroom.consensus.errors import InvariantBroken, OperatorFault
from strongroom.node.bench import peer_etcd, suite
from strongroom.node.bench.aims import DEAD, HALF, LONE, MOST
from strongroom.node.bench.report import Document, is_good, summary_of
from strongroom.node.bench.run import Load
from strongroom.node.bench.suite import rows, run_suite
from strongroom.node.bench.suite_tables import (
    README_HEAD,
    SUITE_HEAD,
    TEXT_COLUMNS,
    markdown_of,
    readme_table,
    tables_text,
)
from strongroom.node.terminal.teller import Teller

ETCD = {"members": 3, "connections": 64, "latency_ms": {"p50": 15.0, "p99": 50.0}}


def report(pace: float = 8000.0) -> Document:
    return {
        "committed_per_second": pace,
        "latency_ms": {"p50": 20.25, "p95": 40.5, "p99": 60.75, "max": 80.0, "mean": 21.0},
        "receipt_ms": 4.0,
        "cpu_seconds_per_1000": {"host": 0.0104, "enclave": 0.02, "client": 0.03},
        "cpu_ms_per_block": {"host": 3.0, "enclave": 4.0},
        "blocks_per_second": 40.0,
        "bytes_on_disk": {
            "blocks": 204.0,
            "results": 128.0,
            "write_sets": 244.0,
            "outcomes": 3.0,
            "frames": 3.0,
            "index": 28.0,
            "total": 610.0,
            "log_mib": 8.0,
        },
        "floor_ratio": 0.14,
        "load_average": 2.5,
        "nodes": 4,
        "rate": "max",
        "agreement": True,
    }


class Told(Teller):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(to_stderr=True)
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


@contextmanager
def measured(
    monkeypatch: pytest.MonkeyPatch, failing: dict[int, Exception] | None = None
) -> Iterator[list[Load]]:
    """Loads that are asked for; the call of a number that is in `failing` raises."""
    asked: list[Load] = []

    async def measure(load: Load, *_: Any, **__: Any) -> Document:
        asked.append(load)
        if failing and (fault := failing.get(len(asked))) is not None:
            raise fault
        return report(8000.0 + len(asked))

    async def etcd(*_: float) -> Document:
        return {**ETCD, "committed_per_second": 4000.0}

    monkeypatch.setattr(suite, "measure", measure)
    monkeypatch.setattr(peer_etcd, "measure_etcd", etcd)
    yield asked


async def all_of(suite_run: AsyncIterator[tuple[str, Document]]) -> dict[str, Document]:
    return {name: found async for name, found in suite_run}


async def test_a_row_that_fails_says_why_and_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = {
        2: OperatorFault("a node failed"),
        4: TimeoutError("not in time"),
        5: ExceptionGroup("tasks", [OSError("gone")]),
    }
    told = Told()
    with measured(monkeypatch, faults):
        found = await all_of(run_suite(1.0, told))
    assert list(found) == [row.name for row in rows(1.0)]
    failed = {name: one["failed"] for name, one in found.items() if "failed" in one}
    assert list(failed) == [row.name for row in (rows(1.0)[at] for at in (1, 3, 4))]
    assert failed["10 % load"] == "OperatorFault: a node failed"
    assert not is_good(found["10 % load"])
    assert summary_of(found["10 % load"]) == "FAILED: OperatorFault: a node failed"
    lines = markdown_of(list(found.items()))
    assert "| 10 % load | – | – | – | – | – | failed |" in lines
    assert "- 10 % load: failed: OperatorFault: a node failed" in lines
    assert any("failed, the other rows go on" in line for line in told.lines)


async def test_a_broken_invariant_ends_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    with measured(monkeypatch, {2: InvariantBroken("ours")}), pytest.raises(InvariantBroken):
        await all_of(run_suite(1.0, Told()))


async def test_without_a_maximum_there_is_no_share_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with measured(monkeypatch, {1: OperatorFault("no")}) as asked:
        found = await all_of(run_suite(1.0, Told()))
    assert found[HALF]["failed"].startswith("max throughput was not measured")
    assert "failed" not in found[LONE]
    assert len(asked) == sum(row.share is None for row in rows(1.0))
    assert "0 of 7 aims met" in "\n".join(markdown_of(list(found.items())))


async def test_a_run_that_fails_leaves_the_other_runs_of_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told()
    with measured(monkeypatch, {2: OperatorFault("once")}) as asked:
        found = await all_of(run_suite(1.0, told, repeat=3, peer=True))
    assert len(asked) == 3 * len(rows(1.0))
    assert (found[MOST]["failed_runs"], found[MOST]["runs"]) == (1, 2)
    assert not is_good(found[MOST])
    assert set(found[MOST]["interval_95"]) >= {"p50", "throughput ÷ etcd's", "p50 ÷ etcd's"}
    assert found[HALF]["ratio_to_etcd"]["committed_per_second"] == pytest.approx(2.0, abs=0.02)
    assert "etcd" not in found[LONE]
    assert any(line.endswith("min left") for line in told.lines)
    assert "run 3 of 3" in told.lines


async def test_tables_are_those_that_the_pages_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with measured(monkeypatch):
        found = list((await all_of(run_suite(1.0, Told(), repeat=2, peer=True))).items())
    text = tables_text(found)
    suite_page, readme = tmp_path / "performance.md", tmp_path / "README.md"
    first, second = text.split("<!-- README.md -->")
    suite_page.write_text(first)
    readme.write_text(second)
    check_rows(rows_of(readme, README_HEAD), rows_of(suite_page, SUITE_HEAD))
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert max(map(len, prose)) <= TEXT_COLUMNS


def test_the_readme_has_no_row_that_is_not_good() -> None:
    wrong = {**report(), "agreement": False}
    found = [(MOST, report()), (HALF, wrong), (LONE, {"failed": "no"})]
    assert len(readme_table(found)) == 3
    assert DEAD not in "".join(readme_table(found))


def test_an_aim_that_is_not_met_is_said_by_name() -> None:
    slow = report(100.0)
    lines = "\n".join(markdown_of([(MOST, report()), (LONE, report()), (DEAD, slow)]))
    assert (
        "0 of 7 aims met; NOT MET: throughput with one of four dead ÷ with all, floor ratio at"
        in (lines.replace("\n  ", " "))
    )
    assert "not measured: p50 at half" in lines.replace("\n  ", " ")
