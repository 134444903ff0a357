"""What became of a submission, told whatever goes wrong afterwards: nothing may hide an id, nor
that it was executed.

Owns the words and the exit status of a command that has submitted something, once a file, a pipe, a
disk, a missing answer or Ctrl-C comes between. Who reads only "failed" tries again, and pays twice.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from strongroom.consensus.errors import ReceiptInvalid, StrongroomError
from strongroom.node.client.errors import NotTrusted
from strongroom.node.layout import dir_option
from strongroom.node.terminal.commands import fail
from strongroom.node.terminal.exits import INTERRUPTED, ExitCode, error_document, exit_code_of
from strongroom.node.terminal.printing import emit, has_emitted, note, warn


class Fate:
    """One submission of one identity."""

    def __init__(
        self,
        identity: str,
        *,
        ask_later: str = "strongroom explorer tx {id} --as {identity}",
        folder: Path | None = None,
    ) -> None:
        self.id: str | None = None
        """Of the newest envelope that may have left; None before."""
        self.document: dict[str, Any] | None = None
        """What is answered, once the service has executed it."""
        self.code = ExitCode.OK
        self._identity, self._ask_later = identity, ask_later
        self._behind = "" if folder is None else dir_option(folder)

    def sealed(self, id: bytes) -> None:
        """An envelope is about to leave."""
        self.id = id.hex()

    def settled(self, document: dict[str, Any], code: ExitCode = ExitCode.OK) -> None:
        """It was executed, or is taken: this is the answer, whatever happens to its display."""
        self.document, self.code = document, code

    @property
    def summary(self) -> str:
        """What is known, and what to do next."""
        if self.document is not None and self.document.get("height") is not None:
            what = "was executed" if self.document["ok"] else "was executed and refused"
            return (
                f"transaction {self.id} {what} at height "
                f"{self.document['height']}: do not submit it again"
            )
        later = self._ask_later.format(id=self.id, identity=self._identity) + self._behind
        return (
            f"transaction {self.id} may still be ordered. Ask later: `{later}`. "
            "Calling again would do it twice"
        )


@contextmanager
def fate_told(fate: Fate, as_json: bool) -> Iterator[None]:
    """Around a submission and all that follows it: whatever ends it also tells the transaction's id
    and fate.

    Raises:
        typer.Exit: with the status of the answer if there was one, whatever became of its display.
    """
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        _end(
            fate,
            as_json,
            "interrupted",
            ExitCode(fate.code) if fate.document is not None else INTERRUPTED,
        )
    except StrongroomError as error:
        if fate.id is None:
            raise
        _end(fate, as_json, str(error) or type(error).__name__, _status_of(error), error)
    except Exception as error:
        if fate.id is None:
            raise
        reason = (
            (error.strerror or str(error))
            if isinstance(error, OSError)
            else f"{type(error).__name__}: {error}"
        )
        _end(
            fate,
            as_json,
            reason or type(error).__name__,
            fate.code if fate.document else ExitCode.USAGE,
            error,
        )


def show_settled(fate: Fate, as_json: bool, human: Any) -> None:
    """Print the answer; a standard output that takes nothing does not make it another one."""
    try:
        emit(fate.document, as_json, human)
    except (OSError, ValueError) as error:
        _give_up_stdout()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warn(f"standard output takes nothing ({reason}); {fate.summary}")


def _status_of(error: StrongroomError) -> int:
    return int(exit_code_of(error))


def _end(
    fate: Fate, as_json: bool, reason: str, code: int, error: BaseException | None = None
) -> None:
    if fate.id is None:
        note(reason)
        raise typer.Exit(code)
    if as_json and not has_emitted():
        document = fate.document or {"id": fate.id, "ok": None}
        with suppress(OSError, ValueError):
            emit({**document, "error": error_document(error, reason)}, as_json)
    if (
        fate.document is not None
        and not isinstance(error, (ReceiptInvalid, NotTrusted))
        and code == int(fate.code)
    ):
        warn(f"{reason}; {fate.summary}")
        raise typer.Exit(code)
    fail(f"{reason}; {fate.summary}", code)


def _give_up_stdout() -> None:
    """Nothing more is written there: else Python tries once more when it ends, and changes the exit
    status."""
    with suppress(OSError, ValueError, AttributeError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
