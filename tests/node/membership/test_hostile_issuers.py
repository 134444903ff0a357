"""Issuers that mean harm: nothing that one sends ends a node, fills its memory or keeps back what
others say (T57)."""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.node.membership.test_issuer_keys import Watched
from tests.openid.provider import Provider, canonical, make_key

from strongroom.enclave.outside.jwks import SET_KEYS_MAX
from strongroom.node.issuer_sources import IssuerSource
from strongroom.node.membership import issuer_keys
from strongroom.node.membership.issuer_keys import (
    FETCH_BYTES_MAX,
    REASON_CHARACTERS_MAX,
    IssuerWatch,
    NotFetched,
    fetch_keys,
)

Answer = Callable[[], bytes]


class Hostile(Provider):
    """Answers whatever a test says."""

    discovery: bytes = b""
    keys_shown: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    taken: str | None = None
    """Which packings the newest question took."""

    async def _discovery(self, request: web.Request) -> web.Response:
        if not self.discovery:
            return await super()._discovery(request)
        return web.Response(body=self.discovery, headers=self.headers)

    async def _jwks(self, request: web.Request) -> web.Response:
        self.taken = request.headers.get("Accept-Encoding")
        if not self.keys_shown:
            return await super()._jwks(request)
        return web.Response(body=self.keys_shown, headers=self.headers)

    def says(self, **changed: Any) -> bytes:
        return json.dumps({"issuer": self.url, "jwks_uri": self.url + "/jwks"} | changed).encode()


@pytest.fixture
async def hostile(tmp_path: Path) -> AsyncIterator[tuple[Hostile, IssuerSource]]:
    one = Hostile()
    one.rotate("ES256")
    async with one.serving(tmp_path) as ca:
        yield one, IssuerSource(issuer=one.url, ca=ca)


def written(**changed: Any) -> bytes:
    return json.dumps({"keys": [make_key("ES256", "a").as_dict(private=False) | changed]}).encode()


DISCOVERIES: dict[str, Callable[[Hostile], bytes]] = {
    "no address of IPv6": lambda one: one.says(jwks_uri="https://["),
    "no port": lambda one: one.says(jwks_uri="https://127.0.0.1:99999999/jwks"),
    "a port of letters": lambda one: one.says(jwks_uri="https://127.0.0.1:x/jwks"),
    "no host": lambda one: one.says(jwks_uri="https:///jwks"),
    "a label too long": lambda one: one.says(jwks_uri="https://" + "a" * 300 + "/"),
    "half a character": lambda one: one.says(jwks_uri="https://\ud800/"),
    "a name of no alphabet": lambda one: one.says(jwks_uri="https://xn--\u00e9\u0000/"),
    "plain http": lambda one: one.says(jwks_uri=one.url.replace("https", "http") + "/jwks"),
    "a file": lambda _: json.dumps({"issuer": "file:///", "jwks_uri": "file:///x"}).encode(),
    "no text": lambda one: one.says(jwks_uri=["https://a"]),
    "a list": lambda _: b"[1]",
    "deep": lambda _: b"[" * 60_000,
    "a number without end": lambda _: b"1" * 60_000,
    "another issuer": lambda one: one.says(issuer=one.url + "/"),
}


@pytest.mark.parametrize("case", DISCOVERIES)
async def test_T57_a_hostile_discovery_document_is_no_more_than_not_fetched(
    case: str, hostile: tuple[Hostile, IssuerSource]
) -> None:
    one, source = hostile
    one.discovery = DISCOVERIES[case](one)
    with pytest.raises(NotFetched):
        await fetch_keys(source)


async def test_T57_a_packed_answer_is_not_unpacked(
    hostile: tuple[Hostile, IssuerSource],
) -> None:
    """A hundred KiB that would be a hundred MiB; no node asks for any."""
    one, source = hostile
    assert await fetch_keys(source)
    assert one.taken == "identity"
    one.keys_shown = gzip.compress(b" " * 100_000_000)
    assert len(one.keys_shown) < FETCH_BYTES_MAX
    one.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(NotFetched, match="packed"):
        await fetch_keys(source)


# --- what becomes of the node ---


class Enclave:
    """Says whatever it is asked to."""

    def __init__(self) -> None:
        self.said: list[tuple[str, tuple[tuple[str, str, str], ...]]] = []

    async def observe(self, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
        self.said.append((issuer, keys))
        return b"said"


async def looked(watched: Watched, source: IssuerSource) -> Enclave:
    enclave, world = Enclave(), watched.world
    watch = IssuerWatch(
        [source], enclave, lambda _: None, world.governance.document, world.nodes[0].key
    )
    await watch.look(0.0)
    return enclave


SETS: dict[str, Answer] = {
    "half a character in a name": lambda: written(kid="\ud800"),
    "half a character in a key": lambda: written(x="\ud800"),
    "half a character in an algorithm": lambda: written(alg="\ud800"),
    "a name of nothing": lambda: written(kid=""),
    "a name with a line in it": lambda: written(kid="a\nb"),
    "a name that is too long": lambda: written(kid="a" * 129),
    "a list for a curve": lambda: written(crv=["P-256"]),
    "a map for a use": lambda: written(use={}),
    "a huge modulus": lambda: json.dumps(
        {"keys": [{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "_" * 100_000}]}
    ).encode(),
    "too many": lambda: json.dumps({"keys": [{}] * (SET_KEYS_MAX + 1)}).encode(),
    "deep": lambda: b'{"keys":' + b"[" * 60_000,
    "no UTF-8": lambda: b"\xff\xfe{}",
}


@pytest.mark.parametrize("case", SETS)
async def test_T57_a_hostile_key_set_ends_no_node_and_says_nothing(
    case: str, hostile: tuple[Hostile, IssuerSource]
) -> None:
    """A task that ends with an exception ends the node: all nodes that look at this issuer."""
    one, source = hostile
    watched = Watched(source, one)
    one.keys_shown = SETS[case]()
    enclave = await looked(watched, source)
    assert enclave.said == []


@pytest.mark.parametrize("case", DISCOVERIES)
async def test_T57_nor_does_a_hostile_discovery_document(
    case: str, hostile: tuple[Hostile, IssuerSource]
) -> None:
    one, source = hostile
    watched = Watched(source, one)
    one.discovery = DISCOVERIES[case](one)
    with capture_logs() as logs:
        enclave = await looked(watched, source)
    assert enclave.said == []
    (line,) = [line for line in logs if line["event"] == "issuer.not_seen"]
    assert len(line["reason"]) <= REASON_CHARACTERS_MAX


async def test_T57_what_nobody_thought_of_ends_no_node_either(
    hostile: tuple[Hostile, IssuerSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, source = hostile
    watched = Watched(source, one)

    async def fails(_: IssuerSource) -> Any:
        raise ZeroDivisionError("what it says may be a stranger's text")

    monkeypatch.setattr(issuer_keys, "fetch_keys", fails)
    with capture_logs() as logs:
        await looked(watched, source)
    assert [line["reason"] for line in logs] == ["ZeroDivisionError, which nobody expected"]


async def test_T57_keys_that_cannot_be_pinned_keep_back_none_that_can(
    hostile: tuple[Hostile, IssuerSource],
) -> None:
    """Names that are pinned already, keys under another algorithm, names that no vote could say:
    each would be refused at every observation, and an observation names eight."""
    one, source = hostile
    watched = Watched(source, one)
    pinned = make_key("RS256", "pinned")
    watched.world.decide(
        "add_issuer_key",
        issuer=source.issuer,
        kid="pinned",
        algorithm="RS256",
        key=canonical(pinned),
    )
    watched.world.pass_time(3_600_000)
    watched.world.keep_attested()
    new = make_key("ES256", "z-new").as_dict(private=False)
    taken = make_key("ES256", "pinned").as_dict(private=False)
    other = pinned.as_dict(private=False) | {"alg": "PS256"}
    crowd = [other | {"kid": f"a{number}"} for number in range(12)]
    odd = [new | {"kid": "a b"}]
    one.keys_shown = json.dumps({"keys": [taken, *crowd, *odd, new]}).encode()
    ((issuer, keys),) = (await looked(watched, source)).said
    assert issuer == source.issuer
    assert [kid for kid, _, _ in keys] == ["z-new"]
