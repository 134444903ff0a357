"""A plant's job whose processes are killed, and what must be so afterwards.

Owns one cluster, one maker, one plant with a machine, and the invariants. Each step of the job is
told by the room itself; what is killed there, and what its people do then, is what docs say: start
again.
"""

import asyncio
import json
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.enclave.programs.vault.world import policy_of
from tests.hang import HANG_SECONDS
from tests.waiting import seen

from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.receipts import verify_claim, verify_receipt
from strongroom.enclave.primitives import Secret
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.cluster.up import bring_up
from strongroom.node.demo.plant_rooms import Machine, start_printer
from strongroom.node.demo.room_processes import COMMAND, Event, RunningRoom, run_command
from strongroom.node.machine.processes import ProcessId
from strongroom.node.rooms.starting import make_chip, measured, program_file

LAYERS, PARTS, LIMIT = 3, 2, 500
HEARTBEAT, LEASE = "1s", "4s"
MAKER, PLANT, ROOM = "maker", "plant", "hall-7-of-the-plant"
SENTENCE = re.compile(r"^[a-zA-Z-]+: .*[a-z]{2}.* .*[a-z]{2}")
"""What people are told: a code, and words."""
MARK = "wall-of-the-makers-bear"
DESIGN = "".join(f";LAYER:{n} {MARK}\nG1 X1 Y{n} E{n}.5\n" for n in range(LAYERS))

Strike = Callable[["Job", RunningRoom], Awaitable[None]]


class Job:
    """Everything, up."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.machine = Machine(folder / "hall")
        self.words: list[str] = []
        """All that anybody was told."""
        self.outputs: list[str] = []
        """All that commands answered."""
        self.units: dict[tuple[str, int], Event] = {}
        """By lease and number, as rooms told them."""
        self.owner = ""

    # --- what people do ---------------------------------------------------------------------------

    async def begin(self) -> None:
        """Identities, a chip, a design, a policy."""
        layout = self.cluster.layout
        keys = KeyFolder(layout.keys)
        people = [keys.new(name).id for name in (MAKER, PLANT)]
        self.owner = f"id:{people[0].hex()}"
        await bring(layout.directory, people, member=BRINGER)
        await asyncio.to_thread(make_chip, layout.platform, self.machine.chip)
        (self.folder / "design.gcode").write_text(DESIGN)
        code = measured(program_file("printer")).digest.hex()
        policy = policy_of({"claim": "measurement", "equals": code})
        (self.folder / "policy.json").write_text(policy)

    def new(self, key: str) -> tuple[str, ...]:
        """The command that makes a key."""
        terms = ("--pieces", str(LAYERS), "--quantity", str(LIMIT))
        times = ("--heartbeat", HEARTBEAT, "--lease", LEASE)
        policy = ("--policy", str(self.folder / "policy.json"))
        return ("vault", "new", key, *policy, *terms, *times, *self.as_maker)

    def put(self, key: str) -> tuple[str, ...]:
        """The command that seals the design under it."""
        sealed = ("--out", str(self.container(key)))
        design = str(self.folder / "design.gcode")
        return ("vault", "put", key, design, *sealed, *self.as_maker)

    def container(self, key: str) -> Path:
        return self.folder / f"{key}.sealed"

    @property
    def as_maker(self) -> tuple[str, ...]:
        return ("--as", MAKER, "--dir", str(self.cluster.layout.directory))

    async def key(self, name: str) -> str:
        """A key with its design sealed, made once."""
        if not self.container(name).exists():
            await self.must(*self.new(name))
            await self.must(*self.put(name))
        return name

    def secrets_of(self, key: str) -> tuple[list[str | bytes], set[str]]:
        """(what nobody but the maker and the room may see, where in the folder it belongs)."""
        kept = self.cluster.layout.vault(MAKER) / f"{key}@1.json"
        data_key = bytes.fromhex(json.loads(kept.read_text())["secret"])
        version = KeyVersion(
            owner=bytes.fromhex(self.owner.removeprefix("id:")), name=key, version=1
        )
        pieces = [version.piece_key(Secret(data_key), n).reveal() for n in range(LAYERS)]
        places = {str(kept.relative_to(self.folder)), "design.gcode"}
        return [MARK, data_key, *pieces], places

    async def told(self, *command: str) -> tuple[bool, Any]:
        """(did it work?, its document) of a command; what it says is kept."""
        status, document = await run_command(*command)
        self.outputs.append(str(document))
        if status:
            self.words.append(str(document["error"]["message"]))
        return not status, document

    async def must(self, *command: str) -> Any:
        worked, document = await self.told(*command)
        assert worked, document
        return document

    async def killed_after(self, seconds: float, *command: str) -> bool:
        """Was a command killed that runs for so long?"""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *command,
            "--json",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
                return False
        except TimeoutError:
            process.kill()
            await process.wait()
            return True

    async def room(self, key: str, *, parts: int = PARTS, seconds: float = 0.1) -> RunningRoom:
        return await start_printer(
            self.machine,
            service=self.cluster.layout.service,
            container=self.container(key),
            key=f"{self.owner}/{key}",
            name=ROOM,
            parts=parts,
            seconds=seconds,
        )

    async def over(self, room: RunningRoom) -> str:
        """Why a room ended: "" when it did its job, "killed" when its host has no last word."""
        async with asyncio.timeout(HANG_SECONDS):
            await room.process.wait()
            await room.stop()
        self._keep_units(room)
        last = room.events[-1] if room.events else {}
        if "ok" not in last:
            return "killed"
        if last["ok"]:
            return ""
        words = str(last["error"]["message"])
        self.words += [words, *(str(one["why"]) for one in room.of("other-node"))]
        return words.partition(":")[0]

    def _keep_units(self, room: RunningRoom) -> None:
        for lease in room.of("lease"):
            for unit in room.of("unit"):
                place = str(lease["id"]), int(unit["unit"])
                assert place not in self.units, "one unit has two receipts"
                self.units[place] = unit

    async def again(self, key: str) -> None:
        """Start until the job is done, as the refusals say: wait where a machine is busy."""
        deadline = time.monotonic() + HANG_SECONDS
        while code := await self.over(await self.room(key, seconds=0.0)):
            assert code == "machine-busy", (code, self.words[-1:])
            assert time.monotonic() < deadline
            await asyncio.sleep(0.5)

    async def nodes_again(self) -> None:
        """`cluster up`, until all vote."""
        await self.cluster.start(lambda _: None)
        for node in self.cluster.nodes:
            await self.cluster.wait_voting(node.name)

    # --- what must be so --------------------------------------------------------------------------

    async def check(self, *keys: str) -> None:
        """Every invariant, over all that has happened to these keys."""
        assert all(SENTENCE.match(one) or " " in one for one in self.words)
        rude = ("Traceback", "Error(", "None", "b'", "Exception")
        assert not [one for one in self.words if any(word in one for word in rude)]
        for key in keys:
            await self._counts(key, await self._everywhere(key))
        await self._receipts()

    async def _everywhere(self, key: str) -> dict[str, Any]:
        """What every node answers of a key, which is one thing."""
        height, answers = 0, []
        for index in (*range(len(self.cluster.nodes)), 0):
            where = self.cluster.layout.directory
            async with Client.connect(where, MAKER, first_endpoint=index) as client:
                shown = {
                    "key": (await client.query("vault.key", key=key)).value,
                    "leases": await _pages(client, "leases", key=key),
                    "records": await _pages(client, "records", key=key),
                    "refusals": await _pages(client, "records", key=key, refusals=True),
                }
                height = max(height, client.height)
            for lease in shown["leases"]:  # these pass with time
                for name in ("state", "bounds"):
                    lease.pop(name)
            answers.append(shown)
        assert all(one == answers[-1] for one in answers), "nodes answer differently"
        return answers[-1]

    async def _counts(self, key: str, shown: dict[str, Any]) -> None:
        leases = shown["leases"]
        assert shown["key"]["reserved"] == sum(one["reserved"] for one in leases) <= LIMIT
        assert shown["key"]["used"] == sum(one["used"] for one in leases)
        for one in leases:
            assert one["reported"] <= one["used"] <= one["reserved"]
            assert 0 <= one["pieces_given"] <= LAYERS
        sessions = [one["session"] for one in leases]
        assert len(set(sessions)) == len(sessions), "one session was given two leases"
        boots = [one["boot"] for one in leases]
        assert boots == sorted(boots)
        for before, after in pairwise(leases):
            assert before["until_ms"] <= after["opened_ms"], "two leases of one machine at once"
        assert [one["what"] for one in shown["records"]].count("ask") == len(leases)
        told = {lease for lease, _ in self.units}
        for one in leases:
            if one["lease"].hex() in told:
                units = [unit for lease, unit in self.units if lease == one["lease"].hex()]
                assert sorted(units) == list(range(1, len(units) + 1))
                assert len(units) <= one["reported"]

    async def _receipts(self) -> None:
        """Whatever was reported has a receipt, whoever was killed since."""
        pin = self.cluster.service().pin
        async with Client.connect(self.cluster.layout.directory, MAKER) as client:
            for unit in list(self.units.values())[-PARTS:]:
                receipt = await client.receipt(bytes.fromhex(unit["id"]))
                verified = verify_receipt(receipt, pin)
                verify_claim(
                    verified, bytes.fromhex(unit["claim"]), bytes.fromhex(unit["blinding"])
                )


async def _pages(client: Client, view: str, **asked: Any) -> list[dict[str, Any]]:
    """All that a view shows, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        after = rows[-1]["number"] if rows else 0
        answer = (await client.query(f"vault.{view}", after=after, **asked)).value
        page = answer if view == "leases" else answer["records"]
        if not page:
            return rows
        rows += page


@asynccontextmanager
async def running_job(folder: Path) -> AsyncIterator[Job]:
    """A cluster with a job on it; nothing is left."""
    cluster = await bring_up(folder / "service", say=lambda _: None, nodes=4, base_port=0)
    try:
        job = Job(cluster, folder)
        await job.begin()
        yield job
    finally:
        await cluster.down()
        shutil.rmtree(folder / "service", ignore_errors=True)


# --- what is killed -------------------------------------------------------------------------------


async def kill_room(_job: Job, room: RunningRoom) -> None:
    """The room's process alone."""
    inside = room.inside
    if inside is not None:
        inside.send(signal.SIGKILL)


async def kill_host(_job: Job, room: RunningRoom) -> None:
    """Its host; the room ends with it."""
    inside = room.inside
    room.process.kill()
    if inside is not None:
        await _gone(inside)


async def kill_leader(job: Job, _room: RunningRoom) -> None:
    """Whoever leads, and its enclave; then it is started again."""
    await job.cluster.node(await _leader(job)).kill()
    await job.nodes_again()


async def kill_enclave(job: Job, _room: RunningRoom) -> None:
    """The enclave of the node that the room's host asks first; that host ends, and is started
    again."""
    node = job.cluster.nodes[0]
    enclave = node.enclave()
    if enclave is not None:
        enclave.send(signal.SIGKILL)
        await _gone(enclave)
    await seen(lambda: asyncio.to_thread(node.host), lambda host: host is None)
    await node.kill()
    await job.nodes_again()


async def kill_all(job: Job, _room: RunningRoom) -> None:
    """All nodes at once; then all are started again."""
    await asyncio.gather(*(node.kill() for node in job.cluster.nodes))
    await job.nodes_again()


async def _leader(job: Job) -> str:
    for node in job.cluster.nodes:
        status = await asyncio.to_thread(node.status)
        if status:
            return str(status["leader"])
    return job.cluster.nodes[0].name


async def _gone(process: ProcessId) -> None:
    gone = await asyncio.to_thread(process.wait_gone, HANG_SECONDS)
    assert gone, "a room outlives its host"
