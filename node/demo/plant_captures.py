"""Who sees the design: what is captured while it is printed, and searched afterwards.

Owns where is looked, and with which text each search shows that it sees. How is searched stands in
plant_search.py and hunt.py.
"""

import asyncio
import os
from typing import Any

from strongroom.node.demo.loopback import LoopbackCapture
from strongroom.node.demo.plant_scene import KEYS, PLANT, Scene
from strongroom.node.demo.plant_search import Search
from strongroom.node.demo.room_processes import RunningRoom
from strongroom.node.terminal.teller import StoryFails

SEARCHES_MAX = 20


class Captures:
    """Taps on everything that is not the room."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._pin = str(scene.cluster.service().pin)
        ports = {
            port
            for node in scene.cluster.nodes
            for port in (node.config().rpc.port, node.config().peer.port)
        }
        self._loopback = LoopbackCapture(scene.captures / "loopback", ports)
        self._taps = self._loopback.start()
        self._search = Search(())

    def stop(self) -> None:
        """End the taps."""
        self._loopback.stop()

    def look_for(self, mark: str) -> None:
        """Look for the design by its mark, and for its data keys, raw and in hex."""
        kept = [self._scene.secret(key) for key in KEYS]
        self._search = Search([mark, *kept, *(bytes.fromhex(secret) for secret in kept)])

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
        await asyncio.to_thread(self._search.memory, name, PLANT, host.pid, self._scene.room)
        node = self._scene.cluster.nodes[0]
        served = node.host()
        if served is not None:
            info: Any = await asyncio.to_thread(node.ask, "service_info")
            name, control = f"memory of {node.name}'s host process", str(info["name"])
            await asyncio.to_thread(self._search.memory, name, "its host", served.pid, control)

    def show_places(self) -> None:
        """Search what lies on disks and what passed, and say of each place who sees what."""
        self._search.files("the plant's disk", PLANT, self._scene.plant, self._pin)
        for node in self._scene.cluster.nodes:
            control = f"{node.config().rpc.host}:{node.config().rpc.port}"
            disk = f"{node.name}'s disk, its ledger"
            self._search.files(disk, "its host", node.layout.directory, control)
        self._search_loopback()
        self._search.files("the maker's desk", "the maker", self._scene.maker, None)
        self._scene.lines.teller.table(
            ["place", "who can look", "size", "what stands there", "control"],
            [place.row() for place in self._search.places],
        )
        self._scene.lines.facts["places"] = [place.to_json() for place in self._search.places]
        for place in self._search.places:
            words = "holds the design" if place.may_hold else "holds nothing of the design"
            self._scene.lines.check(place.holds, f"{place.name} {place.note or words}")

    def _search_loopback(self) -> None:
        name, who = "loopback traffic", "whoever taps the line"
        if not self._taps:
            self._search.skip(name, who)
            return
        rpc = self._scene.cluster.nodes[0].config().rpc
        self._loopback.say(rpc.host, rpc.port, self._pin)
        self._loopback.stop()
        self._search.files(name, who, self._scene.captures, self._pin)
