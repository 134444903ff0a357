"""Asking other nodes for secrets (DESIGN §5, KEYS): whom, one at a time, how long each has, and
which answer counts.

Pure: events in, effects out; key_exchange.py carries the effects out. What a peer may have, and
whether what it gave is good, the enclaves judge. A peer that is slow, silent or lies costs its turn
and nothing else; when nobody gave and some were slow, all get longer.
"""

from dataclasses import dataclass
from enum import Enum, auto

from strongroom.consensus.types import PublicKey

PATIENCE_SECONDS = 2.0
"""What a giver has for each of its two answers."""
PATIENCE_SECONDS_MAX = 8.0
"""Who may give nothing says nothing: a longer wait would cost a joiner more than a slow peer is
worth."""
REST_SECONDS = 5.0
"""After a round in which nobody gave anything."""


@dataclass(frozen=True, slots=True)
class Look:
    """Once a second."""

    linked: tuple[PublicKey, ...]
    """Validators that have a link, in some order that stays."""
    needed: bool
    """The enclave lacks a secret that a peer may have."""


@dataclass(frozen=True, slots=True)
class ChallengeCame:
    """A peer's enclave wants evidence over this nonce."""

    peer: PublicKey
    nonce: bytes


@dataclass(frozen=True, slots=True)
class ProofMade:
    """The evidence over it."""

    evidence: bytes


@dataclass(frozen=True, slots=True, repr=False)
class KeysCame:
    """A peer gave something, wrapped."""

    peer: PublicKey
    wrapped: bytes


@dataclass(frozen=True, slots=True, repr=False)
class KeysTaken:
    """The enclave took it; its sealed state."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class SealedStored:
    """That is durable."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The enclave made no proof, or did not take what was given."""


@dataclass(frozen=True, slots=True)
class BeIntroduced:
    """Nobody has a link to this node: be admitted first."""


@dataclass(frozen=True, slots=True)
class AskForKeys:
    """Begin with this peer."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class MakeProof:
    """Have the enclave answer; ProofMade or Refused."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class SendProof:
    """Show it to the peer."""

    peer: PublicKey
    evidence: bytes


@dataclass(frozen=True, slots=True, repr=False)
class TakeKeys:
    """Give it to the enclave; KeysTaken or Refused."""

    wrapped: bytes


@dataclass(frozen=True, slots=True, repr=False)
class StoreSealed:
    """Make the sealed state durable; SealedStored."""

    sealed: bytes


AskingEvent = Look | ChallengeCame | ProofMade | KeysCame | KeysTaken | SealedStored | Refused
AskingEffect = BeIntroduced | AskForKeys | MakeProof | SendProof | TakeKeys | StoreSealed


class _Stage(Enum):
    RESTS = auto()
    AWAITS_CHALLENGE = auto()
    PROVES = auto()
    AWAITS_KEYS = auto()
    TAKES = auto()


_AWAITING = (_Stage.AWAITS_CHALLENGE, _Stage.AWAITS_KEYS)


class KeyAsking:
    """At most one exchange at a time; peers in turn, a round at a time."""

    def __init__(self) -> None:
        self._stage = _Stage.RESTS
        self._peer: PublicKey | None = None
        """With whom an exchange is under way, or was last."""
        self._since = 0.0
        """When the answer that is awaited was asked for."""
        self._asked: set[PublicKey] = set()
        """In this round."""
        self._was_late = self._gave = False
        self._patience = PATIENCE_SECONDS
        self._rests_until = 0.0

    def step(self, event: AskingEvent, now: float) -> list[AskingEffect]:
        """What follows from an event; one that belongs to no exchange under way is ignored."""
        match event, self._stage:
            case Look(linked, needed), _:
                return self._look(linked, needed, now)
            case ChallengeCame(peer, nonce), _Stage.AWAITS_CHALLENGE if peer == self._peer:
                self._stage = _Stage.PROVES
                return [MakeProof(nonce)]
            case ProofMade(evidence), _Stage.PROVES if self._peer is not None:
                self._stage, self._since = _Stage.AWAITS_KEYS, now
                return [SendProof(self._peer, evidence)]
            case KeysCame(peer, wrapped), _Stage.AWAITS_KEYS if peer == self._peer:
                self._stage = _Stage.TAKES
                return [TakeKeys(wrapped)]
            case KeysTaken(sealed), _Stage.TAKES:
                return [StoreSealed(sealed)]
            case SealedStored(), _Stage.TAKES:
                self._stage, self._gave = _Stage.RESTS, True
            case Refused(), _Stage.PROVES | _Stage.TAKES:
                self._stage = _Stage.RESTS
            case _:
                pass
        return []

    def _look(self, linked: tuple[PublicKey, ...], needed: bool, now: float) -> list[AskingEffect]:
        if self._stage in _AWAITING:
            if self._peer not in linked:
                self._stage = _Stage.RESTS
            elif now - self._since >= self._patience:
                self._was_late = True
                self._stage = _Stage.RESTS
        if self._stage is not _Stage.RESTS or not needed:
            return []
        if not linked:
            return [BeIntroduced()]
        if self._asked.issuperset(linked):
            self._end_round(now)
        if now < self._rests_until:
            return []
        peer = self._following(linked)
        self._asked.add(peer)
        self._stage, self._peer, self._since = _Stage.AWAITS_CHALLENGE, peer, now
        return [AskForKeys(peer)]

    def _end_round(self, now: float) -> None:
        """Everybody was asked: go on at once if somebody gave, for there may be more; else rest."""
        if self._gave:
            self._patience = max(PATIENCE_SECONDS, self._patience / 2)
        else:
            self._rests_until = now + REST_SECONDS
            if self._was_late:  # a liar that answers soon keeps nobody's time short
                self._patience = min(PATIENCE_SECONDS_MAX, 2 * self._patience)
        self._asked.clear()
        self._was_late = self._gave = False

    def _following(self, linked: tuple[PublicKey, ...]) -> PublicKey:
        """The next one in turn that was not asked in this round."""
        at = linked.index(self._peer) + 1 if self._peer in linked else 0
        return next(peer for peer in linked[at:] + linked[:at] if peer not in self._asked)
