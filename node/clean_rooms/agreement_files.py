"""Terms, data terms and contracts as people write them: TOML, each problem named with its line.

Owns this form and nothing of what it means: enclave/formats/clean_rooms/ says what holds, and the
ledger judges. Names of people are those of the folder's keys/, or `id:HEX`.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.enclave.formats.clean_rooms.contract import (
    STAGES_MAX,
    Contract,
    Input,
    Output,
    Parameter,
    Stage,
)
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.node.clean_rooms.library_stages import check_stages, fixed_pairs
from strongroom.node.config import ConfigInvalid
from strongroom.node.toml_reader import TableReader, line_numbers
from strongroom.node.vault.names import read_duration, read_moment

FILE_BYTES_MAX = 256 * 1024
DURATION, UNTIL = "60s", "open"
COLUMNS_KEY = "tables"
"""Of data terms: the section that `rooms check` reads too."""
NEVER_MS = 2**53
Resolve = Callable[[str], bytes]
"""NAME or id:HEX → identity; raises ClientFault for one that it does not know."""
_T = TypeVar("_T")


def read_terms(path: Path, resolve: Resolve) -> RoomTerms:
    """Terms of a clean room.

    Raises:
        OperatorFault: the file cannot be read.
        ConfigInvalid: it has problems.
    """
    file = _File(path, resolve)
    take = file.reader
    parties = tuple(
        sorted(
            (file.identity(f"parties.{name}", name), tuple(sorted(file.texts(roles, "parties"))))
            for name, roles in _table(take, "parties").items()
        )
    )
    regulator = take.take("regulator", str, "a string", "")
    return file.made(
        lambda: RoomTerms(
            name=take.text("name") or "",
            purpose=take.take("purpose", str, "a string", ""),
            parties=parties,
            votes=take.take("votes", int, "a whole number", 0),
            regulator=file.identity("regulator", regulator) if regulator else b"",
            regions=tuple(sorted(file.listed("regions"))),
            executors=take.positive("executors", 2),
            agreement=take.positive("agreement", 2),
            people_from=tuple(sorted(file.listed("people_from"))),
        )
    )


def read_data_terms(
    path: Path, resolve: Resolve, columns: bytes = b"", epsilon: tuple[int, int] = (0, 0)
) -> DataTerms:
    """What an owner lets be done with a data set.

    Args:
        path: of the file; what it says of columns, another reader reads.
        resolve: names of people.
        columns: canonical bytes of the columns' policy.
        epsilon: of a job and for life, in millionths, where the file says none of its own.

    Raises:
        OperatorFault: the file cannot be read.
        ConfigInvalid: it has problems.
    """
    file = _File(path, resolve)
    take = file.reader
    if columns:
        take.take(COLUMNS_KEY, dict, f"a table, written [{COLUMNS_KEY}.NAME]", {})
        take.take("digits", int, "a whole number", 0)
    return file.made(
        lambda: DataTerms(
            columns=columns,
            epsilon_job=take.take("epsilon_job", int, "a whole number of millionths", epsilon[0]),
            epsilon_life=take.take("epsilon_life", int, "a whole number of millionths", epsilon[1]),
            runs=take.take("runs", int, "a whole number", 0),
            recipients=file.identities("recipients"),
            programs=tuple(sorted(file.listed("programs"))),
            purposes=tuple(sorted(file.listed("purposes"))),
            until_ms=file.moment("until"),
            keep=take.take("keep_results", bool, "true or false", False),
        )
    )


def read_contract(path: Path, resolve: Resolve, room: bytes, terms: RoomTerms) -> Contract:
    """A contract of a room; texts of stages stand in files beside it.

    Raises:
        OperatorFault: a file cannot be read.
        ConfigInvalid: it has problems.
    """
    file = _File(path, resolve)
    take = file.reader
    inputs = [_input(file, room, *one) for one in file.tables("inputs")]
    stages = [_stage(file, path.parent, one) for one in take.tables("stages", STAGES_MAX)]
    outputs = [_output(file, *one) for one in file.tables("outputs")]
    parameters = [_parameter(*one) for one in file.tables("parameters")]
    if not file.problems:
        check_stages(stages, parameters, file.problems)
    return file.made(
        lambda: Contract(
            room=room,
            name=take.text("name") or "",
            purpose=take.text("purpose") or "",
            profile=take.take("profile", str, "a string", "reviewed"),
            inputs=tuple(sorted(inputs, key=lambda one: one.alias)),
            stages=tuple(stages),
            outputs=tuple(sorted(outputs, key=lambda one: one.name)),
            parameters=tuple(sorted(parameters, key=lambda one: one.name)),
            runs=take.positive("runs", 1),
            memory_mb=take.positive("memory_mb", 1024),
            duration_ms=take.parsed("duration", _duration, _duration(DURATION)) or 0,
            digits=take.positive("digits", 6),
            executors=take.positive("executors", terms.executors),
            agreement=take.positive("agreement", terms.agreement),
            until_ms=file.moment("until"),
        )
    )


class _File:
    """One file that is being read: what is wrong with it is gathered."""

    def __init__(self, path: Path, resolve: Resolve) -> None:
        self.path, self._resolve = path, resolve
        text = read_text(path)
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise ConfigInvalid(path, (str(fault),)) from None
        self.problems: list[str] = []
        self._lines = line_numbers(text)
        self.reader = TableReader(table, "", self.problems, self._lines)

    def identity(self, key: str, name: str) -> bytes:
        """Somebody by name."""
        try:
            return self._resolve(name)
        except ClientFault as fault:
            self.problems.append(f"{key}: {fault}")
            return bytes(32)

    def listed(self, key: str, reader: TableReader | None = None) -> list[str]:
        """A list of strings; absent is empty."""
        return self.texts((reader or self.reader).take(key, list, "a list of strings", []), key)

    def identities(self, key: str, reader: TableReader | None = None) -> tuple[bytes, ...]:
        """A list of people, ascending."""
        return tuple(sorted(self.identity(key, name) for name in self.listed(key, reader)))

    def texts(self, value: Any, key: str) -> list[str]:
        """A list of strings that was taken."""
        if not isinstance(value, list) or not all(type(one) is str for one in value):
            self.problems.append(f"{key}: is a list of strings")
            return []
        return value

    def moment(self, key: str) -> int:
        """A date, or `open`."""
        text = self.reader.take(key, str, "a string", UNTIL)
        try:
            return read_moment(text or UNTIL) or NEVER_MS
        except ClientFault as fault:
            self.problems.append(f"{key}: {fault}")
            return NEVER_MS

    def tables(self, key: str) -> list[tuple[str, TableReader]]:
        """Named tables, written [key.NAME]."""
        readers = []
        for name, value in _table(self.reader, key).items():
            prefix = f"{key}.{name}."
            if isinstance(value, dict):
                readers.append((name, TableReader(value, prefix, self.problems, self._lines)))
            else:
                self.problems.append(f"{key}.{name}: is a table, written [{key}.{name}]")
        return readers

    def made(self, make: Callable[[], _T]) -> _T:
        """What the file says.

        Raises:
            ConfigInvalid: it has problems.
        """
        made: _T | None = None
        try:
            made = make()
        except NotCanonical as fault:
            self.problems.append(str(fault))
        self.reader.finish()
        if self.problems or made is None:
            raise ConfigInvalid(self.path, tuple(self.problems))
        return made


def read_text(path: Path, bytes_max: int = FILE_BYTES_MAX) -> str:
    """A text file.

    Raises:
        OperatorFault: it cannot be read, is too long, or no UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise OperatorFault(f"{path} is longer than {bytes_max} bytes")
        return data.decode("utf-8")
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorFault(f"{path} is no UTF-8 text") from None


def _table(reader: TableReader, key: str) -> dict[str, Any]:
    return reader.take(key, dict, f"a table, written [{key}]", {}) or {}


def _input(file: _File, room: bytes, alias: str, take: TableReader) -> Input:
    """A data set of somebody's, or an asset of the room."""
    asset = take.take("asset", str, "a string", "")
    place = (room, asset)
    if not asset:
        owner, data = take.text("owner") or "", take.text("data") or ""
        place = (file.identity(f"inputs.{alias}.owner", owner), data)
    made = Input(
        alias=alias,
        owner=place[0],
        data=place[1],
        version=take.take("version", int, "a whole number", 0),
        epsilon=take.take("epsilon", int, "a whole number of millionths", 0),
    )
    take.finish()
    return made


def _stage(file: _File, folder: Path, take: TableReader) -> Stage:
    language, name = take.text("language") or "", take.text("name") or ""
    text_file = take.take("file", str, "a string", "")
    fixed = take.take("parameters", dict, "a table, written [stages.parameters]", {}) or {}
    take.finish()
    text = ""
    if text_file:
        try:
            text = read_text(folder / text_file)
        except OperatorFault as fault:
            file.problems.append(f"stages: {fault}")
    return Stage(language, name, text, fixed_pairs(fixed, file.problems, "stages.parameters"))


def _output(file: _File, name: str, take: TableReader) -> Output:
    made = Output(
        name=name,
        kind=take.take("kind", str, "a string", "table"),
        recipients=file.identities("recipients", take),
        bytes_max=take.positive("bytes", 1 << 20),
        filter_alias=take.take("filter", str, "a string", ""),
        releases=take.take("releases", int, "a whole number", 0),
        columns=_columns(file, name, take),
    )
    take.finish()
    return made


def _columns(file: _File, output: str, take: TableReader) -> tuple[tuple[str, str], ...]:
    """Of a table, in the file's order."""
    written = take.take("columns", dict, 'a table, written { NAME = "integer" }', {}) or {}
    if not all(type(kind) is str for kind in written.values()):
        file.problems.append(f"outputs.{output}.columns: a kind is a string")
        return ()
    return tuple(written.items())


def _parameter(name: str, take: TableReader) -> Parameter:
    made = Parameter(
        name=name,
        type=take.take("type", str, "a string", "int"),
        least=take.take("least", int, "a whole number", 0),
        most=take.take("most", int, "a whole number", 1),
    )
    take.finish()
    return made


def _duration(text: str) -> int:
    try:
        return read_duration(text)
    except ClientFault as fault:
        raise ValueError(str(fault)) from None
