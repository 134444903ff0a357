"""Founding: a secret is given and taken only after the verdicts (T29), and is the same for everyone
(T2A)."""

from dataclasses import replace
from functools import cache

import pytest
from tests.enclave.fixtures import (
    MEASUREMENT,
    REGION,
    Applicant,
    FoundedCluster,
    make_applicants,
    make_cluster_genesis,
    make_constitution,
    make_policy,
    manufacturer,
)
from tests.enclave.hostile_values import forged_evidence

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError, NotCanonical, OperatorFault
from strongroom.consensus.types import Epoch
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keys import NodeKeys, ServiceSecret
from strongroom.enclave.member import founding
from strongroom.enclave.member.founding import Founding, accept, found
from strongroom.enclave.member.lifecycle import Lifecycle, OutOfOrder
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import Secret, digest, hybrid_seal
from strongroom.enclave.proofs.constitution import Constitution
from strongroom.enclave.proofs.genesis import Genesis, verify_genesis

EPOCH = Epoch(0)


@cache
def cluster() -> FoundedCluster:
    """Four validators, founded once."""
    return make_cluster_genesis(4)


def reason_of(genesis: bytes, wraps: bytes, keys: NodeKeys) -> str:
    """The reason for which an enclave does not take part."""
    with pytest.raises(AttestationError) as caught:
        accept(genesis, wraps, keys)
    return caught.value.reason


def prepared(n: int) -> tuple[list[Applicant], Constitution, list[bytes]]:
    """Applicants with their evidence, before anything is founded."""
    applicants = make_applicants(n)
    constitution = make_constitution(make_policy(applicants), {})
    return applicants, constitution, [one.evidence(constitution) for one in applicants]


def forged_wraps(secrets: list[ServiceSecret]) -> bytes:
    """What a contributor that lies would send: each member its own secret, properly wrapped."""
    wraps = []
    for keys, secret in zip(cluster().keys, secrets, strict=True):
        info = founding._wrap_info(cluster().constitution.digest, EPOCH, keys.node.public)
        wraps.append(
            (keys.node.public, hybrid_seal(keys.wrap(EPOCH).public, secret.reveal(), info))
        )
    return codec.encode(tuple(wraps))


def test_every_enclave_ends_with_the_same_secrets_and_its_own_place() -> None:
    founded = cluster()
    accepted = [accept(founded.genesis, founded.wraps, keys) for keys in founded.keys]
    assert [one.index for one in accepted] == [0, 1, 2, 3]
    assert len({one.secrets.input.reveal() for one in accepted if one.secrets.input}) == 1
    assert len({one.secrets.ledger.reveal() for one in accepted}) == 1
    assert {one.secrets.public_key for one in accepted} == {founded.verified.public_key}


def test_a_service_of_one_is_founded_by_the_same_steps() -> None:
    single = make_cluster_genesis(1)
    assert single.secrets[0].public_key == single.verified.public_key


def test_only_the_enclave_of_the_lowest_node_key_founds() -> None:
    """T2A: one contributor, known beforehand."""
    applicants, constitution, evidence = prepared(3)
    for other in applicants[1:]:
        with pytest.raises(AttestationError, match="founder"):
            found(constitution.encode(), evidence, other.keys)
    found(constitution.encode(), list(reversed(evidence)), applicants[0].keys)


def test_no_secret_is_made_before_every_piece_of_evidence_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T29: one bad piece among good ones, and no secret comes into being, let alone a wrap."""
    applicants, constitution, evidence = prepared(4)
    stranger = make_applicants(1)[0].evidence(constitution)
    made: list[str] = []
    monkeypatch.setattr(ServiceSecret, "fresh", lambda: made.append("secret"))
    monkeypatch.setattr(founding, "hybrid_seal", lambda *_: made.append("wrap"))
    for position in range(5):
        with_stranger = [*evidence[:position], stranger, *evidence[position:]]
        with pytest.raises(AttestationError):
            found(constitution.encode(), with_stranger, applicants[0].keys)
        bad = bytearray(evidence[position % 4])
        bad[100] ^= 1
        with pytest.raises((AttestationError, NotCanonical)):
            found(
                constitution.encode(), [*evidence[: position % 4], bytes(bad)], applicants[0].keys
            )
    assert made == []


def test_evidence_for_another_constitution_founds_nothing() -> None:
    """T20, T29: a host that quietly changes the rules needs new evidence from everyone."""
    applicants, constitution, evidence = prepared(2)
    other = replace(constitution, salt=b"\x01" * 32)
    with pytest.raises(AttestationError, match="nonce"):
        found(other.encode(), evidence, applicants[0].keys)


def test_a_wrap_key_that_takes_nothing_is_refused() -> None:
    applicants, constitution, _ = prepared(2)
    broken = tuple((epoch, b"\xff" * 1216) for epoch, _ in applicants[1].keys.wrap_keys)
    claims = Claims.decode(Evidence.decode(applicants[1].evidence(constitution)).claims)
    lied = forged_evidence(applicants[1], claims, measurement=MEASUREMENT, wrap_keys=broken)
    with pytest.raises(NotCanonical, match="not a hybrid public key"):
        found(
            constitution.encode(), [applicants[0].evidence(constitution), lied], applicants[0].keys
        )


def test_an_enclave_takes_no_secret_from_a_genesis_whose_evidence_does_not_hold() -> None:
    """T29: it checks everyone before it takes anything, its own wrap being in order."""
    founded = cluster()
    genesis = Genesis.decode(founded.genesis)
    spoiled = bytearray(genesis.evidence[3])
    spoiled[60] ^= 1
    bad = replace(genesis, evidence=(*genesis.evidence[:3], bytes(spoiled)))
    bad = replace(bad, founder_signature=founded.keys[0].node.sign(bad.founder_bytes()))
    for keys in founded.keys:
        with pytest.raises((AttestationError, NotCanonical)):
            accept(bad.encode(), founded.wraps, keys)


def test_a_secret_that_derives_another_key_than_the_genesis_names_is_refused() -> None:
    """T2A: a contributor that wraps one secret to some and another to others is caught by each that
    was cheated."""
    other = ServiceSecret.fresh()
    wraps = forged_wraps([other, other, other, other])
    for keys in cluster().keys:
        assert reason_of(cluster().genesis, wraps, keys) == Reason.WRAP


def test_a_host_that_makes_the_secret_itself_finds_no_enclave_that_takes_it() -> None:
    """T29: genuine evidence, a public key whose secret a host knows, wraps in order; the founder's
    word is missing."""
    founded = cluster()
    known = ServiceSecret.fresh()
    genesis = replace(Genesis.decode(founded.genesis), public_key=known.split(EPOCH).public_key)
    wraps = forged_wraps([known] * 4)
    for keys in founded.keys:
        assert reason_of(genesis.encode(), wraps, keys) == Reason.FOUNDER


def test_a_wrap_for_another_member_does_not_open() -> None:
    """T2A: wraps are bound to constitution, epoch and recipient."""
    wraps = dict(codec.decode(cluster().wraps))
    first, second = (keys.node.public for keys in cluster().keys[:2])
    wraps[first], wraps[second] = wraps[second], wraps[first]
    swapped = codec.encode(tuple(wraps.items()))
    assert reason_of(cluster().genesis, swapped, cluster().keys[0]) == Reason.WRAP


def test_a_missing_or_changed_wrap_is_refused() -> None:
    keys = cluster().keys[0]
    wraps = dict(codec.decode(cluster().wraps))
    sealed = bytearray(wraps.pop(keys.node.public))
    assert reason_of(cluster().genesis, codec.encode(tuple(wraps.items())), keys) == Reason.WRAP
    sealed[-1] ^= 1
    wraps[keys.node.public] = bytes(sealed)
    assert reason_of(cluster().genesis, codec.encode(tuple(wraps.items())), keys) == Reason.WRAP


def test_a_secret_of_another_size_is_refused() -> None:
    keys = cluster().keys[0]
    info = founding._wrap_info(cluster().constitution.digest, EPOCH, keys.node.public)
    short = hybrid_seal(keys.wrap(EPOCH).public, bytes(31), info)
    assert (
        reason_of(cluster().genesis, codec.encode(((keys.node.public, short),)), keys)
        == Reason.WRAP
    )


def test_wraps_that_name_a_recipient_twice_are_refused() -> None:
    wraps = codec.decode(cluster().wraps)
    with pytest.raises(NotCanonical):
        accept(cluster().genesis, codec.encode((*wraps, wraps[0])), cluster().keys[0])


def test_an_enclave_that_is_not_in_the_genesis_takes_no_part() -> None:
    assert reason_of(cluster().genesis, cluster().wraps, NodeKeys.fresh()) == Reason.NOT_A_MEMBER


def test_an_enclave_does_not_take_part_beside_keys_that_it_did_not_make() -> None:
    """T2B: the node key is its own, the vote key beside it is not."""
    own = cluster().keys[0]
    node, votes, wraps = own.seeds()
    for keys in (
        NodeKeys(node=node, votes={EPOCH: Secret.fresh()}, wraps=wraps),
        NodeKeys(node=node, votes=votes, wraps={**wraps, Epoch(1): Secret.fresh()}),
    ):
        assert reason_of(cluster().genesis, cluster().wraps, keys) == Reason.NOT_A_MEMBER


def test_two_foundings_under_one_constitution_are_two_services() -> None:
    """The founder's host may found twice; each genesis has its own chain, and nobody mistakes one
    for the other."""
    applicants, constitution, evidence = prepared(1)
    first, second = (found(constitution.encode(), evidence, applicants[0].keys) for _ in range(2))
    assert isinstance(first, Founding)
    assert verify_genesis(first.genesis).chain != verify_genesis(second.genesis).chain
    assert reason_of(first.genesis, second.wraps, applicants[0].keys) == Reason.WRAP


def test_genesis_claims_name_no_chain_and_no_epoch_key() -> None:
    claims = cluster().verified.validators[0].claims
    assert bytes(claims.chain) == bytes(claims.epoch_key_digest) == bytes(32)
    assert claims.nonce == cluster().constitution.digest
    assert [epoch for epoch, _ in claims.wrap_keys] == [0, 1]


# --- a ceremony that outlasts a process -----------------------------------------------------------


def enclave(chip: SimulatedChip, python: str = "one") -> Lifecycle:
    """An enclave that was just started."""
    return Lifecycle(chip, Measurement(files=(), python=python, programs=()))


def alone(core: Lifecycle, chip: SimulatedChip) -> tuple[bytes, bytes]:
    """A constitution for one enclave, and its evidence over it."""
    measurement, chip_id = core.describe()
    (applicant,) = make_applicants(1)
    machine = replace(applicant, chip=chip)
    constitution = make_constitution(make_policy([machine], measurement=measurement), {})
    deployment = Deployment(
        name=machine.name,
        operator=machine.operator,
        chip_id=chip_id,
        measurement=measurement,
        region=REGION,
    )
    identity = Identity(
        name=machine.name,
        operator=machine.operator,
        region=REGION,
        tls_key=digest(b"tls"),
        deployment=deployment.sign(machine.operator_key),
    )
    encoded = constitution.encode()
    return encoded, core.prepare(encoded, identity)


def test_an_enclave_goes_on_founding_in_another_process() -> None:
    chip = manufacturer().make_chip()
    first = enclave(chip)
    constitution, evidence = alone(first, chip)
    kept = first.seal_founding()
    second = enclave(chip)
    second.resume_founding(kept)
    genesis, wraps = second.found(constitution, (evidence,))
    third = enclave(chip)
    third.resume_founding(kept)
    sealed = third.accept(genesis, wraps)
    enclave(chip).unseal(sealed, genesis)
    with pytest.raises(OutOfOrder, match="keys already"):
        third.resume_founding(kept)
    with pytest.raises(OperatorFault, match="belongs to a service already"):
        enclave(chip).resume_founding(sealed)
    with pytest.raises(OperatorFault, match="another chain"):
        enclave(chip).unseal(kept, genesis)


def test_founding_keys_open_on_their_chip_and_for_their_code_alone() -> None:
    chip = manufacturer().make_chip()
    core = enclave(chip)
    with pytest.raises(OutOfOrder, match="PREPARE comes first"):
        core.seal_founding()
    alone(core, chip)
    kept = core.seal_founding()
    for other in (enclave(manufacturer().make_chip()), enclave(chip, python="other")):
        with pytest.raises(OperatorFault, match="another platform or another measurement"):
            other.resume_founding(kept)
    with pytest.raises(OperatorFault):
        enclave(chip).resume_founding(kept[:-1] + bytes([kept[-1] ^ 1]))
