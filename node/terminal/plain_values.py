"""Plain values of a command line, read without what Typer loads to read any.

Typer reads each value of a parameter through pydantic, which takes a third of a short command's
time to load. A word that is a text, a whole number, a path or one of a few names needs none of it.
Owns which values are plain; everything else, all that is wrong with a value too, is Typer's to read
and to say. Patches the one place where Typer makes its reader of values; with a Typer that has no
such place, Typer reads all of them.
"""

import os
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import typer.core

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_OWN = ("parser", "path_type")
"""What makes a parameter's values other than plain when it is given."""
_CHECKED = ("clamp", "exists", "writable", "resolve_path", "allow_dash")
"""What has Typer look further at a value when it is true."""
_OTHERWISE = object()


class _Reader:
    """Stands where Typer keeps how the values of one parameter are read."""

    def __init__(self, typers: Callable[[], Any]) -> None:
        self._typers = typers

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as its command takes it; errors are Typer's."""
        read = plain_value(value, param)
        return self._typers().coerce(value, param=param, ctx=ctx) if read is _OTHERWISE else read


@cache
def read_plain_values() -> None:
    """From now on, have plain values read here."""
    kind: Any = getattr(typer.core, "_TyperParameter", None)
    by_typer = getattr(kind, "get_runtime_param", None)
    if by_typer is not None:
        kind.get_runtime_param = lambda param: _Reader(lambda: by_typer(param))


def plain_value(value: Any, param: Any) -> Any:
    """The value of a parameter, if it is plain; else `_OTHERWISE`."""
    several = param.multiple or param.nargs == -1
    if value is None:
        return () if several else None
    annotation, info = param.type_descriptor.annotation, param.type_descriptor.parameter_info
    if any(getattr(info, name, None) is not None for name in _OWN):
        return _OTHERWISE
    if any(getattr(info, name, False) for name in _CHECKED):
        return _OTHERWISE
    if get_origin(annotation) is not list:
        return _OTHERWISE if several else _one(value, annotation, info)
    if not several or type(value) not in (list, tuple):
        return _OTHERWISE
    read = [_one(one, get_args(annotation)[0], info) for one in value]
    return _OTHERWISE if _OTHERWISE in read else read


def _one(value: Any, annotation: Any, info: Any) -> Any:
    if annotation is str:
        return value if type(value) is str else _OTHERWISE
    if annotation is int or annotation is float:
        return _number(value, annotation, info)
    if annotation is Path:
        return _path(value, info)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choice(value, annotation)
    return _OTHERWISE


def _number(value: Any, kind: type[int] | type[float], info: Any) -> Any:
    if type(value) is str and (_WHOLE if kind is int else _DECIMAL).fullmatch(value):
        value = kind(value)
    if type(value) is not kind:
        return _OTHERWISE
    least, most = info.min, info.max
    within = (least is None or value >= least) and (most is None or value <= most)
    return value if within else _OTHERWISE


def _path(value: Any, info: Any) -> Any:
    if not (isinstance(value, (str, Path)) and info.file_okay and info.dir_okay and info.readable):
        return _OTHERWISE
    try:
        os.stat(value)
    except OSError:  # of a path that is not there, or not ours to look at, a command tells itself
        return Path(value)
    except ValueError:
        return _OTHERWISE
    return Path(value) if os.access(value, os.R_OK) else _OTHERWISE


def _choice(value: Any, kind: type[Enum]) -> Any:
    if type(value) is kind:
        return value
    if type(value) is not str:
        return _OTHERWISE
    return next((one for one in kind if one.value == value), _OTHERWISE)
