"""The journal: what the custodian was asked, gave and refused, in a chain of hashes.

Owns the file `journal` and its head beside it. An entry is durable before anything is answered; one
that cannot be written ends the journal, and the custodian with it. Each entry carries the digest of
the one before, so a changed, missing or foreign one is found and named; `journal.head` tells of one
that ends too early, and what the ledger keeps of every release (`Journal.head` before it) tells it
also of whoever cut both.

One line per entry: JSON, one way of writing it. No key, half or PIN is ever in it.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strongroom.consensus import labels
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import NO_DIGEST, Digest
from strongroom.enclave.platform.files import write_secret_file
from strongroom.node.custodian.errors import JournalDamaged

FILE, HEAD_FILE = "journal", "journal.head"
LINE_BYTES_MAX = 8 * 1024
_KEYS = ("entry", "time_ms", "what", "facts", "before", "digest")
Facts = dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line."""

    entry: int
    """From 1 on."""
    time_ms: int
    """By the custodian's clock."""
    what: str
    """`opened`, `asked`, `recorded`, `given`, `refused`, `paused` or `skipped`."""
    facts: Facts
    before: Digest
    """Of the entry before; zeros for the first."""
    digest: Digest

    def line(self) -> bytes:
        """As it stands in the file."""
        document = {
            "entry": self.entry,
            "time_ms": self.time_ms,
            "what": self.what,
            "facts": self.facts,
            "before": self.before.hex(),
            "digest": self.digest.hex(),
        }
        return _text(document) + b"\n"


class Journal:
    """An open journal, written by this process alone: `with Journal.open(folder) as journal`."""

    def __init__(self, folder: Path, descriptor: int, entries: int, head: Digest) -> None:
        self._folder, self._descriptor = folder, descriptor
        self.entries, self.head = entries, head
        self._broken = False

    @classmethod
    def open(cls, folder: Path) -> "Journal":
        """Open or begin a folder's journal, after it was verified.

        The last line may have been half written when the machine stopped: nothing was answered for
        it, so it is taken away.

        Raises:
            JournalDamaged: it is not as it was written.
            OperatorFault: another process writes it, or it cannot be read.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperatorFault(f"cannot open {path}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OperatorFault(
                    f"another custodian writes {path}: one folder is for one process"
                ) from None
            entries, head, size = verify_journal(folder)
            if size != os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            return cls(folder, descriptor, entries, head)
        except BaseException:
            os.close(descriptor)
            raise

    def append(self, what: str, *, time_ms: int, **facts: str | int) -> JournalEntry:
        """Add an entry; durable when this returns.

        Raises:
            OperatorFault: it cannot be written: the journal takes nothing more, so that nothing is
                given without its entry.
        """
        if self._broken:
            raise OperatorFault(
                "the journal takes nothing more: see the error before, then restart"
            )
        number = self.entries + 1
        digest = _digest(number, time_ms, what, facts, self.head)
        entry = JournalEntry(
            entry=number,
            time_ms=time_ms,
            what=what,
            facts=facts,
            before=self.head,
            digest=digest,
        )
        line = entry.line()
        if len(line) > LINE_BYTES_MAX:
            raise ValueError(f"an entry has at most {LINE_BYTES_MAX} bytes")
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
            _write_head(self._folder, number, digest)
        except OSError as error:
            self._broken = True
            raise OperatorFault(
                f"cannot write {self._folder / FILE}: {error.strerror}; nothing is given any more: "
                "make room, then restart"
            ) from None
        self.entries, self.head = number, digest
        return entry

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_journal(folder: Path) -> Iterator[JournalEntry]:
    """Its entries in order, each verified against the one before; the last of all against the head.

    Raises:
        JournalDamaged: with the first entry that is not as it was written.
        OperatorFault: there is none.
    """
    for entry, _ in _verified(folder):
        yield entry


def verify_journal(folder: Path) -> tuple[int, Digest, int]:
    """(entries, digest of the last, bytes up to its end).

    Raises:
        JournalDamaged: with the first entry that is not as it was written.
    """
    entries, head, size = 0, NO_DIGEST, 0
    for entry, end in _verified(folder):
        entries, head, size = entry.entry, entry.digest, end
    return entries, head, size


def _verified(folder: Path) -> Iterator[tuple[JournalEntry, int]]:
    """Entries and where each ends in the file."""
    path, expected = folder / FILE, _read_head(folder)
    number, head, end = 0, NO_DIGEST, 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        if expected[0]:
            raise _cut(path, 0, expected[0]) from None
        raise OperatorFault(f"no journal in {folder}: has a custodian run there?") from None
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    with file:
        while line := file.readline(LINE_BYTES_MAX + 1):
            if not line.endswith(b"\n") and len(line) <= LINE_BYTES_MAX and number >= expected[0]:
                break  # half written: its entry was never answered for
            entry = _read_line(line, path, number + 1, head)
            number, head, end = entry.entry, entry.digest, end + len(line)
            if number == expected[0] and head != expected[1]:
                raise JournalDamaged(
                    f"{path}: entry {number} is not the one that {HEAD_FILE} names: the file was "
                    "written anew",
                    entry=number,
                )
            yield entry, end
    if number < expected[0]:
        raise _cut(path, number, expected[0])


def _cut(path: Path, number: int, expected: int) -> JournalDamaged:
    return JournalDamaged(
        f"{path} was cut: it ends after entry {number}, and {expected} were written; compare with "
        "the ledger's records of this custodian's releases",
        entry=number + 1,
    )


def _read_line(line: bytes, path: Path, number: int, before: Digest) -> JournalEntry:
    """One line, exactly as `JournalEntry.line` writes it."""
    try:
        document = json.loads(line)
        if type(document) is not dict or tuple(document) != _KEYS:
            raise ValueError
        entry = JournalEntry(
            entry=document["entry"],
            time_ms=document["time_ms"],
            what=document["what"],
            facts=document["facts"],
            before=Digest(bytes.fromhex(document["before"])),
            digest=Digest(bytes.fromhex(document["digest"])),
        )
        if type(entry.entry) is not int or entry.line() != line:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise JournalDamaged(f"{path}: entry {number} was changed", entry=number) from None
    if entry.entry != number or entry.before != before:
        raise JournalDamaged(
            f"{path}: entry {number} does not follow the one before: entries were removed, doubled "
            "or moved",
            entry=number,
        )
    if entry.digest != _digest(number, entry.time_ms, entry.what, entry.facts, before):
        raise JournalDamaged(f"{path}: entry {number} was changed", entry=number)
    return entry


def _digest(number: int, time_ms: int, what: str, facts: Facts, before: Digest) -> Digest:
    content = _text({"entry": number, "time_ms": time_ms, "what": what, "facts": facts})
    return labels.labelled_digest(labels.CUSTODIAN_JOURNAL, before + content)


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write_head(folder: Path, entries: int, digest: Digest) -> None:
    write_secret_file(
        folder / HEAD_FILE, _text({"entries": entries, "digest": digest.hex()}) + b"\n"
    )


def _read_head(folder: Path) -> tuple[int, Digest]:
    """(entries, digest) of the last time that one was written; (0, zeros) when none was."""
    path = folder / HEAD_FILE
    try:
        document = json.loads(path.read_bytes())
        entries, digest = document["entries"], Digest(bytes.fromhex(document["digest"]))
    except FileNotFoundError:
        return 0, NO_DIGEST
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise JournalDamaged(f"{path} is damaged: verify against the ledger", entry=0) from None
    if type(entries) is not int or entries < 0:
        raise JournalDamaged(f"{path} is damaged: verify against the ledger", entry=0)
    return entries, digest
