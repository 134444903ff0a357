"""An operator's own node comes to a running service: from the service's pin and one door of it.

Owns what is asked there and what is written into the node's folder. The door is trusted with
nothing: the genesis is the one that the pin names, addresses are only tried, keys of connections
authorise nothing (node/tls.py). What members must allow is said; they decide.
"""

import asyncio
import socket
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.primitives import digest
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, pin_of, verify_genesis
from strongroom.node import tls
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.cluster.publishing import check_pin, publish
from strongroom.node.config import PEERS_MAX, Address, Peer, dumps, load, loads
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic, write_new
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_party import Party, alone, certificate_of
from strongroom.node.rpc import probe

ASK_SECONDS = 10.0
CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A node's folder that is ready to run, once members allow it."""

    card: Card
    pin: str
    peers: tuple[Peer, ...]
    changes: tuple[str, ...]
    """What members must have allowed, as `gov propose` takes it; what genesis allows is left
    out."""


async def arrive(party: Party, *, door: Address, pin: str) -> Arrived:
    """Make a node of `node init` ready to join a running service; one that is ready is told the
    same again.

    Args:
        party: the node's folder with its card, and the keys that signed it.
        door: where one of the service's nodes serves clients.
        pin: of the service, got from somebody who knows it.

    Raises:
        ClientFault: that is no pin.
        Unreachable: nobody answers there.
        NotTrusted: another service answers there, or its genesis does not verify.
        OperatorFault: the folder belongs to a service already, or its chip's maker is none of this
            service's.
    """
    with alone(party.layout):
        return await _arrive(party, door, pin)


async def _arrive(party: Party, door: Address, pin: str) -> Arrived:
    layout, card = party.layout, party.card()
    chain = chain_of(pin)
    check_pin(layout, pin)
    genesis = await _genesis(door, pin)
    ready = (layout.sealed / SEALED_STATE).exists()
    if ready and not _is_of(layout, genesis):
        raise OperatorFault(
            f"{layout.directory} has keys of a service already: join with another node's folder"
        )
    if card.root not in genesis.constitution.policy.roots:
        raise OperatorFault(
            f"the maker of this node's chip ({card.root.hex()[:16]}…) is none of this service's, "
            "and no vote makes it one: init the node anew with --platform of a maker that is"
        )
    changes = changes_for(card, genesis)
    if ready:
        return Arrived(card=card, pin=pin, peers=load(layout.config).peers, changes=changes)
    peers = await _peers(door, card)
    config = load(layout.config)
    credential = layout.cluster.credential
    complete = replace(
        config,
        genesis=layout.cluster.genesis,
        peers=peers,
        door=replace(config.door, credential=credential if credential.exists() else None),
    )
    text = dumps(complete, base=layout.directory)
    loads(text, layout.config)
    endpoints = [card.rpc, *(str(peer.rpc) for peer in peers if peer.rpc is not None)]
    certificates = await _certificates([peer.rpc for peer in peers if peer.rpc is not None])
    sealed = await _keys(party, card, genesis)
    _write_genesis(layout, genesis)
    write_atomic(layout.config, text.encode(), mode=0o644)
    publish(layout, chain, endpoints, [certificate_of(layout), *certificates])
    make_directory(layout.sealed)
    WriteAheadLog.open(layout.wal).close()  # from the beginning on: one that finds none has lost it
    write_new(layout.sealed / SEALED_STATE, sealed)  # last: with it all the rest is there
    return Arrived(card=card, pin=pin, peers=peers, changes=changes)


def _is_of(layout: NodeLayout, genesis: VerifiedGenesis) -> bool:
    kept = layout.cluster.genesis
    return kept.exists() and kept.read_bytes() == genesis.data


def changes_for(card: Card, genesis: VerifiedGenesis) -> tuple[str, ...]:
    """What members must allow before a node is admitted, beyond what genesis allows."""
    policy = genesis.constitution.policy
    changes = [
        f"allow_operator operator={card.operator} key={card.operator_key.hex()}"
        if policy.operator_key(card.operator) != card.operator_key
        else "",
        f"allow_region region={card.region}" if card.region not in policy.regions else "",
        f"set_country region={card.region} country={card.country}"
        if card.country and (card.region, card.country) not in policy.countries
        else "",
        f"allow_measurement measurement={card.measurement.hex()}"
        if card.measurement not in policy.measurements
        else "",
        f"allow_chip operator={card.operator} chip={card.chip_id.hex()}",
    ]
    return tuple(change for change in changes if change)


async def _genesis(door: Address, pin: str) -> VerifiedGenesis:
    shown = await _ask(door, "service_info")
    try:
        data = b64decode(shown["genesis"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise NotTrusted("genesis", f"{door} shows no genesis") from None
    found = pin_of(ChainId(digest(data)))
    if found != pin:
        raise NotTrusted(
            "pin", f"{door} is of another service, {found}: look at the address, or at the pin"
        )
    try:
        return verify_genesis(data)
    except NotCanonical as error:
        raise NotTrusted("genesis", f"{door}: {error}") from None


async def _peers(door: Address, card: Card) -> tuple[Peer, ...]:
    """Where that door says that the others are."""
    shown = await _ask(door, "service_nodes")
    peers: dict[str, Peer] = {}
    for one in shown if type(shown) is list else ():
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if one["status"] == "removed":
                continue
            name, endpoint = str(one["name"]), str(one["endpoint"] or f"https://{one['rpc']}")
            rpc = Address.parse(endpoint.removeprefix("https://"))
            peer = Address.parse(one["peer"])
            rpc.check_announced()
            peer.check_announced()
            peers[name] = Peer(name, peer, rpc=rpc)
    if card.node in peers:
        raise OperatorFault(
            f"a node {card.node} is there already: init this one under another folder's name"
        )
    if not peers:
        raise NotTrusted("nodes", f"{door} names no node that could be dialled")
    return tuple(list(peers.values())[:PEERS_MAX])


async def _keys(party: Party, card: Card, genesis: VerifiedGenesis) -> bytes:
    """The enclave's first keys, sealed."""
    identity = Identity(
        name=card.node,
        operator=card.operator,
        region=card.region,
        tls_key=card.tls_key,
        deployment=SignedDeployment(card.statement.encode(), card.deployment),
    )
    enclave = await EnclaveClient.start(party.layout.chip, party.layout.log)
    try:
        return await enclave.prepare_join(genesis.data, identity)
    except Refusal as refusal:
        raise NotTrusted("genesis", f"the enclave does not take it: {refusal}") from None
    finally:
        await enclave.stop()


def _write_genesis(layout: NodeLayout, genesis: VerifiedGenesis) -> None:
    try:
        write_new(layout.cluster.genesis, genesis.data, 0o644)
    except FileExistsError:
        if not _is_of(layout, genesis):
            raise OperatorFault(
                f"{layout.cluster.genesis} is another service's: one folder for each service"
            ) from None


async def _ask(door: Address, method: str) -> Any:
    context = tls.dial_context()
    try:
        return await asyncio.to_thread(probe.ask, door, context, method, seconds=ASK_SECONDS)
    except probe.NoAnswer as fault:
        raise Unreachable(f"no node answers at {fault}") from None


async def _certificates(doors: Sequence[Address]) -> list[bytes]:
    """What is shown at these doors; who does not answer is left out, and clients of this folder do
    not ask him."""
    shown = await asyncio.gather(*(asyncio.to_thread(_certificate, door) for door in doors))
    return [one for one in shown if one is not None]


def _certificate(door: Address) -> bytes | None:
    with suppress(OSError):
        end = socket.create_connection((door.host, door.port), CONNECT_SECONDS)
        with tls.dial_context().wrap_socket(end, server_hostname=door.host) as held:
            return held.getpeercert(binary_form=True)
    return None
