"""The archive itself: a folder on another disk, or a mount, in which one node's closed segments lie
under their names, with `archive.json`, which says which heights each has and its SHA-256.

Owns what is written there and in which order: a segment is copied beside its name, synced, read
back and compared, and named; then the manifest names it. One process at a time writes (`lock`), and
only into the archive that its node made (`id`). What is there is never written over and never
removed. Refuses to know which segments may go there: node/host/archiving.py.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from strongroom.node.ledger.archive.contents import Summary
from strongroom.node.ledger.archive.faults import ArchiveRefused, ArchiveUnwritable
from strongroom.node.ledger.lock import AlreadyRunning, DirectoryLock, acquire_lock
from strongroom.node.machine.durable_files import fsync_directory, write_atomic

FORMAT = "strongroom-archive-1"
MANIFEST = "archive.json"
_LOCK = "lock"
CHUNK_SIZE = 4 * 1024 * 1024
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
_SHAPE = {"file": str, "first": int, "last": int, "outcomes": list, "bytes": int, "sha256": str}


class NoManifest(Exception):
    """There is none, or it is no manifest; the text says which."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One segment as a manifest lists it."""

    file: str
    first: int
    last: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    id: str
    chain: str
    """Hex."""
    node: str
    segments: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """The manifest of an archive.

        Raises:
            NoManifest: there is none, or it is none.
            OSError: it cannot be read.
        """
        path = directory / MANIFEST
        try:
            with open_plain(path) as file:
                text = file.read(MANIFEST_BYTES_MAX)
        except FileNotFoundError:
            raise NoManifest(f"there is no {MANIFEST}") from None
        try:
            value = json.loads(text)
            segments = tuple(value["segments"])
            for one in segments:
                if {name: type(item) for name, item in one.items()} != _SHAPE:
                    raise ValueError("an entry of another shape")
                bytes.fromhex(one["sha256"])
            if value["format"] != FORMAT:
                raise ValueError(f"its format is {value['format']!r}")
            return cls(str(value["id"]), str(value["chain"]), str(value["node"]), segments)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise NoManifest(f"{MANIFEST} is damaged: {error}") from None

    def write(self, directory: Path) -> None:
        """Replace it, whole and durable."""
        value = {
            "format": FORMAT,
            "id": self.id,
            "chain": self.chain,
            "node": self.node,
            "segments": list(self.segments),
        }
        text = json.dumps(value, indent=1, ensure_ascii=True) + "\n"
        write_atomic(directory / MANIFEST, text.encode(), mode=0o644)

    def with_segment(self, summary: Summary) -> "Manifest":
        """This one with one more segment, or itself if that is listed."""
        entry = {
            "file": summary.file,
            "first": summary.first,
            "last": summary.last,
            "outcomes": [summary.outcome_first, summary.outcome_last],
            "bytes": summary.size,
            "sha256": summary.digest.hex(),
        }
        others = [one for one in self.segments if one["first"] != summary.first]
        segments = tuple(sorted((*others, entry), key=lambda one: int(one["first"])))
        return Manifest(self.id, self.chain, self.node, segments)

    def listed(self) -> list[Listed]:
        """Its segments, in order of height."""
        return [
            Listed(
                one["file"], one["first"], one["last"], one["bytes"], bytes.fromhex(one["sha256"])
            )
            for one in self.segments
        ]


class ArchiveFolder:
    """One node's archive, open for writing: `with ArchiveFolder.open(…) as archive`."""

    def __init__(self, directory: Path, manifest: Manifest, lock: DirectoryLock) -> None:
        self.directory, self.manifest, self._lock = directory, manifest, lock

    @classmethod
    def open(cls, directory: Path, *, id: str, chain: str, node: str, home: Path) -> Self:
        """Take the archive of a node, or begin one in an empty folder.

        Args:
            directory: of the archive; it is there, for a mount that is missing looks like a folder
                that nobody made.
            id: by which this node knows its archive; empty: it has none yet.
            chain: hex.
            node: the node's name.
            home: the node's folder, in which no archive may lie.

        Raises:
            ArchiveRefused: it is another node's, or another process has it, or it lies in `home`.
            ArchiveUnwritable: it is not there, or the disk refused.
        """
        with archive_faults(directory):
            if not directory.is_dir():
                raise ArchiveUnwritable(directory, "there is no such folder")
            if directory.resolve().is_relative_to(home.resolve()):
                advice = "name a folder on another disk"
                raise ArchiveRefused(directory, f"it lies in {home}", advice)
            lock = _locked(directory)
            try:
                manifest = _claimed(directory, id=id, chain=chain, node=node)
            except BaseException:
                lock.release()
                raise
            return cls(directory, manifest, lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        self._lock.release()

    def put(self, source: Path) -> tuple[int, bytes]:
        """Have a closed segment here under its name, durable and read back; size and SHA-256 of it.

        One that a kill left is compared and taken as it is, or refused.

        Raises:
            ArchiveRefused: another file has its name.
            ArchiveUnwritable: the disk refused, or gives back other bytes than it took.
            OSError: the source cannot be read.
        """
        target = self.directory / source.name
        wanted = hash_of_file(source)
        with archive_faults(self.directory):
            if os.path.lexists(target):
                if hash_of_file(target) != wanted:
                    raise ArchiveRefused(
                        self.directory, f"{target.name} is another file", "move it away"
                    )
            else:
                self._copy(source, target)
            with open_plain(target) as file:
                os.fsync(file.fileno())
            fsync_directory(self.directory)
            if hash_of_file(target) != wanted:
                raise ArchiveUnwritable(self.directory, f"{target.name} was not read as written")
        return wanted

    def note(self, summary: Summary) -> None:
        """List a segment in the manifest.

        Raises:
            ArchiveUnwritable: the disk refused.
        """
        with archive_faults(self.directory):
            manifest = self.manifest.with_segment(summary)
            if manifest != self.manifest:
                manifest.write(self.directory)
                self.manifest = manifest

    def _copy(self, source: Path, target: Path) -> None:
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)  # of a move that was killed; never a link that is followed
        try:
            with source.open("rb") as file, part.open("xb") as made:
                while chunk := file.read(CHUNK_SIZE):
                    made.write(chunk)
                made.flush()
                os.fsync(made.fileno())
            part.chmod(0o600)
            part.rename(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def hash_of_file(path: Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file as the disk has it: what the kernel kept of it is left aside,
    where that can be asked for.

    Raises:
        OSError: it is none, or cannot be read.
    """
    hasher, size = sha256(), 0
    with open_plain(path) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(CHUNK_SIZE):
            hasher.update(chunk)
            size += len(chunk)
    return size, hasher.digest()


def open_plain(path: Path) -> Any:
    """A file to be read; a link in its place is refused, as it leads nobody knows where."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


@contextmanager
def archive_faults(directory: Path) -> Iterator[None]:
    """What the system says about an archive, as a fault of it."""
    try:
        yield
    except OSError as error:
        raise ArchiveUnwritable(directory, error.strerror or str(error)) from error


def _locked(directory: Path) -> DirectoryLock:
    try:
        return acquire_lock(directory / _LOCK)
    except AlreadyRunning as fault:
        holder = f"process {fault.pid}" if fault.pid else "another process"
        advice = "one node, one archive: name another folder"
        raise ArchiveRefused(directory, f"{holder} has it", advice) from None


def _claimed(directory: Path, *, id: str, chain: str, node: str) -> Manifest:
    """The manifest of this node's archive; of a folder with nothing in it, a new one."""
    try:
        found = Manifest.read(directory)
    except NoManifest as reason:
        strange = sorted(
            entry.name
            for entry in directory.iterdir()
            if entry.name not in (_LOCK, "lost+found") and not entry.name.startswith(".")
        )
        if id:
            advice = "is it mounted? Nothing is archived until it is there again"
            raise ArchiveRefused(directory, f"it is not this node's: {reason}", advice) from None
        if strange:
            advice = "name an empty folder"
            raise ArchiveRefused(directory, f"it holds {strange[0]}", advice) from None
        found = Manifest(secrets.token_hex(16), chain, node)
        found.write(directory)
        return found
    if (found.chain, found.node) != (chain, node) or (id and found.id != id):
        advice = "one node, one archive: name another folder"
        raise ArchiveRefused(directory, f"it is of node {found.node}", advice)
    if not id and found.segments:
        advice = "this node's folder is new and knows nothing of it: name an empty one"
        raise ArchiveRefused(directory, "it is of an earlier life of this node", advice)
    return found
