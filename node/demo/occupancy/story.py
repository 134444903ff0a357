"""Owners of sensors learn together when their building is used, and nobody learns who was where.

Owns the order of the story and what must hold at each step. Every verdict is read from a running
cluster, real workers and real captures.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from strongroom.node.cluster.temporary_cluster import Stage
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.clean_rooms.parties import Result
from strongroom.node.demo.clean_rooms.scene import Cast, Scene, play
from strongroom.node.demo.occupancy import counts, erasing, refusals, texts
from strongroom.node.demo.occupancy.public import read_world
from strongroom.node.demo.occupancy.sensing import Device, Site
from strongroom.node.demo.occupancy.texts import FACILITY, MICROS, PLANNER, READINGS
from strongroom.node.demo.occupancy.world import World, make_world
from strongroom.node.terminal.teller import Teller

OPERATORS = ("north-ops", "south-ops")
SEED = 20_261_130
JOB_SECONDS = 5
EPSILON = 2 * MICROS, 3 * MICROS
"""Of a job, and for life: one job, and half of another."""
INTRO = (
    "Three owners of sensors in one building want to know when its zones are used. Devices sign "
    "what they see, owners bring it sealed, and attested workers of two operators tell hours and "
    "zones: not what is too little, not the difference that one visit makes, and after retention "
    "nothing at all."
)
LIMITS = (("grace_ms", 1_500),)
"""How long the input secret of an ended epoch is kept: whoever erases waits for it."""


async def tell(
    stage: Stage, teller: Teller, report: Path | None, data: Path | None
) -> dict[str, Any]:
    """Play it over made readings, or over the public set in a folder.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    world = read_world(data) if data is not None else make_world(SEED)
    cast = Cast(
        title="A building learns its hours, and nobody's movements",
        intro=INTRO,
        parties=(*world.owners, PLANNER, FACILITY),
        workers=OPERATORS * 3,
        one_job_each=True,
        limits=LIMITS,
    )
    return await play(cast, stage, teller, report, partial(_act, world=world))


@dataclass(slots=True)
class Building:
    """Everybody's gateways and devices."""

    world: World
    room: OpenRoom
    sites: dict[str, Site] = field(default_factory=dict)
    devices: dict[str, list[Device]] = field(default_factory=dict)


async def _act(scene: Scene, *, world: World) -> None:
    teller, everybody = scene.teller, (*world.owners, PLANNER, FACILITY)
    teller.step("Three owners of sensors make a room; their devices sign what they see")
    room = await scene.room(texts.room_terms(world.owners), everybody)
    here = Building(world, room)
    await _bring(scene, here)
    await refusals.of_batches(scene, here.sites[world.owners[0]], here.devices[world.owners[0]])
    _look_for(scene, here)
    teller.step("Hours are counted exactly, and what is too little is not told")
    exact = await _agreed(scene, here, "hours", 0)
    job = await _run(scene, exact, world)
    told = await scene.party(FACILITY).open(job.id, "cells")
    await scene.party(FACILITY).prove(told, "the hourly counts")
    cells = counts.check_exact(scene, world, told)
    teller.step("One visit more, and the same question: a pair that would tell the visit")
    await refusals.of_pairs(scene, here.sites, here.devices, world, exact, job)
    teller.step("Owners let noise answer instead, within a budget; a gateway lies")
    noisy = await _answer_with_noise(scene, here)
    counts.check_noise(scene, world, cells, noisy, EPSILON[0])
    counts.draw(scene, world, cells, noisy)
    teller.step("Retention is over: an owner takes its readings back, for good")
    await _erase(scene, here, job)
    teller.step("Who saw what, from disks, memory and the line")
    _show_places(scene, here)


async def _bring(scene: Scene, here: Building) -> None:
    """All but the last batch of each device as a first version, the last ones as an extension."""
    chain, terms = scene.cluster.service().chain, texts.reading_terms(runs=1)

    async def one(owner: str) -> None:
        party = scene.party(owner)
        site = here.sites[owner] = Site(party, READINGS)
        hubs = here.world.of(owner)
        devices = here.devices[owner] = [Device(hub, chain, party.id, READINGS) for hub in hubs]
        first = [
            device.sign(batch)
            for device, hub in zip(devices, hubs, strict=True)
            for batch in hub.batches[:-1]
        ]
        await site.bring(first, terms, devices)
        last = [device.sign(hub.batches[-1]) for device, hub in zip(devices, hubs, strict=True)]
        await site.extend(last)

    await asyncio.gather(*map(one, here.world.owners))
    rows = len(here.world.readings)
    batches = sum(len(hub.batches) for hub in here.world.hubs)
    words = f"{rows:,} readings in {batches} signed batches are sealed and named on the ledger"
    listed = [
        device["last"]
        for owner in here.world.owners
        for device in await scene.party(owner).ask("rooms.devices", data=(b"", READINGS))
    ]
    scene.lines.check(sum(listed) == batches, words)


def _look_for(scene: Scene, here: Building) -> None:
    for owner, desk in here.world.secrets.items():
        scene.captures.look_for(_movements(owner), desk)
    keys = [key for owner in here.world.owners for key in scene.party(owner).secrets()]
    scene.captures.look_for_keys("data keys", keys)


async def _agreed(scene: Scene, here: Building, name: str, epsilon: int) -> Agreed:
    text = texts.hourly_contract(
        name,
        here.world.owners,
        seconds=JOB_SECONDS,
        minutes_min=here.world.minutes_min,
        epsilon=epsilon,
    )
    return await here.room.contract(text, scene.party(PLANNER))


async def _run(scene: Scene, agreed: Agreed, world: World) -> Job:
    """The first job, with eyes on the workers meanwhile."""
    await scene.pool.ready()
    scene.lines.check(True, f"workers of {' and '.join(OPERATORS)} wait, each an attested process")
    running = asyncio.create_task(agreed.run(scene.party(PLANNER), **counts.parameters(world)))
    try:
        while not running.done() and not scene.captures.seen_at_work:
            await scene.captures.worker_at_work(scene.pool)
            await asyncio.sleep(0.1)
        await scene.captures.nodes_and_hosts(scene.pool.workers, "its operator")
        job = await running
    finally:
        running.cancel()
    shown = await job.settled()
    reports = [one for one in shown["executors"] if one["report"]]
    same = len({one["report"] for one in reports}) == 1
    words = "hours are counted by workers of both operators, who reported the same digest"
    scene.lines.check(same and len(reports) == len(OPERATORS), words)
    again = await agreed.ask(scene.party(PLANNER), **counts.parameters(world))
    scene.lines.check(again["job"] == job.id, "asked again it is the same job, and costs nothing")
    return job


async def _answer_with_noise(scene: Scene, here: Building) -> Result:
    """A job that is charged ε; beside it one over data that a gateway lied about."""
    planner, world = scene.party(PLANNER), here.world
    terms = texts.reading_terms(runs=9, epsilon=EPSILON)
    await asyncio.gather(*(site.agree(terms) for site in here.sites.values()))
    unpaid = texts.hourly_contract(
        "unpaid", world.owners, seconds=JOB_SECONDS, minutes_min=world.minutes_min
    )
    await scene.refused(
        "terms",
        PLANNER,
        "proposes the exact count again, where owners now want noise",
        here.room.propose(unpaid, planner),
    )
    noised = await _agreed(scene, here, "noisy hours", EPSILON[0])
    lying = await refusals.a_lying_gateway(scene, here.room, here.sites, world, JOB_SECONDS)
    job, why = await asyncio.gather(
        noised.run(planner, **counts.parameters(world)),
        refusals.why_it_fails(lying, planner, counts.parameters(world)),
    )
    told = await scene.party(FACILITY).open(job.id, "cells")
    again = await noised.ask(planner, **counts.parameters(world))
    spent = (await here.sites[world.owners[0]].shown())["epsilon"]
    words = f"asked again it is the same job with the same noise; ε {spent / MICROS:g} is spent"
    scene.lines.check(again["job"] == job.id and spent == EPSILON[0], words)
    await scene.refused(
        "budget",
        PLANNER,
        f"asks another question, for ε {EPSILON[0] / MICROS:g} of {EPSILON[1] / MICROS:g} for life",
        noised.ask(planner, **{**counts.parameters(world), "round_minutes": 2}),
    )
    words = "a gateway that seals a batch twice and tells the ledger otherwise has no job"
    scene.lines.check(why == "failed", words)
    return told


async def _erase(scene: Scene, here: Building, job: Job) -> None:
    owner = here.world.owners[0]
    site, lines = here.sites[owner], scene.lines
    kept = await erasing.copy(scene, site)
    before = await asyncio.to_thread(erasing.attempt, scene, kept)
    words = (
        f"the control: with every chip broken today, {before.write_sets} write sets open, a box of "
        f"{owner}'s key, and all {len(kept.chunks)} chunks that were copied"
    )
    lines.check(kept.secret in before.keys and before.opened == len(kept.chunks), words)
    document = await erasing.erase(scene, site)
    words = (
        f"`strongroom data erase` ends with its proof: withdrawn at height "
        f"{document['withdrawn']['height']}, epoch {document['epoch']} began at "
        f"{document['epoch_ended_at']}, its grace is over"
    )
    lines.check(bool(document["erased"] and document["epoch_end_proven"]), words)
    await refusals.after_erasure(scene, here.sites[owner], job)
    after = await erasing.attempt_until_settled(scene, kept)
    words = (
        f"everything in hand again: secrets of {after.ledger_secrets} epochs open "
        f"{after.write_sets} write sets, {after.boxes} boxes are there, the input secret of epoch "
        f"{' and '.join(map(str, after.epochs))} is left: no key of {owner}'s, no chunk opens"
    )
    opened = not after.keys and not after.opened
    lines.check(opened and after.write_sets >= before.write_sets and after.boxes > 0, words)
    other = here.sites[here.world.owners[1]]
    stays = await asyncio.to_thread(erasing.attempt, scene, await erasing.copy(scene, other))
    alive = (await other.shown())["state"] == "active" and bool(stays.keys)
    words = (
        f"the control again: {other.party.name}'s readings stand, and in the same hands they open"
    )
    lines.check(alive and stays.opened > 0, words)
    lines.facts["erased"] = {
        "withdrawn_at": document["withdrawn"]["height"],
        "epoch_ended_at": document["epoch_ended_at"],
        "boxes_in_hand": after.boxes,
        "keys_that_came_out_before": len(before.keys),
        "keys_that_came_out_after": len(after.keys),
    }


def _show_places(scene: Scene, here: Building) -> None:
    captures = scene.captures
    captures.disks_and_lines()
    pin = str(scene.cluster.service().pin)
    for worker in scene.pool.workers[: len(OPERATORS)]:
        name = f"disk of {worker.name}"
        captures.files(name, "its operator", worker.folder, control=pin)
    for owner in here.world.owners:
        must = {_movements(owner), "data keys"}
        captures.files(f"{owner}'s desk", owner, scene.party(owner).desk, must=must)
    for name in (FACILITY, PLANNER):
        captures.files(f"{name}'s desk", name, scene.party(name).desk, control=pin)
    captures.show()


def _movements(owner: str) -> str:
    return f"{owner}'s movements"
