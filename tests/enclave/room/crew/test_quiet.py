"""What a crew's bench takes from Dask, and what it does not (T24, T63)."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

pytest.importorskip("distributed")

ASKED = """
import sys
from strongroom.enclave.room.crew.configured import dask, worker
print(dask.config.get("canary", None), dask.config.get("distributed.worker.preload"))
print("strayed" in sys.modules, any("importlib_metadata." in name for name in sys.modules))
"""
PICKLED = """
import pickle, sys
from strongroom.enclave.room.crew import quiet, tasks
quiet.make_quiet()
from strongroom.enclave.room.crew.configured import pickle as theirs
read = lambda one: theirs.loads(theirs.dumps(one))
assert read(tasks.local) is tasks.local
try:
    read(ValueError("rows"))
    sys.exit("an error is taken")
except quiet.NotOurs:
    pass
for name in ("os.system", "builtins.eval", "builtins.getattr", "strongroom.consensus.codec.decode"):
    module, _, word = name.rpartition(".")
    asked = b"\\x80\\x04c" + f"{module}\\n{word}\\n".encode() + b"."
    try:
        theirs.loads(asked)
    except quiet.NotOurs:
        continue
    sys.exit(f"{name} is taken")
try:
    theirs.dumps(lambda: 0)
except (pickle.PicklingError, AttributeError):
    print("closed")
"""


def run(text: str, **environment: str) -> list[str]:
    """What a process of its own says, which starts with these variables."""
    path = [environment.get("PYTHONPATH", ""), os.environ.get("PYTHONPATH", "")]
    shown = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env={"PATH": os.environ["PATH"], **environment, "PYTHONPATH": ":".join(path)},
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.split()


def test_T24_no_file_and_no_variable_of_the_machine_configures_a_crew(tmp_path: Path) -> None:
    (tmp_path / "dask.yaml").write_text("distributed: {worker: {preload: [strayed]}}")
    (tmp_path / "strayed").mkdir()
    (tmp_path / "strayed" / "__init__.py").write_text("")
    told = run(
        ASKED,
        DASK_CONFIG=str(tmp_path),
        DASK_CANARY="yes",
        HOME=str(tmp_path),
        PYTHONPATH=str(tmp_path),
    )
    assert told == ["None", "[]", "False", "False"]


def test_T24_a_pickle_names_nothing_but_a_crews_own_tasks() -> None:
    assert pickle.loads(pickle.dumps(os.getcwd)) is os.getcwd  # what is not restricted takes it
    assert run(PICKLED) == ["closed"]
