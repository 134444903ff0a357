"""How later epochs were opened, as far as this node knows: from peers, or from its own block store
(R16).

Owns what the enclave was shown of it. Each entry is proven by the one before, or counts for
nothing.
"""

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.host_messages import EpochMessage
from strongroom.consensus.types import Epoch
from strongroom.node.ordering.effects import ShowEpochs
from strongroom.node.ordering.past import Past
from strongroom.node.ordering.start import next_stored


class EpochEntries:
    """The chain of epochs; the enclave has been shown what is known when this begins."""

    def __init__(self, epochs: EpochChain, past: Past) -> None:
        self.epochs, self._past = epochs, past
        self._shown = epochs.newest.epoch

    def learn(self, message: EpochMessage) -> None:
        """A node says how later epochs were opened.

        Raises:
            PeerFault: an entry is not proven; those before it count.
        """
        for entry in message.entries:
            self.epochs.extend(entry)

    def show(self) -> list[ShowEpochs]:
        """What the enclave has not seen yet; it checks every entry itself."""
        effects: list[ShowEpochs] = []
        while entries := self.epochs.entries(Epoch(self._shown + 1)):
            self._shown = entries[-1].description.epoch
            effects.append(ShowEpochs(entries))
        return effects

    def end_of(self, epoch: Epoch) -> EpochEntry | None:
        """What is known to have ended an epoch."""
        return next(iter(self.epochs.entries(Epoch(epoch + 1))), None)

    def opened_by(self, last: Header, epoch: Epoch) -> EpochEntry | None:
        """What the terminal block of an epoch, `last`, opened; None: nobody here knows yet.

        Raises:
            InvariantBroken: another block is proven to have ended it.
        """
        entry = self.end_of(epoch) or next_stored(self._past, self.epochs)
        if entry is None:
            return None
        if entry.header.digest != last.digest:
            raise InvariantBroken(
                f"block {last.height} did not end epoch {epoch}: {entry.header.height} did"
            )
        self.epochs.extend(entry)
        return entry
