"""A local cluster grows and shrinks: members of its folder allow a new machine, or remove a node,
by ordinary votes.

Owns the order of these steps. What counts is decided on the ledger: every step is a public
transaction, proven by a receipt; a new node is admitted by its evidence and becomes a validator in
the epoch that this opens.
"""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.changes import parse_change
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.governing import Member, find_proposal, read_public_state
from strongroom.node.cluster.cluster import Cluster, Say, endpoint_of, open_cluster, write_service
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.cluster.plan import HOST, MEMBERS
from strongroom.node.config import Address, Peer
from strongroom.node.machine import ports
from strongroom.node.machine.durable_files import write_atomic
from strongroom.node.membership.joining import PreparedJoiner, prepare_joiner

GOVERNED_SECONDS_MAX = 60.0
"""Until an accepted change is in force, or a node in or out of the set."""
LOOK_SECONDS = 0.3
DECIDED = ("accepted", "active")


@dataclass(frozen=True, slots=True)
class Council:
    """The members whose keys lie in the cluster's folder."""

    reader: Reader
    members: tuple[Identity, ...]

    @classmethod
    async def gather(cls, reader: Reader) -> "Council":
        """Those who may govern now.

        Raises:
            OperatorFault: they are fewer than a majority.
        """
        state, keys = await read_public_state(reader), reader.service.keys
        public = {key: name for name, key in state.member_rules().voters}
        here = tuple(
            keys.load(file.name)
            for file in keys.list()
            if file.public in public and not file.sealed
        )
        if 2 * len(here) <= len(public):
            raise OperatorFault(
                f"keys of {len(here)} of {len(public)} members who vote are here, "
                "more than half must agree"
            )
        return cls(reader, here)

    async def decide(self, change: str, **texts: str) -> None:
        """Propose a change, and vote until it is in force.

        Raises:
            ProgramFailed: governance refuses it.
            OperatorFault: it does not come into force in time.
        """
        first, *others = self.members
        proposed = await Member(self.reader, first).propose(change, parse_change(change, texts))
        id, status = proposed.value
        proposal = find_proposal(
            await self.wait(f"{change} shown", lambda state: _proposal(state, id) is not None), id
        )
        for member in others:
            if status in DECIDED:
                break
            _, status = (await Member(self.reader, member).vote(proposal, yes=True)).value
        await self.wait(f"{change} in force", lambda state: _proposal(state, id) == "active")

    async def wait(self, what: str, condition: Any) -> PublicState:
        """Wait until the public state is so.

        Raises:
            OperatorFault: not in time.
        """
        try:
            async with asyncio.timeout(GOVERNED_SECONDS_MAX):
                while not condition(state := await read_public_state(self.reader)):
                    await asyncio.sleep(LOOK_SECONDS)
                return state
        except TimeoutError:
            raise OperatorFault(
                f"not within {GOVERNED_SECONDS_MAX:g} s: {what}; look at `strongroom gov show`"
            ) from None


async def add_node(cluster: Cluster, *, region: str | None, say: Say) -> Cluster:
    """A further node: its folder, the votes that allow its machine, its start, until it votes.

    Raises:
        OperatorFault: a step fails; what was voted stays, the folder only once its node was
            started.
    """
    async with Reader(cluster.service()) as reader:
        council = await Council.gather(reader)
        policy = (await read_public_state(reader)).member_rules().policy
        number = 1 + max(int(name.removeprefix("n")) for name in cluster.names)
        place = region or policy.regions[number % len(policy.regions)]
        if place not in policy.regions:
            raise OperatorFault(
                f"members have not allowed region {place!r} (allowed: "
                f"{', '.join(policy.regions)}): choose another --region, or have them vote first: "
                f"`strongroom gov propose allow_region region={quote(place)} --as {MEMBERS[0]}`"
            )
        say(f"making n{number}: a chip, a TLS key, keys sealed in its enclave")
        prepared = await _prepare(cluster, number, place)
        say(f"members allow operator {prepared.operator} and its chip")
        try:
            await _allow(council, prepared)
        except BaseException:
            shutil.rmtree(prepared.layout.directory, ignore_errors=True)
            raise
        grown = open_cluster(cluster.layout.directory)
        _publish(grown, with_node=grown.node(prepared.name))
        say(
            f"starting {prepared.name}; it shows its evidence, "
            "catches up, and joins the set with the next epoch"
        )
        await grown.node(prepared.name).start()
        await council.wait(
            f"{prepared.name} a validator",
            lambda state: _status(state, prepared.name) == "validator",
        )
    await grown.wait_voting(prepared.name)
    return grown


async def remove_node(cluster: Cluster, name: str, *, say: Say) -> Cluster:
    """Have members remove a node from the set; then stop it. Its folder stays.

    Raises:
        OperatorFault: there is no such node, or it is the last one.
    """
    node = cluster.node(name)
    if len(cluster.members) < 2:
        raise OperatorFault(
            f"{name} is the last node: stop the cluster with `strongroom cluster down`"
        )
    async with Reader(cluster.service()) as reader:
        council = await Council.gather(reader)
        if _status(await read_public_state(reader), name) not in (None, "removed"):
            say(f"members remove {name}")
            await council.decide("remove_node", node=name)
            await council.wait(f"{name} out of the set", lambda state: _is_out(state, name))
    say(f"stopping {name}; its folder stays")
    await node.stop()
    _publish(cluster, without=node)
    return cluster


def peers_of(nodes: Sequence[NodeProcess]) -> tuple[Peer, ...]:
    """Where these nodes are found, by nodes and by clients."""
    configs = [node.config() for node in nodes if endpoint_of(node) is not None]
    return tuple(Peer(config.name, config.peer, rpc=config.rpc) for config in configs)


async def _prepare(cluster: Cluster, number: int, region: str) -> PreparedJoiner:
    reservation = _ports(cluster, number)
    try:
        rpc, peer, health = (Address(HOST, port) for port in reservation.ports)
        return await prepare_joiner(
            cluster.layout,
            name=f"n{number}",
            operator=f"operator{number}",
            region=region,
            rpc=rpc,
            peer=peer,
            peers=peers_of(cluster.members),
            health=health,
        )
    finally:
        reservation.release()


def _ports(cluster: Cluster, number: int) -> ports.Reservation:
    """The next ones where the cluster's are in a row (--base-port), else free ones."""
    readable = [node for node in cluster.nodes if endpoint_of(node) is not None]
    configs = {int(node.name.removeprefix("n")): node.config() for node in readable}
    bases = {(config.rpc.port - at, config.peer.port - at) for at, config in configs.items()}
    if len(bases) == 1:
        ((rpc, peer),) = bases
        if rpc + number < peer:
            return ports.reserve([rpc + number, peer + number, 2 * peer - rpc + number], HOST)
    return ports.reserve_free(3, HOST)


async def _allow(council: Council, joiner: PreparedJoiner) -> None:
    policy = (await read_public_state(council.reader)).member_rules().policy
    if joiner.measurement not in policy.measurements:
        await council.decide("allow_measurement", measurement=joiner.measurement.hex())
    if policy.operator_key(joiner.operator) is None:
        await council.decide(
            "allow_operator", operator=joiner.operator, key=joiner.operator_key.hex()
        )
    await council.decide("allow_chip", operator=joiner.operator, chip=joiner.chip_id.hex())


def _publish(
    cluster: Cluster, *, with_node: NodeProcess | None = None, without: NodeProcess | None = None
) -> None:
    """Tell clients of a further node, or no longer of one: bundle first, then service.json; the
    others stay as told."""
    layout = cluster.layout
    bundle, document = layout.ca.read_bytes(), json.loads(layout.service.read_bytes())
    endpoints: list[str] = document["endpoints"]
    if without is not None and (at := endpoint_of(without)) in endpoints and len(endpoints) > 1:
        endpoints.remove(at)
        bundle = bundle.replace(without.layout.tls_certificate.read_bytes(), b"")
    if with_node is not None and (at := endpoint_of(with_node)) is not None and at not in endpoints:
        endpoints.append(at)
        bundle += with_node.layout.tls_certificate.read_bytes()
    write_atomic(layout.ca, bundle, mode=0o644)
    write_service(layout.service, document)


def _proposal(state: PublicState, id: str) -> str | None:
    """Where a proposal stands; None where it is not known yet."""
    return next((one.status for one in state.proposals if one.id == id), None)


def _status(state: PublicState, name: str) -> str | None:
    """Of the newest node of this name; None when there is none."""
    found = [node for node in state.nodes if node.name == name]
    return max(found, key=lambda node: node.admitted_height).status if found else None


def _is_out(state: PublicState, name: str) -> bool:
    members = {
        validator.node_key for validator in EpochDescription.decode(state.description).validators
    }
    return all(node.node_key not in members for node in state.nodes if node.name == name)
