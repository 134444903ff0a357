"""Many rooms on one machine: sessions with room evidence of chips of their own, each over a
connection of its own, as a room's host has one.

Owns their making and their beats. A room here is no process and no measured code: its evidence, its
session key and its calls are those of one (enclave/room/boots.py, ledger.py), and its beats fall
where a room's own do. It does not check the service for itself. What a real room's process takes is
in vault_process.py.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import ClientFault, StrongroomError
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import sign_room_deployment
from strongroom.enclave.formats.envelope import Call, transaction_id
from strongroom.enclave.outside.client_sessions import ClientSession, Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.outside.trust import TrustedEpoch
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.programs.vault import vault
from strongroom.enclave.room.boots import Boot, Place, bind_chip
from strongroom.enclave.room.leases import BEAT_SHARE, next_beat
from strongroom.node import tls
from strongroom.node.bench.report import BUCKETS_PER_MS
from strongroom.node.client import Client
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import load_service

OPERATOR, REGION, PROGRAM = "plant", "eu-west", "printer"
T = TypeVar("T")
CONNECTING_MAX = 16
"""Rooms that connect, or ask, at a time."""
FRESH_SECONDS = 60.0
"""Rooms that ask within so long answer one block in their evidence."""


@dataclass(slots=True)
class Beats:
    """What was seen of all rooms' beats inside the measured window."""

    begin: float = float("inf")
    end: float = float("inf")
    count: int = 0
    sent: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    """Steps of 1/BUCKETS_PER_MS ms → how often."""
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class SessionRoom:
    """One room: its start, its way to the service, and its lease once it asked."""

    boot: Boot
    epoch: TrustedEpoch
    connection: Connection
    session: ClientSession | None = None
    lease: bytes = b""
    number: int = 0
    heartbeat: float = 0.0
    beaten: float = 0.0

    async def ask(self, key: str, height: Height, block: Digest) -> dict[str, Any]:
        """Ask for a key, with evidence over this block."""
        evidence = self.boot.evidence(height, block)
        sent = time.monotonic()
        told = await self._call("ask", key=key, purpose="bench", evidence=evidence)
        self.lease, self.number = told["lease"], 0
        self.heartbeat, self.beaten = told["heartbeat_ms"] / 1000, sent
        return told

    async def beat_until_over(self, beats: Beats) -> None:
        """Beat whenever a room would, until the window closes."""
        while True:
            now = time.monotonic()
            due = next_beat(self.lease, self.beaten, self.heartbeat, now - time.time())
            if due >= beats.end:
                return
            await asyncio.sleep(max(0.0, due - now))
            await self._beat(due, beats)

    async def _beat(self, due: float, beats: Beats) -> None:
        """One beat; its latency counts from when it was due."""
        self.beaten = time.monotonic()
        inside = beats.begin <= due < beats.end
        beats.sent += inside
        try:
            told = await self._call("beat", lease=self.lease, number=self.number + 1, used=0)
        except StrongroomError as fault:
            beats.faults[str(fault)[:100]] += 1
            return
        self.number += 1
        self.heartbeat = told["heartbeat_ms"] / 1000
        if inside:
            beats.count += 1
            beats.latencies[int((time.monotonic() - due) * 1000 * BUCKETS_PER_MS)] += 1

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One transaction, as a room sends it.

        Raises:
            StrongroomError: it was refused, or nobody answers.
        """
        wire = vault.operation(operation).from_python(arguments, bytes.fromhex)
        epoch, sequence = self.epoch, 0
        call = Call(vault.name, epoch.measurement, operation, wire)
        if self.session is None:
            self.session, envelope = ClientSession.open(
                epoch.key, epoch.chain, epoch.epoch, self.boot.identity, call
            )
        else:
            sequence, envelope = self.session.seal_call(call)
        shown = await self.connection.ask("ledger_submit", envelope=envelope, wait="commit")
        result = self.session.open_result(sequence, transaction_id(envelope), shown["result"])
        if not result.ok:
            raise ClientFault(f"{result.code}: {result.message}")
        return dict(result.value)


def make_boots(count: int, where: Path, platform: Path, measurement: bytes) -> list[Boot]:
    """So many rooms' first starts, each on a chip of its own of this manufacturer's."""
    chain, operator = load_service(where).chain, Identity.fresh()
    manufacturer, boots = Manufacturer.load(platform), []
    for number in range(count):
        chip, name = manufacturer.make_chip(), f"room-{number}"
        stated = Deployment(
            name=name,
            operator=OPERATOR,
            chip_id=chip.chip_id,
            measurement=measurement,
            region=REGION,
        )
        place = Place(
            chain=chain,
            room=name,
            program=PROGRAM,
            region=REGION,
            operator=OPERATOR,
            operator_key=operator.public,
            operator_signature=sign_room_deployment(stated, chain, operator.key),
        )
        boots.append(Boot(place, bind_chip(chip, measurement), b""))
    return boots


async def newest_block(client: Client) -> tuple[Height, Digest]:
    """What evidence answers; on a cluster of our own one node's word will do."""
    status = await client.request("node_status")
    shown = await client.request("ledger_header", height=int(status["executed"]))
    header = Header.decode(shown["header"])
    return header.height, header.digest


async def connect(
    boots: Sequence[Boot], client: Client, nodes: int, stack: AsyncExitStack
) -> list[SessionRoom]:
    """All of them, connected, each to a node in turn; `client` has checked the service."""
    service, context = client.service, tls.client_context(client.service.ca)

    async def connected(number: int, boot: Boot) -> SessionRoom:
        http = open_session(service.credential, aiohttp.ClientTimeout(total=None))
        stack.push_async_callback(close_session, http)
        endpoint = service.endpoints[number % nodes]
        connection = await Connection.open(http, endpoint, context)
        stack.push_async_callback(_close, connection, asyncio.create_task(connection.run()))
        return SessionRoom(boot, client.epoch, connection)

    rooms: list[SessionRoom] = []
    for some in _chunks(list(enumerate(boots))):
        rooms += await asyncio.gather(*(connected(*one) for one in some))
    return rooms


async def _close(connection: Connection, reading: "asyncio.Task[None]") -> None:
    await connection.close()
    await reading


async def beat_all(
    rooms: Sequence[SessionRoom],
    client: Client,
    key: str,
    beats: Beats,
    opened: "asyncio.Future[None]",
) -> None:
    """Every room asks, and beats from then on until the window closes.

    Args:
        rooms: connected.
        client: anybody's, to ask for the newest block.
        key: as rooms name it.
        beats: counts, once its window is set.
        opened: told when all have a lease.
    """
    asked, block = float("-inf"), (Height(0), NO_DIGEST)
    async with asyncio.TaskGroup() as tasks:
        for some in _chunks(rooms):
            if time.monotonic() - asked > FRESH_SECONDS:
                asked, block = time.monotonic(), await newest_block(client)
            await asyncio.gather(*(room.ask(key, *block) for room in some))
            for room in some:
                tasks.create_task(room.beat_until_over(beats))
        opened.set_result(None)


async def make_key(
    owner: Client, name: str, policy: str, heartbeat_ms: int, pieces: int = 1
) -> str:
    """A new key of these terms, with a secret; how rooms name it."""
    await owner.call(
        "vault.new",
        name=name,
        policy=policy,
        pieces=pieces,
        heartbeat_ms=heartbeat_ms,
        lease_ms=lease_of(heartbeat_ms),
    )
    await owner.call("vault.put", key=f"/{name}", secret=random_bytes(32))
    return f"id:{owner.identity.id.hex()}/{name}"


def heartbeat_of(beat_seconds: float) -> int:
    """Heartbeat in ms of a key whose rooms beat so often: they beat early."""
    return round(beat_seconds / BEAT_SHARE * 1000)


def lease_of(heartbeat_ms: int) -> int:
    """Lease length in ms beside it: as long as by default."""
    return 3 * heartbeat_ms


def _chunks(rooms: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rooms[at : at + CONNECTING_MAX] for at in range(0, len(rooms), CONNECTING_MAX))
