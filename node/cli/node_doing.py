"""What `strongroom node init | admit | run` do on a node's own machine.

Owns their words and documents; options: node.py. The host process itself is `python -m
strongroom.node run`.
"""

import os
import sys
from pathlib import Path
from typing import Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.cli.common import ask_passphrase
from strongroom.node.client.identities import KeyFolder, NoSuchIdentity
from strongroom.node.config import Address, NodeConfig, Peer
from strongroom.node.credentials import Credential
from strongroom.node.layout import NodeLayout
from strongroom.node.membership.ceremony_card_judging import check_form, check_plain, judge_card
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_party import Party, make_card, read
from strongroom.node.membership.node_folder import make_folder
from strongroom.node.membership.node_keys import operator_file
from strongroom.node.organisations import Organisation, Quota, organisation_lines
from strongroom.node.terminal.commands import run as run_to_end
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say


def init(
    directory: Path,
    rpc: str,
    peer: str,
    announce_rpc: str | None,
    announce_peer: str | None,
    health: str | None,
    operator: str | None,
    member: str | None,
    region: str | None,
    country: str,
    platform: Path | None,
    peers: list[str] | None,
    genesis: Path | None,
    archive: ArchiveSettings | None,
    check: bool,
    as_json: bool,
) -> None:
    """The command of this name in node.py."""
    layout = NodeLayout(directory.absolute())
    if check:
        _emit_config(layout.config, node_config.load(layout.config), as_json)
        return
    if layout.config.exists():
        raise OperatorFault(f"{layout.config} exists: edit it and check it with --check")
    config = NodeConfig(
        name=layout.name,
        directory=layout.directory,
        genesis=genesis.absolute() if genesis else layout.cluster.genesis,
        rpc=address_option("--rpc", rpc),
        peer=address_option("--peer", peer),
        peers=tuple(_peer(text) for text in peers or []),
        health=None if health is None else address_option("--health", health),
        announce_rpc=_announced("--announce-rpc", announce_rpc, rpc),
        announce_peer=_announced("--announce-peer", announce_peer, peer),
        archive=archive,
    )
    if operator is None:
        run_to_end(make_folder(config))
        _emit_config(layout.config, node_config.load(layout.config), as_json)
        note(
            "nobody may submit at it yet: strongroom node admit "
            f"ORGANISATION --config {layout.config} -o FILE"
        )
        return
    if region is None:
        raise OperatorFault("--region: an operator says where the node stands")
    card = run_to_end(
        _make_organisation(config, operator, member or operator, region, country, platform)
    )
    document = {
        **_config_document(layout.config, node_config.load(layout.config)),
        "card": str(layout.ceremony.card),
        "card_digest": card.digest.hex(),
        "operator": card.operator,
        "member": card.member,
    }

    def human() -> None:
        say(f"{layout.directory}: made, on a SIMULATED chip")
        say(f"card {card.digest.hex()}")
        say(f"  {layout.ceremony.card} goes to every other organisation; read them the digest")
        say("then: strongroom found propose, or strongroom node join --pin")

    emit(document, as_json, human)


async def _make_organisation(
    config: NodeConfig,
    operator: str,
    member: str,
    region: str,
    country: str,
    platform: Path | None,
) -> Card:
    """Folder, keys and card of a node whose operator takes part in a founding, or joins."""
    # All that can be refused is, before the first file is made.
    for what, name in (("operator", operator), ("member", member), ("node", config.name)):
        check_plain(operator, what, name)
    check_form(region, country)
    cluster = NodeLayout(config.directory).cluster
    keys = KeyFolder(cluster.keys)
    made = [_key(keys, name) for name in (operator_file(operator), member)]
    if not cluster.credential.exists():
        Credential.fresh().save(cluster.credential)
    digest = Credential.load(cluster.credential).digest
    cards: list[bytes] = []

    async def write_card(layout: NodeLayout) -> None:
        party = Party(layout=layout, operator=made[0].key, member=made[1].key)
        card = await make_card(
            party,
            operator=operator,
            member=member,
            region=region,
            country=country,
            credential=Digest(digest),
        )
        cards.append(card)

    await make_folder(config, platform=platform or cluster.platform, then=write_card)
    return Card.decode(cards[0])


def _key(keys: KeyFolder, name: str) -> Identity:
    """The key of this name that was given, or a new one."""
    try:
        return keys.load(name, ask_passphrase)
    except NoSuchIdentity:
        keys.new(name)
        return keys.load(name)


def admit(
    organisation: str,
    config: Path,
    output: Path | None,
    card: Path | None,
    weight: int,
    as_json: bool,
) -> None:
    """The command of this name in node.py."""
    if (output is None) == (card is None):
        raise OperatorFault("either -o FILE for a new credential, or --card FILE of one it has")
    loaded = node_config.load(config)
    if any(one.name == organisation for one in loaded.door.organisations):
        raise OperatorFault(
            f"{config} has an organisation {organisation}: take it out first to give it a new one"
        )
    if output is not None and output.exists():
        raise OperatorFault(f"{output} exists: name another file with -o")
    made = None if output is None else Credential.fresh()
    digest = made.digest if made is not None else _shown_digest(card, organisation)
    entry = Organisation(name=organisation, digest=digest, quota=Quota(weight=weight))
    text = (
        config.read_text(encoding="utf-8").rstrip("\n")
        + "\n"
        + "\n".join(organisation_lines(entry))
        + "\n"
    )
    draft = config.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    try:
        node_config.load(draft)
        if made is not None and output is not None:
            made.save(output)
        draft.replace(config)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    document = {
        "organisation": organisation,
        "config": str(config),
        "credential": None if output is None else str(output),
    }

    def human() -> None:
        say(f"{organisation} may submit at {loaded.name} once the node is started again")
        if output is None:
            return
        say(
            f"its credential is in {output}: it goes beside "
            "service.json, under the name `credential`"
        )

    emit(document, as_json, human)


def run(config: Path, check: bool, as_json: bool) -> None:
    """The command of this name in node.py."""
    loaded = node_config.load(config)
    if check:
        _check(config, loaded, as_json)
        return
    command = [sys.executable, "-P", "-m", "strongroom.node", "run", "--config", str(config)]
    os.execv(sys.executable, command)  # noqa: S606


def _shown_digest(card: Path | None, organisation: str) -> bytes:
    """The credential's digest that an organisation's own card names."""
    if card is None:
        raise OperatorFault("--card: missing")
    shown = judge_card(read(card, "ask the organisation for its card"))
    if shown.operator != organisation:
        raise OperatorFault(f"{card} is the card of {shown.operator}, not of {organisation}")
    return shown.credential


def _check(path: Path, config: NodeConfig, as_json: bool) -> None:
    from strongroom.node.host.checking import examine

    look = run_to_end(examine(config))
    document = {
        **_config_document(path, config),
        "ok": look.good,
        "checks": [
            {"what": one.what, "level": str(one.level), "text": one.text} for one in look.findings
        ],
    }

    def human() -> None:
        for one in look.findings:
            say(f"{one.level:<8} {one.what:<12} {one.text}")
        say(f"{config.name}: {'would run' if look.good else 'would not run'}")

    emit(document, as_json, human)
    if not look.good:
        raise typer.Exit(ExitCode.USAGE)


def _config_document(path: Path, config: NodeConfig) -> dict[str, Any]:
    certificate = config.layout.tls_certificate
    digest = tls.spki_digest(certificate.read_bytes()).hex() if certificate.exists() else None
    return {
        "config": str(path),
        "name": config.name,
        "rpc": str(config.rpc),
        "peer": str(config.peer),
        "announced": {"rpc": str(config.told_rpc), "peer": str(config.told_peer)},
        "peers": [peer.name for peer in config.peers],
        "tls_key": digest,
    }


def _emit_config(path: Path, config: NodeConfig, as_json: bool) -> None:
    document = _config_document(path, config)

    def human() -> None:
        say(f"{path}: good")
        for key in ("name", "rpc", "peer"):
            say(f"  {key:<8} {document[key]}")
        say(f"  told     clients {config.told_rpc}, nodes {config.told_peer}")
        say(f"  peers    {', '.join(document['peers']) or 'none'}")
        say(f"  tls key  {document['tls_key'] or 'none yet: `strongroom node init` makes one'}")

    emit(document, as_json, human)


def address_option(option: str, text: str) -> Address:
    """An address of the command line. Raises OperatorFault, which names the option."""
    try:
        return Address.parse(text)
    except ValueError as fault:
        raise OperatorFault(f"{option}: {fault}") from None


def _announced(option: str, text: str | None, listens: str) -> Address | None:
    """What others are told.

    Raises:
        OperatorFault: nobody could dial it, or it is missing where it must not be.
    """
    address = address_option(option, listens if text is None else text)
    try:
        address.check_announced()
    except ValueError as fault:
        raise OperatorFault(f"{option}: {fault}") from None
    return None if text is None else address


def _peer(text: str) -> Peer:
    name, separator, address = text.partition("=")
    if not separator or not name:
        raise OperatorFault(f"--with: {text!r} is not NAME=HOST:PORT")
    return Peer(name, address_option("--with", address))
