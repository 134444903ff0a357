"""What `cluster up` says of a cluster that answers: one document, for people and with `--json`.

Owns these facts; cluster_screen.py shows them.
"""

import asyncio
from contextlib import suppress
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.quorum import Quorum
from strongroom.node.cli import cluster_screen
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import dir_option
from strongroom.node.rpc import probe


async def ready_document(cluster: Cluster, seconds: float) -> dict[str, Any]:
    """The document.

    Args:
        cluster: whose nodes run.
        seconds: that it took until they answered.
    """
    service = cluster.service()
    states, validators = await cluster.states(), await cluster.validators()
    behind = dir_option(cluster.layout.directory)
    return {
        "name": await asyncio.to_thread(_service_name, cluster),
        "simulated": True,  # a local cluster is founded on no other platform
        "voting": sum(states.get(name) == "voting" for name in validators),
        "quorum": Quorum(len(validators)).size,
        "seconds": round(seconds, 1),
        "identities": [file.name for file in service.keys.list()],
        "next": [f"strongroom {words}{behind}" for words in cluster_screen.NEXT],
        "service": service.pin,
        "chain": service.chain.hex(),
        "endpoints": list(service.endpoints),
        "ca": str(service.ca),
        "dir": str(cluster.layout.directory),
        "nodes": [node.name for node in cluster.running()],
        "web": cluster_screen.web_page(cluster),
    }


def _service_name(cluster: Cluster) -> str:
    for node in cluster.running():
        with suppress(probe.NoAnswer, OperatorFault, TypeError, KeyError):
            info: Any = node.ask("service_info", False)
            return str(info["name"])
    return "the cluster"
