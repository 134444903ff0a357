"""`[archive]` of node.toml: where closed segments of a node's ledger go, and when.

Owns these keys, and the sizes that people write (`512MiB`). Decided in bytes: what runs full is a
disk. Blocks and days say nothing of that, because both grow with the load.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.toml_reader import TableReader, resolve_path

AFTER_BYTES = 1024 * 2**20
"""Of the ledger, kept in the node's folder when nobody says how much."""
SIZE_BYTES_MAX = 2**62
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"(\d{1,19})\s?(|[KMGT]iB)")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """What an operator wants of an archive."""

    directory: Path
    """On another disk, or a mount; absolute, and this node's alone."""
    after_bytes: int = AFTER_BYTES
    """So much of the ledger stays in the node's folder; above it the oldest segment goes, once two
    snapshots stand above that."""


def read_archive(table: TableReader, base: Path) -> ArchiveSettings | None:
    """What the table says; problems are noted in it. None: nothing is archived."""
    directory = table.parsed("directory", partial(resolve_path, base), Path())
    after = table.positive("after_bytes", AFTER_BYTES)
    if after > SIZE_BYTES_MAX:
        table.problem("after_bytes", f"is at most {SIZE_BYTES_MAX}")
    if directory == Path() and after != AFTER_BYTES:
        table.problem("directory", "is missing: name the folder to which segments go")
    table.finish()
    return None if directory in (None, Path()) else ArchiveSettings(directory, after)


def archive_lines(settings: ArchiveSettings | None, base: Path) -> list[str]:
    """Its TOML lines, for a file in folder `base`."""
    if settings is None:
        return []
    inside = settings.directory.is_relative_to(base.parent)
    shown = os.path.relpath(settings.directory, base) if inside else str(settings.directory)
    return [
        "",
        "[archive]",
        f"directory = {json.dumps(shown, ensure_ascii=False)}",
        f"after_bytes = {settings.after_bytes}",
    ]


def own_archive(around: ArchiveSettings, node: str) -> ArchiveSettings:
    """One node's archive among those of a cluster on one machine; its folder is made.

    Raises:
        OperatorFault: it cannot be made.
    """
    directory = around.directory / node
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorFault(
            f"cannot make a folder in {around.directory} ({error.strerror}): mount it, or name "
            "another place with --archive"
        ) from None
    return replace(around, directory=directory)


def given_archive(directory: Path | None, after: str | None) -> ArchiveSettings | None:
    """What `--archive DIR --archive-after SIZE` say.

    Raises:
        OperatorFault: a size without a folder, or one that is none.
    """
    if directory is None:
        if after is not None:
            raise OperatorFault("--archive-after: name the folder to which segments go: --archive")
        return None
    try:
        size = AFTER_BYTES if after is None else read_size(after)
    except ValueError as fault:
        raise OperatorFault(f"--archive-after: {fault}") from None
    return ArchiveSettings(directory.absolute(), size)


def read_size(text: str) -> int:
    """`2GiB`, `512 MiB`, or plain bytes.

    Raises:
        ValueError: says what a size looks like.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= size <= SIZE_BYTES_MAX:
        raise ValueError(f"{text!r} is no size: write bytes, or 512MiB, 2GiB, 1TiB")
    return size
