"""Messages of other epochs, and what nodes tell each other of the succession (R0, R16).

Owns what waits for the next epoch, who is asked for later ones, and who is told; all of it bounded
(T31).
"""

from collections import Counter, deque

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.host_messages import EpochMessage, EpochRequest
from strongroom.consensus.messages import BatchMessage, Forward, Status
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.node.network.pace import Pace
from strongroom.node.ordering.effects import Effect, Tell
from strongroom.node.ordering.events import OrderingMessage

EARLY_MESSAGES_MAX = 1024
"""Of the next epoch, kept until it begins here. Batches are not among them: they are fetched by
digest."""
ASK_SECONDS = 0.5
"""Between two questions for later epochs to one node, and between two tellings to one."""


class OtherEpochs:
    """What one node does about epochs that are not its own."""

    def __init__(self, epochs: EpochChain) -> None:
        self._epochs = epochs
        self._early: deque[tuple[PublicKey, OrderingMessage]] = deque()
        self._early_of: Counter[PublicKey] = Counter()
        self._asked, self._told = Pace(), Pace()

    @property
    def early(self) -> int:
        """Messages that wait for the next epoch."""
        return len(self._early)

    def tell(self, peer: PublicKey, start: Epoch, now: float) -> list[Effect]:
        """What opened the epochs from `start` on, not too often."""
        entries = self._epochs.entries(start)
        if not entries or not self._told.allows(peer, now):
            return []
        self._told.wait(peer, now + ASK_SECONDS)
        return [Tell(peer, EpochMessage(entries))]

    def ahead(
        self, sender: PublicKey, message: OrderingMessage, epoch: Epoch, current: Epoch, now: float
    ) -> list[Effect]:
        """A message of a later epoch: it waits if it is of the next one; how that was opened is
        asked for."""
        if epoch == current + 1 and not isinstance(message, Status | BatchMessage | Forward):
            self._keep(sender, message)
        known = self._epochs.newest.epoch
        if epoch <= known or not self._asked.allows(sender, now):
            return []
        self._asked.wait(sender, now + ASK_SECONDS)
        return [Tell(sender, EpochRequest(Epoch(known + 1)))]

    def take_early(self) -> list[tuple[PublicKey, OrderingMessage]]:
        """What waited for the epoch that begins now."""
        early = list(self._early)
        self._early.clear()
        self._early_of.clear()
        return early

    def _keep(self, sender: PublicKey, message: OrderingMessage) -> None:
        """When there is no more room, whoever has said most loses its oldest: one liar's flood must
        not drive out the others' few words."""
        early, count = self._early, self._early_of
        if len(early) >= EARLY_MESSAGES_MAX:
            loudest = max(count, key=count.__getitem__)
            del early[next(at for at, (owner, _) in enumerate(early) if owner == loudest)]
            count[loudest] -= 1
        count[sender] += 1
        early.append((sender, message))
