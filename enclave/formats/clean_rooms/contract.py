"""A contract of a clean room: which data, which program, which outputs for whom, at what cost
(ROOMS §2; T60).

Owns its bytes, bounds and digest. Its id is the digest of its canonical bytes, so a contract that
was changed after a vote is another one. Whether data terms allow it is decided where both are
known: enclave/programs/rooms/contracts.py. Knows no state, and reads no program's text.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.formats.clean_rooms.data_terms import FREE
from strongroom.enclave.formats.clean_rooms.fields import (
    MICRO_EPSILON_MAX,
    UNTIL_MS_MAX,
    agreement_in,
    identity_in,
    name_in,
    one_of,
    set_in,
    whole,
)
from strongroom.enclave.formats.clean_rooms.serving import (
    SERVING,
    SERVING_MS_MAX,
    check_serving,
)
from strongroom.enclave.text import is_line

CONTRACT_BYTES_MAX = 64 * 1024
STAGE_BYTES_MAX = 48 * 1024
INPUTS_MAX = 16
STAGES_MAX = 8
OUTPUTS_MAX = 8
JOB_PARAMETERS_MAX = 32
OUTPUT_BYTES_MAX = 1 << 30
MEMORY_MB = (64, 64 * 1024)
DURATION_MS = (1_000, 3_600_000)
LANGUAGES = ("library", "python", "sql")
PROFILES = (FREE, "reviewed")
KINDS = ("bytes", "model", "table")
TYPES = ("bool", "int", "str")
COLUMN_KINDS = ("integer", "real", "text", "truth")
OUTPUT_COLUMNS_MAX = 256
LIMIT = 2**53
"""Of a parameter's bounds, and of a fixed number, either way."""
FIXED_BYTES_MAX = 16 * 1024
"""Of a fixed text."""
LIST_SEPARATOR = ";"
"""Between the texts of a parameter that is a list."""
Pairs = tuple[tuple[str, bool | int | str], ...]
"""Parameters by name."""


@dataclass(frozen=True, slots=True)
class Input:
    """A data set that a contract reads, under a name of the contract's own."""

    alias: str
    owner: bytes
    data: str
    version: int
    """0: the newest when a job is run."""
    epsilon: int
    """Millionths that each job costs it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the program; each reads what those before it made."""

    language: str
    name: str
    text: str
    """SQL or Python; of a library program nothing, its name says it."""
    fixed: "Pairs" = ()
    """Parameters of a library program that nobody chooses at a run, ascending; a list is one text,
    its parts between LIST_SEPARATOR."""

    @property
    def program(self) -> str:
        """How data terms name it: a library program by its name, a text by its digest."""
        return self.name if self.language == "library" else sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Output:
    """What a job makes."""

    name: str
    kind: str
    recipients: tuple[bytes, ...]
    bytes_max: int
    """Of its plaintext: what approved code can carry out at most."""
    filter_alias: str
    """A row goes to a recipient only if it is of an account in this recipient's own data of the
    input; nothing: all rows go to each."""
    releases: int
    """Consents of parties before it may be opened, job by job; 0: none."""
    columns: tuple[tuple[str, str], ...] = ()
    """Of a table, (name, kind) in order: another table is no result. Nothing: as its stage makes
    it, which is not for Python."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What whoever runs it may choose."""

    name: str
    type: str
    least: int
    most: int
    """Of an int itself, of a text its length; a bool has 0 and 1."""


@dataclass(frozen=True, slots=True)
class Contract:
    """All that owners agree to when they approve it."""

    room: bytes
    name: str
    purpose: str
    profile: str
    inputs: tuple[Input, ...]
    stages: tuple[Stage, ...]
    outputs: tuple[Output, ...]
    parameters: tuple[Parameter, ...]
    runs: int
    memory_mb: int
    duration_ms: int
    """How long a worker has; a result is told at its end, so that time tells nothing."""
    digits: int
    """Significant digits of floats in results: what executors must agree on."""
    executors: int
    agreement: int
    until_ms: int

    def __post_init__(self) -> None:
        identity_in(self.room, "room")
        name_in(self.name, "name")
        name_in(self.purpose, "purpose")
        one_of(self.profile, PROFILES, "profile")
        _names(self.inputs, "inputs", INPUTS_MAX, lambda one: one.alias)
        _names(self.outputs, "outputs", OUTPUTS_MAX, lambda one: one.name)
        _names(self.parameters, "parameters", JOB_PARAMETERS_MAX, lambda one: one.name)
        if not self.inputs or not self.outputs or not 1 <= len(self.stages) <= STAGES_MAX:
            raise NotCanonical(f"a contract has inputs, outputs and 1 to {STAGES_MAX} stages")
        for one in self.inputs:
            _check_input(one)
        for stage in self.stages:
            _check_stage(stage, self.profile)
        for output in self.outputs:
            check_output(output, tuple(one.alias for one in self.inputs))
        if any(one.language == "python" for one in self.stages) and any(
            one.kind == "table" and not one.columns for one in self.outputs
        ):
            raise NotCanonical("outputs: with Python, each table says its columns")
        for parameter in self.parameters:
            _check_parameter(parameter)
        _check_choices(self)
        whole(self.runs, "runs", 1, 1_000_000)
        whole(self.memory_mb, "memory", *MEMORY_MB)
        most = SERVING_MS_MAX if self.serves else DURATION_MS[1]
        whole(self.duration_ms, "duration", DURATION_MS[0], most)
        whole(self.digits, "digits", 1, 17)
        agreement_in(self.executors, self.agreement)
        whole(self.until_ms, "until", 1, UNTIL_MS_MAX)
        if self.serves:
            check_serving(self)

    @property
    def serves(self) -> bool:
        """Does a job of it answer rows, as long as it lasts, instead of reporting a result?"""
        return any((one.language, one.name) == ("library", SERVING) for one in self.stages)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                self.room,
                self.name,
                self.purpose,
                self.profile,
                tuple((i.alias, i.owner, i.data, i.version, i.epsilon) for i in self.inputs),
                tuple((s.language, s.name, s.text, s.fixed) for s in self.stages),
                tuple(
                    (
                        *(o.name, o.kind, o.recipients, o.bytes_max, o.filter_alias, o.releases),
                        o.columns,
                    )
                    for o in self.outputs
                ),
                tuple((p.name, p.type, p.least, p.most) for p in self.parameters),
                self.runs,
                self.memory_mb,
                self.duration_ms,
                self.digits,
                self.executors,
                self.agreement,
                self.until_ms,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Contract":
        """Read canonical bytes.

        Raises:
            NotCanonical: they are no contract.
        """
        shape = (
            bytes,
            str,
            str,
            str,
            tuple,
            tuple,
            tuple,
            tuple,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
        )
        value = codec.decode(data, size_max=CONTRACT_BYTES_MAX)
        fields = codec.fields(value, *shape, name="contract")
        room, name, purpose, profile, inputs, stages, outputs, parameters, *numbers = fields
        return cls(
            room,
            name,
            purpose,
            profile,
            tuple(Input(*_row(one, (str, bytes, str, int, int), "input")) for one in inputs),
            tuple(Stage(*_row(one, (str, str, str, tuple), "stage")) for one in stages),
            tuple(
                Output(*_row(one, (str, str, tuple, int, str, int, tuple), "output"))
                for one in outputs
            ),
            tuple(Parameter(*_row(one, (str, str, int, int), "parameter")) for one in parameters),
            *numbers,
        )

    def id(self, chain: ChainId) -> Digest:
        """What parties vote on, and jobs name."""
        return labels.labelled_digest(labels.CONTRACT, chain + self.encode())

    def check_parameters(self, values: Pairs) -> None:
        """Check what somebody wants to run it with: each declared one, in order, within its bounds.

        Raises:
            NotCanonical: says which one and what would be.
        """
        wanted = tuple(one.name for one in self.parameters)
        fixed = {name for stage in self.stages for name, _ in stage.fixed}
        for name, _ in values:
            if name in fixed:
                raise NotCanonical(f"{name}: the contract fixes it, leave it out")
        if tuple(name for name, _ in values) != wanted:
            raise NotCanonical(f"parameters: {', '.join(wanted) or 'none'}, in this order")
        for declared, (_, value) in zip(self.parameters, values, strict=True):
            size: int = len(value) if isinstance(value, str) else value
            if type(value).__name__ != declared.type or not declared.least <= size <= declared.most:
                raise NotCanonical(
                    f"{declared.name}: {declared.type} of {declared.least} to {declared.most}"
                )


def parameters_in(data: bytes) -> Pairs:
    """Read parameters of a run: pairs in ascending order of names.

    Raises:
        NotCanonical: they are none.
    """
    return _pairs(codec.decode(data, size_max=STAGE_BYTES_MAX))


def _pairs(value: Any) -> Pairs:
    pairs = codec.listed(value, name="parameters", count_max=JOB_PARAMETERS_MAX)
    for pair in pairs:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[1]) not in (bool, int, str):
            raise NotCanonical("parameters: (name, value) pairs")
        name_in(pair[0], "parameter")
    return tuple(pairs)


def _row(value: Any, shape: tuple[type, ...], what: str) -> tuple[Any, ...]:
    return codec.fields(value, *shape, name=what)


def _names(items: tuple[Any, ...], what: str, count_max: int, name: Any) -> None:
    set_in(tuple(name(one) for one in items), what, count_max, name_in)


def _check_input(one: Input) -> None:
    identity_in(one.owner, "owner of an input")
    name_in(one.data, "data")
    whole(one.version, "version", 0, 2**32 - 1)
    whole(one.epsilon, "epsilon", 0, MICRO_EPSILON_MAX)


def _check_stage(stage: Stage, profile: str) -> None:
    one_of(stage.language, LANGUAGES, "language")
    name_in(stage.name, "stage")
    size = len(stage.text.encode())
    if size > STAGE_BYTES_MAX or (stage.language == "library") == bool(size):
        raise NotCanonical(f"stage: a text of at most {STAGE_BYTES_MAX} bytes; a library has none")
    if profile == FREE and stage.language != "sql":
        raise NotCanonical("profile: free is for SQL alone")
    if stage.fixed and stage.language != "library":
        raise NotCanonical("parameters: only a library program's are fixed; a text has none")
    set_in(tuple(name for name, _ in _pairs(stage.fixed)), "fixed", JOB_PARAMETERS_MAX, name_in)
    for name, value in stage.fixed:
        if type(value) is int:
            whole(value, name, -LIMIT, LIMIT)
        elif isinstance(value, str) and len(value.encode()) > FIXED_BYTES_MAX:
            raise NotCanonical(f"{name}: a text of at most {FIXED_BYTES_MAX} bytes")
    if stage.language == "python" and not is_code(stage.text):
        raise NotCanonical("stage: Python is lines of shown characters, ended by \\n alone")


def _check_choices(read: Contract) -> None:
    """Check that a run chooses nothing that owners have fixed, and that `free` is one query."""
    chosen = {one.name for one in read.parameters}
    for stage in read.stages:
        both = sorted(chosen & {name for name, _ in stage.fixed})
        if both:
            raise NotCanonical(f"{both[0]}: either a stage fixes it or the run chooses it")
    if read.profile == FREE and len(read.stages) != 1:
        raise NotCanonical(
            "stages: a free contract has one, for one charge is one query; propose one contract "
            "for each"
        )


def is_code(text: str) -> bool:
    """Is what people see of it all that there is: no hidden, reordering or overwriting sign?"""
    return all(not line or is_line(line.replace("\t", " ")) for line in text.split("\n"))


def check_output(output: Output, aliases: tuple[str, ...]) -> None:
    """Check one output of a contract that has inputs of these aliases.

    Raises:
        NotCanonical: says what would be.
    """
    one_of(output.kind, KINDS, "kind")
    set_in(output.recipients, "recipients", 32, identity_in)
    whole(output.bytes_max, "bytes", 1, OUTPUT_BYTES_MAX)
    whole(output.releases, "releases", 0, 32)
    if output.filter_alias and (output.filter_alias not in aliases or output.kind != "table"):
        raise NotCanonical("filter: an input's alias, for a table")
    if output.columns:
        _check_columns(output)


def _check_columns(output: Output) -> None:
    if output.kind != "table" or len(output.columns) > OUTPUT_COLUMNS_MAX:
        raise NotCanonical(f"columns: at most {OUTPUT_COLUMNS_MAX}, of a table")
    for column in output.columns:
        name, kind = codec.fields(column, str, str, name="column")
        name_in(name, "column")
        one_of(kind, COLUMN_KINDS, "kind of a column")
    if len({name for name, _ in output.columns}) < len(output.columns):
        raise NotCanonical("columns: each name once")


def _check_parameter(one: Parameter) -> None:
    one_of(one.type, TYPES, "type")
    whole(one.least, "least", -LIMIT, LIMIT)
    whole(one.most, "most", one.least, LIMIT)
