"""Rooms, contracts and jobs of a scenario, from the texts that people would write.

Owns the order create → join → propose → vote → run → agreed, and that a job whose executors stayed
away is asked on as the product does it. Opening is the parties' (parties.py).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.node.clean_rooms.agreement_files import read_contract, read_terms
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.clean_rooms.pool import Pool
from strongroom.node.terminal.teller import StoryFails

JOB_SECONDS_MAX = 180.0
"""From a run to its agreement: a job that is late is asked again at the next ranks."""
RUNS_MAX = 3
"""A job whose workers were all too slow for its duration is run again, and charged again."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was run."""

    id: bytes
    by: Party

    async def settled(self) -> dict[str, Any]:
        """Wait until it is agreed or failed; its document.

        Raises:
            StoryFails: it is neither in time.
        """
        deadline = time.monotonic() + JOB_SECONDS_MAX
        while time.monotonic() < deadline:
            shown: dict[str, Any] = await self.by.ask("rooms.job", job=self.id)
            if shown["state"] != "scheduled":
                return shown
            if time.time() * 1000 > shown["deadline_ms"]:
                await self.by.call("rooms.advance", job=self.id)
            await asyncio.sleep(POLL_SECONDS)
        raise StoryFails(f"job {self.id.hex()[:16]} is not decided in {JOB_SECONDS_MAX:g} s")


@dataclass(frozen=True, slots=True)
class Agreed:
    """A contract that is approved."""

    id: bytes
    contract: Contract
    pool: Pool

    async def start(self, by: Party, **parameters: bool | int | str) -> Job:
        """Run it once workers wait, and come back when they have taken it: then further jobs are
        for others.

        Raises:
            ProgramFailed: it is refused.
        """
        async with self.pool.turn:
            await self.pool.ready()
            before = self.pool.counts()
            told = await self.ask(by, **parameters)
            await self.pool.taken(before, self.contract.executors)
        return Job(told["job"], by)

    async def ask(self, by: Party, **parameters: bool | int | str) -> dict[str, Any]:
        """`strongroom rooms run`, whoever waits: what the ledger says.

        Raises:
            ProgramFailed: it is refused.
        """
        given = codec.encode(tuple(sorted(parameters.items())))
        told: dict[str, Any] = await by.call("rooms.run", contract=self.id, parameters=given)
        return told

    async def run(self, by: Party, **parameters: bool | int | str) -> Job:
        """Run it, and wait until its executors agree. One that failed since all were too slow is
        run again.

        Raises:
            StoryFails: it failed.
            ProgramFailed: it is refused.
        """
        why = ""
        for _ in range(RUNS_MAX):
            job = await self.start(by, **parameters)
            shown = await job.settled()
            if shown["state"] == "agreed":
                return job
            why = shown["why"]
            if why != "no-agreement":
                break
        raise StoryFails(f"the job {self.contract.name!r} failed: {why}")


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """A clean room that all its parties have joined."""

    id: bytes
    terms: RoomTerms
    members: Mapping[bytes, Party]
    pool: Pool

    def read(self, text: str, by: Party, texts: Mapping[str, str] | None = None) -> Contract:
        """A contract from its TOML text, and the texts of its stages by the files' names."""
        folder = by.desk / "contracts"
        folder.mkdir(exist_ok=True)
        for name, body in (texts or {}).items():
            (folder / name).write_text(body)
        path = folder / "contract.toml"
        path.write_text(text)
        return read_contract(path, by.resolve, self.id, self.terms)

    async def propose(
        self, text: str, by: Party, texts: Mapping[str, str] | None = None
    ) -> tuple[bytes, Contract]:
        """`strongroom rooms propose`: its id, and what it says.

        Raises:
            ProgramFailed: it is refused.
        """
        made = self.read(text, by, texts)
        told = await by.call("rooms.propose", contract=made.encode())
        return told["contract"], made

    async def contract(
        self, text: str, by: Party, texts: Mapping[str, str] | None = None
    ) -> Agreed:
        """Propose a contract, and have every owner of an input consent to it.

        Raises:
            ProgramFailed: it is refused.
            StoryFails: it is not approved then.
        """
        id, made = await self.propose(text, by, texts)
        if made.profile != "free":
            owners = {one.owner for one in made.inputs}
            voting = [party for key, party in self.members.items() if key in owners]
            await asyncio.gather(
                *(one.call("rooms.vote", contract=id, approve=True) for one in voting)
            )
        state = (await by.ask("rooms.contract", contract=id))["state"]
        if state != "approved":
            raise StoryFails(f"the contract {made.name!r} is {state}")
        return Agreed(id, made, self.pool)


async def open_room(text: str, parties: Sequence[Party], pool: Pool, folder: Path) -> OpenRoom:
    """Make a clean room of these terms (TOML) as the first party, and have the others join."""
    founder, *others = parties
    path = folder / "room.toml"
    path.write_text(text)
    terms = read_terms(path, founder.resolve)
    room = (await founder.call("rooms.create", terms=terms.encode()))["room"]
    await asyncio.gather(*(one.call("rooms.join", room=room) for one in others))
    return OpenRoom(room, terms, {one.id: one for one in parties}, pool)
