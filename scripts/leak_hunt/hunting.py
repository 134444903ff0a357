"""The canary hunt: nothing secret of either twin in any file, in what passed its hosts, or in their
memory.

Owns where is searched and what proves that the search sees. How is searched stands in
node/demo/hunt.py.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.leak_hunt.twin import capture_of

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.demo.hunt import Hunt, forms_of, hunt_files, hunt_memory

CONTROL_FOLDER = "control"
_FORMS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Search:
    """One place, searched."""

    place: str
    bytes_searched: int
    found: tuple[str, ...]
    """Canaries that stand there."""
    blind: str
    """Why the search proves nothing; empty when its control was found."""
    is_control: bool = False
    """Here the texts must be found."""


def hunt_running(cluster: Cluster, canaries: Sequence[str], control: str) -> list[Search]:
    """The memory of every host; and that of one enclave, where the canaries must be, or the search
    would be blind."""
    folder = cluster.layout.directory.absolute()
    searches = []
    for node in cluster.running():
        host, enclave = node.host(), node.enclave()
        if host is not None:
            hunt = hunt_memory(host.pid, [*canaries, control], searched=folder)
            searches.append(_search(f"memory of {node.name}'s host", hunt, canaries, control))
        if enclave is not None and node is cluster.nodes[0] and os.geteuid() == 0:
            seen = hunt_memory(enclave.pid, canaries)
            blind = "" if any(seen.found.values()) else "the enclave's memory shows no canary"
            searches.append(
                Search(
                    f"control: memory of {node.name}'s enclave",
                    seen.bytes_searched,
                    (),
                    blind,
                    is_control=True,
                )
            )
    return searches


def hunt_stopped(cluster: Cluster, canaries: Sequence[str], control: str) -> list[Search]:
    """Every file of the cluster, and everything that its hosts saw pass."""
    folder = cluster.layout.directory.absolute()
    texts = [*canaries, control]
    searches = [_search("files", hunt_files(folder, texts), canaries, control)]
    passed = capture_of(cluster.nodes[0]).parent
    searches.append(_search("what passed the hosts", hunt_files(passed, texts), canaries, control))
    return searches


def hunt_control(scratch: Path, control: str) -> Search:
    """A folder in which a text stands in every form that is looked for: each must be found."""
    folder = scratch / CONTROL_FOLDER
    folder.mkdir()
    forms = forms_of(control)
    for number, needle in enumerate(forms.values()):
        (folder / str(number)).write_bytes(os.urandom(4096) + needle + os.urandom(4096))
    hunt = hunt_files(folder, [control])
    missing = [
        name for number, name in enumerate(forms) if f"{number} ({name})" not in hunt.found[control]
    ]
    blind = f"not found: {', '.join(missing)}" if missing else ""
    return Search("control: every form of a text", hunt.bytes_searched, (), blind, is_control=True)


def _search(place: str, hunt: Hunt, canaries: Sequence[str], control: str) -> Search:
    found = tuple(f"{where}" for canary in canaries for where in hunt.found[canary][:_FORMS_SHOWN])
    blind = "" if hunt.found[control] else f"{control!r} is there and was not found"
    return Search(place, hunt.bytes_searched, found, blind)
