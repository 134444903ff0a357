"""The laundering scenario: what is made, what is found in it, and that the story ends well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nanoarrow", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets, rings
from typer.testing import CliRunner

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.analytics.checking import check
from strongroom.node.cli.demo import app
from strongroom.node.demo.aml import refusals, texts
from strongroom.node.demo.aml.drawing import SHOWN_MAX, draw_counts, draw_rings, draw_scatters
from strongroom.node.demo.aml.public import read_world
from strongroom.node.demo.aml.searching import found_in, hit, legs_of, patterns
from strongroom.node.demo.aml.story import BANKS, SEED
from strongroom.node.demo.aml.texts import ROUND_TRIPS, SCATTER_GATHER
from strongroom.node.demo.aml.transfers import (
    RARE_CHANNEL,
    ROUND_TRIP,
    World,
    make_world,
)
from strongroom.node.demo.aml.transfers import SCATTER_GATHER as GATHERED
from strongroom.node.rooms.data_terms import read_terms_file
from strongroom.node.rooms.schema_file import read_schema

ROOT = Path(__file__).parents[3]
KINDS = {ROUND_TRIPS: ROUND_TRIP, SCATTER_GATHER: GATHERED}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(BANKS, SEED)


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    again = make_world(BANKS, SEED)
    assert (again.transfers, again.planted, again.quiet) == (
        world.transfers,
        world.planted,
        world.quiet,
    )
    assert make_world(BANKS, SEED + 1).transfers != world.transfers


def test_a_bank_sees_its_own_payments_and_every_payment_is_seen(world: World) -> None:
    seen = {bank: set(world.of(bank)) for bank in BANKS}
    for bank in BANKS:
        own = set(world.accounts(bank))
        assert all(code == bank for code, _ in own)
        for row in world.of(bank):
            assert {(row.from_bank, row.from_account), (row.to_bank, row.to_account)} & own
    for row in world.transfers:
        assert all(row in seen[bank] for bank in {row.from_bank, row.to_bank})


def test_a_quiet_account_is_seen_by_its_bank_alone(world: World) -> None:
    for bank, account in world.quiet.items():
        seeing = [one for one in BANKS if account in str(world.of(one))]
        assert seeing == [bank]
        assert all(account not in str(one.transfers) for one in world.planted)


@pytest.mark.parametrize("seed", [SEED, 1, 2, 3])
@pytest.mark.parametrize("program", [ROUND_TRIPS, SCATTER_GATHER])
def test_pooled_rows_hold_what_was_planted_and_banks_alone_little_of_it(
    program: str, seed: int
) -> None:
    made = make_world(BANKS, seed)
    planted = [one for one in made.planted if one.kind == KINDS[program]]
    expected = made.expected[KINDS[program]]
    pooled = found_in(program, {bank: made.of(bank) for bank in BANKS})
    assert pooled == {legs_of(one) for one in planted}
    assert len(pooled) == expected.pooled == expected.hits
    alone = set().union(*(found_in(program, {bank: made.of(bank)}) for bank in BANKS))
    assert len(alone) == sum(hit(one, alone) for one in planted) == expected.alone
    assert len(alone) == expected.alone_hits


def test_planted_across_banks_goes_across_banks(world: World) -> None:
    across = [one for one in world.planted if len(one.banks) > 1]
    assert len(across) == len(world.planted) - len(BANKS)


def test_a_case_file_is_read_as_its_patterns(world: World) -> None:
    ring = next(one for one in world.planted if one.kind == ROUND_TRIP)
    rows = [
        {**dict(zip(row._fields[:6], map(str, row[:6]), strict=True)), "ring": 1}
        for row in ring.transfers
    ]
    assert patterns(ROUND_TRIPS, rows) == {legs_of(ring)}
    assert not hit(ring, patterns(ROUND_TRIPS, rows[1:]))


def test_texts_are_terms_and_the_query_is_taken_but_not_one_for_rows(tmp_path: Path) -> None:
    for name, text in (
        ("t.toml", texts.transfer_terms(BANKS)),
        ("a.toml", texts.account_terms(BANKS)),
    ):
        path = tmp_path / name
        path.write_text(text)
        terms, columns = read_terms_file(path, lambda who: who.encode().ljust(32))
        assert columns.columns
        assert terms.programs == (ROUND_TRIPS, SCATTER_GATHER, "free")
    section = texts.transfer_terms(BANKS).partition("[tables.")[2]
    schema = "".join(
        f"[tables.{section}".replace(f".{texts.TRANSFERS}", f".{bank}_transfers") for bank in BANKS
    )
    said = read_schema(schema.encode())
    assert check(said.inputs, texts.channel_query(BANKS), digits=6).names == (
        "channel",
        "payments",
    )
    assert refusals.rule_against_rows(BANKS[0]) == "S5"


def test_few_customers_of_a_channel_are_fewer_than_k(world: World) -> None:
    rare = {row.from_account for row in world.transfers if row.channel == RARE_CHANNEL}
    assert 0 < len(rare) < texts.K


def test_rings_are_drawn_with_their_accounts_and_arrows_across_banks(world: World) -> None:
    rings = {legs_of(one) for one in world.planted if one.kind == ROUND_TRIP}
    drawn = draw_rings(world, rings)
    hops = sum(map(len, rings))
    assert drawn.count("<circle") == hops + len(BANKS)
    assert drawn.count("<polygon") == hops
    across = sum(leg[0] != leg[2] for ring in rings for leg in ring)
    assert drawn.count('class="across"') == across
    many = {
        frozenset({("a", str(n), "b", str(n), n, 1), ("b", str(n), "a", str(n), n + 1, 1)})
        for n in range(SHOWN_MAX + 5)
    }
    narrow = World(("a", "b"), (), (), lambda bank: bank, {}, {})
    assert draw_rings(narrow, many).count("2 transfers") == SHOWN_MAX
    again = {
        frozenset({("a", "1", "b", "2", n, 1), ("b", "2", "a", "1", n + 1, 1)}) for n in (1, 5)
    }
    assert draw_rings(narrow, again).count("2 transfers") == 1
    gathered = {legs_of(one) for one in world.planted if one.kind == GATHERED}
    assert draw_scatters(world, gathered).count("<polygon") == sum(map(len, gathered))
    assert draw_scatters(world, set())
    assert draw_counts({"rings": {"alone": 3, "pooled": 11}}).count("<rect") == 2


@needs_public_sets
def test_the_public_set_is_four_banks_with_its_right_values() -> None:
    public = read_world(FOLDER)
    assert len(public.members) == 4
    tables = {member: public.of(member) for member in public.members}
    for program, kind in KINDS.items():
        pooled, expected = found_in(program, tables), public.expected[kind]
        planted = [one for one in public.planted if one.kind == kind]
        assert len(pooled) == expected.pooled
        assert sum(hit(one, pooled) for one in planted) == expected.hits
        alone = set().union(*(found_in(program, {name: one}) for name, one in tables.items()))
        if expected.alone is not None:
            assert len(alone) == expected.alone
            assert sum(hit(one, alone) for one in planted) == expected.alone_hits
    for member, account in public.quiet.items():
        seeing = [one for one, rows in tables.items() if account in str(rows)]
        assert seeing == [member]
        assert account not in str(rings())


def test_another_folder_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="HI-Small_Patterns"):
        read_world(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--data", "x"], 2, "--data is of aml"),
        (["--scenario", "plant", "--data", "x"], 2, "--data is of aml"),
        (["--scenario", "aml", "--data", "no such folder"], 2, "there is no such folder"),
        (["--scenario", "aml", "--input", "pay.csv"], 2, "--input replays payments"),
        (["--scenario", "aml", "--report", "no/such/folder.html"], 2, "cannot be written"),
    ],
)
def test_options_are_judged_before_anything_starts(
    arguments: list[str], code: int, words: str
) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("public", [False, pytest.param(True, marks=needs_public_sets)])
def test_the_scenario_holds_line_by_line(tmp_path: Path, public: bool) -> None:
    report = tmp_path / "aml.html"
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "--scenario", "aml", "--json"]
    command += ["--report", str(report), *(["--data", str(FOLDER)] if public else [])]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=540, env=environment, check=False
    )
    assert told.returncode == 0, told.stderr[-4000:]
    document = json.loads(told.stdout)
    assert document["ok"]
    assert len(document["lines"]) > 45
    codes = {one["code"] for one in document["refusals"]}
    assert codes >= {"no-data", "S5", "not-approved", "key", "release", "recipients", "withdrawn"}
    assert "<svg" in report.read_text()
    assert [path.name for path in tmp_path.iterdir()] == [report.name]
