"""A model from its learning to its use, by real workers: nobody opens it, owners of rows alone are
told of them, and it goes with the data that it learned from (ROOMS §2, §5, §6; T66)."""

from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.enclave.programs.rooms.world import ANALYST, BANKS, REGULATOR, who
from tests.node.rooms.worker_world import World, world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Parameter, Stage
from strongroom.enclave.room.library.shapes import Table
from strongroom.node.clean_rooms.predicting import NotAnswered, Prediction, asking, row_of
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.rooms.starting import program_file

pytestmark = pytest.mark.processes

OPERATORS = ("operator0", "operator1")
PROGRAMS = ("ml.boosted_trees", "ml.logistic", "ml.predict", "ml.serve")
LEARN = {"columns": "age 0..120;pain {1,2,3}", "target": "ill {0,1}", "test_percent": 0}
TEXT, NUMBER = ("str", 0, 1_000), ("int", 0, 1_000)


def patients(seed: int, rows: int) -> Table:
    random = Random(seed)
    found: dict[str, list[int]] = {"age": [], "pain": [], "ill": []}
    for _ in range(rows):
        age, pain = random.randint(20, 90), random.randint(1, 3)
        found["age"].append(age)
        found["pain"].append(pain)
        found["ill"].append(int(age / 30 + pain + random.gauss(0, 0.5) > 4))
    return Table.of(found)


def declared(**types: tuple[str, int, int]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, *types[name]) for name in sorted(types))


async def learn(here: World, room: bytes, program: str, **numbers: int) -> bytes:
    """Both hospitals' rows make the asset `diagnosis`."""
    for at, name in enumerate(BANKS):
        await here.bring(name, "transfers", [patients(at, 60)], programs=PROGRAMS)
    agreed = await here.agree(
        room,
        name="learn",
        stages=(Stage("library", program, ""),),
        outputs=(Output("model", "model", (), 1 << 20, "", 0),),
        parameters=declared(
            columns=TEXT, target=TEXT, test_percent=NUMBER, **dict.fromkeys(numbers, NUMBER)
        ),
    )
    async with here.workers(*OPERATORS) as workers:
        job = await here.run(agreed, LEARN | numbers)
        ends = [await one.end() for one in workers]
    assert all(one.ok for one in ends), ends
    shown = await here.look("job", job=job)
    assert shown["state"] == "agreed", shown
    await here.act(ANALYST, "rooms.keep", job=job, output="model", name="diagnosis")
    return job


async def test_T66_a_model_is_used_by_jobs_and_opened_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        learned = await learn(here, room, "ml.logistic")
        for name in (*BANKS, REGULATOR):
            with pytest.raises(ProgramFailed, match="recipients"):
                await here.act(name, "rooms.open", job=learned, output="model")

        await here.bring(BANKS[1], "ward", [patients(7, 30)], programs=PROGRAMS)
        agreed = await here.agree(
            room,
            name="predict",
            inputs=(
                Input("model", room, "diagnosis", 0, 0),
                Input("ward", who(BANKS[1]), "ward", 0, 0),
            ),
            stages=(Stage("library", "ml.predict", ""),),
            outputs=(
                Output("metrics", "table", tuple(sorted(map(who, BANKS))), 1 << 20, "", 0),
                Output("predictions", "table", (who(BANKS[1]),), 1 << 20, "", 0),
            ),
            parameters=declared(target=TEXT),
        )
        async with here.workers(*OPERATORS) as workers:
            job = await here.run(agreed, {"target": "ill {0,1}"})
            ends = [await one.end() for one in workers]
        assert all(one.ok for one in ends), ends
        shown = await here.look("job", job=job)
        assert shown["state"] == "agreed", shown
        told = await here.open(BANKS[1], job, "predictions", room)
        ill = patients(7, 30).columns["ill"]
        right = sum(
            (one > 0.5) == bool(true)
            for one, true in zip(told.columns["probability"], ill, strict=True)
        )
        metrics = await here.open(BANKS[0], job, "metrics", room)
        assert list(metrics.columns["right"]) == [right]
        assert right > 22
        with pytest.raises(ProgramFailed, match="recipients"):
            await here.act(BANKS[0], "rooms.open", job=job, output="predictions")

        await here.act(BANKS[0], "rooms.withdraw_data", data="/transfers")
        for output in ("metrics", "predictions"):
            with pytest.raises(ProgramFailed, match="withdrawn"):
                await here.act(BANKS[1], "rooms.open", job=job, output=output)


async def asks(here: World, name: str, job: bytes, **row: str) -> Prediction:
    async with (
        Client.connect(here.directory, name.replace(" ", "-")) as client,
        asking(client) as asker,
    ):
        return await asker.predict(job, row_of(row))


async def test_T66_a_serving_answers_its_recipients_until_data_are_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of trees, by the worker that has LightGBM."""
    pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")
    async with world(tmp_path, monkeypatch) as here:
        here.program = program_file("analytics-ml")
        room = await here.open_room()
        await learn(here, room, "ml.boosted_trees", trees=20, learning_thousandths=300)
        agreed = await here.agree(
            room,
            name="serve",
            inputs=(Input("model", room, "diagnosis", 0, 0),),
            stages=(Stage("library", "ml.serve", ""),),
            outputs=(Output("answers", "bytes", tuple(sorted(map(who, BANKS))), 64, "", 0),),
            parameters=declared(answers=("int", 1, 99)),
            duration_ms=600_000,
        )
        async with here.workers(*OPERATORS) as workers:
            job = await here.run(agreed, {"answers": 99})
            for one in workers:
                await so(partial(one.said, "serving"), "the worker serves")
            old = await asks(here, BANKS[0], job, age="85", pain="3")
            young = await asks(here, BANKS[1], job, age="21.5", pain="1")
            assert young.probability < 0.1 < 0.9 < old.probability
            assert (old.left, young.left) == (98, 98)
            for row in ({"age": "500", "pain": "3"}, {"pain": "3"}):
                with pytest.raises(NotAnswered, match="refused"):
                    await asks(here, BANKS[0], job, **row)
            with pytest.raises(ProgramFailed, match="recipients"):
                await asks(here, REGULATOR, job, age="85", pain="3")

            gone, left = workers
            await gone.process.kill()
            await here.act(BANKS[1], "rooms.withdraw_data", data="/transfers")
            ended = await left.end()
            assert (ended.ok, ended.code) in [(False, "withdrawn"), (False, "revoked")], ended
            with pytest.raises(ProgramFailed, match="withdrawn"):
                await asks(here, BANKS[0], job, age="85", pain="3")
