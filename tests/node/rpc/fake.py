"""A backend of a few made-up blocks, for tests of the front door alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, web
from tests.hang import HANG_SECONDS
from tests.node.rpc.results import least

from strongroom.consensus.types import Height, TransactionId
from strongroom.node.faults import NotFound, NotYet, Refused, RpcFault
from strongroom.node.ledger.place import Place
from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc import door as rpc_door
from strongroom.node.rpc.backend import Blob, Document, Step
from strongroom.node.rpc.blobs import Chunks
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.results import RESULTS
from strongroom.node.rpc.schemas import ref

OPEN = DoorPolicy(open=True)
_BLOCK, _ROW = least(ref("Block")), least(ref("TransactionRow"))


class FakeBackend:
    """Answers at once, unless told otherwise."""

    def __init__(self) -> None:
        self.submitted: list[list[bytes]] = []
        self.organisations: list[str] = []
        """Whose each submission was."""
        self.refuse_submit: Exception | None = None
        self.codes: dict[bytes, int] = {}
        """Envelope → public refusal."""
        self.faults: dict[bytes, RpcFault] = {}
        """Envelope → refusal at the door."""
        self.screened = 0
        self.hold = False
        """Leave submissions unanswered."""
        self.held: list[asyncio.Future[list[Place]]] = []
        self._places: list[list[Place]] = []
        self.height = 0
        self.pruned: set[int] = set()
        self.transactions: dict[int, list[Document]] = {}
        self.readings = 0
        """Blocks and heads that were asked for."""
        self.view = 1
        self.looks = 0
        """How often the votes under way were looked at."""
        self.bug: Exception | None = None
        self.receipt_from = 0
        """Executed height from which on there are receipts."""
        self.query_answer = b"answer"
        self.epoch = 0
        self.result = b"sealed"
        self.live = True
        self.ready = True
        self.replicas: Document = {"state": "voting", "executing": 4, "members": 4, "quorum": 3}
        self._grown = asyncio.Event()

    def grow(self, blocks: int = 1) -> None:
        self.height += blocks
        self._grown.set()
        self._grown = asyncio.Event()

    def service_info(self) -> Document:
        if self.bug is not None:
            raise self.bug
        return {
            **least(RESULTS["service_info"]),
            "chain": sha256(b"chain").digest(),
            "genesis": Blob(b"genesis"),
            "height": self.height,
        }

    async def service_heads(self, nonce: bytes) -> list[Document]:
        return [{"node": "n0", "node_key": bytes(32), "head": Blob(nonce)}]

    def service_epochs(self, start: int) -> list[Document]:
        return [{**least(ref("Epoch")), "epoch": start}]

    def service_policy(self) -> Document:
        return self._least("Policy")

    @staticmethod
    def _least(name: str) -> Document:
        document: Document = least(ref(name))
        return document

    def service_members(self) -> list[Document]:
        return []

    def service_users(self) -> Document:
        return self._least("Users")

    def service_nodes(self) -> list[Document]:
        return []

    def proposals(self) -> list[Document]:
        return [self.proposal("ab" * 16)]

    def proposal(self, id: str) -> Document:
        if id != "ab" * 16:
            raise NotFound("no proposal of this id")
        return {**self._least("Proposal"), "id": id}

    def access(self) -> Document:
        return self._least("Access")

    async def diagnostics(self, grant: str, recipient: bytes) -> Document:
        raise Refused("not-begun: nothing was begun", reason="not-begun")

    def public_state(self) -> bytes:
        return b"state"

    def node_status(self) -> Document:
        return {**self._least("NodeStatus"), "state": "voting", "executed": self.height}

    def node_consensus(self) -> Document:
        self.looks += 1
        if self.bug is not None:
            raise self.bug
        return {**self._least("Consensus"), "view": self.view, "time_ms": self.looks}

    async def node_evidence(self, nonce: bytes) -> Document:
        return {"evidence": Blob(b"evidence"), "nonce": nonce}

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        self.screened += len(envelopes)
        return {at: fault for at, one in enumerate(envelopes) if (fault := self.faults.get(one))}

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "asyncio.Future[list[Place]] | list[TransactionId]":
        if self.refuse_submit is not None:
            raise self.refuse_submit
        self.submitted.append(envelopes)
        self.organisations.append(organisation)
        ids = [TransactionId(sha256(envelope).digest()) for envelope in envelopes]
        if not wait:
            return ids
        places = [
            Place(id, Height(7), index, code, b"" if code else self.result)
            for index, (id, code) in enumerate(
                (id, self.codes.get(envelope, 0))
                for id, envelope in zip(ids, envelopes, strict=True)
            )
        ]
        future: asyncio.Future[list[Place]] = asyncio.get_running_loop().create_future()
        self._places.append(places)
        self.held.append(future)
        if not self.hold:
            self.release()
        return future

    def release(self) -> None:
        """Answer the oldest submission that is held."""
        future, places = self.held.pop(0), self._places.pop(0)
        if not future.cancelled():
            future.set_result(places)

    def transaction_reading(self, id: TransactionId) -> Callable[[], Document]:
        return lambda: {**self._least("Transaction"), "id": id}

    def status_reading(self, id: TransactionId) -> Callable[[], str | None]:
        pending = any(id == one.id for made in self._places for one in made)
        return lambda: "pending" if pending else None

    def receipt_steps(self, id: TransactionId) -> Iterator[Step]:
        yield Step(lambda: None)
        if self.height < self.receipt_from:
            raise NotYet("no anchor yet")
        yield Step(lambda: {**self._least("Receipt"), "id": id.hex()})

    @property
    def newest_block(self) -> int:
        return self.height

    def block_reading(
        self, height_or_hash: int | bytes, *, transactions: bool = True
    ) -> Callable[[], Document]:
        if isinstance(height_or_hash, bytes):
            raise NotFound("no block of that hash")
        if height_or_hash > self.height or height_or_hash in self.pruned:
            raise NotFound(f"no block {height_or_hash}")
        self.readings += 1
        count = len(self.transactions.get(height_or_hash, ()))
        hash = bytes([height_or_hash % 256]) * 32
        head = {**_BLOCK, "height": height_or_hash, "hash": hash, "count": count}
        rows = {"transactions": self._rows(height_or_hash)} if transactions else {}
        return lambda: {**head, **rows}

    def _rows(self, height: int) -> list[Document]:
        rows = self.transactions.get(height, [])
        return [{**_ROW, **row} for row in rows]

    def rows_reading(self, height: int, offset: int, limit: int) -> Callable[[], Document]:
        rows = self._rows(height)
        shown = rows[offset : offset + limit]
        return lambda: {
            "height": height,
            "offset": offset,
            "count": len(rows),
            "transactions": shown,
        }

    def head_reading(self, height: int) -> Callable[[], Document]:
        self.readings += 1
        head = {"height": height, "hash": bytes([height % 256]) * 32, "count": 0}
        return lambda: {**self._least("BlockHead"), **head}

    def header_reading(self, height: int) -> Callable[[], Document]:
        return lambda: {"header": Blob(b"header"), "certificate": None}

    def consistency(self, start: int, end: int) -> Document:
        return {**least(RESULTS["ledger_consistency"])}

    async def query(self, envelope: bytes) -> Document:
        return {"answer": Blob(self.query_answer), "height": self.height}

    async def next_height(self, after: int) -> int:
        while self.height <= after:
            await self._grown.wait()
        return self.height

    @property
    def anchored(self) -> int:
        return self.height

    async def next_anchored(self, after: int) -> int:
        return await self.next_height(after)

    def metrics(self) -> str:
        return "strongroom_height 7\n"


class Door:
    """A served backend, and a way in."""

    def __init__(self, backend: FakeBackend, runner: web.AppRunner, http: ClientSession) -> None:
        self.backend, self.runner, self.http = backend, runner, http
        self.address: tuple[str, int] = runner.addresses[0]
        self.url = f"http://127.0.0.1:{self.address[1]}"

    @property
    def open_connections(self) -> int:
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    async def post(self, body: Any) -> Any:
        """POST /rpc with a JSON value or raw text; None for 204."""
        json = {"Content-Type": "application/json"}
        arguments: dict[str, Any] = (
            {"data": body, "headers": json} if isinstance(body, (str, bytes)) else {"json": body}
        )
        async with self.http.post(f"{self.url}/rpc", **arguments) as response:
            assert response.status in (200, 204), await response.text()
            return await response.json() if response.status == 200 else None

    async def call(self, method: str, params: Any = None) -> Any:
        """One request; the whole reply."""
        return await self.post(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or []}
        )

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator[ClientWebSocketResponse]:
        async with self.http.ws_connect(f"{self.url}/ws", max_msg_size=0) as socket:
            yield socket


@asynccontextmanager
async def opened(
    limits: RpcLimits | None = None,
    policy: DoorPolicy = OPEN,
    hosts: Iterable[str] = (),
    chunks: Chunks | None = None,
) -> AsyncIterator[Door]:
    """A door on a free port, without TLS."""
    backend = FakeBackend()
    door = rpc_door.Door(policy)
    app = make_app(backend, limits, door, hosts=hosts, chunks=chunks)
    runner = await serve(app, "127.0.0.1", 0, None)
    try:
        async with (
            asyncio.timeout(HANG_SECONDS),
            ClientSession(connector=TCPConnector(force_close=True)) as http,
        ):
            yield Door(backend, runner, http)
    finally:
        await runner.cleanup()
