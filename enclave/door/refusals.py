"""Why an enclave refuses a request: a closed list, and the refusal that travels (DESIGN §2).

Owns the numbers on the wire. Which error of the enclave is which kind stands in serve.py; a host
turns kinds into exceptions of its own (node/enclave_client/refusals.py).
"""

from enum import IntEnum, unique

from strongroom.consensus.errors import StrongroomError


@unique
class RefusalKind(IntEnum):
    """The nearest error of the enclave that the door knows."""

    UNFORESEEN = 0
    """A bug of ours, met while others' bytes were judged: an alarm."""
    OPERATOR_FAULT = 1
    PEER_FAULT = 2
    NOT_CANONICAL = 3
    CLIENT_FAULT = 4
    ATTESTATION_ERROR = 5
    OUT_OF_ORDER = 6
    NOT_FRESH = 7
    STALE_HEADS = 8
    SUPERSEDED = 9
    SILENCED = 10
    GUARD_REFUSES = 11
    KEYS_NEEDED = 12
    EPOCH_UNKNOWN = 13
    LOAD_REFUSED = 14
    QUERY_REFUSED = 15
    BELOW_DEMANDED = 16
    HEADS_NEEDED = 17
    DOES_NOT_OPEN = 18

    @property
    def label(self) -> str:
        """The name of the enclave's error, e.g. ``KeysNeeded``: for logs, and the reason that a
        client is told when there is no closer one."""
        return "".join(part.capitalize() for part in self.name.split("_"))


class Refusal(StrongroomError):
    """The enclave refused a request, and nothing was changed.

    Attributes:
        kind: what kind of error its reason is.
        reason: stable reason code when it has one.
    """

    def __init__(self, kind: RefusalKind, reason: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.reason = kind, reason
