"""Files and directories that survive a power loss: what is renamed or created is also made durable
in its directory.

Refuses to know what the bytes mean. Source: open(2), rename(2), fsync(2): the fsync of a file says
nothing of its name.
"""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

_ADVICE = {
    os.strerror(
        errno.ENOMEM
    ): "out of memory, not of disk: give the machine more, or run less on it, then restart",
    os.strerror(errno.EMFILE): "raise the limit of open files (ulimit -n), then restart",
    os.strerror(errno.ENFILE): "raise the system's limit of open files, then restart",
    os.strerror(errno.EACCES): "give this user the rights to it, then restart",
    os.strerror(errno.EPERM): "give this user the rights to it, then restart",
    os.strerror(errno.EROFS): "mount it writable, then restart",
}
_REPAIR = "free or repair the disk, then restart"
_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
FULL_ADVICE = "Nothing that was answered is lost: free some, then restart"


class DiskFault(OperatorFault):
    """A write or a sync failed: what reached the disk is unknown, so nothing more is written before
    a restart."""

    def __init__(self, path: Path, reason: str | None, *, full: bool = False) -> None:
        if full:
            text = f"no space left for {path}: {reason}{_room(path)}. {FULL_ADVICE}"
        elif reason in _FULL:
            text = f"no space left for {path}{_room(path)}. {FULL_ADVICE}"
        else:
            text = f"{path}: {reason}: {_ADVICE.get(reason or '', _REPAIR)}"
        super().__init__(text)


def _room(path: Path) -> str:
    """How full the disk is that holds, or was to hold, a file; nothing where nobody can say."""
    for there in (path, *path.parents):
        try:
            disk = shutil.disk_usage(there)
        except OSError:
            continue
        return f" ({disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free)"
    return ""


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into a DiskFault."""
    try:
        yield
    except OSError as error:
        raise DiskFault(path, error.strerror) from error


def fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable: entries that were created, renamed or removed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Create a directory and its missing parents, each durable in its own parent; one that exists
    stays as it is."""
    if directory.is_dir():
        return
    make_directory(directory.parent, mode)
    directory.mkdir(mode=mode, exist_ok=True)
    fsync_directory(directory.parent)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Make a file that may not be there yet: it stands whole and durable, or not at all, so that
    whoever was killed may do the same again.

    Raises:
        FileExistsError: it is there, and untouched.
        OSError: the disk refused.
    """
    with _draft(path, data, mode) as draft:
        os.link(draft, path)
    fsync_directory(path.parent)


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file whole: after a crash it holds the old bytes or the new ones, never a mixture,
    never nothing.

    Raises:
        OSError: the disk refused; the old file stands and the temporary one is gone.
    """
    with _draft(path, data, mode) as draft:
        draft.replace(path)
    fsync_directory(path.parent)


@contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """The bytes, durable in a file beside the place where they go; it is gone afterwards."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def write_out(path: Path, data: bytes) -> None:
    """Write what a user asked for where the user said: a file whole or not at all; anything else is
    written into.

    Devices, FIFOs and links stay what they are: to replace one would destroy it (`-o /dev/null`).

    Raises:
        OSError: it cannot be written.
    """
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        plain = True
    if plain:
        write_atomic(path, data, mode=0o644)
        return
    with path.open("wb") as file:
        file.write(data)
