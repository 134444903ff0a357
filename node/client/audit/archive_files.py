"""An archive against its own manifest: are these the files that a node put there, all of them, one
after the other?

Owns that comparison. It needs no pin, and proves nothing of what the files hold: `verify ledger`
reads them together with the node's newest segments, against the pin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.node.ledger.archive.folder import Listed, Manifest, NoManifest, hash_of_file


@dataclass(frozen=True, slots=True)
class CheckedArchive:
    """What was found to be there."""

    node: str
    chain: str
    """Hex."""
    segments: int
    size: int
    """Bytes of them."""
    last: int
    """Height of the last block; 0 when there is none."""


def check_archive(directory: Path, progress: Callable[[int], None]) -> CheckedArchive:
    """Read every file that the manifest names.

    Args:
        directory: the archive.
        progress: told the last height of each segment.

    Raises:
        ReceiptInvalid: ``cannot check``: there is no manifest; ``incomplete``: a file is missing,
            or a height between two; ``forged``: a file is not what it was.
    """
    try:
        manifest = Manifest.read(directory)
    except NoManifest as reason:
        raise ReceiptInvalid(
            f"{directory}: {reason}: name the folder of one node's archive", verdict="cannot check"
        ) from None
    except OSError as error:
        raise ReceiptInvalid(
            f"cannot read {directory}: {error.strerror}", verdict="cannot check"
        ) from None
    height, size = 0, 0
    for one in manifest.listed():
        if one.first != height + 1:
            raise ReceiptInvalid(
                f"{directory}: no segment has heights {height + 1} to {one.first - 1}",
                verdict="incomplete",
            )
        _check_file(directory, one)
        height, size = one.last, size + one.size
        progress(height)
    segments = len(manifest.segments)
    return CheckedArchive(manifest.node, manifest.chain, segments, size, height)


def _check_file(directory: Path, listed: Listed) -> None:
    path = directory / Path(listed.file).name
    heights = f"heights {listed.first} to {listed.last}"
    try:
        found = hash_of_file(path)
    except OSError as error:
        raise ReceiptInvalid(
            f"{path} ({heights}): {error.strerror}: put a copy there", verdict="incomplete"
        ) from None
    if found != (listed.size, listed.digest):
        raise ReceiptInvalid(
            f"{path} ({heights}) is not what was archived, its SHA-256 is {found[1].hex()}: put an "
            "intact copy there"
        )
