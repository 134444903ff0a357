"""Files replaced whole, and directories whose names survive a power loss."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.node.ledger.disk import Disk

from strongroom.node.machine.durable_files import (
    make_directory,
    write_atomic,
    write_new,
)


def test_a_replaced_file_is_old_or_new_at_every_step_and_new_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    disk = Disk(monkeypatch)
    write_atomic(live / "key", b"old" * 1000)
    seen: set[bytes] = set()
    number = 0

    def crash() -> None:
        nonlocal number
        for seed in range(20):
            number += 1
            disk.materialise(live, tmp_path / f"{number}", random.Random(seed))
            seen.add((tmp_path / f"{number}" / "key").read_bytes())

    disk.before_call = crash
    write_atomic(live / "key", b"new" * 2000)
    assert seen == {b"old" * 1000, b"new" * 2000}
    seen.clear()
    crash()
    assert seen == {b"new" * 2000}


def test_a_secret_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write_atomic(tmp_path / "key", b"secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    write_atomic(tmp_path / "key", b"public", mode=0o644)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o644


def test_a_failed_replacement_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "key", b"old")

    def refuse(_descriptor: int) -> None:
        raise OSError("the disk refuses")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="the disk refuses"):
            write_atomic(tmp_path / "key", b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"key": b"old"}


@pytest.mark.parametrize("step", ["fdopen", "fchmod", "fsync", "link"])
def test_a_new_file_stands_whole_or_not_at_all_whenever_its_writer_is_killed(
    tmp_path: Path, step: str
) -> None:
    """kill -9: who writes the key of a sealed file may do it again."""
    writer = (
        "import os, signal, sys; from pathlib import Path\n"
        "from strongroom.node.machine.durable_files import write_new\n"
        f"os.{step} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_new(Path(sys.argv[1]), b'the only key')\n"
    )
    path = tmp_path / "key"
    done = subprocess.run([sys.executable, "-c", writer, str(path)], timeout=HANG_SECONDS)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    write_new(path, b"the only key")
    assert path.read_bytes() == b"the only key"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_new(path, b"another")
    assert path.read_bytes() == b"the only key"


def test_a_new_directory_survives_a_power_loss_with_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "live").mkdir()
    disk = Disk(monkeypatch)
    make_directory(tmp_path / "live" / "node" / "ledger")
    make_directory(tmp_path / "live" / "node" / "ledger")
    for seed in range(20):
        disk.materialise(tmp_path / "live", tmp_path / f"{seed}", random.Random(seed))
        assert (tmp_path / f"{seed}" / "node" / "ledger").is_dir()
