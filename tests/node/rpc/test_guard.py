"""What a browser may be made to ask: foreign pages, rebound names, bodies that any page can
send."""

from typing import Any

import pytest
from aiohttp import ClientResponseError
from aiohttp.web import HTTPForbidden
from tests.node.rpc.fake import Door, opened

from strongroom.node.rpc.guard import check_origin
from strongroom.node.rpc.http import serve
from strongroom.node.rpc.monitoring import make_health_app

BODY = '{"jsonrpc":"2.0","id":1,"method":"node_status"}'
JSON = {"Content-Type": "application/json"}


async def status(door: Door, headers: dict[str, str], path: str = "/rpc") -> int:
    if path == "/rpc":
        async with door.http.post(f"{door.url}{path}", data=BODY, headers=headers) as response:
            return response.status
    if path == "/ws":
        try:
            async with door.http.ws_connect(f"{door.url}{path}", headers=headers):
                return 101
        except ClientResponseError as refused:
            return refused.status
    async with door.http.get(f"{door.url}{path}", headers=headers) as response:
        return response.status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:7400", 200),
        ("[::1]:7400", 200),
        ("localhost:7400", 200),
        ("Ledger.Example:7400", 200),
        ("rebound.example", 403),
        ("rebound.example:7400", 403),
        ("ledger.example.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.", 403),
        ("", 403),
    ],
)
async def test_T71_a_node_answers_to_its_own_names_and_addresses_only(
    host: str, expected: int
) -> None:
    async with opened(hosts=["ledger.example"]) as door:
        assert await status(door, {"Host": host, **JSON}) == expected
        assert await status(door, {"Host": host}, "/metrics") == expected
        assert await status(door, {"Host": host}, "/ws") == (101 if expected == 200 else 403)


@pytest.mark.parametrize("path", ["/rpc", "/ws", "/metrics"])
async def test_T71_pages_of_other_sites_are_refused(path: str) -> None:
    async with opened() as door:
        host = f"127.0.0.1:{door.address[1]}"
        good = 101 if path == "/ws" else 200
        for origin, expected in [
            (f"http://{host}", good),
            (f"https://{host}", 403),
            ("http://127.0.0.1:1", 403),
            ("http://evil.example", 403),
            ("null", 403),
            ("", 403),
        ]:
            assert await status(door, {"Origin": origin, **JSON}, path) == expected, origin


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("application/json5", 415),
    ],
)
async def test_T71_a_body_must_say_that_it_is_json(kind: str, expected: int) -> None:
    """The other types need no permission from a page of another site."""
    async with opened() as door:
        assert await status(door, {"Content-Type": kind}) == expected


async def test_a_refusal_says_what_to_do() -> None:
    async with opened() as door:
        headers: Any = {"Host": "rebound.example", **JSON}
        async with door.http.post(f"{door.url}/rpc", data=BODY, headers=headers) as response:
            assert "hosts" in await response.text()


async def test_T71_a_probe_may_use_any_name_and_learns_one_word_then() -> None:
    async with opened(hosts=["n0"]) as door:
        for host, members in (("n0", 4), ("127.0.0.1", 4), ("rebound.example", None)):
            for path in ("live", "ready"):
                url = f"{door.url}/health/{path}"
                async with door.http.get(url, headers={"Host": host}) as response:
                    assert response.status == 200
                    told = await response.json()
                assert told[path] is True
                if path == "ready":
                    assert told.get("members") == members
        for headers in ({"Origin": "http://evil.example"}, {"Host": "x", "Origin": "null"}):
            assert await status(door, headers, "/health/ready") == 403


async def test_T71_metrics_on_the_health_socket_are_no_foreign_pages() -> None:
    async with opened(hosts=["n0"]) as door:
        runner = await serve(make_health_app(door.runner.app), "127.0.0.1", 0, None)
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            for host, expected in (("n0:7420", 200), ("127.0.0.1", 200), ("evil.example", 403)):
                async with door.http.get(f"{url}/metrics", headers={"Host": host}) as response:
                    assert response.status == expected
            async with door.http.get(f"{url}/health/live", headers={"Host": "x"}) as response:
                assert response.status == 200
        finally:
            await runner.cleanup()


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "good"),
    [
        ("https", "ledger.example:443", "https://ledger.example", True),
        ("https", "ledger.example", "https://ledger.example", True),
        ("https", "ledger.example:8443", "https://ledger.example", False),
        ("https", "ledger.example:80", "https://ledger.example", False),
        ("https", "ledger.example", "http://ledger.example", False),
    ],
)
def test_T71_an_origin_names_its_port_only_where_it_is_not_the_usual_one(
    scheme: str, host: str, origin: str, good: bool
) -> None:
    if good:
        check_origin([origin], scheme, host)
    else:
        with pytest.raises(HTTPForbidden):
            check_origin([origin], scheme, host)
