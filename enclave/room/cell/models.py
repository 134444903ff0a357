"""Models of a cell: JSON of numbers, and nothing else.

Owns what such a model is, and that it is written anew by whoever takes it: equal numbers are equal
bytes, and no space, order or spelling carries anything. Never pickle: whoever reads one runs
nothing of it.
"""

import json
from math import isfinite
from typing import Any

from strongroom.enclave.room.cell.columns import NotTyped

MODEL_DEPTH_MAX = 8
MODEL_KEY_MAX = 64
_LIMIT = 2**53


def write_model(value: Any, digits: int) -> bytes:
    """A model's bytes, its reals cut to so many significant digits.

    Raises:
        NotTyped: it is none.
    """
    made = _checked(value, digits, MODEL_DEPTH_MAX)
    if type(made) is not dict:
        raise NotTyped("a model is a dict")
    return json.dumps(made, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_model(data: bytes | bytearray | memoryview, digits: int) -> bytes:
    """The same from bytes of a cell, which may be anything.

    Raises:
        NotTyped: they are none.
    """
    try:
        value = json.loads(bytes(data).decode("ascii"), parse_constant=_refused)
    except (ValueError, RecursionError):
        raise NotTyped("no JSON") from None
    return write_model(value, digits)


def _checked(value: Any, digits: int, depth: int) -> Any:
    if type(value) is bool or value is None or (type(value) is int and abs(value) <= _LIMIT):
        return value
    if type(value) is float and isfinite(value):
        return float(f"{value:.{digits}g}") + 0.0
    if not depth:
        raise NotTyped(f"a model is at most {MODEL_DEPTH_MAX} deep")
    if type(value) in (list, tuple):
        return [_checked(one, digits, depth - 1) for one in value]
    if type(value) is dict:
        if not all(type(key) is str and len(key) <= MODEL_KEY_MAX for key in value):
            raise NotTyped(f"a model's keys are texts of at most {MODEL_KEY_MAX} characters")
        return {key: _checked(one, digits, depth - 1) for key, one in value.items()}
    raise NotTyped("a model is made of dicts, lists, finite numbers, truths and None")


def _refused(_: str) -> Any:
    raise ValueError
