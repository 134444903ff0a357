"""A node's numbers in the text format of Prometheus
(https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from strongroom.node.host.host import Host


def render(host: "Host") -> str:
    """All gauges of one node, read now. Public facts only: heights, counts, bytes."""
    registry = CollectorRegistry()
    values = {
        "strongroom_height": ("Newest final height", host.replica.final.height),
        "strongroom_executed_height": ("Newest executed height", host.pipeline.executed),
        "strongroom_view": ("Current view", host.replica.view),
        "strongroom_peers": ("Linked members", len(host.links.links)),
        "strongroom_mempool_envelopes": (
            "Envelopes taken and not yet executed",
            host.mempool.envelopes,
        ),
        "strongroom_mempool_bytes": ("Bytes of these", host.mempool.held_bytes),
        "strongroom_executed_transactions": (
            "Envelopes executed since start",
            host.pipeline.executed_transactions,
        ),
        "strongroom_blocks_behind": ("Final blocks that wait for execution", host.pipeline.backlog),
        "strongroom_batches_held": ("Batches held and not yet executed", len(host.batches)),
        "strongroom_strikes": ("Timeouts in a row, decayed", host.replica.strikes),
        "strongroom_executing": (
            "1 while this node's enclave executes",
            int(host.node_key in host.watch.names),
        ),
        "strongroom_executing_replicas": (
            "Validators that execute, as this node sees it",
            host.watch.count,
        ),
        "strongroom_quorum": (
            "Validators that must execute",
            host.participant.run.description.quorum.size,
        ),
        "strongroom_alarm": (
            "1 when the node raised an alarm",
            int(bool(host.alarm or host.watch.alarm)),
        ),
        "strongroom_clock_behind_seconds": (
            "Behind the chain's time, if beyond skew",
            host.clock_behind_ms / 1000,
        ),
    }
    for name, (text, value) in values.items():
        Gauge(name, text, registry=registry).set(float(value))
    faults = Gauge(
        "strongroom_peer_faults", "Broken messages of a peer", ["peer"], registry=registry
    )
    for peer, count in host.inbox.faults.items():
        faults.labels(peer=peer.hex()[:16]).set(count)
    return generate_latest(registry).decode()
