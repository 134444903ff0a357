"""How people write keys, ids, durations and moments; each refusal has its next step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus.errors import ClientFault
from strongroom.node.vault.names import (
    NamedKey,
    from_now,
    read_duration,
    read_key,
    read_lease,
    read_moment,
)
from strongroom.node.vault.refusals import NEXT, next_step

MAKER = b"m" * 32
IN_ORDER = """no-key suspended revoked not-approved evidence simulated policy not-this-hardware
machine-busy clone outside-window quantity lapsed region no-one-in-region
custodian-away"""
"""Those that the vault raises (enclave/programs/vault/README.md, decision 10)."""


def resolve(name: str) -> bytes:
    if name not in ("maker", f"id:{MAKER.hex()}"):
        raise ClientFault(f"no identity {name!r}")
    return MAKER


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("bear", NamedKey(b"", "bear", 0)),
        ("bear@2", NamedKey(b"", "bear", 2)),
        ("maker/bear", NamedKey(MAKER, "bear", 0)),
        ("maker/bear@12", NamedKey(MAKER, "bear", 12)),
        (f"id:{MAKER.hex()}/bear@1", NamedKey(MAKER, "bear", 1)),
    ],
)
def test_a_key_is_named_with_or_without_owner_and_version(text: str, key: NamedKey) -> None:
    assert read_key(text, resolve) == key
    assert key.account[1].partition("@")[0] == key.base[1] == "bear"


@pytest.mark.parametrize(
    "text",
    ["", "/", "/bear", "maker/", "maker/@1", "bear@", "bear@0", "bear@01", "bear@-1", "a@1@2"],
)
def test_what_is_no_key_is_said(text: str) -> None:
    with pytest.raises(ClientFault, match="is no key"):
        read_key(text, resolve)


@given(st.text(max_size=20))
def test_an_unknown_owner_is_never_a_key_of_ones_own(text: str) -> None:
    try:
        key = read_key(text, resolve)
    except ClientFault:
        return
    assert bool(key.owner) == ("/" in text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("1.5h", 5_400_000), ("7d", 604_800_000)],
)
def test_durations_have_units(text: str, ms: int) -> None:
    assert read_duration(text) == ms


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1e3", "9999999999d", "٣s", "nan"])
def test_what_is_no_duration_is_said(text: str) -> None:
    with pytest.raises(ClientFault, match="is no duration"):
        read_duration(text)


def test_moments_are_iso_8601_and_in_utc_unless_they_say_otherwise() -> None:
    assert read_moment("1970-01-01T00:00:01") == 1000
    assert read_moment("1970-01-01T01:00:01+01:00") == 1000
    assert read_moment("open") == read_moment("0") == 0
    for text in ("", "tomorrow", "1960-01-01", "2026-13-01"):
        with pytest.raises(ClientFault, match="is no moment"):
            read_moment(text)


def test_a_moment_from_now_is_none_for_no_time() -> None:
    assert from_now(0) == 0
    assert from_now(60_000) - from_now(1) > 50_000


def test_ids_have_32_digits() -> None:
    assert read_lease("0f" * 16) == b"\x0f" * 16
    for text in ("", "0f", "0F" * 16, "0f" * 17, "zz" * 16):
        with pytest.raises(ClientFault, match="32 lowercase hex digits"):
            read_lease(text)


def test_every_refusal_has_a_next_step_in_the_order_in_which_they_apply() -> None:
    assert list(NEXT) == IN_ORDER.split()
    assert all(NEXT.values())
    assert next_step("quota") == ""
