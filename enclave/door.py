"""The one small door: a frame in, a method of the enclave, a frame out (DESIGN §2).

Owns framing and the strict reading of every request's arguments. What a request means is core.py's and member.py's.
"""

import socket
from collections.abc import Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.epochs import ENTRIES_MAX, EpochEntry
from strongroom.consensus.errors import InvariantBroken, NotCanonical, StrongroomError
from strongroom.consensus.messages import NONCE_SIZE, Head, HeadBody, StatusBody
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import DIGEST_SIZE, SIGNATURE_SIZE, Digest, Epoch, Height, Milliseconds, Signature, View
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.core import Core
from strongroom.enclave.history import HistoryLeaf
from strongroom.enclave.merkle import PATH_MAX
from strongroom.enclave.requests import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    Op,
    decode_request,
    encode_answer,
    encode_refusal,
)
from strongroom.enclave.snapshot import CHUNKS_MAX

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


def _prepare_join(core: Core, arguments: tuple[Any, ...]) -> object:
    genesis, name, operator, region, tls_key, deployment, signature = codec.fields(
        arguments, bytes, str, str, str, bytes, bytes, bytes, name="PREPARE_JOIN"
    )
    return core.prepare_join(
        genesis,
        name=name,
        operator=operator,
        region=region,
        tls_key=Digest(codec.sized(tls_key, 32, name="tls key")),
        deployment=deployment,
        operator_signature=Signature(codec.sized(signature, SIGNATURE_SIZE, name="operator signature")),
    )


def _unseal_successor(core: Core, arguments: tuple[Any, ...]) -> object:
    sealed, genesis = codec.fields(arguments, bytes, bytes, name="UNSEAL_SUCCESSOR")
    return core.unseal_successor(sealed, genesis)


def _take_over(core: Core, arguments: tuple[Any, ...]) -> object:
    (handed,) = codec.fields(arguments, bytes, name="TAKE_OVER")
    return core.take_over(handed)


def _hand_over(core: Core, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="HAND_OVER")
    return core.hand_over(codec.sized(nonce, NONCE_SIZE, name="nonce"))


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


def _epochs(core: Core, arguments: tuple[Any, ...]) -> object:
    (entries,) = codec.fields(arguments, tuple, name="EPOCHS")
    listed = codec.listed(entries, name="entries", count_max=ENTRIES_MAX)
    return core.learner.extend([EpochEntry.from_wire(entry) for entry in listed])


def _attest(core: Core, arguments: tuple[Any, ...]) -> object:
    height, block, rpc, peer = codec.fields(arguments, int, bytes, str, str, name="ATTEST")
    digest = Digest(codec.sized(block, 32, name="block digest"))
    return core.member.attest(Height(codec.unsigned(height, name="height")), digest, rpc, peer)


def _keys_challenge(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "KEYS_CHALLENGE")
    return core.member.keys_challenge()


def _keys_proof(core: Core, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="KEYS_PROOF")
    return core.member.keys_proof(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _keys_give(core: Core, arguments: tuple[Any, ...]) -> object:
    evidence, nonce, time_ms = codec.fields(arguments, bytes, bytes, int, name="KEYS_GIVE")
    time = Milliseconds(codec.unsigned(time_ms, name="time"))
    return core.member.keys_give(evidence, codec.sized(nonce, NONCE_SIZE, name="nonce"), time)


def _keys_take(core: Core, arguments: tuple[Any, ...]) -> object:
    (wrapped,) = codec.fields(arguments, bytes, name="KEYS_TAKE")
    return core.member.keys_take(wrapped)


def _refresh(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "REFRESH")
    return core.member.refresh()


def _leave(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "LEAVE")
    return core.member.leave()


def _duties(core: Core, arguments: tuple[Any, ...]) -> object:
    (wall_ms,) = codec.fields(arguments, int, name="DUTIES")
    return core.member.duties(codec.unsigned(wall_ms, name="wall clock"))


def _governance(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "GOVERNANCE")
    return core.member.governance_document()


def _statements(arguments: tuple[Any, ...], name: str) -> list[Statement]:
    (wire,) = codec.fields(arguments, tuple, name=name)
    listed = codec.listed(wire, name="statements", count_max=STATEMENTS_MAX)
    return [
        Statement.from_wire(*codec.fields(statement, int, int, int, bytes, name="statement")) for statement in listed
    ]


def _recall(core: Core, arguments: tuple[Any, ...]) -> object:
    core.member.recall(_statements(arguments, "RECALL"))
    return None


def _cast(core: Core, arguments: tuple[Any, ...]) -> object:
    return core.member.cast(_statements(arguments, "CAST"))


def _forget(core: Core, arguments: tuple[Any, ...]) -> object:
    epoch, view = codec.fields(arguments, int, int, name="FORGET")
    core.member.forget(Epoch(codec.unsigned(epoch, name="epoch")), View(codec.unsigned(view, name="view")))
    return None


def _challenge(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "CHALLENGE")
    return core.learner.challenge()


def _freshen(core: Core, arguments: tuple[Any, ...]) -> object:
    heads, below = codec.fields(arguments, tuple, tuple, name="FRESHEN")
    listed = codec.listed(heads, name="heads", count_max=VALIDATORS_MAX)
    return core.learner.freshen([Head.from_wire(head) for head in listed], _headers(below))


def _apply(core: Core, arguments: tuple[Any, ...]) -> object:
    headers, outcomes = codec.fields(arguments, tuple, tuple, name="APPLY")
    core.learner.apply(_headers(headers), _byte_strings(outcomes, name="outcomes", count_max=RUN_BLOCKS_MAX))
    return None


def _confirm(core: Core, arguments: tuple[Any, ...]) -> object:
    headers, certificate = codec.fields(arguments, tuple, tuple, name="CONFIRM")
    core.learner.confirm(_headers(headers), Certificate.from_wire(certificate))
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


def _snapshot(core: Core, arguments: tuple[Any, ...]) -> object:
    height, first = codec.fields(arguments, int, int, name="SNAPSHOT")
    return core.learner.snapshot(
        Height(codec.unsigned(height, name="height")), codec.unsigned(first, name="chunk", value_max=CHUNKS_MAX)
    )


def _load(core: Core, arguments: tuple[Any, ...]) -> object:
    header, leaf, path, certified, certificate, count = codec.fields(
        arguments, bytes, bytes, tuple, bytes, tuple, int, name="LOAD"
    )
    hashes = _byte_strings(path, name="path", count_max=PATH_MAX)
    core.learner.load(
        Header.decode(header),
        HistoryLeaf.decode(leaf),
        [Digest(codec.sized(one, DIGEST_SIZE, name="path")) for one in hashes],
        Header.decode(certified),
        Certificate.from_wire(certificate),
        codec.unsigned(count, name="count", value_max=CHUNKS_MAX),
    )
    return None


def _load_chunk(core: Core, arguments: tuple[Any, ...]) -> object:
    index, chunk = codec.fields(arguments, int, bytes, name="LOAD_CHUNK")
    core.learner.load_chunk(codec.unsigned(index, name="chunk", value_max=CHUNKS_MAX), chunk)
    return None


def _load_end(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "LOAD_END")
    core.learner.end_load()
    return None


def _seal(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "SEAL")
    return core.member.sealed()


def _status(core: Core, arguments: tuple[Any, ...]) -> object:
    _nothing(arguments, "STATUS")
    return core.learner.status()


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
    Op.PREPARE_JOIN: _prepare_join,
    Op.UNSEAL_SUCCESSOR: _unseal_successor,
    Op.TAKE_OVER: _take_over,
    Op.LINK_EVIDENCE: _link_evidence,
    Op.CHECK_LINK: _check_link,
    Op.SIGN_LINK: _sign_link,
    Op.SIGN_BATCH: _sign_batch,
    Op.SIGN_STATUS: _sign_status,
    Op.SIGN_HEAD: _sign_head,
    Op.EPOCHS: _epochs,
    Op.ATTEST: _attest,
    Op.RECALL: _recall,
    Op.CAST: _cast,
    Op.FORGET: _forget,
    Op.CHALLENGE: _challenge,
    Op.FRESHEN: _freshen,
    Op.KEYS_CHALLENGE: _keys_challenge,
    Op.KEYS_PROOF: _keys_proof,
    Op.KEYS_GIVE: _keys_give,
    Op.KEYS_TAKE: _keys_take,
    Op.REFRESH: _refresh,
    Op.LEAVE: _leave,
    Op.APPLY: _apply,
    Op.CONFIRM: _confirm,
    Op.EXECUTE: _execute,
    Op.QUERY: _query,
    Op.SEAL: _seal,
    Op.DUTIES: _duties,
    Op.GOVERNANCE: _governance,
    Op.HAND_OVER: _hand_over,
    Op.STATUS: _status,
    Op.SNAPSHOT: _snapshot,
    Op.LOAD: _load,
    Op.LOAD_CHUNK: _load_chunk,
    Op.LOAD_END: _load_end,
}
