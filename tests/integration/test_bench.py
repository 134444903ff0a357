"""The benchmark runs, and finds its own calls on the ledger: correctness only, never speed."""

import json
import subprocess
import sys

import pytest
from tests.hang import HANG_SECONDS

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    "options",
    [[], ["--program", "records", "--size", "1024", "--one-shot"]],
    ids=["payments", "records"],
)
def test_a_short_run_agrees_and_adds_up(options: list[str]) -> None:
    command = [sys.executable, "-m", "strongroom.node.bench.command", "--json", "--warmup", "0.5"]
    for seconds in ("2", "20", "100"):  # a slow machine ends no call in the first
        ended = subprocess.run(
            [*command, "--seconds", seconds, "--outstanding", "20", *options],
            capture_output=True,
            text=True,
            timeout=2 * HANG_SECONDS,
        )
        report = json.loads(ended.stdout)
        if report["committed_per_second"] > 0:
            break
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert report["agreement"] is True
    assert report["faults"] == {}
    assert report["latency_ms"]["p50"] > 0


def test_the_vaults_rows_are_all_there_and_nothing_is_given_after_a_revocation() -> None:
    command = [sys.executable, "-m", "strongroom.node.bench.command", "--json"]
    few = ["--program", "vault", "--nodes", "1", "--rooms", "3"]
    for beat, seconds in (("1", "2"), ("10", "20"), ("60", "70")):
        ended = subprocess.run(
            [*command, *few, "--beat", beat, "--seconds", seconds],
            capture_output=True,
            text=True,
            timeout=2 * HANG_SECONDS,
        )
        assert ended.returncode in (0, 1), ended.stderr[-2000:]  # 1: too slow for a bound of time
        report = json.loads(ended.stdout)
        if not report["beats"]["faults"]:  # a slow machine's beats come when leases are over
            break
    assert report["revocation"]["pieces_after"] == 0
    assert report["beats"]["faults"] == {}
    assert report["beats"]["count"] > 0
    assert report["beats"]["ledger_bytes"] > 0
    assert all(kind["leases"] == 3 for kind in report["first_piece_ms"].values())
    assert min(report["ask_us"].values()) > 0
