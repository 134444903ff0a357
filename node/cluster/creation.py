"""Making a local cluster's folder: keys, certificates, the founding ceremony, configuration; all or
nothing.

Owns the order of these steps, and that a half-made folder is never seen: everything is made in a
temporary folder beside the wanted one and renamed at the end. What happens in the ceremony stands
in ceremony.py.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

from strongroom.enclave.programs.roster import roster
from strongroom.node import tls
from strongroom.node.archive_settings import own_archive
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster, Document, Say, open_cluster, write_service
from strongroom.node.cluster.plan import (
    HOST,
    ISSUER,
    LOCAL_ORGANISATION,
    LOCAL_QUOTA,
    MEMBERS,
    NODES_WARNING,
    USERS,
    Plan,
    PlanImpossible,
)
from strongroom.node.config import Address, NodeConfig, Peer, dumps
from strongroom.node.credentials import Credential
from strongroom.node.layout import ClusterLayout, dir_option
from strongroom.node.membership.ceremony import FoundService, NodeSpec, found
from strongroom.node.organisations import DoorPolicy, Organisation

_REGIONS = {"zurich": "CH", "frankfurt": "DE", "paris": "FR", "dublin": "IE"}
"""Made-up places of the local nodes, with their countries; node i stands in the (i mod 4)th."""


async def create(directory: Path, plan: Plan, *, say: Say) -> Cluster:
    """Make a cluster's folder; starts nothing.

    Args:
        directory: Must not exist, or be empty.
        plan: How many nodes, on which ports.
        say: Told what is done now.

    Raises:
        PlanImpossible: the plan cannot be met, or the folder is taken, or nothing can be made
            there.
        PortTaken: a port is in use.
    """
    plan.check()
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PlanImpossible(
            f"{directory} exists and is no cluster's folder: name another with --dir, or remove it"
        )
    if plan.nodes in NODES_WARNING:
        say(f"warning: {NODES_WARNING[plan.nodes]}")
    reservation = plan.reserve_ports()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.making-", dir=directory.parent))
    except OSError as error:
        reservation.release()
        raise PlanImpossible(
            f"cannot make a folder in {directory.parent} ({error.strerror}): go where you may "
            "write, or name another place with --dir"
        ) from None
    try:
        await _make(ClusterLayout(draft), directory, plan, reservation.ports, say)
        draft.rename(directory)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, asyncio.CancelledError):
            error.add_note(
                "interrupted: nothing was started, and the half-made folder is gone. Begin again "
                f"with `strongroom cluster up{dir_option(directory)}`"
            )
        raise
    finally:
        reservation.release()
    return open_cluster(directory)


async def _make(
    layout: ClusterLayout, final: Path, plan: Plan, numbers: list[int], say: Say
) -> None:
    regions = tuple(_REGIONS)
    specs = [
        NodeSpec(
            name=f"n{index}",
            region=regions[index % len(regions)],
            operator=f"operator{index}",
            rpc_port=numbers[index],
            peer_port=numbers[plan.nodes + index],
        )
        for index in range(plan.nodes)
    ]
    say(
        f"making keys of {len(MEMBERS)} members and {len(USERS)} "
        f"users, certificates of {plan.nodes} nodes"
    )
    keys = KeyFolder(layout.keys)
    people = {name: keys.new(name) for name in (*MEMBERS, *USERS)}
    credential = Credential.fresh()
    credential.save(layout.credential)
    local = Organisation(name=LOCAL_ORGANISATION, digest=credential.digest, quota=LOCAL_QUOTA)
    door = DoorPolicy(organisations=(local,), credential=layout.credential)
    for spec in specs:
        _make_node(layout, spec, specs, numbers[2 * plan.nodes + specs.index(spec)], door, plan)
    layout.ca.write_bytes(
        b"".join(layout.node(spec.name).tls_certificate.read_bytes() for spec in specs)
    )
    say(
        "founding the service: simulated chips, enclaves, their "
        "evidence checked by each other, genesis"
    )
    founded = await found(
        layout.directory,
        nodes=specs,
        members=[(name, people[name].public) for name in MEMBERS],
        roles=[
            ("payments", "issuer", people[ISSUER].id),
            *((roster.name, "user", people[name].id) for name in USERS),
        ],
        service_name=plan.service_name,
        limits=plan.limits,
        countries=tuple(_REGIONS.items()),
        affiliations=[(people[name].public, f"operator{i}") for i, name in enumerate(MEMBERS)],
    )
    write_service(layout.service, _service(founded, specs, final))


def _make_node(
    layout: ClusterLayout,
    spec: NodeSpec,
    specs: list[NodeSpec],
    health: int,
    door: DoorPolicy,
    plan: Plan,
) -> None:
    node = layout.node(spec.name)
    node.directory.mkdir(mode=0o700)
    tls.write_identity(
        tls.make_certificate(spec.name), certificate=node.tls_certificate, key=node.tls_key
    )
    config = NodeConfig(
        name=spec.name,
        directory=node.directory,
        genesis=layout.genesis,
        rpc=Address(HOST, spec.rpc_port),
        peer=Address(HOST, spec.peer_port),
        peers=tuple(
            Peer(other.name, Address(HOST, other.peer_port)) for other in specs if other is not spec
        ),
        health=Address(HOST, health),
        web=True,
        door=door,
        archive=None if plan.archive is None else own_archive(plan.archive, spec.name),
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
