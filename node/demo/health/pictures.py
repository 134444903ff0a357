"""Two pictures for the report, as inline SVG: is a told probability what was found, hospital by
hospital; and what each gains by the joint model.

Owns their drawing, from figures that the room told. Pure. What a point says stands in its title,
for who points at it or cannot see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from strongroom.node.demo.clean_rooms.pictures import Svg

PANEL, GAP, TOP, LEFT = 190, 46, 30, 44
"""Of a panel, in user units."""
ROW, NAMES, SCALE = 42, 150, 420
RADIUS_LEAST, RADIUS_MOST = 3.0, 11.0
JOINT, ALONE = "c0", "plot c1"
"""Classes of the report's style sheet: a dot, and a ring."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Records that were told about the same probability."""

    told: float
    found: float
    """Share of them that are ill."""
    rows: int


@dataclass(frozen=True, slots=True)
class Gain:
    """How well a hospital's own records are told: chance that an ill one scores above a healthy
    one."""

    name: str
    alone: float | None
    """By its own model; None: its records teach none."""
    joint: float | None
    """None: it has no two kinds to tell apart."""

    @property
    def words(self) -> str:
        """What pooling gains there."""
        if self.joint is None:
            return "not told"
        if self.alone is None:
            return "had no model"
        gained = self.joint - self.alone
        return f"gains {gained:.3f}" if gained > 0 else f"gains nothing ({gained:+.3f})"


def calibration_picture(hospitals: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """A small panel each: what was told across, what was found up; on the dashed line they are
    one."""
    most = max((one.rows for _, bins in hospitals for one in bins), default=1)
    width = len(hospitals) * (PANEL + GAP) + LEFT - GAP + 10
    label = "Probability told and share found ill, by hospital"
    svg = Svg(width, TOP + PANEL + 46, label)
    for at, (name, bins) in enumerate(hospitals):
        _panel(svg, LEFT + at * (PANEL + GAP), name, bins, most)
    return svg.made()


def gain_picture(gains: Sequence[Gain]) -> str:
    """A line each, from what a hospital reaches alone to what the joint model reaches there."""
    told = [one for gain in gains for one in (gain.alone, gain.joint) if one is not None]
    low = int(min([0.5, *told]) * 10) / 10

    def x(value: float) -> float:
        return NAMES + (value - low) / (1 - low) * SCALE

    bottom = TOP + len(gains) * ROW
    label = "Area under the curve at each hospital: its own model, and the joint one"
    svg = Svg(NAMES + SCALE + 180, bottom + 28, label)
    for tick in range(round((1 - low) * 10) + 1):
        value = low + tick / 10
        svg.line(x(value), TOP, x(value), bottom)
        svg.text(x(value), bottom + 18, f"{value:.1f}", anchor="middle")
    for at, gain in enumerate(gains):
        y = TOP + at * ROW + ROW / 2
        svg.text(0, y + 4, gain.name, "strong")
        svg.text(NAMES + SCALE + 16, y + 4, gain.words)
        if gain.alone is not None and gain.joint is not None:
            svg.line(x(gain.alone), y, x(gain.joint), y, "edge")
        if gain.alone is not None:
            svg.circle(x(gain.alone), y, 6, ALONE, f"{gain.name} alone: {gain.alone:.3f}")
        if gain.joint is not None:
            svg.circle(x(gain.joint), y, 6, JOINT, f"{gain.name} joint: {gain.joint:.3f}")
    for place, kind, words in ((6, JOINT, "joint model"), (126, ALONE, "own records alone")):
        svg.circle(NAMES + place, 12, 5, kind, words)
        svg.text(NAMES + place + 12, 16, words)
    return svg.made()


def _panel(svg: Svg, left: float, name: str, bins: Sequence[Bin], most: int) -> None:
    def x(value: float) -> float:
        return left + value * PANEL

    def y(value: float) -> float:
        return TOP + PANEL - value * PANEL

    svg.text(left, TOP - 10, name, "strong")
    for tick in (0.0, 0.5, 1.0):
        svg.line(x(tick), y(0), x(tick), y(1))
        svg.line(x(0), y(tick), x(1), y(tick))
        svg.text(x(tick), y(0) + 18, f"{tick:g}", anchor="middle")
        svg.text(left - 8, y(tick) + 4, f"{tick:g}", anchor="end")
    svg.line(x(0), y(0), x(1), y(1), "axis dashed")
    svg.path([(x(one.told), y(one.found)) for one in bins], f"plot {JOINT}")
    if not bins:
        svg.text(x(0.5), y(0.5) - 8, "too few records to tell", anchor="middle")
    for one in bins:
        radius = max(RADIUS_LEAST, RADIUS_MOST * sqrt(one.rows / most))
        words = f"{name}: told {one.told:.2f}, found {one.found:.2f}, {one.rows} records"
        svg.circle(x(one.told), y(one.found), radius, JOINT, words)
    svg.text(x(0.5), y(0) + 36, "told across, found up", "small", "middle")
