"""`strongroom explorer web` as a process; where `cluster up` and `trust` speak of the page."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.web.world import make_ledger

from strongroom.node import tls
from strongroom.node.cli.cluster_screen import web_page
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.config import loads
from strongroom.node.web import pages

CONFIG = """name = "n0"
directory = "."
genesis = "genesis.bin"
rpc = "0.0.0.0:7400"
announce_rpc = "ledger.example.org:7400"
peer = "127.0.0.1:7410"
"""


@pytest.mark.processes
async def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    ledger = await make_ledger(tmp_path)
    words = ("explorer", "web", "--from-ledger", str(ledger.folder), "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from strongroom.node.cli.main import main; main()",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(HANG_SECONDS), aiohttp.ClientSession() as http:
            document = json.loads(await process.stdout.readline())
            assert document["pin"] == ledger.genesis.pin
            assert document["url"].startswith("http://127.0.0.1:")
            async with http.get(document["url"]) as response:
                assert await response.read() == pages.page_files()["index.html"].data
            async with http.get(f"{document['url']}ui/about.json") as response:
                assert (await response.json())["from"] == "files"
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await process.communicate()


def running_node(folder: Path, web: bool) -> Any:
    """A node that answers, as `cluster up` sees it."""
    config = loads(f"{CONFIG}web = {str(web).lower()}\n", folder / "node.toml")
    return SimpleNamespace(name="n0", config=lambda: config)


def test_cluster_up_tells_the_page_with_the_certificates_whole_fingerprint(tmp_path: Path) -> None:
    made = tls.make_certificate("n0")
    node = running_node(tmp_path, web=True)
    tls.write_identity(
        made, certificate=node.config().layout.tls_certificate, key=node.config().layout.tls_key
    )
    cluster = cast(Cluster, SimpleNamespace(running=lambda: [node]))
    told = web_page(cluster)
    assert told is not None
    assert told["url"] == "https://ledger.example.org:7400/"
    assert told["sha256"] == tls.fingerprint(made.certificate)
    assert len(told["sha256"]) == 64
    node = running_node(tmp_path, web=False)
    assert web_page(cast(Cluster, SimpleNamespace(running=lambda: [node]))) is None


def test_trust_prints_the_digest_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    from strongroom.node.cli.trust import _show_page

    _show_page()
    assert pages.page_digest() in capsys.readouterr().out
