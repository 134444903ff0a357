"""When what a simulated node has gathered leaves as a batch, as node/mempool/mempool.py decides;
for `./scripts/pace` and `./scripts/scale`."""

from strongroom.node.mempool.mempool import BATCH_ENVELOPES_GOAL, LATE_SECONDS_MAX


class Departures:
    """Of all nodes, by seat."""

    def __init__(self) -> None:
        self._latest: dict[int, float] = {}
        """When what is gathered leaves in any case."""

    def leaves(self, seat: int, gathered: int, due: float | None, now: float) -> bool:
        """Does it leave now? Then what comes next begins anew.

        Args:
            seat: of the node.
            gathered: payments, at least one.
            due: what the replica says (`ReplicaState.batch_due`).
            now: simulated seconds.
        """
        latest = self._latest.setdefault(seat, max(now, due or 0.0) + LATE_SECONDS_MAX)
        due = latest if due is None else min(due, latest)
        leaves = gathered >= BATCH_ENVELOPES_GOAL or due <= now
        if leaves:
            del self._latest[seat]
        return leaves
