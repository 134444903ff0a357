"""What a host carries to custodians: to announced addresses alone, within bounds (T55)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.token_key import TOKEN_REQUEST_BYTES_MAX
from strongroom.node.rooms import custodians as module
from strongroom.node.rooms.custodians import ANSWER_BYTES_MAX, Custodians, CustodianSaid

ACME, OTHER = b"a" * 32, b"o" * 32
CHALLENGE = "custodian_challenge"


class Place:
    """What answers at an address, as a test says."""

    def __init__(self) -> None:
        self.announced: dict[bytes, str] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        self.looked_up = 0
        self.answer = web.Response(body=b"n" * 32)
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def where(self, identity: bytes) -> str:
        self.looked_up += 1
        if identity not in self.announced:
            raise ClientFault("custodian-away: it has not announced itself")
        return self.announced[identity]

    async def take(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, await request.read()))
        await self.goes_on.wait()
        answer, self.answer = self.answer, web.Response(body=b"n" * 32)
        return answer


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    app = web.Application(client_max_size=1 << 22)
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.announced[ACME] = f"http://{host}:{port}"
    yield made
    made.goes_on.set()
    await runner.cleanup()


async def ask(place: Place, method: str = CHALLENGE, **params: Any) -> bytes:
    async with Custodians(place.where) as way:
        return await way.ask(method, {"custodian": ACME, **params})


async def said(place: Place, method: str = CHALLENGE, **params: Any) -> tuple[str, str]:
    """(code, words) of a refusal."""
    with pytest.raises(CustodianSaid) as raised:
        await ask(place, method, **params)
    return str(raised.value.data["reason"]), str(raised.value)


async def test_two_questions_and_their_answers(place: Place) -> None:
    assert await ask(place) == b"n" * 32
    assert await ask(place, "custodian_half", request=b"request") == b"n" * 32
    assert place.asked == [("GET", "/v1/challenge", b""), ("POST", "/v1/half", b"request")]


async def test_only_what_the_ledger_announces_is_asked(place: Place) -> None:
    code, words = await said(place, custodian=OTHER)
    assert (code, place.asked) == ("custodian-away", [])
    assert "the ledger names no address" in words
    place.announced[ACME] = ""
    assert (await said(place))[0] == "custodian-away"


@pytest.mark.parametrize(
    "more", ["/admin/delete?id=5&x=", "/api", "/?", "/?q=1", "//x", "#", "\\x", "@127.0.0.1:1"]
)
async def test_an_address_says_where_and_not_what_is_asked_there(place: Place, more: str) -> None:
    """Anybody may announce himself, and be the custodian of a key for which a plant runs a room."""
    place.announced[ACME] += more
    code, words = await said(place, "custodian_half", request=b"request")
    assert (code, place.asked) == ("custodian-away", [])
    assert "its address" in words


async def test_nobody_is_sent_elsewhere(place: Place) -> None:
    where = place.announced[ACME]
    place.answer = web.Response(status=307, headers={"Location": f"{where}/elsewhere"})
    assert (await said(place))[0] == "custodian-away"
    assert [path for _, path, _ in place.asked] == ["/v1/challenge"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (503, b'{"code": "custodian-away", "message": "Acme Toys: gone"}', "custodian-away"),
        (403, b'{"code": "policy", "message": "no"}', "policy"),
        (502, b"<html>bad gateway</html>", "custodian-away"),
        (403, b'{"code": 7, "message": "no"}', "custodian-away"),
        (403, b"[" * 50_000, "custodian-away"),
        (403, b"\xff\xfe", "custodian-away"),
        (200, bytes(ANSWER_BYTES_MAX + 1), "custodian-away"),
    ],
)
async def test_what_it_says_instead(place: Place, status: int, body: bytes, code: str) -> None:
    place.answer = web.Response(status=status, body=body)
    assert (await said(place))[0] == code


async def test_silence_has_an_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CARRY_SECONDS", 0.2)
    place.goes_on.clear()
    code, words = await said(place)
    assert (code, "no answer in 0.2 s" in words) == ("custodian-away", True)

    async def nobody(_identity: bytes) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(place, "where", nobody)
    code, words = await said(place)
    assert (code, "no answer in 0.2 s" in words) == ("custodian-away", True)


@pytest.mark.parametrize(
    "params",
    [
        {"custodian": b"short"},
        {"custodian": "http://127.0.0.1"},
        {"request": "text"},
        {"request": bytes(TOKEN_REQUEST_BYTES_MAX + 1)},
    ],
)
async def test_what_no_room_asks_is_not_carried(place: Place, params: dict[str, Any]) -> None:
    with pytest.raises(ClientFault):
        await ask(place, **params)
    assert (place.asked, place.looked_up) == ([], 0)


async def test_an_address_is_looked_up_again_when_it_does_not_answer(place: Place) -> None:
    async with Custodians(place.where) as way:
        for _ in range(3):
            await way.ask(CHALLENGE, {"custodian": ACME})
        assert place.looked_up == 1
        true, place.announced[ACME] = place.announced[ACME], "http://127.0.0.1:1"
        place.answer = web.Response(status=503)
        with pytest.raises(CustodianSaid):
            await way.ask(CHALLENGE, {"custodian": ACME})
        with pytest.raises(CustodianSaid):
            await way.ask(CHALLENGE, {"custodian": ACME})
        place.announced[ACME] = true
        assert await way.ask(CHALLENGE, {"custodian": ACME}) == b"n" * 32


async def test_questions_at_once_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE_MAX", 2)
    place.goes_on.clear()
    async with Custodians(place.where) as way:
        asked = [asyncio.ensure_future(way.ask(CHALLENGE, {"custodian": ACME})) for _ in range(5)]
        async with aiohttp.ClientSession() as http:  # one that is in no queue shows all came
            other = asyncio.ensure_future(http.get(f"{place.announced[ACME]}/probe"))
            while ("GET", "/probe", b"") not in place.asked or len(place.asked) < 3:
                await asyncio.sleep(0)
            assert len(place.asked) == 3
            place.goes_on.set()
            (await other).close()
        assert await asyncio.gather(*asked) == [b"n" * 32] * 5
