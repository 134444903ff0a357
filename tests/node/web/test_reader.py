"""The local reader: which nodes it shows, what it hands on to them, what it answers from files."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.node.client.ledger import Service, running

from strongroom.consensus.errors import OperatorFault
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.client.trust.service import load_service
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.explorer.ledger_replay import FileLedger
from strongroom.node.rpc.methods import METHODS
from strongroom.node.web.proxy import ASKED_BYTES_MAX, READING, WRITING, refused
from strongroom.node.web.reader import reading_files, reading_nodes

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.files]


class Page:
    """A browser's side of a reader, without the browser."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self.http = url, http

    async def post(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Status, and the reply of a JSON-RPC call."""
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        kind = {"Content-Type": "application/json", **headers}
        async with self.http.post(f"{self.url}rpc", data=data, headers=kind) as response:
            text = await response.text()
            return response.status, json.loads(text) if text[:1] in "[{" else text

    async def ask(self, method: str, **params: Any) -> Any:
        """The whole reply."""
        return (await self.post(call(method, **params)))[1]


def call(method: str, number: int = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@asynccontextmanager
async def reader(service: Service) -> AsyncIterator[Page]:
    """Of the nodes in the folder of a running service."""
    known = load_service(service.directory)
    async with (
        reading_nodes(known, 0, lambda _: None) as reading,
        aiohttp.ClientSession() as http,
    ):
        yield Page(reading.url, http)


# --- nodes ----------------------------------------------------------------------------------------


async def test_a_page_is_given_what_checked_nodes_say(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        assert (await page.ask("node_status"))["result"]["node"] == "n0"
        async with page.http.get(f"{page.url}ui/about.json") as response:
            about = await response.json()
        assert about["from"] == "reader"
        assert [one["verdict"] for one in about["nodes"]] == ["good"] * 4
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            await socket.send_json(call("service_info", 7))
            reply = await socket.receive_json()
            assert (reply["id"], reply["result"]["name"]) == (7, about_name(service))


def about_name(service: Service) -> str:
    return service.orderer.chain.genesis.constitution.name


async def test_T15_a_node_that_does_not_hold_against_the_pin_is_never_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as service:
        service.nodes[0].evidence_nonce = bytes(32)
        asked: list[str] = []
        mute = service.nodes[0]
        told = mute.node_status

        def status() -> dict[str, Any]:
            asked.append("n0")
            return told()

        monkeypatch.setattr(mute, "node_status", status)
        async with reader(service) as page:
            for _ in range(3):
                assert (await page.ask("node_status"))["result"]["node"] == "n1"
        assert asked == []


async def test_T15_without_a_node_that_holds_there_is_no_page(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        known = load_service(service.directory)
        for node in service.nodes:
            node.evidence_nonce = bytes(32)
        with pytest.raises(NotTrusted, match="no node may be shown"):
            async with reading_nodes(known, 0, lambda _: None):
                pass
        other = replace(known, pin="sr1-" + "a" * 52)
        with pytest.raises((NotTrusted, Unreachable)):
            async with reading_nodes(other, 0, lambda _: None):
                pass


async def test_when_a_node_is_gone_another_one_is_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            await socket.send_json(call("node_status"))
            assert (await socket.receive_json())["result"]["node"] == "n0"
            await service.stop(0)
            assert (await socket.receive()).type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.CLOSING,
            )
        assert (await page.ask("node_status"))["result"]["node"] == "n1"
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            await socket.send_json(call("node_status"))
            assert (await socket.receive_json())["result"]["node"] == "n1"


async def test_a_page_only_reads(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        for method in WRITING:
            reply = await page.ask(method)
            assert reply["error"]["code"] == -32601, method
            batch = [call("node_status", 1), call(method, 2)]
            status, reply = await page.post(batch)
            assert (status, reply["error"]["code"]) == (200, -32601)
            async with page.http.ws_connect(f"{page.url}ws") as socket:
                await socket.send_json(call(method, 3))
                assert (await socket.receive_json())["error"]["code"] == -32601
        assert service.payments() == 0


async def test_each_method_either_reads_or_is_refused() -> None:
    assert set(METHODS) == READING | WRITING
    for method in READING:
        assert refused(json.dumps(call(method))) is None
    for junk in ("", "{", "[]", "7", '{"jsonrpc":"2.0"}', '[{"jsonrpc":"2.0","id":1}]'):
        assert refused(junk)["error"]["code"] in (-32700, -32600), junk
    assert refused(json.dumps([call("node_status")] * 101))["error"]["code"] == -32600


async def test_what_a_page_asks_is_bounded(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        long = json.dumps(call("ledger_search", text="x" * ASKED_BYTES_MAX))
        assert (await page.post(long))[0] == 413
        async with page.http.ws_connect(f"{page.url}ws") as socket:
            await socket.send_str(long)
            assert (await socket.receive()).data == 1009


async def test_T71_the_reader_answers_its_own_page_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        body = call("node_status")
        assert (await page.post(body, Host="rebound.example"))[0] == 403
        assert (await page.post(body, Origin="http://evil.example"))[0] == 403
        assert (await page.post(body, **{"Content-Type": "text/plain"}))[0] == 415
        for headers in ({"Origin": "http://evil.example"}, {"Host": "rebound.example"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await page.http.ws_connect(f"{page.url}ws", headers=headers)
            assert refusal.value.status == 403
            async with page.http.get(page.url, headers=headers) as response:
                assert response.status == 403


async def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with running(tmp_path) as service, reader(service) as page:
        port = int(page.url.rstrip("/").rpartition(":")[2])
        known = load_service(service.directory)
        with pytest.raises(OperatorFault, match=f"port {port} is taken by .*--port"):
            async with reading_nodes(known, port, lambda _: None):
                pass


# --- files ----------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(ledger: FileLedger) -> AsyncIterator[Page]:
    async with (
        reading_files(LedgerReader(ledger), 0) as reading,
        aiohttp.ClientSession() as http,
    ):
        yield Page(reading.url, http)


async def test_files_answer_as_their_reader_does(files: Page, ledger: FileLedger) -> None:
    expected = LedgerReader(ledger)
    for method, params in [
        ("service_info", {}),
        ("service_nodes", {}),
        ("service_policy", {}),
        ("service_members", {}),
        ("service_users", {}),
        ("service_epochs", {}),
        ("node_status", {}),
        ("governance_proposals", {}),
        ("governance_access", {}),
        ("ledger_block", {"height": 3}),
        ("ledger_transactions", {"height": 3}),
        ("ledger_header", {"height": 3}),
        ("governance_state", {}),
    ]:
        reply = await files.ask(method, **params)
        assert reply.get("result") == await expected.ask(method, **params), method
    proposal = (await files.ask("governance_proposals"))["result"][0]
    assert (await files.ask("governance_proposal", id=proposal["id"])).get("result") == proposal
    assert (await files.ask("ledger_search", text="latest"))["result"][0]["kind"] == "block"


async def test_files_refuse_what_only_a_node_does(files: Page) -> None:
    sealed = "AAAA"
    for method, params in [
        ("service_heads", {"nonce": "00" * 32}),
        ("node_evidence", {"nonce": "00" * 32}),
        ("ledger_query", {"envelope": sealed}),
        ("ledger_submit", {"envelope": sealed}),
        ("governance_submit", {"envelope": sealed}),
        ("admin_diagnostics", {"grant": "00" * 16, "recipient": "00" * 32}),
    ]:
        error = (await files.ask(method, **params))["error"]
        assert -32099 <= error["code"] <= -32000 or error["code"] == -32602, (method, error)


async def test_the_feed_of_files_tells_every_block_once_and_then_is_silent(
    files: Page, ledger: FileLedger
) -> None:
    newest = ledger.store.newest_block
    async with files.http.ws_connect(f"{files.url}ws") as socket:
        await socket.send_json(call("ledger_subscribe", topic="heads", **{"from": 1}))
        told = [await socket.receive_json() for _ in range(newest + 1)][1:]
        assert [one["params"]["height"] for one in told] == list(range(1, newest + 1))
        await socket.send_json(call("node_status", 9))
        assert (await socket.receive_json())["id"] == 9
