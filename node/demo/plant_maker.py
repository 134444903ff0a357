"""The maker's desk: a design, its keys, their policy, and the watch over them.

Owns what the maker does, by commands where a shell user would.
"""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.demo.plant_design import LAYERS, Design, write_design
from strongroom.node.demo.plant_rooms import Machine
from strongroom.node.demo.plant_scene import KEYS, MAKER, PLANT, Scene
from strongroom.node.demo.room_processes import COMMAND, run_command
from strongroom.node.rooms.starting import make_chip, measured, program_file
from strongroom.node.terminal.teller import StoryFails

WATCHED = ("ask", "use", "end", "quantity", "policy", "not-this-hardware", "clone", "revoked")
"""What must be told of the story by `vault leases --watch`."""

WATCH_SECONDS_MAX = 30.0


class Maker:
    """The owner of the design."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._watch: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._told: list[str] = []
        self._news = asyncio.Event()
        self._chip = ""

    @property
    def options(self) -> tuple[str, ...]:
        """Of the maker's commands."""
        return ("--as", MAKER, "--dir", str(self._scene.service.directory))

    async def make_keys(self, quantity: int) -> Design:
        """Identities, a design, a policy, and two keys: bear for five parts, owl."""
        keys = KeyFolder(self._scene.service.keys)
        people = [keys.new(name).id for name in (MAKER, PLANT)]
        await bring(self._scene.service.directory, people, member=BRINGER)
        design = write_design(self._scene.maker / "bear.gcode")
        chip = await asyncio.to_thread(
            make_chip, self._scene.service.platform, Machine(self._scene.hall).chip
        )
        self._chip = chip.chip_id.hex()
        self._policy().write_text(json.dumps(self._conditions()))
        await asyncio.gather(*(self._make_key(key, quantity, design) for key in KEYS))
        return design

    async def _make_key(self, key: str, quantity: int, design: Design) -> None:
        terms = ("--pieces", str(LAYERS), "--quantity", str(quantity), "--heartbeat", "2s")
        await self._must("vault", "new", key, "--policy", str(self._policy()), *terms)
        sealed = ("--out", str(self._container(key)))
        done = await self._must("vault", "put", key, str(design.path), *sealed)
        state = done["result"]["state"]
        self._scene.lines.check(
            done["pieces"] == LAYERS and state == "active",
            f"{key}: {done['pieces']} pieces sealed, the key is {state}",
        )

    async def show_conditions(self) -> None:
        """A dry run of the policy over what the plant's room will show."""
        claims = {
            "measurement": measured(program_file("printer")).digest.hex(),
            "ueid": self._chip,
            "region": "eu-west",
            "room": self._scene.room,
            "simulated": True,
        }
        path = self._scene.maker / "claims.json"
        path.write_text(json.dumps(claims))
        status, told = await run_command(
            "vault", "policy", "explain", str(self._policy()), "--claims", str(path)
        )
        for one in told["conditions"]:
            words = f"{one['verdict']}: {one['condition'][:72]}"
            self._scene.lines.check(one["verdict"] == "holds", words)
        self._scene.lines.check(status == 0, "all that the policy demands holds for this room")

    async def revoke(self, key: str) -> float:
        """Revoke; seconds until it was final."""
        began = time.monotonic()
        async with Client.connect(self._scene.service.directory, MAKER, one_shot=True) as client:
            await client.call("vault.revoke", key=f"/{key}")
        return time.monotonic() - began

    async def resolve(self, key: str) -> bool:
        """Say after a clone that a start stays which is later than both."""
        shown = await self._must("vault", "show", key)
        boots = [boot["boot"] for room in shown["frozen"] for boot in room["boots"]]
        if not boots:
            return False
        later = str(max(boots) + 1)
        words = ("vault", "resolve", key, "--room", self._scene.room, "--keep", later)
        done = await self._must(*words)
        return bool(done["result"]["resolved"])

    async def start_watch(self) -> None:
        """Watch all leases from now on."""
        self._watch = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("vault", "leases", "--watch", "--every", "500ms", "--json", *self.options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._reading = asyncio.create_task(self._read(self._watch))

    async def _read(self, watch: asyncio.subprocess.Process) -> None:
        assert watch.stdout is not None
        async for line in watch.stdout:
            self._told.append(json.loads(line)["what"])
            self._news.set()

    async def end_watch(self) -> None:
        """End the watch."""
        watch, self._watch = self._watch, None
        if watch is not None:
            if watch.returncode is None:
                watch.terminate()
            await watch.wait()
        if self._reading is not None:
            await self._reading

    async def show_watch(self) -> None:
        """What `vault leases --watch` told meanwhile; it is given time for the last of it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_SECONDS_MAX):
                while not set(WATCHED) <= set(self._told):
                    self._news.clear()
                    await self._news.wait()
        await self.end_watch()
        for what in WATCHED:
            count = self._told.count(what)
            self._scene.lines.check(count > 0, f"the maker's watch told of {what}: {count} times")

    def _conditions(self) -> dict[str, Any]:
        wanted = [
            {"claim": "measurement", "equals": measured(program_file("printer")).digest.hex()},
            {"claim": "region", "equals": "eu-west"},
            {"claim": "ueid", "in": [self._chip]},
        ]
        return {"version": "1.0.0", "anyOf": [{"authority": "strongroom", "allOf": wanted}]}

    async def _must(self, *arguments: str) -> Any:
        status, document = await run_command(*arguments, *self.options)
        if status:
            raise StoryFails(f"`strongroom {' '.join(arguments[:3])}`: {document}")
        return document

    def _policy(self) -> Path:
        return self._scene.maker / "policy.json"

    def _container(self, key: str) -> Path:
        return self._scene.maker / f"{key}.sealed"
