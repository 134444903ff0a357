"""The frame of a clean-room scenario: a service of real nodes, parties, operators, workers that
wait while the story begins, and everything gone at the end.

Owns that life, and how members let operators in. What happens is the scenario's.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.public import BALLOT, proposal_digest
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.bringing import bring
from strongroom.node.client.change_files import read_change
from strongroom.node.client.client import Client
from strongroom.node.client.governing import Member, read_public_state
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER, MEMBERS
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster, tell_how_it_goes_on
from strongroom.node.demo.clean_rooms.agreements import OpenRoom, open_room
from strongroom.node.demo.clean_rooms.captures import Captures
from strongroom.node.demo.clean_rooms.lines import Lines
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.clean_rooms.pool import Pool, client_folder
from strongroom.node.demo.clean_rooms.report import write_report
from strongroom.node.terminal.teller import Teller

ALLOW, ALLOWED_SECONDS_MAX = "allow_operator", 60.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays, and under which title."""

    title: str
    intro: str
    """A sentence or two for the report: what is shown, and for whom."""
    parties: tuple[str, ...]
    workers: tuple[str, ...]
    """An operator for each worker: two of each for two jobs at a time."""
    one_job_each: bool = False
    """Workers end when they have reported."""
    limits: tuple[tuple[str, int], ...] = ()
    """(name, value) of governance's limits that differ from those of a local cluster."""

    @property
    def operators(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(self.workers))


@dataclass(slots=True)
class Scene:
    """Everything that a scenario works with."""

    cluster: Cluster
    folder: Path
    lines: Lines
    pool: Pool
    captures: Captures
    parties: dict[str, Party] = field(default_factory=dict)

    @property
    def teller(self) -> Teller:
        """Who speaks."""
        return self.lines.teller

    def party(self, name: str) -> Party:
        """Somebody by name."""
        return self.parties[name]

    def resolve(self, name: str) -> bytes:
        """NAME or id:HEX → identity, as in texts of terms and contracts.

        Raises:
            ClientFault: nobody has this name.
        """
        if name in self.parties:
            return self.parties[name].id
        if name.startswith("id:"):
            return bytes.fromhex(name.removeprefix("id:"))
        raise ClientFault(f"nobody is called {name}")

    async def room(self, terms: str, names: Sequence[str]) -> OpenRoom:
        """A clean room of these terms (TOML): the first makes it, the others join."""
        return await open_room(terms, [self.party(name) for name in names], self.pool, self.folder)

    async def refused(self, code: str, who: str, tried: str, action: Awaitable[Any]) -> None:
        """Somebody tries something, which must be refused with this code."""
        await self.lines.refused(code, who, tried, action)


Act = Callable[[Scene], Awaitable[None]]


async def play(
    cast: Cast, stage: Stage, teller: Teller, report: Path | None, act: Act
) -> dict[str, Any]:
    """Play a scenario to its end; its document. The report is written however it ends.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    lines = Lines(teller, cast.title, intro=cast.intro)
    try:
        teller.step(f"Found a service and start {stage.nodes} nodes; let two operators in")
        async with running_cluster(stage, teller, fund=False, limits=cast.limits) as cluster:
            async with _scene(cluster, lines, cast) as scene:
                await act(scene)
                lines.complete = True
            teller.step("Done")
            tell_how_it_goes_on(cluster, stage, teller)
    finally:
        if report is not None:
            write_report(lines, report)
    lines.demand()
    return lines.document


@asynccontextmanager
async def _scene(cluster: Cluster, lines: Lines, cast: Cast) -> AsyncIterator[Scene]:
    """Everything in a folder that is gone at the end, with all processes."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-rooms-"))
    pool = Pool(cluster.layout, folder / "operators")
    scene = Scene(cluster, folder, lines, pool, Captures(cluster, folder / "captures", lines))
    try:
        async with AsyncExitStack() as clients:
            try:
                await _admit(scene, cast)
                pool.once = cast.one_job_each
                pool.start(cast.workers)
                scene.captures.start()
                await _seat(scene, cast, clients)
                yield scene
            finally:
                scene.captures.stop()
                await pool.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _admit(scene: Scene, cast: Cast) -> None:
    """Identities of all, on the roster; keys of operators that members allow."""
    layout = scene.cluster.layout
    keys = KeyFolder(layout.keys)
    ids = [keys.new(name).id for name in (*cast.parties, *cast.operators)]
    await asyncio.gather(
        bring(layout.directory, ids, member=BRINGER), _allow(scene.cluster, cast.operators)
    )


async def _allow(cluster: Cluster, operators: Sequence[str]) -> None:
    """Members vote for each operator's key, and wait until it counts."""
    service = cluster.service()
    async with Reader(service) as reader:
        first, *others = (
            Member(reader, service.keys.load(name)) for name in MEMBERS[: len(MEMBERS) // 2 + 1]
        )
        changes = [
            read_change(ALLOW, {"operator": one, "key": one}, service.keys) for one in operators
        ]
        proposed = await asyncio.gather(*(first.propose(ALLOW, change) for change in changes))
        ballots = [
            (decided.value[0], proposal_digest(ALLOW, change), True)
            for decided, change in zip(proposed, changes, strict=True)
        ]
        await asyncio.gather(*(one.act(BALLOT, ballot) for one in others for ballot in ballots))
        async with asyncio.timeout(ALLOWED_SECONDS_MAX):
            while True:
                rules = (await read_public_state(reader)).member_rules()
                if {name for name, _ in rules.policy.operators} >= set(operators):
                    return
                await asyncio.sleep(POLL_SECONDS)


async def _seat(scene: Scene, cast: Cast, clients: AsyncExitStack) -> None:
    """A desk for each party, and its way to the service."""
    layout = scene.cluster.layout

    async def one(name: str) -> Party:
        desk = scene.folder / "desks" / name
        folder = client_folder(layout, desk / "client", (name,))
        client = await clients.enter_async_context(Client.connect(folder.directory, name))
        return Party(name, bytes(client.identity.id), desk, client, scene.resolve, scene.lines)

    for party in await asyncio.gather(*(one(name) for name in cast.parties)):
        scene.parties[party.name] = party
