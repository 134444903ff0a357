"""One enclave's life, and what it refuses out of order (DESIGN §2, §5; T03, T05, T20, T24, T29)."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from tests.enclave import chain as chains
from tests.enclave.chain import Made
from tests.enclave.fixtures import (
    CREATED_MS,
    REGION,
    FoundedCluster,
    key_named,
    make_applicants,
    make_cluster_genesis,
    make_constitution,
    make_policy,
    manufacturer,
)

from strongroom.consensus.errors import AttestationError, OperatorFault, PeerFault
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import Digest, Epoch, Height, Signature, View
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.sealing import SealedState
from strongroom.enclave.member.freshness import NotFresh, StaleHeads
from strongroom.enclave.member.lifecycle import Lifecycle, OutOfOrder
from strongroom.enclave.member.member import ActiveEnclave
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement

MEASURED = Measurement(files=(), python="test", programs=("payments", "system"))


def _member(index: int = 0, *, mark: int = 0, boot: int = 2) -> ActiveEnclave:
    """A member of the founded cluster, as UNSEAL leaves it."""
    cluster = plain()
    state = SealedState(
        chain=cluster.verified.chain,
        keys=cluster.keys[index],
        secrets=(cluster.secrets[index],),
        boot=boot,
        mark=(Height(mark), Digest(bytes(32))),
    )
    measurement = _Measured(cluster.measurement)
    chip = cluster.chips[index]
    return ActiveEnclave(
        chip,
        measurement,  # type: ignore[arg-type]
        chip.sealing_secret(cluster.measurement),
        state,
        cluster.verified,
    )


@dataclass(frozen=True)
class _Measured:
    """A measurement known by its digest alone, as the founded cluster's policy names it."""

    digest: bytes


@cache
def plain() -> FoundedCluster:
    """A service with the shipped programs only."""
    return make_cluster_genesis(4)


def _chain() -> chains.Chain:
    return chains.Chain(plain())


def _pay(chain: chains.Chain) -> Made:
    """One more final block of the chain, with one transaction."""
    chain.once("member0", "payments.issue", to="alice", amount=5)
    return chain.blocks[-1]


def _heads(nonce: bytes, chain: chains.Chain, members: range) -> list[Head]:
    """Heads that end at the chain's tip, signed by these members."""
    cluster = plain()
    certificate = chain.certificate(chain.tip) if chain.blocks else None
    body = HeadBody(nonce, Epoch(0), chain.tip, certificate, None, ())
    keys = cluster.verified.description.validators
    return [
        Head(
            body,
            keys[index].node_key,
            cluster.keys[index].node.sign(body.signed_bytes(cluster.verified.chain)),
        )
        for index in members
    ]


@cache
def _core_chip() -> SimulatedChip:
    return manufacturer().make_chip()


def _prepared() -> tuple[Lifecycle, bytes, bytes]:
    """A core that has prepared itself for a service of its own: (core, constitution, evidence)."""
    core = Lifecycle(_core_chip(), MEASURED)
    measurement, chip_id = core.describe()
    operator = key_named("operator0")
    applicant = make_applicants(1)[0]
    policy = make_policy([applicant], measurement=measurement)
    policy = type(policy).of(
        measurements=[measurement],
        roots=policy.roots,
        allow_simulated=True,
        floors=policy.floors,
        chips=[("operator0", chip_id)],
        operators=policy.operators,
        regions=policy.regions,
        max_age_ms=policy.max_age_ms,
    )
    constitution = make_constitution(policy, {"member0": key_named("member0")}).encode()
    signed = Deployment(
        name="n0", operator="operator0", chip_id=chip_id, measurement=measurement, region=REGION
    ).sign(operator)
    evidence = core.prepare(
        constitution,
        Identity(
            name="n0",
            operator="operator0",
            region=REGION,
            tls_key=Digest(b"\x07" * 32),
            deployment=signed,
        ),
    )
    return core, constitution, evidence


def test_prepare_found_accept_then_unseal_makes_a_member_in_its_second_boot() -> None:
    core, constitution, evidence = _prepared()
    genesis, wraps = core.found(constitution, [evidence])
    sealed = core.accept(genesis, wraps)
    again = Lifecycle(_core_chip(), MEASURED)
    again.unseal(sealed, genesis)
    assert again.active.status()[2] == 2


def test_a_member_is_asked_for_nothing_before_it_is_one() -> None:
    with pytest.raises(OutOfOrder):
        _ = Lifecycle(_core_chip(), MEASURED).active
    with pytest.raises(OutOfOrder):
        Lifecycle(_core_chip(), MEASURED).found(b"", [])


def test_an_enclave_makes_keys_once() -> None:
    core, constitution, evidence = _prepared()
    with pytest.raises(OutOfOrder):
        core.unseal(b"", b"")
    genesis, wraps = core.found(constitution, [evidence])
    with pytest.raises(OutOfOrder):
        core.unseal(core.accept(genesis, wraps), genesis)


def test_one_enclave_founds_one_service_and_accepts_one_genesis() -> None:
    core, constitution, evidence = _prepared()
    genesis, wraps = core.found(constitution, [evidence])
    with pytest.raises(OutOfOrder):
        core.found(constitution, [evidence])
    core.accept(genesis, wraps)
    with pytest.raises(OutOfOrder):
        core.accept(genesis, wraps)


def test_T29_no_secret_is_made_before_every_evidence_is_judged_good() -> None:
    core, constitution, evidence = _prepared()
    for position in (40, 400, len(evidence) - 80):
        broken = bytearray(evidence)
        broken[position] ^= 1
        with pytest.raises((AttestationError, PeerFault)):
            core.found(constitution, [bytes(broken)])
    assert core.found(constitution, [evidence])


def test_T24_a_state_sealed_by_other_code_is_not_unsealed() -> None:
    core, constitution, evidence = _prepared()
    genesis, wraps = core.found(constitution, [evidence])
    sealed = core.accept(genesis, wraps)
    other = Measurement(files=(), python="test with a patch", programs=("payments", "system"))
    with pytest.raises(OperatorFault, match="another"):
        Lifecycle(_core_chip(), other).unseal(sealed, genesis)


def test_a_sealed_state_of_another_chain_is_refused() -> None:
    core, constitution, evidence = _prepared()
    genesis, wraps = core.found(constitution, [evidence])
    sealed = core.accept(genesis, wraps)
    with pytest.raises(OperatorFault, match="another chain"):
        Lifecycle(_core_chip(), MEASURED).unseal(sealed, plain().genesis)


def test_T20_link_evidence_is_good_for_its_nonce_and_for_no_other() -> None:
    one, two = _member(0), _member(1)
    evidence = one.link_evidence(b"\x01" * 32)
    node_key, name, _, words, _ = two.check_link(evidence, b"\x01" * 32, CREATED_MS)
    assert (node_key, name) == (plain().keys[0].node.public, "n0")
    assert "SIMULATED" in words
    with pytest.raises(AttestationError) as refused:
        two.check_link(evidence, b"\x02" * 32, CREATED_MS)
    assert refused.value.reason == "nonce"


def test_T20_genesis_evidence_does_not_open_a_link() -> None:
    with pytest.raises(AttestationError):
        _member(1).check_link(plain().evidence[0], plain().constitution.digest, CREATED_MS)


def test_nothing_is_cast_executed_or_answered_before_fresh_heads() -> None:
    member, chain = _member(), _chain()
    made = _pay(chain)
    with pytest.raises(NotFresh):
        member.cast([Statement(Kind.NULLIFY, Epoch(0), View(1), Digest(bytes(32)))])
    with pytest.raises(NotFresh):
        member.execute([(made.header, made.batches)], chain.certificate(chain.tip))
    with pytest.raises(NotFresh):
        member.query(b"", None)


def test_T05_fewer_than_q_heads_or_heads_over_another_nonce_freshen_nothing() -> None:
    member, chain = _member(), _chain()
    with pytest.raises(NotFresh):
        member.freshen(_heads(b"\x01" * 32, chain, range(3)))
    nonce = member.challenge()
    with pytest.raises(PeerFault):
        member.freshen(_heads(nonce, chain, range(2)))
    with pytest.raises(PeerFault):
        member.freshen(_heads(b"\x01" * 32, chain, range(3)))
    assert member.freshen(_heads(nonce, chain, range(3))) == (0, 0, True, 0)
    with pytest.raises(NotFresh):
        member.freshen(_heads(nonce, chain, range(3)))


def test_T05_heads_below_the_sealed_mark_are_stale() -> None:
    member = _member(mark=9)
    with pytest.raises(StaleHeads):
        member.freshen(_heads(member.challenge(), _chain(), range(4)))


def test_T05_a_query_is_not_answered_below_the_fresh_heads() -> None:
    member, chain = _member(), _chain()
    made = _pay(chain)
    member.freshen(_heads(member.challenge(), chain, range(3)))
    _, envelope = chain.query_envelope("alice", "payments.balance")
    with pytest.raises(NotFresh):
        member.query(envelope, None)
    member.execute([(made.header, made.batches)], chain.certificate(chain.tip))
    assert isinstance(member.query(envelope, None), tuple)


def test_T58_a_query_is_asked_by_the_clock_that_the_host_told_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Block time stands while no block is made; tokens end all the same."""
    member, chain = _member(), _chain()
    member.freshen(_heads(member.challenge(), chain, range(3)))
    _, envelope = chain.query_envelope("alice", "payments.balance")
    asked: list[int] = []
    answer = Executor.query

    def seen(self: Executor, *given: Any, clock_ms: int, **more: Any) -> Any:
        asked.append(clock_ms)
        return answer(self, *given, clock_ms=clock_ms, **more)

    monkeypatch.setattr(Executor, "query", seen)
    member.query(envelope, None)
    for told in (CREATED_MS + 5_000, CREATED_MS + 1_000):
        member.duties(told)
        assert isinstance(member.query(envelope, None), tuple)
    assert asked == [0, CREATED_MS + 5_000, CREATED_MS + 1_000]


def test_T03_blocks_without_a_quorums_certificate_are_not_executed() -> None:
    member, chain = _member(), _chain()
    made = _pay(chain)
    member.freshen(_heads(member.challenge(), _chain(), range(3)))
    with pytest.raises(PeerFault):
        member.execute(
            [(made.header, made.batches)], chain.certificate(made.header, signers=(0, 1))
        )
    assert member.status()[0] == 0
    assert member.execute([(made.header, made.batches)], chain.certificate(chain.tip))


def test_T03_a_signature_that_was_made_here_stands_for_itself_and_for_no_other() -> None:
    """An enclave remembers what it has signed: the certificate that comes back with it must be
    genuine in every bit of every seat all the same."""
    member, chain = _member(), _chain()
    made = _pay(chain)
    member.freshen(_heads(member.challenge(), _chain(), range(3)))
    good = chain.certificate(made.header)
    said = good.statement
    (own,) = member.cast([said])
    (later,) = member.cast([replace(said, view=View(said.view + 1))])
    seat = good.signatures.index(own)
    size = len(good.signatures)
    forgeries = [
        (at, forged)
        for at, signature in enumerate(good.signatures)
        for forged in (
            bytes([signature[0] ^ 1]) + signature[1:],
            signature[:-1] + bytes([signature[-1] ^ 1]),
            later,
            good.signatures[(at + 1) % size],
            bytes(64) if at == seat else own,
        )
    ]
    for at, forged in forgeries:
        signatures = (*good.signatures[:at], Signature(forged), *good.signatures[at + 1 :])
        with pytest.raises(PeerFault):
            member.execute([(made.header, made.batches)], replace(good, signatures=signatures))
        assert member.status()[0] == 0
    assert member.execute([(made.header, made.batches)], good)
    assert member.status()[0] == 1


def test_applied_outcomes_are_provisional_until_a_certified_anchor_confirms_them() -> None:
    member, chain = _member(), _chain()
    _pay(chain)
    _pay(chain)
    member.apply([chain.blocks[0].header], [chain.outcomes[0].encode()])
    member.freshen(_heads(member.challenge(), chain, range(3)))
    second = chain.blocks[1]
    with pytest.raises(NotFresh, match="CONFIRM"):
        member.execute([(second.header, second.batches)], chain.certificate(chain.tip))
    member.confirm([second.header], chain.certificate(chain.tip))
    ((again, _),) = member.execute([(second.header, second.batches)], chain.certificate(chain.tip))
    assert again == chain.outcomes[1].encode()


def test_the_mark_follows_execution_and_survives_sealing() -> None:
    member, chain = _member(), _chain()
    made = _pay(chain)
    member.freshen(_heads(member.challenge(), _chain(), range(3)))
    before = member.sealed()
    member.execute([(made.header, made.batches)], chain.certificate(chain.tip))
    assert member.sealed() != before
