"""What an enclave does for a node, simulated: its guard, its vote key, execution, and the secret
that execution needs.

A node that restarts while the epoch before is still in its grace has lost that epoch's input
secret: it votes, and only follows, by outcomes that a quorum anchored, until a peer that executes
gives the secret to it. Voting is not executing.
"""

from collections import deque
from collections.abc import Callable, Iterable

from tests.simulation.actors.actor import Role
from tests.simulation.actors.store import Store
from tests.simulation.actors.witness import Witness

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import invariant
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.safety import SafetyRules
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Epoch, Signature, View

EXECUTION_DELAY = 0.002
KEYS_INTERVAL = 0.25
"""Seconds between two questions for the secret that is missing."""


class SimulatedEnclave:
    """One boot of one enclave."""

    def __init__(self, role: Role, witness: Witness, store: Store) -> None:
        self._role, self._witness, self._store = role, witness, store
        self._epoch = self._shown = Epoch(0)
        self._guard = SafetyRules(self._epoch)
        self.delay = EXECUTION_DELAY
        self.wrong_root_from: int | None = None
        self._due: deque[tuple[float, int]] = deque()
        self.following = False
        """It cannot execute: a secret is missing."""
        self._ask_keys_at = 0.0

    # --- votes ---

    def show(self, newest: Epoch) -> None:
        """The epochs up to this one are known from now on."""
        self._shown = max(self._shown, newest)

    def recall(self, epoch: Epoch, statements: Iterable[Statement]) -> None:
        """The guard of an epoch begins with what the log says."""
        self._epoch, self._guard = epoch, SafetyRules(epoch)
        for statement in statements:
            self._guard.add(statement)

    def forget(self, epoch: Epoch, view: View) -> None:
        """Up to this view nothing is signed any more."""
        if epoch == self._epoch:
            self._guard.forget_below(view)

    @property
    def floor(self) -> View:
        """What the guard remembers lies above this view."""
        return self._guard.floor

    def sign(self, statement: Statement) -> Signature:
        """A vote, if the guard lets it."""
        self._guard.add(statement)
        invariant(
            statement.epoch <= self._shown, f"the enclave was not shown epoch {statement.epoch}"
        )
        self._witness.signed(self._role.index, statement)
        key = self._role.vote_key_of(statement.epoch)
        return Signature(key.sign(statement.signed_bytes(self._role.chain)))

    # --- execution ---

    def begin(self, now: float) -> None:
        """Execute what is stored and was not executed before the restart."""
        for height in range(self._store.executed + 1, self._store.newest_block + 1):
            self._due.append((now + self.delay, height))
        self._ask_keys_at = now + KEYS_INTERVAL

    def take(self, header: Header, now: float) -> None:
        """A final block is stored."""
        self._due.append((now + self.delay, int(header.height)))

    def work(self, now: float, gives_secret: Callable[[], bool]) -> list[Executed]:
        """What was executed, or taken over, by now.

        Args:
            now: monotonic seconds.
            gives_secret: does a peer that executes answer a question for the secret?
        """
        if self.following and now >= self._ask_keys_at:
            self._ask_keys_at = now + KEYS_INTERVAL
            self.following = not gives_secret()
        if self.following:
            return self._follow()
        done = []
        while self._due and self._due[0][0] <= now:
            _, height = self._due.popleft()
            if height == self._store.executed + 1:
                wrong = self.wrong_root_from is not None and height >= self.wrong_root_from
                done.append(self._store.execute(wrong=wrong))
        return done

    def _follow(self) -> list[Executed]:
        anchored = self._store.final.anchor.height
        return [
            self._store.take_over(height)
            for height in range(self._store.executed + 1, anchored + 1)
        ]

    def deadline(self) -> float | None:
        """When there is something to do."""
        if self.following:
            return self._ask_keys_at
        return self._due[0][0] if self._due else None
