"""What a host does about epochs other than its own (R0, R16): their chain, answers to the past, questions ahead.

Owns the proven succession and the bounds on what is said about it. Which epoch the node itself is in, and when it goes
on to the next, is honest.py's.
"""

from collections import deque

from tests.simulation.actors.actor import Role, Send

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import invariant
from strongroom.consensus.host_messages import EpochMessage, EpochRequest
from strongroom.consensus.messages import BatchMessage, BlockMessage, Message, RangeRequest
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Height, SignerIndex

EARLY_MAX = 256
"""Messages of the very next epoch that wait until this node is in it."""
INTERVAL = 0.3
"""Seconds between two answers to one peer's past, and between two questions to one peer that is ahead."""


class Succession:
    """One node's knowledge of all epochs."""

    def __init__(self, role: Role) -> None:
        self._realm = role.realm
        self.chain = EpochChain(role.chain, role.members, role.anchor, role.verify)
        self._early: deque[tuple[SignerIndex, Message]] = deque(maxlen=EARLY_MAX)
        self._answered: dict[SignerIndex, float] = {}
        self._asked: dict[SignerIndex, float] = {}

    def stored(self, header: Header, certificate: Certificate | None) -> None:
        """A final block was stored here; what a terminal one opens is known to the state that wished it."""
        ending = self.chain.description(header.epoch)
        following = self._realm.named(header.next_epoch)
        if following is None or ending is None or header.next_epoch == ending.digest:
            return
        invariant(certificate is not None, "a terminal block is final by a certificate of its own")
        assert certificate is not None
        self.chain.extend(EpochEntry(header, certificate, following, self._realm.public_key(following.epoch)))

    def opened_by(self, header: Header) -> Epoch | None:
        """The epoch that this final header opens, if it ends its own."""
        following = Epoch(header.epoch + 1)
        anchor = self.chain.anchor_of(following)
        return following if anchor is not None and anchor.digest == header.digest else None

    # --- messages of other epochs -----------------------------------------------------------------------------------

    def answer_past(self, sender: SignerIndex, message: Message, epoch: Epoch, now: float) -> list[Send]:
        """R0: whoever speaks in an epoch that has ended is told what came after it, once per interval."""
        if isinstance(message, BatchMessage | BlockMessage) or now - self._answered.get(sender, -INTERVAL) < INTERVAL:
            return []
        self._answered[sender] = now
        return self.entries_for(sender, Epoch(epoch + 1))

    def entries_for(self, peer: SignerIndex, start: Epoch) -> list[Send]:
        """What opens the epochs from `start` on, if any is known."""
        entries = self.chain.entries(start)
        return [Send(peer, EpochMessage(entries))] if entries else []

    def ask_ahead(
        self, sender: SignerIndex, message: Message, epoch: Epoch, *, current: Epoch, final: Header, now: float
    ) -> list[Send]:
        """R0: this node is behind. What is of the next epoch waits; who is ahead is asked once per interval."""
        if epoch == current + 1:
            self._early.append((sender, message))
        if now - self._asked.get(sender, -INTERVAL) < INTERVAL:
            return []
        self._asked[sender] = now
        return self.missing(sender, current, final)

    def missing(self, peer: SignerIndex, current: Epoch, final: Header) -> list[Send]:
        """The next question to a peer that is ahead: the succession itself, then blocks up to this epoch's end."""
        end = self.chain.anchor_of(Epoch(current + 1))
        if end is None:
            return [Send(peer, EpochRequest(Epoch(current + 1)))]
        if end.height <= final.height:
            return []
        return [Send(peer, RangeRequest(Height(final.height + 1)))]

    def take_early(self) -> list[tuple[SignerIndex, Message]]:
        """What waited for the epoch that begins now."""
        early = list(self._early)
        self._early.clear()
        return early
