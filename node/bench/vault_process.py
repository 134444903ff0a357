"""Real rooms, each a process of its own: from the ask to the first piece, and from a revocation to
the last possible one, against the bounds that the ledger prints.

Owns their start, what they say in the open, and the cutting off of one. What they run is
vault_room_program.py.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.room.door import PATIENCE_MS
from strongroom.enclave.room.leases import WATCH_SECONDS
from strongroom.node.bench.report import Document
from strongroom.node.bench.vault_rooms import REGION, make_key
from strongroom.node.client import Client
from strongroom.node.client.trust.service import load_service
from strongroom.node.rooms.process import RoomProcess
from strongroom.node.rooms.relay import Relay
from strongroom.node.rooms.starting import Wanted, make_chip, start_of, vouch

KEY = "revoked"
ROOM_PROGRAM = Path(__file__).with_name("vault_room_program.py")
PIECES, PAUSE_SECONDS = 1_000_000, 0.02
"""Of the room that takes pieces as fast as it prints; it does not come to the end of them."""
HEARTBEAT_MS = 2_000
WORKED_SECONDS = 1.5
"""Rooms hold their leases for so long before the revocation."""
ROOM_SILENT_SECONDS_MAX = 300.0
"""A guard against waiting for ever, no measure."""
SEEN_LATE_MS = round(WATCH_SECONDS * 1000) + PATIENCE_MS
"""A room that waits looks at its lease's clock, and its socket, so often; who asks for a piece is
refused at once."""


class CutRelay(Relay):
    """A way out that can be cut: from then on nothing that is asked has an answer."""

    cut = False

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """As any relay, while it is not cut."""
        answer = None if self.cut else await super().ask(method, params)
        if self.cut:
            await asyncio.Event().wait()
        return answer


@dataclass(slots=True)
class Watched:
    """One running room, and what it said when."""

    relay: CutRelay
    events: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, what: str, fields: dict[str, Any]) -> None:
        """The room says something."""
        self.events.append((time.monotonic(), what, fields))
        self._news.set()

    def of(self, what: str) -> list[tuple[float, dict[str, Any]]]:
        """What it said of one kind, and when."""
        return [(at, fields) for at, kind, fields in self.events if kind == what]

    async def until(self, what: str) -> tuple[float, dict[str, Any]]:
        """The first word of one kind, and when.

        Raises:
            OperatorFault: it ends, or time is over, without.
        """
        try:
            async with asyncio.timeout(ROOM_SILENT_SECONDS_MAX):
                while not (found := self.of(what)):
                    if self.over:
                        break
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            found = []
        if not found:
            raise OperatorFault(f"a room of the bench said no {what}: {self.events[-3:]}")
        return found[0]

    def end(self) -> None:
        """Nothing more comes."""
        self.over = True
        self._news.set()


@dataclass(frozen=True, slots=True)
class Plant:
    """Where rooms run, and on whose word."""

    folder: Path
    where: Path
    """The service's."""
    platform: Path
    """The manufacturer's."""
    operator: Identity

    @asynccontextmanager
    async def room(self, name: str, **parameters: str) -> AsyncIterator[Watched]:
        """A room on a chip of its own, killed in the end."""
        service, chip = load_service(self.where), self.folder / name
        await asyncio.to_thread(make_chip, self.platform, chip)
        wanted = Wanted(
            name=name,
            program=ROOM_PROGRAM,
            chip=chip,
            state=chip,
            region=REGION,
            operator="bench",
            files={},
            parameters=parameters,
        )
        start = start_of(wanted, service, self.operator)
        relay = CutRelay(service, chip, {})
        async with relay:
            watched, words = Watched(relay), []

            def heard(what: str, fields: dict[str, Any]) -> None:
                watched.heard(what, fields)
                if what == "started":
                    word = vouch(self.where, self.operator, fields.get("session"), watched.heard)
                    words.append(asyncio.create_task(word))

            process = await RoomProcess.launch(chip, ROOM_PROGRAM, relay, heard, start)
            words.append(asyncio.create_task(_end(process, watched)))
            try:
                yield watched
            finally:
                await process.kill()
                for word in words:
                    word.cancel()
                await asyncio.gather(*words, return_exceptions=True)


async def first_pieces(plant: Plant, key: str, leases: int) -> Document:
    """A room opens leases one after the other: evidence, ask, first piece; ms each."""
    async with plant.room("first", key=key, leases=str(leases)) as room:
        await room.until("ended")
        took = [fields["us"] / 1000 for _, fields in room.of("first")]
    if not took:
        raise OperatorFault(f"a room of the bench opened no lease: {room.events[-3:]}")
    return times_of(took)


def times_of(took: Sequence[float]) -> Document:
    """What is told of first pieces, from the ms that each lease's took."""
    return {"p50": round(median(took), 1), "max": round(max(took), 1), "leases": len(took)}


async def revocation(plant: Plant, owner: Client, policy: str) -> Document:
    """Three rooms hold leases of a key: one takes pieces as fast as it can, one holds the key and
    beats, one is cut off. Then the owner revokes."""
    key = await make_key(owner, KEY, policy, HEARTBEAT_MS, PIECES)
    hold = {"key": key, "hold": "yes"}
    async with (
        plant.room("printing", pieces=str(PIECES), pause=str(PAUSE_SECONDS), **hold) as printing,
        plant.room("connected", **hold) as connected,
        plant.room("cut-off", **hold) as cut_off,
    ):
        rooms = {"printing": printing, "connected": connected, "cut_off": cut_off}
        leases = {what: (await room.until("lease"))[1]["id"] for what, room in rooms.items()}
        await printing.until("piece")
        await asyncio.sleep(WORKED_SECONDS)
        cut_off.relay.cut = True
        bounds = {
            what: (await owner.query("vault.lease", lease=lease)).value["bounds"]
            for what, lease in leases.items()
        }
        sent = time.monotonic()
        await owner.call("vault.revoke", key=f"/{KEY}")
        final = time.monotonic()
        given = await _pieces_given(owner, leases["printing"])
        ended = {what: (await room.until("lease-ended"))[0] for what, room in rooms.items()}
        later = await _pieces_given(owner, leases["printing"])
        last = max(fields["at"] for _, fields in printing.of("piece")) / 1e6
    return {
        "final_ms": _ms(final - sent),
        "pieces_after": later - given,
        "pieces_after_bound": bounds["printing"]["pieces_after_revocation"],
        "last_piece_ms": _ms(last - sent),
        "printing_ended_ms": _ms(ended["printing"] - sent),
        "connected_ended_ms": _ms(ended["connected"] - final),
        "connected_bound_ms": bounds["connected"]["connected_ms"],
        "cut_off_ended_ms": _ms(ended["cut_off"] - final),
        "cut_off_bound_ms": bounds["cut_off"]["cut_off_ms"],
    }


def holds(revoked: Document) -> bool:
    """Was everything over within the bounds that the ledger printed?"""
    return bool(
        revoked["pieces_after"] <= revoked["pieces_after_bound"]
        and revoked["connected_ended_ms"] <= revoked["connected_bound_ms"] + SEEN_LATE_MS
        and revoked["cut_off_ended_ms"] <= revoked["cut_off_bound_ms"] + SEEN_LATE_MS
    )


async def _pieces_given(owner: Client, lease: bytes) -> int:
    found = await owner.query("vault.lease", lease=lease, linearizable=True)
    return int(found.value["pieces_given"])


async def _end(process: RoomProcess, watched: Watched) -> None:
    try:
        ended = await process.until_ended()
        watched.heard("ended", {"code": ended.code, "text": ended.text})
    except OperatorFault as fault:
        watched.heard("failed", {"why": str(fault)})
    watched.end()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
