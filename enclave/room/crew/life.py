"""One life in a crew: the foreman's, who takes a job as any worker does and has it computed, or a
member's, who computes for the foreman that asks it first (ROOMS §8; T65).

Owns which it is, and the foreman's order of things. Leases and keys are the foreman's alone: the
rows that it opened go on over sealed links, to rooms that owners' policies cannot tell from it. For
the ledger a crew is one executor: charged once, with one report.
"""

from contextlib import suppress

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.result_keys import noise_seed
from strongroom.enclave.room.crew.carrying import (
    FOREMAN,
    LOOK_SECONDS,
    CrewDoor,
    Crossing,
    began,
)
from strongroom.enclave.room.crew.way import PLACE, ToRoom, Way
from strongroom.enclave.room.door import DoorClosed
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.ledger import Executed
from strongroom.enclave.room.sdk import Refused, Room
from strongroom.enclave.room.worker.chunks import Chunks
from strongroom.enclave.room.worker.life import Idle, Job
from strongroom.enclave.room.worker.link import TooLate

MEMBERS = "members"
"""Word of the host's that makes this room a foreman: where its members are, which the host alone
needs to know."""


async def crew_once(door: CrewDoor, way: Way, memory_mb: int, room: Room) -> None:
    """A crew's program.

    Raises:
        LeaseEnded, Refused: as a worker's.
    """
    if MEMBERS not in room.parameters:
        await _serve(door, way, room)
        return
    taken, sent = await Idle(room).until_taken()
    crossing = await _crossing(door, way, room, "crew_begin", job=taken.value["job"])
    if crossing.own != FOREMAN or crossing.job != taken.value["job"]:
        raise DoorClosed
    job = CrewJob(room, crossing, taken, sent)
    if job.contract.memory_mb > memory_mb:
        raise Refused("memory", f"the job may take {job.contract.memory_mb} MiB: others are asked")
    try:
        await crossing.open()
        await job.run()
    except TooLate:
        raise Refused("late", "the job's time is over: others are asked") from None
    finally:
        with suppress(ClientFault):
            await crossing.close()


async def _serve(door: CrewDoor, way: Way, room: Room) -> None:
    room.tell("member-waits")
    crossing = await _crossing(door, way, room, "crew_wait")
    if crossing.own == FOREMAN:
        raise DoorClosed
    await crossing.open()
    room.tell("member-works", member=crossing.own)
    while not (crossing.ended or crossing.bench_ended):
        await room.rest(LOOK_SECONDS)


async def _crossing(door: CrewDoor, way: Way, room: Room, method: str, **params: bytes) -> Crossing:
    try:
        told = began(await room.host.ask(method, **params))
    except HostFailed as fault:
        raise Refused("crew", f"no crew: {fault}") from None
    crossing = Crossing(room, way, told["job"], told["own"], told["members"])
    door.crossing = crossing
    return crossing


class CrewJob(Job):
    """A job whose rows go to members."""

    def __init__(self, room: Room, crossing: Crossing, taken: Executed, sent: float) -> None:
        super().__init__(room, crossing, taken, sent)  # type: ignore[arg-type]
        self._crossing = crossing

    async def _computed(self) -> list[tuple[str, bytes, bytes]] | None:
        told, room, crossing = self._told, self._room, self._crossing
        chunks = Chunks(room.host, room.turns, self._until)
        columns = [DataTerms.decode(one["terms"]).columns for one in self._inputs]
        crossing.begin(
            told["contract"],
            told["parameters"],
            noise_seed(told["result"]),
            [
                (one["alias"], one["owner"], one["data"], said)
                for one, said in zip(self._inputs, columns, strict=True)
            ],
        )
        try:
            attempt = -1
            while crossing.over is None:
                if attempt != crossing.attempt:
                    attempt = crossing.attempt
                    await self._give_all(chunks, attempt)
                if room.turns.now() > self._until:
                    raise TooLate
                await room.rest(LOOK_SECONDS)
        except DoorClosed:  # the bench ended
            return None
        if crossing.over is ToRoom.FAILED:
            return None
        return [(name, whose, bytes(data)) for name, whose, data in crossing.made]

    async def _give_all(self, chunks: Chunks, attempt: int) -> None:
        """Every row of every input, unless a member is lost meanwhile: then all of it again."""
        for index in range(len(self._inputs)):
            await self._give_rows(index, chunks)
            if attempt != self._crossing.attempt:
                return
        self._crossing.run()

    async def _give_rows(self, index: int, chunks: Chunks) -> None:
        async for at, part in self._parts(index, chunks):
            if not await self._crossing.part(PLACE.pack(index, at), part, self._until):
                return
