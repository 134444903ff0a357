"""A lease, as an honest room keeps it: beats by themselves, pieces in order, units reserved before
they are made; and at the first refusal, or when silence outlasts it, nothing is left (VAULT §3).

Owns the keys that a lease gave, and their end. The room's clock (Turns.now) is set against block
time at the ask: what was sent before a block cannot have been sent later than it, so that a lease
ends here no later than it does on the ledger.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import SECRET_SIZE, Secret
from strongroom.enclave.room.asking import VAULT
from strongroom.enclave.room.ledger import (
    AnswerLost,
    CallRefused,
    Executed,
    Ledger,
    Refused,
    Silent,
)
from strongroom.enclave.room.turns import Lock, Turns

LEDGER = "ledger"
"""Custody of a key that the ledger gives alone; for any other one: opening.py."""
ASK_SECONDS = 30.0
BEAT_SHARE = 0.5
"""Of the heartbeat: when the next one is due, so that a slow answer is no late beat."""
BEATS_TOGETHER = 4
"""Moments between two beats, the same for all rooms; each lease has one of them. So a thousand
rooms make a block now and then, not a thousand blocks."""
WATCH_SECONDS = 0.1
ENDED = "ended"
"""Code of a lease that its own program ended."""
_GOES_ON = frozenset(("quantity", "allotment", "unit", "digest"))
"""Refusals of a wish that leave the lease as it was; any other one ends it."""
ANSWERS_LOST_MAX = 3
"""Of one beat: who loses more is a host that lies."""
EVIDENCE_SECONDS = 300.0
"""Fresh evidence goes with the beat after so long; what is older than 600 s of block time is
refused."""
EVIDENCE = "evidence"
"""Code of a beat that is refused for want of it."""


def next_beat(lease: bytes, beaten: float, heartbeat: float, origin: float) -> float:
    """When a room beats next, by its own clock: at its lease's moment, at most BEAT_SHARE of
    the heartbeat after the newest beat was sent, and never before it.

    Args:
        lease: which one.
        beaten: when the newest was sent.
        heartbeat: seconds.
        origin: that clock in 1970, by the host's clock: it may lie, and move its own beats
            alone, for what is said here of the newest holds whatever it says.
    """
    between = heartbeat * BEAT_SHARE
    first = origin + lease[0] % BEATS_TOGETHER / BEATS_TOGETHER * between
    return first + (beaten + between - first) // between * between


class LeaseEnded(ClientFault):
    """A lease is over, and its keys are erased: nothing more opens.

    Attributes:
        code: of the refusal, as docs/rooms.md lists them; ``silence`` when no answer came in time.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Opened(Protocol):
    """A key that the ledger does not give alone, in one lease (opening.py)."""

    async def open(self) -> None:
        """Get what opens it; raises Refused."""

    async def piece_key(self, index: int) -> Secret:
        """Key of one piece; raises Refused, LeaseEnded."""

    def whole(self) -> Secret:
        """The data key; raises LeaseEnded."""

    def wipe(self) -> None:
        """Erase all of it."""


class HeldKey:
    """One key that can be wiped: the only copy that the room keeps of it."""

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes) -> None:
        if type(data) is not bytes or len(data) != SECRET_SIZE:
            raise NotCanonical("the ledger gave no key")
        self._bytes = bytearray(data)

    def secret(self) -> Secret:
        """A view of it, which goes blank with it."""
        return Secret(memoryview(self._bytes))

    def wipe(self) -> None:
        """Zeros, in place."""
        self._bytes[:] = bytes(len(self._bytes))

    def __repr__(self) -> str:
        return "HeldKey(…)"


class LeaseKeeper:
    """One live lease: its state on the ledger, as far as the room was told, and its keys."""

    def __init__(
        self,
        ledger: Ledger,
        turns: Turns,
        evidence: Callable[[], Any],
        key: KeyVersion,
        asked: Executed,
        *,
        sent: float,
        opened_ms: int,
    ) -> None:
        told = asked.value
        self.id: bytes = told["lease"]
        self.key = key
        self.pieces: int = told["pieces"]
        self.custody: str = told["custody"]
        self.digest: bytes = told["digest"]
        """Of the container that the ledger knows under this version; nothing: of none."""
        self.used = self.reported = 0
        self.reserved: int = told["allotment"]
        self.over: LeaseEnded | None = None
        self.on_end: Callable[[LeaseEnded], None] = lambda _: None
        self._ledger, self._turns, self._evidence = ledger, turns, evidence
        self.opened: Opened | None = None
        """What holds the key, where the custody is not the ledger's alone."""
        self._held = {0: HeldKey(told["half"])} if self.custody == LEDGER else {}
        self._number = 0
        self._origin = sent - opened_ms / 1000
        """This room's clock at block time 0, or earlier."""
        self._until = self._origin + told["until_ms"] / 1000
        self._length = (told["until_ms"] - opened_ms) / 1000
        """Of a lease at work, as it was granted."""
        self._heartbeat = told["heartbeat_ms"] / 1000
        self._beaten = self._shown = sent
        self._one = Lock()

    def check(self) -> None:
        """Is it live, by the room's own clock?

        Raises:
            LeaseEnded: it is not.
        """
        if self.over is None and self._turns.now() >= self._until:
            self.finish(LeaseEnded("silence", "no answer came while the lease lasted: erased"))
        if self.over is not None:
            raise self.over

    def finish(self, why: LeaseEnded) -> None:
        """Wipe every key, and tell whoever works with them."""
        if self.over is None:
            self.over = why
            for held in self._held.values():
                held.wipe()
            self._held.clear()
            if self.opened is not None:
                self.opened.wipe()
            self.on_end(why)

    async def piece_key(self, index: int) -> Secret:
        """Key of one piece, asked of the ledger when it was not yet given: in order, one per beat.

        Raises:
            LeaseEnded: the lease is over, or ends over this.
        """
        self.check()
        if self.opened is not None:
            return await self.opened.piece_key(index)
        if self.custody == LEDGER and not self.pieces:
            return self.key.piece_key(self._held[0].secret(), index)
        while index not in self._held:
            if self.custody != LEDGER or not 0 <= index < self.pieces:
                raise ClientFault(f"this lease gives {self.pieces} pieces, and no piece {index}")
            await self.beat(piece=len(self._held))
        self.check()
        return self._held[index].secret()

    def whole_key(self) -> Secret:
        """The data key, of a key that is given whole.

        Raises:
            LeaseEnded: the lease is over.
            ClientFault: it is given in pieces.
        """
        self.check()
        if self.pieces:
            raise ClientFault(f"this key is given in {self.pieces} pieces, never whole")
        return self._held[0].secret() if self.opened is None else self.opened.whole()

    async def beat(self, *, reserve: int = 0, piece: int = -1) -> None:
        """Beat now.

        Raises:
            Refused: the wish is refused, and the lease goes on.
            LeaseEnded: refused, or no answer in the lease's time.
        """
        async with self._one:
            self.check()
            if piece in self._held:
                return  # another task's beat brought it
            sent, before = self._turns.now(), self._until
            if piece >= 0 or self.reserved + reserve > self.used:
                # no longer idle: counted from this beat, also when its answer never comes
                self._until = min(before, sent + self._length)
            try:
                told, shown = await self._beat(reserve, piece, sent - self._shown)
                if piece >= 0 and self.custody == LEDGER:
                    self._held[piece] = HeldKey(told["piece_key"])
                self._until = self._origin + told["until_ms"] / 1000
                self._heartbeat = told["heartbeat_ms"] / 1000
                self.reserved = self.used + told["allotment"]
            except Refused:
                self._until = before
                raise
            except (KeyError, TypeError, NotCanonical):
                self.finish(LeaseEnded("answer", "the ledger's answer cannot be read"))
            self.check()
            self._number += 1
            self._beaten = sent
            self._shown = sent if shown else self._shown

    async def use(self, unit: int, digest: bytes) -> Executed:
        """Report one unit.

        Raises:
            LeaseEnded: refused, or no answer in time.
        """
        async with self._one:
            self.check()
            executed = await self._executed("use", self.id, unit, digest)
            self.reported, self.used = unit, max(self.used, unit)
            return executed

    async def claim(self) -> Executed:
        """Have the ledger claim this lease alone, for its key's custodian.

        Raises:
            LeaseEnded: refused, or no answer in time.
        """
        async with self._one:
            self.check()
            return await self._executed("claim_lease", self.id)

    async def end(self, *, give_back: bool = True) -> int:
        """End it; how many reserved units came back. Keys are wiped whatever the answer.

        Without `give_back` what was reserved counts as used: nobody knows how far the program came.
        """
        async with self._one:
            self.check()
            used = self.used if give_back else self.reserved
            try:
                told = await self._call("end", self.id, used)
            finally:
                self.finish(LeaseEnded(ENDED, "the program ended this lease"))
            return int(told["returned"])

    async def keep(self) -> None:
        """Beat whenever it is time, until the lease is over."""
        while self.over is None:
            now = self._turns.now()
            wait = next_beat(self.id, self._beaten, self._heartbeat, now - self._turns.wall()) - now
            if wait > 0:
                await self._turns.pause(min(wait, WATCH_SECONDS))
                continue
            try:
                await self.beat()
            except LeaseEnded:
                return
            except ClientFault as fault:
                self.finish(LeaseEnded("beat", str(fault)))

    async def watch(self) -> None:
        """Look at the clock until the lease is over: also while a beat has no answer yet."""
        while self.over is None:
            with suppress(LeaseEnded):
                self.check()
            await self._turns.pause(WATCH_SECONDS)

    async def _beat(self, reserve: int, piece: int, age: float) -> tuple[dict[str, Any], bool]:
        """(answer, was evidence shown?) of one beat: with fresh evidence when the newest is so old,
        or when the ledger demands it, because members believe others than they did.

        One whose answer was lost counts on the ledger: the next one asks for the same piece, and
        reserves nothing twice.
        """
        shown = age > EVIDENCE_SECONDS
        evidence, lost = await self._fresh() if shown else b"", 0
        while lost < ANSWERS_LOST_MAX:
            arguments = self.id, self._number + 1, self.used, reserve, piece, evidence
            goes_on = _GOES_ON if shown else _GOES_ON | {EVIDENCE}
            try:
                return await self._call("beat", *arguments, goes_on=goes_on), shown
            except AnswerLost:
                self._number, reserve, lost = self._number + 1, 0, lost + 1
            except Refused as refused:
                if refused.code != EVIDENCE or shown:
                    raise
                evidence, shown = await self._fresh(), True
        ended = LeaseEnded("given once", "the answers of its beats are lost again and again")
        self.finish(ended)
        raise ended

    async def _fresh(self) -> bytes:
        try:
            evidence: bytes = await self._evidence()
        except Silent as silent:
            raise self._silence(silent) from None
        return evidence

    async def _call(
        self, operation: str, *arguments: Any, goes_on: frozenset[str] = _GOES_ON
    ) -> dict[str, Any]:
        told = (await self._executed(operation, *arguments, goes_on=goes_on)).value
        if type(told) is not dict:
            raise NotCanonical("the ledger's answer is no map")
        return told

    async def _executed(
        self, operation: str, *arguments: Any, goes_on: frozenset[str] = _GOES_ON
    ) -> Executed:
        try:
            return await self._ledger.call(VAULT, operation, *arguments, until=self._until)
        except Refused as refused:
            if refused.code in goes_on:
                raise
            ended = LeaseEnded(refused.code, refused.message)
        except CallRefused as refused:
            if operation == "beat" and isinstance(refused, AnswerLost):
                raise
            ended = LeaseEnded(refused.reason, str(refused))
        except Silent as silent:
            raise self._silence(silent) from None
        self.finish(ended)
        raise ended

    def _silence(self, silent: Silent) -> LeaseEnded:
        """Nobody answered while the lease lasted."""
        ended = LeaseEnded("silence", str(silent))
        self.finish(ended)
        return ended

    def __repr__(self) -> str:
        return f"LeaseKeeper({self.id.hex()})"
