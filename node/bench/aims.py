"""What the suite is measured against: ratios within one run of one machine, for machines differ.

Owns the aims and how each is read from the suite's rows. An aim whose rows are not there says so.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from strongroom.node.bench.report import Document

MOST, HALF, LONE, DEAD = "max throughput", "50 % load", "lone client", "one of four dead"

Rows = Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Aim:
    """One ratio, and what is wanted of it."""

    words: str
    wanted: float
    most: bool
    """True: at most so much; False: at least."""
    read: Callable[[Rows], float | None]

    def met(self, found: float) -> bool:
        """Is this what is wanted?"""
        return found <= self.wanted if self.most else found >= self.wanted


def _p50(report: Document) -> float:
    return float(report["latency_ms"]["p50"])


AIMS = (
    Aim(
        "p50 at half of the maximum ÷ a lone client's",
        4.0,
        True,
        lambda rows: _p50(rows[HALF]) / _p50(rows[LONE]),
    ),
    Aim(
        "p50 at half of the maximum ÷ etcd's with 64 connections",
        2.5,
        True,
        lambda rows: _p50(rows[HALF]) / _p50(rows[HALF]["etcd"]),
    ),
    Aim(
        "throughput ÷ etcd's",
        2.5,
        False,
        lambda rows: (
            rows[MOST]["committed_per_second"] / rows[MOST]["etcd"]["committed_per_second"]
        ),
    ),
    Aim(
        "receipt ÷ result, at half of the maximum",
        1.3,
        True,
        lambda rows: (_p50(rows[HALF]) + rows[HALF]["receipt_ms"]) / _p50(rows[HALF]),
    ),
    Aim(
        "throughput with one of four dead ÷ with all",
        0.95,
        False,
        lambda rows: rows[DEAD]["committed_per_second"] / rows[MOST]["committed_per_second"],
    ),
    Aim("floor ratio at the maximum", 0.2, False, lambda rows: rows[MOST]["floor_ratio"]),
    Aim("floor ratio at half of it", 0.15, False, lambda rows: rows[HALF]["floor_ratio"]),
)


def aims_of(reports: Rows) -> list[Document]:
    """Each aim with what this run has: `aim`, `wanted`, `found` (None: its rows were not measured)
    and `met`."""
    told = []
    for aim in AIMS:
        found: float | None = None
        with suppress(KeyError, TypeError, ZeroDivisionError):
            found = aim.read(reports)
        told.append(
            {
                "aim": aim.words,
                "wanted": f"{'≤' if aim.most else '≥'} {aim.wanted:g}",
                "found": None if found is None else round(found, 3),
                "met": None if found is None else aim.met(found),
            }
        )
    return told


def aims_table(reports: Rows) -> list[str]:
    """Markdown: a row for each aim."""
    lines = ["| aim | wanted | this run | |", "|---|---|---|---|"]
    words = {True: "met", False: "**not met**", None: "–"}
    for told in aims_of(reports):
        found = "not measured" if told["found"] is None else f"{told['found']:g}"
        lines.append(f"| {told['aim']} | {told['wanted']} | {found} | {words[told['met']]} |")
    return lines


def aims_line(reports: Rows) -> str:
    """How many are met, and by name those that are not."""
    told = aims_of(reports)
    met = sum(one["met"] is True for one in told)
    parts = [f"{met} of {len(told)} aims met"]
    for words, verdict in (("NOT MET", False), ("not measured", None)):
        names = [one["aim"] for one in told if one["met"] is verdict]
        if names:
            parts.append(f"{words}: {', '.join(names)}")
    return "; ".join(parts)


def ways_table(reports: Rows) -> list[str]:
    """Markdown: where a payment's time goes at each load, in ms; nothing if no row tells it."""
    told = {name: report["way_ms"] for name, report in reports.items() if report.get("way_ms")}
    if not told:
        return []
    places = list(next(iter(told.values())))
    lines = [f"| ms at | {' | '.join(places)} |", "|---" * (len(places) + 1) + "|"]
    for name, way in told.items():
        lines.append(f"| {name} | {' | '.join(str(way[place]) for place in places)} |")
    return lines
