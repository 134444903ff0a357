"""Real payments through the ledger: open the accounts, pay in file order, compare every balance
with a plain replay.

Owns the run and its figures. One member holds all accounts, named by their id in the file; the
transfers go through one session at one node, many under way at once.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.programs.payments import LABEL_MAX
from strongroom.enclave.text import is_name
from strongroom.node.client import Client
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.errors import ProgramFailed, Unreachable
from strongroom.node.cluster.plan import ISSUER
from strongroom.node.demo.plain import AMOUNT_MAX, PlainLedger, enough_for_all, in_id_order
from strongroom.node.demo.table import Transfer
from strongroom.node.terminal.teller import Bar, StoryFails, Teller

HOLDER = ISSUER
"""The member that issues also holds the accounts: one session does everything."""
TRANSFERS_MAX = 1_000
"""Transfers under way at once; a session's window is 1,024."""
CHUNK = 1_000
"""Accounts of one `open_many`, `issue_many` or `balances`."""
SILENCE_SECONDS_MAX = 60.0
"""Without any answer for so long, the run is given up."""
DIFFERENCES_SHOWN = 10
_BAR_EVERY = 200

Own = tuple[bytes, str]


@dataclass(slots=True)
class Run:
    """What happened to the transfers."""

    outcomes: list[bool]
    """Of each transfer in file order: did it take effect?"""
    latencies: list[float] = field(default_factory=list)
    """Seconds from submitting to the opened result."""
    seconds: float = 0.0
    height: int = 0


def opening_balances(transfers: Sequence[Transfer], given: dict[str, int] | None) -> dict[str, int]:
    """What each account opens with: as given, nothing for accounts that only the transfers name; or
    enough for all.

    Raises:
        OperatorFault: a name is no label, or the sum is more than can be issued.
    """
    named = dict.fromkeys(
        (name for transfer in transfers for name in (transfer.source, transfer.target)), 0
    )
    opening = enough_for_all(transfers) if given is None else {**named, **given}
    for name in opening:
        if not 1 <= len(name) <= LABEL_MAX or not is_name(name) or "/" in name:
            raise OperatorFault(
                f"account {name!r}: a label has 1 to {LABEL_MAX} ASCII "
                "characters but /, or composed letters"
            )
    if sum(opening.values()) > AMOUNT_MAX:
        raise OperatorFault(
            "the opening balances add up to more than "
            f"{AMOUNT_MAX}: use a smaller --scale or --limit"
        )
    return opening


async def replay(
    directory: Path,
    transfers: Sequence[Transfer],
    opening: dict[str, int],
    teller: Teller,
    *,
    dump: Path | None,
) -> dict[str, Any]:
    """Run everything; returns the figures.

    Args:
        directory: The running cluster's folder.
        transfers: In file order.
        opening: What each account opens with.
        teller: Told how it goes.
        dump: Gets `id,balance` lines, as the ledger says, in numeric order.

    Raises:
        StoryFails: the ledger and the plain replay differ.
        StrongroomError: the service does not answer.
    """
    async with Client.connect(directory, identity=HOLDER, on_waiting=teller.line) as client:
        teller.step(
            f"{HOLDER} opens {len(opening):,} accounts and issues {sum(opening.values()):,}"
        )
        await _open(client, opening, teller)
        teller.step(f"{len(transfers):,} transfers in file order, through one session at one node")
        run = await _pay(client, transfers, teller)
        teller.step("Every balance is read back and compared with a plain replay")
        balances = await _read_balances(client, run.height)
    if dump is not None:
        dump.write_text("".join(f"{name},{balances[name]}\n" for name in in_id_order(balances)))
    plain = PlainLedger(dict(opening))
    plain.apply(transfers)
    _compare(plain, run, balances, teller)
    return _figures(run, plain)


async def _open(client: Client, opening: dict[str, int], teller: Teller) -> None:
    with teller.bar(len(opening)) as bar:
        for done, chunk in _chunks(list(opening.items())):
            try:
                await client.call("payments.open_many", accounts=[name for name, _ in chunk])
            except ProgramFailed as fault:
                raise OperatorFault(
                    f"{fault}; replay into a folder of its own: another --dir, or none"
                ) from None
            issues = [[_own(name), amount] for name, amount in chunk if amount]
            if issues:
                await client.call("payments.issue_many", issues=issues)
            bar.show(done, "accounts")
    teller.line(f"{len(opening):,} accounts are open")


class _Sender:
    """Transfers on their way, at most TRANSFERS_MAX at once."""

    def __init__(self, client: Client, count: int) -> None:
        self.run = Run([False] * count)
        self._client = client
        self._room = asyncio.Semaphore(TRANSFERS_MAX)
        self._fault: BaseException | None = None

    async def send(self, index: int, transfer: Transfer) -> None:
        """Submit one as soon as there is room. Raises what an earlier one ended with, unless a
        program refused it."""
        await self._wait_for_room()
        if not _fits(transfer.amount):
            self._room.release()
            return
        sent = time.perf_counter()
        future = self._client.submit_call(
            "payments.transfer",
            to=_own(transfer.target),
            amount=transfer.amount,
            source=transfer.source,
        )
        future.add_done_callback(lambda done: self._settle(index, sent, done))

    async def settled(self) -> None:
        """Wait until every one has its answer."""
        for _ in range(TRANSFERS_MAX):
            await self._wait_for_room()

    def _settle(self, index: int, sent: float, future: "asyncio.Future[Done]") -> None:
        self._room.release()
        if future.cancelled():
            return
        fault, run = future.exception(), self.run
        if fault is None:
            run.outcomes[index], run.height = True, max(run.height, future.result().height)
        elif isinstance(fault, ProgramFailed):
            run.height = max(run.height, fault.height or 0)
        else:
            self._fault = self._fault or fault
        run.latencies.append(time.perf_counter() - sent)

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                await self._room.acquire()
        except TimeoutError:
            raise Unreachable(f"no transfer was answered for {SILENCE_SECONDS_MAX:.0f} s") from None
        if self._fault is not None:
            raise self._fault


async def _pay(client: Client, transfers: Sequence[Transfer], teller: Teller) -> Run:
    sender = _Sender(client, len(transfers))
    began = time.perf_counter()
    with teller.bar(len(transfers)) as bar:
        for index, transfer in enumerate(transfers):
            await sender.send(index, transfer)
            if index % _BAR_EVERY == 0:
                _show(bar, sender.run, began)
        await sender.settled()
    sender.run.seconds = time.perf_counter() - began
    return sender.run


async def _read_balances(client: Client, height: int) -> dict[str, int]:
    balances: dict[str, int] = {}
    after = ""
    while True:
        page = (
            await client.query("payments.balances", after=after, limit=CHUNK, at_least=height)
        ).value
        balances.update((entry["account"], entry["balance"]) for entry in page)
        if len(page) < CHUNK:
            return balances
        after = page[-1]["account"]


def _compare(plain: PlainLedger, run: Run, balances: dict[str, int], teller: Teller) -> None:
    """Account by account and transfer by transfer. Raises StoryFails."""
    accounts = in_id_order(plain.balances.keys() | balances.keys())
    differ = [name for name in accounts if plain.balances.get(name) != balances.get(name)]
    for name in differ[:DIFFERENCES_SHOWN]:
        teller.line(
            f"account {name}: the ledger says {balances.get(name)}, the replay "
            f"{plain.balances.get(name)}"
        )
    if differ:
        raise StoryFails(f"{len(differ)} of {len(accounts)} balances differ from the plain replay")
    other = [
        number
        for number, pair in enumerate(zip(plain.outcomes, run.outcomes, strict=True))
        if pair[0] != pair[1]
    ]
    if other:
        raise StoryFails(
            f"{len(other)} transfers ended otherwise than in the "
            f"plain replay, the first in row {other[0] + 1}"
        )
    teller.line(f"all {len(accounts):,} balances are equal, and so is the fate of every transfer")


def _figures(run: Run, plain: PlainLedger) -> dict[str, Any]:
    latencies = sorted(run.latencies) or [0.0]

    def at(share: float) -> float:
        return round(1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))], 3)

    return {
        "transfers": len(run.outcomes),
        "executed": plain.done,
        "failed": plain.failed,
        "accounts": len(plain.balances),
        "seconds": round(run.seconds, 3),
        "transfers_per_second": round(len(run.outcomes) / run.seconds, 1) if run.seconds else 0.0,
        "latency_ms": {
            "p50": at(0.5),
            "p95": at(0.95),
            "p99": at(0.99),
            "max": round(1000 * latencies[-1], 3),
        },
        "height": run.height,
        "equal": True,
    }


def _show(bar: Bar, run: Run, began: float) -> None:
    done = len(run.latencies)
    bar.show(done, f"{done / max(time.perf_counter() - began, 1e-9):,.0f} a second")


def _chunks(items: list[tuple[str, int]]) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    for start in range(0, len(items), CHUNK):
        yield min(start + CHUNK, len(items)), items[start : start + CHUNK]


def _own(label: str) -> Own:
    """An account of the caller's own, as programs take it."""
    return b"", label


def _fits(amount: int) -> bool:
    """Can it be written at all? A number beyond 64 bits is refused before it is sealed; its row
    counts as failed."""
    return -(2**63) <= amount < 2**64
