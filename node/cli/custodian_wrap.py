"""`strongroom custodian put`: an owner's key, wrapped under its HSM's half and the ledger's.

Owns options and words of this command; what is wrapped: node/custodian/wrapping.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.node.cli.common import TIMEOUT_SECONDS, TimeoutOption, ask_passphrase
from strongroom.node.cli.custodian import (
    DEFAULT_DIR,
    FolderOption,
    PinDescriptorOption,
    PinFileOption,
    custodian_app,
    half_key,
    open_device,
    pin_of,
    service_file,
)
from strongroom.node.client.client import Client
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.custodian.wrapping import put_split, rotate_split
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.key_files import DataKeyFolder

DIGEST_HEX = 64


@custodian_app.command()
@guarded
def put(
    name: Annotated[str, typer.Argument(metavar="KEY", help="Its name, of custody split.")],
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Whose key it is.")],
    folder: FolderOption = DEFAULT_DIR,
    digest: Annotated[
        str, typer.Option("--digest", metavar="HEX", help="Of the container sealed under it.")
    ] = "",
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make the next version of a key that has one.")
    ] = False,
    old_until_ms: Annotated[
        int, typer.Option("--old-until-ms", min=0, help="With --rotate: how long the old opens.")
    ] = 0,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Wrap a data key under the HSM's half and a fresh one, which goes to the vault.

    The data key stays with its owner, in keys/OWNER.vault; it is made when there is none yet.

    Example: strongroom custodian put design --owner maker --pin-file pin
    """
    settings = load_settings(folder)
    service = service_file(settings)
    pin = pin_of(pin_file, pin_fd, settings.customer)
    asked = _Asked(name, owner, _digest(digest), rotate, old_until_ms, timeout)
    document = run(_put(settings, service, pin, asked))

    def human() -> None:
        say(f"{name}@{document['version']} is {document['state']}: both halves open it, none alone")
        note(f"its data key stays in {document['data_key']}")

    emit(document, as_json, human)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of one call."""

    name: str
    owner: str
    digest: bytes
    rotate: bool
    old_until_ms: int
    timeout: float


async def _put(settings: Settings, service: Path, pin: Pin, asked: _Asked) -> dict[str, Any]:
    async with (
        Client.connect(
            service, asked.owner, passphrase=ask_passphrase, timeout=asked.timeout
        ) as client,
        open_device(settings, pin) as device,
    ):
        halves = half_key(settings, device)
        shown = (await client.query("vault.key", key=asked.name)).value
        version = shown["version"] + 1 if asked.rotate else 1
        named = KeyVersion(owner=bytes(client.identity.id), name=asked.name, version=version)
        keys = DataKeyFolder(ClusterLayout(service.parent).vault(asked.owner), client.service.chain)
        data_key = keys.load_or_fresh(named, ask=ask_passphrase)
        if asked.rotate:
            done = await rotate_split(
                client,
                halves,
                name=asked.name,
                version=version,
                data_key=data_key,
                old_until_ms=asked.old_until_ms,
            )
        else:
            done = await put_split(
                client, halves, name=asked.name, data_key=data_key, digest=asked.digest
            )
    return {"ok": True, "key": asked.name, **done, "data_key": str(keys.path(named))}


def _digest(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b"?"
    if text and (len(text) != DIGEST_HEX or data.hex() != text):
        raise ClientFault(f"--digest: expected {DIGEST_HEX} lowercase hex digits")
    return data
