"""What an enclave without keys stands on once it followed a dead service's ledger to its end, and
the evidence that shows it to others (VAULT §7; T45).

Owns the ground: head, rules, policy, shares; the fresh keys of the node that this enclave is to
become; and its evidence over that ground. How the ledger is followed: execution/public_replay.py.
"""

from dataclasses import replace

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.recovery import basis_of
from strongroom.consensus.types import ChainId, Digest, Epoch
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keys import NodeKeys
from strongroom.enclave.keys.recovery_state import Ground, RecoveryState
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import HybridKey, Secret


def ground_of(replay: PublicReplay) -> Ground:
    """What a ledger that was followed to its end says.

    An epoch of which nothing is recorded needs no share: the service died as it began. Nor does
    one that a recovery under these shares ended: `ended_under`.

    Raises:
        OperatorFault: nothing that members could agree to; or no share opens an epoch of which
            outcomes are recorded.
    """
    found = replay.head()
    shares = replay.governance.recovery
    record = shares.active
    if record is None or record.digest != found.rules.shares:
        raise OperatorFault("the shares in force are not those that a quorum anchored")
    generation, added = shares.generation(record), shares.added(record.number)
    covered = {*range(generation.first, generation.epoch + 1), *added}
    covered |= ended_under(replay.epochs, generation).keys()
    for epoch in range(replay.epochs.epoch_at(found.executed.height) + 1):
        if epoch not in covered:
            raise OperatorFault(
                f"not-covered: no shares open epoch {epoch}, of which outcomes are recorded: the "
                "service died before its enclaves had sealed that epoch's secret for its members, "
                "or it had too many epochs"
            )
    return Ground(
        head=found.head,
        rules=found.rules,
        policy=found.policy.encode(),
        executed=found.executed,
        generation=generation,
        added=tuple(sorted(added.items())),
    )


def ended_under(epochs: EpochChain, generation: Generation) -> dict[Epoch, Digest]:
    """Epochs that a recovery under these shares ended, each with the digest of its last header.

    Where no box holds the secret of one, no outcome of it was recorded when it ended, and all that
    is now, its recovery wrote under `lost_secret`. No box is added after a recovery (`suspect`).
    """
    return {
        one.opening.epoch: one.opening.digest
        for one in epochs.recoveries()
        if (one.rules.generation, one.rules.shares) == (generation.number, generation.digest)
    }


def state_on(
    ground: Ground,
    lost: EpochDescription,
    *,
    chain: ChainId,
    identity: Identity,
    chip: SimulatedChip,
    measurement: Measurement,
) -> RecoveryState:
    """Draw the keys of the node that this enclave is to become, with evidence over its ground.

    Args:
        ground: what the ledger said.
        lost: the newest epoch, proven.
        chain: the service's.
        identity: of the node.
        chip: makes the evidence.
        measurement: of this process.
    """
    epoch = Epoch(lost.epoch + 1)
    keys = NodeKeys(
        node=Secret.fresh(),
        votes={epoch: Secret.fresh()},
        wraps={Epoch(epoch + 1): Secret.fresh()},
    )
    one_time = Secret.fresh()
    state = RecoveryState(
        chain=chain, identity=identity, keys=keys, one_time=one_time, ground=ground
    )
    claims = identity.claims(
        chain=chain,
        node_key=keys.node.public,
        vote_key=keys.vote(epoch).public,
        epoch=lost.epoch,
        epoch_key_digest=lost.public_key_digest,
        nonce=nonce_of(ground),
        height=ground.head.header.height,
        boot=1,
        wrap_keys=((epoch, HybridKey(one_time).public), *keys.wrap_keys),
    )
    evidence = chip.evidence(claims, measurement=measurement.digest, deployment=identity.deployment)
    return replace(state, evidence=evidence)


def nonce_of(ground: Ground) -> Digest:
    """What the evidence of every enclave on this ground is over."""
    return basis_of(ground.head.header, ground.executed, ground.rules)
