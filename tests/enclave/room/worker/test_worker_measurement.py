"""A worker's measurement: all that it and its bench load, and nothing else (T24, T50)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

pytest.importorskip("duckdb")

from strongroom.enclave.room.worker.measurement import (
    ANALYTICS,
    ANALYTICS_ML,
    ENVIRONMENT,
    Profile,
    measure_worker,
)
from strongroom.node.rooms.data_terms import workers_policy
from strongroom.node.rooms.starting import measured, program_file

ENTRY = {
    "analytics": "strongroom.enclave.room.worker.__main__",
    "analytics-ml": "strongroom.enclave.room.worker.ml",
}
"""What is run as each: it is loaded under the name of `__main__`."""
LOADED = """
import os, sys
from strongroom.enclave.sandbox.entering import load_what_is_loaded_late
from strongroom.enclave.room.worker import __main__ as worker
load_what_is_loaded_late()
own = lambda: {name for name in sys.modules if name.startswith("strongroom.")}
apart = {name for name in sys.modules if name.split(".")[0] in ("duckdb", "_duckdb", "numpy")}
before = own()
from strongroom.enclave.room.worker.bench import check_worker, warm_up
from strongroom.enclave.room.worker.measurement import PROFILE as profile
warm_up(memory_bytes=1 << 28, without=profile.without)
check_worker(profile)
threads = len(os.listdir("/proc/self/task"))
print(*sorted(own()), "|", *sorted(apart), "|", threads)
MORE
"""


def loaded(more: str = "", profile: Profile = ANALYTICS) -> subprocess.CompletedProcess[str]:
    """A worker's and its bench's modules, in one process that reads no bytecode."""
    words = ["-I", "-B", "-X", "pycache_prefix=/nonexistent/none"]
    constant = profile.name.upper().replace("-", "_")
    text = LOADED.replace("MORE", more).replace("PROFILE", constant)
    return subprocess.run(
        [sys.executable, *words, "-c", text],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=ENVIRONMENT,
    )


@pytest.mark.parametrize("profile", [ANALYTICS, ANALYTICS_ML], ids=lambda one: one.name)
def test_T50_what_is_measured_is_what_a_worker_and_its_bench_load(profile: Profile) -> None:
    if profile is ANALYTICS_ML:
        pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")
    shown = loaded(profile=profile)
    assert shown.returncode == 0, shown.stderr
    own, apart, threads = shown.stdout.split("|")
    assert {*own.split(), ENTRY[profile.name]} == set(profile.modules)
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


def test_the_worker_with_lightgbm_is_measured_apart_and_holds_its_library() -> None:
    pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")
    worker = measured(program_file("analytics-ml"))
    assert worker.programs == ("room:analytics-ml",)
    assert worker.digest != measured(program_file("analytics")).digest
    assert "lightgbm/lib/lib_lightgbm.so" in {file.path for file in worker.files}
    policy = json.loads(workers_policy(("ml.boosted_trees",)))
    admitted = [one["allOf"][0]["equals"] for one in policy["anyOf"]]
    assert admitted == [measure_worker().digest.hex(), worker.digest.hex()]
    assert len(json.loads(workers_policy(("ml.logistic",)))["anyOf"]) == 1


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
