"""The hospitals' story, whole: on invented hospitals and on the public ones."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nanoarrow", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets
from tests.node.rooms.worker_world import PEOPLE, world

from strongroom.node.client.client import Client
from strongroom.node.demo.clean_rooms.lines import Lines
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.clean_rooms.pool import client_folder
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.demo.health import refusals, texts
from strongroom.node.demo.health.clinic import Clinic
from strongroom.node.demo.health.invented import invented_study
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.teller import Teller

ROOT = Path(__file__).parents[3]


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.parametrize(
    "data",
    [
        pytest.param((), id="invented"),
        pytest.param(("--data", str(FOLDER)), id="public", marks=needs_public_sets),
    ],
)
def test_T63_T64_the_whole_story_holds(tmp_path: Path, data: tuple[str, ...]) -> None:
    report = tmp_path / "health.html"
    command = [sys.executable, str(ROOT / "scripts/demo.py"), "--scenario", "health", "--json"]
    done = subprocess.run(
        [*command, *data, "--report", str(report)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert all(line["holds"] for line in document["lines"])
    codes = {one["code"] for one in document["refusals"]}
    assert codes >= {"RowsRefused", "no-data", "terms", "not-approved", "recipients", "withdrawn"}
    metrics = document["health"]["metrics"]
    if data:
        assert round(document["health"]["fit"]["objective"], 5) == 204.03565
        assert all(row["auc"] > (row["alone_auc"] or 0) for row in metrics)
    else:
        assert any(row["auc"] <= row["alone_auc"] for row in metrics), "it gains nothing somewhere"
    page = report.read_text()
    assert page.count("<svg") == 2
    assert all(row["owner"] in page for row in metrics)


async def test_T63_a_broken_file_and_what_is_not_agreed_are_refused_without_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story until its first job, on a service in this process."""
    async with hospitals(tmp_path, monkeypatch) as clinic:
        room = await clinic.scene.room(texts.room_terms(clinic.names), clinic.names)
        await clinic.bring_broken()
        await clinic.bring()
        await room.contract(texts.fit_contract(clinic.study), clinic.scene.party(clinic.names[0]))
        await refusals.before_the_run(clinic, room)
        told = await clinic.party(clinic.last).ask("rooms.data_set", data=(b"", texts.DATA))
        assert len(told["versions"]) == 1
        await clinic.mend()
        lines = clinic.scene.lines
        assert lines.broken == []
        assert [one.code for one in lines.refusals] == [
            *("RowsRefused", "no-data", "no-data", "terms", "not-approved")
        ]
        marks = [*clinic.marks.values()]
        sealed = b"".join(
            one.read_bytes() for one in (tmp_path / "chunks").rglob("*") if one.is_file()
        )
        assert len(sealed) > 100_000
        assert not any(mark.encode() in sealed for mark in marks)


@asynccontextmanager
async def hospitals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clinic]:
    """Four people whom the service knows are the hospitals, each at a desk of its own."""
    async with world(folder, monkeypatch) as here, AsyncExitStack() as clients:
        names = [name.replace(" ", "-") for name in PEOPLE]
        study = invented_study()
        known = [replace(one, name=name) for one, name in zip(study.hospitals, names, strict=True)]
        lines = Lines(Teller(to_stderr=True), "a clinic")
        nothing: Any = None
        scene = Scene(nothing, folder, lines, nothing, nothing)
        for name in names:
            desk = client_folder(ClusterLayout(here.directory), folder / name, (name,))
            client = await clients.enter_async_context(Client.connect(desk.directory, name))
            id = bytes(client.identity.id)
            scene.parties[name] = Party(name, id, folder / name, client, scene.resolve, lines)
        yield Clinic.of(scene, replace(study, hospitals=tuple(known)))
