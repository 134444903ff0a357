"""The toy that the plant prints: twelve layers of G-code, each with a text of its own to hunt for.

Owns the shape. It is a ring that narrows, in absolute moves, as a slicer writes it.
"""

import math
import secrets
from dataclasses import dataclass
from pathlib import Path

LAYERS = 12
_CORNERS = 48
_HEIGHT_MM, _RADIUS_MM, _LINE_MM = 0.2, 18.0, 0.45
_CENTRE_MM = 110.0


@dataclass(frozen=True, slots=True)
class Design:
    """A design, and what gives it away."""

    path: Path
    mark: str
    """Stands on every layer and nowhere else."""
    layers: tuple[bytes, ...]


def write_design(path: Path) -> Design:
    """Write a new design."""
    mark = f"bear-of-the-maker-{secrets.token_hex(8)}"
    head = "; twelve layers of a bear's hat\nM104 S210\nG28\nG90\nM82\n"
    extruded, texts = 0.0, []
    for layer in range(LAYERS):
        lines = [f";LAYER:{layer}", f";TYPE:WALL-OUTER {mark}"]
        radius = _RADIUS_MM * (1 - layer / (2 * LAYERS))
        lines.append(f"G0 X{_CENTRE_MM + radius:.3f} Y{_CENTRE_MM:.3f} Z{layer * _HEIGHT_MM:.2f}")
        step = 2 * math.pi * radius / _CORNERS
        for corner in range(1, _CORNERS + 1):
            angle = 2 * math.pi * corner / _CORNERS
            extruded += step * _LINE_MM * _HEIGHT_MM / 2.405
            x, y = _CENTRE_MM + radius * math.cos(angle), _CENTRE_MM + radius * math.sin(angle)
            lines.append(f"G1 X{x:.3f} Y{y:.3f} E{extruded:.5f}")
        texts.append("\n".join(lines) + "\n")
    texts[0], texts[-1] = head + texts[0], texts[-1] + "M104 S0\nM84\n"
    path.write_text("".join(texts))
    return Design(path, mark, tuple(text.encode() for text in texts))
