"""Who is at fault: the whole tree of errors, for every package.

StrongroomError
├─ OperatorFault    configuration, keys, disk: fix it and restart       → exit code 2, one-line hint
├─ PeerFault        a peer broke a rule: drop, count, disconnect        → never leaves the driver
├─ ClientFault      bad request, envelope or argument of a user         → JSON-RPC -32000…-32099
├─ AttestationError evidence does not meet the policy (reason code)     → no secret, vote or link
├─ ReceiptInvalid   a receipt or ledger does not verify against the pin → exit code 1
└─ InvariantBroken  our own bug: halt before anything wrong is signed   → crash, never caught

Checks raise; none returns a bool that a caller could forget.
"""


class StrongroomError(Exception):
    """Root of everything that we raise on purpose."""


class OperatorFault(StrongroomError):
    """Configuration, keys or disk of this machine are not as they must be; the message says what to
    do next."""


class PeerFault(StrongroomError):
    """A peer's message breaks a rule; the receiver's state is unchanged."""


class NotCanonical(PeerFault):
    """Bytes that are not the one canonical encoding of a value of the expected shape."""


class ClientFault(StrongroomError):
    """A request of a user that cannot be taken; the message says what would be."""


class AttestationError(StrongroomError):
    """Evidence was judged and refused.

    Attributes:
        reason: stable reason code, e.g. ``debug-allowed``; the same on every replica.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ReceiptInvalid(StrongroomError):
    """A receipt does not prove what it claims.

    Attributes:
        verdict: ``forged``, ``incomplete``, ``cannot check``; of two that were to contradict each
            other, ``no contradiction``.
    """

    def __init__(self, detail: str, *, verdict: str = "forged") -> None:
        super().__init__(detail)
        self.verdict = verdict


class InvariantBroken(StrongroomError):
    """Our own code contradicts itself; nothing may be signed after this."""


def invariant(holds: bool, detail: str) -> None:
    """Halt on our own bugs; stays on under ``python -O``.

    Raises:
        InvariantBroken: ``holds`` is false.
    """
    if not holds:
        raise InvariantBroken(detail)
