"""Making a local cluster's folder: keys, certificates, the founding ceremony, configuration; all or nothing.

Owns the order of these steps, and that a half-made folder is never seen: everything is made in a temporary folder
beside the wanted one and renamed at the end. What happens in the ceremony stands in ceremony.py.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node import ports, tls
from strongroom.node.ceremony import FoundService, NodeSpec, found
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster import Cluster, Document, Say, open_cluster, write_service
from strongroom.node.config import PEERS_MAX, PORT_MAX, Address, NodeConfig, Peer, dumps
from strongroom.node.layout import ClusterLayout

HOST = "127.0.0.1"
DEFAULT_NODES = 4
DEFAULT_BASE_PORT = 7400
DEFAULT_PORT_STRIDE = 10
MEMBERS = ("member0", "member1", "member2", "member3")
ISSUER = "member0"
USERS = ("alice", "bob", "carol")
_REGIONS = ("zurich", "frankfurt", "paris", "dublin")
"""Made-up places of the local nodes; node i stands in the (i mod 4)th."""
_NODES_WARNING = {
    2: "2 nodes: both must answer, and one liar breaks agreement; use 4 or more for anything but trying",
    3: "3 nodes: all must answer, and one equivocating node can fork the ledger; use 4 or more for anything but trying",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new local cluster is to be."""

    nodes: int = DEFAULT_NODES
    base_port: int = DEFAULT_BASE_PORT
    """Node i serves clients on base + i; 0 picks free ports."""
    port_stride: int = DEFAULT_PORT_STRIDE
    """Node i serves peers on base + stride + i."""
    service_name: str = "strongroom-local"

    def check(self) -> None:
        """Raises OperatorFault when it cannot be met."""
        if not 1 <= self.nodes <= PEERS_MAX + 1:
            raise OperatorFault(f"--nodes is from 1 to {PEERS_MAX + 1}, got {self.nodes}")
        if self.base_port == 0:
            return
        if self.nodes > self.port_stride:
            raise OperatorFault(
                f"{self.nodes} nodes need --port-stride {self.nodes} or more: node i uses base+i and base+stride+i"
            )
        if not 1024 <= self.base_port <= PORT_MAX - self.port_stride - self.nodes:
            raise OperatorFault(f"--base-port is 0 or from 1024 to {PORT_MAX - self.port_stride - self.nodes}")

    def reserve_ports(self) -> ports.Reservation:
        """RPC ports of all nodes, then peer ports of all nodes. Raises PortTaken."""
        if self.base_port == 0:
            return ports.reserve_free(2 * self.nodes, HOST)
        offsets = [*range(self.nodes), *range(self.port_stride, self.port_stride + self.nodes)]
        return ports.reserve([self.base_port + offset for offset in offsets], HOST)


async def create(directory: Path, plan: Plan, *, say: Say) -> Cluster:
    """Make a cluster's folder; starts nothing.

    Args:
        directory: Must not exist, or be empty.
        plan: How many nodes, on which ports.
        say: Told what is done now.

    Raises:
        OperatorFault: the plan cannot be met, or the folder is taken.
        PortTaken: a port is in use.
    """
    plan.check()
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OperatorFault(f"{directory} exists and is no cluster's folder: name another with --dir, or remove it")
    if plan.nodes in _NODES_WARNING:
        say(f"warning: {_NODES_WARNING[plan.nodes]}")
    reservation = plan.reserve_ports()
    directory.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.making-", dir=directory.parent))
    try:
        await _make(ClusterLayout(draft), directory, plan, reservation.ports, say)
        draft.rename(directory)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        reservation.release()
    return open_cluster(directory)


async def _make(layout: ClusterLayout, final: Path, plan: Plan, numbers: list[int], say: Say) -> None:
    specs = [
        NodeSpec(
            name=f"n{index}",
            region=_REGIONS[index % len(_REGIONS)],
            operator=f"operator{index}",
            rpc_port=numbers[index],
            peer_port=numbers[plan.nodes + index],
        )
        for index in range(plan.nodes)
    ]
    say(f"making keys of {len(MEMBERS)} members and {len(USERS)} users, certificates of {plan.nodes} nodes")
    keys = KeyFolder(layout.keys)
    people = {name: keys.new(name) for name in (*MEMBERS, *USERS)}
    for spec in specs:
        _make_node(layout, spec, specs)
    layout.ca.write_bytes(b"".join(layout.node(spec.name).tls_certificate.read_bytes() for spec in specs))
    say("founding the service: simulated chips, enclaves, their evidence checked by each other, genesis")
    founded = await found(
        layout.directory,
        nodes=specs,
        members=[(name, people[name].public) for name in MEMBERS],
        roles=[("payments", "issuer", people[ISSUER].id)],
        service_name=plan.service_name,
    )
    write_service(layout.service, _service(founded, specs, final))


def _make_node(layout: ClusterLayout, spec: NodeSpec, specs: list[NodeSpec]) -> None:
    node = layout.node(spec.name)
    node.directory.mkdir(mode=0o700)
    tls.write_identity(tls.make_certificate(spec.name), certificate=node.tls_certificate, key=node.tls_key)
    config = NodeConfig(
        name=spec.name,
        directory=node.directory,
        genesis=layout.genesis,
        rpc=Address(HOST, spec.rpc_port),
        peer=Address(HOST, spec.peer_port),
        peers=tuple(Peer(other.name, Address(HOST, other.peer_port)) for other in specs if other is not spec),
    )
    node.config.write_text(dumps(config, base=node.directory))


def _service(founded: FoundService, specs: list[NodeSpec], final: Path) -> Document:
    """`service.json`: what a client needs to find and to pin the service."""
    return {
        "service": founded.pin,
        "chain": founded.chain.hex(),
        "endpoints": [f"https://{HOST}:{spec.rpc_port}" for spec in specs],
        "ca": str(ClusterLayout(final).ca),
    }
