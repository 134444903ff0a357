"""A service whose members hold shares, and whose enclaves are all lost: its ledger, its members,
and enclaves without keys that bring it back.

Blocks are final as in chain.py, real secrets are shared, and the members are honest or not as a
test has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from tests.enclave.chain import Chain, funded, pay
from tests.enclave.fixtures import MEASUREMENT, REGION, FoundedCluster, make_cluster_genesis
from tests.enclave.probe import probe

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.recovery import Agreement, Finality, RecoveryCertificate
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import (
    GivenShare,
    RecoveryPlan,
    handed_info,
    statement_digest,
)
from strongroom.enclave.formats.recovery_share import Share
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.governance.recovering import one_time_key
from strongroom.enclave.keys.identity import Identity as NodeIdentity
from strongroom.enclave.keys.recovery import make_generation, open_share
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey, hybrid_seal
from strongroom.enclave.programs import PROGRAMS

THRESHOLD = 2
LEDGER_PROGRAMS = {**PROGRAMS, "probe": probe}
Record = tuple[Header, tuple[Batch, ...], Finality | None, bytes]


@cache
def mortal() -> FoundedCluster:
    """Founded with recovery by two of its four members."""
    programs = ("payments", "probe", "records", "rooms", "system", "vault")
    return make_cluster_genesis(4, programs=programs, limits={"recovery_threshold": THRESHOLD})


def recovery_key(name: str) -> HybridKey:
    return HybridKey(Secret(sha256(f"recovery key of {name}".encode()).digest()))


class Mortal(Chain):
    """A chain on which members take shares."""

    def __init__(self) -> None:
        super().__init__(mortal())
        self.members_keys: dict[str, SigningKey] = dict(self.cluster.members)
        self.names = sorted(self.members_keys)

    def say(self, key: SigningKey, action: str, fields: tuple[object, ...]) -> bytes:
        return sign_public(key.public, key.sign, self.genesis.chain, action, fields)

    def share(self) -> Generation:
        """Recovery keys, a generation, its checks, its holders: a generation in force."""
        at = int(self.tip.height)
        self.commit(
            *[
                self.say(key, says.RECOVERY_KEY, (recovery_key(name).public, b"", at))
                for name, key in self.members_keys.items()
            ]
        )
        missing = self.executor.governance.recovery_due(Milliseconds(self.tip.time_ms + 10))
        assert missing is not None
        one = make_generation(
            chain=self.genesis.chain,
            number=missing.number,
            basis=missing.basis,
            threshold=missing.threshold,
            members=missing.members,
            secrets=[self.cluster.secrets[0].without_input()],
        )
        nodes = [keys.node for keys in self.cluster.keys]
        self.commit(self.say(nodes[0], says.GENERATION, (one.number, 0, 1, one.encode())))
        checked = [self.say(node, says.CHECKED, (one.number, one.digest)) for node in nodes[1:3]]
        held = [
            self.say(self.members_keys[name], says.SHARE_HELD, (one.number, one.digest))
            for name in self.names[: one.needed]
        ]
        self.commit(*checked, *held)
        return one

    def records(self, executed: int | None = None) -> list[Record]:
        """The ledger as a host holds it: outcomes up to a height, or all that there are."""
        last = len(self.outcomes) if executed is None else executed
        return [
            (
                made.header,
                made.batches,
                self.certificate(made.header),
                self.outcomes[at].encode() if at < last else b"",
            )
            for at, made in enumerate(self.blocks)
        ]


@dataclass
class Dead:
    """The ledger that is left, and what its members know."""

    chain: Mortal
    generation: Generation
    records: list[Record]
    balance: int
    """Bob's, at the end."""


def died(*, lost: int = 0, members: int = 4) -> Dead:
    """A service that paid, and died with `lost` ordered blocks that nobody had executed."""
    chain = Mortal()
    session = funded(chain)
    chain.commit(pay(chain, session, 70))
    generation = chain.share()
    chain.commit(pay(chain, session, 5))
    chain.commit()
    balance = 75
    for _ in range(lost):
        chain.make({0: [[pay(chain, session, 1)]]})
    return Dead(chain, generation, chain.records(), balance)


def enclave(dead: Dead, index: int, *, chip: SimulatedChip | None = None) -> Recovery:
    """An enclave without keys on the machine of a former node."""
    cluster, genesis = dead.chain.cluster, dead.chain.genesis
    held = chip or cluster.chips[index]
    return Recovery(
        held,
        measurement(),
        held.sealing_secret(MEASUREMENT),
        genesis,
        identity_of(dead, index, held),
        LEDGER_PROGRAMS,
    )


def identity_of(dead: Dead, index: int, chip: SimulatedChip) -> NodeIdentity:
    one = dead.chain.cluster.applicants[index]
    deployment = Deployment(
        name=one.name,
        operator=one.operator,
        chip_id=chip.chip_id,
        measurement=MEASUREMENT,
        region=REGION,
    )
    return NodeIdentity(
        name=one.name,
        operator=one.operator,
        region=REGION,
        tls_key=Digest(sha256(b"tls " + one.name.encode()).digest()),
        deployment=deployment.sign(one.operator_key),
    )


class Founded(Measurement):
    """That of the founded nodes."""

    @property
    def digest(self) -> bytes:
        return MEASUREMENT


def measurement() -> Measurement:
    return Founded(files=(), python="", programs=())


def followed(dead: Dead, index: int = 0) -> Recovery:
    one = enclave(dead, index)
    one.follow(dead.records)
    return one


def planned(dead: Dead, indexes: Sequence[int] = (0,)) -> tuple[list[Recovery], RecoveryPlan]:
    """Enclaves that followed the ledger, the lead first, and its plan, which the others joined."""
    ones = [followed(dead, index) for index in indexes]
    shown = {one.show()[1]: one for one in ones}
    now = Milliseconds(dead.records[-1][0].time_ms + 5_000)
    lead = min(ones, key=lambda one: one._need()[0].keys.node.public)
    _, encoded, _ = lead.plan(list(shown), now)
    others = [one for one in ones if one is not lead]
    for one in others:
        one.join(encoded)
    return [lead, *others], RecoveryPlan.decode(encoded)


def agreed(dead: Dead, plan: RecoveryPlan, name: str, key: SigningKey | None = None) -> Agreement:
    key = key or dead.chain.members_keys[name]
    return Agreement(key.public, key.sign(plan.statement.signed_bytes(dead.chain.genesis.chain)))


def share_of(dead: Dead, name: str) -> Share:
    key = dead.chain.members_keys[name].public
    return open_share(dead.generation, key, recovery_key(name))


def given(
    dead: Dead,
    plan: RecoveryPlan,
    name: str,
    *,
    share: Share | None = None,
    agreement: Agreement | None = None,
) -> GivenShare:
    """What an honest member's client hands over; or another share or agreement in its place."""
    chain = dead.chain.genesis.chain
    one = agreement or agreed(dead, plan, name)
    statement = statement_digest(chain, plan.statement)
    sealed = hybrid_seal(
        one_time_key(plan.evidence[0]),
        (share or share_of(dead, name)).encode(),
        handed_info(chain, statement, one.member),
    )
    return GivenShare(statement, one, sealed)


def go_on(dead: Dead, one: Recovery) -> tuple[list[Outcome], bytes]:
    """Apply what is recorded, lose the rest, end: (outcomes made, the node's sealed state)."""
    kept = [(header, data) for header, _, _, data in dead.records if data]
    one.apply([header for header, _ in kept], [data for _, data in kept])
    rest = [(header, batches) for header, batches, _, data in dead.records if not data]
    made = one.lose(rest)
    last, sealed = one.end()
    return [Outcome.decode(data) for data in (*made, last)], sealed


def certified(dead: Dead, names: Sequence[str] = ("member0", "member1")) -> RecoveryCertificate:
    """A certificate that these members made."""
    (lead, *_), plan = planned(dead)
    for name in names:
        lead.take(given(dead, plan, name).encode())
    return lead.open()[0]
