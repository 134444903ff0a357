"""How much work the public transactions of one block may make (T11).

Owns their prices, by the action that stands in their public form, and what is left to a block. What
members and nodes say is short and costs much: a signature to check, then rules that read all
proposals or all nodes. So an envelope brings the units of its own bytes, and the lanes of a block
share a rest equally: a lying node fills its own lane's, nobody else's. What finds no room is
refused before anything of it is checked, may be ordered again as it is, and costs its credential
what any public refusal does. Deterministic: bytes and counts alone decide.
"""

from collections.abc import Mapping

from strongroom.enclave.governance import public

UNIT_BYTES = 512
"""An envelope brings one unit for so many of its bytes. A unit is a signature and what goes with
it, 0.12 ms."""
UNITS_SHARED = 4096
"""Beyond that, for all lanes of a block together."""
UNITS_OF_LANE_MIN = 128
"""... and at least so many for each lane, however many there are."""
VALIDATORS_PER_UNIT = 8
"""Rules read every validator: a unit more for so many."""
UNITS: Mapping[str, int] = {
    public.PROPOSE: 8,
    public.BALLOT: 8,
    public.WITHDRAW: 8,
    public.ATTEST: 8,
    public.SYNCED: 2,
    public.LEAVE: 2,
    public.REFRESH: 2,
    public.OFFER: 4,
    public.READY: 4,
    public.EVIDENCE: 4,
}
"""By action; tests/enclave/bench_work.py measures them."""


class PublicWork:
    """What is left to one block."""

    __slots__ = ("_left", "_of_lane", "_validators")

    def __init__(self, validators: int) -> None:
        self._validators = validators // VALIDATORS_PER_UNIT
        self._of_lane = max(UNITS_OF_LANE_MIN, UNITS_SHARED // validators)
        self._left = 0

    def turn_to_lane(self) -> None:
        """The next lane, with a share of its own."""
        self._left = self._of_lane

    def take(self, action: str, size: int) -> bool:
        """Is there room for a transaction of this action in so many bytes? If so, it is taken.

        Raises:
            KeyError: there is no such action.
        """
        over = UNITS[action] + self._validators - size // UNIT_BYTES
        if over > self._left:
            return False
        if over > 0:
            self._left -= over
        return True
