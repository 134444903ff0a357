"""How much work the public transactions of one block may make (T11).

Also how many who are not admitted may present a token: each is a signature of an issuer to check.

Owns their prices, by the action that stands in their public form, and what is left to a block. What
members and nodes say is short and costs much: a signature to check, then rules that read all
proposals or all nodes. So an envelope brings the units of its own bytes, and the lanes of a block
share a rest equally: a lying node fills its own lane's, nobody else's. What nodes say has a rest of
its own in each lane, for ballots of strangers must not keep back what carries the service: offers,
refreshes, attestations. What finds no room is
refused before anything of it is checked, may be ordered again as it is, and costs its credential
what any public refusal does. Deterministic: bytes and counts alone decide.
"""

from collections.abc import Mapping

from strongroom.enclave.governance import public
from strongroom.enclave.governance.recovery_public import MEMBERS_RECOVERY_ACTIONS, RECOVERY_UNITS

UNIT_BYTES = 512
"""An envelope brings one unit for so many of its bytes. A unit is a signature and what goes with
it, 0.12 ms."""
UNITS_SHARED = 4096
"""Beyond that, for all lanes of a block together."""
NODES_UNITS_SHARED = 2048
"""The same for what nodes say: a rotation takes 8 units a validator, in all lanes together."""
UNITS_OF_LANE_MIN = 128
"""... and at least so many of each for every lane, however many there are."""
VALIDATORS_PER_UNIT = 8
"""Rules read every validator: a unit more for so many."""
PRESENTED_MAX = 64
"""Tokens of those who are not admitted, in all lanes of a block; half a millisecond each."""
PRESENTED_OF_LANE_MIN = 4
UNITS: Mapping[str, int] = {
    public.PROPOSE: 8,
    public.PROPOSE_SEVERAL: 64,
    public.BALLOT: 8,
    public.WITHDRAW: 8,
    public.ATTEST: 8,
    public.SYNCED: 2,
    public.LEAVE: 2,
    public.REFRESH: 2,
    public.OFFER: 4,
    public.READY: 4,
    public.EVIDENCE: 4,
    **RECOVERY_UNITS,
    **dict.fromkeys(public.GRANT_ACTIONS, 8),
    public.ASK: 16,
    public.ACT: 4,
    public.OBSERVE: 16,
}
"""By action; tests/enclave/bench_work.py measures them."""
MEMBERS_ACTIONS = frozenset(
    {
        public.PROPOSE,
        public.PROPOSE_SEVERAL,
        public.BALLOT,
        public.WITHDRAW,
        *MEMBERS_RECOVERY_ACTIONS,
        *public.GRANT_ACTIONS,
    }
)
"""What members and askers say; all else nodes say."""


class PublicWork:
    """What is left to one block."""

    __slots__ = (
        "_members",
        "_members_share",
        "_nodes",
        "_nodes_share",
        "_presented",
        "_presented_share",
        "_validators",
    )

    def __init__(self, validators: int) -> None:
        self._validators = validators // VALIDATORS_PER_UNIT
        self._members_share = max(UNITS_OF_LANE_MIN, UNITS_SHARED // validators)
        self._nodes_share = max(UNITS_OF_LANE_MIN, NODES_UNITS_SHARED // validators)
        self._presented_share = max(PRESENTED_OF_LANE_MIN, PRESENTED_MAX // validators)
        self._members = self._nodes = self._presented = 0

    def turn_to_lane(self) -> None:
        """The next lane, with shares of its own."""
        self._members, self._nodes = self._members_share, self._nodes_share
        self._presented = self._presented_share

    def take_token(self) -> bool:
        """Is there room to look at one more token of somebody who is not admitted? If so, it is
        taken."""
        self._presented -= 1
        return self._presented >= 0

    def take(self, action: str, size: int) -> bool:
        """Is there room for a transaction of this action in so many bytes? If so, it is taken.

        Raises:
            KeyError: there is no such action.
        """
        over = max(0, UNITS[action] + self._validators - size // UNIT_BYTES)
        if action in MEMBERS_ACTIONS:
            fits = over <= self._members
            self._members -= over if fits else 0
        else:
            fits = over <= self._nodes
            self._nodes -= over if fits else 0
        return fits
