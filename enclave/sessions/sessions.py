"""Sessions as replicated state: who speaks in them, which sequence numbers are used, and the boxed
secret (DESIGN §4).

Owns exactly-once: an id or a sequence number is accepted at most once (T01, T07). Every replica,
and every one that caught up by write sets, holds the same table; the secret stands in it only under
the epoch's session box, and is opened when a session is first used here. Knows nothing of programs
or results.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import InvariantBroken, NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest, Epoch
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.session_keys import SessionKeys
from strongroom.enclave.primitives import DeterministicBox, DoesNotOpen, Secret

WINDOW = 1024
"""Sequence numbers that are remembered one by one; older ones are refused."""
WINDOW_MASK = (1 << WINDOW) - 1
SESSIONS_MAX = 1 << 18
"""Ids of one epoch, closed ones too, so that the refusal can be computed from public bytes."""
KEYS_KEPT_MAX = 4096
"""Sessions whose keys stay opened in memory."""


class Session:
    """One session. Bit i of `window` says that sequence number newest − i was accepted."""

    __slots__ = ("box", "identity", "keys", "newest", "window")

    def __init__(
        self, identity: Digest, box: bytes | None, newest: int = 0, window: int = 1
    ) -> None:
        self.identity = identity
        self.box = box
        """The secret under the epoch's session box; None when closed."""
        self.newest, self.window = newest, window
        self.keys: SessionKeys | None = None

    def refusal(self, sequence: int) -> Code:
        """Why this sequence number may not be used any more; EXECUTED when it may."""
        behind = self.newest - sequence
        if behind < 0:
            return Code.EXECUTED
        if behind >= WINDOW:
            return Code.OUTSIDE_WINDOW
        return Code.DUPLICATE if self.window >> behind & 1 else Code.EXECUTED

    def accept(self, sequence: int) -> None:
        """Use up a sequence number that `refusal` had nothing against."""
        ahead = sequence - self.newest
        if ahead <= 0:
            self.window |= 1 << -ahead
            return
        self.newest = sequence
        self.window = (self.window << ahead | 1) & WINDOW_MASK if ahead < WINDOW else 1

    def __repr__(self) -> str:
        return f"Session(newest={self.newest})"


_CLOSED_ROW = (None, 0, b"\x01")
"""Box, newest and window of a closed session."""


class FrozenSessions:
    """One epoch's table at one height; nothing changes it any more. The secrets are in their boxes
    alone."""

    __slots__ = ("_before", "_ids", "_sessions", "_statements", "count", "release", "stated")

    def __init__(
        self,
        sessions: dict[bytes, Session],
        ids: list[bytes],
        statements: list[bytes],
        before: dict[bytes, tuple[int, int]],
        release: Callable[[], None],
    ) -> None:
        self._sessions, self._ids = sessions, ids
        self._statements, self._before = statements, before
        self.count, self.stated = len(ids), len(statements)
        """Sessions, statements."""
        self.release = release
        """To be called when nothing is read any more: then nothing is set aside either."""

    def ids(self) -> Iterator[bytes]:
        """Of every session."""
        return islice(self._ids, self.count)

    def statements(self) -> Iterator[bytes]:
        """All of them."""
        return islice(self._statements, self.stated)

    def rows(self, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """(identity, box, newest, window) of these sessions."""
        return [self._row(id) for id in ids]

    def _row(self, id: bytes) -> tuple[Any, ...]:
        session = self._sessions[id]
        newest, window = self._before.get(id) or (session.newest, session.window)
        return session.identity, session.box, newest, _window_bytes(window)


class Sessions:
    """The table of one epoch."""

    def __init__(self, chain: ChainId, epoch: Epoch, box: Callable[[], DeterministicBox]) -> None:
        self.epoch = epoch
        self._chain, self._box = chain, box
        """The box is asked for when it is needed: whoever only applies write sets may have none."""
        self._sessions: dict[bytes, Session] = {}
        self._ids: list[bytes] = []
        """In the order in which they came: none ever goes."""
        self._statements: set[bytes] = set()
        self._stated: list[bytes] = []
        """Likewise."""
        self._before: dict[bytes, tuple[int, int]] | None = None
        """While the table is frozen: (newest, window) that each session had then that was used
        since."""
        self._closed: dict[bytes, Session] = {}
        """Identity → what is remembered of each of its one-shots: that its id and its sequence
        number 0 were used."""
        self._counts: dict[bytes, int] = {}
        """Identity → how many it has opened, closed ones too."""
        self._opened: dict[bytes, tuple[Session, Digest]] = {}
        self._touched: dict[bytes, Session] = {}
        self._warm: dict[bytes, Session] = {}

    def find(self, id: bytes) -> Session | None:
        """The session of this id, closed ones too."""
        return self._sessions.get(id)

    @property
    def full(self) -> bool:
        """No further session can be opened in this epoch."""
        return len(self._sessions) >= SESSIONS_MAX

    def opened_by(self, identity: bytes) -> int:
        """How many sessions this identity has opened in this epoch, one-shots too."""
        return self._counts.get(identity, 0)

    def knows(self, statement: Digest) -> bool:
        """Was an opening with this signed statement accepted before, under whatever envelope?"""
        return statement in self._statements

    def open(
        self, id: Digest, identity: Digest, statement: Digest, secret: Secret, *, close: bool
    ) -> SessionKeys:
        """Add a session; the caller has checked everything. Sequence number 0 is used by the
        opening itself."""
        if close:
            session = self._closed_of(identity)
        else:
            session = Session(
                identity, self._box().seal(_place(id), secret.reveal(), self._aad(id))
            )
        self._add(id, session, statement)
        self._opened[id] = (session, statement)
        keys = SessionKeys(secret, self._chain, self.epoch, id)
        if not close:
            self._keep(id, session, keys)
        return keys

    def keys_of(self, id: bytes, session: Session) -> SessionKeys:
        """The keys of an open session, from its box when they are not at hand."""
        if session.keys is not None:
            return session.keys
        try:
            secret = Secret(self._box().open(_place(id), session.box or b"", self._aad(id)))
        except DoesNotOpen:
            raise InvariantBroken(
                "a session's box does not open under its own epoch's key"
            ) from None
        return self._keep(id, session, SessionKeys(secret, self._chain, self.epoch, Digest(id)))

    def touch(self, id: bytes, session: Session) -> None:
        """The session's window is about to change in this block."""
        before = self._before
        if before is not None and id not in before:
            before[id] = (session.newest, session.window)
        self._touched[id] = session

    def take_changes(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What the block changed: openings (id, identity, statement, box), windows (id, newest,
        window); by order."""
        opened = tuple(
            (id, made.identity, statement, made.box)
            for id, (made, statement) in self._opened.items()
        )
        windows = tuple(
            (id, used.newest, _window_bytes(used.window)) for id, used in self._touched.items()
        )
        self._opened.clear()
        self._touched.clear()
        return opened, windows

    def apply(self, opened: tuple[Any, ...], windows: tuple[Any, ...]) -> None:
        """Take over another replica's changes of a block.

        Raises:
            NotCanonical: they are none.
        """
        for item in opened:
            if (
                type(item) is not tuple
                or len(item) != 4
                or (item[3] is not None and type(item[3]) is not bytes)
            ):
                raise NotCanonical("opening: expected (id, identity, statement, box)")
            id, identity, statement = (
                codec.sized(part, DIGEST_SIZE, name="opening") for part in item[:3]
            )
            session = (
                self._closed_of(Digest(identity))
                if item[3] is None
                else Session(Digest(identity), item[3])
            )
            self._add(Digest(id), session, Digest(statement))
        for item in windows:
            id, newest, window = codec.fields(item, bytes, int, bytes, name="window")
            used = self._sessions.get(id)
            if used is None or used.box is None or len(window) > WINDOW // 8:
                raise NotCanonical("window: of no open session, or too long")
            if self._before is not None:
                self._before.setdefault(id, (used.newest, used.window))
            used.newest = codec.unsigned(newest, name="newest")
            used.window = int.from_bytes(window, "big")

    @property
    def count(self) -> int:
        """How many sessions it holds, closed ones too."""
        return len(self._sessions)

    def freeze(self) -> "FrozenSessions":
        """What a snapshot holds of this table as it stands now, though later blocks change sessions
        in place; at most one at a time. Costs nothing by its size."""
        self._before = {}
        return FrozenSessions(self._sessions, self._ids, self._stated, self._before, self._thaw)

    def _thaw(self) -> None:
        self._before = None

    def fill(self, rows: Mapping[bytes, Any], statements: Iterable[bytes]) -> None:
        """Fill an empty table with what `freeze` held on another replica.

        Raises:
            NotCanonical: it did not.
        """
        for id, row in rows.items():
            if type(row) is tuple and len(row) == 4 and row[1:] == _CLOSED_ROW:
                identity = codec.sized(row[0], DIGEST_SIZE, name="session")
                self._count(identity)
                self._put(id, self._closed_of(Digest(identity)))
                continue
            identity, box, newest, window = codec.fields(
                row, bytes, bytes, int, bytes, name="session"
            )
            self._count(identity)
            self._put(id, Session(Digest(identity), box, newest, int.from_bytes(window, "big")))
        self._stated.extend(statements)
        self._statements.update(self._stated)

    def digest(self) -> Digest:
        """SHA-256 over the whole table in order of id; the same on every replica at one height."""
        rows = tuple(
            (id, session.identity, session.box, session.newest, _window_bytes(session.window))
            for id, session in sorted(self._sessions.items())
        )
        return labels.labelled_digest(
            labels.STATE, codec.encode((self.epoch, rows, tuple(sorted(self._statements))))
        )

    def _add(self, id: Digest, session: Session, statement: Digest) -> None:
        self._put(id, session)
        self._stated.append(statement)
        self._statements.add(statement)
        self._count(session.identity)

    def _put(self, id: bytes, session: Session) -> None:
        self._ids.append(id)
        self._sessions[id] = session

    def _count(self, identity: bytes) -> None:
        self._counts[identity] = self._counts.get(identity, 0) + 1

    def _closed_of(self, identity: Digest) -> Session:
        """One object serves all closed sessions of an identity."""
        session = self._closed.get(identity)
        if session is None:
            session = self._closed[identity] = Session(identity, None)
        return session

    def _keep(self, id: bytes, session: Session, keys: SessionKeys) -> SessionKeys:
        if len(self._warm) >= KEYS_KEPT_MAX:
            oldest = next(iter(self._warm))
            self._warm.pop(oldest).keys = None
        session.keys = keys
        self._warm[id] = session
        return keys

    def _aad(self, id: bytes) -> bytes:
        return labels.bound(labels.SESSION_BOX, self._chain, self.epoch.to_bytes(8, "big") + id)


def _place(id: bytes) -> int:
    """The nonce of a session's box: the first 96 bits of its id, which is a hash."""
    return int.from_bytes(id[:12], "big")


def _window_bytes(window: int) -> bytes:
    return window.to_bytes((window.bit_length() + 7) // 8, "big")
