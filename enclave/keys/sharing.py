"""Shamir's secret sharing of 32 bytes over GF(2^8): any k of n shares give the secret, k-1 give
nothing (T45).

Owns the arithmetic, and nothing else: neither dice nor keys, members or formats. Byte i of all
shares lies on a polynomial of degree k-1 whose constant term is byte i of the secret. The field is
that of AES and SLIP-39 (modulus 0x11B), so that SLIP-39's reference implementation is its oracle in
tests. 32 bytes are multiplied at once, as one number: only public coordinates decide what is looked
up or jumped over, never a byte of a secret.
"""

from collections.abc import Mapping, Sequence

from strongroom.enclave.primitives import SECRET_SIZE, Secret

SHARES_MAX = 255
"""Coordinates other than 0, where the secret lies."""
_LOW_BITS = int.from_bytes(b"\x7f" * SECRET_SIZE, "big")
_ONES = int.from_bytes(b"\x01" * SECRET_SIZE, "big")
_REDUCTION = 0x1B


def split(secret: Secret, coefficients: Sequence[Secret], count: int) -> tuple[Secret, ...]:
    """Shares 1 to `count` of a secret; any `len(coefficients) + 1` of them give it again.

    Args:
        secret: what is shared.
        coefficients: of degree 1 and up; independent, uniform, used once and then forgotten.
        count: how many shares, 1 to SHARES_MAX.

    Raises:
        ValueError: more shares than there are coordinates, or fewer than are needed.
    """
    if not len(coefficients) + 1 <= count <= SHARES_MAX:
        raise ValueError(f"{len(coefficients) + 1} of {count} shares, of at most {SHARES_MAX}")
    terms = [_vector(one) for one in (secret, *coefficients)]
    return tuple(_secret(_value_at(terms, at)) for at in range(1, count + 1))


def combine(shares: Mapping[int, Secret]) -> Secret:
    """What exactly k shares give, by coordinate. With others, or another number of them, it is some
    other 32 bytes: whoever uses them notices.

    Raises:
        ValueError: none, or one at a coordinate that no share has.
    """
    if not shares or not all(0 < at <= SHARES_MAX for at in shares):
        raise ValueError(f"shares have coordinates from 1 to {SHARES_MAX}")
    total = 0
    for at, share in shares.items():
        above, below = 1, 1
        for other in shares:
            if other != at:
                above, below = _product(above, other), _product(below, other ^ at)
        total ^= _times(_vector(share), _product(above, _inverse(below)))
    return _secret(total)


def _value_at(terms: Sequence[int], at: int) -> int:
    value = 0
    for term in reversed(terms):
        value = _times(value, at) ^ term
    return value


def _times(vector: int, scalar: int) -> int:
    """Each of 32 bytes times one public byte."""
    total = 0
    while scalar:
        if scalar & 1:
            total ^= vector
        vector = (vector & _LOW_BITS) << 1 ^ (vector >> 7 & _ONES) * _REDUCTION
        scalar >>= 1
    return total


def _product(left: int, right: int) -> int:
    """Of two public bytes."""
    return _times(left, right)


def _inverse(value: int) -> int:
    """Of a public byte other than 0: its power 254."""
    result = 1
    for _ in range(254):
        result = _product(result, value)
    return result


def _vector(secret: Secret) -> int:
    return int.from_bytes(secret.reveal(), "big")


def _secret(vector: int) -> Secret:
    return Secret(vector.to_bytes(SECRET_SIZE, "big"))
