"""A container of sealed pieces gives each piece to its own key and to nothing else (VAULT §3)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus.errors import NotCanonical, StrongroomError
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.size_classes import pad_write_set
from strongroom.enclave.outside import pieces
from strongroom.enclave.outside.piece_sealing import (
    PieceTooLarge,
    frame_header,
    promise_piece,
    seal_piece,
    split_container,
)
from strongroom.enclave.outside.pieces import (
    CutShort,
    Header,
    KeyVersion,
    NotAContainer,
    OtherContainer,
    PieceChanged,
    WrongKey,
    open_piece,
)
from strongroom.enclave.primitives import Secret

CHAIN = ChainId(b"c" * 32)
KEY = KeyVersion(owner=b"o" * 32, name="bear", version=1)
K = Secret(b"k" * 32)
SALT = b"s" * 16
LAYERS = [f"G1 X{layer} Y{layer}\n".encode() * (40 + layer) for layer in range(5)]


def sealed(
    layers: list[bytes] = LAYERS, secret: Secret = K, key: KeyVersion = KEY, salt: bytes = SALT
) -> tuple[Header, list[bytes]]:
    keys = [key.piece_key(secret, index) for index in range(len(layers))]
    promised = tuple(promise_piece(k, salt, layer) for k, layer in zip(keys, layers, strict=True))
    header = Header(chain=CHAIN, key=key, salt=salt, pieces=promised)
    return header, [seal_piece(header, i, keys[i], layers[i]) for i in range(len(layers))]


def container(header: Header, boxes: list[bytes]) -> bytes:
    return frame_header(header) + b"".join(boxes)


def test_every_piece_opens_with_its_own_key() -> None:
    header, boxes = split_container(container(*sealed()))
    assert header.digest == sealed()[0].digest
    for index, layer in enumerate(LAYERS):
        assert open_piece(header, index, KEY.piece_key(K, index), boxes[index]) == layer


def test_T52_a_pieces_key_opens_no_other_piece() -> None:
    header, boxes = sealed()
    for index in range(len(LAYERS)):
        for other in set(range(len(LAYERS))) - {index}:
            with pytest.raises(WrongKey):
                open_piece(header, index, KEY.piece_key(K, other), boxes[index])


@pytest.mark.parametrize(
    "wrong",
    [
        Secret(b"x" * 32),
        K,
        replace(KEY, version=2).piece_key(K, 0),
        replace(KEY, name="bear2").piece_key(K, 0),
        replace(KEY, owner=b"p" * 32).piece_key(K, 0),
    ],
)
def test_T52_another_key_version_or_owner_is_the_wrong_key(wrong: Secret) -> None:
    header, boxes = sealed()
    with pytest.raises(WrongKey):
        open_piece(header, 0, wrong, boxes[0])


def test_pieces_out_of_their_order_are_refused() -> None:
    layers = [LAYERS[0], LAYERS[0], LAYERS[0]]
    header, boxes = sealed(layers)
    for index, other in ((0, 1), (1, 0), (2, 1)):
        with pytest.raises(PieceChanged):
            open_piece(header, index, KEY.piece_key(K, index), boxes[other])


def test_a_box_under_another_header_of_the_same_key_is_refused() -> None:
    header, boxes = sealed()
    other, others = sealed(salt=b"t" * 16)
    first = KEY.piece_key(K, 0)
    assert open_piece(other, 0, first, others[0]) == LAYERS[0]
    with pytest.raises(PieceChanged):
        open_piece(other, 0, first, boxes[0])
    with pytest.raises(PieceChanged):
        open_piece(header, 0, first, others[0])


def test_two_files_under_one_key_share_no_key_stream() -> None:
    """Else the bytes where both ciphertexts differ would be those where both plaintexts do."""
    (_, [one]), (_, [two]) = sealed([b"a" * 500]), sealed([b"b" * 500])
    assert bytes(x ^ y for x, y in zip(one[:500], two[:500], strict=True)) != b"\x03" * 500


def test_who_has_a_pieces_key_cannot_put_another_piece_under_a_known_header() -> None:
    """A room that was broken into kept key 0; the header stands on the ledger."""
    header, _ = sealed()
    key = KEY.piece_key(K, 0)
    other = LAYERS[0].replace(b"X0", b"X9")
    with pytest.raises(PieceChanged):
        seal_piece(header, 0, key, other)
    forged = pieces.box_of(header, key).seal(0, pad_write_set(other), pieces.aad_of(header, 0))
    assert len(forged) == header.pieces[0].size
    with pytest.raises(PieceChanged, match="commits"):
        open_piece(header, 0, key, forged)


@pytest.mark.parametrize(
    "wrong",
    [
        (ChainId(b"d" * 32), KEY, b""),
        (CHAIN, replace(KEY, version=2), b""),
        (CHAIN, replace(KEY, owner=b"p" * 32), b""),
        (CHAIN, replace(KEY, name="bee"), b""),
        (CHAIN, KEY, bytes(32)),
    ],
)
def test_a_swapped_header_is_told_by_what_the_ledger_knows(
    wrong: tuple[ChainId, KeyVersion, bytes],
) -> None:
    header, _ = sealed()
    header.check(CHAIN, KEY)
    header.check(CHAIN, KEY, header.digest)
    with pytest.raises(OtherContainer):
        header.check(*wrong)


def test_a_container_cut_anywhere_is_refused() -> None:
    whole = container(*sealed())
    for length in (0, 3, 4, 5, 100, len(whole) - 1, len(whole) - 2000):
        with pytest.raises(CutShort):
            split_container(whole[:length])
    with pytest.raises(NotAContainer, match="behind"):
        split_container(whole + b"x")


def test_a_box_of_another_length_is_cut_short() -> None:
    header, boxes = sealed()
    for box in (boxes[0][:-1], boxes[0] + b"x", b""):
        with pytest.raises(CutShort):
            open_piece(header, 0, KEY.piece_key(K, 0), box)


@given(st.data())
def test_one_changed_byte_anywhere_opens_no_piece_that_it_touches(data: st.DataObject) -> None:
    genuine, sound = sealed()
    whole = container(genuine, sound)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    try:
        header, boxes = split_container(changed)
    except (NotAContainer, CutShort):
        return
    touched = [
        i for i, box in enumerate(boxes) if header.digest != genuine.digest or box != sound[i]
    ]
    assert touched
    for index in touched:
        with pytest.raises(StrongroomError):
            open_piece(header, index, header.key.piece_key(K, index), boxes[index])


@given(st.binary(max_size=300))
def test_T31_garbage_is_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises((NotAContainer, CutShort)):
        split_container(data)
    with pytest.raises(NotAContainer):
        Header.decode(data)


def test_bounds_are_kept_before_memory_is_taken() -> None:
    with pytest.raises(PieceTooLarge):
        promise_piece(K, SALT, bytes(pieces.PIECE_BYTES_MAX + 1))
    with pytest.raises(NotAContainer):
        pieces.header_size((pieces.CONTAINER_HEADER_BYTES_MAX + 1).to_bytes(4, "big"))
    header, _ = sealed()
    with pytest.raises(PieceTooLarge):
        frame_header(replace(header, pieces=()))
    with pytest.raises(PieceTooLarge):
        frame_header(replace(header, pieces=header.pieces[:1] * (pieces.CONTAINER_PIECES_MAX + 1)))
    for size in (0, 10, pieces.BOX_BYTES_MAX + 1):
        odd = replace(header, pieces=(replace(header.pieces[0], size=size),))
        with pytest.raises(NotAContainer, match="bounds"):
            Header.decode(odd.encoded)
    with pytest.raises(NotAContainer, match="no piece"):
        Header.decode(replace(header, pieces=()).encoded)


def test_a_header_of_the_most_pieces_fits_its_bound() -> None:
    header, _ = sealed()
    largest = replace(header.pieces[0], size=pieces.BOX_BYTES_MAX)
    most = replace(header, pieces=(largest,) * pieces.CONTAINER_PIECES_MAX)
    assert Header.decode(most.encoded).pieces == most.pieces
    assert len(frame_header(most)) <= pieces.CONTAINER_HEADER_BYTES_MAX


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": b"o"},
        {"name": ""},
        {"name": "a/b"},
        {"name": "a@2"},
        {"name": "x" * 65},
        {"name": "a\x1b"},
        {"version": 0},
        {"version": -1},
        {"version": True},
    ],
)
def test_what_names_no_key_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(NotCanonical):
        replace(KEY, **wrong)  # type: ignore[arg-type]


def test_sizes_of_pieces_are_those_of_their_classes() -> None:
    """A layer that is a little longer shows nothing of it."""
    lengths = {len(sealed([bytes(size)])[1][0]) for size in range(10, 1000, 90)}
    assert lengths == {1024 + 16}
    long = sealed([bytes(100_000)])[1][0]
    assert len(long) <= 100_000 * 5 // 4 + 16


def test_T52_golden_bytes_of_a_container() -> None:
    """Whoever changes these raises the version in the label."""
    header, boxes = sealed([b"G28\n", b"G1 X1\n"])
    assert KEY.piece_key(K, 1).reveal().hex() == GOLDEN_KEY
    assert header.digest.hex() == GOLDEN_HEADER
    assert boxes[1][-16:].hex() == GOLDEN_TAG


GOLDEN_KEY = "9d66feb56c1b7a78ac634ed95f5bb5b3b51c593a8b2eecdb0b29542fa93c03d1"
GOLDEN_HEADER = "007d427c23eb901dc8a769a2dc2c03ac55195259bf437f03d643b0c4246d5284"
GOLDEN_TAG = "139b9e89e380e76bdb684d1cc6b9f73f"
