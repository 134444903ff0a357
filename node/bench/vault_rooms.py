"""Many rooms on one machine: client sessions with room evidence of chips of their own.

Owns their making and their beats. A room here is no process and no measured code: its evidence, its
session key and its calls are those of one (enclave/room/boots.py makes them), and its beats fall
where a room's own do. What a real room's process takes is in vault_process.py.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import sign_room_deployment
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.room.boots import Boot, Place, bind_chip
from strongroom.enclave.room.leases import BEAT_SHARE, next_beat
from strongroom.node.bench.report import BUCKETS_PER_MS
from strongroom.node.client import Client
from strongroom.node.client.trust.service import load_service

OPERATOR, REGION, PROGRAM = "plant", "eu-west", "printer"
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
    client: Client
    lease: bytes = b""
    number: int = 0
    heartbeat: float = 0.0
    beaten: float = 0.0

    async def ask(self, key: str, height: Height, block: Digest) -> dict[str, Any]:
        """Ask for a key, with evidence over this block."""
        evidence = self.boot.evidence(height, block)
        sent = time.monotonic()
        done = await self.client.call("vault.ask", key=key, purpose="bench", evidence=evidence)
        told: dict[str, Any] = done.result
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
            told = await self.client.call(
                "vault.beat", lease=self.lease, number=self.number + 1, used=0
            )
        except StrongroomError as fault:
            beats.faults[str(fault)[:100]] += 1
            return
        self.number += 1
        self.heartbeat = told.result["heartbeat_ms"] / 1000
        if inside:
            beats.count += 1
            beats.latencies[int((time.monotonic() - due) * 1000 * BUCKETS_PER_MS)] += 1


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
    boots: Sequence[Boot], where: Path, nodes: int, stack: AsyncExitStack
) -> list[SessionRoom]:
    """All of them, connected, each to a node in turn."""
    rooms = [
        SessionRoom(boot, Client.connect(where, boot.identity, first_endpoint=number % nodes))
        for number, boot in enumerate(boots)
    ]
    for some in _chunks(rooms):
        await asyncio.gather(*(stack.enter_async_context(room.client) for room in some))
    return rooms


async def beat_all(
    rooms: Sequence[SessionRoom], key: str, beats: Beats, opened: "asyncio.Future[None]"
) -> None:
    """Every room asks, and beats from then on until the window closes.

    Args:
        rooms: connected.
        key: as rooms name it.
        beats: counts, once its window is set.
        opened: told when all have a lease.
    """
    asked, block = float("-inf"), (Height(0), NO_DIGEST)
    async with asyncio.TaskGroup() as tasks:
        for some in _chunks(rooms):
            if time.monotonic() - asked > FRESH_SECONDS:
                asked, block = time.monotonic(), await newest_block(rooms[0].client)
            await asyncio.gather(*(room.ask(key, *block) for room in some))
            for room in some:
                tasks.create_task(room.beat_until_over(beats))
        opened.set_result(None)


def heartbeat_of(beat_seconds: float) -> int:
    """Heartbeat in ms of a key whose rooms beat so often: they beat early."""
    return round(beat_seconds / BEAT_SHARE * 1000)


def lease_of(heartbeat_ms: int) -> int:
    """Lease length in ms beside it: as long as by default."""
    return 3 * heartbeat_ms


def _chunks(rooms: Sequence[SessionRoom]) -> Iterator[Sequence[SessionRoom]]:
    return (rooms[at : at + CONNECTING_MAX] for at in range(0, len(rooms), CONNECTING_MAX))
