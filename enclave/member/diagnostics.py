"""What an enclave tells of itself under a grant: counts, sizes, versions and timings; no key, and
nothing that a user sent (VAULT §6).

Owns the closed list of fields (docs/privileged-access.md says what each means) and the counting of
what this process did. Who may have them, and how they are sealed, is granted.py's.
"""

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

DIAGNOSTICS_FIELDS = (
    "measurement",
    "python",
    "boot",
    "stage",
    "may_vote",
    "provisional",
    "height",
    "block_ms",
    "epoch",
    "validators",
    "epochs_held",
    "inputs_held",
    "offers_opened",
    "open_epochs",
    "sessions",
    "uptime_ms",
    "cpu_ms",
    "memory_blocks",
    "runs_executed",
    "blocks_executed",
    "transactions_executed",
    "execution_ms",
    "longest_run_ms",
    "blocks_applied",
    "entries",
)
"""In the order in which they are told."""


class Counters:
    """What this process has executed and applied since it began."""

    __slots__ = ("_began", "applied", "blocks", "longest_ms", "runs", "spent_ms", "transactions")

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.runs = self.blocks = self.transactions = self.applied = 0
        self.spent_ms = self.longest_ms = 0

    def begin(self) -> Callable[[int, int], None]:
        """Before a run of blocks; what is returned is told blocks and transactions after it."""
        started = time.monotonic()

        def end(blocks: int, transactions: int) -> None:
            spent_ms = int((time.monotonic() - started) * 1000)
            self.runs, self.blocks = self.runs + 1, self.blocks + blocks
            self.transactions += transactions
            self.spent_ms, self.longest_ms = (
                self.spent_ms + spent_ms,
                max(self.longest_ms, spent_ms),
            )

        return end

    def told(self) -> dict[str, int]:
        """All of it, by field."""
        return {
            "uptime_ms": int((time.monotonic() - self._began) * 1000),
            "cpu_ms": int(time.process_time() * 1000),
            "memory_blocks": sys.getallocatedblocks(),
            "runs_executed": self.runs,
            "blocks_executed": self.blocks,
            "transactions_executed": self.transactions,
            "execution_ms": self.spent_ms,
            "longest_run_ms": self.longest_ms,
            "blocks_applied": self.applied,
        }


def diagnostics(known: dict[str, Any], entries: Iterable[tuple[str, int]]) -> tuple[Any, ...]:
    """((field, value) …) for the codec.

    Args:
        known: value by field, but for `entries`.
        entries: how many items each map of the state has, by its name.

    Raises:
        KeyError: a field has no value: our own bug.
    """
    whole = known | {"entries": tuple(entries)}
    return tuple((field, whole[field]) for field in DIAGNOSTICS_FIELDS)
