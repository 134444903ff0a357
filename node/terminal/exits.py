"""Which exit status tells of which error (INTERFACES). Knows nothing of any command.

0 ok · 1 the answer is no · 2 usage or configuration · 3 unreachable · 4 cannot check
"""

import re
from enum import IntEnum

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
from strongroom.node.membership.ceremony_refusals import CeremonyRefused

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of SIGINT, as of any shell's command."""

_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    NO = 1
    """The answer is no: an invalid receipt, not found, refused."""
    USAGE = 2
    """Usage or configuration: fix it and run again."""
    UNREACHABLE = 3
    CANNOT_CHECK = 4


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
    (CeremonyRefused, ExitCode.NO),
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


def error_document(
    error: BaseException | None, message: str, code: ExitCode | int = ExitCode.USAGE
) -> dict[str, str]:
    """`error` of a command's JSON: a stable code (the kind of the error, else of the exit status),
    and words."""
    name = ExitCode(code).name if error is None and code in set(ExitCode) else type(error).__name__
    if error is not None and name != "NoneType":
        name = _WORD_BEGINS.sub("-", name)
    return {"code": name.lower().replace("_", "-"), "message": message}
