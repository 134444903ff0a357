"""What a command prints: its answer on stdout, for people or as one JSON document, and words beside
it on stderr. Nothing reaches a terminal unescaped (T72).
"""

import errno
import io
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.shown_text import escaped_json, shown, shown_lines


class Printing:
    """What the command that runs has to print."""

    def __init__(self, *, as_json: bool = False, field: str | None = None) -> None:
        self.as_json, self.field, self.emitted = as_json, field, False


_printing: ContextVar[Printing] = ContextVar("_printing")


def current() -> Printing:
    """Of the command that runs."""
    printing = _printing.get(None)
    if printing is None:
        _printing.set(printing := Printing())
    return printing


def begin(*, as_json: bool, field: str | None = None) -> None:
    """A command begins; does it print a document, or one field of it?"""
    _printing.set(Printing(as_json=as_json, field=field))


def emit(document: object, as_json: bool, human: Callable[[], None] | None = None) -> None:
    """Print a command's answer: with `as_json` one line of JSON, else whatever `human` prints; with
    --field that field alone.

    Raises:
        OSError: standard output is closed, or takes nothing.
        ClientFault: the answer has no such field.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    field = current().field
    if field is not None:
        for value in field_of(json.loads(_json_text(document)), field):
            typer.echo(_json_text(value) if as_json else _bare_text(value))
    elif as_json or human is None:
        typer.echo(_json_text(document))
    else:
        human()
    current().emitted = True


def field_of(document: Any, path: str) -> list[Any]:
    """The values of a field, by names and positions with dots between; of a list without a
    position, one value for each of its documents.

    Raises:
        ClientFault: there is no such field; the message says which there are.
    """
    values, gone = [document], ""
    for name in path.split("."):
        if not name.isdecimal():
            values = [
                one for value in values for one in (value if type(value) is list else [value])
            ]
        values = [_stepped(value, name, gone) for value in values]
        gone = f"{gone}{name}."
    return values


def _stepped(value: Any, name: str, gone: str) -> Any:
    if type(value) is dict and name in value:
        return value[name]
    if type(value) is list and name.isdecimal() and int(name) < len(value):
        return value[int(name)]
    if type(value) is dict:
        raise ClientFault(f"no field {gone}{name}: there are {', '.join(value)}")
    if type(value) is list:
        raise ClientFault(f"no field {gone}{name}: that list has {len(value)} entries, from 0 on")
    raise ClientFault(f"no field {gone}{name}: {gone.rstrip('.') or 'it'} has no fields")


def _bare_text(value: Any) -> str:
    """A text as it is, anything else as JSON: for a shell's variables."""
    return shown(value) if type(value) is str else _json_text(value)


def emit_event(document: object) -> None:
    """Print a line of JSON that is no answer yet: what happens while the command runs, whole."""
    typer.echo(_json_text(document))


def _json_text(document: object) -> str:
    """One line of JSON; all ASCII where standard output has no character for some of it."""
    text = escaped_json(json.dumps(document, ensure_ascii=False, default=_plain))
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return json.dumps(document, default=_plain)
    return text


def has_emitted() -> bool:
    """Was the answer of the command that runs printed already?"""
    return current().emitted


def take_any_text() -> None:
    """Write what a terminal or pipe has no character for as an escape, instead of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "") -> None:
    """Print a line, or some, of a command's answer."""
    typer.echo(shown_lines(text))


def note(text: str) -> None:
    """Say something on stderr that is not part of the answer."""
    warn(text)


def warn(text: str) -> None:
    """Say something on stderr; one that takes nothing changes nothing."""
    with suppress(OSError, ValueError, AttributeError):
        print(shown_lines(text), file=sys.stderr, flush=True)


def move(text: str, *, ended: bool) -> None:
    """Say on stderr how far something is, over what was said of it before; at its end go on below.
    For terminals alone."""
    with suppress(OSError, ValueError):
        typer.echo(f"\r\x1b[K{shown(text)}", err=True, nl=ended)


def _plain(value: object) -> object:
    """JSON form of what the codec knows and JSON does not: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON form for {type(value).__name__}")
