"""The backend ``sr://`` of `distributed.comm`: members' numbers as addresses, channels as streams.

Owns the translation. What it carries is sealed by the room of each bench (link.py); there is no
socket behind an address, and none is opened.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from strongroom.enclave.room.crew.configured import (
    Backend,
    BaseListener,
    Comm,
    CommClosedError,
    Connector,
    backends,
    from_frames,
    to_frames,
)
from strongroom.enclave.room.crew.switch import Channel, ChannelClosed, Switch, joined, split

SCHEME = "sr"


def address(member: int) -> str:
    """Of a member's bench."""
    return f"{SCHEME}://{member}"


class RoomComm(Comm):  # type: ignore[misc]
    """One channel, as the scheduler and its workers want it."""

    def __init__(self, channel: Channel, own: int, deserialize: bool) -> None:
        super().__init__(deserialize=deserialize)
        self._channel = channel
        self._local_addr, self._peer_addr = address(own), address(channel.peer)

    async def read(self, deserializers: Any = None) -> Any:
        """The next message; raises CommClosedError."""
        try:
            message = await self._channel.read()
            frames = split(message)
        except ChannelClosed as fault:
            raise CommClosedError(str(fault)) from None
        return await from_frames(
            frames, deserialize=self.deserialize, deserializers=deserializers, allow_offload=False
        )

    async def write(self, msg: Any, serializers: Any = None, on_error: str = "message") -> int:
        """Send a message; raises CommClosedError."""
        frames = await to_frames(
            msg,
            allow_offload=False,
            serializers=serializers,
            on_error=on_error,
            context={
                "sender": self.local_info,
                "recipient": self.remote_info,
                **self.handshake_options,
            },
        )
        data = joined(frames)
        try:
            await self._channel.write(data)
        except ChannelClosed as fault:
            raise CommClosedError(str(fault)) from None
        return len(data)

    async def close(self) -> None:
        """Nothing more comes from here."""
        self._channel.close()

    def abort(self) -> None:
        """At once."""
        self._channel.close()

    def closed(self) -> bool:
        """Is it, at either end?"""
        return self._channel.closed

    @property
    def local_address(self) -> str:
        """Of this member."""
        return self._local_addr

    @property
    def peer_address(self) -> str:
        """Of the other one."""
        return self._peer_addr


class RoomConnector(Connector):  # type: ignore[misc]
    """Opens channels."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    async def connect(self, address: str, deserialize: bool = True, **_: Any) -> RoomComm:
        """Open one; raises OSError if that member is gone."""
        try:
            channel = self._switch.open(int(address))
        except (ChannelClosed, ValueError) as fault:
            raise OSError(str(fault)) from None
        return RoomComm(channel, self._switch.own, deserialize)


class RoomListener(BaseListener):  # type: ignore[misc]
    """Takes the channels that others open."""

    prefix = SCHEME

    def __init__(
        self,
        switch: Switch,
        handle: Callable[[Comm], Awaitable[None]],
        deserialize: bool,
    ) -> None:
        super().__init__()
        self._switch, self._handle, self._deserialize = switch, handle, deserialize

    async def start(self) -> None:
        """From now on."""
        self._switch.accept = self._accept

    def stop(self) -> None:
        """No further ones."""
        self._switch.accept = None

    async def _accept(self, channel: Channel) -> None:
        comm = RoomComm(channel, self._switch.own, self._deserialize)
        try:
            await self.on_connection(comm)
            await self._handle(comm)
        except CommClosedError:
            comm.abort()

    @property
    def listen_address(self) -> str:
        """Of this member."""
        return address(self._switch.own)

    @property
    def contact_address(self) -> str:
        """The same."""
        return address(self._switch.own)


class RoomBackend(Backend):  # type: ignore[misc]
    """What `distributed` looks up under the scheme."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def get_connector(self) -> RoomConnector:
        """Opens channels."""
        return RoomConnector(self._switch)

    def get_listener(
        self,
        loc: str,
        handle_comm: Callable[[Comm], Awaitable[None]],
        deserialize: bool,
        **_: Mapping[str, Any],
    ) -> RoomListener:
        """Takes channels, of this member alone."""
        if loc not in ("", str(self._switch.own)):
            raise ValueError("a bench listens under its own number")
        return RoomListener(self._switch, handle_comm, deserialize)

    def get_address_host(self, loc: str) -> str:
        """The member's number."""
        return loc

    def resolve_address(self, loc: str) -> str:
        """The member's number."""
        return loc

    def get_local_address_for(self, loc: str) -> str:
        """The member's number, whoever asks."""
        return str(self._switch.own)


def install(switch: Switch) -> None:
    """The one scheme of this process from now on: no other backend is left."""
    backends.clear()
    backends[SCHEME] = RoomBackend(switch)
