"""A pid with its start time: never another process's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.layout import NodeLayout
from strongroom.node.machine.processes import ProcessId, children_of, parent_of, spawn
from strongroom.node.machine.run_records import RunRecord, read_processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(3600)"]


@pytest.fixture
def sleeper() -> Iterator[ProcessId]:
    child = subprocess.Popen(SLEEP)
    process = ProcessId.of(child.pid)
    assert process is not None
    yield process
    child.kill()
    child.wait()


@pytest.fixture
def node(tmp_path: Path) -> NodeProcess:
    folder = tmp_path / "n0"
    folder.mkdir()
    return NodeProcess(NodeLayout(folder))


def recycled(process: ProcessId) -> ProcessId:
    """The same pid, as an earlier process had it."""
    return replace(process, start_ticks=process.start_ticks - 1)


def test_a_signal_reaches_only_the_process_that_was_recorded(sleeper: ProcessId) -> None:
    assert not recycled(sleeper).send(signal.SIGKILL)
    assert sleeper.alive
    assert sleeper.send(signal.SIGKILL)
    assert sleeper.wait_gone(HANG_SECONDS)
    assert not sleeper.alive


def test_a_pid_of_an_earlier_boot_names_nobody(sleeper: ProcessId) -> None:
    assert not replace(sleeper, boot="another").send(signal.SIGKILL)
    assert sleeper.alive


def test_waiting_for_a_running_process_ends_at_the_deadline(sleeper: ProcessId) -> None:
    assert not sleeper.wait_gone(0.01)


def test_an_ended_child_is_collected_by_waiting(tmp_path: Path) -> None:
    process = spawn(
        [sys.executable, "-c", "print('said')"], log=tmp_path / "log", environment=dict(os.environ)
    )
    assert process.wait_gone(HANG_SECONDS)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    assert (tmp_path / "log").read_text() == "said\n"


def test_a_spawned_process_has_its_own_session_and_no_other_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        text = (
            "import os; print(os.getsid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd'))[:4])"
        )
        process = spawn(
            [sys.executable, "-c", text], log=tmp_path / "log", environment=dict(os.environ)
        )
        assert process.wait_gone(HANG_SECONDS)
    assert (tmp_path / "log").read_text() == "True ['0', '1', '2', '3']\n"  # 3: the listing itself


def test_a_killed_node_never_takes_a_stranger_with_its_old_pid_along(
    node: NodeProcess, sleeper: ProcessId
) -> None:
    old = recycled(sleeper).document()
    node.layout.host_pid.write_text(json.dumps({"host": old, "enclave": old}))
    node.layout.run.write_text(
        json.dumps({"pid": sleeper.pid, "enclave_pid": sleeper.pid, "host": old, "enclave": old})
    )
    assert node.host() is None
    assert node.enclave() is None


async def test_kill_with_stale_records_ends_nobody(node: NodeProcess, sleeper: ProcessId) -> None:
    old = recycled(sleeper).document()
    node.layout.host_pid.write_text(json.dumps({"host": old, "enclave": old}))
    await node.kill()
    await node.stop()
    assert sleeper.alive


async def test_kill_ends_host_and_enclave_and_forgets_them(
    node: NodeProcess, sleeper: ProcessId
) -> None:
    child = subprocess.Popen(SLEEP)
    enclave = ProcessId.of(child.pid)
    assert enclave is not None
    RunRecord(sleeper, enclave, 0).write(node.layout.run)
    assert (node.host(), node.enclave()) == (sleeper, enclave)
    await node.kill()
    child.wait()
    assert not sleeper.alive
    assert not enclave.alive
    assert not node.layout.run.exists()


def test_a_record_without_start_times_names_a_process_only_by_its_parent(
    tmp_path: Path, sleeper: ProcessId
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"pid": os.getpid(), "enclave_pid": sleeper.pid, "started": 0}))
    assert read_processes(path) == (ProcessId.of(os.getpid()), sleeper)
    path.write_text(json.dumps({"pid": 1, "enclave_pid": sleeper.pid, "started": 0}))
    assert read_processes(path) == (None, None)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"host": 3}', '{"host": {"pid": "1"}}', '{"pid": 1}']
)
def test_a_damaged_record_names_nobody(tmp_path: Path, node: NodeProcess, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    assert read_processes(path) == (None, None)
    node.layout.host_pid.write_text(content)
    assert node.host() is None


def test_a_run_record_names_this_process_and_its_enclave(
    tmp_path: Path, sleeper: ProcessId
) -> None:
    RunRecord.here(sleeper.pid).write(tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text())
    assert (document["pid"], document["enclave_pid"]) == (os.getpid(), sleeper.pid)
    assert read_processes(tmp_path / "run.json") == (ProcessId.of(os.getpid()), sleeper)


def test_parents_and_children_are_seen(sleeper: ProcessId) -> None:
    this = ProcessId.of(os.getpid())
    assert this is not None
    assert parent_of(sleeper) == this.pid
    assert sleeper in children_of(this)
    assert children_of(recycled(this)) == []
