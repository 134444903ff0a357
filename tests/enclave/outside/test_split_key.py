"""Split keys: both halves, of this key and version, or nothing (T55; VAULT §2)."""

from hashlib import sha256
from hmac import digest as hmac
from hmac import new

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.split_key import (
    WRAPPED_SIZE,
    KeyName,
    half_input,
    unwrap,
    wrap,
)
from strongroom.enclave.primitives import DoesNotOpen, Secret

CHAIN = ChainId(Digest(b"c" * 32))
KEY = KeyName(chain=CHAIN, owner=b"o" * 32, name="design", version=1)
K, LEDGER, CUSTOMER = (Secret(bytes([number]) * 32) for number in (1, 2, 3))


def test_both_halves_open_what_they_wrapped() -> None:
    wrapped = wrap(K, KEY, ledger=LEDGER, customer=CUSTOMER)
    assert len(wrapped) == WRAPPED_SIZE
    assert unwrap(wrapped, KEY, ledger=LEDGER, customer=CUSTOMER).reveal() == K.reveal()


@pytest.mark.parametrize(
    ("ledger", "customer"),
    [(Secret(b"x" * 32), CUSTOMER), (LEDGER, Secret(b"x" * 32)), (CUSTOMER, LEDGER)],
    ids=["another ledger half", "another customer half", "halves changed round"],
)
def test_one_half_alone_opens_nothing(ledger: Secret, customer: Secret) -> None:
    wrapped = wrap(K, KEY, ledger=LEDGER, customer=CUSTOMER)
    with pytest.raises(DoesNotOpen, match="two halves"):
        unwrap(wrapped, KEY, ledger=ledger, customer=customer)


@pytest.mark.parametrize(
    "other",
    [
        KeyName(chain=ChainId(Digest(b"d" * 32)), owner=b"o" * 32, name="design", version=1),
        KeyName(chain=CHAIN, owner=b"p" * 32, name="design", version=1),
        KeyName(chain=CHAIN, owner=b"o" * 32, name="other", version=1),
        KeyName(chain=CHAIN, owner=b"o" * 32, name="design", version=2),
    ],
    ids=["chain", "owner", "name", "version"],
)
def test_t55_a_key_wrapped_under_another_name_does_not_open(other: KeyName) -> None:
    """A wrapped key that is swapped for that of another key or version is refused, though both
    halves are the same."""
    swapped = wrap(K, other, ledger=LEDGER, customer=CUSTOMER)
    with pytest.raises(DoesNotOpen):
        unwrap(swapped, KEY, ledger=LEDGER, customer=CUSTOMER)
    assert half_input(other) != half_input(KEY)


@given(st.integers(0, WRAPPED_SIZE * 8 - 1))
def test_every_changed_bit_of_a_wrapped_key_is_refused(bit: int) -> None:
    wrapped = bytearray(wrap(K, KEY, ledger=LEDGER, customer=CUSTOMER))
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DoesNotOpen):
        unwrap(bytes(wrapped), KEY, ledger=LEDGER, customer=CUSTOMER)


@pytest.mark.parametrize("size", [0, 8, 16, 24, 32, 48])
def test_a_wrapped_key_has_one_size(size: int) -> None:
    with pytest.raises(DoesNotOpen):
        unwrap(bytes(size), KEY, ledger=LEDGER, customer=CUSTOMER)


def test_the_wrapping_key_is_hkdf_over_both_halves_and_the_name() -> None:
    """Against RFC 5869 written out by hand, as whoever implements it elsewhere will."""
    from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

    extracted = hmac(bytes(32), LEDGER.reveal() + CUSTOMER.reveal(), sha256)
    info = labels.SPLIT_KEY + b"\x00" + codec.encode((CHAIN, b"o" * 32, "design", 1))
    key = new(extracted, info + b"\x01", sha256).digest()
    wrapped = wrap(K, KEY, ledger=LEDGER, customer=CUSTOMER)
    assert aes_key_unwrap_with_padding(key, wrapped) == K.reveal()


def test_each_piece_and_the_whole_have_halves_of_their_own() -> None:
    inputs = {half_input(KEY), *(half_input(KEY, piece) for piece in range(4))}
    assert len(inputs) == 5
    assert all(one.startswith(labels.CUSTODIAN_HALF + b"\x00") for one in inputs)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "n" * 65}, {"version": 0}, {"version": 2**32}]
)
def test_a_name_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="key's"):
        KeyName(**({"chain": CHAIN, "owner": b"o" * 32, "name": "n", "version": 1} | wrong))  # type: ignore[arg-type]
    with pytest.raises(NotCanonical):
        KeyName(chain=CHAIN, owner=b"short", name="n", version=1)
