"""A maker, a plant, and a real room's process between a service in this process and a host that
may lie."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.enclave.chain import person
from tests.enclave.fixtures import key_named, manufacturer
from tests.enclave.programs.vault.world import founded, policy_of
from tests.node.client import ledger
from tests.node.client.ledger import Service, running
from tests.node.client.turning import founded_as

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.primitives import Secret
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.client import Client
from strongroom.node.client.trust.service import load_service
from strongroom.node.rooms.custodians import Custodians
from strongroom.node.rooms.process import Ended, RoomProcess
from strongroom.node.rooms.relay import Relay
from strongroom.node.rooms.starting import Wanted, measured, program_file, start_of
from strongroom.node.vault.containers import seal_file
from strongroom.node.vault.cutting import cut_layers

CANARY = "G1 X31.4159 Y26.5358"
LAYERS = 4
DESIGN = "".join(f";LAYER:{n}\n{CANARY} Z{n} E{n}.5\n" for n in range(LAYERS))
K = sha256(b"data key").digest()
PLANT = Identity(key_named("plant"))


class Tapped(Relay):
    """A relay that keeps all it carries, and lies as a test says."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []
        self.carried: list[bytes] = []
        self.lie: Callable[[str, Any], Any] = lambda _method, answer: answer
        self.carry: Callable[[str, dict[str, Any]], Awaitable[Any]] = super().ask
        self.gone = False
        """Answers nothing more."""

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        self.asked.append(method)
        self.carried += [value for value in params.values() if isinstance(value, bytes)]
        if self.gone:
            await asyncio.Event().wait()
        answer = self.lie(method, await self.carry(method, params))
        if isinstance(answer, dict):
            self.carried += [value for value in answer.values() if isinstance(value, bytes)]
        return answer


class Started:
    """A room that runs, and what it said."""

    def __init__(
        self, process: RoomProcess, relay: Tapped, events: list[tuple[str, dict[str, Any]]]
    ):
        self.process, self.relay, self.events = process, relay, events

    def said(self, what: str) -> list[dict[str, Any]]:
        return [fields for one, fields in self.events if one == what]

    async def end(self) -> Ended:
        return await self.process.until_ended()


class World:
    """One service, one maker (alice), one plant."""

    def __init__(self, directory: Path, service: Service) -> None:
        self.directory, self.service = directory, service
        self.chip = directory / "chip"
        self.own = manufacturer().make_chip()
        self.own.save(self.chip)
        self.program = program_file("printer")
        self.custodians: Custodians | None = None
        """The way to them, of rooms that are started from now on."""

    async def act(self, who: str, operation: str, **arguments: Any) -> Done:
        async with Client.connect(self.directory, who, one_shot=True) as client:
            return await client.call(f"vault.{operation}", **arguments)

    async def look(self, operation: str, **arguments: Any) -> Any:
        async with Client.connect(self.directory, "alice") as client:
            return (await client.query(f"vault.{operation}", **arguments)).value

    async def key(self, name: str, *conditions: dict[str, Any], **terms: Any) -> str:
        """A key for this program here, with its design sealed; how rooms name it."""
        code = {"claim": "measurement", "equals": measured(self.program).digest.hex()}
        policy = policy_of(*(conditions or (code,)))
        await self.act("alice", "new", name=name, policy=policy, **{"pieces": LAYERS, **terms})
        await self.act("alice", "put", key=f"/{name}", secret=K)
        source = self.directory / f"{name}.gcode"
        source.write_text(DESIGN)
        owner = person("alice").id
        seal_file(
            source,
            self.directory / f"{name}.sealed",
            secret=Secret(K),
            chain=self.service.orderer.chain.genesis.chain,
            key=KeyVersion(owner=owner, name=name, version=1),
            sizes=cut_layers(source),
        )
        return f"id:{owner.hex()}/{name}"

    def wanted(self, key: str, **parameters: str) -> Wanted:
        """A room that runs the program on the plant's chip."""
        label = key.rpartition("/")[2]
        return Wanted(
            name="hall-7",
            program=self.program,
            chip=self.chip,
            state=self.directory / "state",
            region="eu-west",
            operator="plant",
            files={"design": self.directory / f"{label}.sealed"},
            parameters={"key": key, "container": "design", **parameters},
        )

    @asynccontextmanager
    async def room(
        self,
        key: str,
        *,
        chip: Path | None = None,
        state: str = "state",
        region: str = "eu-west",
        name: str = "hall-7",
        operator: Identity = PLANT,
        files: Mapping[str, Path] | None = None,
        **parameters: str,
    ) -> AsyncIterator[Started]:
        """A room that runs the program on the plant's chip."""
        wanted = replace(
            self.wanted(key, **parameters),
            name=name,
            chip=chip or self.chip,
            state=self.directory / state,
            region=region,
            files=files or self.wanted(key).files,
        )
        service = load_service(self.directory)
        start = replace(start_of(wanted, service, PLANT), operator_key=operator.public)
        events: list[tuple[str, dict[str, Any]]] = []
        relay = Tapped(service, wanted.state, wanted.files, self.custodians)
        async with relay:
            process = await RoomProcess.launch(
                wanted.chip,
                wanted.program,
                relay,
                lambda what, fields: events.append((what, fields)),
                start,
            )
            try:
                yield Started(process, relay, events)
            finally:
                await process.kill()

    def other_chip(self) -> tuple[Path, SimulatedChip]:
        """Another genuine (simulated) chip."""
        chip = manufacturer().make_chip()
        chip.save(self.directory / "other-chip")
        return self.directory / "other-chip", chip


@asynccontextmanager
async def world(directory: Path, monkeypatch: Any) -> AsyncIterator[World]:
    """All of it, up."""
    monkeypatch.setattr(ledger, "TurningChain", founded_as(founded()))
    async with running(directory) as service:
        yield World(directory, service)
