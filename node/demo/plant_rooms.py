"""A plant's machines, and the printer's room on one of them.

Owns the words of that room's command. Knows nothing of what should happen.
"""

from dataclasses import dataclass
from pathlib import Path

from strongroom.node.demo.room_processes import RunningRoom


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the plant: its chip, and the disk beside it."""

    folder: Path

    @property
    def chip(self) -> Path:
        """The chip's folder: it stands for silicon, and for the disk's sealed state beside it."""
        return self.folder / "chip"


async def start_printer(
    machine: Machine,
    *,
    service: Path,
    container: Path,
    key: str,
    name: str,
    program: str = "printer",
    parts: int = 1,
    seconds: float = 0.0,
) -> RunningRoom:
    """Start a room; `seconds` is the pause after each layer."""
    return await RunningRoom.start(
        program,
        *("--name", name, "--chip", str(machine.chip)),
        *("--region", "eu-west", "--as", "plant", "--service", str(service)),
        *("--file", f"design.sealed={container}", "--set", "container=design.sealed"),
        *("--set", f"key={key}", "--set", f"parts={parts}", "--set", f"seconds={seconds}"),
    )
