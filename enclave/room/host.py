"""A room's host, as the room sees it: somebody who carries questions to a node, reads files and
keeps sealed bytes, and may lie about all of it.

Owns the pairing of answers with questions. What comes is checked by whoever asked.
"""

from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.door import Door, DoorClosed, ToHost, ToRoom
from strongroom.enclave.room.turns import Waiting

ASKED_MAX = 256
TEXT_MAX = 1000


class HostFailed(ClientFault):
    """A question has no answer.

    Attributes:
        code: of JSON-RPC, as the node said; 0 when no node did.
        reason: of a refusal.
    """

    def __init__(self, code: int, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.code, self.reason = code, reason


class Host:
    """Questions under way."""

    tls_digest = None
    """The tunnel to a node ends at the host: nothing rests on it (see trust.Asked)."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._asked: dict[int, Waiting[Any]] = {}
        self._next = 0
        self.stopping = False
        """The host asked the room to end."""

    async def ask(self, method: str, **params: Any) -> Any:
        """Ask a node by a JSON-RPC method; its result, unchecked.

        Raises:
            HostFailed: it refuses, or none answers.
        """
        return await self.begin(method, **params)

    def begin(self, method: str, **params: Any) -> Waiting[Any]:
        """As `ask`, for whoever does not wait for ever: what is to be waited for.

        Raises:
            HostFailed: too many questions have no answer.
        """
        return self._question(ToHost.ASK, method, tuple(sorted(params.items())))

    async def read(self, file: str, offset: int, size: int) -> bytes:
        """Bytes of one of the files that the host offers; fewer where it ends.

        Raises:
            HostFailed: it offers no such file.
        """
        data = await self._question(ToHost.READ, file, offset, size)
        if type(data) is not bytes or len(data) > size:
            raise HostFailed(0, f"the host gave no bytes of {file}")
        return data

    async def save(self, sealed: bytes) -> None:
        """Have the room's sealed state kept; that it was, nobody can know."""
        await self._question(ToHost.SAVE, sealed)

    def tell(self, what: str, **fields: str | int | bytes) -> None:
        """Say something in the open: the host, and whoever looks at it, may know."""
        self._door.send(ToHost.TELL, what, tuple(sorted(fields.items())))

    def take(self, frame: tuple[Any, ...]) -> None:
        """One frame of the host's.

        Raises:
            DoorClosed: it is none that a host sends by now.
        """
        match frame:
            case (ToRoom.ANSWER, int(number), bool(ok), value) if number in self._asked:
                waiting = self._asked.pop(number)
                if ok:
                    waiting.set(value)
                else:
                    waiting.fail(_failure(value))
            case (ToRoom.STOP,):
                self.stopping = True
            case _:
                raise DoorClosed

    def _question(self, kind: ToHost, *arguments: Any) -> Waiting[Any]:
        if len(self._asked) >= ASKED_MAX:
            raise HostFailed(0, f"{ASKED_MAX} questions have no answer yet")
        self._next += 1
        waiting: Waiting[Any] = Waiting()
        self._asked[self._next] = waiting
        self._door.send(kind, self._next, *arguments)
        return waiting


def _failure(value: Any) -> HostFailed:
    fields = value if type(value) is dict else {}
    code, text, reason = fields.get("code"), fields.get("message"), fields.get("reason")
    return HostFailed(
        code if type(code) is int else 0,
        text[:TEXT_MAX] if type(text) is str else "no answer",
        reason[:TEXT_MAX] if type(reason) is str else "",
    )
