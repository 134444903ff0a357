"""`bench --program rooms`: its rows are all there, and what it measures are results. Correctness
only, never speed."""

import gc
import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench.rooms import (
    ANALYTICS_AIM,
    PREDICTION,
    RoomsLoad,
    measure_rooms,
    rooms_lines,
)
from strongroom.node.bench.rooms_engine import measure_analytics
from strongroom.node.bench.rooms_jobs import run_measured
from strongroom.node.terminal.teller import Teller


@pytest.mark.processes
def test_a_bench_behind_its_walls_and_the_bare_engine_read_the_same_rows(tmp_path: Path) -> None:
    for one in measure_analytics(tmp_path, 2_000):
        assert (one["rows"], one["result_rows"]) == (2_000, 100)
        assert min(one["ms"], one["bare_ms"], one["bare_loaded_ms"], one["bench_mib"]) > 0


@pytest.mark.processes
def test_a_command_that_is_measured_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    assert run_measured("--version").ru_maxrss > 0
    with pytest.raises(OperatorFault, match=r"strongroom data put failed"):
        run_measured("data", "put")
    gc.collect()
    assert unraisable == []


@pytest.mark.long
@pytest.mark.processes
async def test_a_short_run_has_a_row_for_each_aim() -> None:
    load = RoomsLoad(nodes=1, jobs=1, pairs=1, batches=1, rows=10_000, csv_rows=10_000)
    report = await measure_rooms(load, Teller(to_stderr=True))
    assert report["agreement"] is True
    assert report["small_job"]["p50_seconds"] >= report["small_job"]["duration_ms"] / 1000
    assert [one["file"] for one in report["uploads"]] == ["csv", "arrow"]
    lines = "\n".join(rooms_lines(report))
    for words in (f"aim {ANALYTICS_AIM}", "first result", "sealing", "sensor readings", PREDICTION):
        assert words in lines
