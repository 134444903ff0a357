"""Every metric of a node: name, kind, unit, labels and words. docs/metrics.md is made from it.

Owns the names, which are an interface: dashboards and alerts are written against them. A label's
values are registered nodes or an enumeration, never anything that a caller chose; a counter has
them all from the start, since no rate sees a series that begins at 1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from strongroom.enclave.attestation.reasons import Reason
from strongroom.node.metrics.tallies import Histogram

PREFIX = "strongroom_"


class Kind(StrEnum):
    """As Prometheus has it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric."""

    kind: Kind
    words: str
    """Its HELP."""
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram's buckets, in the unit that ends the name."""


FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: of what a machine does by itself."""
SLOW = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: of what waits for other machines."""
STATES = ("starting", "joining", "syncing", "following", "voting", "suspended", "stopped")
STAGES = ("batch", "order", "record", "execute", "answer")
VOTES = ("notarize", "nullify", "finalize")
MEMPOOL_REFUSALS = ("full", "too_large", "not_ready", "screened")
ARCHIVE_READS = ("given", "missing", "damaged")
OTHER_REASON = "other"
"""Of refused evidence that names no reason of the enumeration."""
EVIDENCE_REFUSALS = (*map(str, Reason), OTHER_REASON)
REJECTIONS = (
    "no_place",
    "gave_way",
    "foreign",
    "content_type",
    "too_large",
    "too_slow",
    "malformed",
)
"""Why the front door turns something away before it is a call."""

_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_ENTRIES: dict[str, Entry] = {
    "build_info": Entry(
        _G, "1; the version of the code and what enclaves measure", ("version", "measurement")
    ),
    "node_state": Entry(_G, "1 for the state that this node is in, else 0", ("state",)),
    "alarm": Entry(_G, "1 while this node raises an urgent alarm; node_status says which"),
    # consensus
    "consensus_height": Entry(_G, "Height of the newest final block"),
    "consensus_executed_height": Entry(_G, "Height of the newest executed block"),
    "consensus_backlog_blocks": Entry(_G, "Final blocks that wait for execution"),
    "consensus_behind_blocks": Entry(_G, "Blocks that f+1 validators say to be final beyond ours"),
    "consensus_view": Entry(_G, "View of the current epoch that this node is in"),
    "consensus_epoch": Entry(_G, "Current epoch"),
    "consensus_validators": Entry(_G, "Validators of the current epoch"),
    "consensus_executing_validators": Entry(_G, "Validators that execute, as this node sees it"),
    "consensus_quorum_size": Entry(_G, "Validators that must agree, and must execute"),
    "consensus_blocks_total": Entry(_C, "Blocks that became final here since the start"),
    "consensus_views_nullified_total": Entry(_C, "Views that a quorum gave up since the start"),
    "consensus_block_interval_seconds": Entry(
        _H, "Block time from one final block to the next", (), SLOW
    ),
    "consensus_view_seconds": Entry(_H, "How long this node stayed in a view", (), SLOW),
    "consensus_votes_total": Entry(_C, "Votes that this node cast since the start", ("kind",)),
    "consensus_validator_last_signed_height": Entry(
        _G, "Newest height whose certificate here has this validator's signature", ("validator",)
    ),
    "consensus_equivocations_total": Entry(
        _C, "Proofs found here that a validator said two things"
    ),
    # the way of a transaction
    "transactions_total": Entry(
        _C, "Transactions executed here since the start, by code", ("code",)
    ),
    "stage_seconds": Entry(
        _H, "How long a block, or a batch of this node, took in a stage", ("stage",), SLOW
    ),
    "mempool_envelopes": Entry(_G, "Envelopes taken here and not yet executed"),
    "mempool_bytes": Entry(_G, "Bytes of these"),
    "mempool_refused_total": Entry(_C, "Submissions that were not taken, by reason", ("reason",)),
    # disk
    "log_fsync_seconds": Entry(_H, "How long one sync of the consensus log took", (), FAST),
    "ledger_bytes": Entry(_G, "Bytes of the ledger's files in this node's folder"),
    "archive_segments": Entry(_G, "Segments of the ledger that are in the archive alone"),
    "archive_bytes": Entry(_G, "Bytes of these"),
    "archive_failing": Entry(_G, "1 while nothing can be moved into the archive, else 0"),
    "archive_reads_total": Entry(
        _C, "Records asked of the archive since the start, by what came of it", ("result",)
    ),
    "disk_free_bytes": Entry(_G, "Bytes that are free where this node's folder is"),
    "clock_behind_seconds": Entry(_G, "How far this clock is behind the chain's time, beyond skew"),
    # peers
    "peer_connected": Entry(_G, "1 while a registered node is linked, else 0", ("peer",)),
    "peer_bytes_total": Entry(_C, "Bytes to and from a registered node", ("peer", "direction")),
    "peer_faults_total": Entry(_C, "Broken messages of a registered node", ("peer",)),
    # enclave and evidence
    "enclave_requests_total": Entry(
        _C, "Requests that the enclave answered, by operation", ("kind",)
    ),
    "enclave_request_seconds": Entry(
        _H, "How long a request waited for its answer", ("kind",), FAST
    ),
    "enclave_restarts_total": Entry(
        _C, "Starts of this node's enclave after its first, over all boots"
    ),
    "attestation_age_seconds": Entry(_G, "Age of a registered node's evidence", ("peer",)),
    "attestation_age_limit_seconds": Entry(
        _G, "Age of evidence from which on a node gets no keys, as members govern it"
    ),
    "attestation_refusals_total": Entry(
        _C, "Evidence of nodes that was refused at a link", ("reason",)
    ),
    # the front door
    "rpc_requests_total": Entry(_C, "Calls answered, by method and code", ("method", "code")),
    "rpc_request_seconds": Entry(
        _H, "How long a call took, waiting for its block included", ("method",), SLOW
    ),
    "rpc_connections": Entry(_G, "Open connections of clients"),
    "rpc_websockets": Entry(_G, "Open WebSockets"),
    "rpc_subscriptions": Entry(_G, "Subscriptions by topic", ("topic",)),
    "rpc_missed_blocks_total": Entry(_C, "Heights that slow subscribers were told they missed"),
    "rpc_rejected_total": Entry(
        _C, "Connections and requests turned away before any call", ("reason",)
    ),
    "traces_dropped_total": Entry(_C, "Sampled transactions whose trace was given up"),
}
METRICS: Mapping[str, Entry] = {PREFIX + name: entry for name, entry in _ENTRIES.items()}


def gauge(name: str, value: float) -> Metric:
    """A gauge without labels; `name` without the prefix."""
    family = _family(name, Kind.GAUGE)
    family.add_sample(family.name, {}, float(value))
    return family


def gauges(name: str, values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """A gauge by (values of its labels)."""
    return _labelled(name, Kind.GAUGE, values, "")


def counters(name: str, values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """A counter by (values of its labels); `((), n)` of one without."""
    return _labelled(name, Kind.COUNTER, values, "_total")


def histograms(name: str, values: Iterable[tuple[Sequence[str], Histogram]]) -> Metric:
    """A histogram by (values of its labels)."""
    family, entry = _family(name, Kind.HISTOGRAM), _ENTRIES[name]
    for given, one in values:
        labels = dict(zip(entry.labels, given, strict=True))
        for bound, reached in one.cumulated():
            family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, reached)
        family.add_sample(f"{family.name}_count", labels, float(one.count))
        family.add_sample(f"{family.name}_sum", labels, one.sum)
    return family


def _labelled(
    name: str, kind: Kind, values: Iterable[tuple[Sequence[str], float]], ending: str
) -> Metric:
    family, names = _family(name, kind), _ENTRIES[name].labels
    for given, value in values:
        labels = dict(zip(names, given, strict=True))
        family.add_sample(family.name + ending, labels, float(value))
    return family


_FAMILIES: dict[Kind, Callable[[str, str], Metric]] = {
    Kind.GAUGE: GaugeMetricFamily,
    Kind.COUNTER: CounterMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


def _family(name: str, kind: Kind) -> Metric:
    entry = _ENTRIES[name]
    if entry.kind is not kind:
        raise TypeError(f"{name} is a {entry.kind}, not a {kind}")
    return _FAMILIES[kind](PREFIX + name, entry.words)
