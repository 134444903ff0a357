"""`./scripts/fuzz_rpc`: a real node is asked with what its schemas allow and with junk, over HTTP
and WebSocket frames of both forms.

Owns the node and the count. What is asked, and what may come back: tests/node/rpc/fuzzing.py.
Prints one JSON object.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.node.rpc import fuzzing

from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.credentials import Credential
from strongroom.node.layout import ClusterLayout

CLI = [sys.executable, "-c", "from strongroom.node.cli.main import main; main()"]
CALLS_AT_ONCE = 50
JUNK_SHARE = 5
"""One of so many is junk bytes; the rest are whole requests."""
BUG = "rpc.bug"
"""The event of the node's log by which it admits one."""


def run(folder: Path, *arguments: str) -> str:
    """A command of the cluster in a folder."""
    done = subprocess.run(
        [*CLI, *arguments, "--dir", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fuzz_rpc: {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def fuzz(folder: Path, calls: int) -> dict[str, Any]:
    """Ask the first node of a cluster."""
    layout = ClusterLayout(folder)
    node = layout.node("n0")
    url, context = f"https://{node_config.load(node.config).rpc}", tls.client_context(layout.ca)
    credential = Credential.load(layout.credential)
    came, wrong, asked = Counter[str](), list[str](), 0

    async def ask(some: list[fuzzing.Call] | None, seed: int = 0) -> None:
        nonlocal asked
        shown = credential.header if asked % (2 * CALLS_AT_ONCE) else {}
        async with ClientSession(headers=shown) as http:
            one = fuzzing.Fuzz(http, url, context)
            if some is None:
                await one.junk(seed, CALLS_AT_ONCE)
            else:
                await one.ask_all(some)
            await one.close()
        asked += one.asked
        came.update(one.came)
        wrong.extend(one.wrong)

    rounds = max(1, calls // CALLS_AT_ONCE)
    junk = max(1, rounds // JUNK_SHARE)

    @settings(
        max_examples=max(1, rounds - junk),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(fuzzing.CALLS, min_size=CALLS_AT_ONCE, max_size=CALLS_AT_ONCE))
    def whole(some: list[fuzzing.Call]) -> None:
        asyncio.run(ask(some))

    whole()
    for seed in range(junk):
        asyncio.run(ask(None, seed))
    logged = node.log.read_text(errors="replace").count(BUG)
    return {"calls": asked, "came": dict(came.most_common()), "bugs": logged, "wrong": wrong[:20]}


def main() -> int:
    """Start a node, fuzz, stop it."""
    parser = argparse.ArgumentParser(prog="fuzz_rpc", description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-") as made:
        folder = Path(made) / "cluster"
        run(folder, "cluster", "up", "--nodes", "1", "--base-port", "0", "--detach")
        try:
            found = fuzz(folder, options.calls)
        finally:
            run(folder, "cluster", "down")
    print(json.dumps(found, indent=1))
    return int(bool(found["wrong"] or found["bugs"] or found["came"].get("-32603")))


if __name__ == "__main__":
    sys.exit(main())
