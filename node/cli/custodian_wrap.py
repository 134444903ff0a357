"""An owner's key, wrapped under both halves or made inside the HSM: `strongroom custodian put`.

Owns its order; options stand in custodian_keys.py, what it does of each custody in
custodian_versions.py.
"""

from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.node.cli.common import (
    ask_passphrase,
)
from strongroom.node.cli.custodian_device import (
    half_key,
    open_device,
    pin_of,
    service_file,
)
from strongroom.node.cli.custodian_versions import Asked, Making
from strongroom.node.cli.vault_sealing import container_path
from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.custodian.answers import HSM
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.custodian.token_keys import TokenKeys
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.sealing import Plan

DIGEST_HEX = 64


def put(
    name: str,
    file: Path | None,
    owner: str,
    folder: Path,
    digest: str,
    pieces: str,
    out: Path | None,
    for_import: bool,
    rotate: bool,
    old_until_ms: int,
    pin_file: Path | None,
    pin_fd: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Give the key its secret."""
    settings = load_settings(folder)
    service = service_file(settings)
    pin = pin_of(pin_file, pin_fd, settings.customer)
    if file is not None and digest:
        raise ClientFault("--digest is of a container that exists: leave it out, or FILE")
    plan = None
    if file is not None:
        target = container_path(file, out)
        plan = Plan(source=file, target=target, pieces=pieces, ask=ask_passphrase)
    if for_import and plan is not None:
        raise ClientFault("--for-import seals nothing: its data key is not kept")
    asked = Asked(name, owner, _digest(digest), plan, for_import, rotate, old_until_ms, timeout)
    document = run(_put(settings, service, pin, asked))

    def human() -> None:
        opened = "both halves open it, none alone"
        if document["custody"] == HSM:
            opened = "its key stands in the HSM alone"
        say(f"{name}@{document['version']} is {document['state']}: {opened}")
        if plan is not None:
            say(f"container  {plan.target} ({document['pieces']} pieces): may go anywhere")
        if for_import:
            note("nobody has its data key: let a room import one (docs/custodian.md, part 7)")
        elif document["data_key"]:
            note(f"its data key stays in {document['data_key']}")

    emit(document, as_json, human)


async def _put(settings: Settings, service: Path, pin: Pin, asked: Asked) -> dict[str, Any]:
    async with (
        Client.connect(
            service, asked.owner, passphrase=ask_passphrase, timeout=asked.timeout
        ) as client,
        open_device(settings, pin) as device,
    ):
        shown = (await client.query("vault.key", key=asked.name)).value
        asked.check(shown, _custodian(settings, service))
        custody = shown["terms"]["custody"]
        version = shown["version"] + 1 if asked.rotate else 1
        named = KeyVersion(owner=bytes(client.identity.id), name=asked.name, version=version)
        making = Making(asked, client, named, shown["terms"]["pieces"], settings.customer)
        if custody == HSM:
            done = await making.in_token(TokenKeys(device))
        else:
            keys = ClusterLayout(service.parent).vault(asked.owner)
            done = await making.under_halves(half_key(settings, device), keys)
    return {"ok": True, "key": asked.name, "custody": custody, **done}


def _custodian(settings: Settings, service: Path) -> str:
    """Whose HSM it is, as ``id:HEX``; for this no passphrase is needed."""
    own = KeyFolder(ClusterLayout(service.parent).keys).show(settings.identity)
    return f"id:{own.id.hex()}"


def _digest(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b"?"
    if text and (len(text) != DIGEST_HEX or data.hex() != text):
        raise ClientFault(f"--digest: expected {DIGEST_HEX} lowercase hex digits")
    return data
