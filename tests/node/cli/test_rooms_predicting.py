"""`strongroom rooms predict | serving` on a service in this process: rows as people write them, and
what is said when there is no answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.programs.rooms.world import data_terms, worker
from tests.node.cli import test_rooms_commands as commands
from tests.node.cli.data_world import Owner, owner
from tests.node.cli.test_rooms_opening import agreed

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.serving import decode_row
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.cli.rooms_predicting import read_row, read_rows
from strongroom.node.client.client import Client

SERVES = """
name = "answers"
purpose = "aml"
runs = 2
duration = "1h"
[inputs.model]
asset = "joint"
[[stages]]
language = "library"
name = "ml.serve"
[outputs.answers]
kind = "bytes"
bytes = 64
recipients = ["bob"]
[parameters.answers]
least = 1
most = 9
"""
OPERATORS = ("operator0", "operator1")


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms of the tests' data set that let its model serve."""
    programs = ("ml.serve", "reviewed")
    monkeypatch.setattr(commands, "data_terms", partial(data_terms, programs=programs))


async def serving(run: Owner) -> tuple[str, str]:
    """(contract, job) of a serving that executors have taken."""
    learned = await agreed(run)
    await run.json("rooms", "keep", learned, "case", "joint", "--as", "bob")
    room = (await run.json("rooms", "list", "--as", "bob"))[0]["room"]
    text = run.write("serve.toml", SERVES)
    made = await run.json("rooms", "propose", room, text, "--as", "bob")
    contract: str = made["result"]["contract"]
    await run.json("rooms", "vote", contract, "--yes", "--as", "alice")
    for operator in OPERATORS:
        await run.work(operator, "wait")
    told = await run.json("rooms", "run", contract, "--set", "answers=5", "--as", "bob")
    job: str = told["result"]["job"]
    for operator in OPERATORS:
        await run.work(operator, "take", job=bytes.fromhex(job))
    return contract, job


@asynccontextmanager
async def answered(run: Owner, job: str, *answers: str) -> AsyncIterator[list[Any]]:
    """Executors that say this of each row; the rows that they saw."""
    seen: list[Any] = []

    async def answer(operator: str, said: str) -> None:
        who = Identity(key_named(worker(operator).who))
        async with Client.connect(run.directory, who) as client:
            async for _ in client.blocks():
                asked = (await client.query("rooms.asked", job=bytes.fromhex(job))).value
                seen.extend(decode_row(one["row"]) for one in asked)
                told = [[one["number"], said] for one in asked]
                if told:
                    await client.call("rooms.answer", job=bytes.fromhex(job), answers=told)

    both = [asyncio.create_task(answer(*one)) for one in zip(OPERATORS, answers, strict=True)]
    try:
        yield seen
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def test_rows_are_asked_as_people_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        contract, job = await serving(run)
        asks = ("rooms", "predict", contract, "--as", "bob")
        async with answered(run, job, "0.25", "0.25") as seen:
            one = await run.json(*asks, "--row", "age=63", "--row", "chol=")
            assert one["rows"] == [{"probability": 0.25, "left": 4, "error": ""}]
            patient = run.write("p.json", '{"chol": 233.5, "age": 63, "pain": null}')
            await run.json("rooms", "predict", job, "--row", patient, "--as", "bob")
            ward = run.write("ward.csv", "age,chol\n63,233\n64,\n")
            many = await run.json(*asks, "--file", ward)
            assert [row["probability"] for row in many["rows"]] == [0.25, 0.25]
        assert set(seen) == {
            (("age", "63"),),
            (("age", "63"), ("chol", "233.5")),
            (("age", "63"), ("chol", "233")),
            (("age", "64"),),
        }
        async with answered(run, job, "0.25", "0.5"):
            differ = await run(*asks, "--row", "age=63")
        assert (differ.exit_code, "disputed: workers do not agree" in differ.output) == (1, True)
        used = await run(*asks, "--row", "age=63")
        assert (used.exit_code, "budget" in used.output) == (1, True)
        shown = await run.json("rooms", "serving", job, "--as", "alice")
        assert (shown["asked"], shown["each"]) == (5, 5)
        assert sorted(shown["answering"]) == list(OPERATORS)
        for command, word in (("serving", "operator0"), ("job", "serving")):
            assert word in (await run("rooms", command, job, "--as", "alice")).output


@pytest.mark.parametrize("given", [["age"], ["=1"], ["age=1", "age=2"], ["no.json"]])
def test_what_is_no_row_is_said(given: list[str]) -> None:
    with pytest.raises(ClientFault):
        read_row(given)


@pytest.mark.parametrize("text", ["[1]", '{"age": [1]}', '{"age": true}', "{"])
def test_a_file_of_a_row_has_names_and_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "row.json"
    path.write_text(text)
    with pytest.raises(ClientFault):
        read_row([str(path)])
    path.write_text(json.dumps({"age": 63}))
    assert read_row([str(path)]) == {"age": "63"}


@pytest.mark.parametrize("text", ["", "age\n", "age,pain\n1\n", "age\n1,2\n"])
def test_a_file_of_rows_has_a_value_for_each_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(ClientFault):
        read_rows(path)
