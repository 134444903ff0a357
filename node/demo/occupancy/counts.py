"""What the facility is told, against what is right to say: exact counts, suppressed ones, noise.

Owns these checks, and the pictures and figures of the report.
"""

from typing import Any

from strongroom.node.demo.clean_rooms.parties import Result
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.demo.occupancy.heatmap import SUPPRESSED, draw_hours
from strongroom.node.demo.occupancy.texts import HOURS, MICROS
from strongroom.node.demo.occupancy.world import Cell, World, counted

Cells = dict[Cell, int | None]
SHARE_CHANGED_MIN = 0.5
"""Of the cells that were told: noise of half an hour moves nearly all of them."""
NEAR, FAR = 0.6, 1.5
"""Mean distance of noise from the truth over its scale; expected is 1."""
BUSY_CELLS_MIN = 60


def parameters(world: World) -> dict[str, Any]:
    """With which the program is run."""
    return {
        "devices": world.together,
        "minutes_min": world.minutes_min,
        "reading_seconds": world.reading_seconds,
        "round_minutes": world.round_minutes,
    }


def cells_of(told: Result) -> Cells:
    """By zone and hour."""
    return {
        (str(row["zone"]), int(row["hour"])): int(row["minutes"]) if row["told"] else SUPPRESSED
        for row in told.rows
    }


def check_exact(scene: Scene, world: World, told: Result) -> Cells:
    """Each cell is what its definition says, rounded; what is too little is not told."""
    cells = cells_of(told)
    truth = counted(world.readings, world.reading_seconds, world.together)
    step = world.round_minutes
    right = {
        cell: (minutes + step // 2) // step * step if minutes >= world.minutes_min else SUPPRESSED
        for cell, minutes in truth.items()
    }
    hidden = sum(value is None for value in cells.values())
    words = (
        f"{len(cells):,} hours of zones, each as a plain count over all rows in one place says; "
        f"{hidden:,} of them suppressed, below {world.minutes_min} minutes"
    )
    scene.lines.check(cells == right and 0 < hidden < len(cells), words)
    passed = sum(0 < minutes < world.minutes_min for minutes in truth.values())
    if passed:
        words = f"among these are {passed:,} hours with somebody there, not to be told from empty"
        scene.lines.check(passed < hidden, words)
    if world.expected is not None:
        shown = [value for value in cells.values() if value is not None]
        found = len(cells), len(shown), sum(shown)
        hours, occupied, minutes = found
        words = (
            f"the public set's right values: {hours} hours, {occupied} occupied, {minutes:,} min"
        )
        scene.lines.check(found == world.expected, words)
    return cells


def check_noise(scene: Scene, world: World, exact: Cells, told: Result, epsilon: int) -> None:
    """It is another answer, and as far from the truth as ε says."""
    noisy = cells_of(told)
    scale = 60 * HOURS * MICROS / epsilon
    told_before = [cell for cell, value in exact.items() if value is not None]
    changed = sum(noisy.get(cell) != exact[cell] for cell in told_before)
    words = (
        f"with ε {epsilon / MICROS:g} each hour has noise of {scale:g} minutes, for a visit of 60: "
        f"{changed:,} of {len(told_before):,} are told otherwise"
    )
    scene.lines.check(changed > SHARE_CHANGED_MIN * len(told_before), words)
    busy = [
        abs(_known(noisy[cell]) - minutes)
        for cell, minutes in counted(world.readings, world.reading_seconds, world.together).items()
        if minutes > 6 * scale and cell in noisy
    ]
    if len(busy) >= BUSY_CELLS_MIN:
        mean = sum(busy) / len(busy)
        words = f"in {len(busy)} busy hours it lies {mean:.0f} minutes off on average"
        scene.lines.check(NEAR * scale < mean < FAR * scale, words)
    scene.lines.facts["noise"] = {"epsilon": epsilon / MICROS, "scale_minutes": scale}


def draw(scene: Scene, world: World, exact: Cells, told: Result) -> None:
    """Both weeks, and what was found in figures."""
    noisy = cells_of(told)
    hidden = sum(value is None for value in exact.values())
    scene.lines.facts["figures"] = {
        "readings": len(world.readings),
        "devices that sign": len(world.hubs),
        "hours of zones": len(exact),
        "… suppressed": hidden,
        "attempts refused": len(scene.lines.refusals),
    }
    most = max((value for value in exact.values() if value is not None), default=1)
    caption = (
        f"Minutes of each hour, over all desks of a zone; crossed cells are below "
        f"{world.minutes_min} minutes, whether somebody passed or nobody came."
    )
    label = "Heat map of occupied minutes by zone, day and hour, exact"
    scene.lines.picture(
        "When the building is used", caption, draw_hours(exact, label=label, most=most)
    )
    caption = (
        "The same weeks answered with noise: what is crossed, and what is not, hangs on the noisy "
        "number alone, so empty hours may show and busy ones may not."
    )
    label = "Heat map of occupied minutes by zone, day and hour, with noise"
    scene.lines.picture(
        "The same with noise, within a budget", caption, draw_hours(noisy, label=label, most=most)
    )


def _known(value: int | None) -> int:
    return 0 if value is None else value
