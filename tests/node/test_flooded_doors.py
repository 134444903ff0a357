"""Real nodes with few descriptors whose doors strangers fill with idle connections (T31).

The limit is lowered for the node alone, so that a few hundred connections do here what a thousand
do under the usual one.
"""

import asyncio
import json
import os
import resource
import socket
import ssl
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.commands import CLI
from tests.waiting import so

from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.config import Address, NodeConfig
from strongroom.node.layout import ClusterLayout, NodeLayout
from strongroom.node.machine.run_records import read_processes
from strongroom.node.rpc import probe

pytestmark = pytest.mark.processes

DESCRIPTORS = 400
FLOOD = DESCRIPTORS + 100
OWN_DESCRIPTORS = 4 * FLOOD + 200
"""Of this process, for the other ends of four floods."""


def run(
    folder: Path, *arguments: str, descriptors: int | None = None
) -> subprocess.CompletedProcess[str]:
    def lower() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors // 2, descriptors))

    return subprocess.run(
        [*CLI, *arguments],
        env={**os.environ, "STRONGROOM_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
        preexec_fn=lower,
    )


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> Iterator[None]:
    """As many as this process needs, whatever its soft limit was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < OWN_DESCRIPTORS:
        pytest.skip(f"a flood takes {OWN_DESCRIPTORS} descriptors, and {hard} are all there are")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, OWN_DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLayout]:
    """A service of one node that may have few descriptors, with a soft limit below the hard one."""
    folder = tmp_path_factory.mktemp("flooded") / "cluster"
    made = run(
        folder,
        "cluster",
        "up",
        "--nodes",
        "1",
        "--detach",
        "--base-port",
        "0",
        descriptors=DESCRIPTORS,
    )
    assert made.returncode == 0, made.stderr
    yield ClusterLayout(folder).node("n0")
    run(folder, "cluster", "down")


def config_of(node: NodeLayout) -> NodeConfig:
    return node_config.load(node.config)


def context_of(node: NodeLayout) -> ssl.SSLContext:
    return tls.client_context(node.tls_certificate)


def descriptors_of(node: NodeLayout) -> int:
    host = read_processes(node.run)[0]
    assert host is not None
    return len(os.listdir(f"/proc/{host.pid}/fd"))


def pay(node: NodeLayout) -> dict[str, Any]:
    """One payment through the flooded door, to its end."""
    done = run(
        node.directory.parent,
        "call",
        "payments.transfer",
        "to=bob",
        "amount=1",
        "--as",
        "alice",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def flooded(stack: ExitStack, address: Address, connections: int = FLOOD) -> list[socket.socket]:
    """That many connections that say nothing."""
    made = []
    for _ in range(connections):
        one = socket.create_connection((address.host, address.port), timeout=HANG_SECONDS)
        made.append(stack.enter_context(one))
    return made


def is_live(address: Address, context: ssl.SSLContext | None) -> bool:
    return probe.is_live(address, context, seconds=HANG_SECONDS)


def is_served(node: NodeLayout) -> None:
    """Health on both sockets, RPC, and a payment that becomes final."""
    config, context = config_of(node), context_of(node)
    assert config.health is not None
    assert is_live(config.health, None)
    # A 503 says to come back in a second.
    asyncio.run(so(lambda: is_live(config.rpc, context), "the door is live", pause=1.0))
    status = probe.ask(config.rpc, context, "node_status", seconds=HANG_SECONDS)
    assert status["state"] == "voting"
    pay(node)


@pytest.mark.parametrize("door", ["rpc", "peer", "health"])
def test_T31_more_idle_connections_than_descriptors_end_no_node_and_close_no_door(
    node: NodeLayout, door: str
) -> None:
    address = getattr(config_of(node), door)
    with ExitStack() as stack:
        flooded(stack, address)
        assert descriptors_of(node) < DESCRIPTORS
        is_served(node)
        flooded(stack, address)
        is_served(node)
    assert "Traceback" not in node.log.read_text()


def test_T31_all_doors_at_once(node: NodeLayout) -> None:
    config = config_of(node)
    with ExitStack() as stack:
        for address in (config.rpc, config.peer, config.health, config.rpc):
            assert address is not None
            flooded(stack, address)
        is_served(node)


async def say_a_word(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "node_status"})
    assert (await socket.receive_json())["id"] == 1


def test_T31_idle_websockets_leave_room_for_requests_and_the_next_one_gets_503(
    node: NodeLayout,
) -> None:
    config, context = config_of(node), context_of(node)
    url = f"https://{config.rpc}/ws"

    async def flood() -> tuple[int, list[int]]:
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            asyncio.timeout(HANG_SECONDS),
            aiohttp.ClientSession(connector=connector) as http,
        ):
            opened: deque[aiohttp.ClientWebSocketResponse] = deque()
            refused: list[int] = []
            for _ in range(FLOOD):
                try:
                    opened.append(await http.ws_connect(url, ssl=context))
                except aiohttp.WSServerHandshakeError as error:
                    refused.append(error.status)
                    if len(refused) == 5:
                        break
                for _ in range(2):  # on a slow machine the first would have idled long enough
                    opened.rotate()
                    await say_a_word(opened[0])
            status = await asyncio.to_thread(
                probe.ask, config.rpc, context, "node_status", seconds=HANG_SECONDS
            )
            assert status["state"] == "voting"
            for path in ("/health/ready", "/metrics"):
                async with http.get(f"https://{config.rpc}{path}", ssl=context) as response:
                    assert response.status == 200
            return len(opened), refused

    opened, refused = asyncio.run(flood())
    assert opened > 100
    assert refused == [503] * 5
    assert "Traceback" not in node.log.read_text()
    pay(node)
