"""The network between actors: delay, loss, duplication, reordering, partitions, and delay classes.

Owns no message; it answers when, and how often, one would arrive. A delay class fixes the delay of
everything of one (view, kind, receiver), which splits views in ways that independent chance does
not (PROTOCOL §10).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from strongroom.consensus.messages import CertificateMessage, Justify, Message, Propose, VoteMessage
from strongroom.consensus.types import SignerIndex

Span = tuple[float, float]
LOST: Span = (-1.0, -1.0)


def kind_of(message: Message) -> str:
    """The class of a message that a scheduler tells apart: N, X and F votes and certificates,
    proposals, the rest."""
    match message:
        case VoteMessage(vote):
            return f"vote-{vote.statement.kind.name}"
        case CertificateMessage(certificate):
            return f"certificate-{certificate.kind.name}"
        case _:
            return type(message).__name__


def view_of(message: Message) -> int:
    """The view that a message speaks of; 0 if of none."""
    match message:
        case VoteMessage(vote):
            return vote.statement.view
        case CertificateMessage(certificate):
            return certificate.view
        case Propose() | Justify():
            return message.view
        case _:
            return 0


@dataclass
class Network:
    """When messages arrive; times in seconds."""

    random: Random
    delay: Span = (0.005, 0.015)
    loss: float = 0.0
    duplication: float = 0.0
    classes: tuple[Span, ...] = ()
    """Delay spans of which each (view, kind, receiver) draws one; LOST loses all of it."""
    cut: set[tuple[SignerIndex, SignerIndex]] = field(default_factory=set)
    """Links that pass nothing, sender first."""
    filter: Callable[[SignerIndex, SignerIndex, Message], bool] | None = None
    """Answers false for what is lost on purpose."""
    salt: int = 0

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """After how many seconds the message arrives, once for each copy; empty if it is lost."""
        if (sender, receiver) in self.cut or (
            self.filter is not None and not self.filter(sender, receiver, message)
        ):
            return []
        if self.loss and self.random.random() < self.loss:
            return []
        span = self.delay
        if self.classes and (view := view_of(message)):
            draw = Random(f"{self.salt}/{view}/{kind_of(message)}/{receiver}").randrange(
                len(self.classes)
            )
            span = self.classes[draw]
            if span == LOST:
                return []
        copies = 2 if self.duplication and self.random.random() < self.duplication else 1
        return [self.random.uniform(*span) for _ in range(copies)]

    def partition(self, *groups: set[int]) -> None:
        """Cut every link between two of the groups."""
        members = [
            (SignerIndex(member), number) for number, group in enumerate(groups) for member in group
        ]
        self.cut = {(a, b) for a, of_a in members for b, of_b in members if of_a != of_b}

    def heal(self) -> None:
        """From now on every message arrives, soon."""
        self.cut = set()
        self.loss = self.duplication = 0.0
        self.classes = ()
        self.filter = None
        self.delay = (0.005, 0.015)
