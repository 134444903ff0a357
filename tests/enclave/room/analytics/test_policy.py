"""Policies: closed, canonical, and the strictest of several (T60)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enclave.room.analytics.world import NOISE, PAY, VISITS, checked, column

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.room.analytics.policy import DataPolicy, Use, combine, strictest
from strongroom.enclave.room.analytics.refusals import PolicyRefused, Refused
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.types import INTEGER, REAL, TEXT, Kind, Type


@pytest.mark.parametrize("policy", [PAY, VISITS])
def test_bytes_and_policy_are_one(policy: DataPolicy) -> None:
    data = policy.encode()
    assert DataPolicy.decode(data) == policy
    assert DataPolicy.decode(data).encode() == data


def changed(path: tuple[int, ...], value: Any) -> bytes:
    """The bytes of VISITS with one item changed."""

    def put(wire: Any, rest: tuple[int, ...]) -> Any:
        if not rest:
            return value
        items = list(wire)
        items[rest[0]] = put(items[rest[0]], rest[1:])
        return tuple(items)

    return codec.encode(put(codec.decode(VISITS.encode()), path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((0,), 2),
        ((1,), ()),
        ((1, 0, 0), "Person"),
        ((1, 0, 0), "ward"),
        ((1, 0, 1), "blob"),
        ((1, 0, 2), 3),
        ((1, 0, 3), 64),
        ((1, 0, 3), -1),
        ((1, 0, 3), 0),
        ((1, 0, 3), 0b100010 | 0b1000),
        ((1, 2, 4), (1,)),
        ((1, 2, 4), (2, 1)),
        ((1, 2, 4), (0, True)),
        ((1, 2, 4), (0, 2**63)),
        ((1, 2, 4), (0, 1)),
        ((1, 2, 5), -1),
        ((1, 2, 5), 1),
        ((1, 3, 4), ()),
        ((1, 0, 4), (0, 1)),
        ((2,), "nobody"),
        ((2,), "ward"),
        ((3,), 0),
        ((3,), True),
        ((4,), 0),
        ((5,), (1,)),
        ((5, 0), 0),
        ((5, 0), 10**8),
        ((5, 2), 0),
        ((5, 3), 0),
        ((5, 4), 1),
        ((5,), (10**6, 10**5, 2, 3, 10)),
    ],
)
def test_bytes_that_say_anything_else_are_refused(path: tuple[int, ...], value: Any) -> None:
    assert DataPolicy.decode(changed((3,), 6)).k == 6
    with pytest.raises(NotCanonical):
        DataPolicy.decode(changed(path, value))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        DataPolicy.decode(data)


@given(st.data())
def test_cut_and_flipped_bytes_are_refused_or_another_policy(data: Any) -> None:
    encoded = bytearray(PAY.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        read = DataPolicy.decode(bytes(encoded))
    except NotCanonical:
        return
    assert read != PAY
    assert read.encode() == bytes(encoded)


def test_an_empty_list_of_uses_means_nothing() -> None:
    policy = replace(
        PAY,
        columns=tuple(
            one if one.name == "account" else replace(one, uses=frozenset()) for one in PAY.columns
        ),
    )
    data = {"pay": DataSet(identity="p", policy=policy)}
    for sql in (
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank",
        "SELECT count(bank) AS n FROM pay",
        "SELECT sum(fee) AS n FROM pay",
        "SELECT count(*) AS n FROM pay WHERE bank = 'A'",
        "SELECT count(*) AS n FROM pay WHERE abroad",
        "SELECT count(*) AS n FROM pay AS p JOIN pay AS q ON p.bank = q.bank",
    ):
        with pytest.raises(Refused):
            checked(sql, inputs=data)
    checked("SELECT count(*) AS n FROM pay", inputs=data)


@pytest.mark.parametrize("use", ["o", "g", "a", "f"])
def test_an_identity_has_no_other_use(use: str) -> None:
    with pytest.raises(PolicyRefused):
        column("who", INTEGER, f"i{use}")


def test_a_real_number_that_is_aggregated_has_bounds() -> None:
    with pytest.raises(PolicyRefused):
        column("x", REAL, "a")
    column("x", REAL, "f")


def test_the_strictest_is_what_all_allow() -> None:
    one = column("x", INTEGER, "gofa", bounds=(-5_000_000, 10_000_000), rounding=4_000_000)
    other = column("x", INTEGER, "gfa", bounds=(0, 20_000_000), rounding=6_000_000)
    both = strictest([one, other], "x")
    assert both.uses == {Use.GROUP, Use.FILTER, Use.AGGREGATE}
    assert (both.bounds, both.rounding) == ((0, 10_000_000), 12_000_000)
    assert strictest([one, replace(other, bounds=None, rounding=0)], "x").rounding == 4_000_000
    assert strictest([replace(one, rounding=0)] * 2, "x").rounding == 0
    with pytest.raises(PolicyRefused):
        strictest([one, column("x", TEXT, "g")], "x")
    with pytest.raises(PolicyRefused):
        strictest([one, replace(other, bounds=(20_000_000, 30_000_000))], "x")


def test_an_assets_policy_is_the_strictest_of_its_inputs() -> None:
    first = replace(VISITS, k=5, rounding=4)
    tighter = replace(NOISE, epsilon_job=500_000, groups=5, rows=1, threshold=30)
    second = replace(
        VISITS,
        k=9,
        rounding=6,
        noise=tighter,
        columns=(*VISITS.columns[:2], column("other", Type(Kind.DECIMAL, 2), "a")),
    )
    both = combine([first, second])
    assert [one.name for one in both.columns] == ["person", "ward"]
    assert (both.k, both.rounding) == (9, 12)
    assert both.noise == replace(tighter, groups=2)
    assert combine([first, replace(second, noise=None)]).noise == NOISE
    assert combine([first]) == first
    assert combine([first, second]) == combine([second, first])
    with pytest.raises(PolicyRefused):
        combine([VISITS, PAY])
    with pytest.raises(PolicyRefused):
        combine([])
