"""`./scripts/test`: the whole suite in parts, two at a time, or some tests one after the other.

Tests that start real clusters wait most of their time, the others compute: side by side they take
little longer than the longer of both. Each part is a pytest of its own and has test files of its
own, about forty: what one test leaves behind in its process (objects, modules, caches) slows only
those of its part. One part alone starts clusters, so that no two of them are given one port. Owns
the choice of what runs, and the order in which it is begun and shown. Exit 0 only if all that ran
is good, and every part of the whole suite ran something.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

ROOT = Path(__file__).parents[1]
ONE_BY_ONE = "--one-by-one"
NOTHING_COLLECTED = 5
"""Exit status of a pytest that was left without a test."""
POLL_SECONDS = 0.2
END_SECONDS = 60.0
"""For a part that was interrupted to end its clusters."""
FILES_MAX = 40
"""Of one part whose tests run in its process."""
PARTS_AT_ONCE = 2
PROCESSES_MARK = "mark.processes"
"""Text by which a file is found that starts processes; tests/conftest.py refuses the mark in any
other."""
WITHOUT_CLUSTERS = (
    "tests/enclave/",
    "tests/node/enclave_client/",
    "tests/node/ledger/",
    "tests/node/rooms/",
    "tests/node/test_walled_enclave.py",
)
"""Their processes are given no port that is free only as long as nobody else asks."""


@dataclass(frozen=True, slots=True)
class Part:
    """Arguments of one pytest, and what to call it."""

    name: str
    arguments: tuple[str, ...]
    gives_way: bool = False
    """To the other part, where both want a core: clusters have clocks."""


def suite_files() -> list[str]:
    """Every test file, a folder's beside each other; relative to the project's root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def parts_of(arguments: Sequence[str], *, cores: int) -> tuple[Part, ...]:
    """What to run for these arguments of the command line, in the order in which it is to begin:
    several parts only of the whole suite."""
    own = tuple(argument for argument in arguments if argument != ONE_BY_ONE)
    chosen = any(not one.startswith("-") or one.startswith(("-m", "-k")) for one in own)
    if chosen or len(own) < len(arguments) or cores < 2:
        marked = any(one.startswith("-m") or "::" in one for one in own)
        return (Part("tests", own if marked else ("-m", "not long", *own)),)
    files = suite_files()
    starting = [name for name in files if PROCESSES_MARK in (ROOT / name).read_text()]
    return tuple(_parts(own, files, starting=starting))


def _parts(own: tuple[str, ...], files: list[str], *, starting: list[str]) -> list[Part]:
    """First the clusters, for they take longest and none of them may run beside another; what is
    shortest comes last, so that both cores are busy to the end.

    Args:
        own: further arguments of every pytest.
        files: of the suite.
        starting: those of them that start processes in some test.
    """
    rooms = [name for name in starting if name.startswith(WITHOUT_CLUSTERS)]
    clusters = [name for name in starting if name not in rooms]
    marked, plain = "not long and processes", "not long and not processes"
    parts = [_part("clusters", marked, clusters, own)] if clusters else []
    if rooms:
        parts.append(_part("processes without clusters", marked, rooms, own))
    count = -(-len(files) // FILES_MAX)
    for at in reversed(range(count)):  # simulations, the longest, are in the last
        some = files[at * len(files) // count : (at + 1) * len(files) // count]
        name = f"{at + 1} of {count}, from {some[0]}"
        parts.append(_part(name, plain, some, own, gives_way=True))
    return parts


def _part(
    name: str, mark: str, files: list[str], own: tuple[str, ...], *, gives_way: bool = False
) -> Part:
    cache = f".pytest_cache/{name.split(',')[0].replace(' ', '-')}"
    return Part(name, ("-m", mark, "-o", f"cache_dir={cache}", *own, *files), gives_way)


@dataclass(slots=True)
class Running:
    """A part that has begun; what it says goes to a file."""

    part: Part
    process: "subprocess.Popen[bytes]"
    said: BinaryIO

    @classmethod
    def begin(cls, part: Part, path: Path) -> "Running":
        """Start it."""
        with path.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *part.arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_give_way if part.gives_way else None,
            )
        return cls(part, process, path.open("rb"))

    @property
    def ended(self) -> bool:
        """Has it?"""
        return self.process.poll() is not None

    def show(self) -> bool:
        """Print what it said since it was asked last; False: it has ended and all is said."""
        ended = self.ended
        words = self.said.read()
        sys.stdout.buffer.write(words)
        sys.stdout.buffer.flush()
        return bool(words) or not ended

    def end(self) -> None:
        """Interrupt it if it runs, as Ctrl-C does, so that it ends what it has started; print what
        it says to that."""
        with self.said:
            if not self.ended:
                self.process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(END_SECONDS)
            self.process.kill()
            self.process.wait()
            self.show()


def run(parts: Sequence[Part]) -> int:
    """Run them, two at a time, and show one after the other; the exit status."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-test-") as folder,
        contextlib.ExitStack() as stack,
    ):
        running: list[Running] = []
        for at, part in enumerate(parts):
            print(f"=== {part.name}", flush=True)
            while at >= len(running) or running[at].show():
                busy = sum(not one.ended for one in running)
                for next_part in parts[len(running) :][: PARTS_AT_ONCE - busy]:
                    path = Path(folder) / str(len(running))
                    running.append(one := Running.begin(next_part, path))
                    stack.callback(one.end)
                time.sleep(POLL_SECONDS)
        statuses = [int(one.process.returncode) for one in running]
    bad = [
        part.name + " (no test was left to run)" * (status == NOTHING_COLLECTED)
        for part, status in zip(parts, statuses, strict=True)
        if status
    ]
    verdict = f"failed: {'; '.join(bad)}" if bad else "all parts are good"
    print(f"=== {verdict}; {time.monotonic() - began:.0f} s", flush=True)
    return max(abs(status) for status in statuses)


def _give_way() -> None:
    os.nice(5)


def _ended(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for."""
    parts = parts_of(arguments, cores=len(os.sched_getaffinity(0)))
    if len(parts) == 1:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *parts[0].arguments])
    signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGINT, _ended)
    return run(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
