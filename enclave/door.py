"""The one small door: a frame in, a method of the enclave, a frame out (DESIGN §2).

Owns framing and the strict reading of every request's arguments. What a request means is core.py's and member.py's.
"""

import socket
from collections.abc import Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import InvariantBroken, NotCanonical, StrongroomError
from strongroom.consensus.messages import NONCE_SIZE, Head, HeadBody, StatusBody
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import SIGNATURE_SIZE, Digest, Milliseconds, Signature, View
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.core import Core
from strongroom.enclave.requests import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    Op,
    decode_request,
    encode_answer,
    encode_refusal,
)

RUN_BLOCKS_MAX = 256
STATEMENTS_MAX = 1 << 16

Handler = Callable[[Core, tuple[Any, ...]], object]


def serve(door: socket.socket, core: Core) -> None:
    """Answer requests in order until the host closes its end; then return, which ends the process.

    Raises:
        InvariantBroken: our own bug: the process ends rather than go on.
    """
    while True:
        request = _receive(door)
        if request is None:
            return
        answer = answer_to(core, request)
        door.sendall(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)


def answer_to(core: Core, request: bytes) -> bytes:
    """One request's answer or refusal; what is refused has changed nothing.

    Of an APPLY of several outcomes those before the one that is refused stand: provisional like all that is applied.
    """
    try:
        op, arguments = decode_request(request)
        return encode_answer(_HANDLERS[op](core, arguments))
    except InvariantBroken:
        raise
    except StrongroomError as error:
        return encode_refusal(error)


def _receive(door: socket.socket) -> bytes | None:
    head = _exactly(door, LENGTH_BYTES)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    return None if size > FRAME_BYTES_MAX else _exactly(door, size)


def _exactly(door: socket.socket, size: int) -> bytes | None:
    """This many bytes, or None when the stream ends first."""
    data = bytearray(size)
    view, held = memoryview(data), 0
    while held < size:
        count = door.recv_into(view[held:])
        if count == 0:
            return None
        held += count
    return bytes(data)


# --- one reader per request -----------------------------------------------------------------------------------------


def _prepare(core: Core, arguments: tuple[Any, ...]) -> object:
    constitution, name, operator, region, tls_key, deployment, signature = codec.fields(
        arguments, bytes, str, str, str, bytes, bytes, bytes, name="PREPARE"
    )
    return core.prepare(
        constitution,
        name=name,
        operator=operator,
        region=region,
        tls_key=Digest(codec.sized(tls_key, 32, name="tls key")),
        deployment=deployment,
        operator_signature=Signature(codec.sized(signature, SIGNATURE_SIZE, name="operator signature")),
    )


def _found(core: Core, arguments: tuple[Any, ...]) -> object:
    constitution, evidences = codec.fields(arguments, bytes, tuple, name="FOUND")
    return core.found(constitution, _byte_strings(evidences, name="evidence", count_max=VALIDATORS_MAX))


def _accept(core: Core, arguments: tuple[Any, ...]) -> object:
    genesis, wraps = codec.fields(arguments, bytes, bytes, name="ACCEPT")
    return core.accept(genesis, wraps)


def _unseal(core: Core, arguments: tuple[Any, ...]) -> object:
    sealed, genesis = codec.fields(arguments, bytes, bytes, name="UNSEAL")
    return core.unseal(sealed, genesis)


def _nothing(arguments: tuple[Any, ...], name: str) -> None:
    codec.fields(arguments, name=name)


def _describe(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "DESCRIBE")
    return core.describe()


def _walls(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "WALLS")
    return core.walls()


def _link_evidence(core: Core, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="LINK_EVIDENCE")
    return core.member.link_evidence(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _check_link(core: Core, arguments: tuple[Any, ...]) -> object:
    evidence, nonce, time_ms = codec.fields(arguments, bytes, bytes, int, name="CHECK_LINK")
    time = Milliseconds(codec.unsigned(time_ms, name="time"))
    return core.member.check_link(evidence, codec.sized(nonce, NONCE_SIZE, name="nonce"), time)


def _sign_link(core: Core, arguments: tuple[Any, ...]) -> object:
    nonce, tls_key = codec.fields(arguments, bytes, bytes, name="SIGN_LINK")
    return core.member.sign_link(codec.sized(nonce, NONCE_SIZE, name="nonce"), codec.sized(tls_key, 32, name="tls key"))


def _sign_batch(core: Core, arguments: tuple[Any, ...]) -> object:
    (digest,) = codec.fields(arguments, bytes, name="SIGN_BATCH")
    return core.member.sign_batch(Digest(codec.sized(digest, 32, name="batch digest")))


def _sign_status(core: Core, arguments: tuple[Any, ...]) -> object:
    (body,) = codec.fields(arguments, tuple, name="SIGN_STATUS")
    return core.member.sign_status(StatusBody.from_wire(body))


def _sign_head(core: Core, arguments: tuple[Any, ...]) -> object:
    (body,) = codec.fields(arguments, tuple, name="SIGN_HEAD")
    return core.member.sign_head(HeadBody.from_wire(body))


def _statements(arguments: tuple[Any, ...], name: str) -> list[Statement]:
    (wire,) = codec.fields(arguments, tuple, name=name)
    listed = codec.listed(wire, name="statements", count_max=STATEMENTS_MAX)
    return [
        Statement.from_wire(*codec.fields(statement, int, int, int, bytes, name="statement")) for statement in listed
    ]


def _recall(core: Core, arguments: tuple[Any, ...]) -> object:
    core.member.voting.recall(_statements(arguments, "RECALL"))
    return None


def _cast(core: Core, arguments: tuple[Any, ...]) -> object:
    return core.member.cast(_statements(arguments, "CAST"))


def _forget(core: Core, arguments: tuple[Any, ...]) -> object:
    (view,) = codec.fields(arguments, int, name="FORGET")
    core.member.voting.forget_below(View(codec.unsigned(view, name="view")))
    return None


def _challenge(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "CHALLENGE")
    return core.member.challenge()


def _freshen(core: Core, arguments: tuple[Any, ...]) -> object:
    (heads,) = codec.fields(arguments, tuple, name="FRESHEN")
    listed = codec.listed(heads, name="heads", count_max=VALIDATORS_MAX)
    return core.member.freshen([Head.from_wire(head) for head in listed])


def _apply(core: Core, arguments: tuple[Any, ...]) -> object:
    headers, outcomes = codec.fields(arguments, tuple, tuple, name="APPLY")
    core.member.apply(_headers(headers), _byte_strings(outcomes, name="outcomes", count_max=RUN_BLOCKS_MAX))
    return None


def _confirm(core: Core, arguments: tuple[Any, ...]) -> object:
    headers, certificate = codec.fields(arguments, tuple, tuple, name="CONFIRM")
    core.member.confirm(_headers(headers), Certificate.from_wire(certificate))
    return None


def _execute(core: Core, arguments: tuple[Any, ...]) -> object:
    blocks, certificate = codec.fields(arguments, tuple, tuple, name="EXECUTE")
    run = []
    for block in codec.listed(blocks, name="run", count_max=RUN_BLOCKS_MAX):
        header, batches = codec.fields(block, bytes, tuple, name="block")
        run.append((Header.decode(header), [Batch.from_wire(batch) for batch in batches]))
    return core.member.execute(run, Certificate.from_wire(certificate))


def _query(core: Core, arguments: tuple[Any, ...]) -> object:
    if len(arguments) != 2 or type(arguments[0]) is not bytes or type(arguments[1]) not in (bytes, type(None)):
        raise NotCanonical("QUERY: expected (envelope, outcome or nil)")
    return core.member.query(arguments[0], arguments[1])


def _seal(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "SEAL")
    return core.member.sealed()


def _status(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "STATUS")
    return core.member.status()


def _headers(value: object) -> list[Header]:
    return [Header.decode(data) for data in _byte_strings(value, name="headers", count_max=RUN_BLOCKS_MAX)]


def _byte_strings(value: object, *, name: str, count_max: int) -> list[bytes]:
    listed = codec.listed(value, name=name, count_max=count_max)
    if any(type(item) is not bytes for item in listed):
        raise NotCanonical(f"{name}: expected byte strings")
    return list(listed)


_HANDLERS: dict[Op, Handler] = {
    Op.PREPARE: _prepare,
    Op.FOUND: _found,
    Op.ACCEPT: _accept,
    Op.UNSEAL: _unseal,
    Op.DESCRIBE: _describe,
    Op.WALLS: _walls,
    Op.LINK_EVIDENCE: _link_evidence,
    Op.CHECK_LINK: _check_link,
    Op.SIGN_LINK: _sign_link,
    Op.SIGN_BATCH: _sign_batch,
    Op.SIGN_STATUS: _sign_status,
    Op.SIGN_HEAD: _sign_head,
    Op.RECALL: _recall,
    Op.CAST: _cast,
    Op.FORGET: _forget,
    Op.CHALLENGE: _challenge,
    Op.FRESHEN: _freshen,
    Op.APPLY: _apply,
    Op.CONFIRM: _confirm,
    Op.EXECUTE: _execute,
    Op.QUERY: _query,
    Op.SEAL: _seal,
    Op.STATUS: _status,
}
