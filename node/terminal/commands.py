"""How every command runs and ends: errors become one line on stderr and an exit status.

Owns the rule that no traceback reaches a user. Knows nothing of any command.
"""

import functools
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from strongroom.consensus.errors import StrongroomError
from strongroom.node.terminal.exits import INTERRUPTED, ExitCode, error_document, exit_code_of
from strongroom.node.terminal.printing import begin, current, emit, warn

TRACEBACK_VARIABLE = "STRONGROOM_TRACEBACK"
"""Set to 1, an unexpected error is raised instead of told in one line: for developers."""

folder_before: ContextVar[Path | None] = ContextVar("folder_before", default=None)
"""`--dir DIR` before a command, until that command takes it."""
_P = ParamSpec("_P")
_T = TypeVar("_T")
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")
]
"""`--json`; use with `= False`."""
FieldOption = Annotated[
    str | None,
    typer.Option(
        "--field", metavar="NAME", help="One field of the JSON alone, like anchor.height or 0.id."
    ),
]
"""`--field NAME`, of a parameter `field`; use with `= None`: `emit` then prints that alone."""


def fail(
    message: str, code: ExitCode | int = ExitCode.NO, error: BaseException | None = None
) -> NoReturn:
    """Say on stderr what is wrong and what to do next, and end with this exit status; with --json a
    document, too."""
    printing = current()
    if printing.as_json and not printing.emitted:
        with suppress(OSError, ValueError):
            emit({"ok": False, "error": error_document(error, message, code)}, as_json=True)
    warn(f"error: {message}")
    raise typer.Exit(int(code))


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine to its end; Ctrl-C cancels it and exits with 130."""
    import asyncio

    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt as interrupt:
        warn(str(interrupt) or "interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BaseExceptionGroup as group:
        raise _first(group) from None


def run_submission(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """`run` of what submits something: Ctrl-C stays KeyboardInterrupt, for its fate to be told."""
    import asyncio

    try:
        return asyncio.run(coroutine)
    except BaseExceptionGroup as group:
        raise _first(group) from None


def guarded(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Turn errors of a command into one line on stderr and an exit status. Goes below
    `@app.command()`."""

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        field = kwargs.get("field")
        begin(
            as_json=kwargs.get("as_json") is True, field=field if isinstance(field, str) else None
        )
        untaken = folder_before.get()
        folder_before.set(None)
        try:
            if untaken is not None:
                fail(
                    f"--dir {untaken} stands before a command that reads no cluster's folder: "
                    "leave it out; what the command itself takes is in its --help",
                    ExitCode.USAGE,
                )
            return command(*args, **kwargs)
        except StrongroomError as error:
            fail(str(error) or type(error).__name__, exit_code_of(error), error)
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except OSError as error:
            where = error.filename or "standard output, or a file that is not named"
            fail(f"{where}: {error.strerror or error}", ExitCode.USAGE, error)
        except Exception as error:
            # The classes of click and typer are control flow; they come by here too.
            if type(error).__module__.partition(".")[0] in ("click", "typer") or os.environ.get(
                TRACEBACK_VARIABLE
            ):
                raise
            fail(
                f"a bug in this program ({type(error).__name__}: {error}); "
                f"run again with {TRACEBACK_VARIABLE}=1 and report what it prints",
                ExitCode.USAGE,
                error,
            )

    return wrapped


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
