"""What a host does for a room: carry questions to a node, hand out bytes of files, keep the sealed
state.

Owns the connection to the nodes, one at a time (to custodians: custodians.py); checks nothing of
what it carries, because the room does. Every answer is bounded.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.platform.files import read_secret_file, write_secret_file
from strongroom.node import tls
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service
from strongroom.node.faults import RpcFault
from strongroom.node.rooms.chunks import CHUNK_METHODS, ChunkCarrier
from strongroom.node.rooms.crew import CREW_METHODS, CrewCarrier
from strongroom.node.rooms.custodians import PATHS, Custodians
from strongroom.node.rooms.heights import NEXT_HEIGHT, Heights

ANSWER_SECONDS_MAX = 15.0
READ_BYTES_MAX = 24 * 1024 * 1024
STATE_FILE = "boots"
METHODS = frozenset(
    {
        "service_info",
        "service_epochs",
        "service_policy",
        "service_heads",
        "node_evidence",
        "node_status",
        "ledger_submit",
        "ledger_transaction",
        "ledger_header",
        "ledger_query",
    }
)
"""All that a room asks a node for; beside that its host carries what custodians.py,
chunks.py and crew.py do."""


class Relay:
    """One room's way out, from `open` to `close`."""

    def __init__(
        self,
        service: Service,
        state: Path,
        files: Mapping[str, Path],
        custodians: Custodians | None = None,
        chunks: ChunkCarrier | None = None,
        crew: CrewCarrier | None = None,
    ) -> None:
        self._service, self._state, self._files = service, state, files
        self._custodians, self._chunks, self._crew = custodians, chunks, crew
        self._http: aiohttp.ClientSession | None = None
        self._context = tls.client_context(service.ca)
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._heights = Heights()
        self._turn = 0
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> "Relay":
        """Open the way; connects when it is first needed."""
        timeout = aiohttp.ClientTimeout(total=None)
        self._http = open_session(self._service.credential, timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every connection."""
        await self.other_node()
        if self._http is not None:
            await close_session(self._http)

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask a node.

        Raises:
            RpcFault: it refuses.
            ClientFault: none answers, or no room asks for that.
            CustodianSaid: a custodian was asked, and gives nothing.
        """
        if method in PATHS and self._custodians is not None:
            return await self._custodians.ask(method, params)
        if method in CHUNK_METHODS and self._chunks is not None:
            return await self._chunks.ask(method, params)
        if method in CREW_METHODS and self._crew is not None:
            return await self._crew.ask(method, params)
        if method not in METHODS and method != NEXT_HEIGHT:
            raise ClientFault(f"a room asks for no {method}")
        connection = await self._connected()
        if method == NEXT_HEIGHT:
            return await self._heights.above(connection, params.get("after"))
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await connection.ask(method, **params)
        except TimeoutError:
            raise Disconnected(
                f"{connection.endpoint}: no answer in {ANSWER_SECONDS_MAX:g} s"
            ) from None

    async def other_node(self) -> None:
        """The room is not served by this node: the next one."""
        async with self._lock:
            connection, self._connection = self._connection, None
            self._turn += 1
            await self._heights.end()
            if connection is not None:
                await connection.close()
            if self._reading is not None:
                await self._reading
                self._reading = None

    def read(self, file: str, offset: int, size: int) -> bytes:
        """Bytes of one of the files that are offered.

        Raises:
            ClientFault: none of that name, it cannot be read, or so much is not given at once.
        """
        path = self._files.get(file)
        if path is None:
            raise ClientFault(f"no file {file} is offered: name it with --file {file}=PATH")
        if offset < 0 or not 0 <= size <= READ_BYTES_MAX:
            raise ClientFault(f"at most {READ_BYTES_MAX} bytes are given at once")
        try:
            with path.open("rb") as opened:
                opened.seek(offset)
                return opened.read(size)
        except OSError as error:
            raise ClientFault(f"cannot read {path}: {error.strerror}") from None

    def sealed_state(self) -> bytes:
        """What the room left at its last start; nothing at the first."""
        path = self._state / STATE_FILE
        return read_secret_file(path) if path.exists() else b""

    def save(self, sealed: bytes) -> None:
        """Keep the room's sealed state, durable when this returns.

        Raises:
            OperatorFault: it cannot be written.
        """
        try:
            write_secret_file(self._state / STATE_FILE, sealed)
        except OSError as error:
            raise OperatorFault(f"cannot write in {self._state}: {error.strerror}") from None

    async def _connected(self) -> Connection:
        async with self._lock:
            if self._connection is None or not self._connection.alive:
                endpoints = self._service.endpoints
                if self._http is None:
                    raise Disconnected("the relay is closed")
                endpoint = endpoints[self._turn % len(endpoints)]
                try:
                    self._connection = await Connection.open(self._http, endpoint, self._context)
                except BaseException:
                    self._turn += 1
                    raise
                self._reading = asyncio.create_task(self._connection.run())
            return self._connection


def failure(fault: Exception) -> dict[str, Any]:
    """What a room is told of an error."""
    if isinstance(fault, RpcFault):
        reason = fault.data.get("reason")
        return {
            "code": fault.code,
            "message": str(fault),
            "reason": reason if type(reason) is str else "",
        }
    return {"code": 0, "message": str(fault), "reason": ""}
