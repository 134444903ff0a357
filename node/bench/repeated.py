"""One measurement several times: what is typical, and how far that can be believed.

Owns the statistics. The report of the run in the middle (by throughput) stands for all; beside it
stand the 95 % intervals of the means (Student's t, for runs are few and their spread is unknown).
"""

from collections.abc import Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any

from strongroom.node.bench.report import Document

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % points of Student's t with 1 to 10 degrees of freedom."""
_T_95_MORE = ((15, 2.131), (20, 2.086), (30, 2.042))
"""(Degrees of freedom, point): between two of them the wider one counts."""
_MEASURES: dict[str, tuple[str, ...]] = {
    "committed_per_second": ("committed_per_second",),
    "p50": ("latency_ms", "p50"),
    "p95": ("latency_ms", "p95"),
    "p99": ("latency_ms", "p99"),
    "host_ms_per_block": ("cpu_ms_per_block", "host"),
    "enclave_ms_per_block": ("cpu_ms_per_block", "enclave"),
    "throughput ÷ etcd's": ("ratio_to_etcd", "committed_per_second"),
    "p50 ÷ etcd's": ("ratio_to_etcd", "p50"),
}


def interval_95(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean; None of fewer than two values."""
    if len(values) < 2:
        return None
    middle, half = mean(values), _t_95(len(values) - 1) * stdev(values) / sqrt(len(values))
    return round(middle - half, 3), round(middle + half, 3)


def _t_95(degrees: int) -> float:
    if degrees <= len(_T_95):
        return _T_95[degrees - 1]
    smaller = [point for at, point in _T_95_MORE if at <= degrees]
    return smaller[-1] if smaller else _T_95[-1]


def together(reports: Sequence[Document]) -> Document:
    """Several reports of one measurement as one.

    Args:
        reports: one or more.
    """
    if len(reports) == 1:
        return reports[0]
    ranked = sorted(reports, key=lambda report: report["committed_per_second"])
    intervals = {
        name: interval_95([value for one in reports if (value := _value(one, path)) is not None])
        for name, path in _MEASURES.items()
    }
    return {
        **ranked[len(ranked) // 2],
        "runs": len(reports),
        "interval_95": {name: found for name, found in intervals.items() if found is not None},
        "agreement": all(report["agreement"] for report in reports),
    }


def _value(report: Document, path: tuple[str, ...]) -> float | None:
    found: Any = report
    for name in path:
        found = None if found is None else found.get(name)
    return None if found is None else float(found)
