"""A dead service's ledger, opened: its recorded outcomes applied, the rest lost, its epoch ended
(VAULT §7; T45, T5B).

Owns the ledger secrets that k shares open, and the execution that stands where genesis stood, and
is brought to the root that members agreed to. It ends with the sealed state of a node.
"""

from collections.abc import Mapping, Sequence

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Digest, Epoch, Height
from strongroom.enclave.execution.executor import Diverged, Executor
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.governance.recovering import check_plan
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keys import EpochSecrets, ServiceSecret
from strongroom.enclave.keys.recovery import lost_secret, open_epoch
from strongroom.enclave.keys.recovery_state import Ground, RecoveryState
from strongroom.enclave.keys.sealing import SealedState
from strongroom.enclave.member.recovery_ground import ended_under
from strongroom.enclave.primitives import DoesNotOpen, Secret, verify
from strongroom.enclave.programs.framework import Program
from strongroom.enclave.proofs.genesis import VerifiedGenesis


class OpenedLedger:
    """One ledger, from its secrets to the block that ends its lost epoch."""

    def __init__(
        self,
        genesis: VerifiedGenesis,
        epochs: EpochChain,
        ground: Ground,
        plan: RecoveryPlan,
        certificate: RecoveryCertificate,
        wrapping: Secret,
        service: Secret,
        programs: Mapping[str, Program],
    ) -> None:
        """Open the ledger's secrets, and stand where genesis stood.

        Args:
            genesis: the service's.
            epochs: up to the lost one; the next one is added.
            ground: what the ledger said.
            plan: what members agreed to.
            certificate: with their agreements.
            wrapping: W, which k shares gave.
            service: S of the epoch that begins.
            programs: that this enclave runs.

        Raises:
            OperatorFault: the shares open nothing, or epochs are missing.
            PeerFault: members did not agree.
        """
        lost = epochs.newest
        if lost.epoch != plan.description.epoch - 1:
            raise OperatorFault(f"EPOCHS up to {plan.description.epoch - 1} come first")
        self._ground, self._plan = ground, plan
        self._lost, self._lost_anchor = lost, epochs.anchor
        self._chain = genesis.chain
        ended = ended_under(epochs, ground.generation) | {lost.epoch: plan.opening.digest}
        self._secrets = _opened(ground, ended, lost.epoch, wrapping)
        self._service = service
        certificate.check(genesis.chain, lost, verify, anchor=epochs.anchor)
        epochs.extend(EpochEntry(plan.opening, certificate, plan.description, plan.public_key))
        self.executor = Executor(genesis, Keyring(self._secrets), epochs, programs)

    def apply(self, headers: Sequence[Header], outcomes: Sequence[bytes]) -> Height:
        """See Recovery.apply."""
        executor, end = self.executor, self._ground.executed
        if len(headers) != len(outcomes):
            raise OperatorFault(f"{len(outcomes)} outcomes for {len(headers)} blocks")
        for header, data in zip(headers, outcomes, strict=True):
            if header.height > end.height:
                raise OperatorFault(f"members agreed to go on from height {end.height}")
            executor.apply(header, Outcome.decode(data))
        return executor.height

    def lose(self, blocks: Sequence[tuple[Header, Sequence[Batch]]]) -> tuple[bytes, ...]:
        """See Recovery.lose."""
        executor, head = self._settled(), self._ground.head.header
        if executor.height + len(blocks) > head.height:
            raise OperatorFault(f"nothing above block {head.height} is certified")
        try:
            made = [executor.lose(header, batches) for header, batches in blocks]
        except Diverged as error:  # of a chain that a host made up: no quorum is behind it
            raise OperatorFault(f"these are not the blocks below {head.height}: {error}") from None
        return tuple(outcome.encode() for outcome in made)

    def end(self, state: RecoveryState) -> tuple[Outcome, SealedState]:
        """The outcome of the block that ends the lost epoch, and what the state of the node is
        then.

        Raises:
            OperatorFault: see Recovery.end.
        """
        executor, plan, head = self._settled(), self._plan, self._ground.head.header
        if executor.header.digest != head.digest:
            raise OperatorFault(f"blocks up to {head.height} come first, this is {executor.height}")
        outcome = executor.reopen(check_plan(plan, self._chain, self._lost, self._lost_anchor))
        secrets = ServiceSecret(self._service).split(plan.description.epoch)
        return outcome, SealedState(
            chain=state.chain,
            keys=state.keys,
            secrets=(*self._secrets, secrets),
            boot=1,
            mark=(plan.opening.height, plan.opening.digest),
            recovered=(plan.opening.height, executor.root),
            identity=state.identity,
        )

    def _settled(self) -> Executor:
        """The executor, once what was applied is what members agreed to go on from."""
        executor, executed = self.executor, self._ground.executed
        if executor.height < executed.height:
            raise OperatorFault(f"outcomes up to height {executed.height} come first")
        if executor.height == executed.height and executor.root != executed.root:
            raise OperatorFault(
                f"the outcomes up to height {executed.height} are not those that members agreed to"
            )
        return executor


def _opened(
    ground: Ground, ended: dict[Epoch, Digest], lost: Epoch, wrapping: Secret
) -> tuple[EpochSecrets, ...]:
    """Ledger secrets of all epochs up to the lost one.

    Where no box holds that of an epoch, a recovery under these shares ended it or ends it now, and
    nothing else is recorded of it (recovery_ground.py). Blocks that nobody executed, and the one
    that ends it, still have outcomes. Their secret follows from W: so every enclave of this
    recovery has the same, and the next recovery under these shares too.
    """
    generation = ground.generation
    chain, number = generation.chain, generation.number
    boxes = {
        Epoch(epoch): generation.epoch_box(Epoch(epoch))
        for epoch in range(generation.first, generation.epoch + 1)
    } | dict(ground.added)
    try:
        return tuple(
            open_epoch(wrapping, epoch, boxes[epoch], chain, number)
            if epoch in boxes
            else lost_secret(wrapping, epoch, ended[epoch], chain, number)
            for epoch in sorted({*boxes, *ended})
            if epoch <= lost
        )
    except DoesNotOpen:
        raise OperatorFault("the shares open nothing: whoever made them lied") from None
