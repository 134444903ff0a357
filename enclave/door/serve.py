"""The one small door: a frame in, a method of the enclave, a frame out (DESIGN §2).

Owns framing, the stages in which a request is answered, and refusals. What may be asked is the
table of requests.py.
"""

import socket
from typing import Any

from strongroom.consensus.epochs import EpochUnknown
from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    InvariantBroken,
    NotCanonical,
    OperatorFault,
    PeerFault,
    StrongroomError,
)
from strongroom.consensus.safety import GuardRefuses
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.door.arriving import Arriving, DoorClosed
from strongroom.enclave.door.refusals import RefusalKind
from strongroom.enclave.door.requests import (
    Op,
    decode_request,
    encode_answer,
    encode_refusal,
    encode_request,
)
from strongroom.enclave.execution.queries import BelowDemanded, HeadsNeeded, QueryRefused
from strongroom.enclave.execution.snapshot_loading import LoadRefused
from strongroom.enclave.member.freshness import NotFresh, StaleHeads
from strongroom.enclave.member.lifecycle import Lifecycle, OutOfOrder
from strongroom.enclave.member.member import Superseded
from strongroom.enclave.member.stage import Stage
from strongroom.enclave.member.voting import Silenced
from strongroom.enclave.primitives import DoesNotOpen

KINDS: dict[type[StrongroomError], RefusalKind] = {
    OperatorFault: RefusalKind.OPERATOR_FAULT,
    PeerFault: RefusalKind.PEER_FAULT,
    NotCanonical: RefusalKind.NOT_CANONICAL,
    ClientFault: RefusalKind.CLIENT_FAULT,
    AttestationError: RefusalKind.ATTESTATION_ERROR,
    OutOfOrder: RefusalKind.OUT_OF_ORDER,
    NotFresh: RefusalKind.NOT_FRESH,
    StaleHeads: RefusalKind.STALE_HEADS,
    Superseded: RefusalKind.SUPERSEDED,
    Silenced: RefusalKind.SILENCED,
    GuardRefuses: RefusalKind.GUARD_REFUSES,
    KeysNeeded: RefusalKind.KEYS_NEEDED,
    EpochUnknown: RefusalKind.EPOCH_UNKNOWN,
    LoadRefused: RefusalKind.LOAD_REFUSED,
    QueryRefused: RefusalKind.QUERY_REFUSED,
    BelowDemanded: RefusalKind.BELOW_DEMANDED,
    HeadsNeeded: RefusalKind.HEADS_NEEDED,
    DoesNotOpen: RefusalKind.DOES_NOT_OPEN,
}
"""What a host is told of an error: the kind of its class, or of the nearest above it."""

_STAGES = {
    Stage.EMPTY: "has no service yet: ACCEPT a genesis or UNSEAL a state first",
    Stage.FOUNDING: "has keys already, and no service yet: UNSEAL what ACCEPT seals, in a new one",
    Stage.SUCCESSOR: "waits for its predecessor to hand over: TAKE_OVER first",
    Stage.MEMBER: "has keys already, and is in service",
    Stage.FRESH: "has keys already, and is in service",
    Stage.RECOVERING: "brings a dead service back, and is no node of it",
    Stage.ENDED: "has handed over to its successor, and does nothing more",
}


_HEAD_BYTES = 2
_PROMPT = frozenset(encode_request(op)[:_HEAD_BYTES] for op in Op if op.prompt)
"""How prompt requests begin: (operation, …), a byte each. What is kept is not decoded for it."""


def serve(door: socket.socket, core: Lifecycle) -> None:
    """Answer requests in order until the host closes its end; then return, which ends the process.
    Prompt ones (requests.Trait) that come during an execution are answered between its slices.

    Raises:
        InvariantBroken: our own bug: the process ends rather than go on.
    """
    stream = Arriving(door)
    between = Between(stream, core)
    core.on_slice = between.answer_prompt
    try:
        while True:
            number, request = between.take_kept() or stream.wait()
            stream.answer(number, answer_to(core, request))
    except DoorClosed:
        return


class Between:
    """What is answered between two slices of an execution.

    One frame is looked at ahead. Whatever is not prompt is kept until the execution is over, and
    nothing behind it is looked at meanwhile: so all others keep their order.
    """

    def __init__(self, stream: Arriving, core: Lifecycle) -> None:
        self._stream, self._core = stream, core
        self._kept: tuple[bytes, bytes] | None = None

    def take_kept(self) -> tuple[bytes, bytes] | None:
        """The request that was looked at and not answered; then it is no longer here."""
        kept, self._kept = self._kept, None
        return kept

    def answer_prompt(self) -> None:
        """Answer the prompt requests that are here."""
        while self._kept is None and (frame := self._stream.at_hand()) is not None:
            number, request = frame
            if request[:_HEAD_BYTES] in _PROMPT:
                self._stream.answer(number, answer_to(self._core, request))
            else:
                self._kept = frame


def answer_to(core: Lifecycle, request: bytes) -> bytes:
    """One request's answer or refusal; what is refused has changed nothing.

    Of an APPLY of several outcomes those before the one that is refused stand: provisional like all
    that is applied.
    """
    op: Op | None = None
    try:
        op, wire = decode_request(request)
        arguments = op.arguments.decode(wire)
        _check_stage(op, core.stage)
        return _encoded(op, op.answered_by(core)(*arguments))
    except InvariantBroken:
        raise
    except StrongroomError as error:
        return encode_refusal(kind_of(error), str(getattr(error, "reason", "")), str(error))
    except (MemoryError, RecursionError, OSError):
        raise
    except Exception as error:
        if op is None or not op.judges:
            raise
        text = f"{op.name}: {type(error).__name__}, which nothing had foreseen"
        return encode_refusal(RefusalKind.UNFORESEEN, "", text)


def kind_of(error: StrongroomError) -> RefusalKind:
    """The kind of an error's class, or of the nearest class above it."""
    known = (KINDS[one] for one in type(error).__mro__ if one in KINDS)
    return next(known, RefusalKind.UNFORESEEN)


def _check_stage(op: Op, stage: Stage) -> None:
    """Refuse what this stage of the enclave's life does not allow.

    Raises:
        NotFresh: FRESHEN comes first.
        OutOfOrder: anything else.
    """
    if int.__and__(stage, op.stages):  # an enum's own `&` makes a new member, at each request
        return
    if op.stages == Stage.FRESH and stage == Stage.MEMBER:
        raise NotFresh("FRESHEN first: q heads over my nonce are needed")
    raise OutOfOrder(f"{op.name}: this enclave {_STAGES[stage]}")


def _encoded(op: Op, value: Any) -> bytes:
    """An answer of its row's shape.

    Raises:
        InvariantBroken: our own method gave something else, and has done its work: no refusal may
            say that nothing changed.
        TypeError: the same, of an operation that judges others and changes nothing.
    """
    try:
        return encode_answer(op.answer.encode(value))
    except NotCanonical as error:
        fault = f"{op.name}: the answer is not of its shape ({error})"
    if op.judges:
        raise TypeError(fault)
    raise InvariantBroken(fault)
