"""`strongroom node health`: exit 0, 1, 2 or 3, and nobody else's word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from tests.node.rpc.fake import OPEN, FakeBackend
from typer.testing import CliRunner, Result

from strongroom.node import tls
from strongroom.node.cli.main import make_app
from strongroom.node.cli.node_health import here
from strongroom.node.config import Address, NodeConfig, dumps
from strongroom.node.layout import NodeLayout
from strongroom.node.rpc.door import Door
from strongroom.node.rpc.http import make_app as make_door
from strongroom.node.rpc.http import serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.monitoring import make_health_app


@dataclass
class Node:
    """A node's folder, and its doors."""

    layout: NodeLayout
    backend: FakeBackend

    async def ask(self, *more: str) -> Result:
        words = ["node", "health", "--config", str(self.layout.config), *more]
        return await asyncio.to_thread(lambda: CliRunner().invoke(make_app(words[0]), words))


def identity(layout: NodeLayout, name: str) -> tuple[Path, Path]:
    certificate, key = layout.directory / f"{name}.crt", layout.directory / f"{name}.key"
    tls.write_identity(tls.make_certificate(name), certificate=certificate, key=key)
    return certificate, key


@asynccontextmanager
async def node(tmp_path: Path, *, plain: bool = False, other: bool = False) -> AsyncIterator[Node]:
    """One that listens everywhere; `other`: somebody else sits at its door."""
    layout = NodeLayout(tmp_path / "n1")
    layout.directory.mkdir()
    own = identity(layout, "tls")
    backend = FakeBackend()
    app = make_door(backend, RpcLimits(shutdown_seconds_max=0.2), Door(OPEN), hosts=("n1",))
    context = tls.server_context(*(identity(layout, "other") if other else own))
    runners: list[web.AppRunner] = [await serve(app, "127.0.0.1", 0, context)]
    health = None
    if plain:
        runners.append(await serve(make_health_app(app), "127.0.0.1", 0, None))
        health = Address("127.0.0.1", runners[1].addresses[0][1])
    config = NodeConfig(
        name="n1",
        directory=layout.directory,
        genesis=tmp_path / "genesis.bin",
        rpc=Address("127.0.0.1", runners[0].addresses[0][1]),
        peer=Address("127.0.0.1", 1),
        health=health,
    )
    layout.config.write_text(dumps(config, base=layout.directory))
    try:
        yield Node(layout, backend)
    finally:
        for runner in reversed(runners):
            await runner.cleanup()


@pytest.mark.parametrize("plain", [False, True])
async def test_ready_is_0_not_ready_is_1_with_the_reason(tmp_path: Path, plain: bool) -> None:
    async with node(tmp_path, plain=plain) as one:
        done = await one.ask()
        assert (done.exit_code, done.stdout) == (0, "ready\n")
        one.backend.ready = False
        one.backend.replicas = {"state": "catching up", "executing": 3}
        done = await one.ask()
        assert done.exit_code == 1
        assert "not ready: state catching up, executing 3" in done.stdout
        assert (await one.ask("--live")).exit_code == 0, "alive, though not ready"
        done = await one.ask("--json")
        assert (done.exit_code, json.loads(done.stdout)["ready"]) == (1, False)


async def test_another_certificate_at_its_door_is_nobody(tmp_path: Path) -> None:
    async with node(tmp_path, other=True) as one:
        for more in ((), ("--live",)):
            done = await one.ask(*more)
            assert done.exit_code == 3
            assert "no answer" in done.output


async def test_nobody_at_the_door_is_3_and_no_configuration_is_2(tmp_path: Path) -> None:
    async with node(tmp_path) as one:
        pass
    assert (await one.ask()).exit_code == 3
    one.layout.config.write_text("name = 1\n")
    assert (await one.ask()).exit_code == 2
    one.layout.config.unlink()
    assert (await one.ask()).exit_code == 2


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("0.0.0.0:7400", "127.0.0.1:7400"),
        ("[::]:7400", "[::1]:7400"),
        ("10.0.0.4:7400", "10.0.0.4:7400"),
        ("ledger.example.org:7400", "ledger.example.org:7400"),
    ],
)
def test_a_node_that_listens_everywhere_is_asked_here(listens: str, asked: str) -> None:
    assert str(here(Address.parse(listens))) == asked
