"""Shapes of what passes the door: one object both encodes a value and reads it, strictly.

Owns the checking of types, sizes and counts on both sides. Knows no operation. Each `encode` and
`decode` raises NotCanonical for whatever is not of its shape, and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import U64_MAX


class Shape(ABC):
    """A set of values, and their form for the codec."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Fields for the codec."""

    @abstractmethod
    def decode(self, wire: object) -> Any:
        """Read fields of the codec."""


@dataclass(frozen=True, slots=True)
class Plain(Shape):
    """A value of one type of the codec, as it is (a bool is not an int here)."""

    name: str
    kind: type

    def encode(self, value: Any) -> Any:
        return self.decode(value)

    def decode(self, wire: object) -> Any:
        if type(wire) is not self.kind:
            raise NotCanonical(
                f"{self.name}: expected {self.kind.__name__}, got {type(wire).__name__}"
            )
        return wire


@dataclass(frozen=True, slots=True)
class Sized(Shape):
    """Bytes of one size."""

    name: str
    size: int

    def encode(self, value: Any) -> bytes:
        return codec.sized(value, self.size, name=self.name)

    def decode(self, wire: object) -> bytes:
        return codec.sized(wire, self.size, name=self.name)


@dataclass(frozen=True, slots=True)
class Unsigned(Shape):
    """An integer from 0 to a bound."""

    name: str
    value_max: int = U64_MAX

    def encode(self, value: Any) -> int:
        return codec.unsigned(value, name=self.name, value_max=self.value_max)

    def decode(self, wire: object) -> int:
        return codec.unsigned(wire, name=self.name, value_max=self.value_max)


@dataclass(frozen=True, slots=True)
class Of(Shape):
    """Objects of a class that has a wire form of its own, or of one of several; its bounds are the
    class's."""

    kind: type | tuple[type, ...]
    to_wire: Callable[[Any], object]
    from_wire: Callable[[Any], object]
    wire: type = tuple

    @property
    def name(self) -> str:
        """For messages."""
        kinds = self.kind if isinstance(self.kind, tuple) else (self.kind,)
        return " or ".join(kind.__name__ for kind in kinds)

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if kind is not self.kind and not (isinstance(self.kind, tuple) and kind in self.kind):
            raise NotCanonical(f"expected {self.name}, got {type(value).__name__}")
        return self.to_wire(value)

    def decode(self, wire: object) -> Any:
        if type(wire) is not self.wire:
            raise NotCanonical(f"{self.name}: expected {self.wire.__name__}")
        return self.from_wire(wire)


@dataclass(frozen=True, slots=True)
class Listed(Shape):
    """A sequence of at most so many values of one shape."""

    item: Shape
    count_max: int

    def encode(self, value: Any) -> tuple[Any, ...]:
        items = tuple(value) if type(value) is list else value
        checked = codec.listed(items, name="sequence", count_max=self.count_max)
        return tuple(map(self.item.encode, checked))

    def decode(self, wire: object) -> tuple[Any, ...]:
        checked = codec.listed(wire, name="sequence", count_max=self.count_max)
        return tuple(map(self.item.decode, checked))


@dataclass(frozen=True, slots=True)
class Fields(Shape):
    """A tuple with a shape for each place."""

    name: str
    items: tuple[Shape, ...]

    def encode(self, value: Any) -> tuple[Any, ...]:
        return tuple(
            [item.encode(one) for item, one in zip(self.items, self._of(value), strict=True)]
        )

    def decode(self, wire: object) -> tuple[Any, ...]:
        return tuple(
            [item.decode(one) for item, one in zip(self.items, self._of(wire), strict=True)]
        )

    def _of(self, value: object) -> tuple[Any, ...]:
        if type(value) is not tuple or len(value) != len(self.items):
            raise NotCanonical(f"{self.name}: expected {len(self.items)} fields")
        return value


@dataclass(frozen=True, slots=True)
class Either(Shape):
    """The first shape for values of one type of the codec, the second for all others."""

    kind: type
    first: Shape
    second: Shape

    def encode(self, value: Any) -> Any:
        return (self.first if type(value) is self.kind else self.second).encode(value)

    def decode(self, wire: object) -> Any:
        return (self.first if type(wire) is self.kind else self.second).decode(wire)


NOTHING = Plain("nothing", type(None))
BYTES = Plain("byte string", bytes)
TEXT = Plain("text", str)
FLAG = Plain("flag", bool)


def fields(name: str, *items: Shape) -> Fields:
    """A tuple of these."""
    return Fields(name, items)
