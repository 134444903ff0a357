"""When an input secret goes (DESIGN §5, Grace; P10, T13): by executed and anchored blocks alone.

Owns that decision, for secrets in use and for those in doubt. What is forgotten here may still lie
on the process' heap; that is what a successor process is for (lifecycle.py, handover.py).
"""

from collections.abc import Iterable

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.proofs.heads import FreshPoint


class Erasure:
    """Which input secrets of one enclave are of no more use."""

    def __init__(self, keyring: Keyring, executor: Executor, epochs: EpochChain) -> None:
        self._keyring, self._executor, self._epochs = keyring, executor, epochs
        self._anchored = Height(0)
        """The newest height whose history a quorum has certified, as far as this process has
        seen."""

    def note_anchored(self, height: Height) -> None:
        """A quorum has certified the history up to here."""
        self._anchored = max(self._anchored, height)

    def is_over(self, epoch: Epoch) -> bool:
        """Has this enclave's own state outlived an epoch's input secret? Then it never takes it
        again (P10)."""
        executor = self._executor
        return epoch < executor.governance.epoch and epoch not in executor.open_epochs

    def due(self) -> list[Epoch]:
        """Epochs whose input secret is here, and of no more use: the block that ended their grace
        is anchored, or one of an epoch in which not even grace can open anything of theirs."""
        ended = {epoch for epoch, height in self._executor.erasable if height <= self._anchored}
        anchored = self._epochs.epoch_at(Height(self._anchored + 1))
        held = (secrets.epoch for secrets in self._keyring.all() if secrets.opens)
        return [epoch for epoch in held if epoch in ended or epoch + 1 < anchored]

    def waits_for_anchor(self) -> bool:
        """Is a grace over, and its end not anchored yet? That is work: a quiet chain anchors
        nothing."""
        ended = (epoch for epoch, height in self._executor.erasable if height > self._anchored)
        return any(self._keyring.opens(epoch) for epoch in ended)

    # --- doing it ---

    def erase_due(self) -> None:
        """Forget what is due."""
        self._forget(self.due())

    def erase_outlived(self) -> None:
        """Forget what this enclave's own state has outlived, whatever is anchored."""
        self._forget(filter(self.is_over, [one.epoch for one in self._keyring.kept()]))

    def settle_doubts(self, point: FreshPoint | None) -> None:
        """Input secrets that a disk gave back: what a quorum had executed when this boot asked for
        heads decides.

        Whoever stands there, or above, sees whether a grace goes on; if so, the newest anchor of
        that moment lay within it, and blocks that nobody has executed yet may need the secret.
        Before that nothing is used and nothing lost.
        """
        executor, ring = self._executor, self._keyring
        if point is None or executor.height < point.header.anchor.height:
            return
        for epoch in ring.doubted:
            if epoch in executor.open_epochs:
                ring.trust(epoch)
            elif epoch < executor.governance.epoch:
                ring.forget_input(epoch)

    def _forget(self, epochs: Iterable[Epoch]) -> None:
        for epoch in epochs:
            self._keyring.forget_input(epoch)
