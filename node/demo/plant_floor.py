"""The plant: machines, rooms, containers, and what its administrators try.

Owns what happens on the plant's side, and what can be opened with what it was given.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import WrongKey
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_claim, verify_receipt
from strongroom.enclave.primitives import Secret
from strongroom.node.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.demo.plant_rooms import Machine, start_printer
from strongroom.node.demo.plant_scene import KEYS, PLANT, Scene
from strongroom.node.demo.room_processes import RunningRoom, run_command
from strongroom.node.layout import ClusterLayout
from strongroom.node.rooms.starting import make_chip, program_file
from strongroom.node.vault.containers import open_container


class Floor:
    """The plant's own machines and people."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.rooms: list[RunningRoom] = []

    def move_in(self) -> None:
        """Get what a plant gets: containers, and what any client of the service has."""
        for key in KEYS:
            shutil.copy(self._scene.maker / f"{key}.sealed", self._scene.plant / f"{key}.sealed")
        plant = ClusterLayout(self._scene.plant)
        plant.keys.mkdir(mode=0o700)
        ours = self._scene.service
        for source, target in (
            (ours.service, plant.service),
            (ours.ca, plant.ca),
            (ours.identity(PLANT), plant.identity(PLANT)),
            (ours.credential, plant.credential),
        ):
            if source.exists():
                shutil.copy(source, target)

    async def room(
        self,
        key: str,
        *,
        machine: Machine | None = None,
        program: str = "printer",
        parts: int = 1,
        seconds: float = 0.0,
    ) -> RunningRoom:
        """Start a room at the plant."""
        room = await start_printer(
            machine or Machine(self._scene.hall),
            service=ClusterLayout(self._scene.plant).service,
            container=self._scene.plant / f"{key}.sealed",
            key=self._scene.key(key),
            name=self._scene.room,
            program=program,
            parts=parts,
            seconds=seconds,
        )
        self.rooms.append(room)
        return room

    async def other_machine(self) -> Machine:
        """A second machine of the plant's, with a chip of its own."""
        other = Machine(self._scene.plant / "other")
        await asyncio.to_thread(make_chip, self._scene.service.platform, other.chip)
        return other

    def copy_machine(self) -> Machine:
        """The machine's disk, copied."""
        copied = Machine(self._scene.plant / "copied")
        shutil.copytree(self._scene.hall, copied.folder)
        return copied

    def changed_program(self) -> Path:
        """The printer's program with one line more: whatever it says, it is other code."""
        original = program_file("printer")
        path = self._scene.plant / "changed" / original.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(original.read_text() + "\n\nPARTS_REPORTED = 0.5\n")
        return path

    async def ask_without_platform(self) -> str:
        """What an ordinary machine can do: ask, with the plant's own name and no evidence."""
        try:
            async with Client.connect(
                ClusterLayout(self._scene.plant).service, PLANT, one_shot=True
            ) as client:
                await client.call(
                    "vault.ask", key=self._scene.key("bear"), purpose="print", evidence=b""
                )
        except ProgramFailed as fault:
            return fault.code
        return "a lease"

    async def check_unit(self, unit: dict[str, Any]) -> None:
        """A unit's receipt verifies offline, and says which unit it is."""
        path = self._scene.plant / f"unit-{unit['unit']}.json"
        service = ("--dir", str(self._scene.service.directory))
        _, fetched = await run_command("receipt", unit["id"], "-o", str(path), *service)
        pin = self._scene.cluster.service().pin
        verified = verify_receipt(Receipt.from_json(path.read_text()), pin)
        verify_claim(verified, bytes.fromhex(unit["claim"]), bytes.fromhex(unit["blinding"]))
        status, told = await run_command("verify", "receipt", str(path), "--service", pin)
        self._scene.lines.check(
            status == 0 and fetched["id"] == told["id"] == unit["id"],
            f"part {unit['unit']} has a receipt that verifies offline, with its claim",
        )

    def opens_nothing(self) -> bool:
        """Does a container open with anything that the plant can make up?"""
        with open_container(self._scene.plant / "bear.sealed") as container:
            for index in range(len(container.header.pieces)):
                try:
                    container.piece(index, Secret.fresh())
                except WrongKey:
                    continue
                return False
        return True

    def pieces_opened_with_given_keys(self, key: str, given: int) -> list[int]:
        """Which pieces open with the keys of the first `given` ones, each tried on each."""
        with open_container(self._scene.plant / f"{key}.sealed") as container:
            header = container.header
            k = Secret(bytes.fromhex(self._scene.secret(key)))
            keys = [header.key.piece_key(k, index) for index in range(given)]
            opened = []
            for index in range(len(header.pieces)):
                for one in keys:
                    try:
                        container.piece(index, one)
                    except ClientFault:
                        continue
                    opened.append(index)
        return opened
