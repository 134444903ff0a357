"""One job, computed: a contract's stages over its inputs, to the bytes of each output for each
recipient (ROOMS §4, §5).

Owns the order of stages and what each of them sees. Pure: no ledger, no key, no file. Whatever goes
wrong is one error without a word, for a word may hang on rows (T63).

An SQL stage makes a table of its own name. A library program's outputs have the names that it
declares; Python (python_stage.py) gives outputs of the contract by their names. In a reviewed
contract a stage reads what those before it made; one that is named like an input takes that input's
place. A `free` contract has one text, which reads inputs alone: nothing else has a policy, and one
charge pays for one query.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE, ChainId
from strongroom.enclave.formats.clean_rooms import batches
from strongroom.enclave.formats.clean_rooms.contract import (
    LIST_SEPARATOR,
    Contract,
    Output,
    Stage,
)
from strongroom.enclave.formats.clean_rooms.data_terms import FREE
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics import types
from strongroom.enclave.room.analytics.checking import DIGITS_MAX, check
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.noise import drawing
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library import catalogue
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.ownership import Claim, Ownership, divide
from strongroom.enclave.room.library.shapes import Budget, Kind, Model, Program, Table, TableSchema
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.python_stage import JobCell, check_columns
from strongroom.enclave.room.worker.reviewed import Reviewed

MODEL = "model"
"""Alias of an input that is a model, for the programs that take one."""
_KINDS = {
    types.Kind.INTEGER: Kind.INTEGER,
    types.Kind.REAL: Kind.REAL,
    types.Kind.TRUTH: Kind.TRUTH,
}
"""Of an engine's column; any other one is told as text."""


class JobFailed(Exception):
    """A job has no result. Why, nobody is told."""


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """One input, maybe still on its way, and what its owner lets be done with it."""

    alias: str
    owner: bytes
    data: str
    columns: bytes
    """Of its terms: canonical bytes of a DataPolicy, or nothing."""
    rows: Stream
    origin: bytes = b""
    """Of rows that devices signed: chain of the ledger, and over their batches; else nothing."""


@dataclass(slots=True, repr=False)
class Made:
    """What stages made so far."""

    streams: dict[str, Stream]
    """Inputs, and tables in their place."""
    tables: dict[str, tuple[Table, Mapping[str, Kind]]] = field(default_factory=dict)
    models: dict[str, bytes] = field(default_factory=dict)
    given: Mapping[str, bytes] = field(default_factory=dict)
    """Inputs that are models: no text of SQL reads them."""
    bytes_: dict[str, bytes] = field(default_factory=dict)


class Bench:
    """Engine and parser of one process, made before its walls rise."""

    def __init__(self, parser: Parser, engine: Engine, memory_bytes: int) -> None:
        self._parser, self._engine = parser, engine
        self._reviewed = Reviewed(memory_bytes)
        self.cell: JobCell | None = None
        """Of the job; without one, stages in Python fail."""

    def run(
        self,
        contract: Contract,
        parameters: Sequence[tuple[str, bool | int | str]],
        inputs: Sequence[Given],
        seed: bytes,
    ) -> list[tuple[str, bytes, bytes]]:
        """Compute a job.

        Args:
            contract: as all owners agreed to it.
            parameters: as the ledger checked them.
            inputs: in the contract's order.
            seed: chance of this job, 32 bytes.

        Returns:
            (output, recipient or nothing, bytes), in the order of a report's entries.

        Raises:
            JobFailed: whatever the cause.
        """
        try:
            return list(self._outputs(contract, dict(parameters), inputs, seed))
        except Exception:  # The cause may hang on rows: nothing of it goes on (T63).
            raise JobFailed from None

    def _outputs(
        self,
        contract: Contract,
        parameters: Mapping[str, Any],
        inputs: Sequence[Given],
        seed: bytes,
    ) -> Iterator[tuple[str, bytes, bytes]]:
        if [one.alias for one in inputs] != [one.alias for one in contract.inputs]:
            raise ValueError("other inputs than the contract's")
        if contract.profile == FREE and len(contract.stages) != 1:
            raise ValueError("one charge is one query")  # several could be differenced (T62)
        own = {one.alias: _rows(one) for one in inputs}
        given = {alias: own.pop(alias).whole() for alias in _models(contract)}
        made = Made(dict(own), given=given)
        for stage in contract.stages:
            if stage.language == "library":
                self._library(stage, made, contract, inputs, parameters, seed)
            elif stage.language != "sql":
                self._python(stage, made, contract, parameters, seed)
            elif contract.profile == FREE:
                self._free(stage, made, contract, inputs, own, seed)
            else:
                self._reviewed_sql(stage, made, contract)
        for output in contract.outputs:
            for recipient, data in _told(output, made, contract, own):
                if len(data) > output.bytes_max:
                    raise ValueError("more bytes than the contract has")
                yield output.name, recipient, data

    def _free(
        self,
        stage: Stage,
        made: Made,
        contract: Contract,
        inputs: Sequence[Given],
        own: Mapping[str, Stream],
        seed: bytes,
    ) -> None:
        """An analyst's text within the owners' policies; it reads inputs alone."""
        epsilon = {one.alias: one.epsilon for one in contract.inputs}
        sets = {
            one.alias: DataSet(
                identity=f"{one.owner.hex()}/{one.data}",
                policy=DataPolicy.decode(one.columns),
                epsilon=epsilon[one.alias],
            )
            for one in inputs
        }
        checked = check(
            sets, stage.text, digits=min(contract.digits, DIGITS_MAX), parser=self._parser
        )
        found = self._engine.run(own, checked, Secret(seed))
        kinds = {
            name: _KINDS.get(type_.kind, Kind.TEXT)
            for name, type_ in zip(checked.names, checked.types, strict=True)
        }
        made.tables[stage.name] = Table.of(found.columns), kinds

    def _reviewed_sql(self, stage: Stage, made: Made, contract: Contract) -> None:
        """Exactly the text that all owners approved, over rows as they are."""
        table, kinds = self._reviewed.run(stage.text, made.streams)
        _put(made, stage.name, table, kinds, contract.digits)

    def _python(
        self,
        stage: Stage,
        made: Made,
        contract: Contract,
        parameters: Mapping[str, Any],
        seed: bytes,
    ) -> None:
        """Code that all owners approved, in a process of its own."""
        if stage.language != "python" or self.cell is None or contract.profile == FREE:
            raise ValueError("no such language here")
        self.cell.run(stage, made, parameters, seed)

    def _library(
        self,
        stage: Stage,
        made: Made,
        contract: Contract,
        inputs: Sequence[Given],
        parameters: Mapping[str, Any],
        seed: bytes,
    ) -> None:
        """A program of the library over the inputs, or what stands in their place."""
        program = catalogue.program(stage.name)
        lists = {one.name for one in program.parameters if one.type == list[str]}
        declared = {one.name for one in program.parameters}
        chosen = {name: value for name, value in parameters.items() if name in declared}
        given = {  # what the contract fixes, no run chooses; a program refuses what it has not
            name: value.split(LIST_SEPARATOR) if name in lists and value else value
            for name, value in (chosen | dict(stage.fixed)).items()
        }
        read = {
            alias: tables.read(made.streams[alias])
            for alias in _for_programs(contract)
            if alias not in made.given
        }
        budget = _budget(program, contract, [one for one in inputs if one.alias in read], seed)
        for name, found in start(program, read, given, seed, made.given, budget).items():
            if isinstance(found, Model):
                made.models[name] = found.data
            elif isinstance(found, Table):
                schema = program.outputs[name]
                if not isinstance(schema, TableSchema):
                    raise TypeError("a table that is not declared as one")
                kinds = {column.name: column.kinds[0] for column in schema.columns}
                made.tables[name] = found, kinds


def _budget(
    program: Program, contract: Contract, inputs: Sequence[Given], seed: bytes
) -> Budget | None:
    """What a job was charged for noise, as the owners bound it. An owner that wants noise is not
    answered without, and ε of one that says nothing of noise buys nothing."""
    charged = {one.alias: one.epsilon for one in contract.inputs}
    found: list[tuple[int, int]] = []
    for one in inputs:
        noise = DataPolicy.decode(one.columns).noise if one.columns else None
        epsilon = charged[one.alias]
        if (noise is None) != (epsilon == 0) and (program.noised or epsilon):
            raise ValueError("noise that is not charged, or a charge without noise")
        if noise is not None and epsilon:
            found.append((min(epsilon, noise.epsilon_job), noise.groups))
    if not found:
        return None
    return Budget(
        epsilon=min(epsilon for epsilon, _ in found),
        groups=max(groups for _, groups in found),
        draw=drawing(Secret(seed), program.name),
    )


def _rows(one: Given) -> Stream:
    """Rows of an input; of those that devices signed, once every batch is in its place."""
    if not one.origin:
        return one.rows
    chain, told = codec.split(one.origin, DIGEST_SIZE)
    origin = batches.SignedFor(ChainId(chain), one.owner, one.data)
    return Stream.of(*batches.checked_rows(one.rows.parts(), origin, told))


def _told(
    output: Output, made: Made, contract: Contract, own: Mapping[str, Stream]
) -> Iterator[tuple[bytes, bytes]]:
    """(recipient, bytes) of one output."""
    if output.kind == "model":
        yield b"", made.models[output.name]
        return
    if output.kind == "bytes":
        yield b"", made.bytes_[output.name]
        return
    table, kinds = made.tables[output.name]
    check_columns(output, kinds)
    if not output.filter_alias:
        yield b"", tables.write(table, kinds, contract.digits)
        return
    parts = _divided(output, table, contract, own)
    for recipient in output.recipients:
        mine = parts.get(recipient.hex(), _no_rows(table))
        yield recipient, tables.write(mine, kinds, contract.digits)


def _divided(
    output: Output, table: Table, contract: Contract, own: Mapping[str, Stream]
) -> dict[str, Table]:
    """Rows of each owner, by the owner's hex. Whose an account is, each owner's data set says that
    has the name of the filter's: by the columns that it and the output both have."""
    aliases = _of_filter(output, contract)
    read = {alias: tables.read(own[alias]) for alias in aliases}
    shared = [name for name in table.columns if all(name in one.columns for one in read.values())]
    claims: dict[str, tuple[Claim, ...]] = {}
    for one in contract.inputs:
        if one.alias in read:
            claim = Claim(alias=one.alias, columns=tuple(shared))
            claims[one.owner.hex()] = (*claims.get(one.owner.hex(), ()), claim)
    return divide(Ownership(columns=tuple(shared), claims=claims), table, read)


def _of_filter(output: Output, contract: Contract) -> list[str]:
    """Aliases of the inputs that say whose an account is; of no filter, nothing."""
    named = {one.data for one in contract.inputs if one.alias == output.filter_alias}
    return [one.alias for one in contract.inputs if one.data in named]


def _for_programs(contract: Contract) -> list[str]:
    """Aliases that library programs read: those that only say whose an account is, they do not."""
    kept = {alias for output in contract.outputs for alias in _of_filter(output, contract)}
    every = [one.alias for one in contract.inputs]
    return [alias for alias in every if alias not in kept] or every


def _models(contract: Contract) -> list[str]:
    """Aliases of the inputs that are models: the one that is named so, where a program takes it."""
    takes = any(
        catalogue.program(stage.name).models
        for stage in contract.stages
        if stage.language == "library"
    )
    return [one.alias for one in contract.inputs if takes and one.alias == MODEL]


def _no_rows(table: Table) -> Table:
    return Table.of({name: [] for name in table.columns})


def _put(made: Made, name: str, table: Table, kinds: Mapping[str, Kind], digits: int) -> None:
    made.tables[name] = table, kinds
    made.streams[name] = Stream.of(tables.write(table, kinds, digits))
