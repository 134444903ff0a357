"""A node's numbers in the text format of Prometheus
(https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from strongroom.node.api.node_state import NodeState
from strongroom.node.api.sources import Sources


def render(sources: Sources, state: NodeState) -> str:
    """All gauges of one node, read now. Public facts only: heights, counts, bytes."""
    registry = CollectorRegistry()
    mempool, pipeline = sources.mempool, sources.pipeline
    values = {
        "strongroom_height": ("Newest final height", state.height),
        "strongroom_executed_height": ("Newest executed height", state.executed),
        "strongroom_view": ("Current view", state.view),
        "strongroom_peers": ("Linked members", len(state.linked)),
        "strongroom_mempool_envelopes": ("Envelopes taken and not yet executed", mempool.envelopes),
        "strongroom_mempool_bytes": ("Bytes of these", mempool.held_bytes),
        "strongroom_executed_transactions": (
            "Envelopes executed since start",
            pipeline.executed_transactions,
        ),
        "strongroom_blocks_behind": ("Final blocks that wait for execution", state.backlog),
        "strongroom_batches_held": ("Batches held and not yet executed", len(sources.batches)),
        "strongroom_strikes": ("Timeouts in a row, decayed", state.strikes),
        "strongroom_executing": (
            "1 while this node's enclave executes",
            int(state.node_key in state.executing),
        ),
        "strongroom_executing_replicas": (
            "Validators that execute, as this node sees it",
            len(state.executing),
        ),
        "strongroom_quorum": ("Validators that must execute", state.description.quorum.size),
        "strongroom_alarm": (
            "1 when the node raised an alarm",
            int(bool(state.alarm_in_words)),
        ),
        "strongroom_clock_behind_seconds": (
            "Behind the chain's time, if beyond skew",
            state.clock_behind_ms / 1000,
        ),
    }
    for name, (text, value) in values.items():
        Gauge(name, text, registry=registry).set(float(value))
    faults = Gauge(
        "strongroom_peer_faults", "Broken messages of a peer", ["peer"], registry=registry
    )
    for peer, count in state.faults.items():
        faults.labels(peer=peer.hex()[:16]).set(count)
    return generate_latest(registry).decode()
