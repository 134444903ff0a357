"""A file is cut where slicers begin a layer, or evenly, and nothing of it is lost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.enclave.outside.pieces import CONTAINER_PIECES_MAX, PIECE_BYTES_MAX
from strongroom.node.vault.cutting import CannotCut, cut, cut_evenly


def pieces_of(path: Path, how: str) -> list[bytes]:
    data, found = path.read_bytes(), []
    for size in cut(path, how):
        found.append(data[:size])
        data = data[size:]
    assert data == b""
    return found


@pytest.mark.parametrize("mark", [";LAYER_CHANGE", ";LAYER:{n}", "; layer {n}, Z = 0.2"])
def test_a_layer_is_a_piece_and_the_head_belongs_to_the_first(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "bear.gcode"
    layers = [f"{mark.format(n=n)}\nG1 X{n} ;LAYER:9 in a comment\n" for n in range(3)]
    path.write_text("M104 S210\nG28\n" + "".join(layers) + "M84\n")
    found = [piece.decode() for piece in pieces_of(path, "layers")]
    assert found == ["M104 S210\nG28\n" + layers[0], layers[1], layers[2] + "M84\n"]


def test_what_has_no_layer_is_said(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(b"solid part\n" * 100)
    with pytest.raises(CannotCut, match="no layer begins"):
        cut(path, "layers")


@given(st.integers(1, 10_000), st.integers(1, 200))
def test_even_pieces_are_the_whole_and_equal_within_a_byte(size: int, count: int) -> None:
    if size < count:
        with pytest.raises(CannotCut):
            cut_evenly(size, count)
        return
    sizes = cut_evenly(size, count)
    assert (sum(sizes), len(sizes)) == (size, count)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    "how", ["", "0", "-1", "1.5", "all", "²", str(CONTAINER_PIECES_MAX + 1), "9" * 99]
)
def test_another_word_than_a_number_or_layers_is_refused(tmp_path: Path, how: str) -> None:
    (tmp_path / "f").write_bytes(bytes(100))
    with pytest.raises(CannotCut, match="write layers, or a number"):
        cut(tmp_path / "f", how)


def test_a_piece_beyond_its_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(PIECE_BYTES_MAX + 1)
    with pytest.raises(CannotCut, match="cut it in more"):
        cut(path, "1")
    assert len(cut(path, "2")) == 2


def test_a_mark_in_the_middle_of_a_very_long_line_is_no_layer(tmp_path: Path) -> None:
    path = tmp_path / "long.gcode"
    path.write_bytes(b";LAYER:0\n" + b"x" * 64 * 1024 + b";LAYER:1\n;LAYER:2\n")
    assert len(cut(path, "layers")) == 2
