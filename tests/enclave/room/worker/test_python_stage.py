"""Stages in Python among others: what they see, what they may give, who gets which rows (ROOMS §5;
T63)."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

pytest.importorskip("duckdb")

from tests.enclave.room.cell.cells import Cell, cell
from tests.enclave.room.worker.jobs import (
    ANALYST,
    SEED,
    A,
    B,
    bench,
    contract,
    given,
    people,
    rows,
    stream,
)

from strongroom.enclave.formats.clean_rooms.contract import Output, Stage
from strongroom.enclave.room.worker.python_stage import JobCell
from strongroom.enclave.room.worker.stages import Given, JobFailed

PEOPLE = (given("a", A, people(0, 40), people(40, 20)), given("b", B, people(60, 30)))
N = (("n", "integer"),)
COUNT = "room.give_table('case', {'n': [room.table('a').rows]})"
DURATION_MS = 600_000


def python(body: str, name: str = "ours") -> Stage:
    return Stage("python", name, f"def run(room):\n    {body}")


def table(columns: tuple[tuple[str, str], ...] = N, filter_alias: str = "", **more: Any) -> Output:
    return Output("case", "table", (ANALYST,), 1 << 20, filter_alias, 0, columns)


@contextmanager
def with_cell(begun: float, made: Any) -> Iterator[Cell]:
    with cell(limits=False) as one:
        one.link.until_ready(until=monotonic() + 120)
        bench().cell = JobCell(one.link, begun, made)
        try:
            yield one
        finally:
            bench().cell = None


def run(
    inputs: tuple[Given, ...], *stages: Stage, **changes: Any
) -> list[tuple[str, bytes, bytes]]:
    told: dict[str, Any] = {"outputs": (table(),), "duration_ms": DURATION_MS} | changes
    parameters = told.pop("given", ())
    made = contract(inputs, *stages, **told)
    with with_cell(monotonic(), made):
        return bench().run(made, parameters, inputs, SEED)


def test_code_reads_inputs_and_what_stages_before_made() -> None:
    sums = Stage("sql", "sums", "SELECT place, count(*) AS n FROM a GROUP BY place ORDER BY place")
    body = (
        "assert room.tables == ('a', 'b', 'sums')\n    "
        "room.give_table('case', {'n': [*room.table('sums')['n'], room.table('b').rows]})"
    )
    assert rows(run(PEOPLE, sums, python(body))) == {"n": [30, 30, 30]}


def test_stages_behind_it_read_what_it_made_under_its_own_name() -> None:
    body = "room.give_table('ours', {'who': room.table('a')['who'], 'x': [0.5] * 60})"
    sums = Stage("sql", "case", "SELECT count(*) AS n FROM ours WHERE x = 0.5")
    assert rows(run(PEOPLE, python(body), sums)) == {"n": [60]}


def test_two_stages_run_one_after_the_other_with_chance_of_their_own() -> None:
    body = "room.give_table('NAME', {'n': [int.from_bytes(room.seed[:4], 'big')]})"
    again = "room.give_table('case', {'n': [*room.table('one')['n'], *room.table('two')['n']]})"
    stages = [python(body.replace("NAME", name), name) for name in ("one", "two")]
    first, second = rows(run(PEOPLE, *stages, python(again)))["n"]
    assert first != second
    assert rows(run(PEOPLE, *stages, python(again)))["n"] == [first, second]


def test_models_and_bytes_are_outputs_by_their_names() -> None:
    body = "room.give_model('m', {'w': [1/3]}); room.give_bytes('z', bytes(room.parameters['k']))"
    outputs = (
        Output("m", "model", (ANALYST,), 100, "", 0),
        Output("z", "bytes", (ANALYST,), 100, "", 0),
    )
    made = run(PEOPLE, python(body), outputs=outputs, digits=3, given=(("k", 100),))
    assert made == [("m", b"", b'{"w":[0.333]}'), ("z", b"", bytes(100))]
    with pytest.raises(JobFailed):
        run(PEOPLE, python(body), outputs=outputs, given=(("k", 101),))


def test_reals_are_cut_to_the_contracts_digits() -> None:
    body = "room.give_table('case', {'x': [2 / 3, -0.0, None]})"
    made = run(PEOPLE, python(body), outputs=(table((("x", "real"),)),), digits=3)
    assert rows(made)["x"][:2] == [0.667, 0.0]


def test_a_row_goes_to_whom_the_account_is() -> None:
    inputs = (
        given("aa", A, stream({"bank": ["a", "b"], "account": ["a1", "b2"]}), data="accounts"),
        given("ba", B, stream({"bank": ["b", "b"], "account": ["b1", "b2"]}), data="accounts"),
    )
    body = (
        "room.give_table('case', {'bank': ['a', 'b', 'b', 'c'], "
        "'account': ['a1', 'b1', 'b2', 'c1'], 'score': [1.0, 2.0, 3.0, 4.0]})"
    )
    columns = (("bank", "text"), ("account", "text"), ("score", "real"))
    output = Output("case", "table", (A, B), 1 << 20, "aa", 0, columns)
    made = run(inputs, python(body), outputs=(output,))
    assert [(one[1], rows(made, at)["score"]) for at, one in enumerate(made)] == [
        (A, [1.0]),
        (B, [2.0]),
    ]


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ("raise ValueError(room.table('a')['who'][0])", {}),
        ("pass", {}),
        ("room.give_table('case', {'n': [0.5]})", {}),
        ("room.give_table('case', {'m': [1]})", {}),
        ("room.give_table('other', {'n': [1]})", {}),
        ("room.table('c')", {}),
        ("room.give_table('case', {'n': [1]})", {"outputs": (table((("n", "truth"),)),)}),
        ("room.give_model('case', {'n': [1]})", {}),
        ("import os", {}),
    ],
)
def test_T63_what_fails_says_nothing(body: str, changes: dict[str, Any]) -> None:
    with pytest.raises(JobFailed) as failed:
        run(PEOPLE, python(body), **({"outputs": (table(),)} | changes) if body else {})
    assert str(failed.value) == ""
    assert failed.value.__suppress_context__


def test_T63_what_another_stage_made_is_not_made_anew() -> None:
    first = Stage("sql", "case", "SELECT 1::BIGINT AS n")
    with pytest.raises(JobFailed):
        run(PEOPLE, first, python(COUNT))


def test_T63_a_cell_that_is_late_is_a_job_that_failed() -> None:
    made = contract(PEOPLE, python("while True: pass"), outputs=(table(),), duration_ms=1_000)
    with with_cell(monotonic(), made), pytest.raises(JobFailed):
        bench().run(made, (), PEOPLE, SEED)
    late = contract(PEOPLE, python(COUNT), outputs=(table(),), duration_ms=1_000)
    with with_cell(monotonic() - 1, late), pytest.raises(JobFailed):
        bench().run(late, (), PEOPLE, SEED)


def test_T63_memory_is_the_contracts() -> None:
    body = "kept = bytearray(100 << 20); room.give_table('case', {'n': [1]})"
    assert run(PEOPLE, python(body), memory_mb=256)
    with pytest.raises(JobFailed):
        run(PEOPLE, python(body), memory_mb=64)
