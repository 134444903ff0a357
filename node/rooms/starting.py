"""From a command line's words to a running room: which program, which measurement, whose word.

Owns the operator's statement over a room, which is made at each start from what is measured there
and then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import strongroom.enclave.room.programs
from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.consensus.types import Signature
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import sign_room_deployment
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import Measurement
from strongroom.enclave.room.measurement import ProgramSource, measure_room
from strongroom.node.client.trust.service import Service
from strongroom.node.rooms.process import Ended, OnEvent, RoomProcess, Start
from strongroom.node.rooms.relay import Relay


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
    path = Path(text)
    if not path.suffix and path.name == text:
        folder = Path(next(iter(strongroom.enclave.room.programs.__path__)))
        path = folder / f"{text}.py"
    if not path.is_file():
        raise OperatorFault(f"no program {text}: name `printer`, or a .py file of your own")
    return path


def measured(program: Path) -> Measurement:
    """The measurement of a room that runs this program, here."""
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


async def run_room(
    wanted: Wanted, service: Service, operator: Identity, on_event: OnEvent
) -> Ended:
    """Run a room until it ends; cancelled, it is told to stop, and killed if it does not.

    Raises:
        OperatorFault: it does not start.
    """
    start = Start(
        pin=service.pin,
        room=wanted.name,
        region=wanted.region,
        operator=wanted.operator,
        operator_key=operator.public,
        signature=sign(wanted, service, operator),
        parameters=wanted.parameters,
    )
    async with Relay(service, wanted.state, wanted.files) as relay:
        room = await RoomProcess.launch(wanted.chip, wanted.program, relay, on_event, start)
        try:
            return await room.until_ended()
        finally:
            await room.kill()
