"""Bytes as a hostile disk has them: whoever writes it makes every checksum right."""

import random
from collections.abc import Callable
from typing import Any

import msgpack

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical

_NUMBERS = (0, 1, -1, 255, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63))
_SIZES = (0, 1, 4, 31, 32, 33, 64, 76, 300)


class Hostile:
    """Draws what may stand in a record's place, from a seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def record(self, data: bytes) -> bytes:
        """Another record than this one: most are nearly it, so that they get far."""
        draw = self._draw
        way = draw.random()
        if way < 0.08:
            return draw.randbytes(draw.randrange(80))
        if way < 0.2:
            return self._flipped(data)
        if way < 0.26:
            return data[: draw.randrange(len(data) + 1)]
        if way < 0.3:
            return data + draw.randbytes(draw.randrange(1, 9))
        value = codec.decode(data, size_max=len(data))
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            value = self._changed(value)
        packed: bytes = msgpack.packb(value, use_bin_type=True)
        return packed

    def _changed(self, value: Any) -> Any:
        draw = self._draw
        if isinstance(value, tuple) and value and draw.random() < 0.85:
            return self._changed_in(value)
        if isinstance(value, bytes) and value and draw.random() < 0.6:
            inner = _tuple_in(value)
            return self._flipped(value) if inner is None else msgpack.packb(self._changed(inner))
        if type(value) is int and draw.random() < 0.6:
            moved = value + draw.choice((-1, 1, 255, -300, 1 << 32))
            return max(-(1 << 63), min((1 << 64) - 1, moved))
        return self._any()

    def _changed_in(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        at, way = self._draw.randrange(len(value)), self._draw.random()
        before, one, after = value[:at], value[at], value[at + 1 :]
        if way < 0.08:
            return before + after
        return (*before, one, one, *after) if way < 0.12 else (*before, self._changed(one), *after)

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._draw.choice((1, 1, 2, 5)) if data else 0):
            changed[self._draw.randrange(len(data))] = self._draw.randrange(256)
        return bytes(changed)

    def _any(self, depth: int = 0) -> Any:
        draw = self._draw
        makers: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: draw.random() < 0.5,
            lambda: draw.choice(_NUMBERS),
            lambda: draw.choice((0.5, float("nan"), float("inf"))),
            lambda: draw.choice(("", "text", "é", "\0")),
            lambda: bytes(draw.choice(_SIZES)),
            lambda: draw.randbytes(draw.choice(_SIZES)),
            lambda: draw.choice(({}, {1: 2}, {"a": {}}, {(1,): 2})),
            lambda: msgpack.ExtType(draw.randrange(128), b"extension"),
            lambda: msgpack.Timestamp(1, 2),
            lambda: tuple(self._any(depth + 1) for _ in range(draw.randrange(4 - depth))),
        )
        return draw.choice(makers)()


def _tuple_in(value: bytes) -> tuple[Any, ...] | None:
    """What is encoded within; None: nothing that nests."""
    try:
        inner = codec.decode(value, size_max=len(value))
    except NotCanonical:
        return None
    return inner if isinstance(inner, tuple) else None
