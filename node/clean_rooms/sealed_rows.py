"""What was begun to be sealed under each data key: `keys/NAME.vault/KEY@VERSION.rows.json`.

Owns that no index is sealed twice with other rows under one key (T64): digests of every chunk are
durable before the first is sealed, and whoever comes back with other rows is stopped before one of
them leaves. Knows no network and no ledger.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.outside.chunks import CONTENT_BYTES_MAX
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.node.machine.durable_files import make_directory, write_atomic
from strongroom.node.vault.key_files import DataKeyFolder

JOURNAL_BYTES_MAX = 16 * 1024 * 1024
_DIGITS = 64


class OtherRows(ClientFault):
    """Other rows than these were begun to be sealed at this place."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A stream as chunks will hold it: the digest of each one's content."""

    digests: tuple[str, ...]
    size: int
    """Bytes of the stream."""

    @classmethod
    def of(cls, stream: Iterable[bytes]) -> "Rows":
        """Read a stream once, and keep its digests."""
        digests, size = [], 0
        for content in _cut(stream):
            digests.append(sha256(content).hexdigest())
            size += len(content)
        return cls(tuple(digests), size)

    def again(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The stream once more, chunk by chunk, each let through only if it is the same.

        Raises:
            OtherRows: it is another one now.
        """
        place = 0
        for place, content in enumerate(_cut(stream), 1):
            known = self.digests[place - 1] if place <= len(self.digests) else ""
            if sha256(content).hexdigest() != known:
                raise OtherRows("the file was changed while it was read: give the command again")
            yield content
        if place != len(self.digests):
            raise OtherRows("the file was cut short while it was read: give the command again")


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one version of a data set, under one key."""

    version: int
    first: int
    """Index of its first chunk."""
    digests: tuple[str, ...]

    def holds(self, rows: Rows) -> bool:
        """Are these the rows?"""
        return self.digests == rows.digests


@dataclass(frozen=True, slots=True)
class Journal:
    """What one data key has sealed, or was about to."""

    folder: DataKeyFolder
    key: KeyVersion

    @property
    def path(self) -> Path:
        """Its file, beside the key's."""
        return self.folder.path(self.key).with_suffix(".rows.json")

    def segments(self) -> list[Segment]:
        """In their order; none when nothing was begun.

        Raises:
            OperatorFault: the file is damaged.
        """
        try:
            with self.path.open("rb") as file:
                document = json.loads(file.read(JOURNAL_BYTES_MAX + 1))
            return [_segment(one) for one in document["segments"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OperatorFault(f"cannot read {self.path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise OperatorFault(
                f"{self.path} is damaged: restore it from a copy, or bring all rows anew with "
                "`data put`"
            ) from None

    def begin(self, segment: Segment) -> None:
        """Rows are about to be sealed; durable when this returns.

        Raises:
            OtherRows: others were begun there.
            OperatorFault: it cannot be written.
        """
        known = self.segments()
        for one in known:
            if (one.version, one.first) == (segment.version, segment.first):
                if one.digests != segment.digests:
                    raise OtherRows(
                        "an attempt before began with other rows at this place: give it those "
                        "again, or bring all rows anew with `data put`"
                    )
                return
        if known and segment.first < known[-1].first + len(known[-1].digests):
            raise OtherRows("rows were sealed at this place before: bring all anew, `data put`")
        document = {
            "key": f"{self.key.name}@{self.key.version}",
            "segments": [_document(one) for one in (*known, segment)],
        }
        data = (json.dumps(document, indent=1) + "\n").encode()
        if len(data) > JOURNAL_BYTES_MAX:
            raise OperatorFault(f"{self.path} is full: bring all rows anew with `data put`")
        try:
            make_directory(self.path.parent)
            write_atomic(self.path, data)
        except OSError as error:
            raise OperatorFault(f"cannot write {self.path}: {error.strerror}") from None

    def set_aside(self) -> None:
        """Keep a key, and what it sealed, out of the way: no version of the ledger has it, and
        other rows come under a new one. The key goes first: a key without this file has sealed
        nothing.

        Raises:
            OperatorFault: it cannot be moved.
        """
        for path in (self.folder.path(self.key), self.path):
            try:
                if path.exists():
                    path.rename(_free(path))
            except OSError as error:
                raise OperatorFault(f"cannot move {path}: {error.strerror}") from None


def _cut(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The stream in contents of chunks, as `ChunkSealer` cuts it."""
    held = bytearray()
    for part in stream:
        held += part
        while len(held) > CONTENT_BYTES_MAX:
            yield bytes(held[:CONTENT_BYTES_MAX])
            del held[:CONTENT_BYTES_MAX]
    yield bytes(held)


def _segment(value: Any) -> Segment:
    version, first, digests = value["version"], value["first"], value["digests"]
    if type(version) is not int or type(first) is not int:
        raise TypeError
    if not all(type(one) is str and len(one) == _DIGITS for one in digests):
        raise TypeError
    return Segment(version, first, tuple(digests))


def _document(segment: Segment) -> dict[str, Any]:
    return {
        "version": segment.version,
        "first": segment.first,
        "digests": list(segment.digests),
    }


def _free(path: Path) -> Path:
    for number in count(1):
        aside = path.with_name(f"{path.name}.left-{number}")
        if not aside.exists():
            return aside
    raise AssertionError("numbers do not end")
