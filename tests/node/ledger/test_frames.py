"""The form of log files, and which damage is a torn tail (T40)."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.node.ledger.durable_writer import FrameWriter
from strongroom.node.ledger.frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    CorruptRecord,
    Frame,
    Purpose,
    TornTail,
    cut,
    encode_frame,
    read_frame,
    read_frames,
    read_header,
)

GROUPS = ((b"alpha" * 40, b"beta"), (b"",), (b"gamma" * 300, b"delta" * 7, b"epsilon"))
"""Payloads of records; each group is made durable by one sync."""


def written(path: Path, groups: tuple[tuple[bytes, ...], ...] = GROUPS) -> list[Frame]:
    path.unlink(missing_ok=True)
    writer = FrameWriter.create(path, Purpose.LOG, 7)
    for group in groups:
        for kind, payload in enumerate(group):
            writer.append(kind, payload)
        writer.sync()
    writer.close()
    return list(read_frames(path, Purpose.LOG, 7))


def read_all(path: Path) -> tuple[list[Frame], CorruptRecord | None]:
    """What is read before damage, and the damage."""
    frames: list[Frame] = []
    try:
        for frame in read_frames(path, Purpose.LOG, 7):
            frames.append(frame)
    except CorruptRecord as damage:
        return frames, damage
    return frames, None


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def zero(path: Path, start: int, end: int) -> None:
    data = bytearray(path.read_bytes())
    data[start:end] = bytes(end - start)
    path.write_bytes(data)


def test_the_form_of_a_file_is_fixed_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(2, 2 + size)))
    written(tmp_path / "file", ((b"ab", b""), (b"c",)))
    assert (tmp_path / "file").read_bytes() == bytes.fromhex(
        "53524c4f4731 02 0000000000000007 03030505 2e0fe153"
        "03030505 80000003 3fb1b344 00 6162"
        "03030505 00000001 a4bb6d41 01"
        "03030505 80000002 76dbf9c7 00 63"
    )


def test_what_was_appended_is_read_in_order_with_its_groups(tmp_path: Path) -> None:
    frames = written(tmp_path / "file")
    assert [frame.payload for frame in frames] == [payload for group in GROUPS for payload in group]
    assert [frame.kind for frame in frames] == [0, 1, 0, 0, 1, 2]
    assert [frame.durable_before for frame in frames] == [True, False, True, True, False, False]


def test_T40_a_record_cut_at_every_byte_is_a_torn_tail_and_nothing_else_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    frames = written(path)
    whole = path.read_bytes()
    for end in range(frames[-1].offset + 1, len(whole)):
        path.write_bytes(whole[:end])
        found, damage = read_all(path)
        assert found == frames[:-1]
        assert isinstance(damage, TornTail)
        assert damage.offset == frames[-1].offset
        cut(damage)
        assert path.read_bytes() == whole[: frames[-1].offset]


def test_T40_zeros_that_a_power_loss_left_at_the_end_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "file"
    frames = written(path)
    whole = path.read_bytes()
    for end in range(frames[-1].offset, len(whole) - 1):
        path.write_bytes(whole[:end] + bytes(len(whole) - end + 700))
        found, damage = read_all(path)
        assert found == frames[:-1]
        assert isinstance(damage, TornTail)
        assert damage.offset == frames[-1].offset


@settings(deadline=None)
@given(bit=st.integers(min_value=0))
def test_T40_a_flipped_bit_anywhere_is_named_with_its_offset_and_cut_only_in_the_last_record(
    bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flip") / "file"
    frames = written(path)
    bit %= 8 * path.stat().st_size
    flip(path, bit)
    found, damage = read_all(path)
    assert damage is not None
    assert damage.path == path
    if bit // 8 < HEADER_SIZE:
        assert (found, damage.offset, type(damage)) == ([], 0, CorruptRecord)
        return
    hit = next(index for index, frame in enumerate(frames) if bit // 8 < frame.offset + frame.size)
    assert found == frames[:hit]
    assert damage.offset == frames[hit].offset
    assert hit == len(frames) - 1 or type(damage) is CorruptRecord


def test_T40_each_bit_of_a_length_in_the_middle_is_guarded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    frames = written(path)
    for frame in frames[:-1]:
        for bit in range(8 * (frame.offset + 4), 8 * (frame.offset + 8)):
            flip(path, bit)
            found, damage = read_all(path)
            assert type(damage) is CorruptRecord
            assert found == frames[: frames.index(frame)]
            flip(path, bit)


def test_T40_bytes_behind_a_whole_record_with_a_wrong_checksum_are_corruption(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    frames = written(path)
    flip(path, 8 * (frames[-2].offset + FRAME_SIZE + 1))
    flip(path, 8 * (frames[-1].offset + FRAME_SIZE + 1))
    assert type(read_all(path)[1]) is CorruptRecord


def test_T40_sectors_never_written_before_others_of_one_sync_are_a_torn_tail(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    frames = written(path)
    first = frames[3]  # of the last group; whole records follow it
    zero(path, first.offset, first.offset + 512 - first.offset % 512)
    found, damage = read_all(path)
    assert found == frames[:3]
    assert isinstance(damage, TornTail)


def test_T40_zeroed_sectors_before_a_record_that_says_they_were_durable_are_corruption(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    frames = written(path, (*GROUPS, (b"later",)))
    first = frames[3]
    zero(path, first.offset, first.offset + 512 - first.offset % 512)
    assert type(read_all(path)[1]) is CorruptRecord


def test_T40_a_client_cannot_plant_a_record_inside_a_payload(tmp_path: Path) -> None:
    """A torn record whose payload holds whole records of another file is torn, not corruption for
    ever."""
    planted = b"".join(encode_frame(b"\x03\x03\x05\x05", 1, (b"planted",), durable_before=True))
    path = tmp_path / "file"
    frames = written(path, ((b"first",), (planted * 20,)))
    os.truncate(path, path.stat().st_size - 1)
    found, damage = read_all(path)
    assert found == frames[:1]
    assert isinstance(damage, TornTail)


def test_T40_a_file_of_another_number_or_purpose_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "file")
    for purpose, first in ((Purpose.LOG, 8), (Purpose.BLOCKS, 7)):
        with pytest.raises(CorruptRecord) as refusal:
            read_header(tmp_path / "file", purpose, first)
        assert type(refusal.value) is CorruptRecord


def test_a_file_whose_creation_was_cut_short_never_held_a_record(tmp_path: Path) -> None:
    path = tmp_path / "file"
    written(path, ())
    whole = path.read_bytes()
    for end in range(len(whole)):
        for left in (whole[:end], whole[:end] + bytes(len(whole) - end - 1)):
            path.write_bytes(left)
            with pytest.raises(TornTail):
                read_header(path, Purpose.LOG, 7)


def test_a_record_whose_place_is_known_is_checked_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    frame = written(path)[3]
    marker = read_header(path, Purpose.LOG, 7)
    assert read_frame(path, marker, frame.offset, frame.size) == frame
    for offset, size in (
        (frame.offset + 1, frame.size),
        (frame.offset, frame.size - 1),
        (frame.offset, frame.size + 1),
    ):
        with pytest.raises(CorruptRecord):
            read_frame(path, marker, offset, size)
    flip(path, 8 * (frame.offset + frame.size) - 1)
    with pytest.raises(CorruptRecord):
        read_frame(path, marker, frame.offset, frame.size)
    path.unlink()
    with pytest.raises(CorruptRecord, match="cannot be read"):
        read_frame(path, marker, frame.offset, frame.size)
