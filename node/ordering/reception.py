"""Whose message counts, and what is answered without asking a replica (PROTOCOL R0, §3, §6).

Owns the newest STATUS of each node, what waits for the next epoch, and the answers about the past.
A replica sees messages of its own epoch by validators of it, and no others.
"""

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import EpochRequest
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockRequest,
    Forward,
    Range,
    RangeRequest,
    Status,
)
from strongroom.consensus.replica.admission import epoch_of
from strongroom.consensus.replica.events import Received
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.consensus.validators import Verify
from strongroom.node.ordering.epoch_run import EpochRun
from strongroom.node.ordering.events import OrderingMessage
from strongroom.node.ordering.other_epochs import OtherEpochs
from strongroom.node.ordering.serving import Serving
from strongroom.node.ordering.turn import Turn


class Reception:
    """Takes every message of other nodes but EPOCH, which is the participant's own business."""

    def __init__(self, epochs: EpochChain, serving: Serving, verify: Verify) -> None:
        self._epochs, self._serving, self._verify = epochs, serving, verify
        self.others = OtherEpochs(epochs)
        self.status: dict[PublicKey, Status] = {}
        """The newest of each node, of whatever epoch."""

    def hear(self, sender: PublicKey, message: OrderingMessage, run: EpochRun, turn: Turn) -> None:
        """Take a message while this epoch runs.

        Raises:
            PeerFault: it breaks a rule.
        """
        if isinstance(message, Status):
            self._take_status(sender, message)
        epoch = epoch_of(message)
        if epoch is None:
            self._serve(sender, message, run, turn)
        elif epoch == run.epoch:
            self.pass_on(sender, message, run, turn)
        elif epoch < run.epoch:
            turn.rest += self.others.tell(sender, Epoch(epoch + 1), turn.now.monotonic)
        else:
            turn.rest += self.others.ahead(sender, message, epoch, run.epoch, turn.now.monotonic)

    def pass_on(
        self, sender: PublicKey, message: OrderingMessage, run: EpochRun, turn: Turn
    ) -> None:
        """A message of the running epoch goes to its replica, if a validator says it."""
        index = run.index_of(sender)
        if index is None or not run.begun:
            return
        if isinstance(message, BatchMessage):
            run.hear_batch(message.batch, turn)
        elif isinstance(message, Forward):
            run.hear_forward(index, message, turn)
        else:
            run.step(Received(index, message), turn, sender)  # type: ignore[arg-type]

    def _take_status(self, sender: PublicKey, status: Status) -> None:
        if not self._verify(
            sender, status.signature, status.body.signed_bytes(self._epochs.anchor.chain)
        ):
            raise PeerFault("status: signature does not verify")
        self.status[sender] = status

    def _serve(
        self, sender: PublicKey, message: OrderingMessage, run: EpochRun, turn: Turn
    ) -> None:
        """Validators or not, in whatever epoch: what is final is served, and what is proven is
        taken."""
        match message:
            case BatchRequest(digests):
                turn.rest += self._serving.batches(sender, digests, turn.now.monotonic)
            case BlockRequest(digests):
                turn.rest += self._serving.headers(
                    sender, digests, run.replica.state if run.begun else None, turn.now.monotonic
                )
            case RangeRequest(start):
                turn.rest += self._serving.range_from(sender, start, turn.now.monotonic)
            case EpochRequest(first):
                turn.rest += self.others.tell(sender, first, turn.now.monotonic)
            case Range():
                if run.begun:
                    run.hear_range(message, turn, sender)
            case _:
                raise PeerFault(f"{type(message).__name__}: not served here")
