"""A crew's rooms as real processes, each with a host of its own at an address of its own, between a
service in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from tests.enclave.fixtures import key_named, manufacturer
from tests.node.rooms.worker_world import World
from tests.waiting import so

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.client.trust.service import load_service
from strongroom.node.rooms.chunks import ChunkCarrier
from strongroom.node.rooms.crew import LISTEN, MEMBERS, CrewCarrier
from strongroom.node.rooms.process import Ended, RoomProcess
from strongroom.node.rooms.relay import Relay
from strongroom.node.rooms.starting import Wanted, program_file, start_of

MEMORY = "2048"


class Tap(CrewCarrier):
    """A host that keeps what it carries."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__(words)
        self.carried = bytearray()

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        if method == "crew_send":
            self.carried += b"".join(params["records"])
        return await super().ask(method, params)


class Member:
    """One room of a crew, its host, and what it said."""

    def __init__(self, name: str, process: RoomProcess, host: Tap) -> None:
        self.name, self.process, self.host = name, process, host
        self.events: list[tuple[str, dict[str, Any]]] = []

    def said(self, what: str) -> list[dict[str, Any]]:
        return [fields for one, fields in self.events if one == what]

    async def kill(self) -> None:
        """As with `room run`: a host ends with its room."""
        await self.process.kill()
        await self.host.close()

    async def end(self) -> Ended:
        return await self.process.until_ended()


def free_address(host: str) -> str:
    with socket.socket() as one:
        one.bind((host, 0))
        return f"{host}:{one.getsockname()[1]}"


@asynccontextmanager
async def crew(here: World, operator: str, members: int) -> AsyncIterator[list[Member]]:
    """A foreman, first, and its members, all of one operator; each waits."""
    addresses = [free_address(f"127.0.0.{2 + one}") for one in range(members)]
    async with AsyncExitStack() as stack:
        starting = [
            _room(here, operator, f"{operator}-m{index}", {LISTEN: address})
            for index, address in enumerate(addresses, 1)
        ]
        foreman = _room(here, operator, f"{operator}-f", {MEMBERS: ",".join(addresses)})
        made = await asyncio.gather(
            *(stack.enter_async_context(one) for one in (foreman, *starting))
        )
        await so(partial(made[0].said, "waiting"), "the foreman waits")
        for one in made[1:]:
            await so(partial(one.said, "member-waits"), f"{one.name} waits")
        yield list(made)


@asynccontextmanager
async def _room(
    here: World, operator: str, name: str, words: dict[str, str]
) -> AsyncIterator[Member]:
    chip, program = here.directory / f"chip-{name}", program_file("analytics-crew")
    if not chip.exists():
        manufacturer().make_chip().save(chip)
    wanted = Wanted(
        name=name,
        program=program,
        chip=chip,
        state=here.directory / f"state-{name}",
        region="eu-west",
        operator=operator,
        files={},
        parameters={"memory": MEMORY} | words,
    )
    own, service = Identity(key_named(operator)), load_service(here.directory)
    events: list[tuple[str, dict[str, Any]]] = []
    async with (
        ChunkCarrier(service) as chunks,
        Tap(words) as host,
        Relay(service, wanted.state, {}, None, chunks, host) as relay,
    ):
        process = await RoomProcess.launch(
            chip,
            program,
            relay,
            lambda what, fields: events.append((what, fields)),
            start_of(wanted, service, own),
        )
        member = Member(name, process, host)
        member.events = events
        try:
            yield member
        finally:
            await process.kill()
