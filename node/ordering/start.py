"""Where a replica begins: what block store and log say of one epoch, at a start or at the change of
epochs (PROTOCOL §6, R16).

Owns `ReplicaStart`, which is the same in both cases, and the succession of epochs that a block
store proves. Nothing of that is stored twice: a terminal block has a FINALIZE certificate of its
own, and the outcome at its anchor holds the wish that it made true.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import OperatorFault, PeerFault
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.replica.events import Executed, FinalRecord, Record
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.node.ordering.log import ReadLog, Silence
from strongroom.node.ordering.past import Past

LOST_LOG = "the log was lost while the key exists: observes only, never votes in this epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStart:
    """Where the replica of one epoch begins."""

    description: EpochDescription
    anchor: Header
    """Genesis, or the terminal block that opened the epoch."""
    final: Header
    """The newest final header that is stored: the anchor, or one above it."""
    certificate: Finality | None
    """What made `final` final; None for the anchor, which is final by definition."""
    recent: tuple[Header, ...]
    """Final headers above the final header's anchor, up to it, of whatever epoch."""
    executed: tuple[Executed, ...]
    """Roots of the heights whose outcomes are recorded, from the final header's anchor on."""
    records: tuple[Record, ...] = ()
    """The log, in order; a replica passes over those of other epochs."""
    batches: tuple[Batch, ...] = ()
    """Of this epoch, held, and not yet in a recorded final block."""
    silence: Silence | None = None
    """Up to which epoch, this one included, the node may not vote, and why; None: it may."""
    recorded: FinalRecord | None = None
    """What the block store has, by a certificate of its own."""
    later: tuple[Batch, ...] = ()
    """Held batches of later epochs: a block store that was cut back over an epoch's end is behind
    its own log."""
    unordered: tuple[Batch, ...] = ()
    """Own batches of earlier epochs that no block ordered."""
    log_bytes: int = 0


def start_at(
    past: Past,
    description: EpochDescription,
    anchor: Header,
    final: Header,
    certificate: Finality | None,
) -> ReplicaStart:
    """Where the replica of this epoch begins when `final` is the newest of its final blocks in the
    store."""
    lowest = final.anchor.height
    return ReplicaStart(
        description=description,
        anchor=anchor,
        final=final,
        certificate=None if final.digest == anchor.digest else certificate,
        recent=tuple(past.head_at(height)[0] for height in range(lowest + 1, final.height + 1)),
        executed=tuple(
            past.executed_at(height) for height in range(max(lowest, 1), past.newest_outcome + 1)
        ),
        recorded=None if certificate is None else FinalRecord(final, certificate),
    )


def start_after_restart(
    past: Past, epochs: EpochChain, log: ReadLog, own: PublicKey, *, log_lost: bool
) -> ReplicaStart:
    """What log and store say together.

    Args:
        past: the block store.
        epochs: every epoch that it proves.
        log: what was read of the log.
        own: this node's key.
        log_lost: there is none, though the key exists (PROTOCOL §6).

    Raises:
        OperatorFault: the store contradicts itself.
    """
    final, certificate = newest_certified(past, epochs, past.newest_block)
    description, anchor = epoch_above(past, epochs, final)
    start = start_at(past, description, anchor, final, certificate)
    lengths = [tip.length for tip in final.cut] if start.certificate is not None else []
    ordered = dict(enumerate(lengths))
    batches = tuple(
        batch
        for batch in log.batches
        if batch.header.epoch == description.epoch
        and batch.header.sequence >= ordered.get(int(batch.header.lane), 0)
    )
    return replace(
        start,
        records=log.records,
        batches=batches,
        later=tuple(batch for batch in log.batches if batch.header.epoch > description.epoch),
        silence=(description.epoch, LOST_LOG) if log_lost else log.silence(description.epoch),
        unordered=tuple(_unordered(epochs, log, description.epoch, own)),
        log_bytes=log.size,
    )


def _unordered(epochs: EpochChain, log: ReadLog, current: Epoch, own: PublicKey) -> Iterator[Batch]:
    for batch in sorted(log.batches, key=lambda batch: (batch.header.epoch, batch.header.sequence)):
        header = batch.header
        ended = epochs.description(header.epoch)
        terminal = epochs.anchor_of(Epoch(header.epoch + 1))
        if header.epoch >= current or ended is None or terminal is None:
            continue
        lane = ended.index_of(own)
        if (
            lane is not None
            and int(lane) == int(header.lane)
            and header.sequence >= terminal.cut[header.lane].length
        ):
            yield batch


# --- the succession of epochs in the store ---


def newest_certified(past: Past, epochs: EpochChain, newest: int) -> tuple[Header, Finality | None]:
    """The newest recorded block up to `newest`, of a known epoch and with a certificate of its own;
    else genesis."""
    for height in range(newest, 0, -1):
        header, certificate = past.head_at(height)
        if certificate is not None and epochs.description(header.epoch) is not None:
            return header, certificate
    genesis = epochs.anchor_of(Epoch(0))
    assert genesis is not None, "the chain of epochs begins at genesis"
    return genesis, None


def epoch_above(past: Past, epochs: EpochChain, final: Header) -> tuple[EpochDescription, Header]:
    """The epoch that goes on above a final block, and its anchor: a terminal block opens the next
    one once executed."""
    current = epochs.description(final.epoch)
    anchor = epochs.anchor_of(final.epoch)
    following = epochs.description(Epoch(final.epoch + 1))
    if current is None or anchor is None:
        raise OperatorFault(f"no proof of epoch {final.epoch} in the ledger folder")
    ended = final.next_epoch != current.digest and final.height > anchor.height
    if ended and following is not None and past.newest_outcome >= final.height:
        return following, final
    return current, anchor


def extend_from(past: Past, epochs: EpochChain) -> None:
    """Every epoch that the block store proves.

    Raises:
        OperatorFault: a stored terminal block does not open the epoch that its outcome wishes.
    """
    while (entry := next_stored(past, epochs)) is not None:
        extend_by(epochs, entry)


def extend_by(epochs: EpochChain, entry: EpochEntry) -> None:
    """The next epoch, as the ledger folder has it.

    Raises:
        OperatorFault: it is not proven by the one before.
    """
    try:
        epochs.extend(entry)
    except PeerFault as fault:
        raise OperatorFault(
            f"the ledger folder contradicts itself at height {entry.header.height}: {fault}"
        ) from None


def next_stored(past: Past, epochs: EpochChain) -> EpochEntry | None:
    """What opens the epoch after the newest of `epochs`, if block and outcome for it are stored."""
    height = _last_of(past, epochs.newest.epoch, epochs.anchor.height)
    if height is None:
        return None
    header, certificate = past.head_at(height)
    if certificate is None or header.next_epoch == epochs.newest.digest:
        return None
    if isinstance(certificate, RecoveryCertificate):
        return EpochEntry(header, certificate, certificate.description, certificate.public_key)
    anchor = header.anchor.height
    wish = past.wish_at(anchor) if 0 < anchor <= past.newest_outcome else None
    return None if wish is None else EpochEntry(header, certificate, *wish)


def _last_of(past: Past, epoch: Epoch, anchor: Height) -> Height | None:
    """The last stored height of an epoch, by bisection: epochs never go back. None if no block of
    it is stored here. What is archived ended no epoch but known ones."""
    below = max(anchor, past.archived)
    heights = range(below + 1, past.newest_block + 1)
    count = bisect_left(heights, True, key=lambda height: past.head_at(height)[0].epoch > epoch)
    return Height(below + count) if count else None
