"""What a scenario keeps while it is told: a line for each thing that must hold, pictures, tables,
receipts.

Owns the kinds of what is kept. Makes no file: report.py writes them for people.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.terminal.teller import StoryFails, Teller


@dataclass(frozen=True, slots=True)
class Line:
    """Something that must hold."""

    holds: bool
    words: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that somebody tried."""

    who: str
    tried: str
    wanted: str
    """Code of the refusal that must come."""
    code: str
    """Code that came; nothing: it was done."""

    @property
    def holds(self) -> bool:
        """Was it refused, and for this reason?"""
        return self.code == self.wanted


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline SVG (pictures.py), with what it shows."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A receipt that was verified offline, with what its claim says."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Lines:
    """All that is kept of one scenario."""

    teller: Teller
    title: str
    lines: list[Line] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """Figures, shown in the report and in the document of --json."""
    intro: str = ""
    complete: bool = False
    """The story went on to its end."""

    def check(self, holds: bool, words: str) -> None:
        """Say it, and keep it; the story goes on."""
        self.teller.line(f"{'holds ' if holds else 'FAILS '} {words}")
        self.lines.append(Line(holds, words))

    async def refused(self, code: str, who: str, tried: str, action: Awaitable[Any]) -> None:
        """Somebody tries something: it must be refused with this code. What is tried before it
        leaves the caller (ClientFault and the like) has the code of its error's name."""
        came = ""
        try:
            await action
        except ProgramFailed as fault:
            came = fault.code
        except StrongroomError as fault:
            came = type(fault).__name__
        self.keep_refusal(Refusal(who, tried, code, came))

    def keep_refusal(self, one: Refusal) -> None:
        """Say what somebody tried, and what came of it."""
        self.refusals.append(one)
        told = one.code or "it was done"
        self.check(one.holds, f"{one.who} {one.tried}: {told}")

    def picture(self, title: str, caption: str, svg: str) -> None:
        """Keep a picture for the report."""
        self.pictures.append(Picture(title, caption, svg))

    def grid(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
    ) -> None:
        """Show a table, and keep it."""
        self.teller.table(list(columns), [list(row) for row in rows])
        self.grids.append(Grid(title, caption, tuple(columns), tuple(map(tuple, rows))))

    def proof(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        """Keep what a verified receipt says."""
        self.proofs.append(Proof(title, tuple(facts)))

    @property
    def broken(self) -> list[str]:
        """What does not hold."""
        return [line.words for line in self.lines if not line.holds]

    @property
    def holds(self) -> bool:
        """The story went on to its end, and all its lines hold."""
        return self.complete and bool(self.lines) and not self.broken

    @property
    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ok": self.holds,
            "seconds": round(self.teller.seconds, 1),
            "lines": [{"holds": one.holds, "line": one.words} for one in self.lines],
            "refusals": [
                {"who": one.who, "tried": one.tried, "code": one.code, "holds": one.holds}
                for one in self.refusals
            ],
            **self.facts,
        }

    def demand(self) -> None:
        """Check that everything holds.

        Raises:
            StoryFails: with each line that does not.
        """
        if self.broken:
            raise StoryFails(f"{len(self.broken)} lines do not hold: {'; '.join(self.broken)}")
        if not self.holds:
            raise StoryFails("the story was not told to its end")
