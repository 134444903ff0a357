"""A sealed file is sealed and opened a piece at a time, stands whole or not at all, and replaces
nothing."""

import os
import tracemalloc
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside import piece_sealing
from strongroom.enclave.outside.pieces import (
    CutShort,
    Header,
    KeyVersion,
    NotAContainer,
    PieceChanged,
    WrongKey,
)
from strongroom.enclave.primitives import Secret
from strongroom.node.vault.containers import open_container, open_file, seal_file
from strongroom.node.vault.cutting import cut_evenly

CHAIN = ChainId(b"c" * 32)
KEY = KeyVersion(owner=b"o" * 32, name="bear", version=1)
K = Secret(b"k" * 32)


def seal(source: Path, target: Path, sizes: list[int]) -> None:
    seal_file(source, target, secret=K, chain=CHAIN, key=KEY, sizes=sizes)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "bear.gcode"
    path.write_bytes(b"G1 X1.000 secret-of-the-maker\n" * 4000)
    return path


@pytest.fixture
def sealed(plain: Path, tmp_path: Path) -> Path:
    target = tmp_path / "bear.sealed"
    seal(plain, target, cut_evenly(plain.stat().st_size, 12))
    return target


def test_what_is_sealed_opens_again_and_shows_nothing(plain: Path, sealed: Path) -> None:
    assert b"secret-of-the-maker" not in sealed.read_bytes()
    opened = plain.with_name("again")
    open_file(sealed, opened, K)
    assert opened.read_bytes() == plain.read_bytes()
    assert opened.stat().st_mode & 0o777 == 0o600


def test_one_piece_is_read_and_opened_alone(plain: Path, sealed: Path) -> None:
    with open_container(sealed) as container:
        at = sum(cut_evenly(plain.stat().st_size, 12)[:7])
        piece = container.piece(7, KEY.piece_key(K, 7))
        assert plain.read_bytes()[at:].startswith(piece)
        with pytest.raises(WrongKey):
            container.piece(8, KEY.piece_key(K, 7))
        with pytest.raises(NotAContainer):
            container.box(12)


def test_no_more_than_a_piece_is_held_in_memory(tmp_path: Path) -> None:
    source, target = tmp_path / "large", tmp_path / "large.sealed"
    piece, count = 256 * 1024, 64
    with source.open("wb") as file:
        file.truncate(piece * count)
    tracemalloc.start()
    try:
        seal(source, target, cut_evenly(piece * count, count))
        open_file(target, tmp_path / "again", K)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < piece * count // 4


def test_nothing_is_overwritten(plain: Path, sealed: Path) -> None:
    before = sealed.read_bytes()
    with pytest.raises(OperatorFault, match="exists"):
        seal(plain, sealed, cut_evenly(plain.stat().st_size, 3))
    with pytest.raises(OperatorFault, match="exists"):
        open_file(sealed, plain, K)
    assert sealed.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -5000])
def test_a_file_that_was_cut_is_told(sealed: Path, keep: int) -> None:
    data = sealed.read_bytes()
    sealed.write_bytes(data[:keep])
    with pytest.raises(CutShort), open_container(sealed):
        pass
    sealed.write_bytes(data + b"x")
    with pytest.raises(NotAContainer), open_container(sealed):
        pass


def test_a_file_that_is_cut_while_it_is_open_is_told(sealed: Path) -> None:
    with open_container(sealed) as container:
        os.truncate(sealed, sealed.stat().st_size - 1)
        with pytest.raises(CutShort):
            container.box(11)


@pytest.mark.parametrize("change", [b"other", b"G1 X2.000 secret-of-the-maker\n" * 4000])
def test_a_source_that_changes_between_both_readings_leaves_no_container(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: bytes
) -> None:
    """Else the header would commit to one text, and hold another."""
    sizes, honest = cut_evenly(plain.stat().st_size, 4), piece_sealing.frame_header

    def changed_meanwhile(header: Header) -> bytes:
        plain.write_bytes(change)
        return honest(header)

    monkeypatch.setattr("strongroom.node.vault.containers.frame_header", changed_meanwhile)
    with pytest.raises((PieceChanged, CutShort)):
        seal(plain, tmp_path / "out", sizes)
    assert sorted(os.listdir(tmp_path)) == ["bear.gcode"]


def test_sizes_that_are_not_the_whole_file_are_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(PieceChanged, match="grew"):
        seal(plain, tmp_path / "out", [10, 10])
    with pytest.raises(CutShort):
        seal(plain, tmp_path / "out", [plain.stat().st_size, 1])


def test_a_wrong_key_leaves_no_file(sealed: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongKey):
        open_file(sealed, tmp_path / "again", Secret(b"x" * 32))
    assert sorted(os.listdir(tmp_path)) == ["bear.gcode", "bear.sealed"]


def test_a_file_that_is_not_there_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="No such file"):
        seal(tmp_path / "none", tmp_path / "out", [1])
    with pytest.raises(OperatorFault, match="No such file"), open_container(tmp_path / "none"):
        pass
