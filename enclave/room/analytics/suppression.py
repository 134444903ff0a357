"""Which groups of an exact release show: those of k units, without what tells of the others (S9).

Owns the choice alone, over arrays of counts; pure. A group of fewer units is hidden. If it is the
only hidden one along a line (all groups that share some of the keys), whoever knows the line's
total computes it: so the smallest group beside it is hidden too, until no line hides exactly one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Lines = NDArray[np.int64]
"""Of each group, the number of its line, from 0."""


def shown(
    enough: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    order: NDArray[np.int64],
    lines: Sequence[Lines],
) -> NDArray[np.bool_]:
    """Which groups show.

    Args:
        enough: has it k units of every data set?
        sizes: its rows, by which the smallest is chosen.
        order: its place among all, which decides between equals.
        lines: one array per set of keys that is shared.
    """
    visible = enough.copy()
    changed = bool(len(visible)) and not visible.all()
    while changed:
        changed = False
        for line in lines:
            hidden = np.bincount(line, weights=~visible)
            candidates = np.flatnonzero(visible & (hidden[line] == 1))
            if not len(candidates):
                continue
            by = np.lexsort((order[candidates], sizes[candidates], line[candidates]))
            ranked = candidates[by]
            first = np.ones(len(ranked), dtype=bool)
            first[1:] = line[ranked[1:]] != line[ranked[:-1]]
            visible[ranked[first]] = False
            changed = True
    return visible
