"""How a service is founded (DESIGN §5, Genesis): the steps between enclaves, carried by untrusted
hands.

Owns the order of the steps and the files that they leave. Every secret is made, wrapped, checked
and sealed inside enclaves; what passes through here is public or sealed. Here all enclaves run
on one machine and none of its owners distrusts another; between organisations the same steps are
files that they exchange and check (ceremony_steps.py).
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from strongroom.consensus.types import ChainId, Digest, Milliseconds, PublicKey
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment, SignedDeployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, Policy
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.primitives import Secret, SigningKey, random_bytes
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.proofs.genesis import Constitution, pin_of, verify_genesis
from strongroom.node import tls
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.layout import SEALED_STATE, ClusterLayout, NodeLayout
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic

EVIDENCE_AGE_MAX_MS = Milliseconds(24 * 3600 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One node of a service to be founded."""

    name: str
    region: str
    operator: str
    rpc_port: int
    peer_port: int


@dataclass(frozen=True, slots=True)
class FoundService:
    """What everybody may know of a founded service."""

    chain: ChainId
    pin: str


@dataclass(frozen=True, slots=True)
class _Seat:
    """One node during the ceremony."""

    spec: NodeSpec
    layout: NodeLayout
    enclave: EnclaveClient
    deployment: SignedDeployment
    chip_id: bytes
    measurement: bytes


async def found(
    directory: Path,
    *,
    nodes: Sequence[NodeSpec],
    members: Sequence[tuple[str, PublicKey]],
    roles: Sequence[tuple[str, str, Digest]],
    service_name: str,
    limits: Sequence[tuple[str, int]] = (),
    countries: Sequence[tuple[str, str]] = (),
    affiliations: Sequence[tuple[PublicKey, str]] = (),
) -> FoundService:
    """Found a service of these nodes under `directory`, where each node's TLS certificate lies
    already; `countries` says where regions lie, `affiliations` for which operator a member acts.

    Raises:
        OperatorFault: a file, key or process is not as it must be.
        Refusal: an enclave refused another one's evidence.
    """
    cluster = ClusterLayout(directory)
    manufacturer = await asyncio.to_thread(Manufacturer.create)
    manufacturer.save(cluster.platform)
    operators = {spec.operator: SigningKey(Secret.fresh()) for spec in nodes}
    async with AsyncExitStack() as stack:
        seats = await asyncio.gather(
            *(_seat(stack, cluster, manufacturer, spec, operators[spec.operator]) for spec in nodes)
        )
        policy = Policy.of(
            measurements=[seat.measurement for seat in seats],
            roots=[manufacturer.root_digest],
            allow_simulated=True,
            floors=[SIMULATED_FLOORS],
            chips=[(seat.spec.operator, seat.chip_id) for seat in seats],
            operators=[(name, key.public) for name, key in operators.items()],
            regions=[spec.region for spec in nodes],
            max_age_ms=EVIDENCE_AGE_MAX_MS,
            countries=countries,
        )
        constitution = Constitution(
            name=service_name,
            salt=random_bytes(32),
            created_ms=Milliseconds(time_ns() // 1_000_000),
            policy=policy,
            members=tuple(sorted(members)),
            roles=tuple(sorted(roles)),
            programs=PROGRAM_NAMES,
            limits=tuple(sorted(limits)),
            affiliations=tuple(sorted(affiliations)),
        ).encode()
        genesis = await _exchange(seats, constitution)
    write_atomic(cluster.genesis, genesis, mode=0o644)
    chain = verify_genesis(genesis).chain
    return FoundService(chain, pin_of(chain))


async def _seat(
    stack: AsyncExitStack,
    cluster: ClusterLayout,
    manufacturer: Manufacturer,
    spec: NodeSpec,
    operator: SigningKey,
) -> _Seat:
    layout = cluster.node(spec.name)
    manufacturer.make_chip().save(layout.chip)
    enclave = await EnclaveClient.start(layout.chip, layout.log)
    stack.push_async_callback(enclave.stop)
    measurement, chip_id = await enclave.measurement_and_chip()
    deployment = Deployment(
        name=spec.name,
        operator=spec.operator,
        chip_id=chip_id,
        measurement=measurement,
        region=spec.region,
    )
    return _Seat(spec, layout, enclave, deployment.sign(operator), chip_id, measurement)


async def _exchange(seats: Sequence[_Seat], constitution: bytes) -> bytes:
    """Evidence from all to all, the secret from the lowest to all, each sealed in its own enclave;
    the genesis."""
    evidences = await asyncio.gather(*(_prepare(seat, constitution) for seat in seats))
    by_key = sorted(
        zip(map(_node_key, evidences), evidences, seats, strict=True), key=lambda entry: entry[0]
    )
    founder = by_key[0][2]
    genesis, wraps = await founder.enclave.found(
        constitution, tuple(evidence for _, evidence, _ in by_key)
    )
    await asyncio.gather(*(_accept(seat, genesis, wraps) for seat in seats))
    return genesis


async def _prepare(seat: _Seat, constitution: bytes) -> bytes:
    identity = Identity(
        name=seat.spec.name,
        operator=seat.spec.operator,
        region=seat.spec.region,
        tls_key=tls.spki_digest(seat.layout.tls_certificate.read_bytes()),
        deployment=seat.deployment,
    )
    return await seat.enclave.prepare(constitution, identity)


async def _accept(seat: _Seat, genesis: bytes, wraps: bytes) -> None:
    sealed = await seat.enclave.accept(genesis, wraps)
    make_directory(seat.layout.sealed)
    write_atomic(seat.layout.sealed / SEALED_STATE, sealed)
    # The log exists from the founding on: a node that later finds none has lost it, and only
    # observes (PROTOCOL §6).
    WriteAheadLog.open(seat.layout.wal).close()


def _node_key(evidence: bytes) -> PublicKey:
    return Claims.decode(Evidence.decode(evidence).claims).node_key
