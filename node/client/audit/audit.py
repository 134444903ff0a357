"""Checking a whole ledger against the pin: every header, certificate, epoch, batch, outcome and
root (T33, T34, T41).

Owns the walk from genesis on. It needs blocks and outcomes in order, and a genesis; nothing of it
needs a key, and what is sealed stays sealed. What is not yet certified at the end of a ledger
counts for nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    NotCanonical,
    PeerFault,
    ReceiptInvalid,
)
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Epoch, Height
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.proofs.block_data import ordered_envelopes
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, epoch_chain, verify_genesis
from strongroom.node.ledger.block_record import StoredBlock

PROGRESS_BLOCKS = 50
"""Between two words of progress: some tenths of a second where blocks are full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLedger:
    """What a ledger's files prove."""

    genesis: VerifiedGenesis
    height: Height
    """The newest block that a quorum made final."""
    anchored: Height
    """The newest height whose outcome a quorum vouches for."""
    root: Digest
    """History root over heights 0..anchored."""
    epoch: Epoch
    """The newest that was opened."""
    transactions: int
    """Ordered up to `height`."""
    recoveries: tuple[RecoveryCertificate, ...]
    """Where members opened the next epoch, because the one before was lost."""
    proof: "LedgerProof" = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """What a stranger is shown of a ledger that was checked, beside its pin."""

    epochs: EpochChain
    history: HistoryTree
    certified: tuple[Header, Certificate] | None
    """The newest header with a certificate of its own whose anchor names an outcome that is here;
    None when there is none."""


def genesis_of(data: bytes, pin: str) -> VerifiedGenesis:
    """Check a genesis against the pin.

    Raises:
        ReceiptInvalid: ``forged``, or ``cannot check`` without a good pin.
    """
    try:
        chain = chain_of(pin)
    except ClientFault as fault:
        raise ReceiptInvalid(str(fault), verdict="cannot check") from None
    if sha256(data).digest() != chain:
        raise ReceiptInvalid("this is the ledger of another service than the pinned one")
    try:
        return verify_genesis(data)
    except (AttestationError, NotCanonical) as error:
        raise ReceiptInvalid(
            f"the evidence of the service's enclaves does not verify: {error}"
        ) from None


def check_ledger(
    genesis: VerifiedGenesis,
    records: Iterable[StoredBlock | Outcome],
    *,
    at_least: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> CheckedLedger:
    """Check every record of a ledger, in the order in which a node wrote them.

    Args:
        genesis: of the pinned service.
        records: blocks from height 1 on, each outcome somewhere after its block.
        at_least: a height that is known to be final: a ledger that ends below it was cut.
        progress: told every PROGRESS_BLOCKS-th height.

    Raises:
        ReceiptInvalid: ``forged``; or ``incomplete``, when it ends below `at_least`.
    """
    audit = _Audit(genesis)
    try:
        for record in records:
            if isinstance(record, Outcome):
                audit.outcome(record)
            else:
                audit.block(record)
                if record.header.height % PROGRESS_BLOCKS == 0:
                    progress(record.header.height)
        checked = audit.checked()
    except PeerFault as fault:
        raise ReceiptInvalid(str(fault)) from None
    if checked.height < at_least:
        raise ReceiptInvalid(
            f"ends with final block {checked.height}, and at least "
            f"{at_least} is known to be final: it was cut",
            verdict="incomplete",
        )
    return checked


class _Audit:
    """How far a ledger has been checked. A node that caught up wrote blocks long before their
    outcomes."""

    def __init__(self, genesis: VerifiedGenesis) -> None:
        self._genesis = genesis
        self._epochs: EpochChain = epoch_chain(genesis)
        self._tip = self._final = self._anchored = genesis.header
        self._history = HistoryTree(genesis.header)
        self._ids: dict[Height, tuple[Digest, bytes]] = {}
        """(header's digest, ids of its envelopes) of blocks whose outcome did not come yet."""
        self._waiting: deque[Header] = deque()
        """Headers whose anchor names an outcome that did not come yet, or that are not final yet;
        ascending."""
        self._wishes: dict[Height, bytes] = {}
        """What the state wished after a height of this epoch."""
        self._certified: list[tuple[Header, Certificate]] = []
        """The newest that stands, and those behind it whose anchor did not come yet."""
        self._ending: StoredBlock | None = None
        """The last block of its epoch, while the next one is not opened yet."""
        self._transactions = self._final_transactions = 0

    def block(self, block: StoredBlock) -> None:
        """The next block.

        Raises:
            PeerFault: it does not follow, its data is not what it names, or its certificate does
                not hold.
        """
        self._open_epoch()
        header, parent, description = block.header, self._tip, self._epochs.newest
        if header.height != parent.height + 1 or header.parent != parent.digest:
            raise PeerFault(f"block {header.height} does not stand on block {parent.height}")
        if header.chain != self._genesis.chain or header.epoch != description.epoch:
            raise PeerFault(
                f"block {header.height} is of another chain, or not of epoch {description.epoch}"
            )
        envelopes = ordered_envelopes(parent, header, block.batches, len(description.validators))
        ids = b"".join(sha256(envelope).digest() for envelope in envelopes)
        self._ids[header.height] = (header.digest, ids)
        self._transactions += len(envelopes)
        self._tip = header
        if block.certificate is not None:
            self._epochs.check_final(header, block.certificate)
            self._final, self._final_transactions = header, self._transactions
            if isinstance(block.certificate, Certificate):
                self._certified.append((header, block.certificate))
        self._waiting.append(header)
        self._check_anchors()
        if header.next_epoch != description.digest:
            self._ending = block

    def outcome(self, outcome: Outcome) -> None:
        """The next outcome.

        Raises:
            PeerFault: it is of another height, block or other envelopes; or not what a later block
                anchors.
        """
        if outcome.height != self._history.size:
            raise PeerFault(
                f"outcome of height {outcome.height} after that of height {self._history.size - 1}"
            )
        if self._ids.pop(outcome.height, None) != (outcome.block, outcome.ids):
            raise PeerFault(
                f"the outcome of height {outcome.height} is of another block or other transactions"
            )
        self._history.append(outcome.history_leaf)
        if outcome.wish:
            self._wishes[outcome.height] = outcome.wish
        self._check_anchors()

    def checked(self) -> CheckedLedger:
        """What is certain: everything up to the newest certificate."""
        if (
            self._ending is not None
            and self._ending.certificate is not None
            and (
                isinstance(self._ending.certificate, RecoveryCertificate)
                or self._wishes.get(self._ending.header.anchor.height) is not None
            )
        ):
            self._open_epoch()
        anchored = self._anchored.anchor.height
        return CheckedLedger(
            genesis=self._genesis,
            height=self._final.height,
            anchored=anchored,
            root=self._history.root(anchored + 1),
            epoch=self._epochs.newest.epoch,
            transactions=self._final_transactions,
            recoveries=self._epochs.recoveries(),
            proof=LedgerProof(
                self._epochs, self._history, self._certified[0] if self._stands() else None
            ),
        )

    def _check_anchors(self) -> None:
        """Compare the roots of headers whose outcomes are here, as far as these headers are
        final."""
        while self._waiting:
            header, anchor = self._waiting[0], self._waiting[0].anchor
            if anchor.height >= self._history.size or header.height > self._final.height:
                return
            if anchor.height and self._history.root(anchor.height + 1) != anchor.root:
                raise PeerFault(
                    f"the outcomes up to height {anchor.height} are not those that block "
                    f"{header.height} anchors"
                )
            self._anchored = self._waiting.popleft()
            while len(self._certified) > 1 and self._stands(1):
                self._certified.pop(0)

    def _stands(self, at: int = 0) -> bool:
        """Is the anchor of a certified header one that was compared?"""
        if at >= len(self._certified):
            return False
        return self._certified[at][0].height <= self._anchored.height

    def _open_epoch(self) -> None:
        """After a terminal block: what the state wished at its anchor opens the next epoch; or what
        members agreed to, where that epoch was lost."""
        block, self._ending = self._ending, None
        if block is None:
            return
        header = block.header
        if block.certificate is None:
            raise PeerFault(
                f"block {header.height} ends its epoch, and has no certificate of its own"
            )
        if isinstance(block.certificate, RecoveryCertificate):
            opened = block.certificate
            self._epochs.extend(EpochEntry(header, opened, opened.description, opened.public_key))
            self._wishes.clear()
            return
        wish = self._wishes.get(header.anchor.height)
        if wish is None:
            raise PeerFault(
                f"block {header.height} ends its epoch, and no outcome wishes the next one"
            )
        encoded, public_key = codec.fields(codec.decode(wish), bytes, bytes, name="wish")
        self._epochs.extend(
            EpochEntry(header, block.certificate, EpochDescription.decode(encoded), public_key)
        )
        self._wishes.clear()
