"""What to do after an error of the client: one sentence for each kind.

Owns the sentences that stand in docs/client.md; what happened stands in the error's own text.
"""

from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    OperatorFault,
    ReceiptInvalid,
    StrongroomError,
)
from strongroom.node import faults
from strongroom.node.client import errors
from strongroom.node.rpc import jsonrpc

ADVICE: dict[type[StrongroomError], str] = {
    errors.ProgramFailed: "Change the call by `code`; it was executed and changed nothing.",
    errors.TransactionRefused: "Nothing took effect; `reason` says whether to call again.",
    errors.Busy: "Ask for less at a time; come back after `retry_after` seconds. With an `id`: "
    "ask for it first.",
    errors.Unreachable: "With an `id`: ask for it by `receipt(id)` before you call again. Without: "
    "nothing was sent; look at the nodes.",
    errors.NoQuorum: "Start a node that is stopped; the service goes on by itself.",
    errors.Behind: "Wait: the node catches up, or name another one.",
    errors.NotTrusted: "Send nothing; ask the operator whether the service is still the one of "
    "your pin.",
    errors.NoCredential: "Put the file `credential` of your organisation beside service.json; with "
    "an `id`: ask for it first.",
    errors.CannotCheck: "Bring what the message names, then check again.",
    AttestationError: "Send nothing; ask the operator why the node's evidence does not hold.",
    ReceiptInvalid: "Do not rely on it; fetch the receipt from another node.",
    OperatorFault: "Fix the file that the message names.",
    faults.NotFound: "Compare the name, id or height.",
    faults.Refused: "Read `data['reason']`: this node takes it not, as it is.",
    faults.TooLarge: "Ask for less at a time; the message says how to page.",
    faults.NotYet: "Ask again in a moment.",
    faults.Overloaded: "Wait `data['retry_after_ms']`, then ask for less at a time.",
    faults.WrongChainOrEpoch: "Connect anew, with the service.json of this service.",
    faults.NotReady: "Ask another node, or wait until this one serves.",
    jsonrpc.ParseError: "Report it: this client and that node do not speak one language.",
    jsonrpc.InvalidRequest: "Report it: this client and that node do not speak one language.",
    jsonrpc.MethodNotFound: "Compare the method's name, and the node's version.",
    jsonrpc.InvalidParams: "Compare the parameters with docs/interfaces.md.",
    jsonrpc.InternalError: "Ask another node; report it to the operator of this one.",
    faults.RpcFault: "Look at `code` and `data`: this node is of another version.",
    ClientFault: "Change what the message names; nothing was sent.",
}
"""By class: an error's own, or that of its nearest base."""


def what_next(error: StrongroomError) -> str:
    """What to do after this error, in one sentence."""
    for kind in type(error).__mro__:
        if kind in ADVICE:
            return ADVICE[kind]
    return "Report it: this is a bug of the client."


def table() -> str:
    """The rows of docs/client.md, in Markdown."""
    return "\n".join(
        f"| `{kind.__name__}` | {_code(kind)} | {sentence} |" for kind, sentence in ADVICE.items()
    )


def _code(kind: type[StrongroomError]) -> str:
    return f"`{kind.code}`" if issubclass(kind, faults.RpcFault) else "–"
