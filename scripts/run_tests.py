"""`./scripts/test`: the whole suite in two halves side by side, or some tests one after the other.

Tests that start real processes wait most of their time, the others compute: together they take
little longer than the longer half. Each half is a pytest of its own, with folders of its own; only
one of them starts clusters, so that no two of them are given one port. Owns the choice of what runs
and the order in which it is shown. Exit 0 only if all that ran is good.
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

ONE_BY_ONE = "--one-by-one"
NOTHING_COLLECTED = 5
"""Exit status of a pytest that was left without a test."""
POLL_SECONDS = 0.2
END_SECONDS = 60.0
"""For a half that was interrupted to end its clusters."""


@dataclass(frozen=True, slots=True)
class Half:
    """Arguments of one pytest, and what to call it."""

    name: str
    arguments: tuple[str, ...]
    gives_way: bool = False
    """To the other half, where both want a core: clusters have clocks."""


def halves_of(arguments: Sequence[str], *, cores: int) -> tuple[Half, ...]:
    """What to run for these arguments of the command line: two halves only of the whole suite."""
    own = tuple(argument for argument in arguments if argument != ONE_BY_ONE)
    chosen = any(not one.startswith("-") or one.startswith(("-m", "-k")) for one in own)
    if chosen or len(own) < len(arguments) or cores < 2:
        marked = any(one.startswith("-m") or "::" in one for one in own)
        return (Half("tests", own if marked else ("-m", "not long", *own)),)
    cache = ("-o", "cache_dir=.pytest_cache/processes")
    return (
        Half("tests in one process", ("-m", "not long and not processes", *own), gives_way=True),
        Half("tests of processes", ("-m", "not long and processes", *cache, *own)),
    )


@dataclass(slots=True)
class Running:
    """A half that has begun; what it says goes to a file."""

    half: Half
    process: "subprocess.Popen[bytes]"
    said: BinaryIO

    @classmethod
    def begin(cls, half: Half, folder: Path) -> "Running":
        """Start it."""
        path = folder / half.name
        with path.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *half.arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_give_way if half.gives_way else None,
            )
        return cls(half, process, path.open("rb"))

    def show(self) -> None:
        """Print all that it said and says, until it ends."""
        while True:
            ended = self.process.poll() is not None
            if words := self.said.read():
                sys.stdout.buffer.write(words)
                sys.stdout.buffer.flush()
            elif ended:
                return
            else:
                time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """Interrupt it if it runs, as Ctrl-C does, so that it ends what it has started; print what
        it says to that."""
        with self.said:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(END_SECONDS)
            self.process.kill()
            self.process.wait()
            sys.stdout.buffer.write(self.said.read())
            sys.stdout.buffer.flush()


def run(halves: Sequence[Half]) -> int:
    """Run them side by side and show one after the other; the exit status."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-test-") as folder,
        contextlib.ExitStack() as stack,
    ):
        running = []
        for half in halves:
            running.append(one := Running.begin(half, Path(folder)))
            stack.callback(one.end)
        for one in running:
            print(f"=== {one.half.name}", flush=True)
            one.show()
        statuses = {one.half.name: one.process.returncode for one in running}
    bad = [name for name, status in statuses.items() if status not in (0, NOTHING_COLLECTED)]
    verdict = f"failed: {', '.join(bad)}" if bad else "both halves are good"
    print(f"=== {verdict}; {time.monotonic() - began:.0f} s", flush=True)
    if not bad and all(status == NOTHING_COLLECTED for status in statuses.values()):
        return NOTHING_COLLECTED
    return max((abs(statuses[name]) for name in bad), default=0)


def _give_way() -> None:
    os.nice(5)


def _ended(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for."""
    halves = halves_of(arguments, cores=len(os.sched_getaffinity(0)))
    if len(halves) == 1:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *halves[0].arguments])
    signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGINT, _ended)
    return run(halves)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
