"""Rows of a file as one Arrow IPC stream, typed as a data set's terms say (ROOMS §3).

Owns reading of CSV, TSV, Parquet and Arrow, part by part: memory does not grow with the file. Every
cell is what its column's type says, or the file is refused with the place of the first that is not;
a cell's value never stands in an error (T63). Knows no key, no chunk and no ledger. Needs the extra
`rooms`: the engine is the one that workers have.
"""

import csv
import re
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import nanoarrow
from nanoarrow import ipc

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy
from strongroom.node.clean_rooms.arrays import defined
from strongroom.node.clean_rooms.cells import canonical_names, cell

FORMS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_FILE_MAGIC = b"ARROW1\x00\x00"
"""Of an Arrow file: its stream begins behind it."""
_HEADER_CHARACTERS_MAX = 64 * 1024
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_SETTINGS = (
    "SET threads = 1",
    "SET memory_limit = '256MB'",
    "SET temp_directory = ''",
    "SET preserve_insertion_order = true",
    "SET enable_progress_bar = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
)
"""One thread and the order of the file: the same file is the same stream."""


class RowsRefused(ClientFault):
    """A file does not hold the rows that the terms describe; the message names the place."""


class RowsFile:
    """One file that is to become a version of a data set."""

    def __init__(self, path: Path, policy: DataPolicy) -> None:
        """Look at the file's columns.

        Raises:
            OperatorFault: it cannot be read.
            RowsRefused: of no known form, or its columns are not those of the terms.
        """
        self.path, self._policy = path, policy
        self._form = FORMS.get(path.suffix.lower(), "")
        if not self._form:
            known = ", ".join(sorted(FORMS))
            raise RowsRefused(f"{path}: no form is known by that ending: name it {known}")
        self._written = self._columns()
        names = canonical_names([name for name, _ in self._written])
        wanted = [column.name for column in policy.columns]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise RowsRefused(
                f"{path} has no column {missing[0]!r}: it has {', '.join(names[:20])}"
            )
        self.left_out = tuple(name for name in names if name not in wanted)
        """Columns of the file that the terms do not name: they stay here."""
        self._at = [names.index(name) for name in wanted]
        for column, at in zip(policy.columns, self._at, strict=True):
            cell(f"c{at}", self._written[at][1], column)

    def stream(self) -> Iterator[bytes]:
        """The Arrow IPC stream, in parts: the same for the same file.

        Raises:
            RowsRefused: a line or a cell is wrong.
            OperatorFault: the file is not there any more.
        """
        kept, rows = _Parts(), 0
        engine, given = self._engine()
        try:
            source = nanoarrow.c_array_stream(engine.sql(self._query()))
            writer = ipc.StreamWriter.from_writable(kept)
            for array in source:
                writer.write_stream(defined(array))
                rows += array.length
                yield kept.taken()
            writer.close()
        except Exception as fault:  # Its words may hold values of rows: they end here (T63).
            raise self._refusal(str(fault)) from None
        finally:
            engine.close()
            given.close()
        if not rows:
            raise RowsRefused(f"{self.path} has no rows")
        yield kept.taken()

    def _query(self) -> str:
        made = []
        for column, at in zip(self._policy.columns, self._at, strict=True):
            good, fits = cell(f"c{at}", self._written[at][1], column)
            made.append(
                f"CASE WHEN c{at} IS NULL THEN NULL WHEN {fits} THEN {good} "
                f"ELSE error('cell') END AS \"{column.name}\""
            )
        return f"SELECT {', '.join(made)} FROM {self._source()}"  # noqa: S608

    def _source(self) -> str:
        """What the engine reads, its columns named c0, c1 …; paths and names are quoted."""
        if self._form in _DELIMITERS:
            columns = ", ".join(f"c{at}: 'VARCHAR'" for at in range(len(self._written)))
            return (
                f"read_csv({_quoted(self.path)}, auto_detect = false, header = true, "
                f"delim = '{_DELIMITERS[self._form]}', quote = '\"', escape = '\"', "
                f"compression = 'none', columns = {{{columns}}})"
            )
        found = "given" if self._form == "arrow" else f"read_parquet({_quoted(self.path)})"
        named = ", ".join(f"c{at}" for at in range(len(self._written)))
        return f"(SELECT * FROM {found}) AS read({named})"  # noqa: S608

    def _engine(self) -> "tuple[duckdb.DuckDBPyConnection, _ArrowFile]":
        """An engine that may read the file, and what is closed after it."""
        engine, given = duckdb.connect(":memory:"), _ArrowFile(self.path)
        for setting in _SETTINGS:
            engine.execute(setting)
        if self._form == "arrow":
            engine.register("given", given)
        return engine, given

    def _columns(self) -> list[tuple[str, str]]:
        """(name, type of the engine) of each column of the file."""
        try:
            with self.path.open("rb"):
                pass
        except OSError as error:
            raise OperatorFault(f"cannot read {self.path}: {error.strerror}") from None
        if self._form in _DELIMITERS:
            return [(name, "VARCHAR") for name in self._header()]
        engine, given = self._engine()
        read = "given" if self._form == "arrow" else f"read_parquet({_quoted(self.path)})"
        try:
            described = engine.execute(f"DESCRIBE SELECT * FROM {read}")  # noqa: S608
            return [(str(row[0]), str(row[1])) for row in described.fetchall()]
        except Exception:  # Its words may hold bytes of the file (T63).
            raise RowsRefused(f"{self.path} cannot be read as {self._form}") from None
        finally:
            engine.close()
            given.close()

    def _header(self) -> list[str]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                text = file.read(_HEADER_CHARACTERS_MAX)
        except UnicodeDecodeError:
            raise RowsRefused(f"{self.path} is no UTF-8 text: save it so") from None
        header = next(csv.reader([text.splitlines()[0]] if text else [], **self._dialect()), [])
        if not header:
            raise RowsRefused(f"{self.path}, line 1: names of columns are expected there")
        return header

    def _dialect(self) -> dict[str, Any]:
        return {"delimiter": _DELIMITERS[self._form], "strict": False}

    def _refusal(self, words: str) -> ClientFault:
        """What is wrong, by its place."""
        found = _LINE.search(words)
        if found is not None:
            return RowsRefused(
                f"{self.path}, line {found[1]}: it has not the header's {len(self._written)} "
                "columns, is no UTF-8, or a quote stays open"
            )
        if not self.path.is_file():
            return OperatorFault(f"{self.path} is gone")  # type: ignore[return-value]
        try:
            at = self._first_wrong()
        except Exception:  # As above.
            at = None
        if at is None:
            return RowsRefused(f"{self.path} cannot be read to its end as {self._form}")
        row, column = at
        place = f"line {self._line(row)}" if self._form in _DELIMITERS else f"row {row}"
        return RowsRefused(
            f"{self.path}, {place}, column {column.name}: no {column.type} stands there"
        )

    def _first_wrong(self) -> tuple[int, ColumnPolicy] | None:
        engine, given = self._engine()
        wrong = []
        for column, at in zip(self._policy.columns, self._at, strict=True):
            _, fits = cell(f"c{at}", self._written[at][1], column)
            wrong.append(f"(c{at} IS NOT NULL AND NOT coalesce({fits}, false))")
        try:
            row = engine.execute(
                f"SELECT n, {', '.join(wrong)} FROM (SELECT row_number() OVER () AS n, * "  # noqa: S608
                f"FROM {self._source()}) WHERE {' OR '.join(wrong)} LIMIT 1"
            ).fetchone()
        finally:
            engine.close()
            given.close()
        if row is None:
            return None
        return row[0], self._policy.columns[list(row[1:]).index(True)]

    def _line(self, row: int) -> int:
        """In which line a row begins: a quoted cell may hold several."""
        before = 0
        with self.path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            reader = csv.reader(file, **self._dialect())
            number = -1
            for cells in reader:
                number += bool(cells) or len(self._written) == 1
                if number == row:
                    return before + 1
                before = reader.line_num
        return before


class _Parts:
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data


class _ArrowFile:
    """An Arrow file or stream, read anew each time the engine asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: list[BinaryIO] = []

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        file = self._path.open("rb")
        self._opened.append(file)
        if file.read(len(_FILE_MAGIC)) != _FILE_MAGIC:
            file.seek(0)
        stream = nanoarrow.c_array_stream(ipc.InputStream.from_readable(file))
        return stream.__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Close what was opened; the engine has ended."""
        for file in self._opened:
            file.close()


def _quoted(path: Path) -> str:
    text = escape(str(path.absolute())).replace("'", "''")
    return f"'{text}'"
