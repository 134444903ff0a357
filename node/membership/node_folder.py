"""The folder of one operator's node on its own machine: configuration, connection key, chip.

Owns that it is made whole or not at all. What the organisation says of it to others is
ceremony_steps.py's; how it joins a running service, joining.py's.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.outside.manufacturer import MANUFACTURER_FILE, Manufacturer
from strongroom.node import tls
from strongroom.node.config import NodeConfig, dumps, load
from strongroom.node.layout import NodeLayout
from strongroom.node.machine.durable_files import fsync_directory, make_directory


async def make_folder(
    config: NodeConfig,
    *,
    platform: Path | None = None,
    then: Callable[[NodeLayout], Awaitable[None]] | None = None,
) -> None:
    """Make the folder that a configuration names.

    Args:
        config: the node's; its folder does not exist yet, or is empty.
        platform: folder of the simulated manufacturer whose chip it gets, made when it is missing;
            None: no chip.
        then: what else is done in it before it is seen.

    Raises:
        OperatorFault: the folder exists, or a file is not as it must be.
    """
    final = config.directory
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise OperatorFault(f"{final} exists: edit it and check it with --check, or name another")
    make_directory(final.parent)
    _remove_leftovers(final)
    draft = Path(tempfile.mkdtemp(prefix=_draft_prefix(final), dir=final.parent))
    layout = NodeLayout(draft)
    held = _hold(draft)
    try:
        hosts = [config.rpc.host, config.peer.host, config.told_rpc.host, config.told_peer.host]
        tls.write_identity(
            tls.make_certificate(config.name, [host for host in hosts if host]),
            certificate=layout.tls_certificate,
            key=layout.tls_key,
        )
        layout.config.write_text(dumps(config, base=final), encoding="utf-8")
        load(layout.config)
        if platform is not None:
            manufacturer_of(platform).make_chip().save(layout.chip)
        if then is not None:
            await then(layout)
        if final.exists():
            final.rmdir()
        draft.rename(final)
        fsync_directory(final.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.close(held)


def _draft_prefix(final: Path) -> str:
    return f".{final.name}.making-"


def _hold(draft: Path) -> int:
    """So that nobody takes it for a leftover; the kernel lets go of it when this process dies."""
    held = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held


def _remove_leftovers(final: Path) -> None:
    """Drafts of makers that were killed: nobody has seen what is in them."""
    for draft in final.parent.iterdir():
        if not draft.name.startswith(_draft_prefix(final)) or draft.is_symlink():
            continue
        with suppress(OSError):
            held = _hold(draft)
            shutil.rmtree(draft, ignore_errors=True)
            os.close(held)


def manufacturer_of(folder: Path) -> Manufacturer:
    """The simulated manufacturer of a folder; a new one where there is none yet.

    Raises:
        OperatorFault: it is damaged.
    """
    if not (folder / MANUFACTURER_FILE).exists():
        make_directory(folder)
        Manufacturer.create().save(folder)
    return Manufacturer.load(folder)
