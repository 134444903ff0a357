"""How programs are written: plain typed functions on a context (DESIGN §7).

Owns Program, its operations and the Context that they see: no clock, no dice, no I/O; state only
through ordered maps. Running them safely is in runner.py.

    payments = Program("payments")

    @payments.transaction
    def transfer(context: Context, *, to: Account, amount: int) -> dict[str, int]: ...
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from strongroom.consensus import labels
from strongroom.consensus.types import ChainId, Digest, Epoch, Height, Milliseconds
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.primitives import DeterministicBox, Secret
from strongroom.enclave.programs.schema import ArgumentFault, Kind, Resolve, kind_of
from strongroom.enclave.programs.state import K, MapSchema, OrderedMap, State, V

F = TypeVar("F", bound=Callable[..., Any])
NO_ROOM = "no room"
"""Code of a call for which its block had no changes or steps left: nothing was changed, it may be
sealed anew. Sealed as any other, so that hosts learn nothing."""
RECORDED_ONLY = "recorded-only"
"""Code of a query that needs a role which its sender holds by a grant (VAULT §6): it is asked again
as a transaction of the same name, which is on record."""
_CLAIM_BYTES_MAX = 64 * 1024
KEEPERS = frozenset({"rooms", "vault"})
"""Programs that may keep secrets in boxes of the epoch, and make some."""
_Readers = tuple[tuple[str, Callable[[Any, Resolve], Any]], ...]


class ProgramError(Exception):
    """A program refuses: the transaction is undone, and code and message go into its sealed result
    (T09)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class RecordedRefusal(ProgramError):
    """A program refuses, and what it has written stands: the record of the refusal, and what is
    frozen with it. Raised by code that has written nothing else."""


class Surroundings(NamedTuple):
    """What the executor lends to all programs: the same on every replica at one height."""

    chain: ChainId
    block: Callable[[Height], tuple[Digest, Milliseconds] | None]
    """Digest and block time of a recent executed height."""
    vault_box: Callable[[Epoch], DeterministicBox]
    """Raises KeysNeeded when the input secret of the epoch is not here."""
    vault_secret: Callable[[Epoch], Secret]
    """The same."""


class MapOf(Protocol):
    """A map by its schema."""

    def __call__(self, schema: MapSchema[K, V], /) -> OrderedMap[K, V]: ...


class Context:
    """What an operation sees of the world: who asks, when, and its program's state."""

    __slots__ = (
        "_meter",
        "_recorded",
        "attestation",
        "bearing",
        "believed",
        "by_grant",
        "claimed",
        "clock_ms",
        "countries",
        "epoch",
        "height",
        "held",
        "identity",
        "knows_people",
        "limits",
        "map",
        "mapped",
        "members",
        "once",
        "position",
        "program",
        "roles",
        "surroundings",
        "time_ms",
        "watchers",
    )

    def __init__(
        self, state: State, roles: frozenset[tuple[str, str, bytes]] = frozenset()
    ) -> None:
        self.map: MapOf = cast(MapOf, state.maps.__getitem__)
        """One of the program's maps. No method around it: a payment asks nine times."""
        self._meter = state.meter
        self.roles = roles
        """(program, role, identity): who may do what, by the word of governance (for the
        runner)."""
        self.members: frozenset[bytes] = frozenset()
        """Identities of members who vote (for the runner)."""
        self.watchers: frozenset[bytes] = frozenset()
        """Identities of members who only watch: they may speak, and nothing more."""
        self.limits: Mapping[str, int] = {}
        """Governance's limits (for the runner)."""
        self._recorded: Callable[[bytes], Any] | None = None
        self.identity = b""
        """Who signed the session's opening, or the query."""
        self.program = ""
        self.height = Height(0)
        """Of the block that is executed; of the newest executed one for a query."""
        self.time_ms = Milliseconds(0)
        """Its block time."""
        self.clock_ms = 0
        """While a query is answered, the clock of the node's host, Unix milliseconds: no block may
        have come for long. 0 otherwise, and where none is told."""
        self.epoch = Epoch(0)
        """Its epoch."""
        self.position = 0
        """Of the transaction in it."""
        self.attestation: Policy | None = None
        """What members demand of enclaves: whose evidence is believed."""
        self.believed = b""
        """SHA-256 over that: evidence judged under another is to be judged anew."""
        self.countries: Mapping[str, str] = {}
        """Region → country, as members say it is."""
        self.mapped: frozenset[str] = frozenset()
        """Regions of which any issuer speaks (for the runner)."""
        self.knows_people = False
        """Does this service have the program people? (for the runner)"""
        self.surroundings: Surroundings | None = None
        self.bearing: Bearing | None = None
        """How to ask the program that judges tokens (for the roster)."""
        self.claimed: bytes | None = None
        self.once = False
        self.held: OrderedMap[tuple[bytes, str, str], tuple[int, str, int, int]] | None = None
        """Roles for a limited time (for the runner)."""
        self.by_grant: tuple[bytes, str, str] | None = None
        """The one of them that the call at hand needed."""

    def has_role(self, role: str) -> bool:
        """Does the caller have this role of the program?

        Raises:
            ProgramError: ``recorded-only``: it holds it by a grant, and this is a query.
        """
        if (self.program, role, self.identity) in self.roles:
            return True
        key = (self.identity, self.program, role)
        held = None if self.held is None else self.held.get(key)
        if held is None or self.time_ms >= held[0]:
            return False
        if self._recorded is not None:
            raise ProgramError(
                RECORDED_ONLY, "by a grant this role reads on record: strongroom call --recorded"
            )
        self.by_grant = key
        return True

    @property
    def is_query(self) -> bool:
        """Is nothing of this recorded?"""
        return self._recorded is not None

    def claim(self, data: bytes) -> None:
        """Make a claim that the caller can later reveal to anyone, beside the receipt; one per
        transaction."""
        if self.claimed is not None or len(data) > _CLAIM_BYTES_MAX:
            raise ProgramError(
                "claim", f"one claim of at most {_CLAIM_BYTES_MAX} bytes per transaction"
            )
        self.claimed = data

    def spend(self, steps: int) -> None:
        """Use up steps for work that no access to state stands for; one is a microsecond (T11).

        Raises:
            BudgetExceeded: there are not as many left.
        """
        self._meter.take(steps)

    def give_once(self) -> None:
        """The answer holds key material: the ledger keeps its digest alone, and nobody is told it a
        second time (T52)."""
        self.once = True

    @property
    def chain(self) -> ChainId:
        """The service's."""
        return self._lent().chain

    def block(self, height: int) -> tuple[Digest, Milliseconds] | None:
        """(digest, block time) of a recent executed height; None for any other."""
        return self._lent().block(Height(height))

    def secret(self, label: bytes) -> bytes:
        """32 bytes that nobody outside can know: of the block's epoch, height, position and label.

        The same on every replica. For programs that keep secrets, in transactions: box it at once.
        """
        place = self.height.to_bytes(8, "big") + self.position.to_bytes(4, "big")
        root = self._kept().vault_secret(self.epoch)
        return root.derive(labels.VAULT_SECRET, place + label).reveal()

    def box(self, epoch: Epoch | None = None) -> DeterministicBox:
        """Boxes secrets in state for the block's epoch: what it holds dies with the epoch's input
        secret unless the next epoch's first block carries it on. For programs that keep secrets, in
        transactions."""
        return self._kept().vault_box(self.epoch if epoch is None else epoch)

    def _kept(self) -> Surroundings:
        if self.program not in KEEPERS or self._recorded is not None:
            raise TypeError(f"{self.program} keeps no secrets here")
        return self._lent()

    def _lent(self) -> Surroundings:
        if self.surroundings is None:
            raise TypeError("a context outside execution")
        return self.surroundings

    def recorded(self, id: bytes) -> Any:
        """The recorded result of an earlier transaction, for queries of the system program."""
        if self._recorded is None:
            raise ProgramError("not a query", "recorded results are for queries")
        return self._recorded(id)

    def enter(
        self,
        identity: bytes,
        recorded: Callable[[bytes], Any] | None = None,
        clock_ms: int = 0,
    ) -> None:
        """Turn to the next caller (for the runner)."""
        self.identity = identity
        self.clock_ms = clock_ms
        self.claimed = None
        self.once = False
        self.by_grant = None
        self._recorded = recorded


class Operation:
    """One transaction or query of a program, with the schema of its arguments.

    It is called as its function is; `list_` is called `list`, for Python's own name must stay free.
    """

    __slots__ = (
        "_converters",
        "_defaults",
        "_from_python",
        "_from_text",
        "_kinds",
        "_names",
        "_required",
        "_wires",
        "function",
        "name",
        "program",
    )

    def __init__(self, program: str, function: Callable[..., Any]) -> None:
        self.program, self.name, self.function = program, function.__name__.rstrip("_"), function
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters):
            raise TypeError(f"{program}.{self.name}: arguments are keyword-only")
        self._names = tuple(parameter.name for parameter in parameters)
        self._kinds: dict[str, Kind] = {name: kind_of(hints[name]) for name in self._names}
        self._wires = tuple(kind.wire for kind in self._kinds.values())
        self._defaults = {
            p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty
        }
        self._required = frozenset(self._names) - self._defaults.keys()
        self._from_python: _Readers = tuple(
            (name, kind.from_python) for name, kind in self._kinds.items()
        )
        self._from_text: _Readers = tuple(
            (name, kind.from_text) for name, kind in self._kinds.items()
        )
        self._converters = tuple(
            (name, kind.convert) for name, kind in self._kinds.items() if kind.convert is not None
        )

    @property
    def usage(self) -> str:
        """How to call it, in words."""
        parts = (f"{name}={kind.name}" for name, kind in self._kinds.items())
        return f"{self.program}.{self.name}({', '.join(parts)})"

    def bind(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """From the wire to keyword arguments of the function.

        Raises:
            ArgumentFault: they are not what the schema says; no code of the program has run.
        """
        if tuple(map(type, arguments)) == self._wires:
            bound = dict(zip(self._names, arguments, strict=False))  # as many, by the line above
            for name, convert in self._converters:
                bound[name] = convert(bound[name])
            return bound
        if len(arguments) != len(self._names):
            raise ArgumentFault(f"{self.usage}: got {len(arguments)} arguments")
        return {
            name: self._kinds[name].check(value)
            for name, value in zip(self._names, arguments, strict=True)
        }

    def from_python(self, values: Mapping[str, object], resolve: Resolve) -> tuple[Any, ...]:
        """From keyword arguments of a Python caller to the wire, defaults filled in.

        Raises:
            ArgumentFault: one is unknown, missing or of another kind.
        """
        return self._collect(values, self._from_python, resolve)

    def from_text(self, texts: Mapping[str, str], resolve: Resolve) -> tuple[Any, ...]:
        """From key=value of the command line to the wire, defaults filled in.

        Raises:
            ArgumentFault: one is unknown, missing or of another kind.
        """
        return self._collect(texts, self._from_text, resolve)

    def _collect(
        self, given: Mapping[str, Any], readers: _Readers, resolve: Resolve
    ) -> tuple[Any, ...]:
        names = given.keys()
        if not (names <= self._kinds.keys() and names >= self._required):
            raise self._misnamed(given)
        arguments = []
        for name, read in readers:
            try:
                arguments.append(
                    read(given[name], resolve) if name in given else self._defaults[name]
                )
            except ArgumentFault as fault:
                raise ArgumentFault(f"{name}: {fault}") from None
        return tuple(arguments)

    def _misnamed(self, given: Mapping[str, Any]) -> ArgumentFault:
        unknown = sorted(set(given) - set(self._names))
        missing = [name for name in self._names if name in self._required and name not in given]
        wrong = "unknown " + ", ".join(unknown) if unknown else "missing " + ", ".join(missing)
        return ArgumentFault(f"{wrong}: {self.usage}")


class Turn(NamedTuple):
    """What a program that keeps secrets does when an epoch ends."""

    boxes: MapSchema[Any, Any]
    """Where its boxes stand; while there are none, nobody needs the ended epoch's input secret."""
    ends: Callable[[Context, bool], None]
    """At the end of the terminal block: was the epoch's secret believed to be known to others?"""
    begins: Callable[[Context, Epoch], None]
    """Before the transactions of the next epoch's first block: carry on the boxes of this epoch."""
    loses: Callable[[Context], None]
    """The ended epoch's input secret is lost: no box opens any more."""


class Bearer(NamedTuple):
    """What a program that judges tokens keeps of an identity that presented one."""

    issuer: str
    """By the name under which members govern it."""
    subject: bytes
    """Whom the issuer named: a digest, never empty."""
    until_ms: int
    """Block time from which on the token says nothing more."""


class Bearing(NamedTuple):
    """How the roster asks the program that judges tokens."""

    presents: str
    """Its transaction by which a token is presented; the first argument is the issuer's name. It
    fails unless the token is good at the block's time."""
    standing: Callable[[Context, bytes], Bearer | None]
    """What it keeps of an identity, in few steps; None when there is nothing, or members removed
    the issuer or the key that vouched for it."""


class Program:
    """A named set of transactions, queries and maps."""

    turn: Turn | None = None
    bearing: Bearing | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.transactions: dict[str, Operation] = {}
        self.queries: dict[str, Operation] = {}
        self.maps: list[MapSchema[Any, Any]] = []

    def transaction(self, function: F) -> F:
        """Decorator: an operation that may change state."""
        self._add(self.transactions, function)
        return function

    def query(self, function: F) -> F:
        """Decorator: an operation whose changes, if any, are thrown away."""
        self._add(self.queries, function)
        return function

    def map(self, name: str, *, key: Any, value: Any, scanned: bool = False) -> MapSchema[Any, Any]:
        """Declare an ordered map; types, and `scanned`, as in MapSchema."""
        schema: MapSchema[Any, Any] = MapSchema(self.name, name, key, value, scanned)
        self.maps.append(schema)
        return schema

    def operation(self, name: str) -> Operation:
        """A transaction or query by name.

        Raises:
            ArgumentFault: there is none; the text lists what there is.
        """
        found = self.transactions.get(name) or self.queries.get(name)
        if found is None:
            known = ", ".join([*self.transactions, *self.queries])
            raise ArgumentFault(f"program {self.name} has no {name!r}; it has {known}")
        return found

    def _add(self, operations: dict[str, Operation], function: Callable[..., Any]) -> None:
        operation = Operation(self.name, function)
        if operation.name in self.transactions or operation.name in self.queries:
            raise TypeError(f"{self.name}.{operation.name} stands twice")
        operations[operation.name] = operation


def digest_text(digest: Digest | bytes) -> str:
    """How an identity is written."""
    return f"id:{bytes(digest).hex()}"
