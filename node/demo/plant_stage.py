"""The stage of the plant's story: the maker's desk, the plant's machines, and the line that is kept
of each thing that must hold.

Owns what each step does. In which order, and what must come of it, says plant.py.
"""

import asyncio
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import WrongKey
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_claim, verify_receipt
from strongroom.enclave.primitives import Secret
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.demo.loopback import LoopbackCapture
from strongroom.node.demo.plant_design import LAYERS, Design, write_design
from strongroom.node.demo.plant_rooms import COMMAND, Machine, RunningRoom, run_command
from strongroom.node.demo.plant_search import Search
from strongroom.node.layout import ClusterLayout
from strongroom.node.rooms.starting import make_chip, measured, program_file
from strongroom.node.terminal.teller import StoryFails, Teller
from strongroom.node.vault.containers import open_container

MAKER, PLANT = "maker", "plant"
SEARCHES_MAX = 20


@dataclass(slots=True)
class Report:
    """A line for each thing that must hold."""

    teller: Teller
    path: Path | None
    lines: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def check(self, holds: bool, words: str) -> None:
        """Say it, and keep it; the story goes on."""
        self.teller.line(f"{'holds ' if holds else 'FAILS '} {words}")
        self.lines.append({"holds": holds, "line": words})

    @property
    def broken(self) -> list[str]:
        """What does not hold."""
        return [line["line"] for line in self.lines if not line["holds"]]

    @property
    def document(self) -> dict[str, Any]:
        """All of it."""
        seconds = round(self.teller.seconds, 1)
        return {"ok": not self.broken, "seconds": seconds, "lines": self.lines, **self.facts}

    def write(self) -> None:
        """To the file that was asked for."""
        if self.path is not None:
            self.path.write_text(json.dumps(self.document, indent=1) + "\n")


class Plant:
    """The maker, the plant, and what lies where."""

    def __init__(self, cluster: Cluster, folder: Path, lines: Report) -> None:
        self._cluster, self._lines = cluster, lines
        self._layout = cluster.layout
        self._maker, self._plant = folder / "maker", folder / "plant"
        self._captures = folder / "captures"
        for made in (self._maker, self._plant, self._captures):
            made.mkdir()
        self._machine = Machine(self._plant / "hall")
        self._name = f"hall-{secrets.token_hex(6)}"
        self._control = str(cluster.service().pin)
        ports = {
            port
            for node in cluster.nodes
            for port in (node.config().rpc.port, node.config().peer.port)
        }
        self._loopback = LoopbackCapture(self._captures / "loopback", ports)
        self._captured = False
        self._design: Design | None = None
        self._rooms: list[RunningRoom] = []
        self._watch: asyncio.subprocess.Process | None = None
        self._search = Search(())
        self._chip = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, cluster: Cluster, lines: Report) -> AsyncIterator["Plant"]:
        """Everything in a folder that is gone at the end, with all processes."""
        folder = Path(tempfile.mkdtemp(prefix="strongroom-plant-"))
        plant = cls(cluster, folder, lines)
        plant._captured = plant._loopback.start()
        try:
            yield plant
        finally:
            plant._loopback.stop()
            for room in plant._rooms:
                await room.stop()
            await plant._end_watch()
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def as_maker(self) -> tuple[str, ...]:
        """Options of the maker's commands."""
        return ("--as", MAKER, "--dir", str(self._layout.directory))

    # --- the maker's desk ---

    async def make_keys(self, quantity: int) -> None:
        """Identities, a design, a policy, and two keys: bear for five parts, owl."""
        keys = KeyFolder(self._layout.keys)
        people = [keys.new(name).id for name in (MAKER, PLANT)]
        await bring(self._layout.directory, people, member=BRINGER)
        await self._start_watch()
        self._design = write_design(self._maker / "bear.gcode")
        chip = await asyncio.to_thread(make_chip, self._layout.platform, self._machine.chip)
        self._chip = chip.chip_id.hex()
        self._policy().write_text(json.dumps(self._conditions()))
        for key in ("bear", "owl"):
            terms = ("--pieces", str(LAYERS), "--quantity", str(quantity), "--heartbeat", "2s")
            await self._must("vault", "new", key, "--policy", str(self._policy()), *terms)
            sealed = ("--out", str(self._container(key)))
            done = await self._must("vault", "put", key, str(self._design.path), *sealed)
            state = done["result"]["state"]
            self._lines.check(
                done["pieces"] == LAYERS and state == "active",
                f"{key}: {done['pieces']} pieces sealed, the key is {state}",
            )
        self._search = Search([self._design.mark, *(self._secret(key) for key in ("bear", "owl"))])
        self._move_in()

    def _conditions(self) -> dict[str, Any]:
        wanted = [
            {"claim": "measurement", "equals": measured(program_file("printer")).digest.hex()},
            {"claim": "region", "equals": "eu-west"},
            {"claim": "ueid", "in": [self._chip]},
        ]
        return {"version": "1.0.0", "anyOf": [{"authority": "strongroom", "allOf": wanted}]}

    async def show_conditions(self) -> None:
        """A dry run of the policy over what the plant's room will show."""
        claims = {
            "measurement": measured(program_file("printer")).digest.hex(),
            "ueid": self._chip,
            "region": "eu-west",
            "room": self._name,
            "simulated": True,
        }
        path = self._maker / "claims.json"
        path.write_text(json.dumps(claims))
        status, told = await run_command(
            "vault", "policy", "explain", str(self._policy()), "--claims", str(path)
        )
        for one in told["conditions"]:
            words = f"{one['verdict']}: {one['condition'][:72]}"
            self._lines.check(one["verdict"] == "holds", words)
        self._lines.check(status == 0, "all that the policy demands holds for this room")

    async def revoke(self, key: str) -> float:
        """Revoke; seconds until it was final."""
        began = time.monotonic()
        async with Client.connect(self._layout.directory, MAKER, one_shot=True) as client:
            await client.call("vault.revoke", key=f"/{key}")
        return time.monotonic() - began

    async def resolve(self, key: str) -> bool:
        """Say after a clone that a start stays which is later than both."""
        shown = await self._must("vault", "show", key)
        boots = [boot["boot"] for room in shown["frozen"] for boot in room["boots"]]
        if not boots:
            return False
        later = str(max(boots) + 1)
        words = ("vault", "resolve", key, "--room", self._name, "--keep", later)
        done = await self._must(*words)
        return bool(done["result"]["resolved"])

    # --- the plant's machines ---

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
        owner = KeyFolder(self._layout.keys).show(MAKER).id.hex()
        room = await RunningRoom.start(
            machine or self._machine,
            service=self._plant / "service.json",
            container=self._plant / f"{key}.sealed",
            key=f"id:{owner}/{key}",
            name=self._name,
            program=program,
            parts=parts,
            seconds=seconds,
        )
        self._rooms.append(room)
        return room

    async def other_machine(self) -> Machine:
        """A second machine of the plant's, with a chip of its own."""
        other = Machine(self._plant / "other")
        await asyncio.to_thread(make_chip, self._layout.platform, other.chip)
        return other

    def copy_machine(self) -> Machine:
        """The machine's disk, copied."""
        copied = Machine(self._plant / "copied")
        shutil.copytree(self._machine.folder, copied.folder)
        return copied

    def changed_program(self) -> Path:
        """The printer's program, changed so that it reports one part of two."""
        path = self._plant / "printer_changed.py"
        path.write_text(program_file("printer").read_text() + "\n\nPARTS_REPORTED = 0.5\n")
        return path

    async def ask_without_platform(self) -> str:
        """What an ordinary machine can do: ask, with the plant's own name and no evidence."""
        owner = KeyFolder(self._layout.keys).show(MAKER).id.hex()
        try:
            async with Client.connect(self._plant / "service.json", PLANT, one_shot=True) as client:
                await client.call(
                    "vault.ask", key=f"id:{owner}/bear", purpose="print", evidence=b""
                )
        except ProgramFailed as fault:
            return fault.code
        return "a lease"

    # --- what was given, and what it opens ---

    async def check_unit(self, unit: dict[str, Any]) -> None:
        """A unit's receipt verifies offline, and says which unit it is."""
        path = self._plant / f"unit-{unit['unit']}.json"
        service = ("--dir", str(self._layout.directory))
        _, fetched = await run_command("receipt", unit["id"], "-o", str(path), *service)
        pin = self._cluster.service().pin
        verified = verify_receipt(Receipt.from_json(path.read_text()), pin)
        verify_claim(verified, bytes.fromhex(unit["claim"]), bytes.fromhex(unit["blinding"]))
        status, told = await run_command("verify", "receipt", str(path), "--service", pin)
        self._lines.check(
            status == 0 and fetched["id"] == told["id"] == unit["id"],
            f"part {unit['unit']} has a receipt that verifies offline, with its claim",
        )

    def opens_nothing(self) -> bool:
        """Does a container open with anything that the plant can make up?"""
        with open_container(self._plant / "bear.sealed") as container:
            for index in range(len(container.header.pieces)):
                try:
                    container.piece(index, Secret.fresh())
                except WrongKey:
                    continue
                return False
        return True

    def pieces_opened_with_given_keys(self, key: str, given: int) -> list[int]:
        """Which pieces open with the keys of the first `given` ones, each tried on each."""
        with open_container(self._plant / f"{key}.sealed") as container:
            header = container.header
            k = Secret(bytes.fromhex(self._secret(key)))
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

    # --- captures ---

    async def search_running(self, room: RunningRoom) -> None:
        """The memory of the plant's host, and of the room, while it prints."""
        host, inside = room.host, room.inside
        if host is None or inside is None:
            raise StoryFails("the room is gone before its machine could be searched")
        name = "memory of the room"
        for _ in range(SEARCHES_MAX):  # plaintext stands there for as long as a layer takes
            if await asyncio.to_thread(self._search.memory, name, "nobody", inside.pid, None):
                break
            if os.geteuid() != 0 or room.process.returncode is not None:
                break
        name = "memory of the plant's host process"
        await asyncio.to_thread(self._search.memory, name, PLANT, host.pid, self._name)

    def show_places(self) -> None:
        """Search what lies on disks and what passed, and say of each place who sees what."""
        assert self._design is not None
        self._search.files("the plant's disk", PLANT, self._plant, self._control)
        ledger = self._layout.node(self._cluster.names[0])
        name = str(self._cluster.nodes[0].ask("service_info")["name"])  # type: ignore[index]
        self._search.files(
            f"disk of node {ledger.name}, its ledger", "its host", ledger.directory, name
        )
        self._search_loopback()
        self._search.files("the maker's desk", "the maker", self._maker, None)
        self._lines.teller.table(
            ["place", "who can look", "size", "what stands there", "control"],
            [place.row() for place in self._search.places],
        )
        self._lines.facts["places"] = [place.to_json() for place in self._search.places]
        for place in self._search.places:
            words = "holds the design" if place.may_hold else "holds nothing of the design"
            self._lines.check(place.holds, f"{place.name} {place.note or words}")

    def _search_loopback(self) -> None:
        name, who = "loopback traffic", "whoever taps the line"
        if not self._captured:
            self._search.skip(name, who)
            return
        self._say_control()
        self._loopback.stop()
        self._search.files(name, who, self._captures, self._control)

    def _say_control(self) -> None:
        """A text in the clear on a captured port: the capture must show it."""
        import socket

        rpc = self._cluster.nodes[0].config().rpc
        with socket.create_connection((rpc.host, rpc.port), timeout=5) as line:
            line.sendall(self._control.encode())
            time.sleep(0.3)

    # --- the watch ---

    async def _start_watch(self) -> None:
        self._watch = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("vault", "leases", "--watch", "--every", "500ms", "--json", *self.as_maker),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def _end_watch(self) -> str:
        watch, self._watch = self._watch, None
        if watch is None:
            return ""
        if watch.returncode is None:
            watch.terminate()
        output, _ = await watch.communicate()
        return output.decode()

    async def show_watch(self) -> None:
        """What `vault leases --watch` told meanwhile."""
        await asyncio.sleep(1.0)
        told = [json.loads(line) for line in (await self._end_watch()).splitlines()]
        whats = [one["what"] for one in told]
        for what in ("ask", "use", "end", "quantity", "policy", "not-this-hardware", "clone"):
            count = whats.count(what)
            self._lines.check(count > 0, f"the maker's watch told of {what}: {count} times")

    # --- inside ---

    async def _must(self, *arguments: str) -> Any:
        status, document = await run_command(*arguments, *self.as_maker)
        if status:
            raise StoryFails(f"`strongroom {' '.join(arguments[:3])}`: {document}")
        return document

    def _policy(self) -> Path:
        return self._maker / "policy.json"

    def _container(self, key: str) -> Path:
        return self._maker / f"{key}.sealed"

    def _secret(self, key: str) -> str:
        """K in hex, from the maker's own file."""
        path = self._layout.vault(MAKER) / f"{key}@1.json"
        secret: str = json.loads(path.read_text())["secret"]
        return secret

    def _move_in(self) -> None:
        """What the plant gets: containers, and what any client of the service has."""
        for key in ("bear", "owl"):
            shutil.copy(self._container(key), self._plant / f"{key}.sealed")
        plant = ClusterLayout(self._plant)
        plant.keys.mkdir(mode=0o700)
        ours = self._layout
        for source, target in (
            (ours.service, plant.service),
            (ours.ca, plant.ca),
            (ours.identity(PLANT), plant.identity(PLANT)),
            (ours.credential, plant.credential),
        ):
            if source.exists():
                shutil.copy(source, target)
