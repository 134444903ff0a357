"""A service that members brought back in a region of their choice, and that went on: its ledger as
files have it, from before its death to after."""

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

from tests.enclave.chain import make_batch
from tests.enclave.dead_service import (
    LEDGER_PROGRAMS,
    Dead,
    Mortal,
    given,
    go_on,
    measurement,
    mortal,
)
from tests.enclave.fixtures import MEASUREMENT, REGION
from tests.enclave.service_world import PEER, RPC

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Digest, Height, Milliseconds, Sequence, SignerIndex, View
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.governance.public import proposal_digest, proposal_id, sign_public
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.keys.sealing import unseal_state
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.finality import check_run
from strongroom.enclave.proofs.genesis import epoch_chain
from strongroom.node.ledger.block_record import StoredBlock

REFUGE = "refuge"
"""The region in which it comes back: members allowed it while they could."""
AGREE = ("member0", "member2")
Record = StoredBlock | Outcome


@dataclass
class Reborn:
    """What is left in files, and the certificate in it."""

    records: list[Record]
    recovery: RecoveryCertificate
    head: Height
    """Of the service before it died."""


def decided(change: str, arguments: tuple[tuple[str, object], ...]) -> list[bytes]:
    """A proposal, and ballots of two more members: one block's words."""
    keys, chain = mortal().members, mortal().verified.chain
    fields = (sha256(repr((change, arguments)).encode()).digest()[:16], change, arguments)
    first = keys["member0"]
    said = [sign_public(first.public, first.sign, chain, "propose", fields)]
    id, digest = (
        proposal_id(first.public, codec.encode(fields)),
        proposal_digest(change, arguments),
    )
    for name in ("member1", "member2"):
        key = keys[name]
        said.append(sign_public(key.public, key.sign, chain, "ballot", (id, digest, True)))
    return said


@cache
def _lived() -> Dead:
    chain = Mortal()
    chain.commit(*decided("set_country", (("region", REGION), ("country", "SE"))))
    chain.commit(*decided("allow_region", (("region", REFUGE),)))
    chain.step_ms = 7_200_000
    chain.commit()
    chain.step_ms = 10
    generation = chain.share()
    chain.commit()
    return Dead(chain, generation, chain.records(), 0)


def _enclave(dead: Dead) -> Recovery:
    """n0's machine was carried to the refuge; its operator says so."""
    cluster = mortal()
    applicant, chip = cluster.applicants[0], cluster.chips[0]
    deployment = Deployment(
        name=applicant.name,
        operator=applicant.operator,
        chip_id=chip.chip_id,
        measurement=MEASUREMENT,
        region=REFUGE,
    )
    identity = Identity(
        name=applicant.name,
        operator=applicant.operator,
        region=REFUGE,
        tls_key=Digest(sha256(b"tls").digest()),
        deployment=deployment.sign(applicant.operator_key),
    )
    secret = chip.sealing_secret(MEASUREMENT)
    one = Recovery(chip, measurement(), secret, dead.chain.genesis, identity, LEDGER_PROGRAMS)
    one.follow(dead.records)
    return one


def reborn(after_ms: int = 5_000) -> Reborn:
    """Died in one region, brought back in another so long after; then a vote, and evidence anew.
    Another time is another recovery of the same ledger."""
    return _reborn(after_ms)


@cache
def _reborn(after_ms: int) -> Reborn:
    dead = _lived()
    lead = _enclave(dead)
    lead.show()
    now = Milliseconds(dead.records[-1][0].time_ms + after_ms)
    _, encoded, _ = lead.plan([lead.show()[1]], now)
    plan = RecoveryPlan.decode(encoded)
    for name in AGREE:
        lead.take(given(dead, plan, name).encode())
    recovery, _ = lead.open()
    outcomes, sealed = go_on(dead, lead)
    records: list[Record] = []
    for header, batches, certificate, outcome in dead.records:
        records += [StoredBlock(header, certificate, batches), Outcome.decode(outcome)]
    records += [StoredBlock(recovery.opening, recovery, ()), *outcomes]
    after = _After(recovery, sealed, records)
    after.commit(*decided("set_country", (("region", REFUGE), ("country", "CH"))))
    after.pass_delay()
    after.commit(after.evidence())
    after.commit()
    after.commit()
    return Reborn(records, recovery, plan.head.header.height)


class _After:
    """The epoch that members opened: one validator, one lane."""

    def __init__(
        self,
        recovery: RecoveryCertificate,
        sealed: bytes,
        records: list[Record],
    ) -> None:
        self.recovery, self.records = recovery, records
        self.epochs = epoch_chain(mortal().verified)
        self.entry = EpochEntry(
            recovery.opening, recovery, recovery.description, recovery.public_key
        )
        self.epochs.extend(self.entry)
        self.chip = mortal().chips[0]
        self.sealed = sealed
        state = unseal_state(self.chip.sealing_secret(MEASUREMENT), sealed)
        self.keys = state.keys
        genesis, keyring = mortal().verified, Keyring(state.secrets)
        self.executor = Executor(genesis, keyring, self.epochs, LEDGER_PROGRAMS)
        for block, outcome in zip(records[::2], records[1::2], strict=True):
            assert isinstance(block, StoredBlock)
            assert isinstance(outcome, Outcome)
            self.executor.apply(block.header, outcome)
        self.tip, self.gap_ms = recovery.opening, 10

    def commit(self, *envelopes: bytes) -> Outcome:
        first = self.tip.digest == self.recovery.opening.digest
        cut = list(initial_cut(self.tip.digest, 1) if first else self.tip.cut)
        batches: tuple[Batch, ...] = ()
        epoch = self.recovery.description.epoch
        if envelopes:
            payload = encode_payload(list(envelopes))
            made = make_batch(0, cut[0], payload, len(envelopes), epoch)
            cut[0] = LaneTip(Sequence(cut[0].length + 1), made.header.digest)
            batches = (made,)
        header = Header(
            chain=self.tip.chain,
            epoch=epoch,
            view=View(1 if first else self.tip.view + 1),
            height=Height(self.tip.height + 1),
            parent=self.tip.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(self.tip.time_ms + self.gap_ms),
            cut=tuple(cut),
            batch_count=len(batches),
            batch_bytes=sum(len(batch.payload) for batch in batches),
            anchor=Anchor(self.executor.height, self.executor.root),
            next_epoch=self.recovery.description.digest,
        )
        statement = Statement(Kind.FINALIZE, epoch, header.view, header.digest)
        signature = self.keys.vote(epoch).sign(statement.signed_bytes(self.tip.chain))
        certificate = Certificate(statement, (SignerIndex(0),), (signature,))
        run = check_run(self.tip, [header], certificate, self.epochs, verify)
        (outcome,) = self.executor.execute(run, [batches])
        assert set(outcome.codes) <= {Code.EXECUTED}, outcome.codes
        self.records += [StoredBlock(header, certificate, batches), outcome]
        self.tip = header
        return outcome

    def pass_delay(self) -> None:
        self.gap_ms = 7_200_000
        self.commit()
        self.gap_ms = 10

    def evidence(self) -> bytes:
        """Of the node that came back, in its next boot."""
        state = unseal_state(self.chip.sealing_secret(MEASUREMENT), self.sealed)
        secret, boot = self.chip.sealing_secret(MEASUREMENT), state.boot + 1
        kept = replace(state, boot=boot)
        store = KeyStore(self.chip, measurement(), secret, kept, mortal().verified)
        made = store.evidence(self.epochs, bytes(self.tip.digest), self.tip.height)
        key, chain = state.keys.node, mortal().verified.chain
        return sign_public(key.public, key.sign, chain, "attest", (made, RPC, PEER))
