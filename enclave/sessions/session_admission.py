"""Who may open a session (DESIGN §4), and how many: members, also those who only watch, who has
a role, users on the roster, and rooms while who vouched for them is on it; anyone where it is open.

Owns the decision, from governance's rules and the state; every replica decides alike at one height.
How users come onto the roster is programs/roster.py's and governance's.
"""

from collections.abc import Mapping

from strongroom.enclave.programs.roster import (
    ROOMS,
    ROOMS_SHARE,
    USERS,
    VOUCHED,
    on_roster,
    voucher_of,
)
from strongroom.enclave.programs.state import State


class SessionAdmission:
    """Decides for the intake, by the roster."""

    def __init__(self, state: State) -> None:
        self._state, self._users = state, state.maps[USERS]
        self._vouched, self._rooms = state.maps[VOUCHED], state.maps[ROOMS]
        self._open = False
        self._members: frozenset[bytes] = frozenset()
        self._holders: frozenset[bytes] = frozenset()
        self._sessions_max = 0

    def heed(
        self,
        members: frozenset[bytes],
        roles: frozenset[tuple[str, str, bytes]],
        limits: Mapping[str, int],
        watchers: frozenset[bytes] = frozenset(),
    ) -> None:
        """Decide by these identities of members who vote and who only watch, roles and limits from
        now on."""
        self._members = members
        self._holders = watchers.union(identity for _, _, identity in roles)
        self._open = bool(limits["open_admission"])
        self._sessions_max = limits["sessions_per_identity"]

    def sessions_of(self, identity: bytes) -> int:
        """How many sessions this identity may open in an epoch; 0 when it is not admitted now.

        All rooms that one user may vouch for in an epoch share what one identity may open.
        """
        if self._open or identity in self._holders:
            return self._sessions_max
        self._state.meter.left = 4  # read between transactions, at nobody's cost
        if on_roster(self._users, self._members, identity):
            return self._sessions_max
        voucher = voucher_of(self._vouched, self._rooms, identity)
        if voucher is None or not on_roster(self._users, self._members, voucher):
            return 0
        return max(1, self._sessions_max // ROOMS_SHARE)
