"""Sealed files in pieces: what a room opens one piece at a time, each under a key of its own
(VAULT §3).

Owns the bytes of a container, the keys of its pieces, and what is refused of either. Knows neither
files nor leases: whoever has a piece's key opens that piece, and no other. Pure, so that a room may
load it; no core enclave does.

    container = length of the header[4] ‖ header ‖ box 0 ‖ box 1 ‖ …

Key i is HKDF(K; VAULT_PIECE, owner, name, version, i). A box is AES-256-GCM under a key that is
derived from key i and the header's digest, so that two containers under one K share no key; its
AAD is the header's digest ‖ i. The header commits to each piece's plaintext, under the piece's key:
a room that was broken into and kept keys cannot put other pieces under a header that the ledger
knows. Plaintext is padded by quarters of a power of two, and never shorter than 1 KiB.
"""

import hmac
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest
from strongroom.enclave.formats.piece_keys import piece_key
from strongroom.enclave.formats.size_classes import WRITE_SET_BYTES_MIN, unpad
from strongroom.enclave.primitives import TAG_SIZE, DoesNotOpen, Secret, SequenceBox, digest
from strongroom.enclave.text import KEY_NAME_MAX, is_name

CONTAINER_PIECES_MAX = 16_384
PIECE_BYTES_MAX = 16 * 1024 * 1024
"""Plaintext of one piece; whoever opens it holds it whole."""
BOX_BYTES_MAX = PIECE_BYTES_MAX * 5 // 4 + TAG_SIZE
"""The piece, padded, and its tag."""
CONTAINER_HEADER_BYTES_MAX = 1024 * 1024
LENGTH_SIZE = 4
"""Of the number before the header, big-endian."""
SALT_SIZE = 16
_MARK_SIZE = 8
_VERSION_MAX = 2**32 - 1


class NotAContainer(ClientFault):
    """These bytes are no container of sealed pieces."""


class CutShort(ClientFault):
    """A container, or one of its pieces, is shorter than its header says."""


class OtherContainer(ClientFault):
    """A container of another ledger, key or version, or not the one that the ledger knows."""


class WrongKey(ClientFault):
    """The key is not that of this piece."""


class PieceChanged(ClientFault):
    """The key is right and the box does not open: it was changed, moved, or stood under another
    header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One version of one key."""

    owner: bytes
    """The owner's identity, 32 bytes."""
    name: str
    version: int
    """From 1."""

    def __post_init__(self) -> None:
        """Raises NotCanonical: it names no key."""
        codec.sized(self.owner, DIGEST_SIZE, name="owner")
        if not 1 <= len(self.name) <= KEY_NAME_MAX or not is_name(self.name):
            raise NotCanonical(f"a key's name has 1 to {KEY_NAME_MAX} characters")
        if {"/", "@"} & set(self.name):
            raise NotCanonical("a key's name has neither / nor @")
        if codec.unsigned(self.version, name="version", value_max=_VERSION_MAX) < 1:
            raise NotCanonical("a key's versions begin at 1")

    def piece_key(self, secret: Secret, index: int) -> Secret:
        """Key of one piece, from K."""
        return piece_key(secret, self.owner, self.name, self.version, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a header says of one piece."""

    size: int
    """Bytes of its box."""
    mark: bytes
    """Tells its key from any other, 8 bytes."""
    commitment: bytes
    """To its plaintext, under its key, 32 bytes."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The head of a container; what exists is within every bound."""

    chain: ChainId
    key: KeyVersion
    salt: bytes
    pieces: tuple[Piece, ...]

    @cached_property
    def encoded(self) -> bytes:
        """Its one encoding, without the length before it."""
        key, pieces = self.key, self.pieces
        rows = tuple((piece.size, piece.mark, piece.commitment) for piece in pieces)
        return codec.encode(
            (labels.CONTAINER, self.chain, key.owner, key.name, key.version, self.salt, rows)
        )

    @cached_property
    def digest(self) -> Digest:
        """What stands for the whole container: on the ledger, and in every box."""
        return labels.labelled_digest(labels.CONTAINER, self.encoded)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each box begins in the container; last, where the container ends."""
        begins = LENGTH_SIZE + len(self.encoded)
        return tuple(accumulate((piece.size for piece in self.pieces), initial=begins))

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """Raises NotAContainer: it is no header, or beyond a bound."""
        try:
            label, chain, owner, name, version, salt, rows = codec.fields(
                codec.decode(data, size_max=CONTAINER_HEADER_BYTES_MAX),
                *(bytes, bytes, bytes, str, int, bytes, tuple),
                name="header",
            )
            if label != labels.CONTAINER:
                raise NotCanonical("not of this form or version")
            if not rows:
                raise NotCanonical("no piece")
            return cls(
                chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
                key=KeyVersion(owner=owner, name=name, version=version),
                salt=codec.sized(salt, SALT_SIZE, name="salt"),
                pieces=tuple(
                    map(_piece, codec.listed(rows, name="pieces", count_max=CONTAINER_PIECES_MAX))
                ),
            )
        except NotCanonical as fault:
            raise NotAContainer(
                f"no container of sealed pieces ({fault}): name the file that `vault put` wrote"
            ) from None

    def check(self, chain: ChainId, key: KeyVersion, known: bytes = b"") -> None:
        """Is this the container of that key, and the one whose digest the ledger knows (if any)?

        Raises:
            OtherContainer: it is another's.
        """
        if self.chain != chain:
            raise OtherContainer("the container belongs to another ledger: open it there")
        if self.key != key:
            raise OtherContainer(
                f"the container is sealed under {self.key.name}@{self.key.version} of "
                f"id:{self.key.owner.hex()}: ask for that key"
            )
        if known and known != self.digest:
            raise OtherContainer(
                "the ledger knows another container under this key: get the one that was put there"
            )


def header_size(data: bytes) -> int:
    """Bytes of the header, from the first LENGTH_SIZE bytes of a container.

    Raises:
        CutShort: fewer bytes.
        NotAContainer: no header is so long.
    """
    if len(data) < LENGTH_SIZE:
        raise CutShort("the container ends before its header: get it again")
    size = int.from_bytes(data[:LENGTH_SIZE], "big")
    if not 1 <= size <= CONTAINER_HEADER_BYTES_MAX:
        raise NotAContainer("no container of sealed pieces: name the file that `vault put` wrote")
    return size


def open_piece(header: Header, index: int, key: Secret, box: bytes) -> bytes:
    """A piece's plaintext.

    Raises:
        NotAContainer: the header has no such piece.
        WrongKey: the key is of another piece, version or container's owner.
        CutShort: the box has not the size that the header says.
        PieceChanged: the box is not the one that was sealed under this header at this place.
    """
    if not 0 <= index < len(header.pieces):
        raise NotAContainer(f"the container has {len(header.pieces)} pieces, and no piece {index}")
    piece = header.pieces[index]
    if not hmac.compare_digest(mark_of(key, header.salt), piece.mark):
        raise WrongKey(f"this key does not open piece {index}: it is another piece's or version's")
    if len(box) != piece.size:
        raise CutShort(f"piece {index} has {piece.size} bytes, got {len(box)}: get it again")
    try:
        plaintext = unpad(box_of(header, key).open(0, box, aad_of(header, index)))
    except (DoesNotOpen, NotCanonical):
        raise PieceChanged(
            f"piece {index} is not what was sealed: get the container again"
        ) from None
    if not hmac.compare_digest(commitment_of(key, header.salt, plaintext), piece.commitment):
        raise PieceChanged(
            f"piece {index} is not what its header commits to: refuse this container"
        )
    return plaintext


def _piece(row: object) -> Piece:
    size, mark, commitment = codec.fields(row, int, bytes, bytes, name="piece")
    if not WRITE_SET_BYTES_MIN + TAG_SIZE <= size <= BOX_BYTES_MAX:
        raise NotCanonical("a piece beyond its bounds")
    return Piece(
        size=size,
        mark=codec.sized(mark, _MARK_SIZE, name="mark"),
        commitment=codec.sized(commitment, DIGEST_SIZE, name="commitment"),
    )


def box_of(header: Header, key: Secret) -> SequenceBox:
    """The box of one piece: its key is good for this header alone, so that its number may be 0."""
    return SequenceBox(key.derive(labels.CONTAINER_BOX, header.digest))


def aad_of(header: Header, index: int) -> bytes:
    """What a box is bound to: its header and its place."""
    return labels.CONTAINER_BOX + b"\x00" + header.digest + index.to_bytes(8, "big")


def mark_of(key: Secret, salt: bytes) -> bytes:
    """What tells a piece's key from any other, in its header."""
    return key.derive(labels.CONTAINER_MARK, salt).reveal()[:_MARK_SIZE]


def commitment_of(key: Secret, salt: bytes, plaintext: bytes) -> bytes:
    """What a header says of a piece's plaintext, under the piece's key."""
    return key.derive(labels.CONTAINER_COMMITMENT, salt + digest(plaintext)).reveal()
