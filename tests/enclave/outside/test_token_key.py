"""Keys that a token hands over: for one room, key, lease, challenge and piece, or for nobody (T55;
VAULT §2)."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.half_request import WHOLE, HalfRequest
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    TokenKeyRequest,
    cbc,
    handover_context,
    is_point,
    key_id,
    key_input,
    open_token_key,
    seal_token_key,
    wrapping_input,
)
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret, SigningKey

CHAIN = ChainId(Digest(b"c" * 32))
KEY = KeyName(chain=CHAIN, owner=b"o" * 32, name="design", version=1)
OTHERS = [
    replace(KEY, chain=ChainId(Digest(b"d" * 32))),
    replace(KEY, owner=b"p" * 32),
    replace(KEY, name="other"),
    replace(KEY, version=2),
]
SEAL, DATA_KEY = HybridKey(Secret(b"s" * 32)), b"k" * 32
PLACE: dict[str, Any] = {"lease": b"l" * 16, "nonce": b"n" * 32, "piece": WHOLE}


def token(point: bytes, context: bytes, data_key: bytes = DATA_KEY) -> tuple[bytes, bytes]:
    """As a token computes it, by the published steps."""
    own = ec.generate_private_key(ec.SECP256R1())
    shown = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    given = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    wrapping = cbc(own.exchange(ec.ECDH(), given), sha256(context + shown).digest())
    return shown, aes_key_wrap_with_padding(wrapping, data_key)


def context_of(handover: HandoverKey, key: KeyName = KEY, **changes: Any) -> bytes:
    return handover_context(key, **(PLACE | {"point": handover.point} | changes))


def test_what_a_token_hands_over_opens_in_its_room() -> None:
    handover = HandoverKey()
    context = context_of(handover)
    sealed = seal_token_key(SEAL.public, *token(handover.point, context), context, CHAIN)
    assert DATA_KEY not in sealed
    opened = open_token_key(SEAL, handover, sealed, context=context, chain=CHAIN)
    assert opened.reveal() == DATA_KEY


@pytest.mark.parametrize(
    "changes",
    [
        *({"key": other} for other in OTHERS),
        {"lease": b"x" * 16},
        {"nonce": b"x" * 32},
        {"piece": 0},
        {"point": HandoverKey().point},
    ],
    ids=["chain", "owner", "name", "version", "lease", "nonce", "piece", "point"],
)
def test_t55_it_opens_for_nothing_else(changes: dict[str, Any]) -> None:
    """Neither what X-Wing sealed, nor, if that were broken, what the token wrapped."""
    handover = HandoverKey()
    context = context_of(handover)
    shown, wrapped = token(handover.point, context)
    sealed = seal_token_key(SEAL.public, shown, wrapped, context, CHAIN)
    other = context_of(handover, **changes)
    with pytest.raises(DoesNotOpen):
        open_token_key(SEAL, handover, sealed, context=other, chain=CHAIN)
    with pytest.raises(DoesNotOpen, match="for another room or request"):
        handover.open(shown, wrapped, other)


def test_t55_neither_layer_opens_alone() -> None:
    handover = HandoverKey()
    context = context_of(handover)
    shown, wrapped = token(handover.point, context)
    sealed = seal_token_key(SEAL.public, shown, wrapped, context, CHAIN)
    with pytest.raises(DoesNotOpen):
        open_token_key(HybridKey(Secret(b"t" * 32)), handover, sealed, context=context, chain=CHAIN)
    with pytest.raises(DoesNotOpen):
        open_token_key(SEAL, HandoverKey(), sealed, context=context, chain=CHAIN)


@pytest.mark.parametrize("at", [0, 30, 64, 65, 104])
def test_what_was_changed_does_not_open(at: int) -> None:
    handover = HandoverKey()
    context = context_of(handover)
    given = bytearray(b"".join(token(handover.point, context)))
    given[at] ^= 1
    with pytest.raises(DoesNotOpen):
        handover.open(bytes(given[:65]), bytes(given[65:]), context)


@pytest.mark.parametrize("size", [1, 31, 33, 40])
def test_a_key_of_another_size_is_none(size: int) -> None:
    handover = HandoverKey()
    context = context_of(handover)
    with pytest.raises(DoesNotOpen):
        handover.open(*token(handover.point, context, b"k" * size), context)


def test_a_points_own_token_is_bound_too() -> None:
    """The wrapping key depends on the token's point, also where two give one shared secret."""
    point = HandoverKey().point
    mirrored = point[:33] + (
        (2**256 - 2**224 + 2**192 + 2**96 - 1) - int.from_bytes(point[33:], "big")
    ).to_bytes(32, "big")
    assert is_point(mirrored)
    assert wrapping_input(b"c" * 32, point) != wrapping_input(b"c" * 32, mirrored)


@pytest.mark.parametrize(
    "point",
    [
        b"",
        bytes(65),
        b"\x04" + bytes(64),
        b"\x04" + b"\x01" * 64,
        HandoverKey().point[:64],
        HandoverKey().point + b"\x00",
        b"\x02" + HandoverKey().point[1:33],
        b"\x06" + HandoverKey().point[1:],
    ],
    ids=["empty", "zeros", "zero", "off the curve", "short", "long", "compressed", "hybrid"],
)
def test_what_is_no_point_is_refused(point: bytes) -> None:
    assert not is_point(point)
    with pytest.raises(DoesNotOpen):
        HandoverKey().open(point, bytes(40), b"c" * 32)
    with pytest.raises(NotCanonical, match="point"):
        TokenKeyRequest.decode(codec.encode((1, shown().encode(), point, bytes(64))))


def test_each_key_version_and_piece_has_its_own_input_and_object() -> None:
    inputs = {key_input(KEY, piece) for piece in (WHOLE, 0, 1, 2**32 - 1)}
    inputs |= {key_input(other) for other in OTHERS}
    assert len(inputs) == 8
    assert len({one[:16] for one in inputs}) == 8, "no two begin alike"
    assert len({key_id(key) for key in (KEY, *OTHERS)}) == 5
    for piece in (-2, 2**32):
        with pytest.raises(ValueError, match="a piece is from 0"):
            key_input(KEY, piece)


def shown(**changes: Any) -> HalfRequest:
    fields: dict[str, Any] = {
        "nonce": b"n" * 32,
        "transaction": b"t" * 32,
        "claim": b"claim",
        "blinding": b"b" * 32,
        "evidence": b"evidence",
    }
    return HalfRequest(**(fields | changes))


def test_a_request_has_one_encoding() -> None:
    session = SigningKey(Secret(b"e" * 32))
    made = TokenKeyRequest.signed(shown(), HandoverKey().point, chain=CHAIN, session=session)
    assert TokenKeyRequest.decode(made.encode()) == made
    assert made.is_by(session.public, CHAIN)


def test_t55_the_rooms_signature_is_over_its_point_and_request() -> None:
    session, point = SigningKey(Secret(b"e" * 32)), HandoverKey().point
    made = TokenKeyRequest.signed(shown(), point, chain=CHAIN, session=session)
    for changed in (
        replace(made, point=HandoverKey().point),
        replace(made, shown=shown(nonce=b"x" * 32)),
        replace(made, shown=shown(transaction=b"x" * 32)),
        replace(made, shown=shown(claim=b"other")),
        replace(made, shown=shown(piece=0)),
        replace(made, signature=bytes(64)),
    ):
        assert not changed.is_by(session.public, CHAIN)
    assert not made.is_by(session.public, ChainId(Digest(b"d" * 32)))
    assert not made.is_by(SigningKey(Secret(b"f" * 32)).public, CHAIN)


def test_a_handover_key_shows_nothing() -> None:
    assert repr(HandoverKey()) == "HandoverKey(…)"
