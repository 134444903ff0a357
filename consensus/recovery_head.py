"""Where a lost epoch ends: the newest header that its quorum made final, and the one that opens the
next epoch above it (VAULT §7; T5B).

Owns what such a head vouches for, the recovery rules of the state among it, and what the header
that follows it must be. Who agreed to that header: recovery.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Anchor, Header, initial_cut
from strongroom.consensus.errors import NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.history import PATH_MAX, HistoryLeaf, root_from_path, with_rules
from strongroom.consensus.leaders import leader_of, leader_order
from strongroom.consensus.recovery_agreement import read_digests
from strongroom.consensus.recovery_rules import RecoveryRules
from strongroom.consensus.statements import Certificate, check_final
from strongroom.consensus.types import ChainId, Digest, Height, Milliseconds, View
from strongroom.consensus.validators import EpochDescription, Verify


@dataclass(frozen=True, slots=True, kw_only=True)
class LostHead:
    """The newest header that the lost quorum made final, and what it vouches for."""

    header: Header
    certificate: Certificate | None
    """FINALIZE for it; None when it is the block that opened the lost epoch, which whoever follows
    the succession of epochs knows."""
    leaf: HistoryLeaf
    """Of the height that it anchors; its record digest is the one without the rules."""
    path: tuple[Digest, ...]
    """From that leaf to the root that it anchors."""

    def check_final(
        self, chain: ChainId, lost: EpochDescription, verify: Verify, anchor: Header | None
    ) -> None:
        """Check that the lost epoch's quorum made it final; see RecoveryCertificate.check.

        Raises:
            PeerFault: it did not, or this header ended that epoch itself.
        """
        header, certificate = self.header, self.certificate
        if header.chain != chain:
            raise PeerFault("recovery: its head is of another chain")
        if certificate is None:
            if anchor is None or header.digest != anchor.digest:
                raise PeerFault(f"recovery: nothing shows that block {header.height} is final")
            return
        if header.epoch == lost.epoch and header.next_epoch != lost.digest:
            raise PeerFault(f"recovery: block {header.height} ended epoch {lost.epoch} itself")
        check_final(header, certificate, chain, lost, verify)

    def check_rules(self, rules: RecoveryRules) -> None:
        """Check that the anchored state has these recovery rules.

        Raises:
            PeerFault: it has others, or none.
        """
        leaf, anchor = self.leaf, self.header.anchor
        bound = HistoryLeaf(
            leaf.height,
            leaf.block,
            leaf.outcome_root,
            with_rules(leaf.write_set_digest, rules.digest),
            leaf.snapshot_root,
        )
        try:
            root = root_from_path(bound.hash, leaf.height, anchor.height + 1, self.path)
        except ReceiptInvalid as error:
            raise PeerFault(f"recovery: {error}") from None
        if leaf.height != anchor.height or root != anchor.root:
            raise PeerFault(
                f"recovery: these are not the rules at height {anchor.height}, which block "
                f"{self.header.height} anchors"
            )

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        certificate = None if self.certificate is None else self.certificate.to_wire()
        return (self.header.encoded, certificate, self.leaf.encode(), self.path)

    @classmethod
    def from_wire(cls, value: object) -> "LostHead":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        if type(value) is not tuple or len(value) != 4 or type(value[2]) is not bytes:
            raise NotCanonical("head of a recovery: expected 4 fields")
        header, certificate, leaf, path = value
        return cls(
            header=Header.from_wire(header),
            certificate=None if certificate is None else Certificate.from_wire(certificate),
            leaf=HistoryLeaf.decode(leaf),
            path=read_digests(path, "path", PATH_MAX),
        )


def basis_of(head: Header, executed: Anchor, rules: RecoveryRules) -> Digest:
    """What the evidence of an enclave that recovers is over: it followed the ledger up to this
    head, and goes on from this execution under these rules."""
    known = (head.digest, executed.height, executed.root, rules.digest)
    return labels.labelled_digest(labels.RECOVERY_HEAD, codec.encode(known))


def opening_header(
    head: Header,
    lost: EpochDescription,
    lost_anchor: Header,
    *,
    executed: Anchor,
    description: EpochDescription,
    time_ms: Milliseconds,
) -> Header:
    """The last header of a lost epoch: it follows the head, orders nothing, and opens the next one.

    Args:
        head: the newest header that the lost quorum made final, or the anchor itself.
        lost: the epoch that ends.
        lost_anchor: the header that opened it.
        executed: the execution that goes on.
        description: of the epoch that begins.
        time_ms: later than the head's.
    """
    members = len(lost.validators)
    begins = head.digest == lost_anchor.digest
    view = View(1 if begins else head.view + 1)
    return Header(
        chain=head.chain,
        epoch=lost.epoch,
        view=view,
        height=Height(head.height + 1),
        parent=head.digest,
        proposer=leader_of(leader_order(lost_anchor.digest, members), view),
        time_ms=time_ms,
        cut=initial_cut(head.digest, members) if begins else head.cut,
        batch_count=0,
        batch_bytes=0,
        anchor=executed,
        next_epoch=description.digest,
    )


def check_opening(
    opening: Header,
    head: Header,
    chain: ChainId,
    lost: EpochDescription,
    anchor: Header | None = None,
) -> None:
    """Check that a header follows the head, orders nothing, and ends the lost epoch.

    Raises:
        PeerFault: it does not.
    """
    begins = anchor is not None and head.digest == anchor.digest
    cut = initial_cut(head.digest, len(lost.validators)) if begins else head.cut
    above = 0 if begins else head.view
    follows = (
        (opening.chain, opening.epoch) == (chain, lost.epoch)
        and (opening.height, opening.parent) == (head.height + 1, head.digest)
        and opening.time_ms > head.time_ms
        and opening.view > above
    )
    empty = (opening.batch_count, opening.batch_bytes) == (0, 0) and opening.cut == cut
    if not follows or not empty or opening.next_epoch == lost.digest:
        raise PeerFault(
            f"recovery: block {opening.height} is not the empty one that ends epoch {lost.epoch} "
            f"above block {head.height}"
        )
    executed, certified = opening.anchor, head.anchor
    if not certified.height <= executed.height <= head.height or (
        executed.height == certified.height and executed.root != certified.root
    ):
        raise PeerFault(
            f"recovery: block {opening.height} goes on from another execution than the one that "
            f"block {head.height} anchors"
        )
