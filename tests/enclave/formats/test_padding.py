"""Size classes and strict unpadding (T08)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.size_classes import (
    ANSWER_SIZES,
    CALL_BOXES,
    CALL_SIZES,
    OPENING_SIZES,
    RESULT_SIZES,
    WRITE_SET_BYTES_MIN,
    TooLarge,
    pad,
    pad_write_set,
    unpad,
)


@given(data=st.binary(max_size=3000))
def test_what_is_padded_unpads_to_the_same_bytes(data: bytes) -> None:
    for sizes in (CALL_SIZES, OPENING_SIZES, RESULT_SIZES, ANSWER_SIZES):
        padded = pad(data, sizes)
        assert len(padded) in sizes
        assert unpad(padded) == data
    assert unpad(pad_write_set(data)) == data


def test_the_smallest_class_with_room_for_the_marker_is_taken() -> None:
    first, second = CALL_SIZES[:2]
    assert len(pad(bytes(first - 1), CALL_SIZES)) == first
    assert len(pad(bytes(first), CALL_SIZES)) == second


def test_what_fits_no_class_is_too_large() -> None:
    pad(bytes(CALL_SIZES[-1] - 1), CALL_SIZES)
    with pytest.raises(TooLarge):
        pad(bytes(CALL_SIZES[-1]), CALL_SIZES)


@pytest.mark.parametrize(
    "padded", [b"", bytes(176), b"a" + bytes(175), b"a\x80\x00\x01\x00", b"a\x81\x00"]
)
def test_padding_that_is_not_a_marker_and_zeros_is_refused(padded: bytes) -> None:
    with pytest.raises(NotCanonical):
        unpad(padded)


def test_data_that_looks_like_padding_survives() -> None:
    for data in (b"\x80", b"\x80\x00", b"\x00\x80\x80\x00\x00", bytes(20)):
        assert unpad(pad(data, RESULT_SIZES)) == data


@given(length=st.integers(0, 100_000))
def test_write_sets_waste_at_most_a_quarter_and_hide_small_ones(length: int) -> None:
    padded = len(pad_write_set(bytes(length)))
    assert (
        padded == WRITE_SET_BYTES_MIN
        if length < WRITE_SET_BYTES_MIN
        else padded <= (length + 1) * 1.25
    )


@given(length=st.integers(0, 20_000), envelopes=st.integers(0, 100_000))
def test_T08_a_write_set_shorter_than_its_envelopes_shows_their_length_alone(
    length: int, envelopes: int
) -> None:
    padded = pad_write_set(bytes(length), envelopes)
    assert unpad(padded) == bytes(length)
    assert len(padded) >= envelopes
    if length < envelopes:
        assert len(padded) == len(pad_write_set(b"", envelopes))


def test_classes_are_what_the_documents_say() -> None:
    assert CALL_SIZES[:3] == (176, 432, 944)
    assert OPENING_SIZES[:3] == (368, 880, 2928)
    assert RESULT_SIZES == (112, 240, 496, 1008, 2032, 4080, 8176, 16368)
    assert ANSWER_SIZES[0] == 240
    assert ANSWER_SIZES[-1] == 2**20 - 16
    assert min(CALL_BOXES) == 192
