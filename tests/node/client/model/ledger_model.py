"""A ledger without keys: which envelope is executed, refused or known already, as enclaves judge it
(DESIGN §5).

An envelope is a tuple in JSON that nobody but the model makes; a sealed result carries a mark that
only an execution gives, as only enclaves can seal one.
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.primitives import DoesNotOpen

WINDOW = 8
"""Small, so that a few calls reach its end."""
SAYS_NO, IS_REFUSED = 6, 10
"""Of tags modulo 7, and 11: what its program refuses, and what enclaves refuse for good."""
_numbers = count(1)


def id_of(envelope: bytes) -> bytes:
    return sha256(envelope).digest()


@dataclass
class Opened:
    ok: bool
    value: Any
    code: str = ""
    message: str = ""
    blinding: bytes | None = None


class ModelSession:
    """The client's side of a session, in place of ClientSession."""

    def __init__(self, epoch: int) -> None:
        self.name, self.epoch, self.next = next(_numbers), epoch, 0

    @classmethod
    def open(
        cls, _key: Any, _chain: Any, epoch: int, _identity: Any, call: Any, *, close: bool = False
    ) -> tuple["ModelSession", bytes]:
        session = cls(epoch)
        return session, session.seal_call(call)[1]

    def seal_call(self, call: Any) -> tuple[int, bytes]:
        sequence, self.next = self.next, self.next + 1
        tag = call.arguments[1]
        return sequence, json.dumps([self.name, sequence, self.epoch, tag]).encode()

    def open_result(self, sequence: int, id: bytes, sealed: bytes) -> Opened:
        try:
            of, mark, tag = json.loads(sealed)
        except (TypeError, ValueError):
            raise DoesNotOpen from None
        if of != id.hex() or mark != "executed":
            raise DoesNotOpen
        if tag % 7 == SAYS_NO:  # what the program refuses is executed as well
            return Opened(False, None, "insufficient", "no")
        return Opened(True, tag)


@dataclass
class Place:
    id: bytes
    height: int
    index: int
    code: Code
    sealed: bytes = b""


@dataclass
class Ledger:
    """What a quorum of honest enclaves came to."""

    epoch: int = 0
    grace_over: bool = False
    height: int = 0
    executed: dict[int, int] = field(default_factory=dict)
    """By tag: how often its call was executed."""
    places: dict[bytes, Place] = field(default_factory=dict)
    """By id: where it was executed, else first refused."""
    seen: dict[bytes, int] = field(default_factory=dict)
    """Every envelope that ever left the client, with its tag."""
    _sessions: dict[int, set[int]] = field(default_factory=dict)
    _past: list[tuple[int, int, bool]] = field(default_factory=lambda: [(0, 0, False)])
    """Height from which on an epoch, or the grace in it, was so."""

    def order(self, envelope: bytes) -> Place:
        """One envelope in one block."""
        self.height += 1
        id, known = id_of(envelope), self.places.get(id_of(envelope))
        session, sequence, epoch, tag = json.loads(envelope)
        code = self._judge(session, sequence, epoch, tag, known)
        place = Place(id, self.height, 0, code)
        if code is Code.EXECUTED:
            self.executed[tag] = self.executed.get(tag, 0) + 1
            place.sealed = json.dumps([id.hex(), "executed", tag]).encode()
        if known is None or code is Code.EXECUTED:
            self.places[id] = place
        return place

    def _judge(
        self, session: int, sequence: int, epoch: int, tag: int, known: Place | None
    ) -> Code:
        if tag % 11 == IS_REFUSED:
            return Code.MALFORMED
        if known is not None and known.code is Code.EXECUTED:
            return Code.DUPLICATE
        if sequence == 0:
            if epoch != self.epoch:
                return Code.WRONG_EPOCH
            self._sessions[session] = {0}
            return Code.EXECUTED
        if epoch < self.epoch - 1 or (epoch == self.epoch - 1 and self.grace_over):
            return Code.WRONG_EPOCH
        if session not in self._sessions:
            return Code.UNKNOWN_SESSION
        done = self._sessions[session]
        if sequence <= max(done) - WINDOW:
            return Code.OUTSIDE_WINDOW
        done.add(sequence)
        return Code.EXECUTED

    def turn(self) -> None:
        """Another epoch begins; the grace of the one before begins."""
        self.epoch, self.grace_over = self.epoch + 1, False
        self._note()

    def end_grace(self) -> None:
        """Calls in sessions of the epoch before count no more."""
        self.grace_over = True
        self._note()

    def _note(self) -> None:
        self.height += 1
        self._past.append((self.height, self.epoch, self.grace_over))

    def at(self, height: int) -> tuple[int, bool]:
        """Epoch, and whether the grace in it was over, for who has executed so far."""
        _, epoch, over = max(one for one in self._past if one[0] <= height)
        return epoch, over
