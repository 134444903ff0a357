"""What an address may ask of a node: requests weigh what they cost, and an address that asked for
much waits.

Owns the measure (bytes of described blocks; 16 KiB are about a millisecond of the node) and each
address's account of it. Strangers have one account together on top, or whoever has many addresses
(a network of IPv6) had as many allowances; organisations and this machine itself are not in it.
What needs a credential is counted by organisation instead (quota.py).
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple
from weakref import WeakValueDictionary

from strongroom.node.faults import Overloaded

RATE = 4 * 1024 * 1024
"""What an address is given per second, on average: a quarter of a core."""
BURST = 32 * 1024 * 1024
"""What it may have saved up."""
TOGETHER_BURST = BURST
"""What all strangers may have saved up together."""
NEWCOMERS_RATE = RATE // 8
"""What strangers are given per second beyond what those who ask now share: for who comes."""
LITTLE = 256 * 1024
"""What a stranger may have saved up even when strangers have used up all that they had."""
ACTIVE_SECONDS = 8.0
"""How long after its last request a stranger still has its share of what strangers are given."""
ADDRESSES_MAX = 4096
MESSAGE_BYTES_FREE = 4096
"""A message of no credential that is longer weighs its length, before it is even parsed."""
CATCHING_UP = 1 / 2
"""What a listener that catches up leaves of what may be saved up: its address may still ask."""
_IPV6_NETWORK_BITS = 64
"""Of an IPv6 address: the rest is whatever its owner likes."""
_OWN = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
"""Whence the programs of this machine ask, and a proxy on it."""
ROW = 160
"""Of a transaction that is described, told or not."""
WEIGHT = 1024
"""Of a call that reads what is in memory."""
_WEIGHTS = {
    "service_heads": 64 * 1024,  # every member signs
    "node_evidence": 64 * 1024,  # the enclave asks its chip
    "admin_diagnostics": 64 * 1024,
    "ledger_transaction": 16 * 1024,  # to find one reads a block of megabytes
    "ledger_receipt": 16 * 1024,  # likewise
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


class Payer(NamedTuple):
    """On whose account requests weigh."""

    address: str
    organisation: str = ""
    """Whose credential it showed; none: a stranger."""

    @property
    def stranger(self) -> bool:
        """Does it share with all who show no credential?"""
        return not self.organisation and self.address not in _OWN


@lru_cache(maxsize=ADDRESSES_MAX)
def network_of(address: str) -> str:
    """What one owner of addresses has: an IPv4 address, a /64 of IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address) or str(parsed) in _OWN:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))


@dataclass(slots=True)
class Strangers:
    """What all of them may still ask for together, and what each of them was given since the start.

    They are given `RATE` in equal shares among those who asked lately, so that who asks with many
    connections gets no more than who asks with one. What is saved up belongs to all: when little is
    left of it, nobody has much.
    """

    _saved: float = TOGETHER_BURST
    _given: float = 0.0
    _at: float = 0.0
    _active: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """Until when each has a share, the first to lose it first."""

    def given(self, now: float) -> float:
        """Bytes that each was given since the start, whoever asked all the time."""
        while self._active:
            until = next(iter(self._active.values()))
            if until > now:
                break
            self._go_on(until)
            self._active.popitem(last=False)
        self._go_on(now)
        return self._given

    def most(self, now: float) -> float:
        """What one of them may have saved up now."""
        self.given(now)
        return max(LITTLE, min(BURST, self._saved))

    def wait_seconds(self, now: float) -> float:
        """How long until any of them may ask; 0: now."""
        self.given(now)
        return max(0.0, -self._saved / (RATE + NEWCOMERS_RATE))

    def wait_for(self, missing: float) -> float:
        """How long until each of those who ask now is given so much."""
        return missing * max(1, len(self._active)) / RATE

    def charge(self, address: str, weight: float, now: float) -> None:
        """One of them asked for so much."""
        self.given(now)
        self._saved = min(TOGETHER_BURST, self._saved - weight)
        self._active[address] = now + ACTIVE_SECONDS
        self._active.move_to_end(address)
        if len(self._active) > ADDRESSES_MAX:
            self._active.popitem(last=False)

    def _go_on(self, now: float) -> None:
        seconds = max(0.0, now - self._at)
        self._at += seconds
        self._given += seconds * RATE / max(1, len(self._active))
        self._saved = min(TOGETHER_BURST, self._saved + seconds * (RATE + NEWCOMERS_RATE))


@dataclass(slots=True)
class Allowances:
    """What each address may still ask for; who asked for nothing for longest is forgotten."""

    strangers: Strangers = field(default_factory=Strangers)
    _levels: OrderedDict[Payer, tuple[float, float]] = field(default_factory=OrderedDict)
    """(bytes left, bytes that it had been given then) by payer."""
    _turns: WeakValueDictionary[Payer, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def check(self, payer: Payer, now: float) -> None:
        """Raises Overloaded when a payer has asked for more than it may, or all strangers have."""
        level = self._level(payer, now)
        if level < 0:
            raise Overloaded(
                "much was asked for from this address: ask again later",
                retry_after_ms=int(self._wait_for(payer, -level) * 1000) + 1,
            )
        wait = self.strangers.wait_seconds(now) if payer.stranger else 0.0
        if wait:
            raise Overloaded(
                "much was asked for by all who show no credential: ask again later, or with the "
                "credential of an organisation",
                retry_after_ms=int(wait * 1000) + 1,
            )

    def charge(self, payer: Payer, weight: int, now: float) -> None:
        """It has asked for so much."""
        level = self._level(payer, now) - weight
        if payer.stranger:
            self.strangers.charge(payer.address, weight, now)
        self._levels[payer] = (level, self._given(payer, now))
        self._levels.move_to_end(payer)
        if len(self._levels) > ADDRESSES_MAX:
            self._levels.popitem(last=False)

    def spend(self, payer: Payer, weight: int, now: float) -> None:
        """Both; raises Overloaded, and charges nothing then."""
        self.check(payer, now)
        self.charge(payer, weight, now)

    def wait_to_catch_up(self, payer: Payer, now: float) -> float:
        """Seconds until a listener of this payer may go on catching up; 0: now."""
        missing = CATCHING_UP * self._most(payer, now) - self._level(payer, now)
        together = self.strangers.wait_seconds(now) if payer.stranger else 0.0
        return max(0.0, together, self._wait_for(payer, missing))

    def turn_to_catch_up(self, payer: Payer) -> asyncio.Lock:
        """Listeners of a payer catch up one at a time, however many connections they have: what
        an event weighs is known when it is read."""
        turn = self._turns.get(payer)
        if turn is None:
            turn = self._turns[payer] = asyncio.Lock()
        return turn

    def _level(self, payer: Payer, now: float) -> float:
        most, given = self._most(payer, now), self._given(payer, now)
        level, before = self._levels.get(payer, (most, given))
        return min(most, level + given - before)

    def _most(self, payer: Payer, now: float) -> float:
        return self.strangers.most(now) if payer.stranger else BURST

    def _given(self, payer: Payer, now: float) -> float:
        return self.strangers.given(now) if payer.stranger else now * RATE

    def _wait_for(self, payer: Payer, missing: float) -> float:
        return self.strangers.wait_for(missing) if payer.stranger else missing / RATE
