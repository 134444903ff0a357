"""What a machine's own accounting says of a cluster at one moment: processor seconds, memory, bytes
on wire and disk.

Reads /proc and the cluster's folder; measures nothing by a clock of its own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strongroom.node.cluster.cluster import Cluster

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Reading:
    """All nodes of a cluster at one moment."""

    host: float
    """Processor seconds of all hosts together."""
    enclave: float
    """Processor seconds of all enclaves together."""
    rss_mib: float
    """Resident memory of a node, host and enclave together, as a mean."""
    wire_bytes: int
    """Bytes that crossed the loopback interface: links, clients, everything on this machine."""
    disk_bytes: int
    """Bytes that all nodes' folders take."""


def read(cluster: Cluster) -> Reading:
    """Read now; nodes that do not run count nothing."""
    hosts = [process.pid for node in cluster.nodes if (process := node.host()) is not None]
    enclaves = [process.pid for node in cluster.nodes if (process := node.enclave()) is not None]
    pages = sum(_resident_pages(pid) for pid in hosts + enclaves)
    return Reading(
        host=sum(map(cpu_seconds, hosts)),
        enclave=sum(map(cpu_seconds, enclaves)),
        rss_mib=pages * _PAGE / _MIB / max(1, len(hosts)),
        wire_bytes=_loopback_bytes(),
        disk_bytes=sum(allocated(node.layout.directory) for node in cluster.nodes),
    )


def own_memory(cluster: Cluster) -> dict[str, float]:
    """Resident memory of their own in MiB of every process of the cluster: `n0 host`, `n0 enclave`,
    …

    Without mapped files: the index grows on the disk with the ledger, and the kernel takes its
    pages back at need.
    """
    found = {}
    for node in cluster.nodes:
        for role, process in (("host", node.host()), ("enclave", node.enclave())):
            if process is not None:
                found[f"{node.name} {role}"] = _anonymous_kib(process.pid) / 1024
    return found


def largest(sizes: Mapping[str, float]) -> str:
    """Words for the largest host and enclave of what `own_memory` found."""
    found: dict[str, float] = {}
    for name, mib in sizes.items():
        role = name.rpartition(" ")[2]
        found[role] = max(mib, found.get(role, 0.0))
    return ", ".join(f"{role} {mib:.1f}" for role, mib in found.items())


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor since it began, its threads together."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def _resident_pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def _anonymous_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def _loopback_bytes() -> int:
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    return 0


def allocated(folder: Path) -> int:
    """Bytes of blocks that the files under a folder take; a file that goes away meanwhile counts
    nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue
    return total
