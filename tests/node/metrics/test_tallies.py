"""Histograms count as Prometheus does."""

from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Theirs

from strongroom.node.metrics.tallies import Histogram, Histograms

BOUNDS = (0.1, 0.5, 1.0)
VALUES = (0.0, 0.1, 0.1000001, 0.5, 0.7, 1.0, 1.5, 90.0)


def test_a_histogram_says_what_the_librarys_own_says_of_the_same_values() -> None:
    registry, ours = CollectorRegistry(), Histogram(BOUNDS)
    theirs = Theirs("x", "x", buckets=BOUNDS, registry=registry)
    for value in VALUES:
        ours.observe(value)
        theirs.observe(value)
    expected = [
        (sample.labels["le"], sample.value)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "x_bucket"
    ]
    assert ours.cumulated() == expected
    assert (ours.count, ours.sum) == (len(VALUES), sum(VALUES))


def test_several_at_once_count_as_several() -> None:
    one = Histogram(BOUNDS)
    one.observe(0.2, 3)
    assert (one.counts, one.count) == ([0, 3, 0, 0], 3)
    assert one.sum == 0.2 * 3


def test_each_label_has_its_own() -> None:
    many = Histograms(BOUNDS)
    many["a"].observe(1)
    assert (many["a"].count, many["b"].count) == (1, 0)
