"""Sealing files in pieces: the side of whoever has the whole key (VAULT §3).

Owns the making of a container's header and boxes, and the cutting of one that is at hand whole. The
form, and how a room opens one piece, stand in pieces.py.
"""

from collections.abc import Sequence
from itertools import pairwise

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.size_classes import pad_write_set
from strongroom.enclave.outside.pieces import (
    CONTAINER_HEADER_BYTES_MAX,
    CONTAINER_PIECES_MAX,
    LENGTH_SIZE,
    PIECE_BYTES_MAX,
    CutShort,
    Header,
    NotAContainer,
    Piece,
    PieceChanged,
    aad_of,
    box_of,
    commitment_of,
    header_size,
    mark_of,
)
from strongroom.enclave.primitives import TAG_SIZE, Secret


class PieceTooLarge(ClientFault):
    """More bytes in a piece, or more pieces, than a container takes."""


def frame_header(header: Header) -> bytes:
    """The first bytes of the container: length and header.

    Raises:
        PieceTooLarge: more pieces than a header holds.
    """
    if (
        not 1 <= len(header.pieces) <= CONTAINER_PIECES_MAX
        or len(header.encoded) > CONTAINER_HEADER_BYTES_MAX
    ):
        raise PieceTooLarge(f"a container has 1 to {CONTAINER_PIECES_MAX} pieces")
    return len(header.encoded).to_bytes(LENGTH_SIZE, "big") + header.encoded


def promise_piece(key: Secret, salt: bytes, plaintext: bytes) -> Piece:
    """What the header will say of a piece; `key` is the piece's.

    Raises:
        PieceTooLarge: the plaintext is longer than PIECE_BYTES_MAX.
    """
    if len(plaintext) > PIECE_BYTES_MAX:
        raise PieceTooLarge(
            f"a piece has at most {PIECE_BYTES_MAX} bytes, got {len(plaintext)}: cut smaller ones"
        )
    size = len(pad_write_set(plaintext)) + TAG_SIZE
    return Piece(size=size, mark=mark_of(key, salt), commitment=commitment_of(key, salt, plaintext))


def seal_piece(header: Header, index: int, key: Secret, plaintext: bytes) -> bytes:
    """A piece's box.

    Raises:
        PieceChanged: it is not the plaintext that the header commits to.
    """
    if promise_piece(key, header.salt, plaintext) != header.pieces[index]:
        raise PieceChanged(f"piece {index} changed while it was sealed: seal the file again")
    return box_of(header, key).seal(0, pad_write_set(plaintext), aad_of(header, index))


def split_container(data: bytes) -> tuple[Header, Sequence[bytes]]:
    """A container that is at hand whole: its header and boxes.

    Raises:
        NotAContainer, CutShort: it is none, or not exactly one.
    """
    ends = LENGTH_SIZE + header_size(data)
    if len(data) < ends:
        raise CutShort("the container ends within its header: get it again")
    header = Header.decode(data[LENGTH_SIZE:ends])
    check_length(header, len(data))
    offsets = header.offsets
    return header, [data[at:end] for at, end in pairwise(offsets)]


def check_length(header: Header, length: int) -> None:
    """Is a container of so many bytes exactly what its header says?

    Raises:
        CutShort: it is shorter.
        NotAContainer: something stands behind it.
    """
    if length < header.offsets[-1]:
        raise CutShort(
            f"the container has {length} of {header.offsets[-1]} bytes: it was cut, get it again"
        )
    if length > header.offsets[-1]:
        raise NotAContainer(f"{length - header.offsets[-1]} bytes stand behind the last piece")
