"""Every reason for which evidence is refused; the codes are part of the interface and never change
their meaning.

The order of the checks that raise them stands in verifier.py.
"""

from enum import StrEnum
from typing import NoReturn

from strongroom.consensus.errors import AttestationError


class Reason(StrEnum):
    """A verdict class: the same on every replica, whatever the text beside it says."""

    LENGTH = "length"
    """The report has not exactly 1184 bytes."""
    VERSION = "version"
    """The report's version is not one that this code knows."""
    SIGNATURE_ALGORITHM = "signature-algorithm"
    """The report is not signed with ECDSA P-384 and SHA-384."""
    SIGNATURE_FORM = "signature-form"
    """The unsigned rest of the signature field is not zero."""
    DEBUG_ALLOWED = "debug-allowed"
    """The guest policy lets the host read the guest's memory."""
    MIGRATION_ALLOWED = "migration-allowed"
    """The guest policy lets a migration agent move the guest."""
    GUEST_POLICY = "guest-policy"
    """The guest policy has a reserved bit set, or the bit that must be one clear."""
    VMPL = "vmpl"
    """The report was asked for at a privilege level that is not the enclave's."""
    SIGNING_KEY = "signing-key"
    """The report is not signed by a chip key (or, where that is taken, a loaded key), or hides its
    chip."""
    CERTIFICATE_FORM = "certificate-form"
    """A certificate is not the DER encoding of an X.509 certificate."""
    CERTIFICATE_ALGORITHM = "certificate-algorithm"
    """A key or signature algorithm is not exactly the manufacturer's."""
    CERTIFICATE_NAME = "certificate-name"
    """A subject is not the one that this root's profile prescribes."""
    CERTIFICATE_ISSUER = "certificate-issuer"
    """A certificate does not name the next one as its issuer."""
    CERTIFICATE_EXTENSION = "certificate-extension"
    """An extension is missing, malformed, unknown and critical, or says that the key may not do
    this."""
    CERTIFICATE_SIGNATURE = "certificate-signature"
    """A certificate is not signed by the next one."""
    ROOT_UNKNOWN = "root-unknown"
    """The root's key is not pinned."""
    CERTIFICATE_REVOKED = "certificate-revoked"
    """A key of the chain is on the list of revoked keys."""
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    """A certificate's validity begins after the time of the check."""
    CERTIFICATE_EXPIRED = "certificate-expired"
    """A certificate's validity ended before the time of the check."""
    PRODUCT = "product"
    """Root, certificate and report do not name one product line, or the policy has no floors for
    it."""
    CHIP_MISMATCH = "chip-mismatch"
    """The chip key's certificate names another chip than the report."""
    TCB_MISMATCH = "tcb-mismatch"
    """The chip key's certificate names another TCB than the report."""
    REPORT_SIGNATURE = "report-signature"
    """The report is not signed by the chip key."""
    SIMULATED = "simulated"
    """The chip is simulated, and the policy takes genuine silicon only."""
    TCB_FLOOR = "tcb-floor"
    """Firmware is older than the policy's floor: committed, launched or reported."""
    MEASUREMENT = "measurement"
    """The policy does not allow this code."""
    CLAIMS_BINDING = "claims-binding"
    """The report does not commit to these claims: they were swapped, or the report was made for
    others."""
    NONCE = "nonce"
    """The evidence was made for another challenge: replayed or relayed."""
    CHAIN = "chain"
    """The evidence was made for another chain."""
    REGION = "region"
    """The policy does not allow this region."""
    DEPLOYMENT_BINDING = "deployment-binding"
    """The report does not commit to this deployment statement, or the statement is about another
    enclave."""
    OPERATOR_UNKNOWN = "operator-unknown"
    """The policy does not know this operator."""
    OPERATOR_SIGNATURE = "operator-signature"
    """The operator did not sign the deployment statement."""
    CHIP_UNKNOWN = "chip-unknown"
    """The chip is not one of this operator's: genuine, but somebody else's machine."""
    TOO_OLD = "too-old"
    """The evidence is older than the policy allows."""
    GENESIS = "genesis"
    """The genesis as a whole does not hold, though each piece of evidence does."""
    FOUNDER = "founder"
    """The service secret was not made by the enclave that has to make it."""
    NOT_A_MEMBER = "not-a-member"
    """This enclave's own keys do not stand in the genesis."""
    WRAP = "wrap"
    """The wrapped secret is missing, does not open, or is not the one that the genesis names."""


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Refuse evidence.

    Raises:
        AttestationError: always.
    """
    raise AttestationError(reason.value, detail)
