"""One process per data directory (PROTOCOL §10, fault 26)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.node.ledger.lock import AlreadyRunning, acquire_lock

HOLDER = """
import sys
from pathlib import Path
from strongroom.node.ledger.lock import acquire_lock
lock = acquire_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_pid_of_the_first_until_that_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}") as refusal:
            acquire_lock(path)
        assert refusal.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    lock = acquire_lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_one_process_does_not_get_it_twice_and_released_means_free(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path / "lock")
    with pytest.raises(AlreadyRunning):
        acquire_lock(tmp_path / "lock")
    lock.release()
    acquire_lock(tmp_path / "lock").release()


def test_a_program_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path / "lock")
    command = [sys.executable, "-c", "import sys; print('started', flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        lock.release()
        acquire_lock(tmp_path / "lock").release()
        child.communicate()


def test_a_holder_that_has_not_written_its_pid_yet_is_named_as_another_process(
    tmp_path: Path,
) -> None:
    lock = acquire_lock(tmp_path / "lock")
    (tmp_path / "lock").write_bytes(b"")
    with pytest.raises(AlreadyRunning, match="another process") as refusal:
        acquire_lock(tmp_path / "lock")
    assert refusal.value.pid is None
    lock.release()
