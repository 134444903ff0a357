"""What a local reader does not do: ask whom it has not checked, follow where a node sends it, lend
its credential to others of this machine, or give up a node for being busy (T15, T70, T71)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import Service, running
from tests.node.web.test_reader import Page, call, reader
from yarl import URL

from strongroom.node import tls
from strongroom.node.client.errors import Unreachable
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import load_service
from strongroom.node.web import checking, proxy
from strongroom.node.web.checking import Checker, Finding

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, context: Any = None) -> AsyncIterator[int]:
    """A server of this handler alone; its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


# --- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_T15_no_session_of_ours_goes_where_a_node_sends_it(status: int) -> None:
    seen = list[str]()

    async def secret(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(text="of this machine alone")

    async with serving(secret) as port:

        async def redirect(_request: web.Request) -> web.Response:
            where = {"Location": f"http://127.0.0.1:{port}/admin"}
            return web.Response(status=status, headers=where)

        async with serving(redirect) as node:
            http = open_session(None, aiohttp.ClientTimeout(total=None))
            try:
                for method in ("GET", "POST", "PUT"):
                    with pytest.raises(aiohttp.ClientError, match="redirect"):
                        await http.request(method, f"http://127.0.0.1:{node}/rpc", data=b"{}")
                with pytest.raises(aiohttp.ClientError, match="redirect"):
                    await http.ws_connect(f"http://127.0.0.1:{node}/ws")
            finally:
                await close_session(http)
    assert seen == []


async def test_T15_a_page_cannot_be_sent_elsewhere_by_a_node_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[str]()

    async def secret(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(text="of this machine alone")

    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{port}/admin"})

    async with (
        running(tmp_path) as service,
        reader(service) as page,
        serving(secret) as port,
        at(service, redirect, monkeypatch, index=0),
    ):
        reply = await page.ask("node_status")
        assert "307" in reply["error"]["message"]
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert seen == []


@asynccontextmanager
async def at(
    service: Service, handler: Handler, monkeypatch: pytest.MonkeyPatch, *, index: int, key: int = 0
) -> AsyncIterator[None]:
    """In the place of a checked node another server answers from now on, with a node's TLS key."""
    folder = service.directory / "elsewhere"
    folder.mkdir()
    tls.write_identity(
        service.nodes[key].tls, certificate=folder / "cert.pem", key=folder / "key.pem"
    )
    context = tls.server_context(folder / "cert.pem", folder / "key.pem")
    async with serving(handler, context) as port:
        good, known = Checker.good, load_service(service.directory)

        async def moved(self: Checker) -> Finding:
            found = await good(self)
            if found.endpoint != known.endpoints[index]:
                return found
            return Finding(
                f"https://127.0.0.1:{port}", found.verdict, found.words, found.at, found.context
            )

        with monkeypatch.context() as patch:
            patch.setattr(Checker, "good", moved)
            yield


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "asked"), [(0, 1), (1, 0)])
async def test_T15_what_answers_a_page_has_the_key_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: int, asked: int
) -> None:
    """Another key of the same bundle is not that of the node that was checked."""
    seen = list[str]()

    async def note(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {}})

    async with (
        running(tmp_path) as service,
        reader(service) as page,
        at(service, note, monkeypatch, index=0, key=key),
    ):
        await page.ask("node_status")
        assert len(seen) == asked
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            await socket.receive()
        assert len(seen) == 2 * asked


# --- a node that is busy --------------------------------------------------------------------------


async def test_T70_a_node_that_is_busy_keeps_its_place_and_no_other_is_asked_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = list[str]()
    monkeypatch.setattr(Checker, "lost", lambda _self, endpoint: lost.append(endpoint))
    silent = asyncio.Event()

    async def busy(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def slow(_request: web.Request) -> web.Response:
        await silent.wait()
        return web.Response()

    async with running(tmp_path) as service, reader(service) as page:
        async with at(service, busy, monkeypatch, index=0):
            assert "503" in (await page.ask("node_status"))["error"]["message"]
        (service.directory / "elsewhere").rename(service.directory / "before")
        monkeypatch.setattr(proxy, "ASK_SECONDS_MAX", 0.05)
        async with at(service, slow, monkeypatch, index=0):
            assert "has not answered" in (await page.ask("node_status"))["error"]["message"]
            silent.set()
    assert lost == []


async def test_T70_answers_on_their_way_to_pages_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HELD_BYTES_MAX", 1000)

    async def long(_request: web.Request) -> web.Response:
        return web.Response(body=b"[" + b" " * 2000 + b"]")

    async with running(tmp_path) as service, reader(service) as page:
        async with at(service, long, monkeypatch, index=0):
            for _ in range(3):
                assert (await page.ask("node_status"))["error"]["code"] == -32005
        monkeypatch.setattr(proxy, "HELD_BYTES_MAX", 4 * 1024)
        assert (await page.ask("node_status"))["result"]["node"] == "n0"


# --- checks ---------------------------------------------------------------------------------------


async def test_T70_a_node_that_hangs_in_its_check_holds_up_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "HURRY_SECONDS", 0.0)
    monkeypatch.setattr(checking, "CHECK_SECONDS_MAX", 10 * HANG_SECONDS)
    examined, hanging = Checker._examined, asyncio.Event()
    begun = list[str]()

    async def examine(self: Checker, endpoint: str) -> Any:
        begun.append(endpoint)
        if endpoint == known.endpoints[0]:
            await hanging.wait()
        return await examined(self, endpoint)

    async with running(tmp_path) as service:
        known = load_service(service.directory)
        context = tls.client_context(known.ca)
        http = open_session(None, aiohttp.ClientTimeout(total=None))
        checker = Checker(known, http, context)
        try:
            monkeypatch.setattr(Checker, "_examined", examine)
            found = await asyncio.gather(*(checker.good() for _ in range(5)))
            assert all(one.good and one.endpoint != known.endpoints[0] for one in found)
            assert begun.count(known.endpoints[0]) == 1  # one check, whoever waits for it
        finally:
            await checker.close()
            await close_session(http)


async def test_a_checker_without_a_good_node_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as service:
        known = load_service(service.directory)
        for node in service.nodes:
            node.evidence_nonce = bytes(32)
        http = open_session(None, aiohttp.ClientTimeout(total=None))
        checker = Checker(known, http, tls.client_context(known.ca))
        try:
            with pytest.raises(Unreachable):
                await checker.good()
        finally:
            await checker.close()
            await close_session(http)


# --- whose reader it is ---------------------------------------------------------------------------


async def test_T71_who_does_not_know_the_printed_url_gets_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        bare = f"http://127.0.0.1:{page.port}/"
        key = URL(page.url).path.strip("/")
        assert len(key) >= 32
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        for start in (bare, f"{bare}{wrong}/", f"{bare}/{key}/", f"{bare}{key}x/"):
            other = Page(start, page.http)
            status, text = await other.post(call("node_status"))
            assert status == 404, start
            assert "explorer web" in text
            assert key not in text
            for path in ("", "ui/about.json", "ui/main.js"):
                async with page.http.get(f"{start}{path}") as response:
                    assert response.status == 404
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await page.http.ws_connect(f"{start}ws")
            assert refusal.value.status == 404
        assert (await page.ask("node_status"))["result"]["node"] == "n0"


async def test_T71_each_reader_has_a_key_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as one, reader(service) as other:
        assert URL(one.url).path != URL(other.url).path
        async with one.http.get(f"{one.url}ui/about.json") as response:
            about = json.loads(await response.text())
        assert URL(one.url).path.strip("/") not in json.dumps(about)
