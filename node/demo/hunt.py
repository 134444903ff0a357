"""Hunting plaintext: every file under a folder, and the memory of processes, for a text raw, in hex
and in base64.

Owns the search and its positive control: a search that would not find what is certainly there
proves nothing.
"""

import errno
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

_CHUNK_BYTES = 4 * 2**20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PIECE_BYTES = 256 * 1024
_ZEROS, _EDGE_BYTES = bytes(PIECE_BYTES), 4096
_TEXT_BYTES_MIN = 8
"""A shorter text turns up by chance."""
_MAP_LINE = re.compile(
    r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) r..(?P<shared>[sp]) \S+ \S+ \S+\s*(?P<name>.*)"
)
_UNREADABLE_MAPS = ("[vvar]", "[vsyscall]", "[vvar_vclock]")


class CannotHunt(OperatorFault):
    """A place cannot be searched, so nothing can be said of it."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """What was looked through, and where each text was found."""

    bytes_searched: int
    """Holes of sparse files and pages without content do not count."""
    places: int
    """Files, or mapped ranges of memory."""
    found: dict[str | bytes, tuple[str, ...]]
    """By text: place and form of each find."""


def forms_of(text: str | bytes) -> dict[str, bytes]:
    """The byte strings that give a text, or secret bytes, away, by name: raw, hex in both cases,
    base64 in its three alignments.

    Raises:
        ValueError: too short to be told from chance.
    """
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) < _TEXT_BYTES_MIN:
        raise ValueError(f"a text to hunt has at least {_TEXT_BYTES_MIN} bytes")
    forms = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    for offset in range(3):
        for name, encode in (("base64", b64encode), ("base64url", urlsafe_b64encode)):
            core = _aligned_core(encode(b"\0" * offset + raw), offset, len(raw))
            if core not in forms.values():
                forms[f"{name}+{offset}"] = core
    return forms


def hunt_files(directory: Path, texts: Iterable[str | bytes]) -> Hunt:
    """Search every file under a folder for some texts at once, also in files longer than memory.

    Raises:
        CannotHunt: a file cannot be read.
    """
    search = _Search(texts)
    for path in sorted(
        path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()
    ):
        try:
            with path.open("rb", buffering=0) as file:
                search.look(str(path.relative_to(directory)), _file_chunks(file.fileno()))
        except FileNotFoundError:
            continue  # deleted since it was listed
        except OSError as fault:
            raise CannotHunt(f"{path} cannot be searched: {fault.strerror}") from None
    return search.result()


def hunt_memory(pid: int, texts: Iterable[str | bytes], *, searched: Path | None = None) -> Hunt:
    """Search everything that a process has mapped readable, through /proc/PID/mem
    (proc_pid_mem(5)).

    Args:
        pid: Whose memory.
        texts: What for.
        searched: A folder whose files are searched as files; shared mappings of them are left out
            here.

    Raises:
        CannotHunt: this user may not read that memory, or the process is gone.
    """
    search = _Search(texts)
    try:
        ranges = list(_readable_ranges(pid, searched))
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for start, end, name in ranges:
                place = f"pid {pid}, {start:x}-{end:x}{' ' if name else ''}{name}"
                search.look(place, _range_chunks(memory.fileno(), start, end))
    except OSError as fault:
        raise CannotHunt(
            f"the memory of process {pid} cannot be searched: {fault.strerror}"
        ) from None
    if search.size == 0:
        raise CannotHunt(f"the memory of process {pid} gave no byte: it has ended")
    return search.result()


class _Search:
    """Texts that are looked for in one place after the other."""

    def __init__(self, texts: Iterable[str | bytes]) -> None:
        self.size, self.places = 0, 0
        self._found: dict[str | bytes, list[str]] = {text: [] for text in texts}
        self._needles = [
            (text, form, needle) for text in self._found for form, needle in forms_of(text).items()
        ]
        self._overlap = max(len(needle) for _, _, needle in self._needles) - 1

    def look(self, place: str, chunks: Iterable[bytes]) -> None:
        """Look through one place; what lies across two chunks is found too."""
        tail, finds = b"", dict[tuple[str | bytes, str], None]()
        for chunk in chunks:
            self.size += len(chunk)
            window = tail + chunk
            finds.update(
                {(text, form): None for text, form, needle in self._needles if needle in window}
            )
            tail = window[-self._overlap :]
        self.places += 1
        for text, form in finds:
            self._found[text].append(f"{place} ({form})")

    def result(self) -> Hunt:
        """All of it."""
        return Hunt(
            self.size, self.places, {text: tuple(finds) for text, finds in self._found.items()}
        )


def _aligned_core(encoded: bytes, offset: int, size: int) -> bytes:
    """The characters of a base64 text that depend on nothing but the `size` bytes after `offset`
    others."""
    first = -(-offset * 8 // 6)
    last = (offset + size) * 8 // 6
    return encoded[first:last]


def _file_chunks(descriptor: int) -> Iterator[bytes]:
    """A file's bytes without its holes (lseek(2), SEEK_DATA), each hole told as one zero byte."""
    position, end = 0, os.fstat(descriptor).st_size
    while position < end:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as fault:
            if fault.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        if start > position:
            yield b"\0"
        position, stop = start, os.lseek(descriptor, start, os.SEEK_HOLE)
        while position < stop and (
            chunk := os.pread(descriptor, min(_CHUNK_BYTES, stop - position), position)
        ):
            yield chunk
            position += len(chunk)
        position = max(position, stop)


def _readable_ranges(pid: int, searched: Path | None) -> Iterator[tuple[int, int, str]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        match = _MAP_LINE.match(line)
        if match is None or match["name"] in _UNREADABLE_MAPS:
            continue
        if (
            match["shared"] == "s"
            and searched is not None
            and Path(match["name"]).is_relative_to(searched)
        ):
            continue
        yield int(match["start"], 16), int(match["end"], 16), match["name"]


def _range_chunks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """A range's bytes; pages that hold none (unmapped meanwhile, or behind a mapped file's end) are
    stepped over."""
    while start < end:
        try:
            chunk = os.pread(descriptor, min(_CHUNK_BYTES, end - start), start)
        except OSError:
            chunk = b""
        yield from without_empty(chunk)
        start += len(chunk) or _PAGE_BYTES


def without_empty(chunk: bytes) -> Iterator[bytes]:
    """A chunk in pieces; of a piece of zeros only as many as a text's edge may hold, for searching
    them takes longest and finds nothing."""
    for start in range(0, len(chunk), PIECE_BYTES):
        piece = chunk[start : start + PIECE_BYTES]
        yield piece if piece != _ZEROS[: len(piece)] else piece[:_EDGE_BYTES]
