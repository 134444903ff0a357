"""Numbers of the newest blocks: transactions a second, seconds between blocks, views without one.

Pure functions of what the model keeps.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from strongroom.node.watch.view import BlockRow

RATES_KEPT = 60


def rates(arrived: Iterable[tuple[float, int]], now: float) -> tuple[float, ...]:
    """By second, oldest first."""
    counts = [0.0] * RATES_KEPT
    for moment, count in arrived:
        back = int(now) - int(moment)
        if 0 < back <= RATES_KEPT:
            counts[RATES_KEPT - back] += count
    return tuple(counts)


def intervals(blocks: Sequence[BlockRow]) -> list[float]:
    """Seconds between blocks that follow each other, ascending."""
    return sorted(
        max(0.0, later.time - sooner.time)
        for sooner, later in pairwise(blocks)
        if later.height == sooner.height + 1
    )


def share(ascending: list[float], share: float) -> float | None:
    """The value below which this share of them lies."""
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def nullified(blocks: Sequence[BlockRow]) -> int:
    """Views that made no block."""
    return sum(
        max(0, later.view - sooner.view - 1)
        for sooner, later in pairwise(blocks)
        if later.height == sooner.height + 1
    )


def agreed(told: Iterable[int | None], faulty: int) -> int | None:
    """What at least one honest node reached, where so many may lie: the greatest number but
    `faulty`. Of fewer numbers the smallest: there is nobody else to ask."""
    greatest = sorted((one for one in told if one is not None), reverse=True)
    return greatest[min(faulty, len(greatest) - 1)] if greatest else None


def members_of(told: Sequence[int], nodes: int) -> int | None:
    """How many members vote, as most nodes tell; of what equally many tell, the greater number.

    Args:
        told: as each node told it last; a node alone may lie.
        nodes: how many are asked. Until more than half of them told something, it is at least as
            many.
    """
    if not told:
        return None
    counted = Counter(told)
    members = max(counted, key=lambda one: (counted[one], one))
    return members if 2 * len(told) > nodes else max(members, nodes)


def order(name: str) -> tuple[str, int, str]:
    """By which names are sorted: n2 before n10."""
    letters = name.rstrip("0123456789")
    digits = name[len(letters) :]
    return letters, int(digits) if digits and len(digits) < 19 else -1, name
