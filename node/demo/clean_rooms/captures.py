"""Who sees what: everything that is not the worker itself, searched for the owners' secrets.

Owns the places, what may stand in each, and what proves that each search sees: a text that must be
there. How is searched stands in ../hunt.py.
"""

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.demo.clean_rooms.lines import Lines
from strongroom.node.demo.clean_rooms.pool import Pool, Worker
from strongroom.node.demo.hunt import CannotHunt, Hunt, hunt_files, hunt_memory
from strongroom.node.demo.loopback import LoopbackCapture
from strongroom.node.machine.processes import children_of

NOT_SEARCHED = "not searched: it takes root"
WORKERS, HOSTS = "memory of workers", "memory of operators' hosts"
ENDING_SECONDS = 2.0
"""A host that ends has given its memory back before its parent knows."""
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """One place, searched."""

    name: str
    who: str
    """Who can look there."""
    size: int
    found: Mapping[str, tuple[str, ...]]
    """By secret: where it stands."""
    must: frozenset[str]
    """What has to stand there: it is theirs."""
    may: frozenset[str]
    """What may stand there beside it."""
    control: bool | None
    """Was the text found that must be there? None: what must be found is the control."""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Is it as it must be, and no search blind?"""
        if self.note == NOT_SEARCHED:
            return True
        seen = {name for name, where in self.found.items() if where}
        sees = self.control if self.control is not None else bool(seen)
        return sees and self.must <= seen <= self.must | self.may

    def with_finds_of(self, other: "Place") -> "Place":
        """This place, with what was found and looked through in the same place before."""
        found = {
            secret: where + other.found.get(secret, ()) for secret, where in self.found.items()
        }
        return replace(self, size=self.size + other.size, found=found)

    @property
    def words(self) -> str:
        """For people: what stands there."""
        if self.note:
            return self.note
        seen = [name for name, where in self.found.items() if where]
        return ", ".join(seen) if seen else "nothing"

    def cells(self, secrets: Sequence[str]) -> list[str]:
        """A row of the table: place, who, and a mark for each secret."""
        if self.note:
            return [self.name, self.who, *("?" for _ in secrets), self.note]
        marks = [("sees" if self.found.get(one) else "–") for one in secrets]
        control = {None: "", True: " ✓", False: " BLIND"}[self.control]
        return [self.name, self.who, *marks, f"{self.size / 2**20:.1f} MiB{control}"]

    def to_json(self) -> dict[str, object]:
        """As a document."""
        return {
            "place": self.name,
            "who": self.who,
            "bytes": self.size,
            "found": {name: list(where) for name, where in self.found.items()},
            "control": self.control,
            "holds": self.holds,
            "note": self.note,
        }


@dataclass(slots=True)
class Captures:
    """Taps on everything, and the secrets that are looked for."""

    cluster: Cluster
    folder: Path
    lines: Lines
    secrets: dict[str, tuple[str | bytes, ...]] = field(default_factory=dict)
    """By what people call it: the texts that give it away."""
    places: list[Place] = field(default_factory=list)
    _loopback: LoopbackCapture | None = None
    _taps: bool = False

    @property
    def seen_at_work(self) -> bool:
        """Was every secret found in the memory of workers, or may this user not look there?"""
        for place in self.places:
            if place.name == WORKERS:
                return place.note == NOT_SEARCHED or all(map(place.found.get, self.secrets))
        return False

    def start(self) -> None:
        """Begin to write down what passes between nodes, clients and workers."""
        self.folder.mkdir()
        ports = {
            port
            for node in self.cluster.nodes
            for port in (node.config().rpc.port, node.config().peer.port)
        }
        self._loopback = LoopbackCapture(self.folder / "loopback", ports)
        self._taps = self._loopback.start()

    def stop(self) -> None:
        """End the taps."""
        if self._loopback is not None:
            self._loopback.stop()

    def look_for(self, secret: str, *texts: str | bytes) -> None:
        """Look for a secret by texts of at least 8 bytes that stand nowhere else; a column of the
        table. Each text costs a second of CPU over everything: name few."""
        self.secrets[secret] = (*self.secrets.get(secret, ()), *texts)

    def look_for_keys(self, secret: str, keys: Sequence[str]) -> None:
        """Look for data keys, given in hex: it is one of the forms that are looked for."""
        self.look_for(secret, *(bytes.fromhex(one) for one in keys))

    def files(
        self,
        name: str,
        who: str,
        folder: Path,
        *,
        must: Collection[str] = NOTHING,
        may: Collection[str] = NOTHING,
        control: str | None = None,
    ) -> None:
        """Search every file under a folder.

        Raises:
            CannotHunt: one cannot be read.
        """
        self._add(name, who, hunt_files(folder, self._texts(control)), must, may, control)

    def memory(
        self,
        name: str,
        who: str,
        pid: int,
        *,
        must: Collection[str] = NOTHING,
        may: Collection[str] = NOTHING,
        control: str | None = None,
        searched: Path | None = None,
        adds: bool = False,
    ) -> None:
        """Search a process' memory. Mapped files under `searched` are left to the search of that
        folder; with `adds` finds are added to those of before under this name. What this user may
        not read is said to be unsearched."""
        try:
            hunt = hunt_memory(pid, self._texts(control), searched=searched)
        except CannotHunt:
            if os.geteuid() != 0:
                self._skip(name, who)
            return
        before = [place for place in self.places if adds and place.name == name]
        self._add(name, who, hunt, must, may, control)
        for place in before:
            self.places[-1] = self.places[-1].with_finds_of(place)

    async def nodes_and_hosts(self, workers: Sequence[Worker], who: str) -> None:
        """Memory of the host of a worker, and of each node's host."""
        await self.operators_host(workers, who)
        await self.nodes_hosts()

    async def operators_host(self, workers: Sequence[Worker], who: str) -> None:
        """Memory of the host of a worker: of one that has a job, if there is one. What is found
        adds up over calls; a host that ended meanwhile has nothing to show."""
        for worker in sorted(workers, key=lambda one: one.count("reported") - one.count("taken")):
            host, before = worker.room.host, list(self.places)
            if host is None or worker.ended:
                continue
            await asyncio.to_thread(
                self.memory, HOSTS, who, host.pid, control=worker.name, adds=True
            )
            if not self.places[-1].control:
                await asyncio.sleep(ENDING_SECONDS)
            if not worker.ended:
                return
            self.places = before

    async def nodes_hosts(self) -> None:
        """Memory of each node's host process."""
        for node in self.cluster.nodes:
            served = node.host()
            folder = node.layout.directory
            if served is not None:
                info: Any = await asyncio.to_thread(node.ask, "service_info")
                name, control = f"memory of {node.name}", str(info["name"])
                await asyncio.to_thread(
                    self.memory, name, "its host", served.pid, control=control, searched=folder
                )

    async def worker_at_work(self, pool: Pool) -> None:
        """Memory of workers that have a job, until every secret was found in one: so searches see
        them where they are. What is found adds up over calls."""
        name = WORKERS
        for worker in pool.workers:
            room = worker.room.inside
            if worker.count("taken") <= worker.count("reported") or room is None:
                continue
            for process in (room, *children_of(room)):
                await asyncio.to_thread(
                    self.memory, name, "nobody", process.pid, may=set(self.secrets), adds=True
                )
                if self.seen_at_work:
                    return

    def disks_and_lines(self) -> None:
        """Disks of all nodes, and all that passed."""
        for node in self.cluster.nodes:
            control = f"{node.config().rpc.host}:{node.config().rpc.port}"
            name = f"disk of {node.name}"
            self.files(name, "its host", node.layout.directory, control=control)
        name, who = "loopback traffic", "whoever taps the line"
        if not self._taps or self._loopback is None:
            self._skip(name, who)
            return
        pin = str(self.cluster.service().pin)
        rpc = self.cluster.nodes[0].config().rpc
        self._loopback.say(rpc.host, rpc.port, pin)
        self._loopback.stop()
        self.files(name, who, self.folder, control=pin)
        if self._loopback.cut:
            self.lines.check(False, "the capture of traffic is whole")

    def show(self, title: str = "Who sees what") -> None:
        """The table, on the terminal and in the report, and a line for each place."""
        columns = ["place", "who can look", *self.secrets, "searched"]
        rows = [one.cells(list(self.secrets)) for one in self.places]
        caption = (
            "Every place was searched for texts that give a secret away, raw, in hex, in base64. "
            "✓: a text that must stand there was found, so the search was not blind."
        )
        self.lines.grid(title, columns, rows, caption)
        self.lines.facts["places"] = [one.to_json() for one in self.places]
        for place in self.places:
            self.lines.check(place.holds, f"{place.name}: {place.words}")

    def _texts(self, control: str | None) -> list[str | bytes]:
        texts = [text for some in self.secrets.values() for text in some]
        return [*texts, *([control] if control else [])]

    def _add(
        self,
        name: str,
        who: str,
        hunt: Hunt,
        must: Collection[str],
        may: Collection[str],
        control: str | None,
    ) -> None:
        found = {
            secret: tuple(where for text in texts for where in hunt.found[text])
            for secret, texts in self.secrets.items()
        }
        seen = None if control is None else bool(hunt.found[control])
        self.places = [place for place in self.places if place.name != name]
        size = hunt.bytes_searched
        self.places.append(Place(name, who, size, found, frozenset(must), frozenset(may), seen))

    def _skip(self, name: str, who: str) -> None:
        place = Place(name, who, 0, {}, NOTHING, NOTHING, None, NOT_SEARCHED)
        self.places = [one for one in self.places if one.name != name] + [place]
