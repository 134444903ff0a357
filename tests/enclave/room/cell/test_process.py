"""A cell's process as a worker starts it: nothing of its worker's is in it, it loads what is
measured and nothing else, and two of them come to the same bytes (T24, T50, T63, T65)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

pytest.importorskip("nanoarrow")

from tests.enclave.room.cell.cells import CANARY, OUT, Cell, cell, stream
from tests.enclave.room.cell.escapes import REACH

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.cell.link import CodeFailed
from strongroom.enclave.room.cell.measurement import CELL_ENVIRONMENT, CELL_MODULES
from strongroom.enclave.room.cell.starting import start_cell
from strongroom.enclave.room.worker.measurement import ENVIRONMENT

NO_BYTECODE = ("-B", "-X", "pycache_prefix=/nonexistent/none")
SEEKS = """
import enum
modules = enum.sys.modules

def run(room):
    room.give_bytes("out", "\\n".join(sorted(WHAT)).encode())
"""
CHECKS = """
from strongroom.enclave.room.cell import __main__
MORE
from strongroom.enclave.room.cell.measurement import check_cell
check_cell()
"""
LONG = {"out": OUT["out"].__class__("bytes", (), 1 << 20)}
DIFFERS = """
import json, random, statistics
import numpy as np

def run(room):
    words = {f"{one}-{room.parameters['n']}" for one in range(100)}
    pairs = {(one, str(one)) for one in range(100)}
    numbers = np.random.default_rng(int.from_bytes(room.seed)).normal(size=(64, 64))
    told = [
        list(words), list(pairs), [hash(one) for one in ("a", b"a", 1.5, (1, "a"))],
        random.random(), random.sample(range(1000), 9), float(np.random.random()),
        numbers.sum(), np.linalg.svd(numbers)[1].tolist(), (numbers @ numbers).sum(),
        np.exp(numbers).sum(), np.fft.fft(numbers).real.sum(), statistics.fsum(numbers[0]),
        sum(one * 0.1 for one in range(1000)), sorted(vars(room.__class__)),
    ]
    room.give_bytes("out", json.dumps(told).encode())
"""


@contextmanager
def started(*options: str, measured: bool = False) -> Iterator[Cell]:
    made = Cell(start_cell(ENVIRONMENT, *options, measured=measured))
    try:
        yield made.limit()
    finally:
        made.end()


def found(pid: int, sought: bytes) -> int:
    """How often it lies in a process's memory."""
    count = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if span is None or "[v" in line:
                continue
            start, end = (int(one, 16) for one in span.groups())
            try:
                count += os.pread(memory.fileno(), end - start, start).count(sought)
            except OSError:
                continue
    return count


def test_T65_two_cells_come_to_the_same_bytes() -> None:
    made = []
    for _ in range(2):
        with started() as one:
            made.append(one.run(DIFFERS, LONG, parameters={"n": 7}, words=True).bytes_["out"])
    assert made[0] == made[1]
    with started() as one:
        other = one.run(DIFFERS, LONG, parameters={"n": 7}, seed=bytes(32)).bytes_["out"]
    assert other != made[0]


def test_T24_a_measured_cell_loads_what_is_listed_and_no_more() -> None:
    source = SEEKS.replace("WHAT", "(one for one in modules if one.startswith('strongroom.'))")
    with started(*NO_BYTECODE, measured=True) as one:
        loaded = one.run(source, LONG, words=True).bytes_["out"].decode().split("\n")
    assert {one for one in CELL_MODULES if one != "strongroom.enclave.room.cell.__main__"} == {
        *loaded
    }


def test_T24_a_cell_that_has_loaded_more_does_not_start() -> None:
    words = [sys.executable, "-P", "-s", *NO_BYTECODE, "-c", CHECKS]
    for more, status in (("pass", 0), ("import strongroom.enclave.primitives", 1)):
        shown = subprocess.run(
            [*words[:-1], words[-1].replace("MORE", more)],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        assert shown.returncode == status, shown.stderr
        assert ("not measured in a cell" in shown.stderr) == bool(status)


def test_T63_nothing_of_the_environment_but_what_is_measured_is_there() -> None:
    os.environ["STRONGROOM_CANARY"] = CANARY
    try:
        source = SEEKS.replace("WHAT", "modules['os'].environ")
        with started() as one:
            names = one.run(source, LONG).bytes_["out"].decode().split("\n")
    finally:
        del os.environ["STRONGROOM_CANARY"]
    assert set(names) - {"LC_CTYPE"} == {*ENVIRONMENT, "PYTHONHASHSEED"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what is not dumpable")
def test_T63_no_secret_of_who_starts_it_is_in_its_memory() -> None:
    key = Secret(bytes(range(7, 250, 8)) + b"\x01")
    kept = [bytes(bytearray(key.reveal())) for _ in range(50)]
    with started() as one:
        assert found(one.pid, key.reveal()) == 0
    given = {"rows": stream({"who": [key.reveal().hex()]})}
    seeks = "def run(room):\n    kept.append(room.table('rows')['who'])\nkept = []"
    with started() as one:  # the hunter finds what is there
        one.run(seeks, streams=given)
        assert found(one.pid, key.reveal().hex().encode()) > 0
    with cell() as fork:  # and what a fork would have
        assert found(fork.pid, kept[0]) > 0


def test_T63_code_finds_no_secret_among_all_objects() -> None:
    """It walks all classes and modules: a fork of a process that knows secrets would have some."""
    body = """
        seen, found = [object], []
        while seen:
            one = seen.pop()
            seen += type.__subclasses__(one)
            found += [one] * ("Secret" in one.__name__ or "cryptography" in str(one.__module__))
        found += [one for one in modules if "primitives" in one or "cryptography" in one]
        assert not found, found
    """
    with started() as one:
        gave = one.run(REACH.replace("BODY", body.strip()), words=True)
    assert gave.bytes_ == {"out": b"escaped"}
    with cell() as fork, pytest.raises(CodeFailed, match="AssertionError"):
        fork.run(REACH.replace("BODY", body.strip()), words=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks at what is not dumpable")
def test_T63_it_shares_two_sockets_with_others_and_no_memory() -> None:
    with started() as one:
        assert len(os.listdir(f"/proc/{one.pid}/fd")) == 2
        maps = Path(f"/proc/{one.pid}/maps").read_text()
        assert maps
        assert not re.search(r"^\S+ .w.s", maps, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (("-P", "-s"), {}),
        (("-P", "-s", "-R"), CELL_ENVIRONMENT),
        (("-P", "-s"), {"PYTHONHASHSEED": "7"}),
    ],
)
def test_a_cell_whose_hashes_are_by_chance_does_not_start(
    options: tuple[str, ...], environment: dict[str, str]
) -> None:
    words = [sys.executable, *options, "-m", "strongroom.enclave.room.cell"]
    words += ["--socket", "0", "--watched", "0", "--parent", str(os.getpid())]
    shown = subprocess.run(
        words, capture_output=True, text=True, timeout=HANG_SECONDS, env=ENVIRONMENT | environment
    )
    assert (shown.returncode, shown.stderr) == (2, "the cell does not start: a worker starts it\n")
