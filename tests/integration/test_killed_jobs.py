"""kill -9 at every step of a plant's job: nothing is released twice, nothing is lost but what a
lease had reserved, and whoever is refused is told why in words (T52, T53, T54)."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.killed_job import (
    LAYERS,
    PARTS,
    ROOM,
    Job,
    Strike,
    kill_all,
    kill_enclave,
    kill_host,
    kill_leader,
    kill_room,
    running_job,
)

from strongroom.node.demo.hunt import forms_of, hunt_files, hunt_memory
from strongroom.node.demo.room_processes import Event

pytestmark = [pytest.mark.processes, pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

STEPS = {
    "the room is started": lambda one: one.get("event") == "started",
    "it has a lease": lambda one: one.get("event") == "lease",
    "a layer is printed": lambda one: one.get("event") == "layer",
    "the last layer": lambda one: one.get("event") == "layer" and one["layer"] == LAYERS,
    "a unit is reported": lambda one: one.get("event") == "unit",
    "the last unit": lambda one: one.get("event") == "unit" and one["unit"] == PARTS,
}
SOON = (0.1, 0.25, 0.5)
"""Seconds after its start: evidence is made, and the ask is under way."""
STRIKES = [kill_room, kill_host, kill_leader, kill_enclave, kill_all]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def job(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Job]:
    async with running_job(tmp_path_factory.mktemp("job")) as made:
        yield made


async def hurt(job: Job, strike: Strike, step: str, later: float = 0.0) -> None:
    """A job that is struck at a step, then done again from its start if it was not done."""
    key = await job.key(strike.__name__.replace("_", "-"))
    room = await job.room(key)

    def reached(event: Event) -> bool:
        return bool(STEPS[step](event)) or "ok" in event

    await room.until(reached, step)
    await asyncio.sleep(later)
    await strike(job, room)
    if await job.over(room):
        await job.again(key)
    await job.check(key)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("strike", STRIKES)
async def test_whatever_is_killed_at_a_step_the_job_is_done_by_starting_again(
    job: Job, strike: Strike, step: str
) -> None:
    await hurt(job, strike, step)


@pytest.mark.parametrize("later", SOON)
@pytest.mark.parametrize("strike", STRIKES)
async def test_whatever_is_killed_while_a_room_asks_the_job_is_done_by_starting_again(
    job: Job, strike: Strike, later: float
) -> None:
    await hurt(job, strike, "the room is started", later)


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.7, 0.9, 1.1, 1.3])
async def test_a_maker_whose_command_is_killed_gives_it_again(job: Job, seconds: float) -> None:
    """Whatever had happened by then: the key file, the container, the ledger's word."""
    key = f"killed-{int(seconds * 10)}"
    await job.killed_after(seconds, *job.new(key))
    worked, document = await job.told(*job.new(key))
    assert worked or "taken" in str(document)
    await job.killed_after(seconds, *job.put(key))
    worked, document = await job.told(*job.put(key))
    assert worked, document
    shown = await job.must("vault", "show", key, *job.as_maker)
    assert shown["state"] == "active"
    assert await job.over(await job.room(key, parts=1, seconds=0.0)) == ""
    await job.check(key)


@pytest.mark.parametrize("strike", [kill_leader, kill_all])
@pytest.mark.parametrize("acknowledged", [True, False])
async def test_T52_a_revocation_stands_whatever_is_killed_behind_it_or_under_it(
    job: Job, strike: Strike, acknowledged: bool
) -> None:
    """Given again where it had no answer."""
    key = await job.key(f"revoked-{strike.__name__.replace('_', '-')}-{int(acknowledged)}")
    revoke = ("vault", "revoke", key, "--yes", *job.as_maker)
    room = await job.room(key, parts=1, seconds=60.0)
    await room.until(STEPS["a layer is printed"], "a layer")
    if acknowledged:
        await job.must(*revoke)
        await strike(job, room)
    else:
        await asyncio.gather(job.killed_after(0.8, *revoke), strike(job, room))
        worked, document = await job.told(*revoke)
        assert worked or document["error"]["code"] == "revoked"
    assert await job.over(room) in ("revoked", "silence")
    assert await job.over(await job.room(key)) == "revoked"
    shown = await job.must("vault", "leases", key, *job.as_maker)
    assert [one["pieces_given"] for one in shown] == [1]
    await job.check(key)


async def test_T10_no_secret_of_a_job_is_left_anywhere_while_it_runs_and_after_all_were_killed(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The design, its data key, the keys of its pieces, the passphrase of the maker's key file: in
    files, logs, temporary files, answers and errors of commands, and in the memory of hosts. Each
    search finds something that must be there."""
    passphrase = f"the-makers-passphrase-{secrets.token_hex(8)}"
    temporary = job.folder / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("STRONGROOM_PASSPHRASE", passphrase)
    key = "canary"
    await job.must(*job.new(key))
    await job.must(*job.put(key))
    await job.must(*job.new("sealed"))
    await job.must(*job.put("sealed"), "--passphrase")
    monkeypatch.delenv("STRONGROOM_PASSPHRASE")
    never, own = job.secrets_of(key)
    never.append(passphrase)
    room = await job.room(key, seconds=60.0)
    await room.until(STEPS["a layer is printed"], "a layer")
    host, inside = room.host, room.inside
    assert host is not None
    assert inside is not None
    found = hunt_memory(host.pid, [*never, ROOM]).found
    assert found.pop(ROOM), "the search is not blind"
    assert not any(found.values()), found
    for node in job.cluster.nodes:
        info: Any = await asyncio.to_thread(node.ask, "service_info")
        served, control = node.host(), str(info["name"])
        assert served is not None
        found = hunt_memory(served.pid, [*never, control]).found
        assert found.pop(control)
        assert not any(found.values()), found
    if os.geteuid() == 0:
        found = hunt_memory(inside.pid, never).found
        assert any(found.values()), "the room itself holds what it works with"
    for strike in (kill_room, kill_all):
        await strike(job, room)
    assert await job.over(room)
    await job.again(key)
    outputs = "\n".join([*job.words, *job.outputs, *(str(event) for event in room.events)])
    control = job.owner.removeprefix("id:")
    assert control in outputs
    for text in never:
        assert not any(form.decode("latin-1") in outputs for form in forms_of(text).values())
    hunted = hunt_files(job.folder, [*never, control])
    assert hunted.found.pop(control)
    places = {place.rpartition(" (")[0] for where in hunted.found.values() for place in where}
    assert places == own
    assert not list(temporary.iterdir())
