"""Who may open a session (DESIGN §4), and how many: members, who has a role, users on the roster,
who holds a good token of an issuer that members marked, and rooms while who vouched for them is on
the roster; anyone where it is open.

Owns when the decision of programs/sponsors.py is asked, and that somebody whom nothing admits is
heard only when he presents a token; every replica decides alike at one height. How users come onto
the roster is programs/roster.py's and governance's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.roster_tables import ADMITTING
from strongroom.enclave.programs.runner import Runner
from strongroom.enclave.programs.sponsors import Way, count_opening, is_spent, way_of

PRESENTED_BYTES_MAX = 16_384
"""Of a call that presents a token, before anybody is admitted."""
_UNCOUNTED = 2**62


class SessionAdmission:
    """Decides for the intake, by the roster."""

    def __init__(self, runner: Runner) -> None:
        self._runner, self._context, self._state = runner, runner.context, runner.state
        self._admitting = self._state.maps[ADMITTING]
        self._holders: frozenset[bytes] = frozenset()

    def heed(self, roles: frozenset[tuple[str, str, bytes]]) -> None:
        """These have roles from now on; all else stands in the runner's context."""
        self._holders = frozenset(identity for _, _, identity in roles)

    def way_of(self, identity: bytes) -> Way | None:
        """On whose word this identity may open sessions now; None when it is not admitted."""
        with self._uncounted():
            return way_of(self._context, identity, has_role=identity in self._holders)

    def admit(self, identity: bytes, way: Way, opened: int) -> bool:
        """Count one more session; False when as many were opened as may be, of which it is told how
        many the identity itself did. What it writes is to be committed, or rolled back."""
        with self._uncounted():
            if opened >= way.sessions_max or is_spent(self._context, way):
                return False
            try:
                count_opening(self._context, identity, way)
            except ProgramError:
                return False
        return True

    def open(self, identity: bytes, way: Way, opened: int) -> bool:
        """The same between transactions: counted for good, or not at all."""
        admitted = self.admit(identity, way, opened)
        if admitted:
            self._state.commit()
        else:
            self._state.roll_back()
        return admitted

    def is_heard(self, call: bytes | None) -> bool:
        """May somebody who is not admitted make this call, to become so? Only to present a token of
        an issuer that members marked: whether it is good, the call itself finds out."""
        if not self._admitting.count or call is None or len(call) > PRESENTED_BYTES_MAX:
            return False
        issuer = self._runner.presents(call)
        with self._uncounted():
            return issuer is not None and self._admitting.get(issuer) is not None

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Between transactions, or at the end of one: at nobody's cost."""
        meter = self._state.meter
        left, meter.left = meter.left, _UNCOUNTED
        try:
            yield
        finally:
            meter.left = left
