"""The custodian's door: bounds, refusals in words, and what ends the process (T55, T56)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.custodian.release_world import HALF, KEY, LEASE, ReleaseWorld

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.outside.half_request import open_half
from strongroom.enclave.outside.token_key import TOKEN_REQUEST_BYTES_MAX
from strongroom.node.custodian import service as service_module
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.places import Places
from strongroom.node.custodian.service import CustodianService


class Door:
    """A listening custodian, and a room's host that asks it."""

    def __init__(self, folder: Path) -> None:
        self.world = ReleaseWorld(folder)
        self.pings: list[str] = []
        self.away = False

    async def ping(self) -> None:
        self.pings.append("ping")
        if self.away:
            raise TokenFault("no-token", "no token 'acme'", customer="Acme Toys")

    async def ask(self, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        method = "GET" if data is None else "POST"
        async with self.http.request(method, f"{self.url}{path}", data=data) as answer:
            return answer.status, await answer.read()

    async def half(self) -> tuple[int, bytes, bytes]:
        """(status, body, challenge)."""
        _, nonce = await self.ask("/v1/challenge")
        request = self.world.request(nonce=nonce)
        return (*await self.ask("/v1/half", request.encode()), nonce)

    http: aiohttp.ClientSession
    url: str
    service: CustodianService


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    made = Door(tmp_path / "c")
    made.service = CustodianService(made.world.releaser, cast(Device, made))
    bound = await made.service.start("127.0.0.1", 0)
    made.url = f"http://{bound}"
    async with aiohttp.ClientSession() as made.http:
        yield made
    await made.service.close()
    made.world.journal.close()


async def test_a_half_comes_sealed(door: Door) -> None:
    status, sealed, nonce = await door.half()
    assert status == 200
    opened = open_half(door.world.room.seal, sealed, key=KEY, lease=LEASE, nonce=nonce)
    assert opened.reveal() == HALF.reveal()


async def test_a_refusal_is_words(door: Door) -> None:
    door.world.halves.fault = TokenFault("hang", "the HSM did not answer", customer="Acme Toys")
    status, body, _ = await door.half()
    said = json.loads(body)
    assert (status, said["code"]) == (503, "custodian-away")
    assert said["message"].startswith("Acme Toys: the HSM did not answer")


@pytest.mark.parametrize("data", [b"", b"x", bytes(1000)])
async def test_what_is_no_request_is_refused(door: Door, data: bytes) -> None:
    status, body = await door.ask("/v1/half", data)
    assert (status, json.loads(body)["code"]) == (400, "form")


async def test_a_body_is_bounded(door: Door) -> None:
    status, _ = await door.ask("/v1/half", bytes(TOKEN_REQUEST_BYTES_MAX + 1))
    assert status == 413
    assert door.world.ledger.events == []


async def test_requests_at_once_are_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.world.releaser, "_proven", Places(1, 1))
    goes_on = asyncio.Event()
    newest = door.world.ledger.newest

    async def slow() -> Any:
        await goes_on.wait()
        return await newest()

    monkeypatch.setattr(door.world.ledger, "newest", slow)
    first = asyncio.ensure_future(door.half())
    while "lease" not in door.world.ledger.events:
        await asyncio.sleep(0.01)
    status, body, _ = await door.half()
    assert (status, json.loads(body)["code"]) == (503, "busy")
    goes_on.set()
    assert (await first)[0] == 200


async def test_bodies_that_do_not_arrive_keep_nobody_out_for_long(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one address so many may be arriving; each has its time."""
    monkeypatch.setattr(door.service, "_arriving", Places(1, 1))
    monkeypatch.setattr(service_module, "BODY_SECONDS", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.Event().wait()

    async with aiohttp.ClientSession() as other:
        stuck = asyncio.ensure_future(other.post(f"{door.url}/v1/half", data=slow()))
        while not door.service._arriving._held:
            await asyncio.sleep(0.01)
        status, body, _ = await door.half()
        assert (status, json.loads(body)["code"]) == (503, "busy")
        while door.service._arriving._held:
            await asyncio.sleep(0.01)
        assert (await door.half())[0] == 200
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_t55_a_journal_that_takes_nothing_ends_the_process(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    running = asyncio.ensure_future(door.service.run())
    monkeypatch.setattr(os, "fsync", full)
    status, body, _ = await door.half()
    assert (status, json.loads(body)["code"]) == (503, "custodian-away")
    with pytest.raises(BaseExceptionGroup) as raised:
        await running
    assert raised.group_contains(OperatorFault, match="nothing is given any more")
    assert "release" not in door.world.ledger.events


async def test_t56_the_operator_hears_once_of_an_hsm_that_is_away(
    door: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service_module, "KEEP_ALIVE_SECONDS", 0.0)
    door.away = True
    running = asyncio.ensure_future(door.service.run())
    while len(door.pings) < 5:
        await asyncio.sleep(0)
    door.away = False
    seen = len(door.pings)
    while len(door.pings) < seen + 3:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    said = capsys.readouterr().err
    assert said.count("paused: Acme Toys: no token 'acme'") == 1
    assert said.count("Acme Toys: the HSM is back") == 1


async def _raw(door: Door, data: bytes) -> bytes:
    """What comes back for these bytes, until the end."""
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    async with asyncio.timeout(HANG_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


async def test_what_is_no_http_is_one_sentence_and_one_line_and_counted(
    door: Door, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """T10, T31."""
    for _ in range(3):
        answer = await _raw(door, b"\x16\x03\x01 no HTTP secret\r\n\r\n")
        assert answer.split()[1] == b"400"
        assert b"malformed HTTP request" in answer
        assert b"secret" not in answer
    assert door.service.malformed == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("malformed HTTP from 127.0.0.1 (")
    assert "Traceback" not in told + caplog.text
    assert "secret" not in told + caplog.text
    assert (await door.half())[0] == 200


async def test_a_bug_of_the_custodian_keeps_its_traceback(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(door.world.releaser, "challenge", broken)
    assert (await door.ask("/v1/challenge"))[0] == 500
    assert "ZeroDivisionError" in caplog.text
    assert door.service.malformed == 0
