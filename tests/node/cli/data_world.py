"""A service in this process whose nodes keep chunks, and an owner's files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.enclave.programs.rooms.world import founded
from tests.node.cli.test_rooms_commands import Bank
from tests.node.client import ledger
from tests.node.client.test_commands import shell
from tests.node.client.turning import founded_as

from strongroom.enclave.outside.chunks import ChunkOpener, DataPlace
from strongroom.enclave.primitives import Secret
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.client.trust.service import load_service
from strongroom.node.rooms import starting
from strongroom.node.rpc.http import make_app

DATA_TERMS = """
runs = 5
recipients = ["alice", "bob"]
programs = ["free", "reviewed"]
purposes = ["aml"]
[tables.pay]
unit = "account"
k = 2
[tables.pay.columns]
account = { type = "integer", uses = ["identity", "join"] }
amount = { type = "decimal(2)", uses = ["aggregate"], bounds = [0, 10_000] }
note = { type = "text", uses = [] }
"""
CANARY = "Ca4aryValue"
ROWS = "Account,Amount,Note,Secret column\n" + "".join(
    f"{at},{at % 90}.25,{CANARY}-{at:06d}-{'x' * 60},never\n" for at in range(40_000)
)

MEASURED = cache(starting.measured)
"""What is installed here is measured once."""


class Owner(Bank):
    """A shell of owners, with what the nodes hold."""

    chunks: ChunkStore

    async def data(self, *words: str, code: int = 0, name: str = "alice") -> Any:
        return await self.json("data", *words, "--as", name, code=code)

    async def put(self, *more: str, code: int = 0, file: str = "pay.csv") -> Any:
        path = str(self.directory / file)
        terms = str(self.directory / "terms.toml")
        return await self.data("put", path, "--name", "pay", "--terms", terms, *more, code=code)

    async def stream(self, version: int, key: bytes, first: int = 0) -> bytes:
        """What a worker opens of one segment."""
        shown = await self.data("show", "pay")
        one = shown["versions"][version - 1]
        names = self.chunks.names(bytes.fromhex(one["root"]))[first:]
        chain = load_service(self.directory).chain
        place = DataPlace(chain, await self.identity("alice"), "pay", version)
        opener = ChunkOpener(Secret(key), place, first)
        return b"".join(
            opener.open(self.chunks.get(name), last=at == len(names) - 1)
            for at, name in enumerate(names)
        )


@asynccontextmanager
async def owner(directory: Path, monkeypatch: Any) -> AsyncIterator[Owner]:
    """All of it, up; two files are there: pay.csv and terms.toml."""
    chunks = ChunkStore(directory / "chunks")
    monkeypatch.setattr(ledger, "TurningChain", founded_as(founded()))
    monkeypatch.setattr(starting, "measured", MEASURED)
    monkeypatch.setattr(ledger, "make_app", partial(make_app, chunks=chunks))
    async with shell(directory) as run:
        made = Owner(run.directory, run.service)
        made.chunks = chunks
        made.write("pay.csv", ROWS)
        made.write("terms.toml", DATA_TERMS)
        yield made
