"""What is passed on to members that may lack it: certificates (R2), and whose turn it is.

Votes go to all, so each member makes its own certificates; one that is made here waits a while, and
then goes to those alone that have not shown to have come past it. A few members send it first, by
turns; all others wait for as long as a retry, by when a vote or a STATUS of whoever has it is
here. Owns who was heard where, and what waits. A certificate is checked by whoever gets it, and a
lost one, or a member that does not do its turn, costs time, never safety: the others' turn, R12 and
R13 bring it.
"""

from collections import deque
from collections.abc import Iterable

from strongroom.consensus.messages import CertificateMessage
from strongroom.consensus.replica.events import Send
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import SignerIndex, View

WAITING_MAX = 256
"""Certificates of each turn that wait; the oldest goes unsent when there are more."""
FIRST_TURN = 4
"""Members that pass a thing on first; in a set of so many it is everybody."""


def has_turn(own: SignerIndex | None, members: int, draw: int) -> bool:
    """Is this one of the few that pass a thing on first?

    Args:
        own: who asks; None is nobody.
        members: how many there are.
        draw: the same number for all, another one for each thing.
    """
    return own is not None and (own - FIRST_TURN * draw) % members < FIRST_TURN


class Relay:
    """What one member has to pass on, and to whom."""

    def __init__(self, own: SignerIndex | None, others: tuple[SignerIndex, ...]) -> None:
        self._own, self._count = own, len(others) + (own is not None)
        self._reached: dict[SignerIndex, View] = dict.fromkeys(others, View(0))
        """The newest view that each member has shown to be in."""
        self._final: dict[SignerIndex, View] = {}
        """The newest view that each says to hold F of."""
        self._first: deque[tuple[float, Certificate]] = deque(maxlen=WAITING_MAX)
        self._later: deque[tuple[float, Certificate]] = deque(maxlen=WAITING_MAX)

    def heard(self, member: SignerIndex, statement: Statement) -> None:
        """A member's vote, genuine or over its own link: FINALIZE shows that it holds the view's N,
        so has left it."""
        self.seen(member, View(statement.view + (statement.kind is Kind.FINALIZE)))

    def seen(self, member: SignerIndex, view: View, final: View | None = None) -> None:
        """A member is in this view, or was, and holds F of `final`, if it says so."""
        if view > self._reached.get(member, view):
            self._reached[member] = view
        if final is not None and final > self._final.get(member, 0):
            self._final[member] = final

    def hold(self, certificate: Certificate, now: float, *, first: float, later: float) -> None:
        """A certificate is new here; whoever lacks it gets it.

        Args:
            certificate: held from now on.
            now: monotonic seconds.
            first: seconds to wait if this member is among those that pass it on first.
            later: seconds to wait if it is not.
        """
        if has_turn(self._own, self._count, certificate.view):
            self._first.append((now + first, certificate))
        else:
            self._later.append((now + later, certificate))

    def due(self, now: float) -> list[Send]:
        """What is to be sent now; one message to all if nobody is known to have it."""
        sends: list[Send] = []
        while self._first:
            lacking = self._lacking(self._first[0][1])
            if lacking and self._first[0][0] > now:
                break
            sends += self._sends(self._first.popleft()[1], lacking)
        while self._later and self._later[0][0] <= now:
            certificate = self._later.popleft()[1]
            sends += self._sends(certificate, self._lacking(certificate))
        return sends

    @property
    def deadline(self) -> float | None:
        """When the next one is due."""
        waiting = [queue[0][0] for queue in (self._first, self._later) if queue]
        return min(waiting, default=None)

    def _sends(self, certificate: Certificate, lacking: list[SignerIndex]) -> Iterable[Send]:
        message = CertificateMessage(certificate)
        if len(lacking) == len(self._reached) > 0:
            return (Send(None, message),)
        return (Send(member, message) for member in lacking)

    def _lacking(self, certificate: Certificate) -> list[SignerIndex]:
        """N or X: who has not come past that view. F: who does not say that it holds it, and has
        not come past the next view either, where F is known."""
        view, final = certificate.view, certificate.kind is Kind.FINALIZE
        return [
            member
            for member, reached in self._reached.items()
            if reached <= view + final and not (final and self._final.get(member, 0) >= view)
        ]
