"""A bench's end of its cell: what it is told, and what of its answers counts.

Owns that reading, which believes nothing: every frame is bounded by what the contract still lets
the stage give, every value is checked, and the first thing that does not fit is the end of the
cell. Nothing of a cell is waited for beyond the deadline.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.cell.columns import OVERHEAD_BYTES, Cursor, NotTyped, read_table
from strongroom.enclave.room.cell.frames import CellGone, Frames, ToBench, ToCell
from strongroom.enclave.room.cell.living import LIMITS, task_out
from strongroom.enclave.room.cell.models import read_model
from strongroom.enclave.room.cell.program import Task
from strongroom.enclave.room.cell.starting import StartedCell
from strongroom.enclave.room.cell.words import CELL_WORDS_MAX
from strongroom.enclave.room.library.shapes import Kind, Table


class CodeFailed(Exception):
    """Code gave no result. Its words are for its author, and empty in a job."""


@dataclass(slots=True, repr=False)
class Gave:
    """What a stage gave, checked."""

    tables: dict[str, tuple[Table, Mapping[str, Kind]]] = field(default_factory=dict)
    models: dict[str, bytes] = field(default_factory=dict)
    bytes_: dict[str, bytes] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Of all of it."""
        return {*self.tables, *self.models, *self.bytes_}


class CellLink:
    """One cell, for one job."""

    def __init__(self, cell: StartedCell) -> None:
        """Set patience; before the bench's own walls rise."""
        self._cell, self._frames = cell, Frames(cell.end)
        self._killed = False

    @property
    def descriptors(self) -> tuple[int, int]:
        """That a bench keeps behind its walls."""
        return self._cell.end.fileno(), self._cell.held.fileno()

    def until_ready(self, *, until: float) -> None:
        """Wait until it has loaded and called everything.

        Raises:
            OperatorFault: it did not start; why, it has said on standard error.
        """
        try:
            self._expect(ToBench.READY, until)
        except CellGone:
            self.kill()
            raise OperatorFault("the worker's cell did not start: see the line before") from None

    def limit(self, memory_bytes: int, seconds: int, *, until: float) -> None:
        """Tell it the job's limits, and wait until its walls stand.

        Raises:
            CodeFailed: they do not.
        """
        try:
            self._frames.send(ToCell.LIMIT, LIMITS.pack(memory_bytes, seconds), until=until)
            self._expect(ToBench.WALLED, until)
        except CellGone:
            self.kill()
            raise CodeFailed("the cell did not start") from None

    def run(
        self, task: Task, streams: Mapping[str, bytes], *, until: float, words: bool = False
    ) -> Gave:
        """Run one stage.

        Args:
            task: of it.
            streams: tables by name, each an Arrow IPC stream.
            until: of the monotonic clock; then the cell is killed.
            words: the code's author is told what went wrong; never in a job.

        Raises:
            CodeFailed: there is no result; the cell is killed.
        """
        if self._killed:
            raise CodeFailed("the cell was ended before" if words else "")
        try:
            for name, stream in streams.items():
                alias = name.encode()
                head = bytes((len(alias),)) + alias
                self._frames.send(ToCell.TABLE, head, stream, until=until)
            self._frames.send(ToCell.RUN, task_out(task, words=words), until=until)
            return self._given(task, until)
        except NotTyped as fault:
            self.kill()
            raise CodeFailed(str(fault) if words else "") from None
        except CellGone:
            self.kill()
            late = "its time was over" if monotonic() > until else "the walls ended it"
            raise CodeFailed(late if words else "") from None
        except CodeFailed as failed:
            self.kill()
            raise CodeFailed(str(failed) if words else "") from None
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """The kernel kills it; what it has said and nobody has read counts for nothing."""
        self._killed = True
        self._cell.held.close()

    def end(self) -> None:
        """Kill it, and wait until it is gone; of who started it alone."""
        self.kill()
        self._cell.end.close()
        os.waitpid(self._cell.pid, 0)

    def _given(self, task: Task, until: float) -> Gave:
        gave, asked = Gave(), dict(task.asked)
        while True:
            most = max((one.bytes_max for one in asked.values()), default=0) + OVERHEAD_BYTES
            kind, data = self._frames.receive(max(most, CELL_WORDS_MAX), until=until)
            if kind == ToBench.DONE and not data:
                return gave
            if kind == ToBench.FAILED:
                raise CodeFailed(bytes(data[:CELL_WORDS_MAX]).decode("utf-8", "replace"))
            name = _take(gave, kind, data, task.digits)
            expected = asked.pop(name, None)
            if expected is None or _KINDS.get(kind) != expected.kind:
                raise NotTyped(f"{name} is not asked for, or of another kind")
            if len(data) > expected.bytes_max + OVERHEAD_BYTES:
                raise NotTyped(f"{name}: the contract says at most {expected.bytes_max} bytes")
            if expected.columns and _columns(gave, name) != expected.columns:
                raise NotTyped(f"{name}: other columns than the contract's")

    def _expect(self, kind: ToBench, until: float) -> None:
        if self._frames.receive(0, until=until) != (kind, bytearray()):
            raise CellGone


_KINDS: Mapping[int, str] = {ToBench.TABLE: "table", ToBench.MODEL: "model", ToBench.BYTES: "bytes"}


def _take(gave: Gave, kind: int, data: bytearray, digits: int) -> str:
    """Read one output; its name. A name that comes twice is refused by whoever asks for it."""
    if kind == ToBench.TABLE:
        name, table, kinds = read_table(data)
        gave.tables[name] = table, kinds
        return name
    cursor = Cursor(data)
    name = cursor.name()
    if kind == ToBench.MODEL:
        gave.models[name] = read_model(cursor.rest(), digits)
    elif kind == ToBench.BYTES:
        gave.bytes_[name] = bytes(cursor.rest())
    else:
        raise NotTyped("no frame of a cell")
    return name


def _columns(gave: Gave, name: str) -> tuple[tuple[str, str], ...]:
    return tuple((column, kind.value) for column, kind in gave.tables[name][1].items())
