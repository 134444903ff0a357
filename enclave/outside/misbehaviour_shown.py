"""What one file shows that is to contradict another: votes, agreements of members, a history.

Owns the check of one file alone, against the pin. What contradicts what is misbehaviour.py's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    NotCanonical,
    PeerFault,
    ReceiptInvalid,
)
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Certificate, Vote
from strongroom.consensus.types import ChainId, Epoch
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.enclave.primitives import digest, verify
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, epoch_chain, verify_genesis


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVote:
    """One vote, and what proves who its signer is. Nothing in it is trusted yet."""

    genesis: bytes
    vote: Vote
    epochs: tuple[EpochEntry, ...] = ()
    """What opened every epoch from 1 to the vote's, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAgreement:
    """What members agreed to when a service was dead, be they enough or not. Nothing in it is
    trusted yet."""

    genesis: bytes
    certificate: RecoveryCertificate
    epochs: tuple[EpochEntry, ...] = ()
    """What opened every epoch from 1 to the lost one, in order."""


Shown = Receipt | ShownVote | ShownAgreement


class VerifiedShown:
    """One file, checked against the pin: its genesis, its epochs, and whatever is signed in it."""

    def __init__(self, shown: Shown, pin: str) -> None:
        """Check.

        Raises:
            ReceiptInvalid: ``forged``, or ``cannot check`` without a good pin.
        """
        if isinstance(shown, Receipt):
            verify_receipt(shown, pin)
        self.receipt = shown if isinstance(shown, Receipt) else None
        self.genesis = _genesis(shown.genesis, pin)
        self.epochs: EpochChain = epoch_chain(self.genesis)
        try:
            for entry in shown.epochs:
                self.epochs.extend(entry)
            if isinstance(shown, ShownVote):
                epoch = self._known(shown.vote.statement.epoch)
                shown.vote.check(self.genesis.chain, epoch, verify)
            if isinstance(shown, ShownAgreement):
                self._check_agreements(shown.certificate)
        except PeerFault as fault:
            raise ReceiptInvalid(str(fault)) from None
        self.votes = tuple(_votes(shown))
        self.recoveries = self.epochs.recoveries()
        if isinstance(shown, ShownAgreement):
            self.recoveries = (*self.recoveries, shown.certificate)

    def description(self, epoch: Epoch) -> EpochDescription | None:
        """Of an epoch that this file shows."""
        return self.epochs.description(epoch)

    def goes_on(self, later: RecoveryCertificate, earlier: RecoveryCertificate) -> bool:
        """Does a recovery that this file shows go on from an earlier one, which was carried out?"""
        began = self.epochs.anchor_of(Epoch(earlier.opening.epoch + 1))
        return (
            later.opening.epoch > earlier.opening.epoch
            and began is not None
            and began.digest == earlier.opening.digest
        )

    def _known(self, epoch: Epoch) -> EpochDescription:
        found = self.description(epoch)
        if found is None:
            raise PeerFault(f"the file does not show epoch {epoch}, of what is signed in it")
        return found

    def _check_agreements(self, certificate: RecoveryCertificate) -> None:
        chain, epoch = self.genesis.chain, certificate.opening.epoch
        certificate.check_grounds(
            chain, self._known(epoch), verify, anchor=self.epochs.anchor_of(epoch)
        )
        statement = certificate.agreed
        for agreement in certificate.agreements:
            agreement.check(statement, certificate.rules, chain, verify)


def _genesis(data: bytes, pin: str) -> VerifiedGenesis:
    try:
        chain = chain_of(pin)
    except ClientFault as fault:
        raise ReceiptInvalid(str(fault), verdict="cannot check") from None
    if ChainId(digest(data)) != chain:
        raise ReceiptInvalid("a file is of another service than the pinned one")
    try:
        return verify_genesis(data)
    except (AttestationError, NotCanonical) as error:
        raise ReceiptInvalid(
            f"the evidence of the service's enclaves does not verify: {error}"
        ) from None


def _votes(shown: Shown) -> Iterator[Vote]:
    if isinstance(shown, ShownVote):
        yield shown.vote
        return
    last = shown.certificate
    for certificate in (*(entry.certificate for entry in shown.epochs), last):
        if not isinstance(certificate, RecoveryCertificate):
            yield from _votes_of(certificate)
        elif certificate.head.certificate is not None:
            yield from _votes_of(certificate.head.certificate)


def _votes_of(certificate: Certificate) -> Iterator[Vote]:
    for signer, signature in zip(certificate.signers, certificate.signatures, strict=True):
        yield Vote(certificate.statement, signer, signature)
