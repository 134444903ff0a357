"""A real shell in a terminal of its own: keys in, what it then has on its line out."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from strongroom.node.cli.completion import FOLDER

READ_BYTES = 65_536
SILENT_SECONDS = 60.0
"""A shell that says nothing for so long hangs."""
PROMPT = "ready> "
_START = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f"PS1='{PROMPT}'; bind 'set bell-style none'\r",
    ),
    "zsh": (["zsh", "-f", "-i"], f"PS1='{PROMPT}'; autoload -U compinit; compinit -u -d zdump\r"),
    "fish": (
        ["fish", "--no-config", "-i"],
        f"function fish_prompt; echo -n '{PROMPT}'; end; set -g fish_autosuggestion_enabled 0\r",
    ),
}


class Shell:
    """An interactive shell with strongroom's completion: `with Shell("zsh", folder) as shell`."""

    def __init__(self, name: str, folder: Path, path: str) -> None:
        """Make it, not started yet.

        Args:
            name: bash, zsh or fish; a test is skipped where it is not installed.
            folder: where it stands, and its home.
            path: of PATH, with `strongroom`.
        """
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        self.name, self._folder, self._path = name, folder, path
        self._said = b""
        self._count = 0

    def __enter__(self) -> Self:
        words, begin = _START[self.name]
        ours, theirs = pty.openpty()
        environment = {
            "PATH": self._path,
            "HOME": str(self._folder),
            "XDG_DATA_HOME": str(self._folder),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "COLUMNS": "400",
        }
        self._terminal = ours
        self._process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self._folder,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._send(begin)
        self._send(f"source '{FOLDER / f'strongroom.{self.name}'}'\r")
        self.line_after("echo begun")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)

    def words_after(self, typed: str) -> list[str]:
        """The words on the line once these keys were typed, as a program would be given them."""
        self._count += 1
        mark = f"at{self._count}"
        self._send(typed)
        self._send("\x01" + f"printf '{mark}''<%s>\\n' " + "\r")
        self._until(
            re.compile(rb"(?:" + mark.encode() + rb"<.*?>\r*\n)+.*" + PROMPT.encode(), re.S)
        )
        text = self._said.decode(errors="replace")
        return re.findall(rf"{mark}<(.*?)>\r*\n", text)

    def line_after(self, command: str) -> None:
        """Run a command, and wait until it is over."""
        self._count += 1
        self._send(f"{command}; echo 'over''{self._count}'\r")
        self._until(re.compile(rb"over%d\r*\n" % self._count))

    def shown_after(self, typed: str, wanted: str) -> str:
        """What was written since these keys were typed, once it has what is wanted; the line is
        given up."""
        self._said = b""
        self._send(typed)
        self._until(re.compile(wanted.encode(), re.S))
        said = self._said.decode(errors="replace")
        self._send("\x03")
        self.line_after("true")
        return said

    def _send(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def _until(self, wanted: re.Pattern[bytes]) -> None:
        while not wanted.search(self._said):
            readable, _, _ = select.select([self._terminal], [], [], SILENT_SECONDS)
            assert readable, f"{self.name} says nothing more after {self._said[-2000:]!r}"
            self._said += os.read(self._terminal, READ_BYTES)


def _take_terminal() -> None:
    """In the new process: its standard input is the terminal that controls it (fish wants one)."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
