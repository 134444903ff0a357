"""What reviewed code is given: `def run(room)`, and this is `room`.

Owns what it may ask and give. It is no wall, and guards nothing: whatever it gives is judged by the
bench, which reads typed bytes (columns.py, models.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from strongroom.enclave.room.cell.columns import NotTyped, kind_of, pack_name, pack_table
from strongroom.enclave.room.cell.frames import ToBench
from strongroom.enclave.room.cell.models import write_model
from strongroom.enclave.room.cell.offered import read_code
from strongroom.enclave.room.library.shapes import Kind, Table

PROGRAM = "program"
"""Name of the module that reviewed code is, and of its file in tracebacks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One output that the code may give."""

    kind: str
    """table, model or bytes."""
    columns: tuple[tuple[str, str], ...]
    """Of a table; nothing: as the code says."""
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Task:
    """One stage."""

    source: str
    parameters: Mapping[str, Any]
    seed: bytes
    digits: int
    asked: Mapping[str, Asked]
    """By the output's name."""


class View:
    """Columns of one table: arrays of whole numbers, reals, truths; lists of texts, and of whole
    numbers or truths with gaps (None). A gap of a real is NaN. Nothing of it can be changed."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(self._table.columns)

    @property
    def rows(self) -> int:
        """How many."""
        return self._table.rows

    def __len__(self) -> int:
        return self._table.rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> Any:
        """A column."""
        return self._table.columns[name]


@dataclass(slots=True)
class Room:
    """All that reviewed code is given."""

    parameters: Mapping[str, Any]
    """Of the run, as the contract declares them."""
    seed: bytes
    """32 bytes of chance, the same at every executor: there is no other."""
    tables: tuple[str, ...]
    """Names that `table` knows: inputs by their aliases, and what stages before made."""
    _read: Callable[[str], Table]
    _task: Task
    _given: dict[str, tuple[ToBench, list[bytes]]] = field(default_factory=dict)

    def table(self, name: str) -> View:
        """A table; raises KeyError for a name that there is none of."""
        return View(self._read(name))

    def give_table(
        self, name: str, columns: Mapping[str, Any], kinds: Mapping[str, str] | None = None
    ) -> None:
        """Give a table: of an output with the columns that the contract says, or of this stage's
        name, which the next stages read.

        Args:
            name: of the output.
            columns: name → array or list; None, or NaN of a real, is a gap.
            kinds: name → integer, real, text or truth, where the contract does not say it and a
                column could be any.

        Raises:
            ValueError: says what is expected.
        """
        asked = self._asked(name, "table")
        told = dict(asked.columns) or dict(kinds or {})
        plain = {
            column: Kind(told[column]) if column in told else kind_of(values)
            for column, values in columns.items()
        }
        if asked.columns:
            plain = {column: Kind(kind) for column, kind in asked.columns}
        self._given[name] = ToBench.TABLE, pack_table(name, columns, plain)

    def give_model(self, name: str, model: Mapping[str, Any]) -> None:
        """Give a model: dicts, lists, finite numbers, truths and None; raises ValueError."""
        self._asked(name, "model")
        self._given[name] = (
            ToBench.MODEL,
            [pack_name(name), write_model(dict(model), self._task.digits)],
        )

    def give_bytes(self, name: str, data: bytes) -> None:
        """Give bytes, as many as the contract says at most; raises ValueError."""
        asked = self._asked(name, "bytes")
        if len(data) > asked.bytes_max:
            raise NotTyped(f"{name}: the contract says at most {asked.bytes_max} bytes")
        self._given[name] = ToBench.BYTES, [pack_name(name), bytes(data)]

    def _asked(self, name: str, kind: str) -> Asked:
        asked = self._task.asked.get(name)
        if asked is None or asked.kind != kind or name in self._given:
            known = ", ".join(f"{one} ({it.kind})" for one, it in self._task.asked.items())
            raise NotTyped(f"{name}: this stage gives, each once: {known}")
        return asked


def run_program(
    task: Task, module: ModuleType, tables: Sequence[str], read: Callable[[str], Table]
) -> Mapping[str, tuple[ToBench, list[bytes]]]:
    """Run code: what it gave, by name.

    Raises:
        BaseException: whatever the code raises.
    """
    tree = read_code(task.source)
    code = compile(tree, f"{PROGRAM}.py", "exec", dont_inherit=True)
    room = Room(dict(task.parameters), task.seed, tuple(tables), read, task)
    exec(code, vars(module))  # noqa: S102  (what a cell is for)
    run = vars(module).get("run")
    if not callable(run):
        raise NotTyped("the code has no `def run(room)`")
    run(room)
    return dict(room._given)
