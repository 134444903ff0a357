"""docs/operate.md, followed line by line: four folders that share nothing but the exchanged files,
from `node init` to a committed payment; with the mark `long` to the end of the page."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.waiting import so

from strongroom.node.machine import ports

pytestmark = pytest.mark.processes
PAGE = Path(__file__).parents[2] / "docs" / "operate.md"
_BLOCK = re.compile(r"^```console *([a-z ]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND_SECONDS = 240.0
RPC, PEER = 7400, 7410
_LEARNED = {
    "PIN": re.compile(r"^pin (sr1-[a-z2-7]{52})", re.MULTILINE),
    "KEY": re.compile(r"operator=bank5 key=([0-9a-f]{64})"),
    "CHIP": re.compile(r"operator=bank5 chip=([0-9a-f]{128})"),
    "ID": re.compile(r"^proposal +([0-9a-f]{8,64})", re.MULTILINE),
}
"""What the page writes in capitals, and where a reader got it from."""


@dataclass
class Reader:
    """Somebody who types what the page says."""

    folder: Path
    ports: dict[int, int]
    known: dict[str, str] = field(default_factory=dict)
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def written(self, line: str, number: int = 1) -> str:
        """A line of the page as organisation `number` writes it, on ports that are free here."""
        line = re.sub(r"\bbank1\b", f"bank{number}", line)
        line = re.sub(r"\bn1\b", f"n{number}", line)
        line = line.replace("127.0.0.2", f"127.0.0.{number + 1}")
        for known, port in self.ports.items():
            line = line.replace(f":{known}", f":{port}")
        for word, value in self.known.items():
            line = re.sub(rf"\b{word}\b", value, line)
        return line

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        for word, pattern in _LEARNED.items():
            if found := pattern.search(done.stdout):
                self.known[word] = found[1]
        return done

    def must(self, line: str) -> None:
        if line.endswith("&"):
            self.start(line)
            return
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    def start(self, line: str) -> None:
        """A command that stays: in a session of its own, to be ended as one."""
        command = "exec " + line.removesuffix("&").strip()
        node = subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, start_new_session=True
        )
        self.nodes.append(node)
        if "bank1/n1" in line:
            self.known["PID"] = str(node.pid)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def end(self) -> None:
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            try:
                node.wait(30)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()


def blocks() -> list[tuple[set[str], list[str]]]:
    """(marks, commands) of every block of the page."""
    return [
        (set(marks.split()), [line[2:] for line in body.splitlines() if line.startswith("$ ")])
        for marks, body in _BLOCK.findall(PAGE.read_text())
    ]


async def follow(reader: Reader, *, to_the_end: bool) -> None:
    for marks, lines in blocks():
        if "long" in marks and not to_the_end:
            continue
        for line in lines:
            numbers = range(1, 5) if "each" in marks else (1,)
            await asyncio.gather(*(take(reader, marks, line, number) for number in numbers))


async def take(reader: Reader, marks: set[str], line: str, number: int) -> None:
    """One line: said once, by whose turn it is, or until it is so."""
    if "one" in marks:
        done = [reader.run(reader.written(line, one)) for one in range(1, 5)]
        assert sorted(one.returncode for one in done) == [0, 1, 1, 1], done
        told = [one.stderr for one in done if one.returncode]
        assert all(": founder: makes the genesis" in text for text in told), told
    elif "until" in marks:
        await so(lambda: not reader.run(reader.written(line)).returncode, line)
    else:
        await asyncio.to_thread(reader.must, reader.written(line, number))
    if line.startswith("kill "):
        ended = next(node for node in reader.nodes if str(node.pid) == reader.known["PID"])
        await asyncio.to_thread(ended.wait, COMMAND_SECONDS)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "exchange").mkdir()
    reservation = ports.reserve_free(2, "0.0.0.0")
    free = dict(zip((RPC, PEER), reservation.ports, strict=True))
    reservation.release()
    reader = Reader(tmp_path, free)
    try:
        yield reader
    finally:
        reader.end()


def check(reader: Reader) -> None:
    """One service at all four, in folders that have nothing else in common."""
    pins = {
        path.read_text().split('"service": "')[1][:56]
        for path in reader.folder.glob("bank[1-4]/service.json")
    }
    assert pins == {reader.known["PIN"]}
    asked = reader.run("strongroom query payments.balance account=rent --as bob --dir bank1")
    assert asked.stdout.startswith("200"), asked
    secret = [*reader.folder.glob("bank?/keys/*.json"), *reader.folder.glob("bank?/platform/*")]
    assert len({path.read_bytes() for path in secret}) == len(secret) >= 14


async def test_the_page_is_followed_from_four_empty_folders_to_a_payment(reader: Reader) -> None:
    await follow(reader, to_the_end=False)
    check(reader)


@pytest.mark.long
async def test_the_page_is_followed_to_its_end(reader: Reader) -> None:
    await follow(reader, to_the_end=True)
    check(reader)
