"""From a command line's words to a running room: which program, which measurement, whose word.

Owns the operator's statement over a room, which is made at each start from what is measured there
and then.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import strongroom.enclave.room
import strongroom.enclave.room.programs
from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault, StrongroomError
from strongroom.consensus.types import Signature
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import sign_room_deployment
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.room.crew.measurement import NAME as CREW
from strongroom.enclave.room.crew.measurement import measure_crew
from strongroom.enclave.room.measurement import ProgramSource, measure_room
from strongroom.enclave.room.worker.measurement import ANALYTICS, ANALYTICS_ML, measure_worker
from strongroom.node.client.client import Client
from strongroom.node.client.trust.service import Service, load_service
from strongroom.node.rooms.chunks import ChunkCarrier
from strongroom.node.rooms.crew import CrewCarrier
from strongroom.node.rooms.custodians import Custodians
from strongroom.node.rooms.process import (
    STOP_SECONDS,
    WORKER_FILES,
    Ahead,
    Ended,
    OnEvent,
    RoomProcess,
    Start,
    worker_of,
)
from strongroom.node.rooms.relay import Relay

VOUCH_SECONDS = 30.0
FRUITLESS_MAX = 5
"""Lives of a worker in a row that ended with a refusal, and without a job."""
PAUSE_SECONDS = 2.0
"""After a life that was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A room as its operator wants it."""

    name: str
    program: Path
    chip: Path
    state: Path
    """Folder in which its sealed state is kept."""
    region: str
    operator: str
    files: Mapping[str, Path]
    parameters: Mapping[str, str]


def program_file(text: str) -> Path:
    """The file of a program that comes along, by its name, or one of the user's own, by its path.

    Raises:
        OperatorFault: there is none.
    """
    if text in WORKER_FILES:
        return Path(next(iter(strongroom.enclave.room.__path__))) / WORKER_FILES[text][0]
    path = Path(text)
    if not path.suffix and path.name == text:
        folder = Path(next(iter(strongroom.enclave.room.programs.__path__)))
        path = folder / f"{text}.py"
    if not path.is_file():
        raise OperatorFault(
            f"no program {text}: name `printer`, `analytics`, `analytics-ml`, `analytics-crew`, or "
            "your own .py file"
        )
    return path


def measured(program: Path) -> Measurement:
    """The measurement of a room that runs this program, here."""
    name = worker_of(program)
    if name == CREW:
        return measure_crew()
    for profile in (ANALYTICS, ANALYTICS_ML):
        if name == profile.name:
            return measure_worker(profile)
    return measure_room(ProgramSource.read(program))


def make_chip(manufacturer: Path, folder: Path) -> SimulatedChip:
    """A new simulated chip in a folder, of a simulated manufacturer's.

    Raises:
        OperatorFault: there is one already, or no manufacturer.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OperatorFault(f"{folder} is not empty: name a new folder for a new chip")
    chip = Manufacturer.load(manufacturer).make_chip()
    chip.save(folder)
    return chip


def sign(wanted: Wanted, service: Service, operator: Identity) -> Signature:
    """The operator's word: this room, on this chip, with this code, in this region.

    Raises:
        ClientFault: a name is none.
    """
    chip = SimulatedChip.load(wanted.chip)
    try:
        statement = Deployment(
            name=wanted.name,
            operator=wanted.operator,
            chip_id=chip.chip_id,
            measurement=measured(wanted.program).digest,
            region=wanted.region,
        )
    except NotCanonical as error:
        raise ClientFault(f"no room's words: {error}") from None
    return sign_room_deployment(statement, service.chain, operator.key)


def start_of(wanted: Wanted, service: Service, operator: Identity) -> Start:
    """What a room is told when it starts: what its operator wants, over his signature.

    Raises:
        ClientFault: a name is none.
    """
    return Start(
        pin=service.pin,
        room=wanted.name,
        region=wanted.region,
        operator=wanted.operator,
        operator_key=operator.public,
        signature=sign(wanted, service, operator),
        parameters=wanted.parameters,
    )


async def run_room(
    wanted: Wanted,
    where: Path,
    operator: Identity,
    on_event: OnEvent,
    stop: asyncio.Event,
    ahead: tuple[Ahead, Start] | None = None,
) -> Ended:
    """Run a room until it ends; cancelled, it is killed, which leaves nothing of what it held.

    Args:
        wanted: the room.
        where: the service's folder, or its service.json.
        operator: whose key signs for the room, and whose word admits its session.
        on_event: told what the room says in the open.
        stop: when it is set, the room is asked to end.
        ahead: its process, if it was started before, and what it is to be told.

    Raises:
        OperatorFault: it does not start.
    """
    service = load_service(where)
    begun, start = ahead or (None, start_of(wanted, service, operator))
    words: set[asyncio.Task[None]] = set()
    started: list[object] = []
    """The session of this start: what the room says first, before its program runs, which may say
    the like of anybody."""

    def heard(what: str, fields: dict[str, Any]) -> None:
        on_event(what, fields)
        if what == "started" and not started:
            started.append(fields.get("session"))
            words.add(asyncio.create_task(vouch(where, operator, fields.get("session"), on_event)))

    async with (
        Custodians(partial(announced, where, operator)) as custodians,
        ChunkCarrier(service) as chunks,
        CrewCarrier(wanted.parameters) as crew,
        Relay(service, wanted.state, wanted.files, custodians, chunks, crew) as relay,
    ):
        room = await RoomProcess.launch(wanted.chip, wanted.program, relay, heard, start, begun)

        async def stopping() -> None:
            await stop.wait()
            on_event("stopping", {"seconds": int(STOP_SECONDS)})
            await room.stop(STOP_SECONDS)

        words.add(asyncio.create_task(stopping()))
        try:
            return await room.until_ended()
        except OperatorFault:
            if not stop.is_set():
                raise
            return Ended(False, "killed", f"not ended in {STOP_SECONDS:g} s: its leases lapse")
        finally:
            await room.kill()
            for word in words:
                word.cancel()
            await asyncio.gather(*words, return_exceptions=True)


async def run_workers(
    wanted: Wanted,
    where: Path,
    operator: Identity,
    on_event: OnEvent,
    stop: asyncio.Event,
    jobs: int = 0,
) -> Ended:
    """Run a worker, life after life, until it is stopped: each takes one job. While one waits, the
    process of the next is started: it has loaded and measured itself when its turn comes.

    Args:
        wanted: the worker.
        where: as of `run_room`.
        operator: as of `run_room`.
        on_event: as of `run_room`; told too how each life ended.
        stop: as of `run_room`.
        jobs: end after so many that were reported; 0: only when stopped.

    Returns:
        How it was stopped, or its last job ended; or how the last of FRUITLESS_MAX lives ended that
        took no job.

    Raises:
        OperatorFault: it does not start.
    """
    spare = _Spare(wanted, where, operator)
    try:
        return await _lives(wanted, where, operator, on_event, stop, spare, jobs)
    finally:
        await spare.end()


class _Spare:
    """The process of a worker's next life, and the operator's word for it: code is measured once
    more for that."""

    def __init__(self, wanted: Wanted, where: Path, operator: Identity) -> None:
        self._wanted, self._where, self._operator = wanted, where, operator
        self._task: asyncio.Task[tuple[Ahead, Start]] | None = None

    def begin(self) -> None:
        """Have one."""
        if self._task is None:
            self._task = asyncio.create_task(self._begun())

    async def take(self) -> tuple[Ahead, Start] | None:
        """It, if there is one and it has not ended."""
        task, self._task = self._task, None
        if task is None:
            return None
        try:
            ahead, start = await task
        except (OSError, StrongroomError):  # then the life that needs one says why
            return None
        if ahead.process.returncode is None:
            return ahead, start
        await ahead.end_it()
        return None

    async def end(self) -> None:
        """Nobody needs it any more."""
        if (taken := await self.take()) is not None:
            await taken[0].end_it()

    async def _begun(self) -> tuple[Ahead, Start]:
        wanted, service = self._wanted, load_service(self._where)
        start = await asyncio.to_thread(start_of, wanted, service, self._operator)
        return await Ahead.begin(wanted.chip, wanted.program, wanted.parameters), start


async def _lives(
    wanted: Wanted,
    where: Path,
    operator: Identity,
    on_event: OnEvent,
    stop: asyncio.Event,
    spare: _Spare,
    jobs: int,
) -> Ended:
    fruitless = reported = 0
    while True:
        said: set[str] = set()

        is_last = 0 < jobs <= reported + 1

        def heard(
            what: str, fields: dict[str, Any], said: set[str] = said, is_last: bool = is_last
        ) -> None:
            said.add(what)
            if what == "waiting" and not is_last:
                spare.begin()
            on_event(what, fields)

        ahead = await spare.take()
        try:
            ended = await run_room(wanted, where, operator, heard, stop, ahead)
        except OperatorFault as fault:
            if "started" not in said:
                raise
            ended = Ended(False, "killed", str(fault))
        finally:
            if ahead is not None:  # it may never have been told what it is
                await ahead[0].end_it()
        fruitless = 0 if ended.ok or "taken" in said else fruitless + 1
        reported += "reported" in said
        if stop.is_set() or fruitless == FRUITLESS_MAX or 0 < jobs <= reported:
            return ended
        on_event("life-ended", {"code": ended.code, "why": ended.text})
        if not ended.ok:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
            if stop.is_set():
                return Ended(True, "", "stopped between two lives")


async def announced(where: Path, asker: Identity, custodian: bytes) -> str:
    """The address that a custodian announced on the ledger; empty: nowhere for now.

    Raises:
        ClientFault: none is known, or nobody answers.
    """
    async with Client.connect(where, asker, timeout=VOUCH_SECONDS, one_shot=True) as client:
        shown = await client.query("vault.custodian", identity=f"id:{custodian.hex()}")
        return str(shown.value["endpoint"])


async def vouch(where: Path, operator: Identity, session: object, on_event: OnEvent) -> None:
    """Have the room's session admitted by its operator's word; without it, only a service that is
    open to all lets it in."""
    if type(session) is not bytes:
        return
    try:
        async with Client.connect(where, operator, timeout=VOUCH_SECONDS, one_shot=True) as client:
            await client.call("roster.vouch", room=f"id:{session.hex()}")
    except StrongroomError as fault:
        on_event("not-vouched", {"why": str(fault)})
