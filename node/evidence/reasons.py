"""Every reason for which evidence of another kind than our own is refused; the codes are part of
the interface.

Owns the codes and their meaning, never the order in which they are found (that stands in each
kind's module). Reports of SEV-SNP keep the codes of strongroom.enclave.attestation.reasons; where
both lists have a code, it means the same.
"""

from enum import StrEnum
from typing import NoReturn

from strongroom.consensus.errors import AttestationError, StrongroomError


class Reason(StrEnum):
    """Why evidence is bad."""

    MALFORMED = "malformed"
    """The bytes are not what this kind of evidence is made of."""
    ENCODING = "encoding"
    """The bytes can be read, but are not the one canonical form (PEM, DER, CBOR, base64url, hex,
    JSON)."""
    TOO_LARGE = "too-large"
    """A file, list or depth is over its named bound."""
    LENGTH = "length"
    """A part has another length than its header says or its type has."""
    TRAILING_BYTES = "trailing-bytes"
    """Something follows the evidence that is not zero padding."""
    VERSION = "version"
    """A version that this code does not know."""
    ALGORITHM = "algorithm"
    """A signature algorithm that is not allowed here, or does not fit the key; ``none`` is one."""
    HEADER = "header"
    """A header is missing, unknown, unprotected or contradicts another."""
    CRITICAL_HEADER = "critical-header"
    """A header that must be understood is not, or the list of such headers is malformed."""
    SIGNATURE = "signature"
    """A signature does not verify over exactly the bytes that it has to cover."""
    KEY_UNKNOWN = "key-unknown"
    """No pinned key has the name that the evidence gives."""
    KEY_NOT_PINNED = "key-not-pinned"
    """The evidence brings a key of its own, and it is not the pinned one."""
    KEY_BINDING = "key-binding"
    """The evidence was made for another key: stolen or relayed."""
    KEY_SOURCE = "key-source"
    """The token names a place for keys that is not its issuer's."""
    ISSUER = "issuer"
    """The issuer is not the pinned one."""
    FEED = "feed"
    """Signed by the right hand, for another feed."""
    PROFILE = "profile"
    """A profile or attestation type that this code does not know."""
    CLAIMS = "claims"
    """A claim is missing, of a wrong type, or contradicts another."""
    CLAIMS_BINDING = "claims-binding"
    """The signed report does not commit to these claims."""
    PAYLOAD_BINDING = "payload-binding"
    """The proof is genuine, but of something else."""
    TRANSACTION = "transaction"
    """The commit evidence and the receipt name transactions that cannot belong together."""
    NOT_YET_VALID = "not-yet-valid"
    """Valid only after the time of the check, or issued after it."""
    EXPIRED = "expired"
    """No longer valid at the time of the check."""
    CERTIFICATE_FORM = "certificate-form"
    """A certificate, or an extension of it, is not as its profile demands."""
    CERTIFICATE_CHAIN = "certificate-chain"
    """A certificate is not issued by the next one, or may not issue."""
    ROOT_UNKNOWN = "root-unknown"
    """The root's key is not pinned."""
    REVOKED = "revoked"
    """A certificate or a whole level of firmware is revoked."""
    EXTENDED_KEY_USAGE = "extended-key-usage"
    """The certificate was not issued for this use."""
    DEBUG = "debug"
    """The host may read the memory."""
    MIGRATION = "migration"
    """The guest can be moved, or a service domain is bound to it."""
    ATTRIBUTES = "attributes"
    """An attribute is reserved, unknown, or not as safety needs it."""
    PLATFORM_IDENTITY = "platform-identity"
    """The quoting enclave or the module is not the manufacturer's."""
    FIRMWARE = "firmware"
    """Firmware older than every level that the collateral knows."""
    COLLATERAL = "collateral"
    """The collateral is malformed, not genuine, or of another platform."""
    COLLATERAL_SIGNATURE = "collateral-signature"
    """The collateral was edited."""
    MEASUREMENT = "measurement"
    """The code is not the one that is endorsed or demanded."""
    SECURITY_VERSION = "security-version"
    """The endorsed security version is below the floor."""
    REPORT_DATA = "report-data"
    """The report does not carry the data that was demanded."""
    STATUS_UNKNOWN = "status-unknown"
    """A status that is on no list."""
    CONTRAINDICATED = "contraindicated"
    """The verifier that signed it found the platform not trustworthy."""
    SIMULATED = "simulated"
    """The root is not a manufacturer's, and the policy takes genuine silicon only."""
    LIBRARY = "library"
    """The library that judges this kind refused, and says nothing that we have a code for."""


class Unjudged(StrEnum):
    """Why there is no verdict."""

    UNKNOWN_KIND = "unknown-kind"
    MISSING_FILE = "missing-file"
    NO_LIBRARY = "no-library"
    NO_POLICY = "no-policy"
    POLICY = "policy"
    """The policy demands something that this code does not understand."""
    UNSIGNED = "unsigned"
    """Well formed, and nobody signed it."""


class CannotJudge(StrongroomError):
    """There is no verdict: something that the check needs is missing.

    Attributes:
        reason: stable code.
    """

    def __init__(self, reason: Unjudged, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Refuse evidence.

    Raises:
        AttestationError: always.
    """
    raise AttestationError(reason.value, detail)


def demand(holds: bool, reason: Reason, detail: str) -> None:
    """Refuse evidence unless something holds.

    Raises:
        AttestationError: it does not.
    """
    if not holds:
        refuse(reason, detail)
