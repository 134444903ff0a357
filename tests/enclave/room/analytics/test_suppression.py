"""No line of groups hides exactly one, as far as there is another to hide with it (S9)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strongroom.enclave.room.analytics.suppression import shown


def lines_of(grid: list[tuple[int, int]]) -> list[np.ndarray]:
    rows = np.array([one for one, _ in grid], dtype=np.int64)
    columns = np.array([other for _, other in grid], dtype=np.int64)
    return [rows, columns, np.zeros(len(grid), dtype=np.int64)]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=25),
    st.data(),
)
def test_no_total_of_a_line_tells_a_hidden_group(
    grid: list[tuple[int, int]], data: st.DataObject
) -> None:
    enough = np.array([data.draw(st.booleans()) for _ in grid], dtype=bool)
    sizes = np.array([data.draw(st.integers(0, 9)) for _ in grid], dtype=np.int64)
    order = np.arange(len(grid), dtype=np.int64)
    lines = lines_of(grid)
    visible = shown(enough, sizes, order, lines)
    assert not (visible & ~enough).any()
    if enough.all():
        assert visible.all()
    for line in lines:
        for one in np.unique(line):
            hidden = (~visible[line == one]).sum()
            assert hidden != 1 or (line == one).sum() == 1


def test_the_smallest_is_hidden_and_the_first_of_equals() -> None:
    enough = np.array([True, True, False, True])
    order = np.array([4, 3, 2, 1])
    everything = np.zeros(4, dtype=np.int64)
    told = shown(enough, np.array([9, 5, 1, 5]), order, [everything])
    assert told.tolist() == [True, True, False, False]
