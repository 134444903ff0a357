"""What a shell is told at a TAB: names of nodes and identities, the newest transactions.

Owns which names may leave a folder: those of the form that the project itself gives, so that no
file name reaches a shell as anything else. Loads next to nothing and says nothing but candidates:
somebody waits. Options and words stand in the scripts (completions/).
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

ANSWERS_MAX = 256
IDS_MAX = 64
BLOCKS_READ_MAX = 64
BLOCK_BYTES_MAX = 1024 * 1024
_NODE = re.compile(r"n\d{1,4}")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_BEFORE_PAYLOAD = 4 + 4 + 4 + 1 + 8
"""Bytes of a record's frame, its type and its height (node/ledger/frames.py, segments.py)."""
_DIGITS = re.compile(r"[0-9a-f]{0,64}")


def answer(arguments: Sequence[str]) -> None:
    """Print candidates for KIND DIR TYPED, a line each; nothing at all where something is wrong.

    Args:
        arguments: of `strongroom _complete`: `node`, `identity` or `id`; the folder that the line
            names, or nothing; what is typed.
    """
    kind, folder, typed = (*arguments, "", "", "")[:3]
    directory = Path(folder or os.environ.get("STRONGROOM_DIR") or "strongroom-data")
    look = {"node": _nodes, "identity": _identities, "id": _ids}.get(kind)
    if look is None:
        return
    try:
        found = sorted(look(directory, typed))[:ANSWERS_MAX]
        sys.stdout.write("".join(f"{one}\n" for one in found))
    except Exception:  # noqa: S110 (a shell in the middle of a line is told nothing)
        pass


def _nodes(directory: Path, typed: str) -> Iterator[str]:
    for entry in os.listdir(directory):
        if _NODE.fullmatch(entry) and entry.startswith(typed):
            yield entry


def _identities(directory: Path, typed: str) -> Iterator[str]:
    for entry in os.listdir(directory / "keys"):
        name = entry.removesuffix(".json")
        if name != entry and _IDENTITY.fullmatch(name) and name.startswith(typed):
            yield name


def _ids(directory: Path, typed: str) -> Iterator[str]:
    """Of the newest transactions that a node in this folder executed: those that begin so."""
    if not _DIGITS.fullmatch(typed):
        return
    from strongroom.node.layout import ClusterLayout  # loaded for this alone

    if not ClusterLayout(directory).service.is_file():
        return
    for name in sorted(_nodes(directory, "")):
        if (directory / name / "index" / "data.mdb").is_file():
            found = (id for id in _newest(directory / name) if id.startswith(typed))
            yield from islice(dict.fromkeys(found), IDS_MAX)
            return


def _newest(node: Path) -> Iterator[str]:
    """The ids of the newest executed blocks: the index names those blocks, no ids. What comes of
    pages that a running node changes meanwhile is another candidate, or none."""
    from strongroom.node.ledger.block_record import ids_of
    from strongroom.node.ledger.index_view import IndexView
    from strongroom.node.ledger.segments import Kind

    with IndexView(node / "index") as index:
        newest = index.newest().outcome
        for height in range(newest, max(0, newest - BLOCKS_READ_MAX), -1):
            place = index.place(Kind.BLOCK, height)
            if place is None:
                return
            if place.size <= BLOCK_BYTES_MAX:
                path = node / "ledger" / f"blocks-{place.segment:012d}.log"
                if not path.is_file():  # to open a FIFO is to wait for whoever writes into it
                    return
                with path.open("rb") as file:
                    file.seek(place.offset + _BEFORE_PAYLOAD)
                    yield from map(bytes.hex, ids_of(file.read(place.size - _BEFORE_PAYLOAD)))
