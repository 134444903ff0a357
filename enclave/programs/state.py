"""Programs' state: ordered maps that live in the enclave, changed by one transaction at a time
(DESIGN §7).

Owns reading, writing, scanning in order, rolling back, and the log of a block's changes for the
write set. Knows nothing of programs' meaning. Only final blocks are executed, so writes go to the
maps at once and a journal undoes a transaction that fails: a read costs one look-up in a dict, and
a scan sees the transaction's own writes. A snapshot freezes the maps without a copy: frozen.py.

Keys are scalars or tuples of str, bytes and int, of the types that the map declares, and are
ordered by value: integers ascend, text goes by code point, tuples by their parts. Values are what
the canonical codec takes, so immutable.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from sortedcontainers import SortedList

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest
from strongroom.enclave.programs.frozen import FrozenMap

K = TypeVar("K")
V = TypeVar("V")
SCAN_MAX = 1_000
"""Items of one scan; more takes another scan, after the last key."""
_SCALARS = {int, str, bytes, bool}
_REBUILD_SHARE = 4
"""The order is sorted anew when more than one key in four has come or gone in one block."""
_GONE_KEYS_MIN = 1024
"""So many keys that are gone, and as many as there are, until the list of keys is made anew."""


class BudgetExceeded(Exception):
    """The transaction took more steps than it may; the framework makes a program error of it."""


class NoRoom(Exception):
    """The transaction's changes are more than its block has room for; the framework makes a program
    error of it."""


class Meter:
    """Steps left to one transaction or query: one per access to state, and one per item scanned."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0

    def take(self, steps: int) -> None:
        """Use up steps.

        Raises:
            BudgetExceeded: there are not as many.
        """
        self.left -= steps
        if self.left < 0:
            raise BudgetExceeded


@dataclass(frozen=True, slots=True, eq=False)
class MapSchema(Generic[K, V]):
    """A map as its program declares it."""

    program: str
    name: str
    key: type | tuple[type, ...]
    """int, str or bytes; or a tuple of them."""
    value: type | tuple[type, ...]
    """int, str, bytes or bool; or a tuple of them for a record."""
    scanned: bool = False
    """It may hold very many items and is scanned: its order is kept from the first item on, for to
    sort a million keys takes seconds in which nothing is voted."""

    def __post_init__(self) -> None:
        for declared in (self.key, self.value):
            parts = declared if isinstance(declared, tuple) else (declared,)
            if not parts or not set(parts) <= _SCALARS:
                raise TypeError(f"map {self.program}.{self.name}: {declared} cannot be declared")


def _types(declared: type | tuple[type, ...]) -> type | list[type]:
    """As `put` compares them: of a tuple a list, which is made quicker."""
    return list(declared) if isinstance(declared, tuple) else declared


class OrderedMap(Generic[K, V]):
    """One map. Never hands out or keeps anything mutable."""

    __slots__ = (
        "_arrived",
        "_before",
        "_changed",
        "_data",
        "_dirty",
        "_journal",
        "_key",
        "_meter",
        "_schema",
        "_sorted",
        "_value",
    )

    def __init__(
        self,
        schema: MapSchema[K, V],
        journal: "list[tuple[OrderedMap[Any, Any], Any, Any, Any]]",
        meter: Meter,
    ):
        self._schema, self._journal, self._meter = schema, journal, meter
        self._key, self._value = _types(schema.key), _types(schema.value)
        self._data: dict[K, V] = {}
        self._arrived: list[K] = []
        """Every key as it came, also keys that are gone since, and some twice: a dict that changes
        cannot be walked through piece by piece, a list can."""
        self._before: dict[K, V | None] | None = None
        """While the map is frozen: what each key had then that has been changed since."""
        self._changed: dict[K, None] = {}
        self._sorted: SortedList | None = SortedList() if schema.scanned else None
        self._dirty: dict[K, None] = {}

    def get(self, key: K) -> V | None:
        """The value of a key, or None. One step."""
        meter = self._meter
        meter.left -= 1
        if meter.left < 0:
            raise BudgetExceeded
        return self._data.get(key)

    def put(self, key: K, value: V) -> None:
        """Set the value of a key. One step.

        Raises:
            TypeError: key or value is not of the declared types.
        """
        meter = self._meter
        meter.left -= 1
        if meter.left < 0:
            raise BudgetExceeded
        item: Any = value
        if ([*map(type, item)] if type(item) is tuple else type(item)) != self._value:
            raise TypeError(f"{self._schema.name}: the value is not of the declared types")
        data = self._data
        old = data.get(key)
        if old is None:
            item = key
            if ([*map(type, item)] if type(item) is tuple else type(item)) != self._key:
                raise TypeError(f"{self._schema.name}: the key is not of the declared types")
            if self._sorted is not None:
                self._dirty[key] = None
            self._arrived.append(key)
        self._journal.append((self, key, old, value))
        data[key] = value

    def delete(self, key: K) -> None:
        """Remove a key that may be absent. One step."""
        self._meter.take(1)
        old = self._data.get(key)
        if old is not None:
            self._journal.append((self, key, old, None))
            self.restore(key, None)

    def scan(
        self, *, prefix: tuple[Any, ...] = (), after: K | None = None, limit: int = SCAN_MAX
    ) -> list[tuple[K, V]]:
        """Items by ascending key, those after `after`, whose tuple keys begin with `prefix`. One
        step per item.

        Raises:
            ValueError: `limit` is not in 1..SCAN_MAX.
        """
        if not 1 <= limit <= SCAN_MAX:
            raise ValueError(f"limit {limit}: 1..{SCAN_MAX}")
        length = len(prefix)
        beyond = after is not None and (not length or after >= prefix)  # type: ignore[operator]
        start = after if beyond else prefix or None
        found = []
        for key in self._ordered().irange(minimum=start, inclusive=(not beyond, True)):
            if length and key[:length] != prefix:
                break
            self._meter.take(1)
            found.append((key, self._data[key]))
            if len(found) == limit:
                break
        return found

    def range(
        self, start: K, stop: K, *, limit: int = SCAN_MAX, reverse: bool = False
    ) -> list[tuple[K, V]]:
        """Items with start ≤ key < stop, ascending, or descending with `reverse`. One step per
        item.

        Raises:
            ValueError: `limit` is not in 1..SCAN_MAX.
        """
        if not 1 <= limit <= SCAN_MAX:
            raise ValueError(f"limit {limit}: 1..{SCAN_MAX}")
        found = []
        for key in self._ordered().irange(start, stop, inclusive=(True, False), reverse=reverse):
            self._meter.take(1)
            found.append((key, self._data[key]))
            if len(found) == limit:
                break
        return found

    def restore(self, key: K, value: V | None) -> None:
        """Set what a key has, unseen by journal, change log and a snapshot on its way; None removes
        it."""
        if value is None:
            if self._data.pop(key, None) is not None and self._sorted is not None:
                self._dirty[key] = None
            return
        if key not in self._data:
            self._arrived.append(key)
            if self._sorted is not None:
                self._dirty[key] = None
        self._data[key] = value

    def undo(self, key: K, old: V | None) -> None:
        """Take back the newest put or delete, in reverse order of these."""
        if self._sorted is not None and (old is None or key not in self._data):
            self._dirty[key] = None
        if old is None:
            del self._data[key]
            self._arrived.pop()
        else:
            self._data[key] = old

    def pass_time(self, key: K, value: V) -> None:
        """Set what time alone changes, on every replica by itself: unseen by journal and change
        log."""
        before = self._before
        if before is not None and key not in before:
            before[key] = self._data.get(key)
        self.restore(key, value)

    def bring(self, keys: Sequence[K], values: Sequence[V | None]) -> None:
        """Take over another replica's changes, unseen by journal and change log; None removes."""
        data, before = self._data, self._before
        if before is not None:
            for key in keys:
                if key not in before:
                    before[key] = data.get(key)
        if None in values:
            for key, value in zip(keys, values, strict=True):
                self.restore(key, value)
        else:
            if new := [key for key in keys if key not in data]:
                self._arrived += new
                if self._sorted is not None:
                    self._dirty.update(dict.fromkeys(new))
            data.update(zip(keys, values, strict=True))  # type: ignore[arg-type]
        if self._dirty or len(self._arrived) > 2 * len(data) + _GONE_KEYS_MIN:
            self._tidy()

    def take_changes(self) -> tuple[tuple[K, ...], tuple[V | None, ...]]:
        """Keys changed since the last call, in order of first change, and their values; None for a
        removed key."""
        if not self._changed:
            return (), ()
        keys = tuple(self._changed)
        self._changed.clear()
        if self._dirty or len(self._arrived) > 2 * len(self._data) + _GONE_KEYS_MIN:
            self._tidy()
        return keys, tuple(map(self._data.get, keys))

    def _tidy(self) -> None:
        """What a block changed is put in order at its end: nobody waits for more than one block's
        keys."""
        if self._dirty:
            self._ordered()
        if len(self._arrived) > 2 * len(self._data) + _GONE_KEYS_MIN:
            self._arrived = list(self._data)

    def items(self) -> Iterator[tuple[K, V]]:
        """Everything, in ascending order of key."""
        return ((key, self._data[key]) for key in self._ordered())

    @property
    def count(self) -> int:
        """How many items there are; for the executor, at nobody's cost."""
        return len(self._data)

    def copy(self) -> dict[K, V]:
        """Everything, in no order, for audits: a shallow copy, for values cannot change."""
        return self._data.copy()

    def freeze(self) -> FrozenMap[K, V]:
        """This map as it stands now, whatever changes it later; at most one at a time. Costs
        nothing by its size."""
        self._before = {}
        return FrozenMap(self._data, self._arrived, self._before, self._thaw)

    def _thaw(self) -> None:
        self._before = None

    def install(self, data: dict[K, V]) -> None:
        """Hold exactly this from now on."""
        self._data, self._arrived, self._before = data, list(data), None
        self._dirty.clear()
        self._changed.clear()
        self._sorted = None if self._sorted is None else SortedList(data)

    def _ordered(self) -> SortedList:
        """The keys in order. Built by the first scan, or from the first item on where the schema
        says so: a map that is never scanned pays nothing for it."""
        if self._sorted is None or len(self._dirty) * _REBUILD_SHARE > len(self._sorted):
            self._sorted = SortedList(self._data)
        else:
            for key in self._dirty:
                self._sorted.discard(key)
                if key in self._data:
                    self._sorted.add(key)
        self._dirty.clear()
        return self._sorted


class State:
    """All maps of all programs."""

    def __init__(self, schemas: "list[MapSchema[Any, Any]]") -> None:
        self.meter = Meter()
        self._journal: list[tuple[OrderedMap[Any, Any], Any, Any, Any]] = []
        """(map, key, value before, value since); None where there is none."""
        ordered = sorted(schemas, key=lambda schema: (schema.program, schema.name))
        self.maps = {schema: OrderedMap(schema, self._journal, self.meter) for schema in ordered}
        self._named = {(schema.program, schema.name): self.maps[schema] for schema in ordered}

    def commit(self, room: int | None = None) -> int:
        """The transaction succeeded: its changes stand. Gives their bytes in the write set, or
        somewhat more.

        Args:
            room: bytes that they may take; None: as many as they are.

        Raises:
            NoRoom: they take more; nothing was noted, roll back.
            OverflowError, ValueError: an integer beyond 64 bits or a lone surrogate was put, which
                could not be sealed at the end of the block; nothing was noted, roll back.
        """
        journal = self._journal
        flat: list[Any] = []
        for _, key, _, value in journal:
            flat += (key, value)
        size = len(codec.encode(flat))
        if room is not None and size > room:  # what was put several times counts once
            once = {(changed, key): value for changed, key, _, value in journal}
            size = len(codec.encode([(key, value) for (_, key), value in once.items()]))
            if size > room:
                raise NoRoom
        for changed, key, old, _ in journal:
            changed._changed[key] = None
            before = changed._before
            if before is not None and key not in before:
                before[key] = old
        journal.clear()
        return size

    @property
    def mark(self) -> int:
        """A place in the transaction at hand, to which it can be rolled back."""
        return len(self._journal)

    def roll_back(self, mark: int = 0) -> None:
        """The transaction failed: as if it had not been, or as it was at a mark of it."""
        while len(self._journal) > mark:
            changed, key, old, _ = self._journal.pop()
            changed.undo(key, old)

    def take_changes(self) -> tuple[tuple[Any, ...], ...]:
        """What the block changed, for the write set: (program, map, keys, values) of every changed
        map."""
        return tuple(
            [
                (*name, *changed.take_changes())
                for name, changed in self._named.items()
                if changed._changed  # of all maps, few
            ]
        )

    def apply(self, changes: tuple[tuple[Any, ...], ...]) -> None:
        """Take over another replica's changes of a block.

        Raises:
            NotCanonical: they name no map of this state; nothing was changed.
        """
        named = []
        for change in changes:
            program, name, keys, values = codec.fields(
                change, str, str, tuple, tuple, name="change"
            )
            target = self._named.get((program, name))
            if target is None or len(keys) != len(values):
                raise NotCanonical(f"change: no map {program}.{name}")
            named.append((target, keys, values))
        for target, keys, values in named:
            target.bring(keys, values)

    def copy(self) -> list[tuple[str, str, dict[Any, Any]]]:
        """(program, map, items in no order) of every map, in order of program and map; for
        audits."""
        return [(program, name, found.copy()) for (program, name), found in self._named.items()]

    def freeze(self) -> list[tuple[str, str, FrozenMap[Any, Any]]]:
        """(program, map, its items as they stand now) of every map, in order of program and
        map."""
        return [(program, name, found.freeze()) for (program, name), found in self._named.items()]

    def check_names(self, names: Iterable[tuple[str, str]]) -> None:
        """Check that there is a map of each of these names (program, map).

        Raises:
            NotCanonical: there is not.
        """
        for program, name in names:
            if (program, name) not in self._named:
                raise NotCanonical(f"no map {program}.{name}")

    def install(self, maps: Mapping[tuple[str, str], dict[Any, Any]]) -> None:
        """Hold exactly these maps from now on; those that are not named are empty."""
        for name, found in self._named.items():
            found.install(maps.get(name, {}))

    def digest(self) -> Digest:
        """SHA-256 over all items in order; the same on every replica at one height."""
        hasher = sha256(labels.STATE + b"\x00")
        for name, ordered_map in self._named.items():
            hasher.update(codec.encode((*name, tuple(ordered_map.items()))))
        return Digest(hasher.digest())
