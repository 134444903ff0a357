"""`strongroom custodian put`: an owner's key, wrapped under its HSM's half and the ledger's.

Owns options and words of this command; what is wrapped: node/custodian/wrapping.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import Header, KeyVersion
from strongroom.enclave.primitives import Secret
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
from strongroom.node.cli.vault_sealing import OutOption, PiecesOption
from strongroom.node.client.client import Client
from strongroom.node.custodian.halves import HalfKey
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.custodian.wrapping import piece_keys, put_split, rotate_split
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.key_files import DataKeyFolder
from strongroom.node.vault.sealing import Plan, prepare, write

DIGEST_HEX, SPLIT = 64, "split"


@custodian_app.command()
@guarded
def put(
    name: Annotated[str, typer.Argument(metavar="KEY", help="Its name, of custody split.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="What is sealed under it, if anything.")
    ] = None,
    *,
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Whose key it is.")],
    folder: FolderOption = DEFAULT_DIR,
    digest: Annotated[
        str, typer.Option("--digest", metavar="HEX", help="Of the container sealed under it.")
    ] = "",
    pieces: PiecesOption = "layers",
    out: OutOption = None,
    for_import: Annotated[
        bool,
        typer.Option("--for-import", help="A data key that nobody keeps: a room will import one."),
    ] = False,
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
    """Wrap a data key under the HSM's half and a fresh one, which goes to the vault; seal a file.

    The data key stays with its owner, in keys/OWNER.vault; it is made when there is none yet. The
    pieces of a key that is given in pieces are sealed under a half of the HSM each.

    Example: strongroom custodian put design bear.gcode --owner maker --pin-file pin
    """
    settings = load_settings(folder)
    service = service_file(settings)
    pin = pin_of(pin_file, pin_fd, settings.customer)
    if file is not None and digest:
        raise ClientFault("--digest is of a container that exists: leave it out, or FILE")
    target = out or (file and file.with_name(file.name + ".sealed")) or None
    plan = None
    if file is not None and target is not None:
        plan = Plan(source=file, target=target, pieces=pieces, ask=ask_passphrase)
    if for_import and plan is not None:
        raise ClientFault("--for-import seals nothing: its data key is not kept")
    asked = _Asked(name, owner, _digest(digest), plan, for_import, rotate, old_until_ms, timeout)
    document = run(_put(settings, service, pin, asked))

    def human() -> None:
        say(f"{name}@{document['version']} is {document['state']}: both halves open it, none alone")
        if plan is not None:
            say(f"container  {plan.target} ({document['pieces']} pieces): may go anywhere")
        if for_import:
            note("nobody has its data key: let a room import one (docs/custodian.md, part 7)")
        else:
            note(f"its data key stays in {document['data_key']}")

    emit(document, as_json, human)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of one call."""

    name: str
    owner: str
    digest: bytes
    plan: Plan | None
    for_import: bool
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
        custody = shown["terms"]["custody"]
        if custody != SPLIT:
            raise ClientFault(
                f"the key's custody is {custody}: make one with `vault new --custody split`"
            )
        version = shown["version"] + 1 if asked.rotate else 1
        named = KeyVersion(owner=bytes(client.identity.id), name=asked.name, version=version)
        keys = DataKeyFolder(ClusterLayout(service.parent).vault(asked.owner), client.service.chain)
        facts: dict[str, Any] = {}
        digest = asked.digest
        if asked.for_import:
            data_key = Secret.fresh()
        elif asked.plan is None:
            data_key = keys.load_or_fresh(named, ask=ask_passphrase)
        else:
            data_key, header = await _sealed(
                asked.plan, keys, named, halves, shown["terms"]["pieces"]
            )
            digest = bytes(header.digest)
            facts = {
                "container": str(asked.plan.target),
                "digest": header.digest.hex(),
                "pieces": len(header.pieces),
            }
        if asked.rotate:
            done = await rotate_split(
                client,
                halves,
                name=asked.name,
                version=version,
                data_key=data_key,
                old_until_ms=asked.old_until_ms,
                digest=digest,
            )
        else:
            done = await put_split(
                client, halves, name=asked.name, data_key=data_key, digest=digest
            )
    kept = "" if asked.for_import else str(keys.path(named))
    return {"ok": True, "key": asked.name, **done, **facts, "data_key": kept}


async def _sealed(
    plan: Plan, keys: DataKeyFolder, key: KeyVersion, halves: HalfKey, pieces: int
) -> tuple[Secret, Header]:
    """The file in its container; (K, header)."""
    prepared = prepare(plan, keys, key, pieces)
    own = await piece_keys(
        prepared.secret,
        halves,
        chain=keys.chain,
        key=key,
        count=len(prepared.sizes),
        in_pieces=bool(pieces),
    )
    sealed = write(plan, keys, key, prepared, own)
    return sealed.secret, sealed.header


def _digest(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b"?"
    if text and (len(text) != DIGEST_HEX or data.hex() != text):
        raise ClientFault(f"--digest: expected {DIGEST_HEX} lowercase hex digits")
    return data
