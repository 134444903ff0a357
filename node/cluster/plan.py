"""What a new local cluster is to be: how many nodes, on which ports, and who is in it.

Owns these choices and their defaults; makes nothing.
"""

from dataclasses import dataclass

from strongroom.consensus.errors import OperatorFault
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.config import PEERS_MAX, PORT_MAX
from strongroom.node.machine import ports
from strongroom.node.organisations import Quota

HOST = "127.0.0.1"
DEFAULT_NODES = 4
DEFAULT_BASE_PORT = 7400
DEFAULT_PORT_STRIDE = 10
MEMBERS = ("member0", "member1", "member2", "member3")
ISSUER = "member0"
USERS = ("alice", "bob", "carol")
BRINGER = MEMBERS[0]
"""Brings whoever gets a key in the folder later onto the roster."""
LOCAL_LIMITS = (
    ("activation_delay_ms", 2_000),
    ("bytes_per_user", 16 * 2**30),
    ("entries_per_user", 10_000_000),
    ("sessions_per_identity", 2**16),
)
"""Limits of governance that differ from the defaults: nobody wants to wait an hour for a fifth node
on a laptop, and what fills it is its owner's."""
LOCAL_ORGANISATION = "local"
LOCAL_QUOTA = Quota(envelopes_per_second=1_000_000, bytes_per_second=2**30)
"""A cluster on one machine is its owner's: only what execution refuses is counted as anywhere
else."""
NODES_WARNING = {
    2: (
        "2 nodes: both must answer, and one liar breaks "
        "agreement; use 4 or more for anything but trying"
    ),
    3: (
        "3 nodes: all must answer, and one equivocating node can fork the ledger; use 4 or more "
        "for anything but trying"
    ),
}


class PlanImpossible(OperatorFault):
    """What was asked for cannot be met, or its place is taken; nothing was made."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new local cluster is to be."""

    nodes: int = DEFAULT_NODES
    base_port: int = DEFAULT_BASE_PORT
    """Node i serves clients on base + i; 0 picks free ports."""
    port_stride: int = DEFAULT_PORT_STRIDE
    """Node i serves peers on base + stride + i, health and metrics on base + 2 × stride + i."""
    service_name: str = "strongroom-local"
    limits: tuple[tuple[str, int], ...] = LOCAL_LIMITS
    """(name, value) of governance's limits (enclave/governance/rules.py); the others have their
    defaults."""
    archive: ArchiveSettings | None = None
    """Around the archives of all nodes: each has a folder of its name in it."""

    def check(self) -> None:
        """Raises OperatorFault when it cannot be met."""
        if not 1 <= self.nodes <= PEERS_MAX + 1:
            raise PlanImpossible(
                f"--nodes is from 1 to {PEERS_MAX + 1}, got {self.nodes}: 4 survive the loss of one"
            )
        if self.base_port == 0:
            return
        if self.nodes > self.port_stride:
            raise PlanImpossible(
                f"{self.nodes} nodes need --port-stride {self.nodes} or more:"
                " node i uses base+i, base+stride+i and base+2*stride+i"
            )
        highest = PORT_MAX - 2 * self.port_stride - self.nodes
        if not 1024 <= self.base_port <= highest:
            raise PlanImpossible(f"--base-port is 0 or from 1024 to {highest}: 0 picks free ports")

    def reserve_ports(self) -> ports.Reservation:
        """RPC ports of all nodes, then their peer ports, then their health ports. Raises
        PortTaken."""
        if self.base_port == 0:
            return ports.reserve_free(3 * self.nodes, HOST)
        offsets = [
            row * self.port_stride + index for row in range(3) for index in range(self.nodes)
        ]
        return ports.reserve([self.base_port + offset for offset in offsets], HOST)
