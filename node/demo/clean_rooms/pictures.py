"""Inline SVG: shapes with escaped texts, coloured by the report's style sheet, light and dark.

Owns shapes and their classes. What a picture shows is the scenario's; the style sheet is
report.py's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import hypot

COLOURS = 6
"""Classes c0 … c5: owners, zones, hospitals."""
_CLASS = re.compile(r"[a-z0-9 -]*")


@dataclass(slots=True)
class Svg:
    """A picture of so many units; y grows downwards."""

    width: float
    height: float
    label: str
    """What it shows, for those who do not see it."""
    _parts: list[str] = field(default_factory=list)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, kind: str = "rule", tip: str = ""
    ) -> None:
        """A straight line."""
        place = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self._shape("line", place, kind, tip)

    def path(self, points: Sequence[tuple[float, float]], kind: str, tip: str = "") -> None:
        """A line over points."""
        if points:
            moves = " L ".join(f"{_n(x)} {_n(y)}" for x, y in points)
            self._shape("path", f'd="M {moves}" fill="none"', kind, tip)

    def arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        kind: str,
        *,
        gap: float = 0.0,
        bend: float = 0.0,
        tip: str = "",
    ) -> None:
        """An arrow that leaves a gap at both ends; bent to its left by this part of its length."""
        (x1, y1), (x2, y2) = start, end
        length = hypot(x2 - x1, y2 - y1) or 1.0
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        mx, my = (x1 + x2) / 2 + uy * bend * length, (y1 + y2) / 2 - ux * bend * length
        sx, sy = _towards((x1, y1), (mx, my), gap)
        ex, ey = _towards((x2, y2), (mx, my), gap + 4.0)
        curve = f"M {_n(sx)} {_n(sy)} Q {_n(mx)} {_n(my)} {_n(ex)} {_n(ey)}"
        self._shape("path", f'd="{curve}" fill="none"', kind, tip)
        hx, hy = _towards((x2, y2), (mx, my), gap)
        bx, by = _towards((x2, y2), (mx, my), gap + 8.0)
        dx, dy = (hx - bx) / 8.0, (hy - by) / 8.0
        head = [(hx, hy), (bx - dy * 3.5, by + dx * 3.5), (bx + dy * 3.5, by - dx * 3.5)]
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in head)
        self._shape("polygon", f'points="{points}"', f"{kind} head", "")

    def circle(self, x: float, y: float, radius: float, kind: str, tip: str = "") -> None:
        """A filled circle."""
        self._shape("circle", f'cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"', kind, tip)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str,
        *,
        tip: str = "",
        opacity: float = 1.0,
        radius: float = 2.0,
    ) -> None:
        """A filled rectangle, its shade by opacity."""
        place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        shade = f' opacity="{_n(opacity)}"' if opacity < 1.0 else ""
        self._shape("rect", f'{place} rx="{_n(radius)}"{shade}', kind, tip)

    def text(
        self, x: float, y: float, words: str, kind: str = "label", anchor: str = "start"
    ) -> None:
        """A line of text, its baseline at y; anchor start, middle or end."""
        if anchor not in ("start", "middle", "end"):
            raise ValueError(anchor)
        place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
        self._parts.append(f"<text {place} {_kind(kind)}>{escape(words)}</text>")

    def made(self) -> str:
        """The element."""
        box = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        label = f'role="img" aria-label="{escape(self.label)}"'
        return f'<svg {box} {label} width="100%">{"".join(self._parts)}</svg>'

    def _shape(self, name: str, place: str, kind: str, tip: str) -> None:
        inside = f"<title>{escape(tip)}</title>" if tip else ""
        self._parts.append(f"<{name} {place} {_kind(kind)}>{inside}</{name}>")


def colour(number: int) -> str:
    """The class of the n-th owner, zone or hospital."""
    return f"c{number % COLOURS}"


def _kind(text: str) -> str:
    if not _CLASS.fullmatch(text):
        raise ValueError(text)
    return f'class="{text}"'


def _n(value: float) -> str:
    """A number without a tail."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _towards(
    start: tuple[float, float], end: tuple[float, float], by: float
) -> tuple[float, float]:
    (x1, y1), (x2, y2) = start, end
    length = hypot(x2 - x1, y2 - y1) or 1.0
    return x1 + (x2 - x1) * by / length, y1 + (y2 - y1) * by / length
