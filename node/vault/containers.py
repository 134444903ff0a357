"""Containers as files: a file is sealed and opened piece by piece, so that it may be larger than
memory.

Owns files and their order of writing. What the bytes mean, and what is refused of them, stands in
enclave/outside/pieces.py.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.pieces import (
    LENGTH_SIZE,
    SALT_SIZE,
    CutShort,
    Header,
    KeyVersion,
    NotAContainer,
    PieceChanged,
    check_length,
    frame_header,
    header_size,
    open_piece,
    promise_piece,
    seal_piece,
)
from strongroom.enclave.primitives import Secret, random_bytes
from strongroom.node.machine.durable_files import fsync_directory


def seal_file(
    source: Path,
    target: Path,
    *,
    secret: Secret,
    chain: ChainId,
    key: KeyVersion,
    sizes: Sequence[int],
) -> Header:
    """Seal a file into a new container; it is read twice, a piece at a time.

    Args:
        source: the plaintext.
        target: the container; it stands whole and durable, or not at all.
        secret: K.
        chain: of the ledger that will give the keys.
        key: whose K it is.
        sizes: bytes of each piece, together the whole file (cutting.py).

    Raises:
        OperatorFault: the target exists, or a file cannot be read or written.
        PieceTooLarge: more or larger pieces than a container takes.
        PieceChanged, CutShort: the file changed while it was read.
    """
    keys = [key.piece_key(secret, index) for index in range(len(sizes))]
    return seal_pieces(source, target, keys=keys, chain=chain, key=key, sizes=sizes)


def seal_pieces(
    source: Path,
    target: Path,
    *,
    keys: Sequence[Secret],
    chain: ChainId,
    key: KeyVersion,
    sizes: Sequence[int],
) -> Header:
    """Seal a file, each piece under a key that is at hand; otherwise as `seal_file`."""
    if target.exists():
        raise OperatorFault(f"{target} exists: name another file with --out, or move it away")
    salt = random_bytes(SALT_SIZE)
    with _faults(source), source.open("rb") as file:
        promised = tuple(
            promise_piece(own, salt, _exactly(file, size, source))
            for own, size in zip(keys, sizes, strict=True)
        )
        if file.read(1):
            raise PieceChanged(f"{source} grew while it was sealed: seal it again")
        header = Header(chain=chain, key=key, salt=salt, pieces=promised)
        file.seek(0)
        with _new_file(target) as sealed:
            sealed.write(frame_header(header))
            for index, (own, size) in enumerate(zip(keys, sizes, strict=True)):
                sealed.write(seal_piece(header, index, own, _exactly(file, size, source)))
    return header


class Container:
    """A container in a file: its header, and one box at a time."""

    def __init__(self, file: BinaryIO, path: Path, header: Header) -> None:
        self._file, self._path, self.header = file, path, header

    def box(self, index: int) -> bytes:
        """One box, still sealed.

        Raises:
            NotAContainer: there is no such piece.
            CutShort: the file was cut since it was opened.
        """
        if not 0 <= index < len(self.header.pieces):
            raise NotAContainer(f"{self._path} has {len(self.header.pieces)} pieces, none {index}")
        self._file.seek(self.header.offsets[index])
        return _exactly(self._file, self.header.pieces[index].size, self._path)

    def piece(self, index: int, key: Secret) -> bytes:
        """A piece's plaintext; errors as of `open_piece` and `box`."""
        return open_piece(self.header, index, key, self.box(index))


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a container, and check that it is whole.

    Raises:
        NotAContainer, CutShort: it is none, or not exactly one.
        OperatorFault: it cannot be read.
    """
    with _faults(path), path.open("rb") as file:
        size = header_size(file.read(LENGTH_SIZE))
        header = Header.decode(_exactly(file, size, path))
        check_length(header, os.fstat(file.fileno()).st_size)
        yield Container(file, path, header)


def open_file(source: Path, target: Path, secret: Secret) -> Header:
    """Write the plaintext of a whole container, for its owner only (mode 0600); it stands whole, or
    not at all.

    Raises:
        OperatorFault: the target exists, or a file cannot be read or written.
        ClientFault: the container does not open with this K.
    """
    with open_container(source) as container, _new_file(target) as opened:
        for index in range(len(container.header.pieces)):
            own = container.header.key.piece_key(secret, index)
            opened.write(container.piece(index, own))
    return container.header


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise CutShort(f"{path} ends too early: it was cut, or changed while it was read")
    return data


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, written beside its place and named when it is whole and durable; one that exists
    is never overwritten."""
    with _faults(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)
        except FileExistsError:
            raise OperatorFault(f"{path} exists: name another file") from None
        finally:
            temporary.unlink(missing_ok=True)
        fsync_directory(path.parent)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorFault(f"{error.filename or path}: {error.strerror}") from None
