"""How many descriptors this process may have, and what each share of them is for.

Owns the division: the node's own files and its enclave come first, then health, then peers, then
clients. A stranger can use up a share, never the descriptors of another one (T31). Knows no socket.
"""

import resource
from dataclasses import dataclass

from strongroom.consensus.errors import OperatorFault

OWN = 96
"""Ledger, log, index, snapshots, the enclave's sockets, the event loop, threads that read files."""
HEALTH = 16
"""Connections to each of the two sockets of health and of metrics."""
REFUSED_MAX = 32
"""Clients that are being told 503."""
PEER_SHARE = 3
"""Peers have one part of so many, while there are not enough descriptors for all."""
DESCRIPTORS_MIN = 256
DESCRIPTORS_MAX = 1 << 20
"""Taken for a hard limit of "unlimited"."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Connections that each door may have open at a time."""

    clients: int
    refused: int
    peers: int
    """Links, handshakes and dials together."""
    health: int


def raise_limit() -> int:
    """Raise the soft limit of descriptors to the hard one; returns what holds now.

    Raises:
        OperatorFault: the hard limit is too low for a node to work under attack.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # the kernel's own bound is lower than "unlimited"
            wanted = soft
    if wanted < DESCRIPTORS_MIN:
        raise OperatorFault(
            f"only {wanted} open files are allowed, a node needs {DESCRIPTORS_MIN}:"
            " raise `ulimit -Hn`, or LimitNOFILE= of its service"
        )
    return wanted


def divide(descriptors: int, *, clients: int, peers: int) -> Shares:
    """Share out `descriptors`; `clients` and `peers` are what is wanted of each at most."""
    left = descriptors - OWN - 2 * HEALTH - REFUSED_MAX
    for_peers = min(peers, left // PEER_SHARE)
    return Shares(min(clients, left - for_peers), REFUSED_MAX, for_peers, HEALTH)
