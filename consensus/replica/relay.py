"""Certificates for members that may lack them (R2).

Votes go to all, so each member makes its own certificates; one that is made here waits a while, and
then goes to those alone that have shown in no later vote that they have come past it. Owns who was
heard where, and what waits. A lost certificate costs time, never safety: R12 and R13 bring it.
"""

from collections import deque

from strongroom.consensus.messages import CertificateMessage
from strongroom.consensus.replica.events import Send
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import SignerIndex, View

WAITING_MAX = 256
"""Certificates that wait; the oldest goes unsent when there are more."""


class Relay:
    """What one member has to pass on, and to whom."""

    def __init__(self, others: tuple[SignerIndex, ...]) -> None:
        self._reached: dict[SignerIndex, View] = dict.fromkeys(others, View(0))
        """The newest view that each member has shown to be in."""
        self._waiting: deque[tuple[float, Certificate]] = deque(maxlen=WAITING_MAX)

    def heard(self, member: SignerIndex, statement: Statement) -> None:
        """A member's vote, genuine or over its own link: FINALIZE shows that it holds the view's N,
        so has left it."""
        self.seen(member, View(statement.view + (statement.kind is Kind.FINALIZE)))

    def seen(self, member: SignerIndex, view: View) -> None:
        """A member is in this view, or was."""
        if view > self._reached.get(member, view):
            self._reached[member] = view

    def hold(self, certificate: Certificate, at: float) -> None:
        """A certificate is new here; whoever lacks it gets it at this time (monotonic seconds)."""
        self._waiting.append((at, certificate))

    def due(self, now: float) -> list[Send]:
        """What is to be sent now; one message to all if nobody is known to have it.

        A member lacks N or X unless it has come past that view; F, unless it has come past the
        next one too, where F is known.
        """
        sends: list[Send] = []
        while self._waiting:
            at, certificate = self._waiting[0]
            past = certificate.view + (certificate.kind is Kind.FINALIZE)
            lacking = [member for member, reached in self._reached.items() if reached <= past]
            if lacking and at > now:
                break
            self._waiting.popleft()
            message = CertificateMessage(certificate)
            if len(lacking) == len(self._reached) > 0:
                sends.append(Send(None, message))
            else:
                sends += [Send(member, message) for member in lacking]
        return sends

    @property
    def deadline(self) -> float | None:
        """When the next one is due."""
        return self._waiting[0][0] if self._waiting else None
