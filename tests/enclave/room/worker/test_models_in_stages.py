"""Models as inputs of a job: the one that is named so, read by library programs alone
(ROOMS §2, §5; T61, T64)."""

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("duckdb")

from tests.enclave.room.worker.jobs import ANALYST, A, B, given, rows, run, stream

from strongroom.enclave.formats.clean_rooms.contract import Output, Stage
from strongroom.enclave.room.worker.stages import Given, JobFailed

PEOPLE = given("p", A, stream({"age": list(range(40)), "ill": [0] * 20 + [1] * 20}))
NEW = given("ward", B, stream({"age": [1, 39], "ill": [0, 1]}), data="new")
MODEL = (Output("model", "model", (), 1 << 20, "", 0),)
TOLD = (Output("predictions", "table", (ANALYST,), 1 << 20, "", 0),)
PREDICT = Stage("library", "ml.predict", "")


def model() -> Given:
    parameters = (("columns", "age 0..99"), ("target", "ill {0,1}"))
    stage = Stage("library", "ml.logistic", "")
    ((_, _, data),) = run((PEOPLE,), stage, parameters=parameters, outputs=MODEL)
    return given("model", bytes(32), data, data="joint")


def predicted(*inputs: Given, stages: tuple[Stage, ...] = (PREDICT,), **changes: Any) -> Any:
    return rows(run(inputs, *stages, **({"outputs": TOLD} | changes)))


def test_a_model_is_one_input_and_rows_are_another() -> None:
    made = predicted(model(), NEW)
    assert made["owner"] == ["ward", "ward"]
    assert made["probability"][0] < 0.2 < 0.8 < made["probability"][1]


def test_rows_are_shaped_by_a_text_before_it() -> None:
    text = Stage("sql", "ward", "SELECT 99 AS age FROM ward")
    made = predicted(model(), NEW, stages=(text, PREDICT))
    assert len(made["probability"]) == 2
    assert min(made["probability"]) > 0.9


def test_T61_no_text_reads_a_model() -> None:
    for text in ("SELECT * FROM model", "SELECT 1 AS x FROM model"):
        with pytest.raises(JobFailed):
            run((model(), NEW), Stage("sql", "case", text))


@pytest.mark.parametrize("broken", [b"{}", b"tree\nversion=v4\n", b"{" * 100_000])
def test_T64_what_only_begins_as_a_model_has_no_result(broken: bytes) -> None:
    with pytest.raises(JobFailed):
        predicted(given("model", bytes(32), broken, data="joint"), NEW)


def test_T64_a_model_that_was_extended_is_none() -> None:
    twice = given("model", bytes(32), *model().segments, *model().segments, data="joint")
    with pytest.raises(JobFailed):
        predicted(twice, NEW)


def test_without_a_model_or_without_rows_nothing_is_predicted() -> None:
    for inputs in ((NEW,), (model(),), (replace(model(), alias="m"), NEW)):
        with pytest.raises(JobFailed):
            predicted(*inputs)
