"""Who said two things that cannot both be: judged from two files, offline, by the pin alone.

Owns what contradicts what, and whose guilt follows. Two votes of one validator that its guard never
allows both prove that one's guilt alone (consensus/equivocation.py). A member agrees to one
recovery under one generation of shares: two agreements name it (T5B). Two receipts that tell two
histories, certified in different views, prove that more than f validators broke their word, and
name who signed both; nobody's guilt follows from that: misled by others' votes that stand in
neither file, an honest validator finalises one block, and in a later view another. Where one of
the two histories was recovered by members, from below a block that the lost quorum had made final,
no validator signed both, and nobody need have lied: who agreed to it is told. Whose a vote key
of a later epoch is, the quorum of the epoch before has said; of epoch 0, evidence in genesis.

The proof is both files again: whoever has it judges anew. Forms of files: misbehaviour_files.py;
the check of each: misbehaviour_shown.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.consensus.equivocation import VoteEvidence, check
from strongroom.consensus.errors import PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import Finality, RecoveryCertificate, RecoveryStatement
from strongroom.consensus.statements import Vote
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.outcome import outcome_root
from strongroom.enclave.outside.misbehaviour_shown import Shown as Shown
from strongroom.enclave.outside.misbehaviour_shown import ShownAgreement as ShownAgreement
from strongroom.enclave.outside.misbehaviour_shown import ShownVote as ShownVote
from strongroom.enclave.outside.misbehaviour_shown import VerifiedShown
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.primitives import verify

NO_CONTRADICTION = "no contradiction"
"""Verdict on two files that can both be true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accused:
    """One validator, or one member, that signed both."""

    name: str
    """Of its node, if it is one of genesis, else ""; or of the member."""
    key: PublicKey
    """The node key, or the member's key."""
    signed_in: tuple[tuple[Epoch, PublicKey], ...]
    """(epoch, the key by which it signed there), of the first file, then of the second; of a
    member, the epoch that was lost."""
    evidence: VoteEvidence | None = None
    """Two votes that prove its guilt alone; the ledger takes them as they are."""
    agreed: tuple[RecoveryStatement, RecoveryStatement] | None = None
    """What a member agreed to, both times."""

    @property
    def guilty(self) -> bool:
        """Does it follow from the two files that it broke its word?"""
        return self.evidence is not None or self.agreed is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """What two files prove. Only `judge` makes one."""

    pin: str
    service: str
    simulated: bool
    what: str
    """The contradiction, in words."""
    signed_both: tuple[Accused, ...]
    """By key."""
    recovered_by: tuple[str, ...] = ()
    """Names of the members who agreed to what is not certified by validators; they need not have
    known better."""

    @property
    def guilty(self) -> tuple[Accused, ...]:
        """Those whose guilt is proven."""
        return tuple(one for one in self.signed_both if one.guilty)


def judge(first: Shown, second: Shown, pin: str) -> Misbehaviour:
    """What these two prove together.

    Raises:
        ReceiptInvalid: ``forged``: one of them is not what its service's validators signed;
            ``cannot check``: no good pin; ``no contradiction``: both can be true.
    """
    one, other = VerifiedShown(first, pin), VerifiedShown(second, pin)
    votes, agreements = dict(_contradictions(one, other)), list(_agreed_twice(one, other))
    recovered: set[str] = set()
    signed_both = [
        _accused(one, other, key, (epoch, epoch), found) for (epoch, key), found in votes.items()
    ]
    signed_both += agreements
    if votes:
        what = _of_votes(next(iter(votes.values())))
    elif agreements:
        what = f"two recoveries of epoch {agreements[0].signed_in[0][0]} under one generation"
    else:
        what, here, there = _conflict(one, other)
        epochs = (here.statement.epoch, there.statement.epoch)
        both = _signers(one, here) & _signers(other, there)
        signed_both += [_accused(one, other, key, epochs) for key in both]
        for certificate in (here, there):
            if isinstance(certificate, RecoveryCertificate):
                recovered.update(certificate.members)
                what += f", recovered by members from block {certificate.head.header.height}"
    return Misbehaviour(
        pin=pin,
        service=one.genesis.constitution.name,
        simulated=one.genesis.simulated,
        what=what,
        signed_both=tuple(sorted(signed_both, key=lambda found: found.key)),
        recovered_by=tuple(sorted(recovered)),
    )


def _agreed_twice(one: VerifiedShown, other: VerifiedShown) -> Iterator[Accused]:
    """Members that agreed to two recoveries under the same shares."""
    for ours in one.recoveries:
        for theirs in other.recoveries:
            here, there = ours.agreed, theirs.agreed
            shares = (ours.rules.generation, ours.rules.shares)
            if shares != (theirs.rules.generation, theirs.rules.shares) or here == there:
                continue
            epochs = (ours.opening.epoch, theirs.opening.epoch)
            both = {found.member for found in ours.agreements}
            for key in both & {found.member for found in theirs.agreements}:
                yield Accused(
                    name=ours.rules.name_of(key) or "",
                    key=key,
                    signed_in=((epochs[0], key), (epochs[1], key)),
                    agreed=(here, there),
                )


def _contradictions(
    one: VerifiedShown, other: VerifiedShown
) -> Iterator[tuple[tuple[Epoch, PublicKey], VoteEvidence]]:
    """Of each validator that both files show alike in an epoch, one pair that proves itself."""
    places: dict[tuple[int, int, int], list[Vote]] = {}
    for vote in one.votes:
        places.setdefault(_place(vote), []).append(vote)
    for theirs in other.votes:
        epoch = theirs.statement.epoch
        description, told = one.description(epoch), other.description(epoch)
        if description is None or told is None or theirs.signer >= len(description.validators):
            continue
        if description.validators[theirs.signer] != told.validators[theirs.signer]:
            continue
        for ours in places.get(_place(theirs), ()):
            evidence = VoteEvidence(ours, theirs)
            try:
                signer = check(evidence, one.genesis.chain, description, verify)
            except PeerFault:
                continue
            yield (epoch, description.validators[signer].node_key), evidence


def _place(vote: Vote) -> tuple[int, int, int]:
    return (vote.statement.epoch, vote.statement.view, vote.signer)


def _of_votes(evidence: VoteEvidence) -> str:
    one, two = evidence.first.statement, evidence.second.statement
    return f"{one.kind.name} and {two.kind.name} in view {one.view} of epoch {one.epoch}" + (
        f", for two blocks: {one.digest.hex()[:16]}… and {two.digest.hex()[:16]}…"
        if one.kind is two.kind
        else ""
    )


def _conflict(one: VerifiedShown, other: VerifiedShown) -> tuple[str, Finality, Finality]:
    """What two receipts tell differently, and the certificates that vouch for either.

    Raises:
        ReceiptInvalid: ``no contradiction``.
    """
    ours, theirs = one.receipt, other.receipt
    if ours is not None and theirs is not None:
        for mine, yours in zip(ours.epochs, theirs.epochs, strict=False):
            if mine.header.digest != yours.header.digest:
                epoch = mine.header.epoch
                text = f"epoch {epoch} ends with two blocks"
                return text, mine.certificate, yours.certificate
        swapped = ((text, here, there) for text, there, here in _ended(theirs, ours))
        found = [*_same_height(ours, theirs), *_ended(ours, theirs), *swapped]
        # Those of one epoch first: two quorums of it have signers in common.
        found.sort(key=lambda one: one[1].statement.epoch != one[2].statement.epoch)
        if found:
            return found[0]
    raise ReceiptInvalid(
        "both can be true: nobody signed two things here that cannot both be",
        verdict=NO_CONTRADICTION,
    )


_Conflicts = Iterator[tuple[str, Finality, Finality]]


def _ended(ours: Receipt, theirs: Receipt) -> _Conflicts:
    """Our anchor is a block of an epoch that had ended, or its last one is another."""
    header = ours.anchor
    for entry in theirs.epochs:
        last = entry.header
        if (
            header.epoch == last.epoch
            and header.height >= last.height
            and header.digest != last.digest
        ):
            text = f"block {header.height} of epoch {header.epoch}, which ended at {last.height}"
            if header.height == last.height:
                text = f"two final blocks at height {header.height}"
            yield text, ours.certificate, entry.certificate
    if ours.height == theirs.anchor.height and ours.block != theirs.anchor.digest:
        text = f"two final blocks at height {ours.height}"
        yield text, ours.certificate, theirs.certificate


def _same_height(ours: Receipt, theirs: Receipt) -> _Conflicts:
    here, there = ours.anchor, theirs.anchor
    if here.height == there.height and here.digest != there.digest:
        text = f"two final blocks at height {here.height}"
        yield text, ours.certificate, theirs.certificate
    if here.anchor.height == there.anchor.height and here.anchor.root != there.anchor.root:
        text = f"two histories up to height {here.anchor.height}"
        yield text, ours.certificate, theirs.certificate
    if ours.height == theirs.height and _leaf(ours) != _leaf(theirs):
        yield f"two outcomes of height {ours.height}", ours.certificate, theirs.certificate


def _leaf(receipt: Receipt) -> bytes:
    """What the history holds of a receipt's height."""
    root = merkle.root_from_path(
        receipt.leaf.hash, receipt.index, receipt.count, receipt.outcome_path
    )
    return HistoryLeaf(
        receipt.height,
        receipt.block,
        outcome_root(receipt.count, root),
        receipt.write_set_digest,
        receipt.snapshot_root,
    ).hash


def _signers(shown: VerifiedShown, certificate: Finality) -> set[PublicKey]:
    description = shown.description(certificate.statement.epoch)
    if description is None:
        raise ReceiptInvalid("a certificate of an epoch that its file does not show")
    return {description.validators[signer].node_key for signer in certificate.signers}


def _accused(
    one: VerifiedShown,
    other: VerifiedShown,
    node_key: PublicKey,
    epochs: tuple[Epoch, Epoch],
    evidence: VoteEvidence | None = None,
) -> Accused:
    names = {found.claims.node_key: found.claims.node for found in one.genesis.validators}
    signed_in = []
    for epoch, shown in zip(epochs, (one, other), strict=True):
        description = shown.description(epoch)
        index = None if description is None else description.index_of(node_key)
        if description is not None and index is not None:
            signed_in.append((epoch, description.validators[index].vote_key))
    return Accused(
        name=names.get(node_key, ""),
        key=node_key,
        signed_in=tuple(signed_in),
        evidence=evidence,
    )
