"""The demo's search says what it finds, and never says `not found` where it is blind (P4)."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.node.demo.search import search_everything
from strongroom.node.layout import ClusterLayout
from strongroom.node.machine.processes import ProcessId
from strongroom.node.terminal.teller import StoryFails, Teller

CONTROL = "a-public-name"


def host(text: str) -> "subprocess.Popen[bytes]":
    program = (
        f"import sys; text = {text[:5]!r} + {text[5:]!r}; "
        "print(1, flush=True); sys.stdin.read(); print(text)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def secret() -> str:
    return f"secret {os.urandom(8).hex()}"


def search(folder: Path, text_in_memory: str, secret: str) -> int:
    with host(text_in_memory) as process:
        node: Any = SimpleNamespace(name="n0", host=lambda: ProcessId.of(process.pid))
        cluster: Any = SimpleNamespace(layout=ClusterLayout(folder), running=lambda: [node])
        try:
            return search_everything(cluster, secret, CONTROL, Teller(to_stderr=True))
        finally:
            process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "genesis.bin").write_text(f"xx{CONTROL}xx")
    return tmp_path


def test_a_clean_cluster_is_searched_whole(folder: Path, secret: str) -> None:
    assert search(folder, CONTROL, secret) > 2**20


def test_a_secret_in_a_file_is_named_with_its_place(folder: Path, secret: str) -> None:
    (folder / "leak.log").write_text(secret.encode().hex())
    with pytest.raises(StoryFails, match=r"stands in all files: leak\.log \(hex\)"):
        search(folder, CONTROL, secret)


def test_a_secret_in_a_hosts_memory_is_found(folder: Path, secret: str) -> None:
    with pytest.raises(StoryFails, match="stands in memory of n0's host"):
        search(folder, f"{CONTROL} {secret}", secret)


def test_a_search_that_misses_what_must_be_there_proves_nothing(folder: Path, secret: str) -> None:
    with pytest.raises(StoryFails, match="memory of n0's host is blind"):
        search(folder, "something else", secret)
    (folder / "genesis.bin").write_text("nothing")
    with pytest.raises(StoryFails, match="all files is blind"):
        search(folder, CONTROL, secret)
