"""aml.round_trips finds every ring and nothing else: against all sequences of transfers, and on the
public set (ROOMS §5, §9)."""

from collections import Counter
from itertools import pairwise, permutations
from random import Random
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import (
    Transfer,
    amlsim,
    legitimate,
    needs_public_sets,
    rings,
    table_of,
)

from strongroom.enclave.room.library import aml_round_trips
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import Outputs, ProgramRefused, Table

DAY = 86_400
SEED = bytes(32)


def transfer(a: str, b: str, day: float, amount: int = 100) -> Transfer:
    """From account to account; the bank is the account's first letter."""
    return Transfer(a[0], a, b[0], b, int(day * DAY), amount)


def search(tables: dict[str, list[Transfer]], **parameters: object) -> Outputs:
    given = {alias: table_of(rows) for alias, rows in tables.items()}
    return start(aml_round_trips.PROGRAM, given, parameters, SEED)


def as_transfer(row: list[Any]) -> Transfer:
    """A row of a case file, with Python's numbers."""
    payer_bank, payer, paid_bank, paid, time, amount = row
    return Transfer(payer_bank, payer, paid_bank, paid, int(time), int(amount))


def rings_in(outputs: Outputs) -> Counter[tuple[Transfer, ...]]:
    """The case file's rings, each as its transfers in order."""
    case = outputs["case"]
    assert isinstance(case, Table)
    rows = zip(*(case.columns[name] for name in ("ring", *Transfer._fields)), strict=True)
    found: dict[int, list[Transfer]] = {}
    for ring, *row in rows:
        found.setdefault(int(ring), []).append(as_transfer(row))
    return Counter(map(tuple, found.values()))


def by_definition(
    transfers: list[Transfer], hops_max: int, days: int, share: int = 0
) -> Counter[tuple[Transfer, ...]]:
    """All sequences of transfers that are round trips, tried one after the other."""
    found: Counter[tuple[Transfer, ...]] = Counter()
    for hops in range(2, hops_max + 1):
        for chain in permutations(transfers, hops):
            accounts = [(one.from_bank, one.from_account) for one in chain]
            if (
                all(a.time < b.time for a, b in pairwise(chain))
                and all((a.to_bank, a.to_account) == b[:2] for a, b in pairwise(chain))
                and (chain[-1].to_bank, chain[-1].to_account) == accounts[0]
                and len(set(accounts)) == hops
                and chain[-1].time - chain[0].time <= days * DAY
                and all(
                    min(a.amount, b.amount) * 100 >= share * max(a.amount, b.amount)
                    for a, b in pairwise(chain)
                )
            ):
                found[chain] += 1
    return found


def some_transfers(random: Random, count: int, accounts: int) -> list[Transfer]:
    """Few accounts at two banks, coarse times: equal times, twins, payments to oneself."""
    names = [f"{'AB'[one % 2]}{one // 2}" for one in range(accounts)]
    return [
        transfer(
            random.choice(names),
            random.choice(names),
            random.randrange(12) / 2,
            random.randrange(50, 150, 10),
        )
        for _ in range(count)
    ]


def test_every_round_trip_is_found_and_nothing_else() -> None:
    random = Random(1)
    found = 0
    for _ in range(150):
        transfers = some_transfers(random, random.randint(2, 9), random.randint(2, 5))
        hops_max, days = random.randint(2, 5), random.randint(1, 6)
        expected = by_definition(transfers, hops_max, days)
        assert rings_in(search({"a": transfers}, hops_max=hops_max, days_max=days)) == expected
        found += sum(expected.values())
    assert found > 100


def test_amounts_that_follow_each_other_are_alike_when_asked() -> None:
    random = Random(2)
    found = 0
    for _ in range(100):
        transfers = some_transfers(random, 8, 4)
        expected = by_definition(transfers, 4, 20, share=80)
        assert rings_in(search({"a": transfers}, hops_max=4, share_percent=80)) == expected
        found += sum(expected.values())
    assert found > 30


def test_small_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = some_transfers(Random(3), 60, 6)
    whole = search({"a": transfers}, hops_max=6)
    monkeypatch.setattr(aml_round_trips, "BLOCK_CHAINS_MAX", 3)
    assert same(search({"a": transfers}, hops_max=6), whole)
    assert rings_in(whole)


def same(one: Outputs, other: Outputs) -> bool:
    """Equal bit for bit."""
    for name, table in one.items():
        twin = other[name]
        assert isinstance(table, Table)
        assert isinstance(twin, Table)
        for column, values in table.columns.items():
            if list(values) != list(twin.columns[column]):
                return False
    return one.keys() == other.keys()


def test_the_result_is_the_same_in_any_order_of_rows_and_by_any_alias() -> None:
    transfers = some_transfers(Random(4), 60, 6)
    shuffled = Random(5).sample(transfers, len(transfers))
    assert same(search({"a": transfers}), search({"z": shuffled}))


def test_a_transfer_that_both_banks_report_is_one_and_twins_in_one_table_are_two() -> None:
    there, back = transfer("A1", "B1", 1), transfer("B1", "A1", 2)
    assert len(rings_in(search({"a": [there, back], "b": [back, there]}))) == 1
    twins = rings_in(search({"a": [there, there, back], "b": [there, back]}))
    assert sum(twins.values()) == 2


def test_bounds_of_time_hold_to_the_second() -> None:
    there, back = transfer("A1", "B1", 0), transfer("B1", "A1", 20)
    late = back._replace(time=back.time + 1)
    at_once = back._replace(time=there.time)
    assert rings_in(search({"a": [there, back]}))
    assert not rings_in(search({"a": [there, late]}))
    assert not rings_in(search({"a": [there, at_once]}))


def test_no_account_comes_twice_in_a_ring() -> None:
    around = [transfer("A1", "B1", 1), transfer("B1", "C1", 2), transfer("C1", "B1", 3)]
    home = transfer("B1", "A1", 4)
    assert set(rings_in(search({"a": [*around, home]}))) == {(around[0], home), tuple(around[1:])}


def test_an_alert_names_each_account_of_a_ring_once_and_no_other() -> None:
    rows = [transfer("A1", "B1", 1), transfer("B1", "C1", 2), transfer("C1", "A1", 3)]
    alerts = search({"a": [*rows, transfer("A1", "D1", 2)]})["alerts"]
    assert isinstance(alerts, Table)
    assert list(alerts.columns["bank"]) == ["A", "B", "C"]
    assert list(alerts.columns["account"]) == ["A1", "B1", "C1"]
    assert list(alerts.columns["place"]) == [1, 2, 3]
    assert list(alerts.columns["hops"]) == [3, 3, 3]


def test_a_busy_account_is_left_out_and_named() -> None:
    ring = [transfer("A1", "B1", 1), transfer("B1", "A1", 2)]
    out = [transfer("A1", f"C{one}", 1) for one in range(4)]
    into = [transfer(f"C{one}", "A1", 1) for one in range(4)]
    for many in (out, into):
        outputs = search({"a": ring + many}, busy_above=4)
        busy = outputs["busy"]
        assert isinstance(busy, Table)
        assert not rings_in(outputs)
        assert list(busy.columns["account"]) == ["A1"]
        assert rings_in(search({"a": ring + many}, busy_above=5))


def test_what_is_too_dense_is_refused_and_not_searched_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfers = some_transfers(Random(6), 200, 6)
    monkeypatch.setattr(aml_round_trips, "CHAIN_STEPS_MAX", 1_000)
    with pytest.raises(ProgramRefused, match="steps: the transfers are too dense"):
        search({"a": transfers})
    monkeypatch.undo()
    monkeypatch.setattr(aml_round_trips, "RINGS_MAX", 10)
    with pytest.raises(ProgramRefused, match="rings: the transfers are too dense"):
        search({"a": transfers})


def test_no_rows_no_rings() -> None:
    assert not rings_in(search({"a": []}))


def test_what_cannot_be_read_is_refused_without_a_value() -> None:
    good = {
        name: list(values) for name, values in table_of([transfer("A1", "B1", 1)]).columns.items()
    }
    for change in (
        {"time": [2**60 + 987]},
        {"time": ["CANARY"]},
        {"time": [1.5]},
        {"amount": [-987]},
        {"amount": [2**70 + 987]},
        {"from_account": [None]},
        {"to_account": ["CANARY", "CANARY"]},
    ):
        with pytest.raises(ProgramRefused) as refused:
            start(
                aml_round_trips.PROGRAM,
                {"a": Table.of({**good, **change})},
                {},
                SEED,
            )
        assert "987" not in str(refused.value)
        assert "CANARY" not in str(refused.value)


def test_amounts_are_in_all_tables_or_in_none() -> None:
    with_amounts = table_of([transfer("A1", "B1", 1)])
    without = Table.of({k: v for k, v in with_amounts.columns.items() if k != "amount"})
    with pytest.raises(ProgramRefused, match="amounts: give the column amount in all tables"):
        start(aml_round_trips.PROGRAM, {"a": with_amounts, "b": without}, {}, SEED)
    with pytest.raises(ProgramRefused, match="amounts: share_percent needs"):
        start(aml_round_trips.PROGRAM, {"b": without}, {"share_percent": 50}, SEED)


@needs_public_sets
def test_banks_together_find_what_none_finds_alone() -> None:
    """AMLworld HI-Small: 4,206 round trips and 49 of 54 labelled rings; each bank alone 1,544 and
    15; four members 1,614 and 21."""
    attempts = rings()
    rows = [one for ring in attempts for one in ring.transfers] + legitimate()
    labelled = {
        tuple(sorted(ring.transfers, key=lambda one: one.time))
        for ring in attempts
        if ring.kind == "CYCLE"
    }
    assert len(labelled) == 54
    pooled = rings_in(search({"all": rows}))
    assert (len(pooled), len(labelled & pooled.keys())) == (4_206, 49)
    for modulus, expected in ((None, (1_544, 15)), (4, (1_614, 21))):
        members: dict[str, list[Transfer]] = {}
        for row in rows:
            banks = {int(row.from_bank), int(row.to_bank)}
            for bank in {one % modulus if modulus else one for one in banks}:
                members.setdefault(f"m{bank}", []).append(row)
        united = {ring for one in members.values() for ring in rings_in(search({"a": one}))}
        assert (len(united), len(labelled & united)) == expected
        assert rings_in(search(members)) == pooled


@needs_public_sets
def test_a_simulated_country_is_searched_within_its_steps() -> None:
    """AMLSim 20K: 120,558 transfers; the search ends."""
    members: dict[str, list[Transfer]] = {}
    for row in amlsim():
        for bank in {row.from_bank, row.to_bank}:
            members.setdefault(f"m{bank}", []).append(row)
    assert sum(rings_in(search(members)).values()) == 452
