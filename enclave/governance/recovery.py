"""Recovery by k of n members: when a generation of shares is due, when one becomes active, what
ends it (VAULT §7; T45, T5A).

Owns the rules, as a pure function of the executed blocks, and holds no secret. Validators' enclaves
say what they found when they opened a generation, members' clients too: recovery_actions.py. The
keys and bytes: enclave/keys/recovery.py.

    due ─→ a validator's generation ─→ f+1 validators checked it,
                                       min(n, k+1) members hold it ─→ active; the former goes
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.types import Digest, Epoch, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.formats.recovery import (
    EPOCHS_COVERED_MAX,
    SHARED_AMONG_MAX,
    Generation,
    RecoveryKey,
)
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.records import Status
from strongroom.enclave.governance.recovery_records import GenerationRecord, RecoveryTables

CHECK_MS = 60_000
"""A generation that too few enclaves found right within this is followed by another one."""
PAUSE_MS = 10_000
"""Between two generations, whatever changes meanwhile: at most GENERATION_BYTES_MAX in so long."""
ERA_EPOCHS = 1024
"""After so many epochs a new generation takes in those that were added one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGeneration:
    """For whom a generation would be made now."""

    number: int
    basis: Digest
    threshold: int
    first: Epoch
    epoch: Epoch
    members: tuple[tuple[PublicKey, RecoveryKey], ...]
    """Ascending by member's key."""


def wanted(view: GovernanceView) -> WantedGeneration | None:
    """For whom; None while recovery is off, or fewer than k members have a recovery key."""
    recovery = RecoveryTables(view.tables)
    threshold, epoch = recovery.threshold, view.epoch_record.description.epoch
    if not threshold:
        return None
    governing = {key for _, key in view.tables.rules.voters}
    members = tuple((one.member, one.key) for one in recovery.keys_of(governing))
    members = members[:SHARED_AMONG_MAX]
    if len(members) < threshold:
        return None
    keys = tuple((member, key.digest) for member, key in members)
    about = (threshold, recovery.stain, epoch // ERA_EPOCHS, keys)
    return WantedGeneration(
        number=recovery.last_number + 1,
        basis=labels.labelled_digest(labels.RECOVERY_BASIS, view.chain + codec.encode(about)),
        threshold=threshold,
        first=Epoch(max(0, epoch - EPOCHS_COVERED_MAX + 1)),
        epoch=epoch,
        members=members,
    )


def due(view: GovernanceView, time_ms: int) -> WantedGeneration | None:
    """The generation that is missing at this block time; None when none is."""
    recovery, one = RecoveryTables(view.tables), wanted(view)
    existing = recovery.generations()
    if one is None or any(each.active and each.basis == one.basis for each in existing):
        return None
    if not existing:
        return one
    newest = existing[-1]
    if time_ms < newest.time_ms + PAUSE_MS:
        return None
    return one if newest.basis != one.basis or is_failed(view, newest, time_ms) else None


def checks_needed(current: EpochDescription) -> int:
    """f+1: one of them at least is right."""
    return len(current.validators) - current.quorum.size + 1


def checks(view: GovernanceView, number: int) -> int:
    """How many of the current validators found a generation right."""
    current = view.epoch_record.description
    said = RecoveryTables(view.tables).checks(number)
    return sum(current.index_of(node) is not None for node in said)


def is_failed(view: GovernanceView, one: GenerationRecord, time_ms: int) -> bool:
    """Can it no longer become active, by what members or enclaves said of it?"""
    recovery = RecoveryTables(view.tables)
    if time_ms >= one.time_ms + CHECK_MS and checks(view, one.number) < checks_needed(
        view.epoch_record.description
    ):
        return True
    generation, said = recovery.generation(one), recovery.held(one.number)
    bad = sum(not good for good in said.values())
    return len(generation.holders) - bad < generation.needed


def barred(view: GovernanceView, missing: WantedGeneration) -> frozenset[PublicKey]:
    """Whose generations for this basis were not found right: so f liars delay f times, not for
    ever. Nobody, once it is everybody."""
    recovery = RecoveryTables(view.tables)
    basis, makers = recovery.barred
    newest = recovery.generations()[-1:]
    failed = {one.maker for one in newest if one.basis == missing.basis}
    found = failed | {PublicKey(one) for one in makers if basis == missing.basis}
    current = {one.node_key for one in view.epoch_record.description.validators}
    return frozenset() if current <= found else frozenset(found)


def bar(view: GovernanceView, missing: WantedGeneration) -> None:
    """Remember them, before the next one takes the place of the newest."""
    RecoveryTables(view.tables).barred = (missing.basis, tuple(sorted(barred(view, missing))))


def consider(view: GovernanceView, one: GenerationRecord, generation: Generation) -> None:
    """Does it become active?"""
    recovery, now = RecoveryTables(view.tables), wanted(view)
    holding = sum(recovery.held(one.number).values())
    if (
        not one.active
        and now is not None
        and now.basis == one.basis
        and holding >= generation.needed
        and checks(view, one.number) >= checks_needed(view.epoch_record.description)
    ):
        recovery.activate(one)


def suspect(view: GovernanceView) -> None:
    """Somebody outside may know W, or will hold a secret that he should not: no further epoch is
    sealed under it, and a new generation is due. After a recovery too. Nothing, while there was
    never a generation."""
    recovery = RecoveryTables(view.tables)
    if recovery.last_number:
        recovery.add_stain()


def succeeded(view: GovernanceView, before: EpochDescription, *, compromised: bool) -> None:
    """An epoch began. Enclaves that get none of its secrets could open W, and with it what will be:
    so it ends with each validator that is gone and each node that is newly suspended, as with a
    secret that others are believed to know."""
    after, recovery = view.epoch_record.description, RecoveryTables(view.tables)
    gone = any(after.index_of(one.node_key) is None for one in before.validators)
    suspended, left = view.roster.suspended, recovery.left_behind
    behind = tuple(
        (node.node_key, int(node.attested_height))  # who attested meanwhile got secrets meanwhile
        for node in view.tables.nodes()
        if node.node_key in suspended and node.status is not Status.REMOVED
    )
    recovery.left_behind = behind
    if gone or compromised or not set(behind) <= set(left):
        suspect(view)
