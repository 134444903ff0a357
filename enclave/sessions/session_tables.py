"""The tables of sessions that are open: the current epoch's, and the one before while its grace
lasts (DESIGN §5).

Owns when a table begins and ends. It is decided by blocks alone, so that every replica drops a
table at one height; what was dropped may be erased once a quorum has anchored that height.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest, Epoch, Height, Milliseconds
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.formats.snapshot import Table
from strongroom.enclave.formats.write_set import WriteSet
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.primitives import DeterministicBox
from strongroom.enclave.sessions.sessions import Sessions

ENDED_MAX = 1 << 20
"""Epochs that a service can have had."""


def names_of(epoch: Epoch) -> tuple[tuple[str, str], tuple[str, str]]:
    """Under which names a snapshot holds an epoch's sessions and their statements: of no
    program."""
    return ("", f"sessions {epoch}"), ("", f"statements {epoch}")


def _all_stated(statements: Sequence[bytes]) -> list[bool]:
    return [True] * len(statements)


class SessionTables:
    """Sessions by epoch, at most two."""

    def __init__(self, chain: ChainId, keyring: Keyring, epoch: Epoch) -> None:
        self._chain, self._keyring = chain, keyring
        self.current = self._table(epoch)
        self.before: Sessions | None = None
        self._before_until = Milliseconds(0)
        self.ended: list[tuple[Epoch, Height]] = []
        """(epoch, the block that ended its grace): its input secret is of no more use once that
        block is anchored."""

    def open_at(self, time_ms: Milliseconds) -> tuple[Epoch, ...]:
        """Epochs whose sessions a block of this time may call, ascending: their input secrets are
        in use."""
        live = self.before is not None and time_ms <= self._before_until
        return (
            (self.before.epoch, self.current.epoch)
            if self.before and live
            else (self.current.epoch,)
        )

    def check_opens(self, time_ms: Milliseconds) -> None:
        """Check that whatever a block of this time may hold can be opened here.

        Raises:
            KeysNeeded: an input secret is missing; the block must be applied instead.
        """
        for epoch in reversed(self.open_at(time_ms)):
            if not self._keyring.opens(epoch):
                raise KeysNeeded(epoch)

    def pass_time(self, height: Height, time_ms: Milliseconds) -> bool:
        """A block of this time begins: past the grace, the older table goes. Returns whether it
        did."""
        if self.before is None or time_ms <= self._before_until:
            return False
        self.ended.append((self.before.epoch, height))
        self.before = None
        return True

    def turn(self, epoch: Epoch, terminal: Height, grace_until: Milliseconds) -> None:
        """A terminal block was executed: the next epoch's table begins; of those before, one is
        kept at most."""
        if self.before is not None:
            self.ended.append((self.before.epoch, terminal))
        self.before, self._before_until = self.current, grace_until
        self.current = self._table(epoch)

    def take_changes(self) -> tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]:
        """What a block changed: openings and windows of the current epoch, windows of the one
        before."""
        opened, windows = self.current.take_changes()
        return opened, windows, () if self.before is None else self.before.take_changes()[1]

    def apply(self, write_set: WriteSet) -> None:
        """Take over another replica's changes of a block.

        Raises:
            NotCanonical: they are none.
        """
        self.current.apply(write_set.opened, write_set.windows)
        if self.before is not None:
            self.before.apply((), write_set.windows_before)

    def state(self) -> tuple[object, ...]:
        """(current epoch, epoch before or nil, until when its grace lasts, what ended): all but the
        tables' rows."""
        before = None if self.before is None else self.before.epoch
        return self.current.epoch, before, self._before_until, tuple(self.ended)

    def freeze(self) -> list[Table]:
        """Sessions and statements of each epoch as they stand now, for a snapshot."""
        made = []
        for table in [self.current] if self.before is None else [self.before, self.current]:
            (sessions, statements), held = names_of(table.epoch), table.freeze()
            made += [
                Table(*sessions, held.count, held.count, held.ids(), held.rows, held.release),
                Table(*statements, held.stated, held.stated, held.statements(), _all_stated),
            ]
        return made

    @classmethod
    def restored(
        cls,
        chain: ChainId,
        keyring: Keyring,
        state: object,
        rows: Mapping[tuple[str, str], dict[bytes, object]],
    ) -> "SessionTables":
        """The tables of another replica at one height.

        `state` is what `state()` gave there, `rows` what `freeze()` held, under `names_of`.

        Raises:
            NotCanonical: neither is what it must be.
        """
        if type(state) is not tuple or len(state) != 4:
            raise NotCanonical("sessions' state: expected four fields")
        current, before, until, ended = state
        tables = cls(chain, keyring, Epoch(codec.unsigned(current, name="epoch")))
        if before is not None:
            tables.before = tables._table(Epoch(codec.unsigned(before, name="epoch before")))
        tables._before_until = Milliseconds(codec.unsigned(until, name="grace"))
        for one in codec.listed(ended, name="ended", count_max=ENDED_MAX):
            epoch, height = codec.fields(one, int, int, name="ended")
            tables.ended.append((Epoch(epoch), Height(height)))
        for table in (tables.current, tables.before):
            if table is not None:
                sessions, statements = (rows.get(name, {}) for name in names_of(table.epoch))
                table.fill(sessions, statements)
        return tables

    def digest(self) -> Digest:
        """SHA-256 over both; the same on every replica at one height."""
        return Digest(
            sha256(
                self.current.digest() + (b"" if self.before is None else self.before.digest())
            ).digest()
        )

    def _table(self, epoch: Epoch) -> Sessions:
        def box() -> DeterministicBox:
            return self._keyring.of(epoch).session_box

        return Sessions(self._chain, epoch, box)
