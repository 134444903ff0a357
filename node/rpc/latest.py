"""Listeners of what changes faster than anybody looks: the votes under way, told as they are now,
at most four times a second.

Owns the one look for all listeners of a form: encoded once, told where it changed. Whoever does not
take it at once is told the newest at the next look, so nothing ever waits for a slow reader.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.node.faults import NotReady, Overloaded
from strongroom.node.rpc.backend import Backend, Document
from strongroom.node.rpc.feed import Items
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.notifications import TURN, Put, kept_frame

Spend = Callable[[int], None]
"""Takes so many bytes off an allowance; raises Overloaded when it is used up."""

TOPIC = "consensus"
LOOK_SECONDS = 0.25
LOOK_BYTES = 128 * 1024
"""Of a picture that is told each second to one listener: a service of hundreds of validators is
told less often."""
_MOVING = frozenset({"time_ms", "since_ms", "timeouts"})
"""Says what the time is, not what has happened."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One subscription."""

    id: int
    put: Put
    gone: "asyncio.Future[None]"
    """Done, with what was wrong, when nothing is told any more."""
    spend: Spend
    told: int = 0
    """Number of the picture that it was told last."""


@dataclass(slots=True)
class Latest:
    """The viewers of one form."""

    backend: Backend
    form: Form
    viewers: dict[Viewer, None] = field(default_factory=dict)
    _number: int = 0
    _seen: Document = field(default_factory=dict)
    _task: "asyncio.Task[None] | None" = None

    async def listen(self, id: int, put: Put, spend: Spend = lambda _: None) -> None:
        """Be told until cancelled; raises what keeps this node from looking.

        Args:
            id: of the subscription.
            put: takes a frame, or is slow.
            spend: pays for it; while it cannot, nothing is told, and then the newest.
        """
        viewer = Viewer(id, put, asyncio.get_running_loop().create_future(), spend)
        self.viewers[viewer] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell())
        try:
            await viewer.gone
        finally:
            self.viewers.pop(viewer, None)

    def end(self) -> None:
        """Tell nobody any more."""
        if self._task is not None:
            self._task.cancel()

    async def _tell(self) -> None:
        try:
            while self.viewers:
                await asyncio.sleep(await self._look())
        except Exception as fault:
            for viewer in tuple(self.viewers):
                if not viewer.gone.done():
                    viewer.gone.set_exception(fault)

    async def _look(self) -> float:
        """Tell who was not told of what is now; seconds until the next look."""
        try:
            document = self.backend.node_consensus()
        except NotReady:
            return LOOK_SECONDS
        seen = {name: value for name, value in document.items() if name not in _MOVING}
        if seen != self._seen:
            self._seen, self._number = seen, self._number + 1
        late = [viewer for viewer in self.viewers if viewer.told != self._number]
        if not late:
            return LOOK_SECONDS
        items = tuple((name, self.form.encode(value)) for name, value in document.items())
        await self._tell_late(late, items)
        return max(LOOK_SECONDS, sum(len(value) for _, value in items) / LOOK_BYTES)

    async def _tell_late(self, late: list[Viewer], items: Items) -> None:
        number, made = self._number, dict[int, bytes]()
        for count, viewer in enumerate(late, 1):
            if viewer in self.viewers and _put(
                viewer, kept_frame(made, self.form, viewer.id, TOPIC, items)
            ):
                viewer.told = number
            if count % TURN == 0:
                await asyncio.sleep(0)


def _put(viewer: Viewer, frame: bytes) -> bool:
    try:
        viewer.spend(len(frame))
    except Overloaded:
        return False
    return viewer.put(frame)
