"""The front door of real nodes: every method's result is as its schema says, docs/rpc.md runs as it
stands."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.rpc.results import problems

from strongroom.node import tls
from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.up import bring_up
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.results import EXAMPLES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rpc.md"
SEALED = {"ledger_submit", "ledger_submit_many", "ledger_query", "governance_submit"}
"""Asked with bytes that are no envelope: refused, each for what it says."""
FILLED = {"$NONCE": "ab" * 32, "$PROPOSAL": "ab" * 16, "$GRANT": "ab" * 16}


def blocks() -> list[tuple[str, str]]:
    """Commands of the page, with what it shows of each one's answer."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        lines = block.splitlines()
        for at, line in enumerate(lines):
            if line.startswith("$ "):
                found.append((line[2:], lines[at + 1]))
    return found


def matches(shown: str, said: str) -> bool:
    """Is this what is shown, with anything for each `…`?"""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), said, re.DOTALL) is not None


@pytest.mark.long
async def test_results_and_the_page_at_real_nodes(tmp_path: Path) -> None:
    cluster = await bring_up(tmp_path / "c", say=lambda _: None, nodes=4, base_port=0, fund=True)
    try:
        async with asyncio.timeout(4 * HANG_SECONDS):
            keys = KeyFolder(cluster.layout.keys)
            async with Client.connect(tmp_path / "c", keys.load("alice")) as client:
                done = await client.call("payments.transfer", to=keys.load("bob").id, amount=1)
                await client.receipt(done.id)
            node = str(cluster.nodes[0].config().rpc)
            await _ask_everything(node, cluster.layout.ca, done.id.hex())
        assert shutil.which("curl"), "docs/rpc.md needs curl"
        for command, shown in blocks():
            said = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-c", command],
                env={**os.environ, "NODE": node, "CA": str(cluster.layout.ca)},
                capture_output=True,
                text=True,
                timeout=HANG_SECONDS,
            )
            assert matches(shown, said.stdout.strip()), (command, said.stdout, said.stderr)
    finally:
        await cluster.down()


async def _ask_everything(node: str, ca: Path, transaction: str) -> None:
    context, filled = tls.client_context(ca), {**FILLED, "$TRANSACTION": transaction}
    found: list[str] = []
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"https://{node}/ws", ssl=context, max_msg_size=0) as socket,
    ):

        async def ask(name: str, params: Any) -> Any:
            request = {"jsonrpc": "2.0", "id": name, "method": name, "params": params}
            await socket.send_str(json.dumps(request))
            while (reply := json.loads(await socket.receive_str())).get("id") != name:
                pass
            return reply

        for name in METHODS:
            example = EXAMPLES.get(name, {})
            params = {
                key: filled.get(value, value) if isinstance(value, str) else value
                for key, value in example.items()
            }
            reply = await ask(name, params)
            if "result" in reply:
                found += problems(name, reply["result"])
            else:
                refused = SEALED | {"governance_proposal", "admin_diagnostics"}
                assert name in refused, reply
                assert -32603 < reply["error"]["code"] <= -32000 or (
                    reply["error"]["code"] == -32602
                )
    assert not found, "\n".join(found)


def test_the_page_shows_commands_and_what_they_say() -> None:
    assert len(blocks()) >= 7
    assert matches('{"a":…}', '{"a":{"b":1}}')
    assert not matches('{"a":…}', '{"b":1}')
