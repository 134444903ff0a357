"""Is a cluster's memory flat? A judgement on how it grew over a measured window.

Owns the statistics and the bound. A process is flat if it would grow by less than FLAT_SHARE of
what it holds in an hour, and that is believed only if the 95 % interval of its growth says so: a
short window extrapolates noise.
"""

from math import sqrt
from statistics import linear_regression, mean
from typing import Any

Document = dict[str, Any]
Memory = list[tuple[float, dict[str, float]]]
"""(Seconds since the window opened, MiB by process), in order of time."""
GROWTH_SECONDS_MIN = 60.0
"""A shorter window says nothing of how memory grows in an hour."""
GROWS_SECONDS_MIN = 1800.0
"""In a shorter window one burst that enlarges a pool looks like growth without end: such a window
may show that memory is flat, never that it is not."""
FLAT_SHARE = 0.05
"""Of what a process holds, in an hour."""
ROLES = ("host", "enclave")
FLAT, GROWS, UNCLEAR = "flat", "GROWS", "not clear: measure longer"
_T_95 = 2.05
"""Student's t with the 28 degrees of freedom that half of 60 readings leave."""


def judged(memory: Memory) -> Document | None:
    """By role (host, enclave), of the process that grows most: `mib` held on average,
    `mib_per_hour`, its 95 % interval `within`, the `bound` and the `verdict`; None for a short
    window.

    A straight line (least squares) through the second half of the readings, when caches and pools
    are full.
    """
    settled = memory[len(memory) // 2 :]
    if len(settled) < 2 or settled[-1][0] - memory[0][0] < GROWTH_SECONDS_MIN:
        return None
    always = set.intersection(*(set(sizes) for _, sizes in settled))
    times = [at for at, _ in settled]
    long = settled[-1][0] - memory[0][0] >= GROWS_SECONDS_MIN
    found: Document = {}
    for name in sorted(always):
        one = _line_through(times, [sizes[name] for _, sizes in settled], long=long)
        role = next(role for role in ROLES if name.endswith(role))
        if role not in found or one["mib_per_hour"] > found[role]["mib_per_hour"]:
            found[role] = one
    return {role: found[role] for role in ROLES if role in found}


def _line_through(times: list[float], sizes: list[float], *, long: bool) -> Document:
    line = linear_regression(times, sizes)
    middle, spread = mean(times), sum((at - mean(times)) ** 2 for at in times)
    errors = [
        size - line.intercept - line.slope * at for at, size in zip(times, sizes, strict=True)
    ]
    freedom = max(1, len(times) - 2)
    half = _T_95 * sqrt(sum(error * error for error in errors) / freedom / spread) * 3600
    slope, held = line.slope * 3600, line.intercept + line.slope * middle
    bound = FLAT_SHARE * held
    verdict = UNCLEAR
    if slope + half <= bound:
        verdict = FLAT
    elif long and slope - half > bound:
        verdict = GROWS
    return {
        "mib": round(held, 1),
        "mib_per_hour": round(slope, 1),
        "within": [round(slope - half, 1), round(slope + half, 1)],
        "bound": round(bound, 1),
        "verdict": verdict,
    }


def grows(found: Document | None) -> bool:
    """Is the memory of some process certainly not flat?"""
    return any(one["verdict"] == GROWS for one in (found or {}).values())


def memory_line(found: Document) -> str:
    """What was judged, for people."""
    return "; ".join(
        f"{role} of {one['mib']} MiB {one['mib_per_hour']:+} an hour ({one['within'][0]:+} to "
        f"{one['within'][1]:+}, flat to {one['bound']:+}): {one['verdict']}"
        for role, one in found.items()
    )
