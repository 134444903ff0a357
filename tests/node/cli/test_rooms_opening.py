"""`strongroom rooms open | cost` on a service in this process: a result of real workers' form."""

import asyncio
import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.node.cli.data_world import Owner, owner
from tests.node.cli.test_rooms_commands import CONTRACT
from typer.testing import CliRunner

from strongroom.enclave.formats.clean_rooms.result_keys import output_key, result_name
from strongroom.enclave.outside.chunks import DataPlace
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library.shapes import Kind, Table
from strongroom.enclave.room.worker import tables
from strongroom.node.clean_rooms import watching
from strongroom.node.clean_rooms.bringing import node_doors
from strongroom.node.clean_rooms.watching import happenings
from strongroom.node.cli.main import make_app
from strongroom.node.client.client import Client
from strongroom.node.client.trust.service import load_service

RESULT = Table.of({"bank": ["a", "b, c"], "n": [42, 30], "ok": [True, False]})
KINDS = {"bank": Kind.TEXT, "n": Kind.INTEGER, "ok": Kind.TRUTH}


async def agreed(run: Owner, *, filtered: bool = False) -> str:
    """A job whose executors agree on RESULT, sealed as a worker seals it; its id."""
    room = await run.opened()
    await run.publish()
    run.write("count.sql", "select count(*) from a")
    text = CONTRACT.replace('["bob"]', '["alice", "bob"]') if filtered else CONTRACT
    text = text.replace('kind = "table"', 'kind = "table"\nfilter = "a"') if filtered else text
    made = await run.json("rooms", "propose", room, run.write("c.toml", text), "--as", "bob")
    contract = made["result"]["contract"]
    await run.json("rooms", "vote", contract, "--yes", "--as", "alice")
    for operator in ("operator0", "operator1"):
        await run.work(operator, "wait")
    told = await run.json("rooms", "run", contract, "--set", "days=20", "--as", "bob")
    job: str = told["result"]["job"]
    people = sorted([await run.identity(name) for name in ("alice", "bob")])
    for operator in ("operator0", "operator1"):
        taken = await run.work(operator, "take", job=bytes.fromhex(job))
        entries = [
            await stored(run, room, job, taken["result"], one)
            for one in (people if filtered else [b""])
        ]
        await run.work(operator, "report", job=bytes.fromhex(job), entries=entries)
    return job


async def stored(run: Owner, room: str, job: str, secret: bytes, whose: bytes) -> list[Any]:
    service, id = load_service(run.directory), bytes.fromhex(job)
    place = DataPlace(service.chain, bytes.fromhex(room), result_name(id, "case", whose), 1)
    key = Secret(output_key(secret, "case", whose))
    async with node_doors(service) as doors:
        one = await doors.store([tables.write(RESULT, KINDS, 6)], key, place)
    return ["case", whose, bytes(one.root), one.chunks, one.size_class]


@pytest.mark.parametrize("filtered", [False, True])
async def test_a_recipient_opens_a_result_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filtered: bool
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        job = await agreed(run, filtered=filtered)
        out = tmp_path / "out.csv"
        words = ("rooms", "open", job, "case", "--out", str(out), "--as", "bob")
        told = await run.json(*words)
        assert "key" not in told["result"]
        with out.open(newline="") as file:
            assert list(csv.reader(file)) == [
                ["bank", "n", "ok"],
                ["a", "42", "true"],
                ["b, c", "30", "false"],
            ]
        await run.json(*words, "--form", "json")
        assert json.loads(out.read_text())[1] == {"bank": "b, c", "n": 30, "ok": False}
        await run.json(*words, "--form", "arrow")
        assert tables.read(Stream.of(out.read_bytes())).rows == 2
        shown = await run(*words)
        assert "strongroom receipt " in shown.stdout
        proof = tmp_path / "proof.json"
        opening = await run.json(*words, "--receipt", str(proof))
        check = ["rooms", "verify", str(proof), "--service", load_service(run.directory).pin]
        verified = CliRunner().invoke(make_app(check[0]), [*check, "--json"])
        assert verified.exit_code == 0, verified.output
        told = json.loads(verified.stdout)
        assert (told["verdict"], told["id"]) == ("valid", opening["id"])
        assert sorted(told["claim"]["operators"]) == ["operator0", "operator1"]
        assert told["claim"]["job"] == job
        document = json.loads(proof.read_text())
        document["claim"] = document["claim"].replace(b"operator1".hex(), b"operator2".hex())
        proof.write_text(json.dumps(document))
        assert CliRunner().invoke(make_app(check[0]), check).exit_code == 1
        receipt = await run.json("receipt", told["id"], "-o", str(tmp_path / "r.json"))
        assert receipt["id"] == told["id"]


async def test_what_cannot_be_opened_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        job = await agreed(run)
        out = str(tmp_path / "out.csv")
        events = (await run.json("rooms", "events", await room_of(run), "--as", "bob"))["total"]
        for words, said in (
            (("case", "--as", "alice"), "recipients"),
            (("other", "--as", "bob"), "output"),
            (("case", "--as", "bob", "--form", "xls"), "csv, json, arrow"),
        ):
            ended = await run("rooms", "open", job, *words, "--out", out)
            assert (ended.exit_code in (1, 2), said in ended.stderr) == (True, True), ended.stderr
        for path in (tmp_path / "chunks" / "pool").iterdir():
            path.unlink()
        run.chunks._pooled.clear()
        ended = await run("rooms", "open", job, "case", "--as", "bob", "--out", out)
        assert "no node has the list" in ended.stderr
        after = (await run.json("rooms", "events", await room_of(run), "--as", "bob"))["total"]
        assert (after, Path(out).exists()) == (events, False)


async def room_of(run: Owner) -> str:
    (one,) = await run.json("rooms", "list", "--as", "bob")
    room: str = one["room"]
    return room


async def test_a_run_has_a_price_and_owners_see_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        job = await agreed(run)
        contract = (await run.json("rooms", "job", job, "--as", "bob"))["contract"]
        mine = await run.json("rooms", "cost", contract, "--as", "alice")
        assert (mine["runs_left"], mine["inputs"][0]["runs_left"]) == (1, 2)
        assert mine["inputs"][0]["epsilon_left"] == 250
        others = await run.json("rooms", "cost", contract, "--as", "bob")
        assert others["inputs"][0]["epsilon_left"] is None
        assert "its owner knows" in (await run("rooms", "cost", contract, "--as", "bob")).stdout


async def test_events_are_told_as_they_come_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        room = bytes.fromhex(await run.opened())
        async with Client.connect(run.directory, "bob", one_shot=True) as client:
            news = happenings(client, room, 0, pause=0.01)
            first = [await anext(news) for _ in range(4)]
            assert [one["number"] for one in first] == [1, 2, 3, 4]
            coming = asyncio.ensure_future(anext(news))
            await run.json("rooms", "close", room.hex(), "--yes", "--as", "alice")
            closed = await coming
            assert (closed["number"], closed["what"]) == (5, "closed")


async def test_watching_prints_a_line_for_each_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    async with owner(tmp_path, monkeypatch) as run:
        room = await run.opened()
        monkeypatch.setattr(watching, "asyncio", SimpleNamespace(sleep=stop))
        ended = await run("rooms", "events", room, "--watch", "--as", "bob")
        assert ended.exit_code == 130
        lines = ended.stdout.splitlines()
        assert (len(lines), "created" in lines[0]) == (4, True)
