"""A heat map of hours: a panel for each zone, a row for each day, a cell for each hour.

Owns the picture alone. A cell is told (a shade of its zone's colour), suppressed (crossed: whether
nobody came or somebody passed is not said), or without data (an outline). Pure.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from strongroom.node.demo.clean_rooms.pictures import Svg, colour

HOUR, DAY, HOURS = 3_600, 86_400, 24
CELL, GAP = 15.0, 1.5
LEFT, TOP, PANEL_GAP = 74.0, 30.0, 26.0
PANELS_WIDE = 2
SHADE_MIN = 0.14
"""Of the least that is told: never mistaken for nothing."""
SUPPRESSED = None
"""As the value of a cell."""


def draw_hours(
    cells: Mapping[tuple[str, int], int | None], *, label: str, most: int = 0, unit: str = "minutes"
) -> str:
    """The picture of some cells.

    Args:
        cells: by zone and first second of the hour: what is told, or SUPPRESSED.
        label: for those who do not see it.
        most: what the darkest shade stands for; 0: the greatest that is told.
        unit: of what is told.
    """
    zones = sorted({zone for zone, _ in cells})
    days = sorted({at // DAY for _, at in cells})
    most = most or max((value for value in cells.values() if value is not None), default=1) or 1
    width = LEFT + HOURS * CELL + PANEL_GAP
    height = TOP + len(days) * CELL + PANEL_GAP
    wide = max(1, min(PANELS_WIDE, len(zones)))
    deep = -(-len(zones) // wide)
    picture = Svg(wide * width, deep * height + 26, label)
    for number, zone in enumerate(zones):
        x, y = number % wide * width, number // wide * height
        _panel(picture, x, y, zone, colour(number), days, cells, most, unit)
    _legend(picture, deep * height + 8, most, unit)
    return picture.made()


def _panel(
    picture: Svg,
    x: float,
    y: float,
    zone: str,
    kind: str,
    days: Sequence[int],
    cells: Mapping[tuple[str, int], int | None],
    most: int,
    unit: str,
) -> None:
    picture.text(x + LEFT, y + 12, zone, "strong")
    for hour in range(0, HOURS, 6):
        picture.text(x + LEFT + hour * CELL, y + TOP - 5, f"{hour:02}", "small")
    for row, day in enumerate(days):
        at = datetime.fromtimestamp(day * DAY, UTC)
        top = y + TOP + row * CELL
        picture.text(x + LEFT - 8, top + CELL - 4, at.strftime("%a %d %b"), "small", "end")
        for hour in range(HOURS):
            place = zone, day * DAY + hour * HOUR
            name = f"{zone}, {at.strftime('%a %d %b')} {hour:02}:00"
            value = cells.get(place)
            told = f"{name}: {_words(place in cells, value, unit)}"
            _cell(picture, x + LEFT + hour * CELL, top, kind, place in cells, value, most, told)


def _cell(
    picture: Svg,
    x: float,
    y: float,
    kind: str,
    known: bool,
    value: int | None,
    most: int,
    tip: str,
) -> None:
    side = CELL - GAP
    if not known:
        picture.rect(x, y, side, side, "empty", tip=tip)
    elif value is None:
        picture.rect(x, y, side, side, "suppressed", tip=tip)
        picture.line(x + 3, y + side - 3, x + side - 3, y + 3, "axis")
    else:
        shade = SHADE_MIN + (1 - SHADE_MIN) * min(max(value, 0) / most, 1.0)
        picture.rect(x, y, side, side, kind, tip=tip, opacity=shade)


def _words(known: bool, value: int | None, unit: str) -> str:
    if not known:
        return "no readings"
    return "suppressed: too little to be told" if value is None else f"{value:,} {unit}"


def _legend(picture: Svg, y: float, most: int, unit: str) -> None:
    side = CELL - GAP
    x = LEFT
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        picture.rect(x, y, side, side, "c0", opacity=SHADE_MIN + (1 - SHADE_MIN) * share)
        x += CELL
    picture.text(x + 4, y + 11, f"up to {most:,} {unit}", "small")
    x += 130
    picture.rect(x, y, side, side, "suppressed")
    picture.line(x + 3, y + side - 3, x + side - 3, y + 3, "axis")
    picture.text(x + CELL + 4, y + 11, "suppressed", "small")
    x += 92
    picture.rect(x, y, side, side, "empty")
    picture.text(x + CELL + 4, y + 11, "no readings", "small")
