"""A service with real enclaves whose members hold shares: it lives, dies, is recovered, and lives
on, as often as a test wishes.

Owns the disaster (every enclave's keys are lost, the ledger is left), its recovery by the enclaves
of some former nodes, and the first boot of those. Sessions, payments and governance are World's.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from tests.enclave.chain import person
from tests.enclave.dead_service import Record, recovery_key
from tests.enclave.fixtures import REGION, FoundedCluster, make_cluster_genesis
from tests.enclave.service_world import Block, World

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.recovery import Agreement, RecoveryCertificate
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import (
    GivenShare,
    RecoveryPlan,
    handed_info,
    statement_digest,
)
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.governance.recovering import one_time_key
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.recovery import open_share
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.primitives import SigningKey, hybrid_seal

THRESHOLD = 2
PROGRAMS = ("payments", "records", "system", "vault")


@cache
def founded() -> FoundedCluster:
    limits = {"recovery_threshold": THRESHOLD, "activation_delay_ms": 0}
    return make_cluster_genesis(programs=PROGRAMS, limits=limits)


class MortalWorld(World):
    """`World`, whose members have recovery keys and take shares."""

    def __init__(self) -> None:
        super().__init__(founded())
        self.finalities: dict[int, RecoveryCertificate] = {}
        """By the height of the block that members opened an epoch with."""
        self.names = sorted(self.cluster.members)

    # --- living ---

    def member(self, name: str, action: str, *fields: object) -> bytes:
        key = self.cluster.members[name]
        return sign_public(key.public, key.sign, self.chain, action, fields)

    def publish_keys(self) -> None:
        at = int(self.tip.height)
        self.commit(
            *(
                self.member(name, says.RECOVERY_KEY, recovery_key(name).public, b"", at)
                for name in self.names
            )
        )

    def governance_now(self) -> Generation | None:
        """The generation in force, or the newest one."""
        recovery = self.voters()[0].governance.recovery
        records = recovery.generations()
        return recovery.generation(records[-1]) if records else None

    def share(self) -> Generation:
        """Enclaves make the generation that is due, and find it right; members hold it."""
        recovery = self.voters()[0].governance.recovery
        before = recovery.last_number
        for _ in range(40):
            self.commit(*self.duties(), after_ms=1_000)
            recovery = self.voters()[0].governance.recovery
            if recovery.last_number > before:
                break
        made = self.governance_now()
        assert made is not None
        held = [
            self.member(name, says.SHARE_HELD, made.number, made.digest)
            for name in self.names[: made.needed]
        ]
        self.commit(*held, *self.duties(), after_ms=1_000)
        self.commit(*self.duties(), after_ms=1_000)
        active = self.voters()[0].governance.recovery.active
        assert active is not None
        assert active.number == made.number
        self.commit()
        return made

    def pay(self, session: ClientSession, amount: int, to: str = "bob") -> Result:
        call = self.call("payments.transfer", to=to, amount=amount)
        sequence, envelope = session.seal_call(call)
        return self.result(session, sequence, envelope, self.commit(envelope))

    def once(self, who: str, name: str, /, **arguments: object) -> Result:
        session, envelope = self.open(who, self.call(name, **arguments), close=True)
        return self.result(session, 0, envelope, self.commit(envelope))

    def session(self, who: str) -> ClientSession:
        session, envelope = self.open(who)
        self.commit(envelope)
        return session

    # --- the ledger that is left ---

    def records(self, *, executed: int | None = None) -> list[Record]:
        last = len(self.outcomes) if executed is None else executed
        return [
            (
                block.header,
                block.batches,
                self.finalities.get(int(block.header.height), block.certificate),
                self.outcomes[at] if at < last else b"",
            )
            for at, block in enumerate(self.blocks)
        ]

    # --- dying and coming back ---

    def enclave(self, index: int) -> Recovery:
        """One without keys on the machine of a founding node."""
        chip, one = self.cluster.chips[index], self.cluster.applicants[index]
        deployment = Deployment(
            name=one.name,
            operator=one.operator,
            chip_id=chip.chip_id,
            measurement=self.cluster.measurement,
            region=REGION,
        )
        identity = Identity(
            name=one.name,
            operator=one.operator,
            region=REGION,
            tls_key=Digest(sha256(b"tls " + one.name.encode()).digest()),
            deployment=deployment.sign(one.operator_key),
        )
        return Recovery(
            chip,
            self.measured,  # type: ignore[arg-type]
            chip.sealing_secret(self.cluster.measurement),
            self.cluster.verified,
            identity,
        )

    def planned(
        self, indexes: Sequence[int] = (0,), records: list[Record] | None = None
    ) -> tuple[list[Recovery], RecoveryPlan, Generation]:
        """Enclaves that followed the ledger, the lead first, its plan, and the shares in force."""
        ones = [self.enclave(index) for index in indexes]
        for one in ones:
            one.follow(self.records() if records is None else records)
        shown = [one.show()[1] for one in ones]
        lead = min(ones, key=lambda one: one._need()[0].keys.node.public)
        _, encoded, shares = lead.plan(shown, Milliseconds(self.tip.time_ms + 5_000))
        others = [one for one in ones if one is not lead]
        for one in others:
            one.join(encoded)
        return [lead, *others], RecoveryPlan.decode(encoded), Generation.decode(shares)

    def given(self, plan: RecoveryPlan, generation: Generation, name: str) -> GivenShare:
        key: SigningKey = self.cluster.members[name]
        statement = statement_digest(self.chain, plan.statement)
        share = open_share(generation, key.public, recovery_key(name))
        sealed = hybrid_seal(
            one_time_key(plan.evidence[0]),
            share.encode(),
            handed_info(self.chain, statement, key.public),
        )
        agreement = Agreement(key.public, key.sign(plan.statement.signed_bytes(self.chain)))
        return GivenShare(statement, agreement, sealed)

    def recover(
        self,
        indexes: Sequence[int] = (0,),
        names: Sequence[str] = ("member0", "member1"),
        records: list[Record] | None = None,
    ) -> RecoveryCertificate:
        """Every enclave's keys are lost; these machines bring the service back, and go on."""
        kept = self.records() if records is None else records
        ones, plan, generation = self.planned(indexes, kept)
        for name in names:
            ones[0].take(self.given(plan, generation, name).encode())
        certificate, handed = ones[0].open()
        ended = [self._gone_on(ones[0], kept)]
        secrets = dict(handed)
        for one in ones[1:]:
            one.receive(certificate.brief(), secrets[one._need()[0].keys.node.public])
            ended.append(self._gone_on(one, kept))
        assert len({outcomes for outcomes, _ in ended}) == 1, "two enclaves came to two ends"
        outcomes, _ = ended[0]
        self.outcomes = [data for _, _, _, data in kept if data] + list(outcomes)
        names_of = [one._identity.name for one in ones]
        self._live_on(certificate, dict(zip(names_of, (seal for _, seal in ended), strict=True)))
        return certificate

    def _gone_on(self, one: Recovery, records: list[Record]) -> tuple[tuple[bytes, ...], bytes]:
        done = [(header, data) for header, _, _, data in records if data]
        one.apply([header for header, _ in done], [data for _, data in done])
        made = one.lose([(header, batches) for header, batches, _, data in records if not data])
        last, sealed = one.end()
        return (*made, last), sealed

    def _live_on(self, certificate: RecoveryCertificate, sealed: dict[str, bytes]) -> None:
        opening = certificate.opening
        self.blocks.append(Block(opening, (), certificate))  # type: ignore[arg-type]
        self.finalities[int(opening.height)] = certificate
        self.entries.append(
            EpochEntry(opening, certificate, certificate.description, certificate.public_key)
        )
        self.tip, self.wall_ms = opening, opening.time_ms
        self.description, self.view = certificate.description, 0
        self.nodes = {}
        chips = {
            one.name: chip
            for one, chip in zip(self.cluster.applicants, self.cluster.chips, strict=True)
        }
        for name, state in sealed.items():
            self.nodes[name] = self.boot(name, chips[name], state)
        for node in self.nodes.values():
            learner = node.core.learner
            learner.extend(self.entries)
            learner.apply([one.header for one in self.blocks], list(self.outcomes))
        for node in self.nodes.values():
            self.freshen(node)

    def balance(self, who: str = "bob") -> int:
        held = self.voters()[0].core.learner._executor
        maps = {
            name: items
            for program, name, items in held._runner.state.copy()
            if program == "payments"
        }
        number = maps["accounts"][person(who).id, ""]
        return int(maps["balances"][number][0])
