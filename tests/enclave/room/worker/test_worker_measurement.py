"""A worker's measurement: all that it and its bench load, and nothing else (T24, T50)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

pytest.importorskip("duckdb")

from strongroom.enclave.room.worker.measurement import ENVIRONMENT, MODULES, measure_worker
from strongroom.node.rooms.starting import measured, program_file

LOADED = """
import os, sys
from strongroom.enclave.sandbox.entering import load_what_is_loaded_late
from strongroom.enclave.room.worker import __main__ as worker
load_what_is_loaded_late()
own = lambda: {name for name in sys.modules if name.startswith("strongroom.")}
apart = {name for name in sys.modules if name.split(".")[0] in ("duckdb", "_duckdb", "numpy")}
before = own()
from strongroom.enclave.room.worker.bench import check_worker, warm_up
warm_up(memory_bytes=1 << 28)
check_worker()
threads = len(os.listdir("/proc/self/task"))
print(*sorted(own()), "|", *sorted(apart), "|", threads)
MORE
"""


def loaded(more: str = "") -> subprocess.CompletedProcess[str]:
    """A worker's and its bench's modules, in one process that reads no bytecode."""
    words = ["-I", "-B", "-X", "pycache_prefix=/nonexistent/none"]
    return subprocess.run(
        [sys.executable, *words, "-c", LOADED.replace("MORE", more)],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=ENVIRONMENT,
    )


def test_T50_what_is_measured_is_what_a_worker_and_its_bench_load() -> None:
    shown = loaded()
    assert shown.returncode == 0, shown.stderr
    own, apart, threads = shown.stdout.split("|")
    assert set(own.split()) == set(MODULES)
    assert not apart.split()  # the worker, which holds keys, loads no engine
    assert int(threads) == 1


def test_T24_what_is_not_on_the_list_is_refused() -> None:
    shown = loaded("import strongroom.enclave.room.library.ml_boosted_trees\ncheck_worker()")
    assert "which is not measured in a room" in shown.stderr


def test_a_worker_is_measured_alike_and_apart_from_rooms() -> None:
    worker = measured(program_file("analytics"))
    assert worker.digest == measure_worker().digest != measured(program_file("printer")).digest
    assert worker.programs == ("room:analytics",)
    paths = {file.path for file in worker.files}
    assert {"duckdb/__init__.py", "numpy/__init__.py", "nanoarrow/__init__.py"} <= paths


def test_a_worker_in_another_environment_does_not_start(tmp_path: Path) -> None:
    for name in ENVIRONMENT:
        other = {key: value for key, value in ENVIRONMENT.items() if key != name}
        words = ["-m", "strongroom.enclave.room.worker", "--socket", "0", "--memory", "64"]
        words += ["--chip", str(tmp_path), "--host", str(os.getpid())]
        shown = subprocess.run(
            [sys.executable, "-I", *words],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            env=other,
        )
        assert shown.returncode == 2
        assert "started by `strongroom room run analytics`" in shown.stderr
