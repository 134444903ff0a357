"""A dead service's node brings it back: the host's part of a recovery, step by step (VAULT §7;
T45).

Owns the order in which ledger and enclave are brought together until k members have given; how it
then goes on: recovering_end.py. Every step may be done again, also after kill -9: what the enclave
needs lies sealed in `recovery/` (recovering_folder.py), and the ledger is only read.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import time_ns

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.outside.recovery_giving import Offer
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node.enclave_client.recovery_calls import RecoveryClient, RecoveryProgress
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.reading import header_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.membership.recovering_folder import Ground, RecoveryFolder
from strongroom.node.membership.recovering_identity import find_identity
from strongroom.node.membership.recovering_ledger import (
    LedgerEnd,
    find_end,
    known_epochs,
    ledger_bytes,
    lost_ledger,
    portions,
)
from strongroom.node.membership.recovering_progress import Progress, Walk


async def begin(layout: NodeLayout, genesis: bytes, *, progress: Progress) -> LedgerEnd:
    """Have an enclave without keys follow this node's ledger to its end, unless it has already;
    where the ledger ends.

    Raises:
        OperatorFault: the node runs, has keys, its ledger is not one that members could agree to,
            or another than the one that was followed.
        Refusal: the enclave refuses the ledger.
    """
    folder = RecoveryFolder(layout)
    if (layout.sealed / SEALED_STATE).exists():
        raise OperatorFault(
            f"this node has sealed keys in {layout.sealed}: start it; or, if they open no more, "
            "move that folder away first"
        )
    folder.refuse_if_done()
    with lost_ledger(layout) as store:
        end = find_end(store)
        if folder.state.exists():
            _check_same(folder, store, end)
            return end
        head = header_at(store, end.certified)
        verified = verify_genesis(genesis)
        walk = Walk("following the ledger", end.certified, ledger_bytes(layout), progress)
        identity = find_identity(layout, verified, store, end.certified)
        enclave = await RecoveryClient.start(layout.chip, layout.log)
        try:
            await enclave.begin(genesis, identity)
            parts = portions(store, 1, end.certified, end.executed)
            await walk.through(parts, lambda part: enclave.follow(part.records))
            sealed, evidence = await enclave.show()
        finally:
            await enclave.stop()
    folder.write(folder.evidence, evidence)
    folder.write(folder.ground, Ground(end.certified, end.executed, head.digest).encode())
    folder.write(folder.state, sealed)
    return end


def _check_same(folder: RecoveryFolder, store: BlockStore, end: LedgerEnd) -> None:
    """Raises OperatorFault: what was followed is not this ledger."""
    ground = folder.read_ground()
    if ground is None:
        return
    now = Ground(end.certified, end.executed, header_at(store, end.certified).digest)
    if ground != now:
        raise OperatorFault(
            f"another-ledger: {folder.layout.recovery} is of a ledger that ended with block "
            f"{ground.certified}, outcome {ground.executed}; this one ends with block "
            f"{now.certified}, outcome {now.executed}: move that folder away to begin with this "
            "ledger, or put the other one back"
        )


def look(layout: NodeLayout) -> LedgerEnd:
    """Where this node's ledger ends, before anything is begun.

    Raises:
        OperatorFault: the node runs, or its ledger cannot be read, or proves nothing.
    """
    with lost_ledger(layout) as store:
        return find_end(store)


async def plan(layout: NodeLayout, genesis: bytes, evidence: Sequence[bytes]) -> Offer:
    """As the lead: plan the next epoch with these enclaves and this one; the offer to members.

    Raises:
        NotHere: `begin` comes first.
        Refusal: this is not the lead, or an enclave does not meet the policy.
    """
    folder = RecoveryFolder(layout)
    own = folder.read(folder.evidence, "recover begin")
    shown = [own, *(one for one in evidence if one != own)]
    async with recovering_enclave(layout, genesis) as (enclave, _, entries):
        sealed, made, generation = await enclave.plan(shown, time_ns() // 1_000_000)
        folder.write(folder.state, sealed)
    offer = Offer(
        genesis=genesis,
        entries=entries,
        plan=RecoveryPlan.decode(made),
        generation=Generation.decode(generation),
    )
    folder.write(folder.offer, offer.encode())
    return offer


async def join(layout: NodeLayout, genesis: bytes, data: bytes) -> None:
    """As one of the others: take part in the lead's plan.

    Raises:
        NotHere, Refusal: as `plan`.
        NotCanonical: it is no offer.
    """
    folder, offer = RecoveryFolder(layout), Offer.decode(data)
    async with recovering_enclave(layout, genesis) as (enclave, _, _):
        folder.write(folder.state, await enclave.join(offer.plan.encode()))
    folder.write(folder.offer, data)


async def take(
    layout: NodeLayout, genesis: bytes, given: Sequence[tuple[str, bytes]]
) -> tuple[RecoveryProgress, list[tuple[str, str, str]]]:
    """As the lead: count shares, each for itself: (how far it is now, (file, member's name, or why
    it does not count: reason and words) …).

    Raises:
        NotHere: `plan` comes first.
    """
    folder = RecoveryFolder(layout)
    folder.read(folder.offer, "recover begin")
    told = []
    async with recovering_enclave(layout, genesis) as (enclave, _, _):
        for name, data in given:
            try:
                sealed, member, _ = await enclave.take(data)
            except Refusal as refusal:
                told.append((name, "", str(refusal)))
                continue
            folder.write(folder.state, sealed)
            told.append((name, member, ""))
        return await enclave.status(), told


async def progress_of(layout: NodeLayout, genesis: bytes) -> RecoveryProgress:
    """How far it is.

    Raises:
        NotHere: nothing was begun.
    """
    async with recovering_enclave(layout, genesis) as (enclave, _, _):
        return await enclave.status()


@asynccontextmanager
async def recovering_enclave(
    layout: NodeLayout, genesis: bytes
) -> AsyncIterator[tuple[RecoveryClient, BlockStore, tuple[EpochEntry, ...]]]:
    """The enclave of a recovery that is under way, shown the ledger's epochs.

    Raises:
        NotHere: `begin` comes first.
    """
    folder = RecoveryFolder(layout)
    sealed = folder.read(folder.state, "recover begin")
    with lost_ledger(layout) as store:
        entries = known_epochs(store, genesis)
        enclave = await RecoveryClient.start(layout.chip, layout.log)
        try:
            await enclave.again(sealed, genesis, entries)
            yield enclave, store, entries
        finally:
            await enclave.stop()
