"""What a block costs, and what a payment costs: processor time of hosts and enclaves taken apart.

Owns the arithmetic. Each measurement says how many blocks and payments its processor time went
into; over several loads of one size of cluster, a plane through the origin that errs least (least
squares) says what each block takes whatever is in it, and what each payment adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.node.bench.report import Document

PARTS = ("host", "enclave")
_DETERMINANT_MIN = 1e-9
"""Loads that are multiples of each other cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one replica's part, in seconds of processor."""

    block: float
    payment: float


def cost_of(loads: Sequence[tuple[float, float, float]]) -> Cost | None:
    """Take loads apart.

    Args:
        loads: (blocks, payments, processor seconds) of each, all of one length of time.

    Returns:
        What each block and each payment takes; None if the loads do not tell them apart.
    """
    bb = sum(blocks * blocks for blocks, _, _ in loads)
    pp = sum(payments * payments for _, payments, _ in loads)
    bp = sum(blocks * payments for blocks, payments, _ in loads)
    bc = sum(blocks * seconds for blocks, _, seconds in loads)
    pc = sum(payments * seconds for _, payments, seconds in loads)
    determinant = bb * pp - bp * bp
    if len(loads) < 2 or determinant <= _DETERMINANT_MIN * bb * pp:
        return None
    return Cost((bc * pp - pc * bp) / determinant, (pc * bb - bc * bp) / determinant)


def costs(reports: Sequence[Document]) -> dict[str, Cost]:
    """By part (host, enclave), of one replica, over reports of equal clusters and calls."""
    found = {}
    for part in PARTS:
        loads = [
            (
                report["blocks_per_second"],
                report["committed_per_second"],
                report["cpu_seconds_per_1000"][part] / 1000 * report["committed_per_second"],
            )
            for report in reports
        ]
        cost = cost_of(loads)
        if cost is not None:
            found[part] = cost
    return found


def costs_line(reports: Sequence[Document], nodes: int) -> str | None:
    """One line for people; None if the loads do not tell blocks and payments apart."""
    found = costs(reports)
    if set(found) != set(PARTS):
        return None
    block = {part: found[part].block * 1000 for part in PARTS}
    payment = {part: found[part].payment * 1e6 for part in PARTS}
    return (
        f"a block takes {block['host']:.2f} ms of processor in each host and "
        f"{block['enclave']:.2f} in each enclave, {nodes * sum(block.values()):.1f} in all {nodes} "
        f"nodes; a payment {payment['host']:.0f} and {payment['enclave']:.0f} µs"
    )
