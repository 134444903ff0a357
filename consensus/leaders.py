"""Who leads in which view (PROTOCOL §7)."""

from hashlib import sha256

from strongroom.consensus.types import Digest, SignerIndex, View


def leader_order(anchor: Digest, members: int) -> tuple[SignerIndex, ...]:
    """The epoch's order of leaders: Fisher-Yates, seeded by SHA-256 over the anchor's digest
    (PROTOCOL §7).

    Draw i takes eight bytes of SHA-256(anchor ‖ u32 i) modulo i+1; the bias is below members /
    2^64.
    """
    order = list(range(members))
    for i in range(members - 1, 0, -1):
        draw = int.from_bytes(sha256(anchor + i.to_bytes(4, "big")).digest()[:8], "big") % (i + 1)
        order[i], order[draw] = order[draw], order[i]
    return tuple(SignerIndex(index) for index in order)


def leader_of(order: tuple[SignerIndex, ...], view: View) -> SignerIndex:
    """The leader of a view (views count from 1)."""
    return order[(view - 1) % len(order)]
