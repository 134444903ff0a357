"""A node's host looks at issuers' keys: over TLS, bounded, following nothing (T57)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.enclave.governance.world import World
from tests.openid.provider import ALGORITHMS, Provider, canonical, make_key

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.observing import OBSERVATION_MS, OBSERVE_AGAIN_MS
from strongroom.enclave.outside.jwks import SET_KEYS_MAX, read_key_set
from strongroom.node.issuer_sources import IssuerSource
from strongroom.node.membership import issuer_keys
from strongroom.node.membership.issuer_keys import (
    AGAIN_SECONDS,
    FETCH_BYTES_MAX,
    IssuerWatch,
    NotFetched,
    fetch_keys,
)

HOUR_MS = 3_600_000


# --- key sets ---


def test_of_a_set_keys_for_signatures_are_taken() -> None:
    keys = [make_key(algorithm, algorithm) for algorithm in ALGORITHMS]
    said = [key.as_dict(private=False) for key in keys]
    plain = [{**one, "kid": f"plain-{one['kid']}"} for one in said]
    for one in plain:
        del one["alg"]
    others: list[Any] = [
        {**said[0], "kid": "enc", "use": "enc"},
        {**said[0], "kid": 7},
        {name: value for name, value in said[0].items() if name != "kid"},
        {**said[0], "kid": "other", "alg": "RSA-OAEP"},
        keys[2].as_dict(private=True) | {"kid": "private"},
        {"kty": "oct", "k": "AAAA", "kid": "secret", "alg": "HS256"},
        make_key("ES512", "p521").as_dict(private=False),
        "key",
        {**said[1], "kid": "RS256"},
        *({**said[2], "kid": kid} for kid in ("", "a b", "a\n", "é", "\ud800", "a" * 129)),
    ]
    found = read_key_set(json.dumps({"keys": said + plain + others}).encode(), "https://a")
    by_kid = {pin.kid: pin.algorithm for pin in found}
    usual = {"RS256": "RS256", "PS256": "RS256", "Ed25519": "EdDSA"}
    assert by_kid == {one: one for one in ALGORITHMS} | {
        f"plain-{one}": usual.get(one, one) for one in ALGORITHMS
    }
    assert {pin.jwk for pin in found} == set(map(canonical, keys))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"keys": [{}] * (SET_KEYS_MAX + 1)}).encode(),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_set(document: bytes) -> None:
    with pytest.raises(ClientFault, match="no key set"):
        read_key_set(document, "https://a")


# --- fetching ---


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[tuple[Provider, IssuerSource]]:
    provider = Provider()
    provider.rotate("RS256")
    async with provider.serving(tmp_path) as ca:
        yield provider, IssuerSource(issuer=provider.url, ca=ca)


async def test_keys_are_found_by_discovery_and_by_name(
    provider: tuple[Provider, IssuerSource],
) -> None:
    one, source = provider
    for asked in (source, replace(source, jwks=one.url + "/jwks")):
        (key,) = await fetch_keys(asked)
        assert (key.kid, key.jwk) == (one.keys[0].kid, canonical(one.keys[0]))


async def test_T57_an_issuer_whose_certificate_is_not_vouched_for_is_not_asked(
    provider: tuple[Provider, IssuerSource],
) -> None:
    with pytest.raises(NotFetched, match="Certificate"):
        await fetch_keys(replace(provider[1], ca=None))
    with pytest.raises(NotFetched, match="no certificates"):
        await fetch_keys(replace(provider[1], ca=Path("/nowhere")))


async def test_T57_a_discovery_document_of_another_issuer_is_none(
    provider: tuple[Provider, IssuerSource],
) -> None:
    one, source = provider
    one.url += "/other"
    with pytest.raises(NotFetched, match="another issuer"):
        await fetch_keys(source)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("redirect", "answered 302"),
        ("huge", f"over {FETCH_BYTES_MAX} bytes"),
        ("slow", "TimeoutError"),
        ("http", "https alone"),
        ("status", "answered 404"),
        ("nonsense", "no key set"),
    ],
)
async def test_T57_what_a_hostile_issuer_answers(
    what: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 0.3 if what == "slow" else 10.0)
    asked: list[str] = []
    never = asyncio.Event()

    class Hostile(Provider):
        async def _jwks(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
            asked.append(str(request.rel_url))
            if what == "redirect":
                raise web.HTTPFound("/jwks?again")
            if what == "status":
                raise web.HTTPNotFound
            answer = web.StreamResponse()
            await answer.prepare(request)
            if what == "slow":
                await never.wait()
            try:
                for _ in range(40):
                    await answer.write(b"[" * FETCH_BYTES_MAX if what == "huge" else b"[")
            except ConnectionError:
                pass
            return answer

    hostile = Hostile()
    async with hostile.serving(tmp_path) as ca:
        url = hostile.url + "/jwks"
        source = IssuerSource(issuer=hostile.url, jwks=url, ca=ca)
        if what == "http":
            source = replace(source, jwks=url.replace("https", "http"))
        with pytest.raises(NotFetched, match=why):
            await fetch_keys(source)
        never.set()
    assert asked == ([] if what == "http" else ["/jwks"])


# --- what is said on the ledger ---


class Watched:
    """Nodes of a service without consensus, each looking at one provider."""

    def __init__(self, source: IssuerSource, provider: Provider) -> None:
        self.world, self.source, self.provider = World(4), source, provider
        self.world.decide(
            "add_issuer",
            issuer=source.issuer,
            audience="a",
            claim="ctry",
            regions=(("DE", "europe"),),
            guests=(),
            life_ms=HOUR_MS,
            observed=True,
        )
        self.world.pass_time(HOUR_MS)
        self.world.keep_attested()

    async def look(self, index: int, *, key: bytes | None = None) -> list[bytes]:
        """One node's look; what it submits."""
        node, said = self.world.nodes[index], list[bytes]()

        class Enclave:
            async def observe(_, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
                return self.world.say(node, "observe", (issuer, keys))

        document = self.world.governance.document
        watch = IssuerWatch([self.source], Enclave(), said.append, document, key or node.key)
        await watch.look(0.0)
        return said

    @property
    def pinned(self) -> list[str]:
        return [key.kid for key in self.world.governance.rules.issuers.keys]


async def test_T57_a_rotated_key_is_pinned_by_what_f_plus_one_operators_see(
    provider: tuple[Provider, IssuerSource],
) -> None:
    one, source = provider
    watched = Watched(source, one)
    watched.world.ok(*await watched.look(0))
    assert not watched.pinned
    assert await watched.look(0) == [], "it was told lately"
    watched.world.ok(*await watched.look(1))
    assert watched.pinned == ["k0-RS256"]
    assert await watched.look(2) == [], "it is pinned"
    one.rotate("ES256", drop=True)
    watched.world.block(gap_ms=OBSERVE_AGAIN_MS)
    for index in (2, 3):
        watched.world.ok(*await watched.look(index))
    assert watched.pinned == ["k0-ES256", "k0-RS256"]


async def test_T57_what_was_told_is_told_again_before_it_expires(
    provider: tuple[Provider, IssuerSource],
) -> None:
    watched = Watched(provider[1], provider[0])
    watched.world.ok(*await watched.look(0))
    watched.world.block(gap_ms=OBSERVATION_MS // 2)
    (again,) = await watched.look(0)
    watched.world.ok(again)


async def test_T57_nothing_is_asked_for_nobody(
    provider: tuple[Provider, IssuerSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a node that is no validator, nor for an issuer that members did not choose."""
    watched = Watched(provider[1], provider[0])

    async def asked(_: IssuerSource) -> Any:
        raise AssertionError("fetched")

    monkeypatch.setattr(issuer_keys, "fetch_keys", asked)
    assert await watched.look(0, key=bytes(32)) == []
    watched.source = replace(watched.source, issuer="https://other.example")
    assert await watched.look(0) == []


async def test_T57_an_issuer_that_does_not_answer_keeps_back_no_other(
    provider: tuple[Provider, IssuerSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, source = provider
    watched = Watched(source, one)
    told = list[bytes]()
    gone = replace(source, issuer=one.url + "/gone", jwks="https://127.0.0.1:1/jwks")
    chosen = {"issuer": gone.issuer, "audience": "a", "claim": "ctry"}
    rules = {"regions": (("DE", "europe"),), "guests": (), "life_ms": HOUR_MS, "observed": True}
    watched.world.decide("add_issuer", **chosen, **rules)
    watched.world.pass_time(HOUR_MS)
    watched.world.keep_attested()

    class Enclave:
        async def observe(self, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
            return b"said"

    watch = IssuerWatch(
        [gone, source],
        Enclave(),
        told.append,
        watched.world.governance.document,
        watched.world.nodes[0].key,
    )
    await watch.look(0.0)
    assert told == [b"said"]
    await watch.look(AGAIN_SECONDS)
    assert told == [b"said"], "its turn has not come again"
    asked: list[str] = []

    async def looked(source: IssuerSource) -> Any:
        asked.append(source.jwks)
        return ()

    monkeypatch.setattr(issuer_keys, "fetch_keys", looked)
    watch = IssuerWatch(
        [source], Enclave(), told.append, watched.world.governance.document, bytes(32)
    )
    await watch.look(0.0)
    watch._node_key = watched.world.nodes[0].key
    await watch.look(1.0)
    await watch.look(source.every)
    await watch.look(1.0 + source.every)
    assert len(asked) == 2, "at once when it is wanted, then in its turn"
