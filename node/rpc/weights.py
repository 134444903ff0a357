"""What an address may ask of a node: requests weigh what they cost, and an address that asked for
much waits.

Owns the measure (bytes of described blocks; 16 KiB are about a millisecond of the node) and each
address's account of it. What needs a credential is counted by organisation instead (quota.py).
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from strongroom.node.faults import Overloaded

RATE = 4 * 1024 * 1024
"""What an address is given per second, on average: a quarter of a core."""
BURST = 32 * 1024 * 1024
"""What it may have saved up."""
ADDRESSES_MAX = 4096
MESSAGE_BYTES_FREE = 4096
"""A message of no credential that is longer weighs its length, before it is even parsed."""
CATCHING_UP = BURST // 2
"""What a listener that catches up leaves of it: its address may still ask."""
ROW = 160
"""Of a transaction that is described, told or not."""
WEIGHT = 1024
"""Of a call that reads what is in memory."""
_WEIGHTS = {
    "service_heads": 64 * 1024,  # every member signs
    "node_evidence": 64 * 1024,  # the enclave asks its chip
    "admin_diagnostics": 64 * 1024,
    "ledger_receipt": 8 * 1024,
    "ledger_consistency": 8 * 1024,
    "ledger_header": 4 * 1024,
    "ledger_search": 16 * 1024,
    "service_info": 4 * 1024,
    "service_epochs": 4 * 1024,
    "governance_state": 4 * 1024,
    "governance_proposals": 4 * 1024,
    "service_nodes": 4 * 1024,
    "node_consensus": 4 * 1024,
    "blob_missing": 16 * 1024,
    "rpc.discover": 16 * 1024,
}


def weight_of(method: str) -> int:
    """What one call weighs before it is begun; blocks weigh their bytes on top."""
    return _WEIGHTS.get(method, WEIGHT)


@dataclass(slots=True)
class Allowances:
    """What each address may still ask for; who asked for nothing for longest is forgotten."""

    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """(bytes left, at what time) by address."""
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def check(self, address: str, now: float) -> None:
        """Raises Overloaded when an address has asked for more than it may."""
        level = self._level(address, now)
        if level < 0:
            wait = int(-level / RATE * 1000) + 1
            raise Overloaded(
                "much was asked for from this address: ask again later", retry_after_ms=wait
            )

    def charge(self, address: str, weight: int, now: float) -> None:
        """It has asked for so much."""
        self._levels[address] = (self._level(address, now) - weight, now)
        self._levels.move_to_end(address)
        if len(self._levels) > ADDRESSES_MAX:
            self._levels.popitem(last=False)

    def spend(self, address: str, weight: int, now: float) -> None:
        """Both; raises Overloaded, and charges nothing then."""
        self.check(address, now)
        self.charge(address, weight, now)

    def wait_to_catch_up(self, address: str, now: float) -> float:
        """Seconds until a listener of this address may go on catching up; 0: now."""
        missing = CATCHING_UP - self._level(address, now)
        return max(0.0, missing / RATE)

    def turn_to_catch_up(self, address: str) -> asyncio.Lock:
        """Listeners of an address catch up one at a time, however many connections they have: what
        an event weighs is known when it is read."""
        turn = self._turns.get(address)
        if turn is None:
            turn = self._turns[address] = asyncio.Lock()
        return turn

    def _level(self, address: str, now: float) -> float:
        level, since = self._levels.get(address, (float(BURST), now))
        return min(float(BURST), level + (now - since) * RATE)
