"""Why a signed token, or a key for one, is refused: the codes mean what those of the same name mean
for evidence (node/evidence/reasons.py)."""

from enum import StrEnum
from typing import NoReturn

from strongroom.consensus.errors import AttestationError


class Reason(StrEnum):
    """The class of a refusal."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    """The bytes are no token, or no key."""
    ENCODING = "encoding"
    """base64url in another than its one canonical form."""
    HEADER = "header"
    """A header that is unknown or not allowed here, or another type of token."""
    CRITICAL_HEADER = "critical-header"
    """The token says that something must be understood; nothing is."""
    ALGORITHM = "algorithm"
    """Another algorithm than the pinned key's; ``none`` is one."""
    SIGNATURE = "signature"


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Refuse a token or key.

    Raises:
        AttestationError: always.
    """
    raise AttestationError(reason.value, detail)


def demand(holds: bool, reason: Reason, detail: str) -> None:
    """Refuse a token or key unless something holds.

    Raises:
        AttestationError: it does not.
    """
    if not holds:
        refuse(reason, detail)
