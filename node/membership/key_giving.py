"""Answering nodes that ask for secrets (DESIGN §5, KEYS; T29): whom, how often, and over which
nonce.

Pure: events in, effects out; key_exchange.py carries the effects out. Who may have what the enclave
judges, by executed state and by fresh evidence; here only its work is bounded: per asker, and in
all.
"""

from dataclasses import dataclass
from typing import TypeVar

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import PublicKey

GIVE_SECONDS = 0.5
"""Between two exchanges that one node may begin."""
ASKERS_MAX = 1024
"""Nodes of which something is remembered, more than can be linked; the oldest goes when one more
comes."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class RequestCame:
    """A node asks for secrets."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class ChallengeMade:
    """The enclave's nonce for it."""

    peer: PublicKey
    nonce: bytes


@dataclass(frozen=True, slots=True)
class ProofCame:
    """Evidence that should answer it."""

    peer: PublicKey
    evidence: bytes


@dataclass(frozen=True, slots=True, repr=False)
class KeysMade:
    """What the enclave wrapped for it."""

    peer: PublicKey
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class NothingMade:
    """The enclave refused, or has too much to do."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class MakeChallenge:
    """Have the enclave make a nonce; ChallengeMade or NothingMade."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class SendChallenge:
    """Send it."""

    peer: PublicKey
    nonce: bytes


@dataclass(frozen=True, slots=True)
class MakeKeys:
    """Have the enclave judge the evidence and wrap; KeysMade or NothingMade."""

    peer: PublicKey
    evidence: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, repr=False)
class SendKeys:
    """Send them."""

    peer: PublicKey
    wrapped: bytes


GivingEvent = RequestCame | ChallengeMade | ProofCame | KeysMade | NothingMade
GivingEffect = MakeChallenge | SendChallenge | MakeKeys | SendKeys


class KeyGiving:
    """Per asker at most one request to the enclave at a time; each nonce is answered once."""

    def __init__(self) -> None:
        self._next_at: dict[PublicKey, float] = {}
        """When each may begin again."""
        self._nonces: dict[PublicKey, bytes] = {}
        """What the next proof of each must answer."""
        self._working: set[PublicKey] = set()
        """For whom the enclave works."""

    def step(self, event: GivingEvent, now: float) -> list[GivingEffect]:
        """What follows from an event.

        Raises:
            PeerFault: a proof that answers no challenge.
        """
        match event:
            case RequestCame(peer):
                if peer in self._working or now < self._next_at.get(peer, 0.0):
                    return []
                _remember(self._next_at, peer, now + GIVE_SECONDS)
                self._working.add(peer)
                return [MakeChallenge(peer)]
            case ProofCame(peer, evidence):
                nonce = self._nonces.pop(peer, None)
                if nonce is None:
                    raise PeerFault("keys: a proof that answers no challenge")
                self._working.add(peer)
                return [MakeKeys(peer, evidence, nonce)]
            case ChallengeMade(peer, nonce):
                self._working.discard(peer)
                _remember(self._nonces, peer, nonce)
                return [SendChallenge(peer, nonce)]
            case KeysMade(peer, wrapped):
                self._working.discard(peer)
                return [SendKeys(peer, wrapped)]
            case NothingMade(peer):
                self._working.discard(peer)
        return []


def _remember(table: dict[PublicKey, Value], peer: PublicKey, value: Value) -> None:
    table.pop(peer, None)
    while len(table) >= ASKERS_MAX:
        del table[next(iter(table))]
    table[peer] = value
