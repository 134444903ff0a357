"""The floor: what the bare cryptography of the same transactions costs on this machine, in the same
run.

Per transaction and replica: one AES-256-GCM open of the call, one AES-256-GCM-SIV seal of the
result, two SHA-256 (id and leaf), one msgpack unpack and pack. Per block: each replica signs and
checks votes, its enclave checks a certificate. Everything above this floor is ours to save.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import msgpack

from strongroom.consensus.quorum import Quorum
from strongroom.enclave.primitives import DeterministicBox, Secret, SequenceBox, SigningKey, verify

REPEATS = 2000
ROUNDS = 5
RESULT_BYTES = 112
"""Plaintext of a payment's result, padded."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Costs in µs of one processor."""

    transaction_us: float
    """Per transaction and replica."""
    sign_us: float
    verify_us: float

    def per_transaction(self, *, nodes: int, running: int, transactions_per_block: float) -> float:
        """µs of processor per transaction on all running replicas together, votes included.

        Each replica signs two votes and checks q−1 of others for each of two certificates; its
        enclave checks q.
        """
        quorum = Quorum(nodes).size
        votes = running * (2 * self.sign_us + (2 * (quorum - 1) + quorum) * self.verify_us)
        return running * self.transaction_us + votes / max(1.0, transactions_per_block)


def measure_floor(envelope_bytes: int) -> Floor:
    """Measure now; the best of a few rounds, for noise only ever adds."""
    call, result, message = bytes(envelope_bytes - 64), bytes(RESULT_BYTES), bytes(103)
    box, reply, key = (
        SequenceBox(Secret.fresh()),
        DeterministicBox(Secret.fresh()),
        SigningKey(Secret.fresh()),
    )
    sealed, signature = box.seal(1, call, b"header"), key.sign(message)
    packed = msgpack.packb(("payments", bytes(32), "transfer", (bytes(32), "", 5, "", "memo")))

    def transaction() -> None:
        box.open(1, sealed, b"header")
        reply.seal(1, result, b"header")
        sha256(sealed).digest()
        sha256(result).digest()
        msgpack.packb(msgpack.unpackb(packed))

    return Floor(
        transaction_us=_best(transaction, REPEATS),
        sign_us=_best(lambda: key.sign(message), REPEATS // 10),
        verify_us=_best(lambda: verify(key.public, signature, message), REPEATS // 10),
    )


def _best(work: Callable[[], object], repeats: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(repeats):
            work()
        rounds.append((time.process_time() - began) / repeats * 1e6)
    return min(rounds)
