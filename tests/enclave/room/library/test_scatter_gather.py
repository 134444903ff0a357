"""aml.scatter_gather finds every pattern and nothing else: against the definition, tried pair by
pair, and on the public set (ROOMS §5, §9)."""

from itertools import product
from random import Random

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import (
    Transfer,
    legitimate,
    needs_public_sets,
    rings,
    table_of,
)
from tests.enclave.room.library.test_round_trips import (
    DAY,
    SEED,
    as_transfer,
    same,
    some_transfers,
    transfer,
)

from strongroom.enclave.room.library import aml_scatter_gather
from strongroom.enclave.room.library.aml_scatter_gather import _legs
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import Outputs, ProgramRefused, Table
from strongroom.enclave.room.library.transfers import pool

Account = tuple[str, str]
Patterns = dict[tuple[Account, Account], frozenset[Transfer]]


def search(tables: dict[str, list[Transfer]], **parameters: object) -> Outputs:
    given = {alias: table_of(rows) for alias, rows in tables.items()}
    return start(aml_scatter_gather.PROGRAM, given, parameters, SEED)


def patterns_in(outputs: Outputs) -> Patterns:
    """The case file's patterns: payer and receiver, and their transfers."""
    case, alerts = outputs["case"], outputs["alerts"]
    assert isinstance(case, Table)
    assert isinstance(alerts, Table)
    found: dict[int, set[Transfer]] = {}
    for number, *row in zip(
        *(case.columns[name] for name in ("pattern", *Transfer._fields)), strict=True
    ):
        found.setdefault(int(number), set()).add(as_transfer(row))
    ends: dict[int, dict[str, Account]] = {}
    for number, role, bank, account in zip(
        *(alerts.columns[name] for name in ("pattern", "role", "bank", "account")), strict=True
    ):
        ends.setdefault(int(number), {})[role] = (bank, account)
    return {
        (ends[number]["payer"], ends[number]["receiver"]): frozenset(rows)
        for number, rows in found.items()
    }


def by_definition(transfers: list[Transfer], at_least: int, days: int) -> Patterns:
    """Every pair of accounts; every window that begins with a transfer."""
    accounts = {one[:2] for one in transfers} | {one[2:4] for one in transfers}
    found: Patterns = {}
    for payer, receiver in product(sorted(accounts), repeat=2):
        legs = [
            (into, out)
            for into in transfers
            for out in transfers
            if into[:2] == payer
            and out[2:4] == receiver
            and into[2:4] == out[:2]
            and into[2:4] not in (payer, receiver)
            and payer != receiver
            and into.time < out.time
        ]
        members: set[Transfer] = set()
        for begin in {into.time for into, _ in legs}:
            inside = [
                (into, out)
                for into, out in legs
                if into.time >= begin and out.time - begin <= days * DAY
            ]
            if len({into[2:4] for into, _ in inside}) >= at_least:
                members |= {one for leg in inside for one in leg}
        if members:
            found[payer, receiver] = frozenset(members)
    return found


def fan(payer: str, between: list[str], receiver: str) -> list[Transfer]:
    """A day apart."""
    scattered = [transfer(payer, one, day) for day, one in enumerate(between)]
    return scattered + [transfer(one, receiver, day + 1) for day, one in enumerate(between)]


def test_every_pattern_is_found_and_nothing_else() -> None:
    random = Random(1)
    found = 0
    for _ in range(60):
        transfers = some_transfers(random, random.randint(10, 60), random.randint(4, 8))
        at_least, days = random.randint(2, 3), random.randint(1, 6)
        expected = by_definition(transfers, at_least, days)
        outputs = search({"a": transfers}, intermediaries_min=at_least, days_max=days)
        assert patterns_in(outputs) == expected
        found += len(expected)
    assert found > 100


def test_small_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = some_transfers(Random(3), 80, 8)
    whole = search({"a": transfers})
    assert patterns_in(whole)
    for size in (1, 7, 40):
        monkeypatch.setattr(aml_scatter_gather, "BLOCK_LEGS_MAX", size)
        assert same(search({"a": transfers}), whole)


def test_a_block_holds_whole_payers_and_no_more_legs_than_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfers = pool({"a": table_of(some_transfers(Random(3), 80, 8))})
    whole = {
        (into, out) for block in _legs(transfers, DAY) for into, out in zip(*block, strict=True)
    }
    monkeypatch.setattr(aml_scatter_gather, "BLOCK_LEGS_MAX", 20)
    blocks = list(_legs(transfers, DAY))
    payers = [{int(transfers.source[into]) for into in block[0]} for block in blocks]
    assert {leg for block in blocks for leg in zip(*block, strict=True)} == whole
    assert sum(map(len, payers)) == len(set().union(*payers)) > 4
    assert all(
        len(block[0]) <= 20 or len(of) == 1 for block, of in zip(blocks, payers, strict=True)
    )


def test_the_result_is_the_same_in_any_order_of_rows_and_by_any_alias() -> None:
    transfers = some_transfers(Random(4), 80, 8)
    shuffled = Random(5).sample(transfers, len(transfers))
    assert same(search({"a": transfers}), search({"z": shuffled}))


def test_two_legs_over_one_account_are_one_intermediary() -> None:
    rows = fan("A1", ["B1", "C1"], "D1")
    twice = [*rows, transfer("A1", "B1", 0.5), transfer("B1", "D1", 3)]
    assert not patterns_in(search({"a": twice}))
    assert patterns_in(search({"a": [*rows, *fan("A1", ["E1"], "D1")]}))


def test_who_paid_before_it_was_paid_lies_not_between() -> None:
    rows = fan("A1", ["B1", "C1"], "D1")
    early = [transfer("A1", "E1", 2), transfer("E1", "D1", 1)]
    at_once = [transfer("A1", "E1", 1), transfer("E1", "D1", 1)]
    assert not patterns_in(search({"a": rows + early}))
    assert not patterns_in(search({"a": rows + at_once}))


def test_all_transfers_lie_in_one_window() -> None:
    rows = fan("A1", ["B1", "C1", "E1"], "D1")
    assert patterns_in(search({"a": rows}, days_max=3))
    assert not patterns_in(search({"a": rows}, days_max=2))


def test_alerts_name_payer_those_between_and_receiver() -> None:
    alerts = search({"a": fan("A1", ["C1", "B1", "E1"], "D1")})["alerts"]
    assert isinstance(alerts, Table)
    assert list(alerts.columns["role"]) == ["payer", "between", "between", "between", "receiver"]
    assert list(alerts.columns["account"]) == ["A1", "B1", "C1", "E1", "D1"]


def test_what_is_too_dense_is_refused_and_not_searched_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfers = some_transfers(Random(6), 200, 8)
    for bound, rule in (
        ("LEGS_MAX", "steps"),
        ("PAYER_LEGS_MAX", "steps"),
        ("PATTERN_STEPS_MAX", "steps"),
        ("PATTERN_LEGS_MAX", "legs"),
    ):
        monkeypatch.setattr(aml_scatter_gather, bound, 20)
        with pytest.raises(ProgramRefused, match=f"{rule}: the transfers are too dense"):
            search({"a": transfers})
        monkeypatch.undo()


def test_a_busy_account_is_left_out_and_named() -> None:
    rows = [*fan("A1", ["B1", "C1", "E1"], "D1"), transfer("A1", "F1", 1)]
    outputs = search({"a": rows}, busy_above=3)
    busy = outputs["busy"]
    assert isinstance(busy, Table)
    assert list(busy.columns["account"]) == ["A1"]
    assert not patterns_in(outputs)
    assert patterns_in(search({"a": rows}, busy_above=4))


def test_no_rows_no_patterns() -> None:
    assert not patterns_in(search({"a": []}))


@needs_public_sets
def test_banks_together_find_what_none_finds_alone() -> None:
    """AMLworld HI-Small: 35 pairs, of 30 labelled attempts; each bank alone finds none."""
    attempts = rings()
    rows = [one for ring in attempts for one in ring.transfers] + legitimate()
    pooled = patterns_in(search({"all": rows}))
    labelled = [set(one.transfers) for one in attempts if one.kind == "SCATTER-GATHER"]
    hit = [one for one in labelled if any(len(one & found) >= 6 for found in pooled.values())]
    assert (len(pooled), len(hit)) == (35, 30)
    members: dict[str, list[Transfer]] = {}
    for row in rows:
        for bank in {row.from_bank, row.to_bank}:
            members.setdefault(f"m{bank}", []).append(row)
    assert all(not patterns_in(search({"a": one})) for one in members.values())
    assert patterns_in(search(members)) == pooled
