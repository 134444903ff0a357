"""A lease's keeper between a clock that a test turns and a ledger that says what the test says."""

from collections.abc import Callable
from typing import Any

from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.room.leases import LeaseKeeper
from strongroom.enclave.room.ledger import Executed
from strongroom.enclave.room.turns import Turns

KEY = KeyVersion(owner=bytes(32), name="toy", version=1)
PIECES = 4
OPENED_MS = 1_000_000
LEASE_MS, HEARTBEAT_MS = 30_000, 10_000
Answer = Callable[[str, tuple[Any, ...]], Any]


class Clock:
    """Seconds that pass when a room waits for its host, and as a test says."""

    def __init__(self) -> None:
        self.seconds = 5.0

    def __call__(self) -> float:
        return self.seconds


class ScriptedLedger:
    """Stands for the way to the ledger: keeps what is asked, and answers by the test's word."""

    def __init__(self, clock: Clock) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.answer: Answer = self.honest
        self._clock = clock
        self.reserved = 1
        self.waited = 0.0
        """Until when the newest answer was waited for."""

    def ms(self) -> int:
        """Block time now: OPENED_MS when the clock said 5 s."""
        return OPENED_MS + int((self._clock() - 5.0) * 1000)

    def honest(self, operation: str, words: tuple[Any, ...]) -> Any:
        """What the vault would say of a lease that stands."""
        if operation != "beat":
            return {"returned": 0}
        self.reserved += words[3]
        return {
            "until_ms": self.ms() + LEASE_MS,
            "heartbeat_ms": HEARTBEAT_MS,
            "allotment": self.reserved - words[2],
            "piece": words[4],
            "piece_key": bytes([words[4]] * 32) if words[4] >= 0 else b"",
        }

    async def call(self, program: str, operation: str, *words: Any, until: float) -> Executed:
        """One transaction."""
        assert program == "vault"
        assert until > self._clock()
        self.waited = until
        self.asked.append((operation, words))
        return executed(self.answer(operation, words))

    def of(self, operation: str) -> list[tuple[Any, ...]]:
        """Words of each call of an operation."""
        return [words for one, words in self.asked if one == operation]


def executed(value: Any) -> Executed:
    """A call's answer."""
    return Executed(TransactionId(bytes(32)), Height(7), value, b"")


class Bench:
    """One lease of a room, asked at 5 s."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock, wall=lambda: 1.8e9 + self.clock())
        self.ledger = ScriptedLedger(self.clock)
        self.shown: list[float] = []
        """When evidence was made."""
        told = {
            "lease": bytes(16),
            "pieces": PIECES,
            "custody": "ledger",
            "wrapped": b"",
            "digest": b"",
            "custodian": b"",
            "customer": "",
            "allotment": 1,
            "half": bytes(32),
            "until_ms": OPENED_MS + LEASE_MS,
            "heartbeat_ms": HEARTBEAT_MS,
        }
        self.keeper = LeaseKeeper(
            self.ledger,  # type: ignore[arg-type]
            self.turns,
            self._evidence,
            KEY,
            executed(told),
            sent=self.clock(),
            opened_ms=OPENED_MS,
        )

    async def _evidence(self) -> bytes:
        self.shown.append(self.clock())
        return b"evidence"

    def run(self, coroutine: Any, *, step: float = 0.1) -> Any:
        """Until it ends; each look at the host lets `step` seconds pass."""

        def look() -> None:
            self.clock.seconds += step

        return self.turns.run(self.turns.spawn(coroutine), look)

    def keep(self, seconds: float) -> None:
        """Let the lease be kept for so long, by the clock."""
        self.turns.spawn(self.keeper.keep())
        self.turns.spawn(self.keeper.watch())
        self.run(self.turns.pause(seconds))
