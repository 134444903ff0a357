"""A node's numbers in the text format of Prometheus
(https://prometheus.io/docs/instrumenting/exposition_formats/).

Owns where each number comes from; its name and words are the catalogue's (node/metrics). The
registry is made once and lives as long as the node. Public facts only: heights, counts, bytes,
names of registered nodes.
"""

import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from strongroom.consensus.types import PublicKey
from strongroom.enclave.door.requests import Op
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.records import Status
from strongroom.node.api.node_state import NodeState
from strongroom.node.api.public_state import rules_of, validator_names
from strongroom.node.api.sources import Sources
from strongroom.node.metrics.catalogue import (
    ARCHIVE_READS,
    EVIDENCE_REFUSALS,
    MEMPOOL_REFUSALS,
    STAGES,
    STATES,
    VOTES,
    counters,
    gauge,
    gauges,
    histograms,
)

# Else each counter has a second series, which says when this process began to count.
disable_created_metrics()  # type: ignore[no-untyped-call]


class NodeMetrics(Collector):
    """The persistent registry of one node: its numbers, its process's and its collector's."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._limit_of: tuple[Document | None, int] = (None, 0)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self) -> str:
        """All of them, read now."""
        return generate_latest(self._registry).decode()

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not ask for values to learn names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric of the catalogue but the front door's own."""
        state = self._sources.state()
        names = self._names(state)
        yield from self._node(state)
        yield from self._consensus(state, names)
        yield from self._transactions()
        yield from self._disk(state)
        yield from self._peers(state, names)
        yield from self._enclave(state)

    def _names(self, state: NodeState) -> dict[bytes, str]:
        """Every node that is registered now, and every validator, by its key: what labels may
        say."""
        names = validator_names(self._sources.genesis, state.governance)
        shown = {one.node_key for one in state.description.validators}
        if state.governance is not None:
            shown |= {
                PublicKey(node.node_key)
                for node in state.governance.nodes
                if node.status != Status.REMOVED
            }
        return {bytes(key): names[key] for key in shown if key in names}

    def _node(self, state: NodeState) -> Iterator[Metric]:
        yield gauges("build_info", [((_version(), self._measurement(state)), 1)])
        yield gauges("node_state", [((one,), one == state.word) for one in STATES])
        yield gauge("alarm", bool(state.urgent_alarm))

    def _age_limit(self, state: NodeState) -> int:
        """Milliseconds; read out of the public state once for each of its versions."""
        known, limit = self._limit_of
        if known is not state.governance or not limit:
            limit = rules_of(self._sources.genesis, state.governance).policy.max_age_ms
            self._limit_of = state.governance, limit
        return limit

    def _measurement(self, state: NodeState) -> str:
        genesis, name = self._sources.genesis, self._sources.config.name
        code = {one.claims.node: one.measurement for one in genesis.validators}
        if state.governance is not None:
            code |= {node.name: node.measurement for node in state.governance.nodes}
        return code.get(name, b"").hex()

    def _consensus(self, state: NodeState, names: dict[bytes, str]) -> Iterator[Metric]:
        observer, description = self._sources.observer, state.description
        yield gauge("consensus_height", state.height)
        yield gauge("consensus_executed_height", state.executed)
        yield gauge("consensus_backlog_blocks", state.backlog)
        yield gauge("consensus_behind_blocks", max(0, state.claimed_height - state.height))
        yield gauge("consensus_view", state.view)
        yield gauge("consensus_epoch", description.epoch)
        yield gauge("consensus_validators", len(description.validators))
        yield gauge("consensus_executing_validators", len(state.executing))
        yield gauge("consensus_quorum_size", description.quorum.size)
        yield counters("consensus_blocks_total", [((), observer.blocks)])
        yield counters("consensus_views_nullified_total", [((), observer.nullified)])
        yield histograms("consensus_block_interval_seconds", [((), observer.intervals)])
        yield histograms("consensus_view_seconds", [((), observer.views)])
        votes = observer.votes
        yield counters("consensus_votes_total", [((kind,), votes[kind]) for kind in VOTES])
        yield gauges(
            "consensus_validator_last_signed_height",
            [
                ((names[bytes(key)],), height)
                for key, height in observer.signed.items()
                if bytes(key) in names
            ],
        )
        yield counters("consensus_equivocations_total", [((), observer.equivocations)])

    def _transactions(self) -> Iterator[Metric]:
        observer, mempool = self._sources.observer, self._sources.mempool
        codes = observer.codes
        yield counters("transactions_total", [((code.name.lower(),), codes[code]) for code in Code])
        yield histograms("stage_seconds", [((stage,), observer.stages[stage]) for stage in STAGES])
        yield gauge("mempool_envelopes", mempool.envelopes)
        yield gauge("mempool_bytes", mempool.held_bytes)
        refused = observer.refused
        yield counters(
            "mempool_refused_total", [((one,), refused[one]) for one in MEMPOOL_REFUSALS]
        )
        yield counters("traces_dropped_total", [((), observer.traces_dropped)])

    def _disk(self, state: NodeState) -> Iterator[Metric]:
        layout = self._sources.config.layout
        yield histograms("log_fsync_seconds", [((), self._sources.observer.fsyncs)])
        yield gauge("ledger_bytes", _bytes_in(layout.ledger))
        archived = self._sources.store.archived
        yield gauge("archive_segments", len(archived.summaries))
        yield gauge("archive_bytes", sum(one.size for one in archived.summaries))
        yield gauge("archive_failing", bool(state.archive_alarm))
        yield counters(
            "archive_reads_total", [((one,), archived.reads[one]) for one in ARCHIVE_READS]
        )
        yield gauge("disk_free_bytes", shutil.disk_usage(layout.directory).free)
        yield gauge("clock_behind_seconds", state.clock_behind_ms / 1000)

    def _peers(self, state: NodeState, names: dict[bytes, str]) -> Iterator[Metric]:
        others = {key: name for key, name in names.items() if key != bytes(state.node_key)}
        linked = {bytes(key) for key in state.linked}
        traffic = {bytes(key): one for key, one in self._sources.links.traffic.items()}
        faults = {bytes(key): count for key, count in state.faults.items()}
        yield gauges("peer_connected", [((name,), key in linked) for key, name in others.items()])
        yield counters(
            "peer_bytes_total",
            [
                ((name, direction), getattr(traffic[key], direction) if key in traffic else 0)
                for key, name in others.items()
                for direction in ("received", "sent")
            ],
        )
        yield counters(
            "peer_faults_total", [((name,), faults.get(key, 0)) for key, name in others.items()]
        )
        nodes = () if state.governance is None else state.governance.nodes
        yield gauges(
            "attestation_age_seconds",
            [((node.name,), node.age_ms / 1000) for node in nodes if bytes(node.node_key) in names],
        )

    def _enclave(self, state: NodeState) -> Iterator[Metric]:
        waits = self._sources.enclave.waits
        yield counters(
            "enclave_requests_total",
            [((op.name.lower(),), waits[op.name].count if op.name in waits else 0) for op in Op],
        )
        yield histograms(
            "enclave_request_seconds", [((op.lower(),), one) for op, one in waits.items()]
        )
        yield counters("enclave_restarts_total", [((), max(0, self._sources.boot - 1))])
        yield gauge("attestation_age_limit_seconds", self._age_limit(state) / 1000)
        refusals = self._sources.links.handshake.refusals
        yield counters(
            "attestation_refusals_total",
            [((one,), refusals.get(one, 0)) for one in EVIDENCE_REFUSALS],
        )


@cache
def _version() -> str:
    return version("strongroom")


def _bytes_in(folder: Path) -> int:
    """Bytes of the files in a folder; one that goes away meanwhile counts as none."""
    total = 0
    for entry in folder.iterdir():
        try:
            total += entry.stat().st_size
        except FileNotFoundError:
            continue
    return total
