"""A web page in this process: a real ledger's documents behind a real front door, without TLS."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.node.client.test_commands import shell
from tests.node.explorer.files import write_ledger

from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.explorer.ledger_replay import FileLedger, read_ledger
from strongroom.node.rpc.backend import Backend, Blob, Document
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.web import pages
from strongroom.node.web.files_backend import FilesBackend

REQUIRED = "required"
CALLS = 8


def browser_or_skip() -> str:
    """Where chromium is; skips without it, but where one is required fails."""
    path = shutil.which("chromium")
    missing = [] if path else ["no chromium: apt-get install chromium"]
    for module in ("playwright", "axe_playwright_python"):
        try:
            __import__(module)
        except ModuleNotFoundError:
            missing.append(f"no {module}: pip install 'strongroom[browser]'")
    if missing and os.environ.get("STRONGROOM_BROWSER") == REQUIRED:
        pytest.fail("; ".join(missing))
    if missing:
        pytest.skip("; ".join(missing))
    assert path is not None
    return path


async def make_ledger(folder: Path) -> FileLedger:
    """A ledger of some twenty blocks: calls of alice, a proposal of member0."""
    (folder / "service").mkdir()
    async with shell(folder / "service") as run:
        bob = KeyFolder(folder / "service" / "keys").load("bob").id
        async with Client.connect(folder / "service", "alice") as client:
            for _ in range(CALLS):
                await client.call("payments.transfer", to=bob, amount=1)
        proposed = await run("gov", "propose", "allow_region", "region=oslo", "--as", "member0")
        assert proposed.exit_code == 0, proposed.output
        written = write_ledger(folder / "n0", run.service)
    return await asyncio.to_thread(read_ledger, written)


class Live(FilesBackend):
    """The same ledger as a node tells it that has `shown` of its blocks so far, the newest now."""

    def __init__(self, ledger: FileLedger, shown: int | None = None) -> None:
        super().__init__(LedgerReader(ledger))
        self.shown = shown or ledger.store.newest_block
        self.late_ms = 0
        """How old the newest block is."""
        self.waiting = 0
        self.info: Document = {}
        self.nodes: list[Document] | None = None
        self.grown = asyncio.Event()
        self._info, self._status = self.service_info, self.node_status
        self._nodes, self._head = self.service_nodes, self.head_reading
        self.service_info = lambda: {**self._info(), "node": "n0", **self.info, **self._heights()}
        self.node_status = self._status_now
        self.service_nodes = lambda: self._nodes_now() if self.nodes is None else self.nodes
        self.head_reading = self._head_now

    def grow(self, blocks: int = 1) -> None:
        """So many more blocks."""
        self.shown += blocks
        self.grown.set()
        self.grown = asyncio.Event()

    @property
    def newest_block(self) -> int:
        return self.shown

    async def next_height(self, after: int) -> int:
        while self.shown <= after:
            await self.grown.wait()
        return self.shown

    async def node_evidence(self, nonce: bytes) -> Document:
        return {"evidence": Blob(b"evidence over " + nonce), "nonce": nonce}

    def transaction_ids(self) -> list[str]:
        """All of them."""
        return [
            row["id"].hex()
            for height in range(1, self.shown + 1)
            for row in self.rows_reading(height, 0, 500)()["transactions"]
        ]

    def _heights(self) -> Document:
        return {"height": self.shown, "executed": self.shown}

    def _status_now(self) -> Document:
        return {
            **self._status(),
            "node": "n0",
            "state": "voting",
            "executing": 4,
            "mempool": {"envelopes": self.waiting, "bytes": 0},
            **self._heights(),
        }

    def _nodes_now(self) -> list[Document]:
        seen = {"verdict": "good (SIMULATED)", "connected": True, "view": 7, "faults": 0}
        return [{**one, **seen, "height": self.shown, "age_ms": 9000} for one in self._nodes()]

    def _head_now(self, height: int) -> Callable[[], Document]:
        read, newest = self._head(height), self._head(self.shown)()["time_ms"]
        moved = int(time.time() * 1000) - self.late_ms - newest
        return lambda: {**(head := read()), "time_ms": head["time_ms"] + moved}


class Site:
    """A served page."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve; again on the same port."""
        app = make_app(self.backend)
        pages.mount(app, lambda: {"from": "node", "node": "n0"})
        self.runner = await serve(app, "127.0.0.1", self.port, None)
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        """Be gone, as a node that is killed."""
        if self.runner is not None:
            await self.runner.cleanup()
        self.runner = None


@asynccontextmanager
async def site(backend: Backend) -> AsyncIterator[Site]:
    """The page of a node."""
    served = Site(backend)
    await served.start()
    try:
        yield served
    finally:
        await served.stop()
