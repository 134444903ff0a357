"""What two twins keep secret: who pays whom, how much, with which words, whether it works, and what
stands in accounts.

Owns the choice, so that nothing else differs between two runs. Some of it are canaries, which do
not turn up by chance. All of it stays within one size class, for classes are not secret (DESIGN
§1).
"""

import random
import string
from dataclasses import dataclass

from strongroom.node.cluster.plan import USERS

BURST = 48
"""Payments that leave in one frame."""
SINGLES = 7
"""Payments that leave one by one."""
MEMO_LETTERS = 16
LONG_MEMO_LETTERS = 40
"""Still in the smallest size class of envelopes, beside everything else of a payment."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One payment that is tried."""

    to: str
    amount: int
    memo: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything that differs between two twins."""

    name: str
    payer: str
    asker: str
    third: str
    balances: tuple[int, int, int]
    """What payer, asker and third are issued."""
    singles: tuple[Attempt, ...]
    burst: tuple[Attempt, ...]
    account: str
    """A label that the payer opens an account under."""
    canaries: tuple[str, ...]
    """Texts that no host may have, anywhere: a word of every memo, the label, an amount as digits
    and as bytes."""


def quiet_twin(chance: random.Random) -> Secrets:
    """Small sums between few, in many words; everything works. One balance is large enough to be
    found."""
    payer, asker, third = USERS
    word, label, large = _word(chance), _word(chance), _letters(chance, "A")
    long_word = word.ljust(LONG_MEMO_LETTERS, "x")
    attempts = [Attempt(asker, 1 + number, long_word) for number in range(SINGLES + BURST)]
    return Secrets(
        name="quiet",
        payer=payer,
        asker=asker,
        third=third,
        balances=(large, 1, 2),
        singles=tuple(attempts[:SINGLES]),
        burst=tuple(attempts[SINGLES:]),
        account=label,
        canaries=(word, label, *_forms(large)),
    )


def loud_twin(chance: random.Random) -> Secrets:
    """Large sums between others, in few words or none; much of it fails, each time for another
    reason."""
    third, payer, asker = USERS
    word, label, large = _word(chance), _word(chance), _letters(chance, "A")
    long_word = word.ljust(LONG_MEMO_LETTERS, "x")
    singles = (
        Attempt(third, large, ""),
        Attempt(f"id:{chance.randbytes(32).hex()}", 1, word),
        Attempt(asker, 1, word),
        Attempt(asker, 2**63 - 1, ""),
        Attempt(asker, 5, word, source=label),
        Attempt(payer, 7, word),
        Attempt(f"{asker}/nowhere", 7, long_word),
    )
    return Secrets(
        name="loud",
        payer=payer,
        asker=asker,
        third=third,
        balances=(_letters(chance, "B"), 2**60, 1),
        singles=singles,
        burst=tuple(
            Attempt(asker, 1 + at // 2, "", source="none" if at % 2 else "") for at in range(BURST)
        ),
        account=label.ljust(LONG_MEMO_LETTERS, "y"),
        canaries=(word, label, *_forms(large)),
    )


def _word(chance: random.Random) -> str:
    return "".join(chance.choices(string.ascii_letters + string.digits, k=MEMO_LETTERS))


def _letters(chance: random.Random, first: str) -> int:
    """An amount whose 8 bytes are letters; below 2^63, because every letter is below 0x80."""
    return int.from_bytes(
        (first + "".join(chance.choices(string.ascii_uppercase, k=7))).encode(), "big"
    )


def _forms(amount: int) -> tuple[str, str, str]:
    """Digits, and its bytes in either order, as texts."""
    big = amount.to_bytes(8, "big").decode()
    return str(amount), big, big[::-1]
