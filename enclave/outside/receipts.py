"""Receipts: that a transaction was executed, at which place, with which sealed result; for anyone
who has the pin.

Owns the chain of proof: leaf → outcome root (path, count) → history leaf → history root (path) →
anchor in a header → that header's FINALIZE certificate → validators of its epoch → each epoch's
last block, certified by its own validators and naming the next → evidence in genesis → pin. A
receipt carries it all. Its two forms are in receipt.py.
"""

from dataclasses import dataclass, replace
from hashlib import sha256

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry, check_final
from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    NotCanonical,
    PeerFault,
    ReceiptInvalid,
    invariant,
)
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import (
    DIGEST_SIZE,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    TransactionId,
)
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf, HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome, claim_digest, outcome_root
from strongroom.enclave.outside.receipt import Receipt as Receipt
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, epoch_chain, verify_genesis


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """What a receipt proves. Only `verify_receipt` makes one."""

    made_by: object
    pin: str
    service: str
    """The service's name in its constitution."""
    simulated: bool
    """Some validator's enclave runs on a simulated platform: then nothing here rests on silicon."""
    id: TransactionId
    height: Height
    index: int
    code: Code
    result_digest: Digest
    """SHA-256 of the sealed result; zeros for a refusal."""
    claim_digest: Digest
    """Zeros when the transaction made no claim."""
    anchor_height: Height
    """Height of the header that anchors it."""
    epoch: Epoch
    """Of that header: whose validators certified it."""
    time_ms: Milliseconds
    """Block time of that header: the outcome stood at this time."""
    recoveries: tuple[RecoveryCertificate, ...]
    """Where members opened the next epoch on the way to that header, because the one before was
    lost: whoever has k of their keys stands behind it there, and not its quorum."""

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a VerifiedReceipt is made by verify_receipt only")


_ONLY_HERE = object()


def build_receipt(
    *,
    genesis: bytes,
    outcome: Outcome,
    position: int,
    history: HistoryTree,
    anchor: Header,
    certificate: Certificate,
    epochs: EpochChain | None = None,
) -> Receipt:
    """Put a receipt together, on a host.

    Args:
        genesis: the document.
        outcome: of the transaction's height.
        position: of the transaction in it.
        history: as far as the anchor, or farther.
        anchor: the first header with a FINALIZE certificate of its own whose anchor height is at or
            above the outcome's height.
        certificate: that one.
        epochs: known as far as the anchor's epoch; not needed for a header of epoch 0.
    """
    invariant(anchor.anchor.height >= outcome.height, "this header does not anchor that height")
    leaf = outcome.history_leaf
    return Receipt(
        genesis=genesis,
        leaf=outcome.leaf_at(position),
        index=position,
        count=outcome.count,
        outcome_path=outcome.path_of(position),
        height=outcome.height,
        block=outcome.block,
        write_set_digest=leaf.write_set_digest,
        snapshot_root=leaf.snapshot_root,
        history_path=history.path(outcome.height, anchor.anchor.height + 1),
        anchor=anchor,
        certificate=certificate,
        epochs=_entries_up_to(epochs, anchor.epoch),
    )


def _entries_up_to(epochs: EpochChain | None, last: Epoch) -> tuple[EpochEntry, ...]:
    """What opened the epochs 1 … last."""
    entries: list[EpochEntry] = []
    while epochs is not None and len(entries) < last:
        some = epochs.entries(Epoch(len(entries) + 1))[: last - len(entries)]
        if not some:
            break
        entries += map(_brief, some)
    invariant(len(entries) == last, f"the succession of epochs is not known up to epoch {last}")
    return tuple(entries)


def _brief(entry: EpochEntry) -> EpochEntry:
    """Without the evidence of the enclaves that members agreed to: its digests say as much."""
    certificate = entry.certificate
    if not isinstance(certificate, RecoveryCertificate):
        return entry
    return replace(entry, certificate=certificate.brief())


def verify_receipt(receipt: Receipt, pin: str) -> VerifiedReceipt:
    """Verify a receipt against the pinned service identity, offline.

    Raises:
        ReceiptInvalid: it does not prove what it says; `verdict` is ``forged``, or ``cannot check``
            without a good pin.
    """
    genesis = _genesis(receipt, pin)
    tree_root = merkle.root_from_path(
        receipt.leaf.hash, receipt.index, receipt.count, receipt.outcome_path
    )
    history_leaf = HistoryLeaf(
        receipt.height,
        receipt.block,
        outcome_root(receipt.count, tree_root),
        receipt.write_set_digest,
        receipt.snapshot_root,
    )
    anchor = receipt.anchor.anchor
    root = merkle.root_from_path(
        history_leaf.hash, receipt.height, anchor.height + 1, receipt.history_path
    )
    if root != anchor.root:
        raise ReceiptInvalid(
            f"the transaction is not in the history that block {receipt.anchor.height} anchors"
        )
    epochs = _check_anchor(receipt, genesis)
    return VerifiedReceipt(
        made_by=_ONLY_HERE,
        pin=pin,
        service=genesis.constitution.name,
        simulated=genesis.simulated,
        id=receipt.leaf.id,
        height=receipt.height,
        index=receipt.index,
        code=receipt.leaf.code,
        result_digest=receipt.leaf.result_digest,
        claim_digest=receipt.leaf.claim_digest,
        anchor_height=receipt.anchor.height,
        epoch=receipt.anchor.epoch,
        time_ms=receipt.anchor.time_ms,
        recoveries=epochs.recoveries(),
    )


def _check_anchor(receipt: Receipt, genesis: VerifiedGenesis) -> EpochChain:
    """Walk the epochs from genesis, and check that a quorum of the last one made the anchoring
    header final (T33)."""
    epochs, header = epoch_chain(genesis), receipt.anchor
    try:
        for entry in receipt.epochs:
            epochs.extend(entry)
        if epochs.newest.epoch != len(receipt.epochs):
            raise PeerFault("an epoch stands twice")
        if header.height <= epochs.anchor.height:
            raise PeerFault(
                f"block {header.height} is not above the anchor of epoch {epochs.newest.epoch}"
            )
        check_final(header, receipt.certificate, genesis.chain, epochs.newest, verify)
    except PeerFault as fault:
        raise ReceiptInvalid(str(fault)) from None
    return epochs


def check_result(verified: VerifiedReceipt, sealed: bytes) -> None:
    """Check that a sealed result is the one that the receipt names.

    Raises:
        ReceiptInvalid: it is another one.
    """
    if (
        verified.code not in (Code.EXECUTED, Code.REFUSED)
        or sha256(sealed).digest() != verified.result_digest
    ):
        raise ReceiptInvalid(f"the sealed result is not the one of transaction {verified.id.hex()}")


def verify_claim(verified: VerifiedReceipt, claim: bytes, blinding: bytes) -> None:
    """Check that the transaction made this claim; its sender hands over claim and blinding (32
    bytes).

    Raises:
        ReceiptInvalid: it made none, or another one.
    """
    if len(blinding) != DIGEST_SIZE or claim_digest(blinding, claim) != verified.claim_digest:
        raise ReceiptInvalid(f"transaction {verified.id.hex()} did not make this claim")


def _genesis(receipt: Receipt, pin: str) -> VerifiedGenesis:
    try:
        chain = chain_of(pin)
    except ClientFault as fault:
        raise ReceiptInvalid(str(fault), verdict="cannot check") from None
    if sha256(receipt.genesis).digest() != chain:
        raise ReceiptInvalid("the receipt is of another service than the pinned one")
    try:
        return verify_genesis(receipt.genesis)
    except (AttestationError, NotCanonical) as error:
        raise ReceiptInvalid(
            f"the evidence of the service's enclaves does not verify: {error}"
        ) from None
