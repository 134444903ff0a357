"""The sessions of one client: which one a call is sealed in, and which calls have no answer yet.

Owns the window (newest − oldest unanswered of a session stays below it) and the change of sessions
when an epoch is over: an opening counts in its own epoch only, calls in a session for the grace
after it, so a session goes on for at most half of that and is then replaced, each client's at
another time. Whether an epoch may be sealed to is trust.py's.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.envelope import Call, transaction_id
from strongroom.enclave.outside.client_sessions import ClientSession, Identity
from strongroom.enclave.outside.trust import Trust
from strongroom.enclave.sessions.sessions import WINDOW
from strongroom.node.client.calls.calls import Entry, Opened
from strongroom.node.client.errors import NotTrusted

OnSealed = Callable[[TransactionId], None]
"""Told the id of an envelope before it leaves."""
GRACE_SHARE_MIN, GRACE_SHARE_MAX = 0.25, 0.5
"""Of the grace: how long a session of the epoch before goes on, drawn anew each time."""


class Sealer:
    """Seals the calls of one client."""

    def __init__(
        self, identity: Identity, trust: Trust, *, one_shot: bool, on_sealed: OnSealed | None = None
    ) -> None:
        self._identity, self._trust, self._one_shot, self._on_sealed = (
            identity,
            trust,
            one_shot,
            on_sealed,
        )
        self.session: Opened | None = None
        """The current one; without it, the next call opens one."""
        self._unanswered: dict[Opened, None] = {}
        """Sessions with unanswered calls, oldest first."""

    @property
    def unanswered(self) -> Iterator[Entry]:
        """All sealed calls without an answer, in order."""
        return (entry for opened in self._unanswered for entry in opened.unanswered.values())

    @property
    def busy(self) -> bool:
        """Is any sealed call without an answer?"""
        return bool(self._unanswered)

    @property
    def has_room(self) -> bool:
        """May another call be sealed now?"""
        opened = self._usable()
        return opened is None or opened.span < WINDOW

    def seal(self, entry: Entry) -> None:
        """Seal one call; `has_room` was asked.

        Raises:
            ClientFault: it fits no size class.
            NotTrusted: nothing is trusted yet.
        """
        epoch = self._trust.epoch
        if epoch is None:
            raise NotTrusted("epoch-key", "nothing is sealed before the service is trusted")
        opened = self._usable()
        call = Call(
            entry.program,
            (opened.epoch if opened else epoch).measurement,
            entry.operation,
            entry.arguments,
        )
        if opened is None:
            session, envelope = ClientSession.open(
                epoch.key, epoch.chain, epoch.epoch, self._identity, call, close=self._one_shot
            )
            opened, sequence = Opened(session, epoch), 0
            self.session = None if self._one_shot else opened
        else:
            sequence, envelope = opened.session.seal_call(call)
        entry.opened, entry.sequence, entry.envelope, entry.id = (
            opened,
            sequence,
            envelope,
            transaction_id(envelope),
        )
        opened.unanswered[sequence] = entry
        opened.newest = sequence
        self._unanswered[opened] = None
        self.tell(entry.id)

    def tell(self, id: TransactionId) -> None:
        """Tell the caller which envelope is about to leave, if it wants to know; its own errors
        stay its own."""
        if self._on_sealed is not None:
            with suppress(Exception):
                self._on_sealed(id)

    def settle(self, entry: Entry) -> None:
        """This call needs no answer any more."""
        opened = entry.opened
        if opened is not None:
            opened.unanswered.pop(entry.sequence, None)
            if not opened.unanswered:
                self._unanswered.pop(opened, None)

    def end(self, opened: Opened) -> None:
        """No further call goes through this session."""
        if self.session is opened:
            self.session = None

    def clear(self) -> None:
        """The client ends."""
        self._unanswered.clear()

    def _usable(self) -> Opened | None:
        """The current session, as long as its epoch or half of the grace after it lasts."""
        opened, epoch = self.session, self._trust.epoch
        if opened is None or epoch is None or opened.epoch is epoch:
            return opened
        if not opened.stands or opened.epoch.epoch + 1 != epoch.epoch:
            self.session = None
            return None
        now = monotonic()
        if opened.until is None:
            share = random.uniform(GRACE_SHARE_MIN, GRACE_SHARE_MAX)
            opened.until = epoch.since + epoch.grace_ms / 1000 * share
        if now >= opened.until:
            self.session = None
        return self.session
