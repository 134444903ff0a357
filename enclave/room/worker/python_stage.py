"""A stage in Python: run in the worker's cell, its answers put where other stages' are (ROOMS §5).

Owns what the code is given (tables as they are now, the run's parameters, chance of its own), what
it is asked for, and how long it has. What a cell answers is judged in cell/link.py.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from strongroom.enclave.formats.clean_rooms.contract import Contract, Output, Stage
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.cell.link import CellLink
from strongroom.enclave.room.cell.program import Asked, Task
from strongroom.enclave.room.library.shapes import Kind
from strongroom.enclave.room.worker import tables

if TYPE_CHECKING:
    from strongroom.enclave.room.worker.stages import Made

MEBIBYTE = 1 << 20
CELL_SHARE = 7, 8
"""Of the contract's duration, when a cell is killed: the job failed, and that is still told."""


class JobCell:
    """The cell of one job: its stages in Python, one after the other."""

    def __init__(self, link: CellLink, begun: float, contract: Contract) -> None:
        """Begin; `begun`: when the job came, of the monotonic clock."""
        self._link, self._contract, self._walled = link, contract, False
        self._seconds = cell_seconds(contract.duration_ms)
        self._until = begun + self._seconds

    def run(self, stage: Stage, made: "Made", parameters: Mapping[str, Any], seed: bytes) -> None:
        """Run one stage.

        Raises:
            CodeFailed: there is no result.
            ValueError: it gave what another stage has made.
        """
        contract = self._contract
        if not self._walled:
            seconds = int(self._seconds) + 1
            self._link.limit(contract.memory_mb * MEBIBYTE, seconds, until=self._until)
            self._walled = True
        task = Task(
            source=stage.text,
            parameters=parameters,
            seed=sha256(b"python" + seed + stage.name.encode()).digest(),
            digits=contract.digits,
            asked=asked_of(contract, stage),
        )
        streams = {name: stream.bytes_() for name, stream in made.streams.items()}
        gave = self._link.run(task, streams, until=self._until)
        if gave.names() & {*made.tables, *made.models, *made.bytes_}:
            raise ValueError("what another stage has made")
        made.models |= gave.models
        made.bytes_ |= gave.bytes_
        for name, (table, kinds) in gave.tables.items():
            made.tables[name] = table, kinds
            made.streams[name] = Stream.of(tables.write(table, kinds, contract.digits))


def cell_seconds(duration_ms: int) -> float:
    """How long a cell may take of a contract's duration."""
    return duration_ms * CELL_SHARE[0] / CELL_SHARE[1] / 1000


def asked_of(contract: Contract, stage: Stage) -> dict[str, Asked]:
    """What a stage may give: the contract's outputs, and a table of its own name for stages behind
    it."""
    own = Asked("table", (), contract.memory_mb * MEBIBYTE)
    outputs = {one.name: Asked(one.kind, one.columns, one.bytes_max) for one in contract.outputs}
    return {stage.name: own} | outputs


def check_columns(output: Output, kinds: Mapping[str, Kind]) -> None:
    """Check a table, whichever stage made it, against what the contract says of it.

    Raises:
        ValueError: it has other columns.
    """
    made = tuple((name, kind.value) for name, kind in kinds.items())
    if output.columns and made != output.columns:
        raise ValueError("other columns than the contract's")
