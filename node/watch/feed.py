"""Where the events come from: nodes that run, or a ledger's files.

Live: a WebSocket of one node (topics heads, governance, nodes, consensus), and a question to every
node each half second. A node that does not answer in time is told as one; a feed that is gone is
told at once, and another node's is taken. Owns sockets and times; what events mean is the model's.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp

from strongroom.consensus.errors import ReceiptInvalid, StrongroomError
from strongroom.node import tls
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.explorer.source import Source
from strongroom.node.watch.events import (
    Asked,
    Event,
    FeedLost,
    FeedOpened,
    FilesEnded,
    HeadTold,
    Missed,
    NodesTold,
    PublicTold,
    ServiceTold,
    StatusTold,
    VotesTold,
)
from strongroom.node.watch.reading import number

STATUS_SECONDS = 0.5
"""Between two questions to a node."""
ANSWER_SECONDS = 1.5
"""A node that takes longer does not answer; one that is dead refuses at once."""
SERVICE_SECONDS = 2.0
AGAIN_SECONDS = 0.3
"""Before another node's feed is tried."""
OPEN_SECONDS = 3.0
HEARTBEAT_SECONDS = 2.0
"""A silent WebSocket is asked for a sign of life; without one in half of that it is lost."""
TOLD_BYTES_MAX = 4 * 1024 * 1024
EVENTS_WAITING_MAX = 4096
"""That wait for the model; beyond, a socket is not read from."""
BACK_BLOCKS = 64
"""Blocks before the newest that a screen begins with."""
TOPICS = ("heads", "governance", "nodes", "consensus")
MAY_BE_UNKNOWN = TOPICS.index("consensus") + 1
"""Id of the subscription that a node of an older version refuses."""


class LiveFeed:
    """Events of a service that runs: `async for event in LiveFeed(service)`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_WAITING_MAX)
        self._height = 0
        """The newest block that was told of."""
        self._alive: set[str] = set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events, without end."""
        yield Asked(time.time(), self._service.endpoints)
        async with Reader(self._service) as reader, asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._ask(reader, endpoint))
                for endpoint in self._service.endpoints
            ]
            tasks.append(group.create_task(self._ask_service(reader)))
            tasks.append(group.create_task(self._listen()))
            try:
                while True:
                    yield await self._events.get()
            finally:
                for task in tasks:
                    task.cancel()

    # --- questions ---

    async def _ask(self, reader: Reader, endpoint: str) -> None:
        """Ask one node for its status, again and again."""
        while True:
            begun = asyncio.get_running_loop().time()
            document: Any = None
            with suppress(StrongroomError, OSError, ValueError, RecursionError):
                patience = ANSWER_SECONDS if endpoint in self._alive else OPEN_SECONDS
                async with asyncio.timeout(patience):
                    document = await reader.ask_at(endpoint, "node_status")
            if type(document) is dict:
                self._alive.add(endpoint)
            else:
                document = None
                self._alive.discard(endpoint)
            await self._events.put(StatusTold(time.time(), endpoint, document))
            left = begun + STATUS_SECONDS - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.05, left))

    async def _ask_service(self, reader: Reader) -> None:
        """Who the service is, and how nodes see each other."""
        while True:
            with suppress(StrongroomError, OSError, ValueError, RecursionError):
                async with asyncio.timeout(SERVICE_SECONDS):
                    calls: list[tuple[str, dict[str, Any]]] = [
                        ("service_info", {"genesis": False}),
                        ("service_nodes", {}),
                    ]
                    info, nodes = await reader.ask_all(calls)
                    await self._events.put(ServiceTold(time.time(), info))
                    await self._events.put(NodesTold(time.time(), nodes))
            await asyncio.sleep(SERVICE_SECONDS)

    # --- the feed ---

    async def _listen(self) -> None:
        """One node's feed after the other's, those first that answer."""
        context = tls.client_context(self._service.ca)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_SECONDS)
        http = open_session(self._service.credential, timeout)
        endpoints = list(self._service.endpoints)
        try:
            while True:
                endpoints.sort(key=lambda one: one not in self._alive)
                endpoint = endpoints.pop(0)
                endpoints.append(endpoint)
                why = await self._listen_to(http, context, endpoint)
                await self._events.put(FeedLost(time.time(), f"{endpoint}: {why}"))
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            await close_session(http)

    async def _listen_to(self, http: aiohttp.ClientSession, context: Any, endpoint: str) -> str:
        """Tell what one node tells; why it ended."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await http.ws_connect(
                    f"{endpoint}/ws",
                    ssl=context,
                    heartbeat=HEARTBEAT_SECONDS,
                    max_msg_size=TOLD_BYTES_MAX,
                )
            async with socket:
                async with asyncio.timeout(OPEN_SECONDS):
                    await self._subscribe(socket)
                await self._events.put(FeedOpened(time.time(), endpoint))
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await self._tell(json.loads(message.data))
                return "its WebSocket is closed"
        except TimeoutError:
            return "it does not answer"
        except (aiohttp.ClientError, OSError) as error:
            return str(error) or type(error).__name__
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return "it does not answer in JSON-RPC"

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(_call(0, "node_status", {}))
        status = json.loads(await socket.receive_str())["result"]
        executed = _height(status["executed"])
        if not 0 < self._height <= executed:  # the node before was ahead of this one, or lied
            self._height = max(0, executed - BACK_BLOCKS)
        first = self._height + 1
        for id, topic in enumerate(TOPICS, 1):
            params: dict[str, Any] = {"topic": topic}
            if topic == "heads":
                params["from"] = first
            await socket.send_str(_call(id, "ledger_subscribe", params))

    async def _tell(self, frame: dict[str, Any]) -> None:
        if "method" not in frame:
            if "error" in frame and frame.get("id") != MAY_BE_UNKNOWN:
                raise ValueError("a subscription is refused")
            return
        told, now = frame["params"], time.time()
        if "missed" in told:
            left_out = told["missed"]
            await self._events.put(Missed(now, _height(left_out["from"]), _height(left_out["to"])))
        elif told["topic"] == "heads":
            self._height = max(self._height, _height(told["height"]))
            await self._events.put(HeadTold(now, told))
        elif told["topic"] == "consensus":
            await self._events.put(VotesTold(now, None if "ended" in told else told))
        elif told.get("transactions"):
            await self._events.put(PublicTold(now, _height(told["height"]), told["transactions"]))


async def from_files(reader: LedgerReader, back: int = BACK_BLOCKS) -> AsyncIterator[Event]:
    """The same events from a ledger's files, each at the moment of its block."""
    newest = int((await reader.ask("node_status"))["height"])
    first = max(1, newest - back + 1)
    now = time.time()
    for height in range(first, newest + 1):
        head = reader.head(height)
        now = head["time_ms"] / 1000
        if height == first:
            yield ServiceTold(now, await reader.ask("service_info", genesis=False))
            yield NodesTold(now, await reader.ask("service_nodes"))
        yield HeadTold(now, head)
        block = await reader.ask("ledger_block", height=height)
        public = [one for one in block["transactions"] if one["action"] is not None]
        if public:
            yield PublicTold(now, height, public)
    yield FilesEnded(now, newest)


def _height(told: Any) -> int:
    """A height as a node tells it.

    Raises:
        ValueError: it is none: text would reach the screen, and what is no number ends the feed.
    """
    height = number(told)
    if height is None:
        raise ValueError("a height is no number")
    return height


def _call(id: int, method: str, params: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


async def check(reader: Source, height: int) -> tuple[int, str, str]:
    """(height, verdict, reason): the headers from genesis to there, against the pin."""
    from strongroom.node.client.audit.chain import check_chain

    try:
        checked = await check_chain(reader.ask_all, reader.service.pin, height, lambda _: None)
    except ReceiptInvalid as fault:
        return height, fault.verdict, str(fault)
    except (StrongroomError, OSError) as fault:
        return height, "cannot check", str(fault)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return height, "cannot check", "the node tells something that cannot be read"
    reason = f"{checked.signers} of {checked.members} signed block {checked.certified.height}"
    return int(checked.header.height), "valid", reason
