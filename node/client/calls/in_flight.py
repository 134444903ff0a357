"""Many calls under way at once, through one session and one node, in order; each takes effect once,
whatever fails.

All calls of one turn of the event loop leave in one frame. Owns what is sent again: always the same
envelope, so that nothing takes effect twice. A new one needs more than one node's word: what
becomes of a call that was refused is in refusals.py, of one whose block had no room for it in
no_room.py. The sessions that calls are sealed in are in sealing.py, the order of frames in
frames.py, which node is talked to in nodes.py.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from strongroom.consensus.errors import AttestationError, ClientFault, StrongroomError
from strongroom.consensus.types import TransactionId
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.programs.framework import NO_ROOM
from strongroom.node.client.calls.calls import Done, Entry
from strongroom.node.client.calls.company import COMPANY_CALLS, FrameCompany
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.frames import Frame, Frames
from strongroom.node.client.calls.letting_in import LettingIn
from strongroom.node.client.calls.lifetime import CLOSED
from strongroom.node.client.calls.nodes import Nodes, retry_seconds
from strongroom.node.client.calls.replies import number_in
from strongroom.node.client.calls.sealing import Sealer
from strongroom.node.client.errors import (
    Disconnected,
    NoCredential,
    NotTrusted,
    ProgramFailed,
    Unreachable,
)
from strongroom.node.faults import Overloaded

FRAME_ENVELOPES_MAX = 1024
FRAME_BYTES_MAX = 4 * 1024 * 1024
CALLS_WAITING_MAX = 65_536
OVERLOADS_MAX = 3
"""Times in a row that a node may say that it is overloaded before another one is asked."""
NO_ROOM_MAX = 16
"""Times that one call is sealed anew because its block had no room for it; each try takes a
block."""
DISTRUST_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Pipeline:
    """The calls of one client."""

    def __init__(
        self,
        sealer: Sealer,
        nodes: Nodes,
        letting_in: LettingIn,
        *,
        on_refusal: "Callable[[Pipeline, Entry, Any], None]",
        on_no_room: "Callable[[Pipeline, Entry, bytes, ProgramFailed], None]",
        fetch_receipt: Callable[[Done], Any],
    ) -> None:
        self.sealer = sealer
        """Its sessions."""
        self._nodes, self._on_refusal, self._fetch_receipt = nodes, on_refusal, fetch_receipt
        self._on_no_room, self._letting_in, self._at = on_no_room, letting_in, ""
        self._waiting: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._company, self._enough = FrameCompany(), asyncio.Event()
        """What answers took; set once so many calls wait that no more are waited for."""
        self.height = 0
        """The newest height that a node named for one of these calls: its word, until f+1 confirm
        it."""
        self.newest: TransactionId | None = None
        """The call that it was named for."""
        self.progress_at = asyncio.get_running_loop().time()
        """When the last answer came, or work began after there was none."""
        self.used = asyncio.Event()
        """There is work; cleared by whoever watches it, once there is none."""
        self._leaving: StrongroomError | None = None
        self._to_send: deque[Entry] = deque()
        """Sealed, not under way on this connection, in order."""
        self._frames = Frames()
        """Under way on this connection."""
        self._overloads = 0
        """Times in a row that this node was overloaded."""
        self._resuming = self._resting = False
        self._broken: str | None = None
        """What ended the loop, if anything did; nothing is queued any more then."""

    # --- for callers ------------------------------------------------------------------------------

    def submit(self, program: str, operation: str, arguments: tuple[Any, ...]) -> Entry:
        """Queue one call; it is sealed and sent as soon as window and node allow.

        Raises:
            Overloaded: CALLS_WAITING_MAX calls wait already.
            Unreachable: a bug has ended this client.
        """
        if self._broken is not None:
            raise Unreachable(self._broken)
        if len(self._waiting) >= CALLS_WAITING_MAX:
            raise Overloaded("too many calls wait: await answers to some of them first")
        loop = asyncio.get_running_loop()
        if not self.busy:
            self.progress_at = loop.time()
            self.used.set()
        entry = Entry(program, operation, arguments, loop.create_future())
        self._waiting.append(entry)
        self._wake.set()
        if len(self._waiting) >= COMPANY_CALLS:
            self._enough.set()
        return entry

    @property
    def busy(self) -> bool:
        """Is any call without an answer?"""
        return bool(self._waiting) or self.sealer.busy

    # --- for refusals, and calls that had no room -------------------------------------------------

    def send_again(self, entry: Entry) -> None:
        """The same envelope once more."""
        entry.parked = False
        self._to_send.append(entry)
        self._wake.set()

    def seal_anew(self, entry: Entry) -> None:
        """A new envelope for a call whose old one can never be executed; it goes before those that
        wait."""
        self.sealer.settle(entry)
        self._requeue(entry)

    def _requeue(self, entry: Entry) -> None:
        entry.parked, entry.opened, entry.id = False, None, None
        self._waiting.appendleft(entry)
        self._wake.set()

    def give_up(self, entry: Entry, fault: Exception) -> None:
        """A call's end without a result."""
        self.sealer.settle(entry)
        if not entry.future.done():
            entry.future.set_exception(fault)

    def awaits(self, entry: Entry, id: TransactionId) -> bool:
        """Is this still the envelope of this call, and without an answer?"""
        opened = entry.opened
        unanswered = opened is not None and opened.unanswered.get(entry.sequence) is entry
        return unanswered and entry.id == id

    def had_no_room(self, entry: Entry, fault: ProgramFailed) -> None:
        """It is proven that a call was executed and changed nothing: seal it anew, or end it."""
        self._settle(entry, fault.height or 0, fault.id)
        if entry.crowded < NO_ROOM_MAX:
            entry.crowded += 1
            self._requeue(entry)
        else:
            entry.future.set_exception(fault)

    def _settle(self, entry: Entry, height: int, id: TransactionId | None) -> None:
        """A call was executed, at this height."""
        self.sealer.settle(entry)
        if entry.sequence == 0 and entry.opened is not None:
            entry.opened.stands = True
        if height > self.height:
            self.height, self.newest = height, id

    def finish(self, entry: Entry, height: int, index: int, sealed: bytes) -> None:
        """A call's end: open its result. Only that it had no room is for others to prove first.

        Raises:
            DoesNotOpen: the result is not the service's.
        """
        opened, id = entry.opened, entry.id
        if opened is None or id is None or entry.sequence not in opened.unanswered:
            return  # answered before, on another connection
        result, future = opened.session.open_result(entry.sequence, id, sealed), entry.future
        fault = None
        if not result.ok:
            fault = ProgramFailed(result.code, result.message, id=id, height=height, index=index)
            if result.code == NO_ROOM and not future.done():
                entry.parked = False  # a next connection carries it again
                self._on_no_room(self, entry, sealed, fault)
                return
        self._settle(entry, height, id)
        if future.done():
            return
        if fault is None:
            future.set_result(
                Done(id, height, index, result.value, sealed, result.blinding, self._fetch_receipt)
            )
        else:
            future.set_exception(fault)

    def leave(self, fault: StrongroomError) -> None:
        """This node is of no use now: send everything that is unanswered through the next one."""
        if self._leaving is None:
            self._leaving = fault
            self._wake.set()

    def close(self) -> None:
        """The client ends: nobody will be answered any more."""
        self._end_all(CLOSED)

    def _end_all(self, why: str) -> None:
        unsealed, self._waiting = list(self._waiting), deque()
        for entry in (*self.sealer.unanswered, *unsealed):
            if not entry.future.done():
                entry.future.set_exception(Unreachable(why, id=entry.id))
                entry.future.exception()  # whoever waited may be gone; that is no error
        self.sealer.clear()

    def rest(self, *, until_empty: bool) -> None:
        """Seal nothing for now, so that what is under way comes to its end; or go on."""
        self._resting = until_empty
        self._wake.set()

    # --- the loop ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send what waits through one node after another, until cancelled.

        A bug here ends no task of a caller's: each call that waits, and each later one, is told.
        """
        try:
            await self._run()
        except Exception as error:
            _log.warning("a bug ended the calls of a client", exc_info=True)
            self._broken = (
                f"a bug in this client ended its calls ({type(error).__name__}): open another one"
            )
            self._end_all(self._broken)

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._nodes.connection(self._wake.set)
            except (NotTrusted, AttestationError) as fault:
                while self._waiting:
                    self.give_up(self._waiting.popleft(), fault)
                await asyncio.sleep(DISTRUST_RETRY_SECONDS)
                continue
            self._begin(connection.endpoint)
            while connection.alive and self._leaving is None:
                self._wake.clear()
                if self.busy:
                    await self._ask_in(connection)
                await self._send_all(connection)
                await self._wake.wait()
                await self._wait_for_company()
            await self._nodes.leave(connection, self._leaving or connection.ended)

    async def _wait_for_company(self) -> None:
        """While a frame is under way, let others share the next one (company.py)."""
        pause = self._company.pause(self._frames.under_way, len(self._waiting))
        if pause:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._enough.wait()
        self._enough.clear()

    async def _ask_in(self, connection: Connection) -> None:
        """Leave a node whose door is shut to this client, before anything is sent there."""
        try:
            await self._letting_in.ask(connection)
        except StrongroomError as fault:
            self._failed(fault)

    def _failed(self, fault: StrongroomError) -> None:
        """Go on elsewhere; when no door is open, end all calls that wait."""
        never = self._letting_in.shut(self._at, fault)
        if never is not None:
            while self._waiting:
                self.give_up(self._waiting.popleft(), never)
            for entry in [one for one in self.sealer.unanswered if not one.parked]:
                if entry.opened is not None:
                    self.sealer.end(entry.opened)
                self.give_up(entry, NoCredential(str(never), id=entry.id))
        self.leave(fault)

    def _begin(self, at: str) -> None:
        """A new connection: all that is unanswered goes out again, in order, before anything
        new."""
        self._leaving, self._frames, self._overloads, self._resuming = None, Frames(), 0, False
        self._resting, self._at = False, at
        self._to_send = deque(entry for entry in self.sealer.unanswered if not entry.parked)

    async def _send_all(self, connection: Connection) -> None:
        while entries := self._next_frame():
            frame = self._frames.leave(entries, asyncio.get_running_loop().time())
            params: dict[str, Any] = {
                "envelopes": [entry.envelope for entry in entries],
                "wait": "commit",
            }
            if frame.after is not None:
                params["after"] = frame.after
            try:
                future = await connection.start("ledger_submit_many", params)
            except Disconnected:
                return
            except (
                Overloaded
            ) as fault:  # other callers' questions take all the room of this connection
                self._frames.refused(frame)
                if self._frames.all_back and not self._resuming:
                    self._on_overload(self._frames, fault)
                return
            future.add_done_callback(partial(self._on_reply, self._frames, frame))

    def _next_frame(self) -> list[Entry]:
        """What can be sent now."""
        entries: list[Entry] = []
        if self._leaving is not None or not self._frames.open:
            return entries
        size = 0
        while len(entries) < FRAME_ENVELOPES_MAX and size < FRAME_BYTES_MAX:
            entry = self._to_send.popleft() if self._to_send else self._seal_next()
            if entry is None:
                break
            entries.append(entry)
            size += len(entry.envelope)
        return entries

    def _seal_next(self) -> Entry | None:
        """Seal the next call that waits; None when there is none, or the window is full."""
        while self._waiting and not self._resting and self.sealer.has_room:
            entry = self._waiting.popleft()
            if entry.future.done():
                continue
            try:
                self.sealer.seal(entry)
            except ClientFault as fault:
                entry.future.set_exception(fault)
                continue
            except Exception as error:  # whatever is wrong with one call, the others go on
                _log.warning("a call could not be sealed", exc_info=True)
                entry.future.set_exception(
                    ClientFault(f"this call cannot be sealed ({type(error).__name__})")
                )
                continue
            return entry
        return None

    # --- answers ----------------------------------------------------------------------------------

    def _on_reply(self, frames: Frames, frame: Frame, future: "asyncio.Future[Any]") -> None:
        if frames is not self._frames or future.cancelled():
            return  # of a connection that was left
        fault = future.exception()
        if isinstance(fault, Overloaded):
            frames.refused(frame)
        else:
            frames.answered(frame)
            self._company.answered(asyncio.get_running_loop().time() - frame.left)
        if fault is None:
            self._on_items(frame.entries, future.result())
        elif isinstance(fault, StrongroomError) and not isinstance(fault, Overloaded):
            self._failed(fault)
        if frames.all_back and not self._resuming:
            self._on_overload(
                frames, fault if isinstance(fault, Overloaded) else Overloaded("overloaded")
            )
        self._wake.set()

    def _on_items(self, entries: list[Entry], items: Any) -> None:
        self.progress_at = asyncio.get_running_loop().time()
        self._overloads = 0
        self._nodes.served()
        self._letting_in.taken()
        try:
            for entry, item in zip(entries, items, strict=True):
                if "error" in item:
                    self._on_refusal(self, entry, item["error"])
                elif item["id"] != entry.id:
                    raise ValueError("answers out of order")
                else:
                    self.finish(
                        entry, number_in(item, "height"), number_in(item, "index"), item["result"]
                    )
        except (
            AttributeError,
            KeyError,
            OverflowError,
            TypeError,
            ValueError,
            DoesNotOpen,
        ) as error:
            self.leave(NotTrusted("answer", f"not the answer to what was submitted: {error}"))

    def _on_overload(self, frames: Frames, fault: Overloaded) -> None:
        """Send again after a while; the third time in a row, through another node."""
        self._overloads += 1
        self._nodes.busy = fault
        if self._overloads >= OVERLOADS_MAX and len(self._nodes.endpoints) > 1:
            self.leave(fault)
            return
        self._resuming = True
        asyncio.get_running_loop().call_later(retry_seconds(fault), self._resume, frames)

    def _resume(self, frames: Frames) -> None:
        if frames is not self._frames:
            return
        self._resuming = False
        self._to_send.extendleft(reversed(frames.take_back()))
        self._wake.set()
