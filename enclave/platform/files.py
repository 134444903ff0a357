"""Files of the simulated platform: they stand for fuses, so nobody but their owner may read
them."""

import os
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

SECRET_FILE_MODE = 0o600
FILE_BYTES_MAX = 64 * 1024


def write_secret_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole, mode 0600, durable when this returns; makes its folder when it is
    missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_secret_file(path: Path) -> bytes:
    """Read a file that `write_secret_file` wrote.

    Raises:
        OperatorFault: missing, unreadable or too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorFault(
            f"cannot read {path}: {error.strerror}; make the simulated platform first"
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise OperatorFault(
            f"{path} is no file of the simulated platform: longer than {FILE_BYTES_MAX} bytes"
        )
    return data
