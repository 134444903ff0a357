"""Where a payment's time goes: what nodes count of their own stages, as means over the measured
window.

Reads /metrics of running nodes before and after; what the client waits beside that is in its own
queue, on the links and in the loops of both ends. Stages of blocks are means over blocks, a batch's
over batches, and the part between them is what is left.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from strongroom.node.bench.report import Document
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.node_process import NodeProcess

BLOCK_STAGES = ("order", "record", "execute", "answer")
SUBMIT = "ledger_submit_many"
STAGE, REQUEST = "strongroom_stage_seconds", "strongroom_rpc_request_seconds"
PLACES = ("client", "gather", "propose", *BLOCK_STAGES)
"""Where a payment is, in this order: `gather` in the mempool until its batch, `propose` from there
until a leader's block names it (signing, spreading, the leader's gap), `order` until that is final,
`record`, `execute` and `answer` on the node that was asked; `client` is all that lies around it."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Seconds and how many, by stage, since the nodes started."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    count: Mapping[str, float] = field(default_factory=dict)


async def read_stages(cluster: Cluster) -> Passed:
    """What all running nodes have counted by now, together."""
    texts = await asyncio.gather(
        *(asyncio.to_thread(_metrics_of, node) for node in cluster.running())
    )
    seconds: dict[str, float] = {}
    count: dict[str, float] = {}
    for text in texts:
        _add(text, seconds, count)
    return Passed(seconds, count)


def _metrics_of(node: NodeProcess) -> str:
    return (node.page("/metrics") or b"").decode()


def _add(text: str, seconds: dict[str, float], count: dict[str, float]) -> None:
    for family in text_string_to_metric_families(text):
        if family.name not in (STAGE, REQUEST):
            continue
        for sample in family.samples:
            stage = sample.labels.get("stage") or sample.labels.get("method", "")
            if sample.name.endswith("_sum"):
                seconds[stage] = seconds.get(stage, 0.0) + sample.value
            elif sample.name.endswith("_count"):
                count[stage] = count.get(stage, 0.0) + sample.value


def way(before: Passed, after: Passed, mean_ms: float | None) -> Document | None:
    """Milliseconds that a payment spends where (PLACES); None if nodes counted nothing.

    Args:
        before: when the window opened.
        after: when it closed.
        mean_ms: what clients measured.
    """

    def mean(stage: str) -> float:
        count = after.count.get(stage, 0.0) - before.count.get(stage, 0.0)
        took = after.seconds.get(stage, 0.0) - before.seconds.get(stage, 0.0)
        return took / count * 1000 if count > 0 else 0.0

    served = mean(SUBMIT)
    if mean_ms is None or not served:
        return None
    # A batch's oldest envelope waited so long, its newest not at all.
    found = {"gather": mean("batch") / 2, **{stage: mean(stage) for stage in BLOCK_STAGES}}
    found["client"] = max(0.0, mean_ms - served)
    found["propose"] = max(
        0.0, min(served, mean_ms) - sum(found[one] for one in found if one != "client")
    )
    return {place: round(found[place], 1) for place in PLACES}
