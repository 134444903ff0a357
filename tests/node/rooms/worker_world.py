"""Owners, an analyst, a regulator, and real workers' processes between a service in this process,
whose nodes keep chunks."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.enclave.chain import person
from tests.enclave.fixtures import key_named, manufacturer
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    contract,
    data_terms,
    founded,
    secret_of,
    terms,
    who,
)
from tests.enclave.programs.vault.world import policy_of
from tests.node.client import ledger
from tests.node.client.ledger import Service, running
from tests.node.client.turning import founded_as
from tests.waiting import so

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.result_keys import result_name
from strongroom.enclave.outside.chunks import ChunkOpener, DataPlace, check_chunk
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.clean_rooms.transfer import NodeDoors
from strongroom.node.client.client import Client
from strongroom.node.client.trust.service import load_service
from strongroom.node.rooms.chunks import ChunkCarrier
from strongroom.node.rooms.custodians import Custodians
from strongroom.node.rooms.process import Ended, RoomProcess
from strongroom.node.rooms.relay import Relay
from strongroom.node.rooms.starting import Wanted, measured, program_file, start_of
from strongroom.node.rpc.http import make_app

PEOPLE = (*BANKS, ANALYST, REGULATOR)
MEMORY = "1024"
MEASURED = cache(measured)
"""What is installed here is measured once, for all its keys."""
DURATION_MS = 6_000
"""Of a job that takes a fifth of a second: a worker with too little time reports nothing, however
busy this machine is."""


class Worker:
    """One life of a worker, and what it said."""

    def __init__(
        self, operator: str, process: RoomProcess, events: list[tuple[str, dict[str, Any]]]
    ) -> None:
        self.operator, self.process, self.events = operator, process, events

    def said(self, what: str) -> list[dict[str, Any]]:
        return [fields for one, fields in self.events if one == what]

    async def end(self) -> Ended:
        return await self.process.until_ended()


class World:
    """One service and its people."""

    def __init__(self, directory: Path, service: Service, chunks: ChunkStore) -> None:
        self.directory, self.service, self.chunks = directory, service, chunks
        self.program = program_file("analytics")
        self.custodians: Custodians | None = None
        for name in PEOPLE:
            self._write_key(name)

    async def act(self, name: str, operation: str, /, **arguments: Any) -> Any:
        async with Client.connect(self.directory, _file(name), one_shot=True) as client:
            return (await client.call(operation, **arguments)).result

    async def look(self, operation: str, **arguments: Any) -> Any:
        async with Client.connect(self.directory, _file(ANALYST)) as client:
            return (await client.query(f"rooms.{operation}", **arguments)).value

    async def open_room(self) -> bytes:
        """A clean room of both banks, an analyst and a regulator, that all have joined."""
        made = await self.act(BANKS[0], "rooms.create", terms=terms().encode())
        room: bytes = made["room"]
        for name in (BANKS[1], ANALYST, REGULATOR):
            await self.act(name, "rooms.join", room=room)
        return room

    async def bring(self, owner: str, name: str, segments: Sequence[Table], **changes: Any) -> None:
        """A data set, sealed and stored, each segment as a version that extends the one before."""
        await self.key(owner, name)
        await self.act(owner, "vault.put", key=f"/{name}", secret=secret_of(owner + name))
        await self.seal(owner, name, segments, Secret(secret_of(owner + name)), **changes)

    async def key(self, owner: str, name: str, **custody: Any) -> None:
        """A key that workers alone open; it has no secret yet."""
        code = {"claim": "measurement", "equals": MEASURED(self.program).digest.hex()}
        times = {"heartbeat_ms": 2_000, "lease_ms": 600_000}
        await self.act(owner, "vault.new", name=name, policy=policy_of(code), **times, **custody)

    async def seal(
        self, owner: str, name: str, segments: Sequence[Table], secret: Secret, **changes: Any
    ) -> None:
        """A data set under a key that has its secret, each segment sealed and stored."""
        told = data_terms(**changes).encode()
        await self.act(owner, "rooms.publish", name=name, terms=told, key=f"/{name}")
        service, before = load_service(self.directory), list[bytes]()
        async with ChunkCarrier(service) as carrier:
            assert carrier._http is not None
            doors = NodeDoors(carrier._http, service.endpoints, carrier._ssl)
            for version, table in enumerate(segments, 1):
                place = DataPlace(service.chain, who(owner), name, version)
                stream = tables.write(table, tables.kinds_of(table), 17)
                stored = await doors.store(
                    [stream],
                    secret,
                    place,
                    first=len(before),
                    before=tuple(before),
                )
                before = await doors.names(stored.root, stored.chunks)
                await self.act(
                    owner,
                    "rooms.add" if version == 1 else "rooms.extend",
                    name=name,
                    root=stored.root,
                    chunks=stored.chunks,
                    size_class=stored.size_class,
                )

    async def agree(self, room: bytes, **changes: Any) -> bytes:
        """A contract that both banks approve."""
        made: Contract = contract(room, **({"duration_ms": DURATION_MS} | changes))
        told = await self.act(ANALYST, "rooms.propose", contract=made.encode())
        if made.profile != "free":
            for bank in BANKS:
                await self.act(bank, "rooms.vote", contract=told["contract"], approve=True)
        id: bytes = told["contract"]
        return id

    async def run(self, id: bytes, parameters: Mapping[str, Any] | None = None) -> bytes:
        given = codec.encode(tuple(sorted((parameters or {}).items())))
        job: bytes = (await self.act(ANALYST, "rooms.run", contract=id, parameters=given))["job"]
        return job

    async def open(self, name: str, job: bytes, output: str, room: bytes) -> Table:
        """The table that a recipient reads."""
        return tables.read(Stream.of(await self.open_bytes(name, job, output, room)))

    async def open_bytes(self, name: str, job: bytes, output: str, room: bytes) -> bytes:
        """The bytes that a recipient reads."""
        told = await self.act(name, "rooms.open", job=job, output=output)
        chain = load_service(self.directory).chain
        place = DataPlace(chain, room, result_name(job, output, told["recipient"]), 1)
        opener, parts = ChunkOpener(Secret(told["key"]), place), []
        names = self.chunks.names(told["root"])
        for at, one in enumerate(names):
            sealed = self.chunks.get(one)
            check_chunk(sealed, one)
            parts.append(opener.open(sealed, last=at == len(names) - 1))
        return b"".join(parts)

    @asynccontextmanager
    async def workers(self, *operators: str) -> AsyncIterator[list[Worker]]:
        """A worker of each operator, on a chip of its own, that waits for a job."""
        async with AsyncExitStack() as stack:
            made = [await stack.enter_async_context(self._worker(one)) for one in operators]
            for one in made:
                await so(partial(one.said, "waiting"), f"{one.operator} waits")
            yield made

    @asynccontextmanager
    async def _worker(self, operator: str) -> AsyncIterator[Worker]:
        chip = self.directory / f"chip-{operator}"
        if not chip.exists():
            manufacturer().make_chip().save(chip)
        wanted = Wanted(
            name=f"worker-{operator}",
            program=self.program,
            chip=chip,
            state=self.directory / f"state-{operator}",
            region="eu-west",
            operator=operator,
            files={},
            parameters={"memory": MEMORY},
        )
        own, service = Identity(key_named(operator)), load_service(self.directory)
        start = start_of(wanted, service, own)
        events: list[tuple[str, dict[str, Any]]] = []
        async with (
            ChunkCarrier(service) as chunks,
            Relay(service, wanted.state, {}, self.custodians, chunks) as relay,
        ):
            process = await RoomProcess.launch(
                chip,
                self.program,
                relay,
                lambda what, fields: events.append((what, fields)),
                start,
            )
            try:
                yield Worker(operator, process, events)
            finally:
                await process.kill()

    def _write_key(self, name: str) -> None:
        file = self.directory / "keys" / f"{_file(name)}.json"
        seed = hashlib.sha256(name.encode()).hexdigest()
        told = {"name": _file(name), "public": person(name).public.hex(), "seed": seed}
        file.write_text(json.dumps(told))
        file.chmod(0o600)


def _file(name: str) -> str:
    return name.replace(" ", "-")


@asynccontextmanager
async def world(directory: Path, monkeypatch: Any) -> AsyncIterator[World]:
    """All of it, up."""
    chunks = ChunkStore(directory / "chunks")
    monkeypatch.setattr(ledger, "TurningChain", founded_as(founded()))
    monkeypatch.setattr(ledger, "make_app", partial(make_app, chunks=chunks))
    async with running(directory) as service:
        yield World(directory, service, chunks)
