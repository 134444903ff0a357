"""Where a file is cut into pieces: at the layers of G-code, or in so many equal parts.

Owns the marks by which slicers begin a layer. Reads line by line, so that a design of any size is
cut in little memory; whether pieces fit a container is the container's to say.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.outside.pieces import CONTAINER_PIECES_MAX, PIECE_BYTES_MAX

LAYERS = "layers"
"""The word for `cut_layers`."""
_LINE_BYTES_MAX = 64 * 1024
"""A longer line is read in parts; no mark is so long."""
_LAYER = re.compile(rb"\s*;\s*(?:LAYER_CHANGE|LAYER:\s*\d+|layer \d+)", re.ASCII)
"""How PrusaSlicer and OrcaSlicer, Cura, and Simplify3D begin a layer."""


class CannotCut(ClientFault):
    """A file cannot be cut as was asked."""


def cut(path: Path, how: str) -> list[int]:
    """Bytes of each piece, in order, together the whole file.

    Args:
        path: the file.
        how: `layers`, or the number of pieces as text.

    Raises:
        CannotCut: no layer in it, no such number, or more pieces than a container takes.
        OperatorFault: it cannot be read.
    """
    try:
        size = path.stat().st_size
        sizes = cut_layers(path) if how == LAYERS else cut_evenly(size, _number(how))
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    if len(sizes) > CONTAINER_PIECES_MAX:
        raise CannotCut(
            f"{len(sizes)} pieces, at most {CONTAINER_PIECES_MAX}: cut it in fewer, --pieces N"
        )
    if max(sizes) > PIECE_BYTES_MAX:
        raise CannotCut(
            f"a piece of {max(sizes)} bytes, at most {PIECE_BYTES_MAX}: cut it in more, --pieces N"
        )
    return sizes


def cut_layers(path: Path) -> list[int]:
    """A piece per layer; what stands before the first layer belongs to it, and what follows the
    last one to that.

    Raises:
        CannotCut: no layer begins in it.
        OSError: it cannot be read.
    """
    begins = [at for at, line in _lines(path) if _LAYER.match(line)]
    if not begins:
        raise CannotCut(
            f"no layer begins in {path}: it wants marks like `;LAYER_CHANGE` or `;LAYER:3`; "
            "cut it in equal parts with --pieces N"
        )
    bounds = [0, *begins[1:], path.stat().st_size]
    return [end - begin for begin, end in pairwise(bounds)]


def cut_evenly(size: int, count: int) -> list[int]:
    """So many pieces, none of which is more than a byte longer than another.

    Raises:
        CannotCut: fewer bytes than pieces.
    """
    if size < count:
        raise CannotCut(f"{size} bytes do not make {count} pieces")
    bounds = [size * index // count for index in range(count + 1)]
    return [end - begin for begin, end in pairwise(bounds)]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    at, whole = 0, True
    with path.open("rb") as file:
        while line := file.readline(_LINE_BYTES_MAX):
            if whole:
                yield at, line
            at, whole = at + len(line), line.endswith(b"\n")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= CONTAINER_PIECES_MAX:
        raise CannotCut(
            f"--pieces {text}: write {LAYERS}, or a number from 1 to {CONTAINER_PIECES_MAX}"
        )
    return int(text)
