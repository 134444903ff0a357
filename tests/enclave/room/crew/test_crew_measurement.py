"""A crew's measurement: all that its room and its bench load, and nothing else (T24, T50)."""

import subprocess
import sys

import pytest
from tests.hang import HANG_SECONDS

pytest.importorskip("distributed")

from strongroom.enclave.room.crew.measurement import MODULES, measure_crew
from strongroom.enclave.room.worker.measurement import ENVIRONMENT
from strongroom.node.rooms.starting import measured, program_file

LOADED = """
import os, socket, sys
from strongroom.enclave.sandbox.entering import load_what_is_loaded_late
from strongroom.enclave.room.crew import __main__ as room
load_what_is_loaded_late()
own = lambda: {name for name in sys.modules if name.startswith("strongroom.")}
far = ("dask", "distributed", "duckdb", "numpy", "tornado")
apart = {name for name in sys.modules if name.split(".")[0] in far}
from strongroom.enclave.room.crew.bench import CrewBench
from strongroom.enclave.room.crew.measurement import check_crew
from strongroom.enclave.room.crew.way import Way
from strongroom.enclave.room.cell.dying import die_with
ours, theirs = socket.socketpair()
bench = CrewBench(Way(ours, patience_ms=10), 1 << 28)
check_crew()
threads = len(os.listdir("/proc/self/task"))
print(*sorted(own()), "|", *sorted(apart), "|", threads)
MORE
"""


def loaded(more: str = "") -> subprocess.CompletedProcess[str]:
    """The modules of a crew's room and its bench, in one process that reads no bytecode."""
    words = ["-I", "-B", "-X", "pycache_prefix=/nonexistent/none"]
    return subprocess.run(
        [sys.executable, *words, "-c", LOADED.replace("MORE", more)],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=ENVIRONMENT,
    )


def test_T50_what_is_measured_is_what_a_crews_room_and_its_bench_load() -> None:
    """And a package that is installed beside them is refused (T24)."""
    shown = loaded("import prometheus_client\ncheck_crew()")
    assert shown.stdout.count("|") == 2, shown.stderr
    own, apart, threads = shown.stdout.split("|")
    assert set(own.split()) == set(MODULES)
    assert not apart.split()  # the room, which holds keys, loads neither engine nor scheduler
    assert int(threads) == 1
    assert "prometheus_client" in shown.stderr
    assert "not measured in a crew" in shown.stderr


def test_a_crew_is_measured_alike_and_apart_from_workers() -> None:
    crew = measured(program_file("analytics-crew"))
    assert crew.digest == measure_crew().digest != measured(program_file("analytics")).digest
    assert crew.programs == ("room:analytics-crew",)
    paths = {file.path for file in crew.files}
    assert {"distributed/__init__.py", "distributed/distributed.yaml", "dask/dask.yaml"} <= paths
