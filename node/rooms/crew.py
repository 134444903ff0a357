"""What hosts carry between the rooms of a crew: sealed records, over one stream for each two of
them (ROOMS §8).

Owns those streams, who calls whom, and the bound on what waits. Believes nothing: who is at the
other end, and what is said, the rooms judge. A host that stops carrying stops the crew, and no
more.

    a stream:  (job, own, peer, members, addresses) of whoever opened it, then records, each behind
               its length (4 bytes)
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import msgpack

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.room.crew.link import (
    CREW_MEMBERS_MAX,
    RECORD_BYTES_MAX,
    SHOWN_BYTES_MAX,
)

CREW_METHODS: Final = frozenset(("crew_begin", "crew_wait", "crew_next", "crew_send"))
LISTEN, MEMBERS = "listen", "members"
"""Words of an operator: where a member's host is called, and whom a foreman's host calls, as
HOST:PORT between commas."""
CONNECT_SECONDS = 20.0
"""A member's host that has just begun another life."""
AGAIN_SECONDS = 0.1
WAITING_BYTES_MAX = 32 << 20
"""Records that came and that the room has not asked for: then nothing more is read."""
NEXT_BYTES_MAX = 8 << 20
"""Of one answer."""
STRANGERS_MAX = CREW_MEMBERS_MAX
"""Streams of members, whose foreman has not called yet."""
STREAM_BYTES_MAX = max(RECORD_BYTES_MAX, SHOWN_BYTES_MAX) + 1024
_LENGTH = 4
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CrewCarrier:
    """One room's way to the others, from `open` to `close`; of a room in no crew, nothing."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """What the operator said.

        Raises:
            ClientFault: it is no address.
        """
        self._listen = [_address(one) for one in _listed(words.get(LISTEN, ""))]
        self._members = [_address(one) for one in _listed(words.get(MEMBERS, ""))]
        if len(self._listen) > 1 or len(self._members) > CREW_MEMBERS_MAX:
            raise ClientFault(f"{LISTEN}: one address; {MEMBERS}: at most {CREW_MEMBERS_MAX}")
        self._server: asyncio.Server | None = None
        self._streams: dict[int, asyncio.StreamWriter] = {}
        self._strangers: list[tuple[dict[str, Any], Stream]] = []
        self._job: bytes | None = None
        self._own = 0
        self._asked_for: asyncio.Future[dict[str, Any]] | None = None
        self._came: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen, if this is a member's.

        Raises:
            OperatorFault: somebody else listens there.
        """
        for host, port in self._listen:
            try:
                self._server = await asyncio.start_server(self._called, host, port)
            except OSError as error:
                raise OperatorFault(f"cannot listen on {host}:{port}: {error.strerror}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every stream."""
        await self.close()

    async def close(self) -> None:
        """End every stream: the room is gone, and others are to know."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in (*self._streams.values(), *(one[1][1] for one in self._strangers)):
            writer.close()

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Do what the room asks.

        Raises:
            ClientFault: it is in no crew, or nobody is there.
        """
        match method:
            case "crew_begin":
                return await self._begin(params.get("job"))
            case "crew_wait":
                return await self._wait()
            case "crew_next":
                return await self._next()
            case _:
                await self._send(params.get("member"), params.get("records"))
                return None

    async def _begin(self, job: Any) -> dict[str, Any]:
        if type(job) is not bytes or len(job) != DIGEST_SIZE or not self._members or self._job:
            raise ClientFault(f"no foreman: name its members with --set {MEMBERS}=HOST:PORT,…")
        self._job = job
        for peer in range(1, len(self._members) + 1):
            self._spawn(self._call(peer))
        return {"job": job, "own": 0, "members": len(self._members)}

    async def _wait(self) -> dict[str, Any]:
        if self._server is None or self._asked_for is not None:
            raise ClientFault(f"no member: say where it is called with --set {LISTEN}=HOST:PORT")
        self._asked_for = asyncio.get_running_loop().create_future()
        self._sort()
        return await self._asked_for

    async def _next(self) -> list[tuple[int, bytes]]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._came))
            told, size = [], 0
            while self._came and size < NEXT_BYTES_MAX:
                told.append(self._came.popleft())
                size += len(told[-1][1])
            self._waiting -= size
            self._changed.notify_all()
        return told

    async def _send(self, member: Any, records: Any) -> None:
        listed = list(records) if isinstance(records, list | tuple) else []
        if type(member) is not int or not all(type(one) is bytes for one in listed):
            raise ClientFault("no records")
        async with self._changed:
            known = lambda: member in self._streams or (member, b"") in self._came  # noqa: E731
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._changed.wait_for(known)
        writer = self._streams.get(member)
        if writer is None:
            raise ClientFault(f"member {member} is not there")
        for record in listed:
            writer.write(len(record).to_bytes(_LENGTH, "big") + record)
        with suppress(OSError):
            await writer.drain()

    async def _call(self, peer: int) -> None:
        """Open the stream to a member, and read it."""
        host, port = self._members[peer - 1]
        until = asyncio.get_running_loop().time() + CONNECT_SECONDS
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, port)
                break
            except OSError:
                if asyncio.get_running_loop().time() > until:
                    await self._arrived(peer, b"")
                    return
                await asyncio.sleep(AGAIN_SECONDS)
        told = msgpack.packb(
            {
                "job": self._job,
                "own": self._own,
                "peer": peer,
                "members": [f"{host}:{port}" for host, port in self._members],
            }
        )
        writer.write(len(told).to_bytes(_LENGTH, "big") + told)
        await self._read(peer, reader, writer)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody opens a stream to this member."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                told = _hello(await _record(reader))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ClientFault):
            writer.close()
            return
        self._strangers.append((told, (reader, writer)))
        self._sort()
        while len(self._strangers) > STRANGERS_MAX:
            self._strangers.pop(0)[1][1].close()

    def _sort(self) -> None:
        """Whoever has called: the first foreman is this member's, once its room waits for one, and
        others are his crew's or nobody."""
        asked = self._asked_for
        if self._job is None and asked is not None and not asked.done():
            foreman = next((told for told, _ in self._strangers if told["own"] == 0), None)
            if foreman is not None:
                self._job, self._own = foreman["job"], foreman["peer"]
                self._members = [_address(one) for one in foreman["members"]]
                asked.set_result(
                    {"job": self._job, "own": self._own, "members": len(self._members)}
                )
                for peer in range(1, self._own):
                    self._spawn(self._call(peer))
        if self._job is None:
            return
        strangers, self._strangers = self._strangers, []
        for told, (reader, writer) in strangers:
            ours = told["job"] == self._job and told["peer"] == self._own
            if ours and told["own"] not in self._streams:
                self._streams[told["own"]] = writer
                self._spawn(self._read(told["own"], reader, writer))
            else:
                writer.close()

    async def _read(
        self, peer: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with self._changed:
            self._streams[peer] = writer
            self._changed.notify_all()
        try:
            while True:
                await self._arrived(peer, await _record(reader))
        except (OSError, asyncio.IncompleteReadError, ClientFault):
            self._streams.pop(peer, None)
            writer.close()
            await self._arrived(peer, b"")

    async def _arrived(self, peer: int, record: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting < WAITING_BYTES_MAX)
            self._came.append((peer, record))
            self._waiting += len(record)
            self._changed.notify_all()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _record(reader: asyncio.StreamReader) -> bytes:
    """The next record of a stream.

    Raises:
        IncompleteReadError, OSError: it ends.
        ClientFault: one of no length or an impossible one.
    """
    size = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    if not 0 < size <= STREAM_BYTES_MAX:
        raise ClientFault("no record")
    return await reader.readexactly(size)


def _hello(data: bytes) -> dict[str, Any]:
    """Who calls, and about what.

    Raises:
        ClientFault: nobody of a crew.
    """
    try:
        told = msgpack.unpackb(data)
    except Exception:  # Of many kinds; all of them say the same.
        told = None
    match told:
        case {"job": bytes(job), "own": int(own), "peer": int(peer), "members": list(members)}:
            places = len(job) == DIGEST_SIZE and len(members) <= CREW_MEMBERS_MAX
            if places and 0 <= own <= len(members) and 0 < peer <= len(members) and own != peer:
                return {"job": job, "own": own, "peer": peer, "members": _texts(members)}
    raise ClientFault("nobody of a crew")


def _texts(members: Sequence[Any]) -> list[str]:
    for one in members:
        _address(one if isinstance(one, str) else "")
    return list(members)


def _listed(text: str) -> list[str]:
    return [one for one in text.split(",") if one]


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise ClientFault(f"{text or 'nothing'} is no address: write HOST:PORT")
    return host, int(port)
