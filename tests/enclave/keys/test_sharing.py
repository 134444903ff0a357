"""Shamir's sharing over GF(2^8): against SLIP-39's reference code, and exhaustively."""

from collections import Counter
from itertools import combinations, islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import shamir as oracle

from strongroom.enclave.keys.sharing import SHARES_MAX, combine, split
from strongroom.enclave.primitives import Secret

SECRETS = st.binary(min_size=32, max_size=32)


def padded(value: int) -> Secret:
    return Secret(bytes([value]) + bytes(31))


@settings(max_examples=25, deadline=None)
@given(secret=SECRETS, terms=st.lists(SECRETS, max_size=5), extra=st.integers(0, 4))
def test_any_k_of_n_shares_give_the_secret_and_the_reference_code_agrees(
    secret: bytes, terms: list[bytes], extra: int
) -> None:
    k = len(terms) + 1
    shares = split(Secret(secret), [Secret(one) for one in terms], k + extra)
    for chosen in islice(combinations(range(1, k + extra + 1), k), 10):
        assert combine({at: shares[at - 1] for at in chosen}).reveal() == secret
        raw = [oracle.RawShare(at, shares[at - 1].reveal()) for at in chosen]
        assert oracle._interpolate(raw, 0) == secret
    # Further shares lie where the reference code puts them, given the secret and k-1 others.
    known = [oracle.RawShare(0, secret)]
    known += [oracle.RawShare(at, shares[at - 1].reveal()) for at in range(1, k)]
    for at in range(k, k + extra + 1):
        assert oracle._interpolate(known, at) == shares[at - 1].reveal()


def test_T45_fewer_than_k_shares_are_equally_likely_for_every_secret() -> None:
    """Exactly, for k = 2: over all coefficients each share takes each value once, whatever the
    secret is."""
    for secret in (0, 1, 0x53, 255):
        for at in (1, 2, 3):
            seen = Counter(
                split(padded(secret), [padded(one)], 3)[at - 1].reveal()[0] for one in range(256)
            )
            assert seen == Counter(range(256))


def test_T45_two_shares_of_three_needed_fit_every_secret_equally_well() -> None:
    """Exactly, for k = 3, within the field of 16 that lies in the field of 256: over all pairs of
    coefficients, two shares together take each pair of values once, whatever the secret is."""
    field = [one for one in range(256) if _power(one, 16) == one]
    assert len(field) == 16
    first, second = field[1:3]
    for secret in field[:4]:
        seen: Counter[tuple[int, ...]] = Counter()
        for terms in product(field, repeat=2):
            shares = split(padded(secret), [padded(one) for one in terms], second)
            seen[tuple(shares[at - 1].reveal()[0] for at in (first, second))] += 1
        assert seen == Counter(product(field, repeat=2))


@settings(max_examples=25, deadline=None)
@given(secret=SECRETS, other=SECRETS, terms=st.lists(SECRETS, min_size=1, max_size=4))
def test_T45_k_less_one_shares_of_one_secret_are_shares_of_any_other(
    secret: bytes, other: bytes, terms: list[bytes]
) -> None:
    """For any other secret, one more share exists that makes these k-1 its own."""
    k = len(terms) + 1
    shares = split(Secret(secret), [Secret(one) for one in terms], k)
    held = [oracle.RawShare(at, shares[at - 1].reveal()) for at in range(1, k)]
    last = Secret(oracle._interpolate([*held, oracle.RawShare(0, other)], k))
    assert combine({**{at: shares[at - 1] for at in range(1, k)}, k: last}).reveal() == other


def test_the_most_shares_that_there_can_be() -> None:
    secret, terms = padded(7), [padded(one) for one in range(1, 128)]
    shares = split(secret, terms, SHARES_MAX)
    assert combine({at: shares[at - 1] for at in range(128, 256)}).reveal() == secret.reveal()
    for terms_, count in (([padded(1)], 1), ([], 0), ([], SHARES_MAX + 1)):
        with pytest.raises(ValueError, match="shares"):
            split(secret, terms_, count)


def test_a_share_lies_at_no_coordinate_of_the_secret_or_beyond() -> None:
    for shares in ({}, {0: padded(1)}, {256: padded(1)}):
        with pytest.raises(ValueError, match="coordinates"):
            combine(shares)


def _power(value: int, exponent: int) -> int:
    """In the field, by logarithms of the reference code."""
    return 0 if not value else oracle.EXP_TABLE[oracle.LOG_TABLE[value] * exponent % 255]
