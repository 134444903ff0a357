"""Access to the maps of governance that takes no steps from whatever transaction runs.

Governance reads while a transaction's meter runs, and replicas must not differ in what that leaves
to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.programs.governance import STANDING
from strongroom.enclave.programs.state import MapSchema, OrderedMap, State

_UNCOUNTED = 2**62


class UncountedMaps:
    """Reads and writes maps, uncounted."""

    def __init__(self, state: State) -> None:
        self.state = state

    def map(self, schema: MapSchema[Any, Any]) -> OrderedMap[Any, Any]:
        """One of the maps."""
        return self.state.maps[schema]

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Access that takes no steps from whatever transaction runs."""
        meter = self.state.meter
        left, meter.left = meter.left, _UNCOUNTED
        try:
            yield
        finally:
            meter.left = left

    def get(self, schema: MapSchema[Any, Any], key: Any) -> Any:
        """The value of a key, or None."""
        with self.uncounted():
            return self.map(schema).get(key)

    def put(self, schema: MapSchema[Any, Any], key: Any, value: Any) -> None:
        """Set the value of a key."""
        with self.uncounted():
            self.map(schema).put(key, value)

    def delete(self, schema: MapSchema[Any, Any], key: Any) -> None:
        """Remove a key."""
        with self.uncounted():
            self.map(schema).delete(key)

    def items(self, schema: MapSchema[Any, Any]) -> list[tuple[Any, Any]]:
        """Everything in a map, ascending by key."""
        return list(self.map(schema).items())

    def clear(self, schema: MapSchema[Any, Any]) -> None:
        """Empty a map."""
        for key, _ in self.items(schema):
            self.delete(schema, key)

    def single(self, name: str) -> Any:
        """A single thing by name, decoded; None when there is none."""
        encoded = self.get(STANDING, name)
        return None if encoded is None else codec.decode(encoded)

    def set_single(self, name: str, value: Any) -> None:
        """Set a single thing by name; None removes it."""
        if value is None:
            self.delete(STANDING, name)
        else:
            self.put(STANDING, name, codec.encode(value))
