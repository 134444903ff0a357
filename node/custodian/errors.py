"""What a custodian refuses, in words that name the customer.

StrongroomError
├─ OperatorFault
│  ├─ TokenFault       the HSM, its PIN or its key are not as they must be; `code` says which
│  └─ JournalDamaged   the journal was changed or cut
└─ ClientFault
   └─ HalfRefused      a room gets no half; `code` is public, and says why
"""

from strongroom.consensus.errors import ClientFault, OperatorFault


class TokenFault(OperatorFault):
    """The customer's device does not do what it was asked.

    Attributes:
        customer: whose device it is: its keys pause, nobody else's.
        code: `hang`, `crash`, `busy`, `no-module`, `no-token`, `two-tokens`, `pin`, `pin-locked`,
            `no-key`, `two-keys`, `other-key`, `weak-key`, `cannot`, `exists` or `device`.
    """

    def __init__(self, code: str, words: str, *, customer: str) -> None:
        super().__init__(f"{customer}: {words}")
        self.code, self.words, self.customer = code, words, customer


class JournalDamaged(OperatorFault):
    """The journal is not what was written.

    Attributes:
        entry: the first entry that is not as it was, counted from 1.
    """

    def __init__(self, words: str, *, entry: int) -> None:
        super().__init__(words)
        self.entry = entry


class HalfRefused(ClientFault):
    """A room asked for a half, and does not get it.

    Attributes:
        code: `form`, `busy`, `chain`, `receipt`, `lease`, `not-live`, `evidence`, `policy`, `rate`,
            `not-ours`, `ledger` or `custodian-away`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
