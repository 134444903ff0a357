"""What every command shares: the cluster's folder, how a document is printed, which exit code an
error has.

Owns the exit codes of INTERFACES and the rule that no traceback reaches a user. Knows nothing of
any command.

    0 ok · 1 the answer is no · 2 usage or configuration · 3 unreachable · 4 cannot check
"""

import asyncio
import errno
import functools
import io
import json
import os
import re
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    OperatorFault,
    ReceiptInvalid,
    StrongroomError,
)
from strongroom.node.client.errors import (
    Behind,
    CannotCheck,
    NoQuorum,
    NotTrusted,
    ProgramFailed,
    TransactionRefused,
    Unreachable,
)
from strongroom.node.faults import NotFound, NotReady, NotYet, Overloaded, Refused, RpcFault
from strongroom.node.layout import DEFAULT_DIRECTORY, ClusterLayout
from strongroom.node.terminal.text import escaped_json, shown_lines

TRACEBACK_VARIABLE = "STRONGROOM_TRACEBACK"
"""Set to 1, an unexpected error is raised instead of told in one line: for developers."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of SIGINT, as of any shell's command."""

_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    NO = 1
    """The answer is no: an invalid receipt, not found, refused."""
    USAGE = 2
    """Usage or configuration: fix it and run again."""
    UNREACHABLE = 3
    CANNOT_CHECK = 4


DirectoryOption = Annotated[
    Path,
    typer.Option("--dir", envvar="STRONGROOM_DIR", metavar="DIR", help="The cluster's folder."),
]
"""`--dir DIR`; use with `= DEFAULT_DIR`."""
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to wait before giving up.")
]
"""`--timeout S`; use with `= TIMEOUT_SECONDS`."""
TIMEOUT_SECONDS = 60.0
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")
]
"""`--json`; use with `= False`."""
DEFAULT_DIR = Path(DEFAULT_DIRECTORY)

_EXIT_CODES: tuple[tuple[type[StrongroomError], ExitCode], ...] = (
    (Unreachable, ExitCode.UNREACHABLE),
    (NoQuorum, ExitCode.UNREACHABLE),
    (Behind, ExitCode.UNREACHABLE),
    (NotReady, ExitCode.UNREACHABLE),
    (Overloaded, ExitCode.UNREACHABLE),
    (CannotCheck, ExitCode.CANNOT_CHECK),
    (NotTrusted, ExitCode.NO),
    (ProgramFailed, ExitCode.NO),
    (TransactionRefused, ExitCode.NO),
    (NotFound, ExitCode.NO),
    (NotYet, ExitCode.NO),
    (Refused, ExitCode.NO),
    (AttestationError, ExitCode.NO),
    (RpcFault, ExitCode.USAGE),
    (ClientFault, ExitCode.USAGE),
    (OperatorFault, ExitCode.USAGE),
)
"""The first class that fits decides; everything else is a fault of the other side or our own:
USAGE."""


def exit_code_of(error: StrongroomError) -> ExitCode:
    """Which exit status tells of this error."""
    if isinstance(error, ReceiptInvalid):
        return ExitCode.CANNOT_CHECK if error.verdict == "cannot check" else ExitCode.NO
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.USAGE)


class _Printing:
    """What the command that runs has to print."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json, self.emitted = as_json, False


_printing: ContextVar[_Printing] = ContextVar("_printing")


def _now() -> _Printing:
    printing = _printing.get(None)
    if printing is None:
        _printing.set(printing := _Printing())
    return printing


def fail(
    message: str, code: ExitCode | int = ExitCode.NO, error: BaseException | None = None
) -> NoReturn:
    """Say on stderr what is wrong and what to do next, and end with this exit status; with --json a
    document, too."""
    printing = _now()
    if printing.as_json and not printing.emitted:
        with suppress(OSError, ValueError):
            emit({"ok": False, "error": error_document(error, message, code)}, as_json=True)
    warn(f"error: {message}")
    raise typer.Exit(int(code))


def error_document(
    error: BaseException | None, message: str, code: ExitCode | int = ExitCode.USAGE
) -> dict[str, str]:
    """`error` of a command's JSON: a stable code (the kind of the error, else of the exit status),
    and words."""
    name = ExitCode(code).name if error is None and code in set(ExitCode) else type(error).__name__
    if error is not None and name != "NoneType":
        name = _WORD_BEGINS.sub("-", name)
    return {"code": name.lower().replace("_", "-"), "message": message}


def emit(document: object, as_json: bool, human: Callable[[], None] | None = None) -> None:
    """Print a command's answer: with `as_json` one line of JSON, else whatever `human` prints.

    Raises:
        OSError: standard output is closed, or takes nothing.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    if as_json or human is None:
        typer.echo(_json_text(document))
    else:
        human()
    _now().emitted = True


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
    return _now().emitted


def take_any_text() -> None:
    """Write what a terminal or pipe has no character for as an escape, instead of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine to its end; Ctrl-C cancels it and exits with 130."""
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        warn("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BaseExceptionGroup as group:
        raise _first(group) from None


def run_submission(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """`run` of what submits something: Ctrl-C stays KeyboardInterrupt, for its fate to be told."""
    try:
        return asyncio.run(coroutine)
    except BaseExceptionGroup as group:
        raise _first(group) from None


def guarded(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Turn errors of a command into one line on stderr and an exit status. Goes below
    `@app.command()`."""

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        _printing.set(_Printing(as_json=kwargs.get("as_json") is True))
        try:
            return command(*args, **kwargs)
        except StrongroomError as error:
            fail(str(error) or type(error).__name__, exit_code_of(error), error)
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except OSError as error:
            fail(
                f"{error.strerror or error}: {error.filename or 'no file named'}",
                ExitCode.USAGE,
                error,
            )
        except Exception as error:
            # The classes of click and typer are control flow; they come by here too.
            if type(error).__module__.partition(".")[0] in ("click", "typer") or os.environ.get(
                TRACEBACK_VARIABLE
            ):
                raise
            fail(
                f"a bug in this program ({type(error).__name__}: {error}); run again with "
                f"{TRACEBACK_VARIABLE}=1 and report what it prints",
                ExitCode.USAGE,
                error,
            )

    return wrapped


def existing_directory(directory: Path) -> Path:
    """Check that a cluster's folder is there.

    Raises:
        typer.Exit: it is not (status 2).
    """
    if not ClusterLayout(directory).service.is_file():
        fail(
            f"no cluster in {directory} (no service.json): start one with `strongroom cluster up "
            f"--dir {directory}`, or name its folder with --dir or STRONGROOM_DIR",
            ExitCode.USAGE,
        )
    return directory


def read_id(text: str) -> bytes:
    """A transaction id from its hex digits.

    Raises:
        ClientFault: it is none.
    """
    try:
        id = bytes.fromhex(text)
    except ValueError:
        id = b""
    if len(id) != 32 or id.hex() != text:
        raise ClientFault(f"{text!r} is no transaction id: 64 lowercase hex digits")
    return id


def ask_passphrase(name: str) -> str:
    """Ask the user, not showing what is typed."""
    text: str = typer.prompt(f"passphrase of {name}", hide_input=True, err=True)
    return text


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


def _plain(value: object) -> object:
    """JSON form of what the codec knows and JSON does not: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
