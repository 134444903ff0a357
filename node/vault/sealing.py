"""Seal a file and give its key to the ledger: what an owner does with a new key, and with a new
version of one.

Owns the order of these steps, so that whatever stops them loses no key: the data key is durable
before the container is written, and the container before the ledger hears of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.pieces import Header, KeyVersion, PieceChanged
from strongroom.enclave.primitives import Secret
from strongroom.node.client.passphrases import Ask
from strongroom.node.vault.containers import open_container, seal_pieces
from strongroom.node.vault.cutting import CannotCut, cut
from strongroom.node.vault.key_files import DataKeyFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be sealed, and where it goes."""

    source: Path
    target: Path
    pieces: str
    """`layers`, or a number."""
    passphrase: str = ""
    """Of the data key's file; nothing: in the clear."""
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the ledger is told, and where the rest lies."""

    secret: Secret
    header: Header
    key_file: Path


def seal(plan: Plan, folder: DataKeyFolder, key: KeyVersion, pieces: int) -> Sealed:
    """Make or find the data key, and seal the file under it.

    A container that an attempt before left whole is taken as it is, if it holds this very file
    under this very key; so the same command may be given again.

    Args:
        plan: what, and where to.
        folder: where the owner keeps data keys.
        key: which version of which key.
        pieces: how many the key's terms demand; 0: any number.

    Raises:
        ClientFault: the file cannot be cut so, or into as many pieces as the terms demand.
        OperatorFault: a file exists and is another, or cannot be read or written.
    """
    cut_so = prepare(plan, folder, key, pieces)
    keys = [key.piece_key(cut_so.secret, index) for index in range(len(cut_so.sizes))]
    return write(plan, folder, key, cut_so, keys)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that may be sealed: where it is cut, under which data key."""

    sizes: list[int]
    secret: Secret


def prepare(plan: Plan, folder: DataKeyFolder, key: KeyVersion, pieces: int) -> Prepared:
    """Cut the file, and make or find the data key; arguments and errors as of `seal`."""
    sizes = cut_for(plan, pieces)
    return Prepared(sizes, folder.load_or_fresh(key, passphrase=plan.passphrase, ask=plan.ask))


def cut_for(plan: Plan, pieces: int) -> list[int]:
    """Where the file is cut, if that is as the key's terms demand; errors as of `seal`."""
    sizes = cut(plan.source, plan.pieces)
    if pieces and len(sizes) != pieces:
        raise CannotCut(
            f"{plan.source} makes {len(sizes)} pieces and the key is of {pieces}: make the key "
            f"with --pieces {len(sizes)}, or cut the file with --pieces {pieces}"
        )
    return sizes


def write(
    plan: Plan, folder: DataKeyFolder, key: KeyVersion, prepared: Prepared, keys: Sequence[Secret]
) -> Sealed:
    """Seal the file, each piece under its key; what an attempt before left whole is taken."""
    header = write_container(plan, folder.chain, key, prepared.sizes, keys)
    return Sealed(prepared.secret, header, folder.path(key))


def write_container(
    plan: Plan, chain: ChainId, key: KeyVersion, sizes: list[int], keys: Sequence[Secret]
) -> Header:
    """Seal the file under keys that are at hand; what an attempt before left whole is taken."""
    if plan.target.exists():
        return _left_before(plan, chain, key, keys, sizes)
    return seal_pieces(plan.source, plan.target, keys=keys, chain=chain, key=key, sizes=sizes)


def _left_before(
    plan: Plan, chain: ChainId, key: KeyVersion, keys: Sequence[Secret], sizes: list[int]
) -> Header:
    try:
        with open_container(plan.target) as container, plan.source.open("rb") as file:
            header = container.header
            header.check(chain, key)
            if len(header.pieces) != len(sizes):
                raise PieceChanged(f"it has {len(header.pieces)} pieces")
            for index, size in enumerate(sizes):
                if container.piece(index, keys[index]) != file.read(size):
                    raise PieceChanged(f"its piece {index} is not the file's")
    except ClientFault as fault:
        raise ClientFault(
            f"{plan.target} exists and is not this file under this key ({fault}): name another "
            "with --out"
        ) from None
    return header
