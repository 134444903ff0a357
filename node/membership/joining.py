"""How a node comes to a service that exists already (DESIGN §5, joiner; DESIGN §6):
its folder, and its first words.

Owns what an operator does on a new machine, and how a node that nobody links to yet is admitted:
over other nodes' front doors, by evidence that every replica judges. Nobody at those doors is
trusted: a false block digest only makes evidence that is refused.
"""

import asyncio
import shutil
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import PublicKey
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.primitives import Secret, SigningKey
from strongroom.node import tls
from strongroom.node.archive_settings import ArchiveSettings, own_archive
from strongroom.node.config import Address, NodeConfig, Peer, dumps, load
from strongroom.node.credentials import load_optional
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, ClusterLayout, NodeLayout
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic
from strongroom.node.organisations import NOBODY, DoorPolicy
from strongroom.node.rpc import probe

INTRODUCE_SECONDS = 5.0
"""Between two introductions: the first one may be on its way into a block."""
ASK_SECONDS = 3.0
"""What another node's front door has for one answer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedJoiner:
    """What governance must allow before this node is admitted."""

    layout: NodeLayout
    name: str
    operator: str
    operator_key: PublicKey
    chip_id: bytes
    measurement: bytes
    region: str


async def prepare_joiner(
    cluster: ClusterLayout,
    *,
    name: str,
    operator: str,
    region: str,
    rpc: Address,
    peer: Address,
    peers: Sequence[Peer],
    health: Address | None = None,
) -> PreparedJoiner:
    """Make the folder of a node that is to join a local cluster: a chip of its manufacturer, keys,
    configuration.

    Args:
        cluster: the cluster's folder, with its genesis and its simulated manufacturer.
        name: the node's name and folder.
        operator: who runs it; a fresh key signs the deployment, and governance must allow both.
        region: where it stands.
        rpc: where it serves clients.
        peer: where it serves nodes.
        peers: the others, with their RPC addresses: the node introduces itself there.
        health: where it serves health and metrics alone; None: beside `rpc` only.

    Raises:
        OperatorFault: the folder exists, or a file is not as it must be.
    """
    if cluster.node(name).directory.exists():
        raise OperatorFault(f"{cluster.node(name).directory} exists: name another node")
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.making-", dir=cluster.directory))
    try:
        prepared = await _make(
            cluster, NodeLayout(draft), name, operator, region, rpc, peer, peers, health
        )
        draft.rename(cluster.node(name).directory)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return prepared


async def _make(
    cluster: ClusterLayout,
    layout: NodeLayout,
    name: str,
    operator: str,
    region: str,
    rpc: Address,
    peer: Address,
    peers: Sequence[Peer],
    health: Address | None,
) -> PreparedJoiner:
    Manufacturer.load(cluster.platform).make_chip().save(layout.chip)
    tls.write_identity(
        tls.make_certificate(name), certificate=layout.tls_certificate, key=layout.tls_key
    )
    key = SigningKey(Secret.fresh())
    enclave = await EnclaveClient.start(layout.chip, layout.log)
    try:
        measurement, chip_id = await enclave.measurement_and_chip()
        deployment = Deployment(
            name=name, operator=operator, chip_id=chip_id, measurement=measurement, region=region
        ).sign(key)
        identity = Identity(
            name=name,
            operator=operator,
            region=region,
            tls_key=tls.spki_digest(layout.tls_certificate.read_bytes()),
            deployment=deployment,
        )
        sealed = await enclave.prepare_join(cluster.genesis.read_bytes(), identity)
    finally:
        await enclave.stop()
    make_directory(layout.sealed)
    write_atomic(layout.sealed / SEALED_STATE, sealed)
    WriteAheadLog.open(
        layout.wal
    ).close()  # from the beginning on: a node that finds none has lost it
    config = NodeConfig(
        name=name,
        directory=layout.directory,
        genesis=cluster.genesis,
        rpc=rpc,
        peer=peer,
        peers=tuple(peers),
        health=health,
        web=_first_of(cluster).web if cluster.nodes() else False,
        door=_door_of(cluster),
        archive=_archive_beside(cluster, name),
    )
    layout.config.write_text(dumps(config, base=layout.directory))
    return PreparedJoiner(
        layout=cluster.node(name),
        name=name,
        operator=operator,
        operator_key=key.public,
        chip_id=chip_id,
        measurement=measurement,
        region=region,
    )


def _door_of(cluster: ClusterLayout) -> DoorPolicy:
    """Whom the folder's other nodes let in; its credential is what the newcomer introduces itself
    by."""
    return _first_of(cluster).door if cluster.nodes() else NOBODY


def _archive_beside(cluster: ClusterLayout, name: str) -> ArchiveSettings | None:
    """Where the folder's other nodes have theirs, if each has a folder of its name there."""
    first = _first_of(cluster) if cluster.nodes() else None
    if first is None or first.archive is None or first.archive.directory.name != first.name:
        return None
    around = replace(first.archive, directory=first.archive.directory.parent)
    return own_archive(around, name)


def _first_of(cluster: ClusterLayout) -> NodeConfig:
    """What the folder's other nodes are told; a newcomer is told the same."""
    return load(cluster.nodes()[0].config)


class Introduction:
    """A node without links asks for admission at the front doors that its configuration names."""

    def __init__(self, enclave: EnclaveClient, config: NodeConfig) -> None:
        self._enclave, self._config = enclave, config
        self._context = tls.dial_context()
        path = config.door.credential
        self._credential = None if path is None else load_optional(path)
        self._turn = 0
        self._next = 0.0

    async def introduce(self) -> None:
        """Submit evidence over a recent block at one door after the other; not too often."""
        doors = [peer.rpc for peer in self._config.peers if peer.rpc is not None]
        now = asyncio.get_running_loop().time()
        if not doors or now < self._next:
            return
        self._next = now + INTRODUCE_SECONDS
        self._turn += 1
        door = doors[self._turn % len(doors)]
        try:
            await self._submit(door)
        except (probe.NoAnswer, Refusal, NotCanonical, KeyError, TypeError, ValueError) as fault:
            log.info("introduction.failed", door=str(door), reason=str(fault))
            self._next = now + 1.0
        else:
            log.info("introduction.made", door=str(door))

    async def _submit(self, door: Address) -> None:
        info = await self._ask(door, "service_info", False)
        height: object = info["executed"]
        if type(height) is not int:
            raise NotCanonical("the door says no height that it has executed")
        shown = await self._ask(door, "ledger_header", height)
        header = Header.decode(b64decode(shown["header"]))
        envelope = await self._enclave.attest(
            header.height, header.digest, str(self._config.told_rpc), str(self._config.told_peer)
        )
        await self._ask(door, "ledger_submit", b64encode(envelope).decode(), "none")

    async def _ask(self, door: Address, method: str, *parameters: object) -> dict[str, Any]:
        ask = partial(probe.ask, seconds=ASK_SECONDS, credential=self._credential)
        answer = await asyncio.to_thread(ask, door, self._context, method, *parameters)
        if not isinstance(answer, dict):
            raise probe.NoAnswer(f"{door} did not answer {method} with a document")
        return answer
