"""The replay's run, on a stand-in for the client that executes the program itself in process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.client.errors import ProgramFailed, Unreachable
from strongroom.node.demo.plain import AMOUNT_MAX
from strongroom.node.demo.replay import CHUNK, TRANSFERS_MAX, opening_balances, replay
from strongroom.node.demo.table import Transfer
from strongroom.node.terminal.teller import StoryFails, Teller


@dataclass
class Bank:
    """A dict of balances behind the client's methods; answers come one turn of the loop later, in
    order."""

    balances: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    outstanding: int = 0
    most: int = 0
    steals: bool = False
    """Keeps one unit of every transfer: the bug that the comparison must find."""
    denies: bool = False
    """Says that a transfer to oneself failed: no balance shows it."""
    dies_at: int | None = None
    sent: int = 0

    async def call(self, name: str, **given: Any) -> None:
        self.calls.append(name)
        if name == "payments.open_many":
            if set(given["accounts"]) & set(self.balances):
                raise ProgramFailed("account exists", "open already")
            assert len(given["accounts"]) <= CHUNK
            self.balances |= dict.fromkeys(given["accounts"], 0)
        else:
            assert len(given["issues"]) <= CHUNK
            for (_, label), amount in given["issues"]:
                assert amount > 0
                self.balances[label] += amount

    def submit_call(
        self, name: str, *, to: tuple[bytes, str], amount: int, source: str
    ) -> "asyncio.Future[Any]":
        assert name == "payments.transfer"
        assert -(2**63) <= amount < 2**64
        self.outstanding += 1
        self.most = max(self.most, self.outstanding)
        self.sent += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        loop.call_soon(self._answer, future, to[1], amount, source, self.sent)
        return future

    def _answer(
        self, future: "asyncio.Future[Any]", to: str, amount: int, source: str, number: int
    ) -> None:
        self.outstanding -= 1
        if number == self.dies_at:
            future.set_exception(Unreachable("gone"))
        elif (
            not 1 <= amount <= AMOUNT_MAX
            or self.balances[source] < amount
            or (self.denies and to == source)
        ):
            future.set_exception(ProgramFailed("insufficient", "", height=7))
        else:
            self.balances[source] -= amount
            self.balances[to] += amount - self.steals
            future.set_result(SimpleNamespace(height=8))

    async def query(self, name: str, *, after: str, limit: int, at_least: int) -> Any:
        assert (name, at_least >= 7) == ("payments.balances", True)
        labels = sorted(label for label in self.balances if label > after)[:limit]
        return SimpleNamespace(
            value=[{"account": label, "balance": self.balances[label]} for label in labels]
        )


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    bank = Bank()

    @asynccontextmanager
    async def connect(_directory: Path, *, identity: str, on_waiting: Any) -> AsyncIterator[Bank]:
        assert identity == "member0"
        yield bank

    monkeypatch.setattr("strongroom.node.demo.replay.Client", SimpleNamespace(connect=connect))
    return bank


def ring(accounts: int, rounds: int) -> list[Transfer]:
    """Everybody pays the next one, more and more, until it cannot be paid."""
    return [
        Transfer(str(n), str((n + 1) % accounts), 1 + r * n)
        for r in range(rounds)
        for n in range(accounts)
    ]


async def test_the_figures_are_of_the_run_and_the_dump_is_in_numeric_order(
    bank: Bank, tmp_path: Path
) -> None:
    transfers = [
        *ring(12, 5),
        Transfer("0", "1", 0),
        Transfer("0", "1", -3),
        Transfer("0", "1", 2**70),
    ]
    opening = opening_balances(transfers, {str(n): 10 for n in range(11)})
    figures = await replay(
        tmp_path, transfers, opening, Teller(to_stderr=True), dump=tmp_path / "dump"
    )
    assert figures["transfers"] == 63 == figures["executed"] + figures["failed"]
    assert figures["failed"] > 3
    assert (figures["accounts"], figures["equal"], figures["height"]) == (12, True, 8)
    lines = (tmp_path / "dump").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [str(n) for n in range(12)]
    assert sum(int(line.split(",")[1]) for line in lines) == 110


async def test_accounts_are_opened_in_chunks_and_at_most_the_window_is_under_way(
    bank: Bank, tmp_path: Path
) -> None:
    transfers = ring(2 * CHUNK + 5, 1)
    await replay(
        tmp_path, transfers, opening_balances(transfers, None), Teller(to_stderr=True), dump=None
    )
    assert bank.calls == ["payments.open_many", "payments.issue_many"] * 3
    assert 100 < bank.most <= TRANSFERS_MAX


async def test_a_ledger_that_keeps_a_cent_is_found_out(bank: Bank, tmp_path: Path) -> None:
    bank.steals = True
    transfers = ring(5, 2)
    with pytest.raises(StoryFails, match="5 of 5 balances differ"):
        await replay(
            tmp_path,
            transfers,
            opening_balances(transfers, None),
            Teller(to_stderr=True),
            dump=None,
        )


async def test_a_transfer_that_ended_otherwise_is_found_out_though_all_balances_are_equal(
    bank: Bank, tmp_path: Path
) -> None:
    bank.denies = True
    transfers = [Transfer("1", "2", 1), Transfer("1", "1", 1)]
    with pytest.raises(
        StoryFails, match="1 transfers ended otherwise than in the plain replay, the first in row 2"
    ):
        await replay(
            tmp_path,
            transfers,
            opening_balances(transfers, None),
            Teller(to_stderr=True),
            dump=None,
        )


async def test_an_answer_that_is_no_answer_ends_the_run(bank: Bank, tmp_path: Path) -> None:
    bank.dies_at = 3
    transfers = ring(5, 400)
    with pytest.raises(Unreachable):
        await replay(
            tmp_path,
            transfers,
            opening_balances(transfers, None),
            Teller(to_stderr=True),
            dump=None,
        )
    assert bank.sent <= TRANSFERS_MAX + 3


async def test_a_folder_of_an_earlier_replay_is_told(bank: Bank, tmp_path: Path) -> None:
    bank.balances = {"1": 5}
    transfers = ring(5, 1)
    with pytest.raises(OperatorFault, match="another --dir"):
        await replay(
            tmp_path,
            transfers,
            opening_balances(transfers, None),
            Teller(to_stderr=True),
            dump=None,
        )


def test_accounts_that_only_transfers_name_open_with_nothing() -> None:
    assert opening_balances([Transfer("a", "b", 5)], {"a": 3, "c": 0}) == {"a": 3, "b": 0, "c": 0}
    assert opening_balances([Transfer("a", "b", 5)], None) == {"a": 5, "b": 0}


@pytest.mark.parametrize("name", ["a/b", "x" * 65, "tab\tbed"])
def test_a_name_that_is_no_label_is_refused_before_anything_starts(name: str) -> None:
    with pytest.raises(OperatorFault, match="a label has 1 to 64"):
        opening_balances([Transfer(name, "b", 1)], None)


def test_more_than_can_be_issued_is_refused_before_anything_starts() -> None:
    with pytest.raises(OperatorFault, match="smaller --scale"):
        opening_balances([Transfer("a", "b", AMOUNT_MAX), Transfer("b", "c", 1)], None)
