"""What every command shares: the cluster's folder, how a document is printed, which exit code an error has.

Owns the exit codes of INTERFACES and the rule that no traceback reaches a user. Knows nothing of any command.

    0 ok · 1 the answer is no · 2 usage or configuration · 3 unreachable · 4 cannot check
"""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine
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
from strongroom.node.layout import DEFAULT_DIRECTORY, ClusterLayout
from strongroom.node.rpc.faults import NotFound, NotReady, NotYet, Overloaded, Refused, RpcFault

TRACEBACK_VARIABLE = "STRONGROOM_TRACEBACK"
"""Set to 1, an unexpected error is raised instead of told in one line: for developers."""

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
    Path, typer.Option("--dir", envvar="STRONGROOM_DIR", metavar="DIR", help="The cluster's folder.")
]
"""`--dir DIR`; use with `= DEFAULT_DIR`."""
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait before giving up.")]
"""`--timeout S`; use with `= TIMEOUT_SECONDS`."""
TIMEOUT_SECONDS = 60.0
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")]
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
"""The first class that fits decides; everything else is a fault of the other side or our own: USAGE."""


def exit_code_of(error: StrongroomError) -> ExitCode:
    """Which exit status tells of this error."""
    if isinstance(error, ReceiptInvalid):
        return ExitCode.CANNOT_CHECK if error.verdict == "cannot check" else ExitCode.NO
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.USAGE)


def fail(message: str, code: ExitCode | int = ExitCode.NO) -> NoReturn:
    """Say on stderr what is wrong and what to do next, and end with this exit status."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(int(code))


def emit(document: object, as_json: bool, human: Callable[[], None] | None = None) -> None:
    """Print a command's answer: with `as_json` one line of JSON, else whatever `human` prints."""
    if as_json or human is None:
        typer.echo(json.dumps(document, ensure_ascii=False, default=_plain))
    else:
        human()


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine to its end; Ctrl-C cancels it and exits with 130."""
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None
    except BaseExceptionGroup as group:
        raise _first(group) from None


def guarded(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Turn errors of a command into one line on stderr and an exit status. Goes below `@app.command()`."""

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return command(*args, **kwargs)
        except StrongroomError as error:
            fail(str(error) or type(error).__name__, exit_code_of(error))
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except OSError as error:
            fail(f"{error.strerror or error}: {error.filename or 'no file named'}", ExitCode.USAGE)
        except Exception as error:
            # The classes of click and typer are control flow; they come by here too.
            if type(error).__module__.partition(".")[0] in ("click", "typer") or os.environ.get(TRACEBACK_VARIABLE):
                raise
            fail(
                f"a bug in this program ({type(error).__name__}: {error}); run again with {TRACEBACK_VARIABLE}=1 "
                "and report what it prints",
                ExitCode.USAGE,
            )

    return wrapped


def existing_directory(directory: Path) -> Path:
    """Check that a cluster's folder is there.

    Raises:
        typer.Exit: it is not (status 2).
    """
    if not ClusterLayout(directory).service.is_file():
        fail(
            f"no cluster in {directory} (no service.json): start one with `strongroom cluster up --dir {directory}`, "
            "or name its folder with --dir or STRONGROOM_DIR",
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


def note(text: str) -> None:
    """Say something on stderr that is not part of the answer."""
    print(text, file=sys.stderr, flush=True)


def _plain(value: object) -> object:
    """JSON form of what the codec knows and JSON does not: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
