"""The plant's story: where everything lies, and the line that is kept of each thing that must hold.

Owns folders, names and the report. Who does what stands in plant_maker.py, plant_floor.py and
plant_captures.py; in which order, in plant.py.
"""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.teller import Teller

MAKER, PLANT = "maker", "plant"
KEYS = ("bear", "owl")
"""Two keys of one design: of one all parts are printed, the other is revoked."""


@dataclass(slots=True)
class Report:
    """A line for each thing that must hold."""

    teller: Teller
    path: Path | None
    lines: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    """The story went on to its end."""

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
        return {
            "ok": self.complete and not self.broken,
            "seconds": seconds,
            "lines": self.lines,
            **self.facts,
        }

    def write(self) -> None:
        """To the file that was asked for."""
        if self.path is not None:
            self.path.write_text(json.dumps(self.document, indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything lies."""

    cluster: Cluster
    folder: Path
    lines: Report
    room: str = field(default_factory=lambda: f"hall-{secrets.token_hex(6)}")
    """The room's name; a text to look for where it must be."""

    def __post_init__(self) -> None:
        """Make the folders."""
        for made in (self.maker, self.plant, self.captures):
            made.mkdir()

    @property
    def service(self) -> ClusterLayout:
        """The service's folder, the maker's keys in it."""
        return self.cluster.layout

    @property
    def maker(self) -> Path:
        """The maker's desk."""
        return self.folder / "maker"

    @property
    def plant(self) -> Path:
        """The plant's disks."""
        return self.folder / "plant"

    @property
    def captures(self) -> Path:
        """What was tapped."""
        return self.folder / "captures"

    @property
    def hall(self) -> Path:
        """The plant's machine."""
        return self.plant / "hall"

    def key(self, name: str) -> str:
        """A key of the maker's, as others name it."""
        return f"id:{KeyFolder(self.service.keys).show(MAKER).id.hex()}/{name}"

    def secret(self, name: str) -> str:
        """K in hex, from the maker's own file."""
        path = self.service.vault(MAKER) / f"{name}@1.json"
        text: str = json.loads(path.read_text())["secret"]
        return text
