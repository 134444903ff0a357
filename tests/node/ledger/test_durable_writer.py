"""Group commit: when appended bytes are durable, and what happens when the disk refuses (PROTOCOL
§5)."""

import errno
import os
import random
from pathlib import Path

import pytest
from tests.node.ledger.disk import Disk

from strongroom.consensus.errors import InvariantBroken
from strongroom.node.ledger.durable_writer import BUFFER_BYTES_MAX, FrameWriter
from strongroom.node.ledger.frames import RECORD_BYTES_MAX, Purpose, read_frames
from strongroom.node.machine.durable_files import DiskFault


def payloads(path: Path) -> list[bytes]:
    return [frame.payload for frame in read_frames(path, Purpose.LOG, 1)]


def test_many_appends_are_one_write_and_one_fdatasync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    disk = Disk(monkeypatch)
    for number in range(100):
        writer.append(1, bytes(number))
    assert disk.trace == []
    writer.sync()
    writer.sync()
    assert disk.trace == [("write", "file"), ("fdatasync", "file")]
    assert payloads(tmp_path / "file") == [bytes(number) for number in range(100)]


def test_a_new_file_and_its_name_survive_a_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "live").mkdir()
    disk = Disk(monkeypatch)
    FrameWriter.create(tmp_path / "live" / "file", Purpose.LOG, 1)
    for seed in range(20):
        disk.materialise(tmp_path / "live", tmp_path / f"{seed}", random.Random(seed))
        assert payloads(tmp_path / f"{seed}" / "file") == []


def test_records_that_a_dead_process_did_not_sync_are_durable_once_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "live").mkdir()
    path = tmp_path / "live" / "file"
    disk = Disk(monkeypatch)
    writer = FrameWriter.create(path, Purpose.LOG, 1)
    writer.append(1, b"written, not synced")
    writer.flush()
    FrameWriter.resume(path, Purpose.LOG, 1)
    for seed in range(20):
        disk.materialise(tmp_path / "live", tmp_path / f"{seed}", random.Random(seed))
        assert payloads(tmp_path / f"{seed}" / "file") == [b"written, not synced"]


def test_after_a_failed_sync_nothing_is_taken_and_no_later_sync_claims_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    writer.append(1, b"lost")

    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", failing)
        with pytest.raises(DiskFault, match="Input/output error"):
            writer.sync()
    with pytest.raises(DiskFault, match="Input/output error"):
        writer.sync()
    with pytest.raises(DiskFault, match="Input/output error"):
        writer.append(1, b"more")


def test_a_full_disk_is_a_disk_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    writer.append(1, b"one too many")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFault, match=r"no space left for .* GB free.*free some"):
        writer.flush()
    with pytest.raises(DiskFault):
        FrameWriter.create(tmp_path / "other", Purpose.LOG, 1)


def test_a_write_that_takes_only_a_part_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    writer.append(1, b"in pieces" * 10)
    writer.sync()
    assert payloads(tmp_path / "file") == [b"in pieces" * 10]
    assert writer.size == writer.written == (tmp_path / "file").stat().st_size


def test_the_buffer_is_bounded(tmp_path: Path) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    for _ in range(50):
        writer.append(1, bytes(500_000))
        assert writer.size - writer.written <= BUFFER_BYTES_MAX


def test_a_record_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    with pytest.raises(InvariantBroken):
        writer.append(1, bytes(RECORD_BYTES_MAX))
    writer.append(1, b"small")
    writer.sync()
    assert payloads(tmp_path / "file") == [b"small"]


def test_a_closed_file_takes_nothing(tmp_path: Path) -> None:
    writer = FrameWriter.create(tmp_path / "file", Purpose.LOG, 1)
    writer.close()
    writer.close()
    with pytest.raises(DiskFault, match="closed"):
        writer.append(1, b"late")
