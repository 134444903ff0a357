"""What is read of a cluster is of the measured window alone, and of the nodes that ran in it."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from strongroom.node.bench import run
from strongroom.node.bench.floor import Floor
from strongroom.node.bench.readings import Reading, largest
from strongroom.node.bench.report import Document, make_report
from strongroom.node.bench.run import Load
from strongroom.node.bench.stages import Passed

RESULT = {
    "committed": 1000,
    "answered": 1000,
    "refused": 0,
    "latencies": [[200, 1000]],
    "receipt_ms": [5.0],
    "faults": {},
    "cpu_seconds": 0.02,
}


def reading(seconds: float, disk: int = 0) -> Reading:
    return Reading(host=seconds, enclave=seconds, rss_mib=100.0, wire_bytes=0, disk_bytes=disk)


def report(running: int) -> Document:
    return make_report(
        [RESULT],
        reading(1.0),
        reading(1.12, disk=3_000_000),
        nodes=4,
        running=running,
        seconds=1.0,
        blocks=10,
        envelope_bytes=256,
        floor=Floor(transaction_us=3.0, sign_us=0.0, verify_us=0.0),
        memory=[],
    )


def test_a_node_that_is_dead_has_no_share_in_what_the_others_cost() -> None:
    all_but_one, every = report(3), report(4)
    assert all_but_one["cpu_seconds_per_1000"]["host"] == 0.04
    assert every["cpu_seconds_per_1000"]["host"] == 0.03
    assert all_but_one["cpu_ms_per_block"]["enclave"] == 4.0
    assert all_but_one["bytes_per_transaction"]["disk"] == 1000
    assert all_but_one["floor"]["all_replicas_us"] == 9.0
    assert (all_but_one["nodes"], all_but_one["running"]) == (4, 3)


class Worker:
    """A load process that is told its window."""

    def __init__(self, happened: list[str], returncode: int = 0) -> None:
        self._happened, self.returncode = happened, returncode

    async def communicate(self, line: bytes) -> tuple[bytes, bytes]:
        self._happened.append("told")
        assert set(json.loads(line)) == {"begin", "end"}
        return json.dumps(RESULT).encode(), b""


class ThreeOfFour:
    """A cluster of which one node is dead."""

    def running(self) -> list[str]:
        return ["n0", "n1", "n2"]


async def test_what_disturbs_has_done_so_before_the_load_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    async def nothing(*_: object) -> None:
        pass

    async def started(_: object) -> Worker:
        return Worker(happened)

    async def stages(_: object) -> Passed:
        return Passed()

    async def height(_: object) -> int:
        return 7

    def taken(_: object) -> Reading:
        happened.append("read")
        return reading(1.0)

    @asynccontextmanager
    async def disturb(_: object) -> AsyncIterator[Document]:
        happened.append("disturbed")
        yield {"seen": True}

    monkeypatch.setattr(run, "_start_worker", started)
    monkeypatch.setattr(run, "_until_ready", nothing)
    monkeypatch.setattr(run, "read_stages", stages)
    monkeypatch.setattr(run, "newest_height", height)
    monkeypatch.setattr(run, "read", taken)
    monkeypatch.setattr(run, "own_memory", lambda _: {"n0 host": 1.0})
    cluster: Any = ThreeOfFour()
    load = Load(seconds=0.1, warmup=0.0)
    window = await run._drive(cluster, load, [{}], disturb, None, happened.append)
    assert happened == ["disturbed", "told", "read", "read"]
    assert (window.running, window.facts) == (3, {"seen": True})


async def test_a_long_window_says_how_far_it_is_and_ends_with_its_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    sizes = {"n0 host": 90.0, "n1 host": 110.0, "n0 enclave": 50.0}
    assert largest(sizes) == "host 110.0, enclave 50.0"
    monkeypatch.setattr(run, "own_memory", lambda _: sizes)
    monkeypatch.setattr(run, "PROGRESS_SECONDS_MIN", 0.0)
    cluster: Any = ThreeOfFour()
    workers: Any = [Worker([], returncode=1)]
    seen = await run._watch(cluster, workers, time.monotonic(), 3600.0, said.append)
    assert len(seen) == 1
    assert said == ["0 of 3,600 s; largest in MiB: host 110.0, enclave 50.0"]
