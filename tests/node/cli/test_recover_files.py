"""Words of a recovery at a terminal: wrong folders, wrong files, how far a long walk is."""

import sys
import time
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.recover_files import (
    LINE_SECONDS,
    ProgressLine,
    genesis_of,
    node_layout,
    progress_text,
    read_handed,
    write_handed,
)
from strongroom.node.membership.recovering_progress import Reached

COLUMNS = 80


def a_node(folder: Path) -> Path:
    (folder / "chip").mkdir(parents=True)
    (folder / "node.toml").write_text("")
    return folder


def test_a_wrong_folder_is_named_with_the_right_one(tmp_path: Path) -> None:
    node = a_node(tmp_path / "cluster" / "n3")
    assert node_layout(node).directory == node
    with pytest.raises(OperatorFault, match=r"cluster's folder.*--ledger, like .*/cluster/n3"):
        node_layout(tmp_path / "cluster")
    with pytest.raises(OperatorFault, match=r"no folder .*nowhere.*--ledger"):
        node_layout(tmp_path / "nowhere")
    (node / "node.toml").unlink()
    with pytest.raises(OperatorFault, match=r"n3 is no node's folder, for it has no node\.toml:"):
        node_layout(node)
    with pytest.raises(OperatorFault, match=r"no genesis at .*--genesis"):
        genesis_of(node, None)


def test_a_file_that_cannot_be_read_or_written_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match=r"No such file or directory: name the offer"):
        read_handed(tmp_path / "offer", "the offer")
    with pytest.raises(OperatorFault, match=r"is a folder: name the offer"):
        read_handed(tmp_path, "the offer")
    with pytest.raises(OperatorFault, match=r"cannot write .*--out"):
        write_handed(tmp_path / "no" / "share", b"")
    write_handed(tmp_path / "share", b"one")
    assert read_handed(tmp_path / "share", "a share") == b"one"


def reached(height: int, of: int = 1_000_000) -> Reached:
    return Reached("following the ledger", height, of, height << 10, 1000.0, 123_456.0)


def test_how_far_it_is_fits_a_terminal_and_names_rate_and_time_left() -> None:
    under_way, ended = progress_text(reached(999_999)), progress_text(reached(1_000_000))
    assert under_way.endswith("block 999,999 of 1,000,000, 1,000/s, 123,456 s left")
    assert ended.endswith("977 MiB in 1,000.0 s")
    assert len(under_way) < COLUMNS


def test_without_a_terminal_lines_come_now_and_then_and_always_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = ProgressLine()
    for height in range(1, 11):
        line(reached(height, 10))
        now[0] += LINE_SECONDS / 4
    told = capsys.readouterr().err.splitlines()
    heights = [text.split("block ")[1].split(" of")[0] for text in told]
    assert heights == ["1", "5", "9", "10"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now[0] += LINE_SECONDS
    line(reached(5, 10))
    line(reached(10, 10))
    moved = capsys.readouterr().err
    assert moved.count("\r\033[K") == 2
    assert moved.endswith("\n")
    assert moved.count("\n") == 1
