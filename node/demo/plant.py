"""A toy maker's design is printed at an outside plant whose administrators are hostile.

Owns the order of the story and what must hold at each step. Every verdict is read from a running
cluster, real rooms and real captures; what a step does is in plant_maker.py, plant_floor.py
and plant_captures.py.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster, tell_how_it_goes_on
from strongroom.node.demo.plant_captures import Captures
from strongroom.node.demo.plant_design import LAYERS
from strongroom.node.demo.plant_floor import Floor
from strongroom.node.demo.plant_maker import Maker
from strongroom.node.demo.plant_scene import Report, Scene
from strongroom.node.demo.room_processes import RunningRoom, code_of, run_command
from strongroom.node.terminal.teller import StoryFails, Teller

LICENSED, FIRST_JOB = 5, 3
REVOKED_AFTER = 7


async def tell_plant(stage: Stage, teller: Teller, report: Path | None) -> dict[str, Any]:
    """Play the whole story; returns its facts, and writes them to `report`.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    lines = Report(teller, report)
    teller.step(f"Found a service and start {stage.nodes} nodes")
    async with running_cluster(stage, teller, fund=False) as cluster:
        async with _story(cluster, lines) as story:
            try:
                await _play(story, lines, teller)
                lines.complete = True
            finally:
                lines.write()
        teller.step("Done")
        tell_how_it_goes_on(cluster, stage, teller)
    if lines.broken:
        raise StoryFails(f"{len(lines.broken)} lines do not hold: {'; '.join(lines.broken)}")
    return lines.document


@dataclass(frozen=True, slots=True)
class Story:
    """Who takes part."""

    maker: Maker
    floor: Floor
    captures: Captures


@asynccontextmanager
async def _story(cluster: Cluster, lines: Report) -> AsyncIterator[Story]:
    """Everything in a folder that is gone at the end, with all processes."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-plant-"))
    try:
        scene = Scene(cluster, folder, lines)
        story = Story(Maker(scene), Floor(scene), Captures(scene))
        try:
            yield story
        finally:
            story.captures.stop()
            for room in story.floor.rooms:
                await room.stop()
            await story.maker.end_watch()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _play(story: Story, lines: Report, teller: Teller) -> None:
    teller.step("The maker seals a design of twelve layers under a key for five parts")
    design = await story.maker.make_keys(LICENSED)
    story.captures.look_for(design.mark)
    story.floor.move_in()
    await story.maker.start_watch()
    teller.step("The plant's chip and program, judged condition by condition")
    await story.maker.show_conditions()
    teller.step(f"The plant prints {FIRST_JOB} of {LICENSED} parts, and its machine is searched")
    await _print_first(story, lines)
    teller.step("The container is copied: to an ordinary machine, to another chip, to other code")
    await _carry_away(story, lines)
    teller.step(f"Parts {FIRST_JOB + 1} and {LICENSED} are printed; part {LICENSED + 1} is refused")
    await _exhaust(story, lines)
    teller.step("The plant copies its machine's disk and starts the room twice")
    await _clone(story, lines)
    teller.step(f"The maker revokes between layer {REVOKED_AFTER} and {REVOKED_AFTER + 1}")
    await _revoke(story, lines)
    teller.step("What the maker saw of it all, and who saw the design")
    await story.maker.show_watch()
    story.captures.show_places()


async def _print_first(story: Story, lines: Report) -> None:
    room = await story.floor.room("bear", parts=FIRST_JOB, seconds=0.1)
    await room.until(lambda event: event.get("event") == "layer", "a layer")
    await story.captures.search_running(room)
    ended = await room.ended()
    lines.check(bool(ended.get("ok")), f"{FIRST_JOB} parts are printed: {code_of(ended) or 'ok'}")
    units = room.of("unit")
    lines.check(len(units) == FIRST_JOB, f"{len(units)} units were reported, one by one")
    await asyncio.gather(*(story.floor.check_unit(unit) for unit in units))


async def _carry_away(story: Story, lines: Report) -> None:
    code = await story.floor.ask_without_platform()
    lines.check(code == "evidence", f"a machine without a platform gets no key: {code}")
    lines.check(story.floor.opens_nothing(), "without a key the copied container opens nowhere")
    other, changed = await story.floor.other_machine(), story.floor.changed_program()
    rooms = [
        await story.floor.room("bear", machine=other),
        await story.floor.room("bear", program=str(changed)),
    ]
    on_other, by_changed = [await room.ended() for room in rooms]
    code = code_of(on_other)
    lines.check(code == "not-this-hardware", f"the same program on another chip: {code}")
    words = str(by_changed.get("error", {}).get("message"))
    named = code_of(by_changed) == "policy" and "measurement" in words
    lines.check(named, f"a changed program on the right chip: {words[:72]}…")


async def _exhaust(story: Story, lines: Report) -> None:
    room = await story.floor.room("bear", parts=LICENSED - FIRST_JOB + 1)
    ended = await room.ended()
    made = len(room.of("unit"))
    lines.check(made == LICENSED - FIRST_JOB, f"{made} more parts, {LICENSED} in all")
    lines.check(code_of(ended) == "quantity", f"part {LICENSED + 1}: {code_of(ended)}")


async def _clone(story: Story, lines: Report) -> None:
    copied = story.floor.copy_machine()
    first = await story.floor.room("owl", parts=5, seconds=1.0)
    await first.until(lambda event: event.get("event") == "layer", "a layer")
    second = await story.floor.room("owl", machine=copied, parts=1)
    codes = [code_of(await room.ended()) for room in (second, first)]
    lines.check(codes == ["clone", "clone"], f"copied disk and original are frozen: {codes}")
    kept = await story.maker.resolve("owl")
    lines.check(kept, "the maker says that neither stays, but a later start")


async def _revoke(story: Story, lines: Report) -> None:
    room: RunningRoom = await story.floor.room("owl", parts=1, seconds=0.7)
    await room.until(
        lambda event: event.get("event") == "layer" and event["layer"] == REVOKED_AFTER,
        f"layer {REVOKED_AFTER}",
    )
    seconds = await story.maker.revoke("owl")
    ended = await room.ended()
    done = max(event["layer"] for event in room.of("layer"))
    lines.check(code_of(ended) == "revoked", f"the room is told: {code_of(ended)}")
    lines.check(
        done == REVOKED_AFTER, f"{done} of {LAYERS} layers are printed, and no part is reported"
    )
    lines.check(not room.of("unit"), f"the revocation was final within {seconds:.2f} s")
    status, leases = await run_command("vault", "leases", "owl", *story.maker.options)
    given = leases[-1]["pieces_given"] if status == 0 and leases else -1
    lines.check(given == REVOKED_AFTER, f"the ledger gave the keys of {given} pieces")
    opened = story.floor.pieces_opened_with_given_keys("owl", given)
    lines.check(
        opened == list(range(given)),
        f"with all that the room ever received, layers {opened} open, and layer "
        f"{REVOKED_AFTER + 1} does not",
    )
