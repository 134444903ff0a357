"""The end of a recovery on a host: with k shares the ledger is opened and applied, its lost epoch
ended, and the node has keys again (VAULT §7; T45).

Owns what is written then, and in which order: nothing of the ledger is touched before the enclave
is through. May be done again after a kill at any place; what is written already stays. A node that
was started meanwhile keeps the keys that it has.
"""

from collections.abc import Sequence

from strongroom.consensus import codec
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.enclave_client.recovery_calls import RecoveryClient
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import block_at, outcome_at
from strongroom.node.ledger.shortening import shorten
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import disk_faults, make_directory, write_atomic
from strongroom.node.membership.recovering import recovering_enclave
from strongroom.node.membership.recovering_folder import RecoveryFolder
from strongroom.node.membership.recovering_ledger import (
    alone,
    ledger_bytes,
    lost_ledger,
    outcome_portions,
    portions,
)
from strongroom.node.membership.recovering_progress import Progress, Walk


async def open_ledger(
    layout: NodeLayout, genesis: bytes, handed: bytes | None, *, progress: Progress
) -> RecoveryCertificate:
    """With k shares, or what the lead handed over: apply the ledger, end the lost epoch, and become
    a node again.

    Args:
        layout: the node's.
        genesis: the service's.
        handed: (certificate, what the lead handed over) as its file has it; None for the lead.
        progress: told how far it is.

    Raises:
        NotHere: a step comes before this.
        AlreadyDone: no step is left.
        Refusal: too few shares, or the ledger is not what members agreed to.
    """
    folder = RecoveryFolder(layout)
    folder.refuse_if_done()
    if not folder.end.exists():
        folder.read(folder.state, "recover begin")
        folder.read(folder.offer, "recover plan` or, with the lead's offer, `recover join")
        async with recovering_enclave(layout, genesis) as (enclave, store, _):
            certificate = await _opened(folder, enclave, handed)
            outcomes, sealed = await _gone_through(enclave, store, certificate, layout, progress)
        ended = (certificate.to_wire(), outcomes, sealed)
        folder.write(folder.end, codec.encode(ended))
    return _finish(folder)


async def _opened(
    folder: RecoveryFolder, enclave: RecoveryClient, handed: bytes | None
) -> RecoveryCertificate:
    if handed is None:
        certificate, others = await enclave.open()
        for node_key, secret in others.items():
            both = codec.encode((certificate.brief().to_wire(), secret))
            folder.write(folder.handed(node_key), both)
    else:
        wire, secret = codec.fields(codec.decode(handed), tuple, bytes, name="handed over")
        brief = RecoveryCertificate.from_wire(wire)
        sealed, certificate = await enclave.receive(brief, secret)
        folder.write(folder.state, sealed)
    folder.write(folder.certificate, codec.encode(certificate.to_wire()))
    return certificate


async def _gone_through(
    enclave: RecoveryClient,
    store: BlockStore,
    certificate: RecoveryCertificate,
    layout: NodeLayout,
    progress: Progress,
) -> tuple[tuple[bytes, ...], bytes]:
    executed, head = certificate.opening.anchor.height, certificate.head.header.height
    walk = Walk("applying outcomes", executed, ledger_bytes(layout), progress)
    await walk.through(
        outcome_portions(store, executed), lambda part: enclave.apply(part.headers, part.outcomes)
    )
    made: list[bytes] = []
    for part in portions(store, executed + 1, head, executed):
        made += await enclave.lose([(header, batches) for header, batches, _, _ in part.records])
    last, sealed = await enclave.end()
    return (*made, last), sealed


# --- what is written ------------------------------------------------------------------------------


def _finish(folder: RecoveryFolder) -> RecoveryCertificate:
    """Write the end into ledger, log and sealed keys; what is written already stays."""
    layout = folder.layout
    wire, outcomes, sealed = codec.fields(
        codec.decode(folder.read(folder.end, "recover open")), tuple, tuple, bytes, name="end"
    )
    certificate = RecoveryCertificate.from_wire(wire)
    if not (layout.sealed / SEALED_STATE).exists():
        _end_ledger(folder, certificate, outcomes)
        _begin_log(layout)
        with disk_faults(layout.sealed):
            make_directory(layout.sealed)
            write_atomic(layout.sealed / SEALED_STATE, sealed)
    folder.finish()
    return certificate


def _end_ledger(
    folder: RecoveryFolder, certificate: RecoveryCertificate, outcomes: Sequence[bytes]
) -> None:
    """Write the lost epoch's last block, and the outcomes that are new."""
    layout, opening = folder.layout, certificate.opening
    block = StoredBlock(opening, certificate, ()).encode()
    first = opening.height - len(outcomes) + 1
    with lost_ledger(layout) as store:
        other = not _goes_on(store, opening.height, block, outcomes)
    if other:
        with alone(layout):
            shorten(layout.directory, folder.before, block=opening.height - 1, outcome=first - 1)
    with lost_ledger(layout) as store:
        if store.newest_block < opening.height:
            store.append_block(opening.height, block)
        for height, data in enumerate(outcomes, first):
            if store.newest_outcome < height:
                outcome = Outcome.decode(data)
                store.append_outcome(
                    height, data, outcome.ids_and_codes(), outcome.history_leaf.hash
                )
        store.sync()


def _goes_on(store: BlockStore, height: int, block: bytes, outcomes: Sequence[bytes]) -> bool:
    """Is what stands where the end comes, if anything, this end?"""
    if store.newest_block > height:
        return False
    if store.newest_block == height and block_at(store, height) != block:
        return False
    return all(
        store.newest_outcome < at or outcome_at(store, at) == data
        for at, data in enumerate(outcomes, height - len(outcomes) + 1)
    )


def _begin_log(layout: NodeLayout) -> None:
    """The lost enclaves' statements are of no use to the new one: its log begins empty (PROTOCOL
    §6)."""
    aside = layout.recovery / "wal-of-lost-keys"
    with disk_faults(layout.wal):
        if layout.wal.exists() and not aside.exists():
            layout.wal.rename(aside)
    WriteAheadLog.open(layout.wal).close()
