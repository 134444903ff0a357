"""Who sees the design: searched for in everything that was captured while it was printed.

Owns the places, and what proves that each search sees: a text that must be there.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.node.demo.hunt import CannotHunt, Hunt, hunt_files, hunt_memory

NOT_SEARCHED = "not searched: it takes root"


@dataclass(frozen=True, slots=True)
class Place:
    """One place, searched."""

    name: str
    who: str
    """Who can look there."""
    size: int
    found: tuple[str, ...]
    """Where the design stands."""
    control: bool | None
    """Was the text found that must be there? None: there is none to look for."""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Is it as it must be: the design in the maker's files and in the room, nowhere else, and
        no search blind?"""
        if self.note == NOT_SEARCHED:
            return True
        return bool(self.found) == self.may_hold and self.control is not False

    @property
    def may_hold(self) -> bool:
        """Is this where the design belongs?"""
        return self.who in ("the maker", "nobody")

    def row(self) -> list[str]:
        """For people."""
        seen = f"the design, {len(self.found)} times" if self.found else "nothing of it"
        control = {None: "-", True: "found", False: "NOT FOUND: blind"}[self.control]
        size = f"{self.size / 2**20:.1f} MiB"
        return [self.name, self.who, size, self.note or seen, control]

    def to_json(self) -> dict[str, object]:
        """As a document."""
        return {
            "place": self.name,
            "who": self.who,
            "bytes": self.size,
            "found": list(self.found),
            "control": self.control,
            "holds": self.holds,
            "note": self.note,
        }


@dataclass(slots=True)
class Search:
    """All places, for the same texts."""

    texts: Sequence[str | bytes]
    """The design's mark, and its data keys, raw and in hex."""
    places: list[Place] = field(default_factory=list)

    def files(self, name: str, who: str, folder: Path, control: str | None) -> None:
        """Every file under a folder.

        Raises:
            CannotHunt: one cannot be read.
        """
        wanted = [*self.texts, *([control] if control else [])]
        self._add(name, who, hunt_files(folder, wanted), control)

    def memory(self, name: str, who: str, pid: int, control: str | None) -> bool:
        """A process' memory; was anything of the design found? What this user may not read is said
        to be unsearched."""
        wanted = [*self.texts, *([control] if control else [])]
        try:
            hunt = hunt_memory(pid, wanted)
        except CannotHunt:
            if os.geteuid() == 0:
                raise
            self.skip(name, who)
            return False
        self._add(name, who, hunt, control)
        return bool(self.places[-1].found)

    def skip(self, name: str, who: str) -> None:
        """A place that this user may not look at."""
        self.places.append(Place(name, who, 0, (), None, NOT_SEARCHED))

    def _add(self, name: str, who: str, hunt: Hunt, control: str | None) -> None:
        found = tuple(where for text in self.texts for where in hunt.found[text])
        seen = None if control is None else bool(hunt.found[control])
        self.places = [place for place in self.places if place.name != name]
        self.places.append(Place(name, who, hunt.bytes_searched, found, seen))
