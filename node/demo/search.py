"""The demo's search for plaintext: all files of a cluster and the memory of all its hosts, with a
positive control.

Owns where is searched and what follows from a find. How is searched stands in hunt.py.
"""

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.demo.hunt import hunt_files, hunt_memory
from strongroom.node.terminal.teller import StoryFails, Teller


def search_everything(cluster: Cluster, secret: str, control: str, teller: Teller) -> int:
    """Search for a secret, and for a public text that must be found in each place; returns bytes
    searched.

    Raises:
        StoryFails: the secret was found, or a search is blind.
        CannotHunt: a place cannot be searched.
    """
    folder, texts = cluster.layout.directory.absolute(), [secret, control]
    hunts = {"all files": hunt_files(folder, texts)}
    for node in cluster.running():
        host = node.host()
        if host is not None:
            hunts[f"memory of {node.name}'s host"] = hunt_memory(host.pid, texts, searched=folder)
    rows = [
        [
            place,
            f"{hunt.bytes_searched / 2**20:.1f} MiB",
            _words(hunt.found[secret]),
            _words(hunt.found[control]),
        ]
        for place, hunt in hunts.items()
    ]
    teller.table(["searched", "size", "the memo (raw, hex, base64)", f"control: {control!r}"], rows)
    for place, hunt in hunts.items():
        if hunt.found[secret]:
            raise StoryFails(f"the memo stands in {place}: {'; '.join(hunt.found[secret])}")
        if not hunt.found[control]:
            raise StoryFails(
                f"the search of {place} is blind: it does not find {control!r}, which must be there"
            )
    return sum(hunt.bytes_searched for hunt in hunts.values())


def _words(found: tuple[str, ...]) -> str:
    return f"FOUND ({len(found)})" if found else "not found"
