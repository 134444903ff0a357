"""A host that plays with the door of an enclave which brings a dead service back: valid requests at
every step, changed ones, others' in their place, replays, noise.

Owns the steps of one honest recovery as requests, so that each may be begun from and changed, and
what must hold whatever comes: an answer or a typed refusal, never another error, and no secret in
any frame that comes out.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from tests.enclave.dead_service import (
    LEDGER_PROGRAMS,
    Dead,
    died,
    given,
    identity_of,
    measurement,
    share_of,
)
from tests.enclave.fixtures import MEASUREMENT
from tests.enclave.hostile_host import flip

from strongroom.consensus import codec
from strongroom.consensus.blocks import Anchor
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.requests import Op, decode_answer, encode_request
from strongroom.enclave.door.serve import answer_to
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.primitives import Secret

STEPS = (
    "begun",
    "half followed",
    "followed",
    "shown",
    "planned",
    "one share",
    "enough shares",
    "opened",
    "applied",
)
"""Where a host may begin to play; each is what the honest steps before it lead to."""
HALF = 3
SCIONS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**64 - 1,
    "",
    "n0",
    b"",
    b"\0" * 32,
    (),
    (b"",),
)


@cache
def dead() -> Dead:
    """Two ordered blocks were executed by nobody."""
    return died(lost=2)


class HostileHost:
    """One enclave that recovers, and its host's game."""

    def __init__(self, step: str, index: int = 0) -> None:
        self.dead, self.index = dead(), index
        self.chip = self.dead.chain.cluster.chips[index]
        self.core = Lifecycle(self.chip, measurement())
        self.secrets: list[Secret] = []
        genesis, secret = self.dead.chain.genesis, self.chip.sealing_secret(MEASUREMENT)
        own = identity_of(self.dead, index, self.chip)
        self.core._recovery = Recovery(
            self.chip, measurement(), secret, genesis, own, LEDGER_PROGRAMS
        )
        for honest in self._honest()[: STEPS.index(step)]:
            honest()

    # --- the honest steps ---

    def _honest(self) -> tuple[Callable[[], object], ...]:
        return (
            lambda: self.must(Op.RECOVER_FOLLOW, self.wire_records()[:HALF]),
            lambda: self.must(Op.RECOVER_FOLLOW, self.wire_records()[HALF:]),
            lambda: self.must(Op.RECOVER_SHOW),
            lambda: self.must(Op.RECOVER_PLAN, (self.evidence,), self.time_ms),
            lambda: self.must(Op.RECOVER_TAKE, self.given("member0")),
            lambda: self.must(Op.RECOVER_TAKE, self.given("member1")),
            lambda: self.must(Op.RECOVER_OPEN),
            lambda: self.must(Op.RECOVER_APPLY, *self.recorded()),
        )

    @property
    def time_ms(self) -> Milliseconds:
        return Milliseconds(self.dead.records[-1][0].time_ms + 5_000)

    @property
    def evidence(self) -> bytes:
        state = self.core.recovery._state
        return b"" if state is None else state.evidence

    def wire_records(self) -> tuple[object, ...]:
        shape = Op.RECOVER_FOLLOW.arguments
        wire: Any = shape.encode((tuple(self.dead.records),))
        return tuple(wire[0])

    def recorded(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        kept = [(header.encoded, data) for header, _, _, data in self.dead.records if data]
        return tuple(header for header, _ in kept), tuple(data for _, data in kept)

    def lost(self) -> tuple[object, ...]:
        shape = Op.RECOVER_LOSE.arguments
        rest = tuple(
            (header, batches) for header, batches, _, data in self.dead.records if not data
        )
        wire: Any = shape.encode((rest,))
        return tuple(wire)

    def lost_on_another_history(self) -> object:
        """The first of them, above an execution that never was."""
        header, batches = next(
            (header, batches) for header, batches, _, data in self.dead.records if not data
        )
        anchor = Anchor(header.anchor.height, Digest(b"\1" * 32))
        wire: Any = Op.RECOVER_LOSE.arguments.encode(
            (((replace(header, anchor=anchor), batches),),)
        )
        return wire[0]

    def plan(self) -> RecoveryPlan | None:
        state = self.core.recovery._state
        return None if state is None else state.plan

    def given(self, name: str) -> bytes:
        plan = self.plan()
        return b"no plan yet" if plan is None else given(self.dead, plan, name).encode()

    def valid(self, op: Op) -> bytes:
        """A request of this row that is honest at some step."""
        plan = self.plan()
        arguments: dict[Op, Callable[[], tuple[object, ...]]] = {
            Op.RECOVER_FOLLOW: lambda: (self.wire_records(),),
            Op.RECOVER_LEARN: lambda: ((),),
            Op.RECOVER_PLAN: lambda: ((self.evidence,), self.time_ms),
            Op.RECOVER_JOIN: lambda: (b"" if plan is None else plan.encode(),),
            Op.RECOVER_TAKE: lambda: (self.given("member2"),),
            Op.RECOVER_RECEIVE: lambda: (
                self.dead.chain.certificate(self.dead.records[-1][0]).to_wire()
                if plan is None
                else plan.certificate().to_wire(),
                bytes(1200),
            ),
            Op.RECOVER_APPLY: self.recorded,
            Op.RECOVER_LOSE: self.lost,
        }
        return encode_request(op, *arguments.get(op, lambda: ())())

    # --- asking ---

    def must(self, op: Op, *arguments: object) -> object:
        """A request that must be answered."""
        answer = self.ask(encode_request(op, *arguments))
        assert not isinstance(answer, Refusal), answer
        return answer

    def ask(self, request: bytes) -> object:
        """One request; its answer, or the Refusal as a value. Checks all that must hold.

        Raises:
            AssertionError: something does not.
            Exception: anything that is no refusal is a crash of the enclave.
        """
        frame = answer_to(self.core, request)
        self._check_silence(frame)
        answer = _answer_in(frame)
        assert not isinstance(answer, Refusal) or answer.kind != RefusalKind.UNFORESEEN, answer
        return answer

    def _check_silence(self, frame: bytes) -> None:
        for secret in self._held():
            assert secret.reveal() not in frame, "a secret came out of the door"

    def _held(self) -> Iterator[Secret]:
        yield self.dead.chain.cluster.secrets[0].ledger
        for name in self.dead.chain.names:
            yield share_of(self.dead, name).value
        state = self.core.recovery._state
        if state is not None:
            node, votes, wraps = state.keys.seeds()
            yield from (node, *votes.values(), *wraps.values(), state.one_time)
            if state.service is not None:
                yield state.service


NEXT: dict[str, tuple[Op, ...]] = {
    "begun": (Op.RECOVER_FOLLOW,),
    "half followed": (Op.RECOVER_FOLLOW,),
    "followed": (Op.RECOVER_SHOW, Op.RECOVER_PLAN),
    "shown": (Op.RECOVER_PLAN, Op.RECOVER_JOIN, Op.RECOVER_LEARN),
    "planned": (Op.RECOVER_TAKE, Op.RECOVER_JOIN, Op.RECOVER_RECEIVE),
    "one share": (Op.RECOVER_TAKE, Op.RECOVER_OPEN),
    "enough shares": (Op.RECOVER_OPEN, Op.RECOVER_RECEIVE),
    "opened": (Op.RECOVER_APPLY,),
    "applied": (Op.RECOVER_LOSE, Op.RECOVER_END),
}
"""What is asked there."""
ROWS = tuple(op for op in Op if op.name.startswith("RECOVER_"))


def _answer_in(frame: bytes) -> object:
    try:
        return decode_answer(frame)
    except Refusal as refusal:
        return refusal


def changed(request: bytes, random: Random) -> bytes:
    """One request, changed in one of the ways in which a host may."""
    try:
        op, arguments = codec.decode(request)
    except NotCanonical:
        return request
    if random.randrange(6) == 0:
        return flip(request, random.randrange(1 << 16), 1 << random.randrange(8))
    return codec.encode((op, _spoilt(arguments, random)))


def _spoilt(value: Any, random: Random) -> Any:
    """A value with one place of it changed, also within encodings that it holds."""
    if type(value) is tuple and value and random.randrange(12):
        at = random.randrange(len(value))
        return (*value[:at], _spoilt(value[at], random), *value[at + 1 :])
    if type(value) is tuple and len(value) > 1 and random.randrange(2):
        at, to = (random.randrange(len(value)) for _ in range(2))
        return random.choice(
            (
                value[:at] + value[at + 1 :],
                (*value[:at], value[at], *value[at:]),
                (*value[:at], value[to], *value[at + 1 :]),
            )
        )
    if type(value) is bytes:
        try:
            within = codec.decode(value)
        except NotCanonical:
            within = None
        if type(within) is tuple and random.randrange(6):
            return codec.encode(_spoilt(within, random))
        return _bytes(value, random)
    if type(value) is int and random.randrange(2):
        return min(max(0, value + random.choice((-1, 1, 2, 1 << 32))), (1 << 64) - 1)
    return random.choice(SCIONS)


def _bytes(value: bytes, random: Random) -> Any:
    return random.choice(
        (
            flip(value, random.randrange(1 << 16), 1 << random.randrange(8)),
            value[: random.randrange(len(value) + 1)],
            value + random.randbytes(random.randrange(1, 9)),
            random.randbytes(len(value)),
            random.choice(SCIONS),
        )
    )
