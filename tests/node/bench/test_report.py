"""What is said of a measurement: percentiles, tables."""

from collections import Counter

import pytest

from strongroom.node.bench.aims import MOST
from strongroom.node.bench.report import Document, lines_of, percentiles
from strongroom.node.bench.suite import compare, rows, soak
from strongroom.node.bench.suite_tables import markdown_of, table_of
from strongroom.node.machine.interpreter import in_words, interpreter


def report(**more: object) -> Document:
    return {
        "committed_per_second": 5000.0,
        "latency_ms": {"p50": 20.0, "p95": 40.0, "p99": 60.0, "max": 80.0},
        "receipt_ms": 9.0,
        "cpu_seconds_per_1000": {"host": 0.01, "enclave": 0.02, "client": 0.03},
        "floor_ratio": 0.2,
        "load_average": 1.5,
        "agreement": True,
    } | more


def test_percentiles_are_the_smallest_latency_that_so_many_calls_kept() -> None:
    latencies = Counter({19: 50, 39: 45, 59: 4, 99: 1})
    assert percentiles(latencies) == {
        "p50": 1.0,
        "p95": 2.0,
        "p99": 3.0,
        "max": 5.0,
        "mean": 1.54,
    }
    assert percentiles(Counter())["p50"] is None


def test_the_suite_has_a_row_for_everything_that_is_promised() -> None:
    names = [row.name for row in rows(1.0)]
    assert len(set(names)) == len(names)
    sizes = ["records of 256 B", "records of 1 KiB", "records of 16 KiB"]
    troubles = [
        "one of four dead",
        "one of four slow",
        "one of four catches up",
        "one of four restarts",
    ]
    loads = [
        "max throughput",
        "10 % load",
        "50 % load",
        "80 % load",
        "lone client",
        "16 connections × 4",
    ]
    assert {*loads, *sizes, *troubles, "one-shot envelopes", "n = 1", "n = 7", "n = 10"} <= set(
        names
    )
    assert (
        soak(None, None).load.rate,
        soak(None, None).load.seconds,
        soak(500.0, 60.0).load.rate,
    ) == (3000, 600, 500)


def test_a_table_has_a_line_a_row_and_says_what_a_row_has_beside() -> None:
    caught = {"blocks": 900, "start_seconds": 2.0, "seconds": 3.0, "blocks_per_second": 300}
    lines = table_of([("plain", report()), ("late", report(catch_up=caught, agreement=False))])
    assert lines[2] == "| plain | 5,000 | 20.0 / 40.0 / 60.0 | 9.0 | 10 + 20 + 30 | 0.2 | yes |"
    assert lines[3].endswith("| NO |")
    assert "- late: 900 blocks in 3.0 s" in said([("late", report(catch_up=caught))])


def said(reports: list[tuple[str, Document]]) -> str:
    """All of it as one line."""
    return " ".join(" ".join(markdown_of(reports)).split())


def test_what_a_row_has_beside_is_said_below_the_table() -> None:
    again = {"blocks": 900, "start_seconds": 2.0, "seconds": 0.5}
    assert said([("again", report(restart=again))]).endswith(
        "with 900 blocks on its disk it answered after 2.0 s, and had caught up 0.5 s later"
    )
    half = {"processor_share": 0.5, "by": "the kernel's quota"}
    assert said([("half", report(**half))]).endswith(
        "- half: 0.5 of the processors, by the kernel's quota"
    )


def test_rows_of_equal_clusters_say_what_a_block_and_a_payment_cost() -> None:
    def row(blocks: float, payments: float) -> Document:
        seconds = (0.002 * blocks + 1e-5 * payments) / payments * 1000
        cost = {"host": seconds, "enclave": seconds, "client": 0.0}
        more = {"blocks_per_second": blocks, "committed_per_second": payments, "nodes": 4}
        return report(**more, cpu_seconds_per_1000=cost)

    apart = "- apart: a block takes 2.00 ms of processor in each host"
    lines = "\n".join(markdown_of([(MOST, row(40, 8000.0)), ("lone client", row(90, 90.0))]))
    assert apart in lines
    other = "\n".join(markdown_of([("n = 7", row(40, 8000.0)), ("n = 10", row(90, 90.0))]))
    assert "apart" not in other


def test_a_table_for_a_document_says_how_busy_the_machine_was() -> None:
    text = said([("a", report(load_average=1.5)), ("b", report(load_average=4.0))])
    assert "load average 1.5 to 4.0" in text


def test_a_document_and_a_report_name_the_interpreter_and_how_it_was_built() -> None:
    (head, *_) = markdown_of([("a", report())])
    assert in_words(interpreter()) in head
    plain = {"name": "CPython 3.11.2", "profile_guided": False}
    lines = lines_of(report(interpreter=plain))
    assert "interpreter            CPython 3.11.2 built without PGO" in lines


@pytest.mark.parametrize(
    ("earlier", "said"), [({"a": report(committed_per_second=2500.0)}, 1), ({}, 0)]
)
def test_rows_are_compared_with_those_of_before(earlier: dict[str, Document], said: int) -> None:
    lines = compare({"a": report()}, earlier)
    assert len(lines) == said
    assert lines[:1] == ["a: throughput × 2.00, p50 × 1.00"][:said]
