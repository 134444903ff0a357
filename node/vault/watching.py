"""What happens to keys, told as it comes: records, refusals, leases that fall silent.

Owns what was told already, so that nothing is told twice and what went by unseen is counted. Knows
no terminal and no clock: whoever wants the next news asks for them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

RECORDS_AT_ONCE = 100
TURNS_MAX = 10
"""Pages of one kind that one look at a key reads; what is left comes with the next look."""
LEASES_WATCHED_MAX = 100
"""Of one key, the newest."""
KEYS_WATCHED_MAX = 64
_ALL = 2**32
"""More records than any key has."""
_SILENT = ("late", "lapsed", "frozen")
"""States that come without a record: by time, or by what another room did."""

Ask = Callable[..., Awaitable[Any]]
"""One query: name and arguments → its value."""
Account = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened to a key."""

    key: str
    time_ms: int
    """Block time; 0: unknown."""
    what: str
    lease: bytes = b""
    amount: int = 0
    detail: str = ""
    refused: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a document."""
        return {
            "key": self.key,
            "time_ms": self.time_ms,
            "what": self.what,
            "lease": self.lease.hex() or None,
            "amount": self.amount,
            "detail": self.detail,
            "refused": self.refused,
        }


@dataclass(slots=True)
class _Seen:
    """What was told of one key."""

    last: int
    """How many records from before are told at first."""
    totals: dict[bool, int] = field(default_factory=dict)
    """By kind (refusals or not): number of the newest record that was told."""
    states: dict[bytes, str] = field(default_factory=dict)
    """Of the newest leases."""
    before: int = 0
    """Number of the lease before these."""


class Watch:
    """News of some keys: `await watch.look()`, again and again."""

    def __init__(self, ask: Ask, keys: Sequence[Account], *, last: int = 0) -> None:
        """Prepare.

        Args:
            ask: how the ledger is asked.
            keys: which; the first KEYS_WATCHED_MAX of them.
            last: how many records from before are told at first, of each kind.
        """
        self._ask = ask
        self._seen = {key: _Seen(last) for key in keys[:KEYS_WATCHED_MAX]}

    def follow(self, keys: Sequence[Account]) -> None:
        """Watch these too; of one that is new, all that is kept is told."""
        for key in keys:
            if key not in self._seen and len(self._seen) < KEYS_WATCHED_MAX:
                self._seen[key] = _Seen(_ALL)

    async def look(self) -> list[News]:
        """What is new since the last look, in the order of block time.

        Raises:
            ProgramFailed: a key is another's.
            Unreachable: no node answers.
        """
        news: list[News] = []
        for key, seen in self._seen.items():
            for refused in (False, True):
                news += await self._records(key, seen, refused)
            news += await self._leases(key, seen)
        return sorted(news, key=lambda one: one.time_ms)

    async def _records(self, key: Account, seen: _Seen, refused: bool) -> list[News]:
        news: list[News] = []
        for _ in range(TURNS_MAX):
            if refused not in seen.totals:
                known = await self._page(key, 2**53, refused)
                seen.totals[refused] = max(0, known["total"] - seen.last)
            page = await self._page(key, seen.totals[refused], refused)
            for record in page["records"]:
                missed = record["number"] - seen.totals[refused] - 1
                if missed:
                    news.append(News(key[1], record["time_ms"], "missed", amount=missed))
                seen.totals[refused] = record["number"]
                news.append(_news(key[1], record, refused))
            if len(page["records"]) < RECORDS_AT_ONCE:
                break
        return news

    async def _page(self, key: Account, after: int, refused: bool) -> dict[str, Any]:
        page: dict[str, Any] = await self._ask(
            "vault.records", key=key, after=after, limit=RECORDS_AT_ONCE, refusals=refused
        )
        return page

    async def _leases(self, key: Account, seen: _Seen) -> list[News]:
        newest = await newest_leases(self._ask, key, seen.before)
        seen.before = newest[0]["number"] - 1 if newest else seen.before
        states = {lease["lease"]: lease["state"] for lease in newest}
        news = [
            News(key[1], 0, state, lease=lease)
            for lease, state in states.items()
            if state in _SILENT and seen.states.get(lease, state) != state
        ]
        seen.states = states
        return news


async def newest_leases(ask: Ask, key: Account, after: int = 0) -> list[dict[str, Any]]:
    """The newest leases of a key, at most LEASES_WATCHED_MAX, in order of their numbers.

    Args:
        ask: how the ledger is asked.
        key: which.
        after: leases up to this number are not wanted.
    """
    newest: list[dict[str, Any]] = []
    while True:
        page = await ask("vault.leases", key=key, after=after, limit=LEASES_WATCHED_MAX)
        newest = (newest + page)[-LEASES_WATCHED_MAX:]
        if len(page) < LEASES_WATCHED_MAX:
            return newest
        after = page[-1]["number"]


def _news(key: str, record: dict[str, Any], refused: bool) -> News:
    return News(
        key,
        record["time_ms"],
        record["what"],
        lease=record["lease"],
        amount=record["amount"],
        detail=record["detail"],
        refused=refused,
    )
