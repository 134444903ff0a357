"""The client inside a room: trust, one session, one call at a time (T15, T53).

Owns the room's way to the ledger: the service is checked against the pin before anything is sealed,
with the checks of every client (outside/trust.py), and the session's key never leaves. A host may
delay, drop, repeat or refuse; it cannot read a call, make an answer, or show an older ledger.

A call that is refused in public before a program ran is sealed anew in the newest epoch. A host
that only says so gains nothing: each call of `vault` counts once, by the number of its beat or
unit, or by the one lease per key and chip.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochUnknown
from strongroom.consensus.errors import AttestationError, ClientFault, NotCanonical, PeerFault
from strongroom.consensus.types import Digest, Height, Milliseconds, TransactionId
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.formats.envelope import Call, Query, transaction_id
from strongroom.enclave.outside.client_sessions import (
    Answer,
    ClientSession,
    Identity,
    Result,
    seal_query,
)
from strongroom.enclave.outside.distrust import Behind, NoQuorum, NotTrusted
from strongroom.enclave.outside.trust import Trust, TrustedEpoch
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.room.host import Host, HostFailed
from strongroom.enclave.room.turns import Lock, Turns

T = TypeVar("T")
RETRY_SECONDS = 0.2
REFUSED, WRONG_EPOCH = -32002, -32006
"""Of JSON-RPC: ordered and refused in public; meant for another chain or epoch."""
_DUPLICATE = "duplicate"
FINAL = "final"
"""Status of a transaction that the asked node has executed."""
_COMES_IN_TIME = frozenset(("no room", "not admitted"))
"""Others filled its block; or the word for this room's session is on its way (`roster.vouch`): the
same call again."""
_SEALED_ANEW = frozenset(("outside the window", "unknown session", "does not open", "wrong epoch"))
_FAULTS = (HostFailed, NotTrusted, NoQuorum, Behind, AttestationError, PeerFault, DoesNotOpen)
"""A host, or the node that it asks, does not help: another one may."""


class Silent(ClientFault):
    """No answer that verifies came in time."""


class CallRefused(ClientFault):
    """A call was refused before its program ran, for good.

    Attributes:
        reason: of the public refusal, or ``given once``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class AnswerLost(CallRefused):
    """It was executed, and what it answered is given once and was lost on its way."""

    def __init__(self) -> None:
        super().__init__("given once", "it was executed, and its answer is not told again")


class Refused(ClientFault):
    """The program ran and said no.

    Attributes:
        code: the program's stable code.
        message: its words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True, repr=False)
class Executed:
    """A call that was executed."""

    id: TransactionId
    height: Height
    """Of its block, by the word of a host; an honest one's."""
    value: Any
    blinding: bytes
    """Reveals the call's claim when handed over; nothing when it made none."""


class Ledger:
    """One room's way to one service."""

    def __init__(self, pin: str, host: Host, turns: Turns, identity: Identity) -> None:
        self._trust, self._host, self._turns, self._identity = Trust(pin), host, turns, identity
        self._session: ClientSession | None = None
        self._epoch: TrustedEpoch | None = None
        """That of the session."""
        self._one = Lock()

    async def connect(self, seconds: float) -> None:
        """Check the service, once before anything else.

        Raises:
            Silent: nothing that verifies answered in time; says why.
        """
        await self._until(self._turns.now() + seconds, self._admit)

    async def newest(self, seconds: float) -> tuple[Height, Digest]:
        """Height and digest of the newest block that a quorum vouches for, over a nonce of ours.

        Raises:
            Silent: no quorum in time.
        """
        return await self._until(self._turns.now() + seconds, self._newest)

    async def believed(self, seconds: float) -> tuple[Policy, Milliseconds]:
        """What the service's genesis says of evidence, and the time of the newest block that a
        quorum vouches for.

        Raises:
            Silent: no quorum in time.
        """
        height, newest = await self.newest(seconds)
        epoch = await self._trusted()
        shown = await self._host.ask("ledger_header", height=height)
        header = Header.decode(_bytes(shown, "header"))
        if header.digest != newest:
            raise NotCanonical("not the header of that block")
        return epoch.genesis.constitution.policy, header.time_ms

    async def call(self, program: str, operation: str, *arguments: Any, until: float) -> Executed:
        """One transaction.

        Args:
            program: its name.
            operation: of that program.
            arguments: all of them, in the order of its schema.
            until: by the clock of `Turns.now`, when to give up.

        Raises:
            Refused: the program says no.
            CallRefused: no program ran, and none will.
            Silent: what became of it is not known.
        """
        async with self._one:
            return await _Sending(self, program, operation, arguments).run(until)

    async def query(
        self, program: str, operation: str, *arguments: Any, at_least: Height, until: float
    ) -> Any:
        """One question on executed state; what the program answers.

        Raises:
            Refused: the program says no.
            Silent: no answer that opens in time.
        """

        async def ask() -> Answer:
            epoch = await self._trusted()
            call = Call(program, epoch.measurement, operation, arguments)
            key, envelope = seal_query(
                epoch.key, epoch.chain, epoch.epoch, self._identity, Query(call, at_least)
            )
            shown = await self._host.ask("ledger_query", envelope=envelope)
            answer = key.open(_bytes(shown, "answer"))
            if answer.height < at_least:
                raise NotTrusted("answer", "from an older state than was demanded")
            return answer

        answer = await self._until(until, ask)
        if not answer.ok:
            raise Refused(answer.code, answer.message)
        return answer.value

    async def _trusted(self) -> TrustedEpoch:
        if self._trust.epoch is None:
            await self._admit()
        epoch = self._trust.epoch
        if epoch is None:
            raise NotTrusted("epoch-key", "nothing is sealed before the service is trusted")
        return epoch

    async def _admit(self) -> None:
        await self._trust.admit(self._host)

    async def _newest(self) -> tuple[Height, Digest]:
        try:
            point = await self._trust.freshen(self._host)
        except EpochUnknown:
            await self._admit()
            point = await self._trust.freshen(self._host)
        return point.height, point.header.digest

    async def _until(self, until: float, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again and again, with another node each time."""
        while True:
            try:
                return await attempt()
            except _FAULTS as fault:
                why = fault
            await self._other_node(until, why)

    async def _other_node(self, until: float, why: Exception) -> None:
        if self._turns.now() + RETRY_SECONDS > until:
            raise Silent(f"no answer that verifies: {why}") from None
        self._host.tell("other-node", why=str(why)[:200])
        await self._turns.pause(RETRY_SECONDS)

    def _seal(self, epoch: TrustedEpoch, call: Call) -> tuple[ClientSession, int, bytes]:
        if self._session is None or self._epoch is not epoch:
            self._epoch = epoch
            self._session, envelope = ClientSession.open(
                epoch.key, epoch.chain, epoch.epoch, self._identity, call
            )
            return self._session, 0, envelope
        sequence, envelope = self._session.seal_call(call)
        return self._session, sequence, envelope

    def _forget_session(self) -> None:
        self._session = None


class _Sending:
    """One call, until it is executed or given up."""

    def __init__(
        self, ledger: Ledger, program: str, operation: str, arguments: tuple[Any, ...]
    ) -> None:
        self._ledger = ledger
        self._call = program, operation, arguments
        self._sealed: tuple[ClientSession, int, bytes] | None = None

    async def run(self, until: float) -> Executed:
        ledger = self._ledger
        while True:
            try:
                executed = await self._attempt()
            except _FAULTS as fault:
                await ledger._other_node(until, fault)
                continue
            if executed is not None:
                return executed
            if ledger._turns.now() > until:
                raise Silent("refused again and again before its program ran")

    async def _attempt(self) -> Executed | None:
        """Send it once; None: it has to be sealed anew."""
        ledger = self._ledger
        epoch = await ledger._trusted()
        if self._sealed is None:
            program, operation, arguments = self._call
            self._sealed = ledger._seal(
                epoch, Call(program, epoch.measurement, operation, arguments)
            )
        session, sequence, envelope = self._sealed
        id = transaction_id(envelope)
        try:
            shown = await ledger._host.ask("ledger_submit", envelope=envelope, wait="commit")
        except HostFailed as fault:
            if fault.reason in _COMES_IN_TIME:
                ledger._forget_session()
                self._sealed = None
                raise
            if fault.code == WRONG_EPOCH or fault.reason in _SEALED_ANEW:
                ledger._forget_session()
                self._sealed = None
                await ledger._admit()
                return None
            if fault.code != REFUSED or not fault.reason:
                raise
            if fault.reason != _DUPLICATE:
                raise CallRefused(fault.reason, str(fault)) from None
            shown = await ledger._host.ask("ledger_transaction", id=id)
            if type(shown) is dict and shown.get("status") != FINAL:
                raise HostFailed(0, "this node has not executed it yet") from None
            if type(shown) is dict and not shown.get("result"):
                raise AnswerLost from None
        return _opened(shown, session, sequence, id)


def _opened(shown: Any, session: ClientSession, sequence: int, id: TransactionId) -> Executed:
    """The result that a node shows, opened.

    Raises:
        Refused: the program says no.
        DoesNotOpen, NotCanonical: it is not the service's.
    """
    result: Result = session.open_result(sequence, id, _bytes(shown, "result"))
    if not result.ok:
        raise Refused(result.code, result.message)
    height = shown.get("height")
    if type(height) is not int or height < 0:
        raise NotCanonical("no height in the answer")
    return Executed(id, Height(height), result.value, result.blinding or b"")


def _bytes(shown: Any, name: str) -> bytes:
    value = shown.get(name) if type(shown) is dict else None
    if type(value) is not bytes:
        raise NotCanonical(f"no {name} in the answer")
    return value
