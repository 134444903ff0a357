"""The HSM's PIN: from a file, a descriptor or a prompt, never from an argument or a variable.

Owns where it is read, that nothing prints it, and that whoever holds it leaves no core file. How
often it may be tried: device.py.
"""

import os
import resource
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

PIN_BYTES_MAX = 255
"""PKCS#11 tokens say their own bound; none known is above."""


class Pin:
    """A PIN that does not print itself, and cannot be pickled or compared by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not 0 < len(text.encode()) <= PIN_BYTES_MAX or "\x00" in text:
            raise OperatorFault(f"a PIN has 1 to {PIN_BYTES_MAX} bytes, and no zero byte")
        self._text = text

    def reveal(self) -> str:
        """The PIN itself; every caller is a place to review."""
        return self._text

    def __repr__(self) -> str:
        return "Pin(…)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a PIN is not pickled")


def keep_from_others() -> None:
    """Before a process holds a PIN or a half: none of its memory goes into a core file, and no
    other process of this user reads it (Linux)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        from strongroom.enclave.sandbox import kernel

        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def read_pin(
    *, file: Path | None = None, descriptor: int | None = None, ask: Callable[[], str] | None = None
) -> Pin:
    """The PIN, from the one place that is named; the prompt when none is.

    Args:
        file: for its owner only (mode 0600); its first line.
        descriptor: an open one, read to its end and closed: `--pin-fd 3 3< <(secret-tool …)`.
        ask: asks the user, not showing what is typed; None where there is no terminal.

    Raises:
        OperatorFault: two places are named, none can be read, or others may read the file.
    """
    if file is not None and descriptor is not None:
        raise OperatorFault("the PIN comes from a file or a descriptor, not from both")
    if file is not None:
        return Pin(_line(_read_file(file), f"{file}"))
    if descriptor is not None:
        return Pin(_line(_read_descriptor(descriptor), f"descriptor {descriptor}"))
    if ask is None:
        raise OperatorFault(
            "no PIN: name a file with --pin-file (mode 0600) or an open descriptor with --pin-fd"
        )
    return Pin(ask())


def _read_file(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise OperatorFault(f"others may read {file}: run `chmod 600 {file}`")
            return opened.read(PIN_BYTES_MAX + 3)
    except OSError as error:
        raise OperatorFault(f"cannot read the PIN from {file}: {error.strerror}") from None


def _read_descriptor(descriptor: int) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as opened:
            return opened.read(PIN_BYTES_MAX + 3)
    except OSError as error:
        raise OperatorFault(
            f"cannot read the PIN from descriptor {descriptor}: {error.strerror}"
        ) from None


def _line(data: bytes, where: str) -> str:
    """The one line that must be there. Its text is in no error."""
    lines = data.split(b"\n")
    if len(lines) > 2 or (len(lines) == 2 and lines[1]):
        raise OperatorFault(f"{where}: expected the PIN alone, on one line")
    try:
        return lines[0].removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise OperatorFault(f"{where}: the PIN is not UTF-8") from None
