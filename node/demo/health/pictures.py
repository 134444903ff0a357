"""Two pictures for the report, as inline SVG: is a told probability what was found, hospital by
hospital; and what each gains by the joint model.

Owns their drawing, from figures that the room told. Pure: texts of a page, nothing remote, readable
in light and dark; what a point says stands in its title, for who points at it or cannot see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import sqrt

STYLE = """
.pic { max-width: 100%; height: auto; font: 13px system-ui, sans-serif;
  --ink: #1f2328; --soft: #636c76; --line: #d1d9e0; --joint: #0b69c7; --alone: #9a5b00; }
@media (prefers-color-scheme: dark) { .pic {
  --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --joint: #58a6ff; --alone: #e3a04a; } }
.pic text { fill: var(--ink); } .pic .soft { fill: var(--soft); }
.pic .line { stroke: var(--line); fill: none; } .pic .even { stroke-dasharray: 4 4; }
.pic .path { stroke: var(--joint); stroke-width: 2; fill: none; }
.pic .joint { fill: var(--joint); } .pic .alone { stroke: var(--alone); stroke-width: 2;
  fill: none; } .pic .gain { stroke: var(--soft); stroke-width: 2; }
"""
"""Of a page that holds these pictures, once."""
PANEL, GAP, TOP, LEFT = 190, 46, 30, 44
"""Of a panel, in user units."""
ROW, NAMES, SCALE = 42, 150, 420
RADIUS_LEAST, RADIUS_MOST = 3.0, 11.0


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
    panels = [
        f'<g transform="translate({LEFT + at * (PANEL + GAP)} {TOP})">'
        f"{_panel(name, bins, most)}</g>"
        for at, (name, bins) in enumerate(hospitals)
    ]
    label = "Probability told and share found ill, by hospital"
    return _svg(width, TOP + PANEL + 46, label, panels)


def gain_picture(gains: Sequence[Gain]) -> str:
    """A line each, from what a hospital reaches alone to what the joint model reaches there."""
    told = [one for gain in gains for one in (gain.alone, gain.joint) if one is not None]
    low = min([0.5, *told])
    low = int(low * 10) / 10

    def x(value: float) -> float:
        return NAMES + (value - low) / (1 - low) * SCALE

    bottom = TOP + len(gains) * ROW
    parts = []
    ticks = round((1 - low) * 10)
    for tick in range(ticks + 1):
        value = low + tick / 10
        parts.append(_line(x(value), TOP, x(value), bottom, "line"))
        parts.append(_text(x(value), bottom + 18, f"{value:.1f}", "soft", "middle"))
    for at, gain in enumerate(gains):
        y = TOP + at * ROW + ROW / 2
        parts.append(_text(0, y + 4, gain.name))
        parts.append(_text(NAMES + SCALE + 16, y + 4, gain.words, "soft"))
        if gain.alone is not None and gain.joint is not None:
            parts.append(_line(x(gain.alone), y, x(gain.joint), y, "gain"))
        if gain.alone is not None:
            parts.append(_dot(x(gain.alone), y, 6, "alone", f"{gain.name} alone: {gain.alone:.3f}"))
        if gain.joint is not None:
            parts.append(_dot(x(gain.joint), y, 6, "joint", f"{gain.name} joint: {gain.joint:.3f}"))
    parts += [
        _dot(NAMES + 6, 12, 5, "joint", "joint model"),
        _text(NAMES + 18, 16, "joint model", "soft"),
        _dot(NAMES + 126, 12, 5, "alone", "own records alone"),
        _text(NAMES + 138, 16, "own records alone", "soft"),
    ]
    label = "Area under the curve at each hospital: its own model, and the joint one"
    return _svg(NAMES + SCALE + 180, bottom + 28, label, parts)


def _panel(name: str, bins: Sequence[Bin], most: int) -> str:
    parts = [_text(0, -10, name)]
    for tick in (0.0, 0.5, 1.0):
        across, up = tick * PANEL, PANEL - tick * PANEL
        parts.append(_line(across, 0, across, PANEL, "line"))
        parts.append(_line(0, up, PANEL, up, "line"))
        parts.append(_text(across, PANEL + 18, f"{tick:g}", "soft", "middle"))
        parts.append(_text(-8, up + 4, f"{tick:g}", "soft", "end"))
    parts.append(_line(0, PANEL, PANEL, 0, "line even"))
    if bins:
        places = " ".join(f"{one.told * PANEL:.1f},{PANEL - one.found * PANEL:.1f}" for one in bins)
        parts.append(f'<polyline class="path" points="{places}"/>')
    else:
        parts.append(_text(PANEL / 2, PANEL / 2 - 8, "too few records to tell", "soft", "middle"))
    for one in bins:
        radius = max(RADIUS_LEAST, RADIUS_MOST * sqrt(one.rows / most))
        words = f"{name}: told {one.told:.2f}, found {one.found:.2f}, {one.rows} records"
        parts.append(_dot(one.told * PANEL, PANEL - one.found * PANEL, radius, "joint", words))
    parts.append(_text(PANEL / 2, PANEL + 36, "told across, found up", "soft", "middle"))
    return "".join(parts)


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="pic" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _dot(x: float, y: float, radius: float, style: str, words: str) -> str:
    return (
        f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">'
        f"<title>{escape(words)}</title></circle>"
    )
