"""The benchmark runs, and finds its own calls on the ledger: correctness only, never speed."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "options",
    [[], ["--program", "records", "--size", "1024", "--one-shot"]],
    ids=["payments", "records"],
)
def test_a_short_run_agrees_and_adds_up(options: list[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "strongroom.node.bench.command",
        "--json",
        "--seconds",
        "2",
        "--warmup",
        "0.5",
    ]
    ended = subprocess.run(
        [*command, "--outstanding", "20", *options], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    report = json.loads(ended.stdout)
    assert report["agreement"] is True
    assert report["faults"] == {}
    assert report["latency_ms"]["p50"] > 0
