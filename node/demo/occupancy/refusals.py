"""What is refused in the occupancy scenario, and with which code.

Owns who tries what. The order of the story is story.py's.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from strongroom.enclave.formats.clean_rooms.batches import BatchRefused
from strongroom.node.demo.clean_rooms.agreements import RUNS_MAX, Agreed, Job, OpenRoom
from strongroom.node.demo.clean_rooms.lines import Refusal
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.demo.occupancy import counts, texts
from strongroom.node.demo.occupancy.sensing import Device, Site
from strongroom.node.demo.occupancy.texts import FACILITY, LOBBY, PLANNER
from strongroom.node.demo.occupancy.world import HOUR, Hub, Reading, World

LATE = "no-agreement"
"""Why a job failed whose executors did not all report in time."""


async def of_batches(scene: Scene, site: Site, devices: Sequence[Device]) -> None:
    """A replayed, a reordered and a foreign batch: at the owner's door, and at the ledger's."""
    device, owner = devices[0], site.party.name
    chain = scene.cluster.service().chain
    begins_anew = Device(device.hub, chain, site.party.id, texts.READINGS, device.key)
    replayed = begins_anew.sign(device.hub.batches[0])
    await _batch(
        scene, "replayed", "a device", "sends its first batch again", site.extend([replayed])
    )
    listed = await site.party.ask("rooms.devices", data=(b"", site.data))
    head = next(one["last"] for one in listed if one["device"] == device.public)
    stranger = Device(device.hub, chain, site.party.id, texts.READINGS)
    foreign = stranger.sign(device.hub.batches[0])
    await _batch(scene, "foreign-device", "a device", "that nobody listed", site.extend([foreign]))
    tried = "tells the ledger of that batch without asking its own gateway"
    await scene.refused("replayed", owner, tried, site.tell([(device.public, 1, 1)]))
    tried = "leaves a batch out, and tells the ledger of the next"
    await scene.refused("gap", owner, tried, site.tell([(device.public, head + 2, head + 2)]))
    tried = "tells the ledger of a device that it did not list"
    await scene.refused("foreign-device", owner, tried, site.tell([(stranger.public, 1, 1)]))


async def of_pairs(
    scene: Scene,
    sites: Mapping[str, Site],
    devices: Mapping[str, Sequence[Device]],
    world: World,
    exact: Agreed,
    job: Job,
) -> None:
    """The same question over rows that differ by one visit; and another over the same rows."""
    planner, owner = scene.party(PLANNER), world.owners[0]
    other = counts.parameters(world) | {"round_minutes": world.round_minutes + 1}
    tried = "asks another question of the same rows, to compare the answers"
    await scene.refused("budget", PLANNER, tried, exact.ask(planner, **other))
    for name in world.owners:
        device = devices[name][0]
        night = visit(device.hub, world, there=name == owner)
        await sites[name].extend([device.sign(night)])
    versions = {(await sites[name].shown())["version"] for name in world.owners}
    words = f"each owner adds a night, {owner}'s with one visit: versions 3 extend those counted"
    scene.lines.check(versions == {3}, words)
    tried = "asks the same question again, over rows that differ by that one visit"
    asked = exact.ask(planner, **counts.parameters(world))
    await scene.refused("differencing", PLANNER, tried, asked)
    shown = await job.settled()
    scene.lines.check(shown["state"] == "agreed", "what was counted before stands as it was")


def visit(hub: Hub, world: World, *, there: bool) -> list[Reading]:
    """Half an hour in the first night after all other readings, with somebody there or nobody."""
    last = hub.batches[-1][-1]
    begin = (last.time // HOUR + 3) * HOUR
    times = range(begin, begin + HOUR // 2, world.reading_seconds)
    return [Reading(at, int(there), last.zone, last.desk) for at in times]


async def a_lying_gateway(
    scene: Scene, room: OpenRoom, sites: dict[str, Site], world: World, seconds: int
) -> Agreed:
    """A contract over a data set whose owner seals its device's first batch a second time, and
    tells the ledger that it is the second one."""
    owner = world.owners[-1]
    party, hub = scene.party(owner), world.of(owner)[0]
    site = Site(party, LOBBY)
    device = Device(hub, scene.cluster.service().chain, party.id, LOBBY)
    first = device.sign(hub.batches[0])
    await site.bring([first], texts.reading_terms(runs=RUNS_MAX), [device])
    await site.lie([first], [(device.public, 2, 2)])
    text = texts.hourly_contract(
        "lobby", [owner], seconds=seconds, minutes_min=world.minutes_min, data=LOBBY
    )
    return await room.contract(text, scene.party(PLANNER))


async def why_it_fails(agreed: Agreed, by: Party, parameters: Mapping[str, Any]) -> str:
    """Run it until its executors agree, on a machine where they may all be too slow: why there is
    no result; nothing: there is one."""
    why = LATE
    for _ in range(RUNS_MAX):
        job = await agreed.start(by, **parameters)
        shown = await job.settled()
        why = str(shown["why"])
        if why != LATE:
            break
    return why


async def after_erasure(scene: Scene, site: Site, job: Job) -> None:
    """What was computed from readings that were taken back goes with them."""
    owner = site.party.name
    await scene.refused(
        "withdrawn",
        FACILITY,
        f"opens the counts again after {owner} has taken its readings back",
        scene.party(FACILITY).open(job.id, "cells"),
    )
    tried = "adds a batch to readings that were taken back"
    await scene.refused("withdrawn", owner, tried, site.tell([(bytes(32), 1, 1)]))


async def _batch(scene: Scene, wanted: str, who: str, tried: str, action: Awaitable[Any]) -> None:
    code = ""
    try:
        await action
    except BatchRefused as refused:
        code = refused.code
    scene.lines.keep_refusal(Refusal(who, f"{tried}, at the owner's gateway", wanted, code))
