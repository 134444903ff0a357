"""The service itself, for its users: a transaction's recorded result, in a later session."""

from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.enclave.programs.framework import Context, Program, ProgramError

system = Program("system")


class Recorded(NamedTuple):
    """A transaction's answer, as it stands in the write set of its block."""

    height: int
    position: int
    identity: bytes
    """Who sent it."""
    plaintext: bytes
    """(ok, value or (code, message), blinding or nil), as it was sealed; (nil, its SHA-256, nil)
    when it was given once."""


@system.query
def result(context: Context, *, id: bytes) -> dict[str, Any]:
    """A transaction's result, to its sender: {height, index, ok, result or error, blinding of its
    claim or nil}."""
    if len(id) != 32:
        raise ProgramError("arguments", "a transaction id has 32 bytes")
    recorded: Recorded | None = context.recorded(id)
    if recorded is None:
        raise ProgramError("not executed", "no such transaction was executed, or it was refused")
    if recorded.identity != context.identity:
        raise ProgramError("not the sender", "only its sender may ask for a transaction's result")
    ok, value, blinding = codec.decode_value(recorded.plaintext)
    if ok is None:
        raise ProgramError("given once", "its answer held key material: it is not told again")
    answer = {"height": recorded.height, "index": recorded.position, "ok": ok}
    answer |= {"result": value} if ok else {"error": {"code": value[0], "message": value[1]}}
    return answer | {"blinding": blinding}
