"""One job, from bytes to bytes: what stages see, who gets which rows, and that nothing is said of
what fails (ROOMS §4, §5; T61, T63, T65)."""

from typing import Any

import pytest

pytest.importorskip("duckdb")

from tests.enclave.room.worker.jobs import (
    ANALYST,
    CANARY,
    MICROS,
    SEED,
    A,
    B,
    bench,
    contract,
    given,
    people,
    policy,
    rows,
    run,
    stream,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Stage
from strongroom.enclave.room.analytics.policy import Noise
from strongroom.enclave.room.worker.stages import JobFailed

PEOPLE = (given("a", A, people(0, 40), people(40, 20)), given("b", B, people(60, 30)))
STANDING = (
    "SELECT count(*) AS n FROM (SELECT table_name FROM duckdb_tables() UNION ALL "
    "SELECT view_name FROM duckdb_views() WHERE NOT internal)"
)
BY_PLACE = "SELECT place, count(*) AS n FROM a GROUP BY place ORDER BY place"


def sql(text: str, name: str = "case") -> Stage:
    return Stage("sql", name, text)


def ring(first: str, second: str) -> dict[str, list[Any]]:
    return {
        "from_bank": [first[0], second[0]],
        "from_account": [first, second],
        "to_bank": [second[0], first[0]],
        "to_account": [second, first],
        "time": [60, 120],
        "amount": [5, 5],
    }


def test_what_was_extended_is_one_table_in_its_order() -> None:
    made = run(PEOPLE, sql("SELECT who FROM a"))
    assert rows(made) == {"who": list(range(60))}


def test_an_input_that_is_mentioned_often_is_read_as_often() -> None:
    text = "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM A) + count(*) AS n FROM a"
    assert rows(run(PEOPLE, sql(text))) == {"n": [180]}
    again = (
        "WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r, b WHERE who = 60 + i) "
        "SELECT count(*) AS n FROM r"
    )
    assert rows(run(PEOPLE, sql(again))) == {"n": [31]}
    product = "SELECT count(*) AS n FROM a, range(20_000_000) AS r"  # rows of `a` are held, not r's
    assert rows(run(PEOPLE, sql(product))) == {"n": [60 * 20_000_000]}


def test_T65_the_same_job_is_the_same_bytes() -> None:
    text = sql("SELECT place, avg(value) AS m FROM a GROUP BY place")
    assert run(PEOPLE, text) == run(PEOPLE, text)


def test_reals_are_cut_to_the_digits_that_executors_agree_on() -> None:
    made = run(PEOPLE, sql("SELECT 2.0::DOUBLE / 3 AS x, -0.0::DOUBLE AS z"), digits=3)
    assert rows(made) == {"x": [0.667], "z": [0.0]}


def test_a_free_text_reads_within_the_owners_policies() -> None:
    inputs = (given("a", A, people(0, 40), columns=policy()),)
    made = run(inputs, sql(BY_PLACE), profile="free")
    assert rows(made) == {"place": ["north", "south"], "n": [20, 20]}
    small = (given("a", A, people(0, 9), columns=policy()),)
    assert rows(run(small, sql(BY_PLACE), profile="free")) == {"place": [], "n": []}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT who FROM a",
        "SELECT place, count(*) AS n FROM a WHERE who = 7 GROUP BY place",
        "SELECT * FROM query('select 1')",
        "not sql at all",
    ],
)
def test_T61_a_free_text_beyond_the_policies_has_no_result(text: str) -> None:
    inputs = (given("a", A, people(0, 40), columns=policy()),)
    with pytest.raises(JobFailed):
        run(inputs, sql(text), profile="free")


def test_T62_a_free_job_is_one_query() -> None:
    inputs = (given("a", A, people(0, 40), columns=policy()),)
    forged = contract(inputs, sql(BY_PLACE), profile="free")  # the ledger takes none such
    object.__setattr__(forged, "stages", (sql(BY_PLACE), sql(BY_PLACE, "again")))
    with pytest.raises(JobFailed):
        bench().run(forged, (), inputs, SEED)


def test_T61_data_without_a_policy_is_read_by_no_free_text() -> None:
    with pytest.raises(JobFailed):
        run((given("a", A, people(0, 40)),), sql(BY_PLACE), profile="free")


def test_T62_a_job_answers_with_one_noise_and_within_what_was_charged() -> None:
    noise = Noise(epsilon_job=MICROS, epsilon_life=MICROS, groups=1, rows=1, threshold=2)
    inputs = (given("a", A, people(0, 400), columns=policy(noise)),)

    def told(epsilon: int, seed: bytes = SEED) -> dict[str, list[Any]]:
        asked = (Input("a", A, "rows", 0, epsilon),)
        return rows(run(inputs, sql(BY_PLACE), profile="free", inputs=asked, seed=seed))

    assert told(MICROS) == told(MICROS)
    others = [told(MICROS, bytes([one]) * 32) for one in range(8)]
    assert any(one != told(MICROS) for one in others)
    with pytest.raises(JobFailed):
        told(0)


def test_a_stage_named_like_an_input_takes_its_place_for_programs() -> None:
    inputs = (given("a", A, stream({"x": ["a1"], "y": ["b1"]})),)
    shaped = sql(
        "SELECT 'a' AS from_bank, x AS from_account, 'b' AS to_bank, y AS to_account, 1 AS time "
        "FROM a UNION ALL SELECT 'b', y, 'a', x, 2 FROM a",
        "a",
    )
    made = run(inputs, shaped, Stage("library", "aml.round_trips", ""))
    assert rows(made)["from_account"] == ["a1", "b1"]


def test_a_list_of_a_program_is_one_text_of_a_contract() -> None:
    inputs = (given("a", A, stream({"age": list(range(40)), "ill": [0, 1] * 20})),)
    outputs = (Output("model", "model", (ANALYST,), 1 << 20, "", 0),)
    given_to = (("columns", "age 0..99"), ("target", "ill {0,1}"))
    made = run(
        inputs,
        Stage("library", "ml.logistic", ""),
        parameters=given_to,
        outputs=outputs,
    )
    assert made[0][:2] == ("model", b"")
    assert b"age" in made[0][2]


def test_what_a_contract_fixes_a_run_does_not_choose() -> None:
    inputs = (given("a", A, stream({"age": list(range(40)), "ill": [0, 1] * 20})),)
    outputs = (Output("model", "model", (ANALYST,), 1 << 20, "", 0),)
    fixed = (("columns", "age 0..99"), ("target", "ill {0,1}"))

    def made(*stage: tuple[str, Any], chosen: tuple[tuple[str, Any], ...] = ()) -> Any:
        one = Stage("library", "ml.logistic", "", stage)
        return run(inputs, one, parameters=chosen, outputs=outputs)

    assert made(*fixed) == made(*fixed, chosen=(("target", "age 0..99"), ("unknown", 1)))
    assert made(fixed[0], chosen=(fixed[1],)) == made(*fixed)
    for wrong in (("unknown", 1), ("missing", "much"), ("target", "nobody {0,1}")):
        with pytest.raises(JobFailed):
            made(*sorted(dict([*fixed, wrong]).items()))


def test_a_row_goes_to_whom_the_account_is_and_to_nobody_whom_two_claim() -> None:
    inputs = (
        given("aa", A, stream({"bank": ["a", "b"], "account": ["a1", "b2"]}), data="accounts"),
        given("at", A, stream(ring("a1", "b1"))),
        given("ba", B, stream({"bank": ["b", "b"], "account": ["b1", "b2"]}), data="accounts"),
        given("bt", B, stream(ring("a2", "b2"))),
    )
    outputs = (
        Output("alerts", "table", (A, B, ANALYST), 1 << 20, "aa", 0),
        Output("case", "table", (ANALYST,), 1 << 20, "", 0),
    )
    made = run(inputs, Stage("library", "aml.round_trips", ""), outputs=outputs)
    assert [one[:2] for one in made] == [
        ("alerts", A),
        ("alerts", B),
        ("alerts", ANALYST),
        ("case", b""),
    ]
    told = [rows(made, at)["account"] for at in range(3)]
    assert told == [["a1"], ["b1"], []]
    assert set(rows(made, 3)["from_account"]) == {"a1", "b1", "a2", "b2"}


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        (sql(f"SELECT error('{CANARY}')"), {}),
        (sql(f"SELECT CAST('{CANARY}' AS INTEGER) AS n"), {}),
        (sql("SELECT 1 AS n; SELECT 2 AS n"), {}),
        (sql("CREATE TABLE kept AS SELECT 1 AS n"), {}),
        (sql("SELECT * FROM read_csv('/etc/passwd')"), {}),
        (sql("SELECT 1 AS n, 2 AS n"), {}),
        (sql("SELECT [1, 2] AS n, 'x' || repeat('y', 2000000) AS m"), {}),
        (sql("SELECT 1 AS n", "other"), {}),
        (
            Stage("python", "case", "def run(room): ..."),
            {"outputs": (Output("case", "table", (A,), 1 << 20, "", 0, (("n", "integer"),)),)},
        ),
        (
            sql("SELECT 1 AS n"),
            {"outputs": (Output("case", "table", (A,), 1 << 20, "", 0, (("n", "real"),)),)},
        ),
        (Stage("library", "no.such", ""), {}),
        (Stage("library", "ml.boosted_trees", ""), {}),
        (sql(BY_PLACE), {"outputs": (Output("case", "table", (A,), 100, "", 0),)}),
        (sql(BY_PLACE), {"outputs": (Output("case", "bytes", (A,), 1 << 20, "", 0),)}),
        (sql(BY_PLACE), {"outputs": (Output("case", "model", (A,), 1 << 20, "", 0),)}),
        (sql("SELECT 1 AS n"), {"outputs": (Output("case", "table", (A,), 1 << 20, "b", 0),)}),
    ],
)
def test_T63_what_fails_says_nothing_and_leaves_nothing(
    stage: Stage, changes: dict[str, Any]
) -> None:
    with pytest.raises(JobFailed) as failed:
        run(PEOPLE, stage, **changes)
    assert str(failed.value) == ""
    assert failed.value.__suppress_context__
    assert rows(run(PEOPLE, sql(STANDING))) == {"n": [2]}


def test_T64_what_is_no_table_or_was_extended_by_another_has_no_result() -> None:
    fewer = stream({"who": [1], "place": ["north"]})
    other = stream({"who": [1], "place": ["north"], "cost": [1]})
    real = stream({"who": [1], "place": ["north"], "value": [1.5]})
    extended = [(people(0, 3), one) for one in (fewer, other, real)]
    for segments in ((b"no arrow",), (people(0, 3)[:-40],), *extended):
        with pytest.raises(JobFailed):
            run((given("a", A, *segments),), sql("SELECT sum(value) AS n FROM a"))


def test_inputs_that_are_not_all_of_the_contracts_have_no_result() -> None:
    with pytest.raises(JobFailed):
        run(PEOPLE, sql("SELECT 1 AS n"), inputs=(Input("a", A, "rows", 0, 0),))
