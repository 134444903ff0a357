"""`strongroom custodian put`: an owner's key, wrapped under both halves or made inside the HSM.

Owns options and words of this command; what is wrapped: node/custodian/wrapping.py; what is made in
the token: node/custodian/handing.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import Header, KeyVersion
from strongroom.enclave.outside.split_key import KeyName
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
from strongroom.node.custodian.answers import HSM
from strongroom.node.custodian.halves import HalfKey
from strongroom.node.custodian.handing import put_handed, rotate_handed, sealing_keys
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.settings import Settings, load_settings
from strongroom.node.custodian.token_keys import TokenKeys
from strongroom.node.custodian.wrapping import piece_keys, put_split, rotate_split
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.key_files import DataKeyFolder
from strongroom.node.vault.sealing import Plan, cut_for, prepare, write, write_container

DIGEST_HEX, LEDGER = 64, "ledger"


@custodian_app.command()
@guarded
def put(
    name: Annotated[str, typer.Argument(metavar="KEY", help="Its name, of custody split or hsm.")],
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
    """Give a key of custody split or hsm its secret, beside its HSM, and seal a file under it.

    split: a data key is wrapped under the HSM's half and a fresh one, which goes to the vault. It
    stays with its owner, in keys/OWNER.vault; it is made when there is none yet. The pieces of a
    key that is given in pieces are sealed under a half of the HSM each.

    hsm: the key is made inside the HSM and never leaves it; what is derived from it in there seals
    the file, and is kept nowhere.

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
    asked = _Asked(name, owner, _digest(digest), plan, rotate, old_until_ms, timeout)
    document = run(_put(settings, service, pin, asked))

    def human() -> None:
        opened = "both halves open it, none alone"
        if document["custody"] == HSM:
            opened = "it stands in the HSM alone"
        say(f"{name}@{document['version']} is {document['state']}: {opened}")
        if plan is not None:
            say(f"container  {plan.target} ({document['pieces']} pieces): may go anywhere")
        if "data_key" in document:
            note(f"its data key stays in {document['data_key']}")

    emit(document, as_json, human)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of one call."""

    name: str
    owner: str
    digest: bytes
    plan: Plan | None
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
        shown = (await client.query("vault.key", key=asked.name)).value
        custody = shown["terms"]["custody"]
        if custody == LEDGER:
            raise ClientFault(
                f"the key's custody is ledger: no HSM has a part in it; give it its secret with "
                f"`strongroom vault {'rotate' if asked.rotate else 'put'} {asked.name} FILE`"
            )
        version = shown["version"] + 1 if asked.rotate else 1
        named = KeyVersion(owner=bytes(client.identity.id), name=asked.name, version=version)
        job = _Job(asked, client, named, shown["terms"]["pieces"], settings.customer)
        if custody == HSM:
            done = await job.hand(TokenKeys(device))
        else:
            keys = ClusterLayout(service.parent).vault(asked.owner)
            done = await job.wrap(half_key(settings, device), keys)
    return {"ok": True, "key": asked.name, "custody": custody, **done}


@dataclass(frozen=True, slots=True)
class _Job:
    """One version of one key, at its HSM."""

    asked: _Asked
    client: Client
    named: KeyVersion
    pieces: int
    """Of its terms."""
    customer: str

    async def hand(self, tokens: TokenKeys) -> dict[str, Any]:
        """Custody hsm."""
        asked, named, chain = self.asked, self.named, self.client.service.chain
        key = KeyName(chain=chain, owner=named.owner, name=named.name, version=named.version)
        await tokens.make(key)
        facts: dict[str, Any] = {}
        digest = asked.digest
        if asked.plan is not None:
            sizes = cut_for(asked.plan, self.pieces)
            own = await sealing_keys(
                tokens,
                chain=chain,
                key=named,
                count=len(sizes),
                in_pieces=bool(self.pieces),
                customer=self.customer,
            )
            header = write_container(asked.plan, chain, named, sizes, own)
            digest, facts = bytes(header.digest), _facts(asked.plan, header)
        if asked.rotate:
            done = await rotate_handed(
                self.client,
                name=named.name,
                version=named.version,
                old_until_ms=asked.old_until_ms,
                digest=digest,
            )
        else:
            done = await put_handed(self.client, name=named.name, digest=digest)
        return {**done, **facts}

    async def wrap(self, halves: HalfKey, folder: Path) -> dict[str, Any]:
        """Custody split."""
        asked, named = self.asked, self.named
        keys = DataKeyFolder(folder, self.client.service.chain)
        facts: dict[str, Any] = {"data_key": str(keys.path(named))}
        digest = asked.digest
        if asked.plan is None:
            data_key = keys.load_or_fresh(named, ask=ask_passphrase)
        else:
            data_key, header = await _sealed(asked.plan, keys, named, halves, self.pieces)
            digest = bytes(header.digest)
            facts |= _facts(asked.plan, header)
        if asked.rotate:
            done = await rotate_split(
                self.client,
                halves,
                name=named.name,
                version=named.version,
                data_key=data_key,
                old_until_ms=asked.old_until_ms,
                digest=digest,
            )
        else:
            done = await put_split(
                self.client, halves, name=named.name, data_key=data_key, digest=digest
            )
        return {**done, **facts}


def _facts(plan: Plan, header: Header) -> dict[str, Any]:
    """What the answer says of a container."""
    return {
        "container": str(plan.target),
        "digest": header.digest.hex(),
        "pieces": len(header.pieces),
    }


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
