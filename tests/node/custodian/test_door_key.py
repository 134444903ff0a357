"""The custodian's certificate, named on the ledger: its host takes no other (T55)."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web

from strongroom.consensus.errors import ClientFault
from strongroom.node import tls
from strongroom.node.custodian.door_key import DoorKey, read_address
from strongroom.node.rooms.custodians import Custodians, CustodianSaid

ACME = b"a" * 32


@asynccontextmanager
async def answering(context: ssl.SSLContext | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """(HOST:PORT, what was received there)."""
    received: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response(body=b"n" * 32)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    host, port = runner.addresses[0][:2]
    yield f"{host}:{port}", received
    await runner.cleanup()


async def ask(address: str) -> bytes:
    async def where(_identity: bytes) -> str:
        return address

    async with Custodians(where) as way:
        return await way.ask("custodian_key", {"custodian": ACME, "request": b"request"})


async def test_a_host_asks_whoever_has_the_certificate_that_the_ledger_names(
    tmp_path: Path,
) -> None:
    door = DoorKey.load_or_make(tmp_path)
    async with answering(door.context()) as (place, received):
        assert await ask(door.pinned(f"https://{place}")) == b"n" * 32
        assert received == [b"request"]


async def test_t55_another_certificate_learns_not_even_the_request(tmp_path: Path) -> None:
    door = DoorKey.load_or_make(tmp_path)
    (tmp_path / "other").mkdir()
    other = DoorKey.load_or_make(tmp_path / "other")
    async with answering(other.context()) as (place, received):
        with pytest.raises(CustodianSaid, match="not the certificate") as raised:
            await ask(door.pinned(f"https://{place}"))
        assert raised.value.data["reason"] == "custodian-away"
        with pytest.raises(CustodianSaid):
            await ask(f"https://{place}")  # no certificate is named: some authority must vouch
    async with answering(None) as (place, plainly):
        with pytest.raises(CustodianSaid):
            await ask(door.pinned(f"https://{place}"))
    assert received == plainly == []


@pytest.mark.parametrize(
    "end",
    ["#", "#sha256=", "#sha256=" + "0" * 63, "#sha256=" + "0" * 65, "#sha256=" + "G" * 64, "#x"],
)
async def test_an_address_that_names_no_certificate_rightly_is_not_asked(end: str) -> None:
    with pytest.raises(ClientFault, match="names no certificate"):
        read_address("https://127.0.0.1:9" + end)
    with pytest.raises(CustodianSaid, match="names no certificate") as raised:
        await ask("https://127.0.0.1:9" + end)
    assert raised.value.data["reason"] == "custodian-away"


def test_a_digest_behind_http_is_refused() -> None:
    """It would look as if it were compared."""
    with pytest.raises(ClientFault):
        read_address("http://127.0.0.1:9#sha256=" + "0" * 64)


def test_one_folder_has_one_certificate(tmp_path: Path) -> None:
    door = DoorKey.load_or_make(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(door.certificate.read_text())
    assert door.digest == sha256(der).hexdigest()
    assert DoorKey.load_or_make(tmp_path).digest == door.digest
    assert stat.S_IMODE(door.key.stat().st_mode) == 0o600
    url = "https://acme.example:7443"
    assert read_address(door.pinned(url + "/")) == (url, bytes.fromhex(door.digest))
    for left in ("", "http://acme.example", door.pinned(url)):
        assert door.pinned(left) == left


def test_half_a_certificate_is_not_replaced(tmp_path: Path) -> None:
    door = DoorKey.load_or_make(tmp_path)
    door.certificate.unlink()
    with pytest.raises(tls.CertificateInvalid, match="exists"):
        DoorKey.load_or_make(tmp_path)
    door.certificate.write_text("no")
    with pytest.raises(tls.CertificateInvalid, match="announce the custodian anew"):
        _ = door.digest


async def test_the_custodians_door_speaks_tls(tmp_path: Path) -> None:
    from typing import cast

    from tests.node.custodian.release_world import ReleaseWorld

    from strongroom.node.custodian.device import Device
    from strongroom.node.custodian.service import CustodianService

    world, door = ReleaseWorld(tmp_path), DoorKey.load_or_make(tmp_path)
    service = CustodianService(world.releaser, cast(Device, None))
    bound = await service.start("127.0.0.1", 0, context=door.context())
    try:
        with pytest.raises(CustodianSaid) as raised:
            await ask(door.pinned(f"https://{bound}"))
        assert raised.value.data["reason"] == "form", "it was asked, and reads no request in that"
        with pytest.raises(CustodianSaid):
            await ask(f"http://{bound}")
    finally:
        await service.close()
        world.journal.close()
        await asyncio.sleep(0)
