"""What a session secret gives: keys for calls, replies and queries, and the blinding of claims
(DESIGN §4).

Both ends derive the same from the 32 bytes that the opening carried. Every key is bound to chain,
epoch and session.
"""

from strongroom.consensus import labels
from strongroom.consensus.types import ChainId, Digest, Epoch
from strongroom.enclave.primitives import DeterministicBox, Secret, SequenceBox

SESSION_SALT_SIZE = 32


class SessionKeys:
    """The keys of one session; no repr shows them."""

    __slots__ = (
        "_context",
        "_queries",
        "_query_secret",
        "_reply_secret",
        "_secret",
        "call",
        "reply",
    )

    def __init__(self, secret: Secret, chain: ChainId, epoch: Epoch, session: Digest) -> None:
        self._context = chain + epoch.to_bytes(8, "big") + session
        self._secret = secret
        self._reply_secret = secret.derive(labels.REPLY_KEY, self._context)
        self._query_secret: Secret | None = None
        self._queries: SequenceBox | None = None
        self.call = SequenceBox(secret.derive(labels.CALL_KEY, self._context))
        """Opens calls; written to by the client alone, one sequence number once."""
        self.reply = DeterministicBox(self._reply_secret)
        """Seals results; the place is the call's sequence number."""

    @property
    def query_secret(self) -> Secret:
        """From which the keys of answers derive."""
        if self._query_secret is None:
            self._query_secret = self._secret.derive(labels.QUERY_KEY, self._context)
        return self._query_secret

    @property
    def queries(self) -> SequenceBox:
        """Opens queries; written to by the client alone, with a counter of their own."""
        if self._queries is None:
            self._queries = SequenceBox(self.query_secret)
        return self._queries

    def blinding(self, transaction: bytes) -> bytes:
        """32 bytes that hide a transaction's claim on the ledger until the sender hands them over
        (T14)."""
        return self._reply_secret.derive(labels.BLINDING, transaction).reveal()

    def __repr__(self) -> str:
        return "SessionKeys(…)"


def answer_box(secret: Secret, salt: bytes, query: Digest) -> SequenceBox:
    """The box of one answer: its key is fresh with every salt, and good for this query envelope
    alone (T07)."""
    return SequenceBox(secret.derive(labels.ANSWER_KEY, salt + query))
