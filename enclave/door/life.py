"""Requests about the enclave itself: its life, links, words, secrets, duties (requests.py).

Owns the strict reading of their arguments. What a request means is lifecycle.py's and member.py's.
"""

from collections.abc import Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.messages import NONCE_SIZE, HeadBody, StatusBody
from strongroom.consensus.types import Digest, Height, Milliseconds
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.door.requests import Op, byte_strings, check_nothing
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.member.lifecycle import Lifecycle


def _prepare(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    constitution, identity = codec.fields(arguments, bytes, tuple, name="PREPARE")
    return core.prepare(constitution, Identity.from_wire(identity))


def _found(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    constitution, evidences = codec.fields(arguments, bytes, tuple, name="FOUND")
    return core.found(
        constitution, byte_strings(evidences, name="evidence", count_max=VALIDATORS_MAX)
    )


def _accept(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    genesis, wraps = codec.fields(arguments, bytes, bytes, name="ACCEPT")
    return core.accept(genesis, wraps)


def _prepare_join(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    genesis, identity = codec.fields(arguments, bytes, tuple, name="PREPARE_JOIN")
    return core.prepare_join(genesis, Identity.from_wire(identity))


def _unseal_successor(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    sealed, genesis = codec.fields(arguments, bytes, bytes, name="UNSEAL_SUCCESSOR")
    return core.unseal_successor(sealed, genesis)


def _take_over(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (handed,) = codec.fields(arguments, bytes, name="TAKE_OVER")
    return core.take_over(handed)


def _hand_over(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="HAND_OVER")
    return core.hand_over(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _unseal(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    sealed, genesis = codec.fields(arguments, bytes, bytes, name="UNSEAL")
    return core.unseal(sealed, genesis)


def _describe(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "DESCRIBE")
    return core.describe()


def _walls(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "WALLS")
    return core.walls()


def _link_evidence(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="LINK_EVIDENCE")
    return core.member.link_evidence(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _check_link(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    evidence, nonce, time_ms = codec.fields(arguments, bytes, bytes, int, name="CHECK_LINK")
    time = Milliseconds(codec.unsigned(time_ms, name="time"))
    return core.member.check_link(evidence, codec.sized(nonce, NONCE_SIZE, name="nonce"), time)


def _sign_link(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    nonce, tls_key = codec.fields(arguments, bytes, bytes, name="SIGN_LINK")
    return core.member.sign_link(
        codec.sized(nonce, NONCE_SIZE, name="nonce"), codec.sized(tls_key, 32, name="tls key")
    )


def _sign_batch(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (digest,) = codec.fields(arguments, bytes, name="SIGN_BATCH")
    return core.member.sign_batch(Digest(codec.sized(digest, 32, name="batch digest")))


def _sign_status(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (body,) = codec.fields(arguments, tuple, name="SIGN_STATUS")
    return core.member.sign_status(StatusBody.from_wire(body))


def _sign_head(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (body,) = codec.fields(arguments, tuple, name="SIGN_HEAD")
    return core.member.sign_head(HeadBody.from_wire(body))


def _attest(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    height, block, rpc, peer = codec.fields(arguments, int, bytes, str, str, name="ATTEST")
    digest = Digest(codec.sized(block, 32, name="block digest"))
    return core.member.attest(Height(codec.unsigned(height, name="height")), digest, rpc, peer)


def _keys_challenge(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "KEYS_CHALLENGE")
    return core.member.keys_challenge()


def _keys_proof(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (nonce,) = codec.fields(arguments, bytes, name="KEYS_PROOF")
    return core.member.keys_proof(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _keys_give(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    evidence, nonce, time_ms = codec.fields(arguments, bytes, bytes, int, name="KEYS_GIVE")
    time = Milliseconds(codec.unsigned(time_ms, name="time"))
    return core.member.keys_give(evidence, codec.sized(nonce, NONCE_SIZE, name="nonce"), time)


def _keys_take(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (wrapped,) = codec.fields(arguments, bytes, name="KEYS_TAKE")
    return core.member.keys_take(wrapped)


def _refresh(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "REFRESH")
    return core.member.refresh()


def _leave(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "LEAVE")
    return core.member.leave()


def _duties(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (wall_ms,) = codec.fields(arguments, int, name="DUTIES")
    return core.member.duties(codec.unsigned(wall_ms, name="wall clock"))


def _governance(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "GOVERNANCE")
    return core.member.governance_document()


def _seal(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "SEAL")
    return core.member.sealed()


def _status(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "STATUS")
    return core.learner.status()


HANDLERS: dict[Op, Callable[[Lifecycle, tuple[Any, ...]], object]] = {
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
    Op.ATTEST: _attest,
    Op.KEYS_CHALLENGE: _keys_challenge,
    Op.KEYS_PROOF: _keys_proof,
    Op.KEYS_GIVE: _keys_give,
    Op.KEYS_TAKE: _keys_take,
    Op.REFRESH: _refresh,
    Op.LEAVE: _leave,
    Op.SEAL: _seal,
    Op.DUTIES: _duties,
    Op.GOVERNANCE: _governance,
    Op.HAND_OVER: _hand_over,
    Op.STATUS: _status,
}
