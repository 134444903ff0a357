"""Who may open a session (DESIGN §4): members, who has a role, and users on the roster; anyone
where it is open.

Owns the decision, from governance's rules and the state; every replica decides alike at one height.
How users come onto the roster is programs/roster.py's and governance's.
"""

from collections.abc import Mapping

from strongroom.enclave.programs.roster import BY_VOTE, USERS
from strongroom.enclave.programs.state import State


class SessionAdmission:
    """Decides for the intake, by the roster."""

    def __init__(self, state: State) -> None:
        self._state, self._users = state, state.maps[USERS]
        self._open = False
        self._members: frozenset[bytes] = frozenset()
        self._holders: frozenset[bytes] = frozenset()
        self.sessions_max = 0
        """Sessions that one identity may open in an epoch."""

    def heed(
        self,
        members: frozenset[bytes],
        roles: frozenset[tuple[str, str, bytes]],
        limits: Mapping[str, int],
    ) -> None:
        """Decide by these identities of members, roles and limits from now on."""
        self._members = members
        self._holders = frozenset(identity for _, _, identity in roles)
        self._open = bool(limits["open_admission"])
        self.sessions_max = limits["sessions_per_identity"]

    def admits(self, identity: bytes) -> bool:
        """May this identity open a session now?"""
        if self._open or identity in self._members or identity in self._holders:
            return True
        self._state.meter.left = 1  # read between transactions, at nobody's cost
        bringer = self._users.get(identity)
        return bringer is not None and (bringer == BY_VOTE or bringer in self._members)
