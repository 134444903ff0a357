"""A service of one: a real enclave in its real process, behind its walls; the test is its host and
its quorum.

Blocks are made as in tests/enclave/chain.py; what makes them final is the enclave's own vote, cast
through the door.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.enclave.chain import EPOCH, Chain, Made
from tests.enclave.fixtures import REGION, identity_of, key_named, make_constitution, manufacturer

from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Digest, Height, Milliseconds, SignerIndex
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, Policy
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain, verify_genesis
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.replies import Freshness

TLS_KEY = Digest(bytes(32))
OPERATOR = "operator0"


class LoneMember(Chain):
    """The chain of a service whose only validator is `enclave`."""

    def __init__(self, folder: Path, genesis: VerifiedGenesis, sealed: bytes) -> None:
        self.folder, self.genesis, self.sealed = folder, genesis, sealed
        self.members = 1
        self.epochs = epoch_chain(genesis)
        self.tip = genesis.header
        self.blocks: list[Made] = []
        self.outcomes: list[Outcome] = []
        self.history = HistoryTree(genesis.header)
        self.enclave: EnclaveClient
        self._certificates: dict[bytes, Certificate] = {}

    # --- its life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """The next boot: a new process, unsealed."""
        self.enclave = await EnclaveClient.start(self.folder)
        self.sealed = await self.enclave.unseal(self.sealed, self.genesis.data)

    async def freshen(self) -> Freshness:
        """Show the enclave its own head over its own nonce: a quorum of one."""
        return await self.enclave.freshen([await self.head(await self.enclave.challenge())])

    async def head(self, nonce: bytes) -> Head:
        certificate = await self.certificate_of(self.tip) if self.blocks else None
        body = HeadBody(nonce, EPOCH, self.tip, certificate, None, ())
        return Head(
            body,
            self.genesis.description.validators[0].node_key,
            await self.enclave.sign_head(body),
        )

    # --- its ledger -------------------------------------------------------------------------------

    @property
    def anchor(self) -> Anchor:
        """Of everything executed."""
        return Anchor(Height(self.history.size - 1), self.history.root())

    async def certificate_of(self, header: Header) -> Certificate:
        """Of a block; cast once, and kept as a host keeps it."""
        if header.digest not in self._certificates:
            statement = Statement(Kind.FINALIZE, EPOCH, header.view, header.digest)
            votes = tuple(await self.enclave.cast([statement]))
            self._certificates[header.digest] = Certificate(statement, (SignerIndex(0),), votes)
        return self._certificates[header.digest]

    async def order(self, *envelopes: bytes) -> Made:
        """A block of these envelopes that is not executed yet."""
        return self.make({0: [envelopes]} if envelopes else {}, anchor=self.anchor)

    async def execute(self, made: Made) -> Outcome:
        certificate = await self.certificate_of(made.header)
        ((data, root),) = await self.enclave.execute(
            [(made.header, list(made.batches))], certificate
        )
        outcome = Outcome.decode(data).with_root(root)
        self.outcomes.append(outcome)
        self.history.append(outcome.history_leaf)
        return outcome

    async def give(self, *envelopes: bytes) -> Outcome:
        """Order and execute."""
        return await self.execute(await self.order(*envelopes))


async def constitution_and_evidence(enclave: EnclaveClient) -> tuple[bytes, bytes]:
    """PREPARE for a service of this one enclave."""
    measurement, chip_id = await enclave.measurement_and_chip()
    operator = key_named(OPERATOR)
    policy = Policy.of(
        measurements=[measurement],
        roots=[manufacturer().root_digest],
        allow_simulated=True,
        floors=[SIMULATED_FLOORS],
        chips=[(OPERATOR, chip_id)],
        operators=[(OPERATOR, operator.public)],
        regions=[REGION],
        max_age_ms=Milliseconds(600_000),
    )
    members = {"member0": key_named("member0")}
    issuer = ("payments", "issuer", identity_of(key_named("member0").public))
    constitution = make_constitution(policy, members, roles=(issuer,)).encode()
    signed = Deployment(
        name="n0", operator=OPERATOR, chip_id=chip_id, measurement=measurement, region=REGION
    ).sign(operator)
    identity = Identity(
        name="n0", operator=OPERATOR, region=REGION, tls_key=TLS_KEY, deployment=signed
    )
    evidence = await enclave.prepare(constitution, identity)
    return constitution, evidence


@dataclass(frozen=True)
class FoundedAlone:
    """What the founding of a service of one left behind."""

    folder: Path
    """Of the chip."""
    genesis: bytes
    sealed: bytes


async def found_alone(folder: Path) -> FoundedAlone:
    """Make a chip and found a service on it."""
    manufacturer().make_chip().save(folder)
    enclave = await EnclaveClient.start(folder)
    try:
        constitution, evidence = await constitution_and_evidence(enclave)
        genesis, wraps = await enclave.found(constitution, (evidence,))
        return FoundedAlone(folder, genesis, await enclave.accept(genesis, wraps))
    finally:
        await enclave.stop()


@asynccontextmanager
async def lone_member(founded: FoundedAlone) -> AsyncIterator[LoneMember]:
    """A member in its second boot, not yet fresh; its process ends with the context."""
    member = LoneMember(founded.folder, verify_genesis(founded.genesis), founded.sealed)
    await member.start()
    try:
        yield member
    finally:
        await member.enclave.stop()
