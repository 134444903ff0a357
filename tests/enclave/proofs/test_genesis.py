"""Genesis: what everyone pins, and what it takes to be believed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave import fixtures
from tests.enclave.attestation.test_documents import CONSTITUTION, EVIDENCE
from tests.enclave.fixtures import (
    CREATED_MS,
    Applicant,
    FoundedCluster,
    make_applicants,
    make_cluster_genesis,
    make_constitution,
    make_policy,
)

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError, ClientFault, InvariantBroken, NotCanonical
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    Signature,
)
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.member.founding import genesis_claims
from strongroom.enclave.primitives import Secret, SigningKey, digest
from strongroom.enclave.proofs.genesis import (
    Genesis,
    VerifiedGenesis,
    chain_of,
    pin_of,
    verify_genesis,
    verify_validators,
)

GOLDEN = Genesis(
    constitution=CONSTITUTION,
    evidence=(EVIDENCE.encode(),),
    public_key=b"\x10" * 1216,
    founder_signature=Signature(b"\x11" * 64),
)


@cache
def cluster() -> FoundedCluster:
    """Four validators, founded once."""
    return make_cluster_genesis(4)


def refused(data: bytes) -> str:
    """The reason for which a genesis is refused."""
    with pytest.raises(AttestationError) as caught:
        verify_genesis(data)
    return caught.value.reason


def signed(genesis: Genesis, by: SigningKey) -> bytes:
    """A genesis document under somebody's signature."""
    return replace(genesis, founder_signature=by.sign(genesis.founder_bytes())).encode()


def test_the_bytes_of_a_genesis_have_this_digest_and_pin() -> None:
    data = GOLDEN.encode()
    assert Genesis.decode(data) == GOLDEN
    assert digest(data).hex() == "cd6e968a36a3e2aa7f2441b2ca1e6df57905aabd62fecbcc63a22e3b32f13e27"
    assert (
        pin_of(ChainId(digest(data))) == "sr1-zvxjncrwuprku7zeigzmuhtn6v4qlkv5ml7mxtdduixdwmxrhytq"
    )


def test_a_genesis_names_chain_description_and_first_block() -> None:
    founded = cluster()
    verified = founded.verified
    assert verified.chain == ChainId(digest(founded.genesis))
    assert verified.pin == pin_of(verified.chain)
    assert [one.node_key for one in verified.description.validators] == [
        keys.node.public for keys in founded.keys
    ]
    assert [one.vote_key for one in verified.description.validators] == [
        keys.vote(Epoch(0)).public for keys in founded.keys
    ]
    assert verified.description.public_key_digest == digest(verified.public_key)
    assert (verified.header.chain, verified.header.height) == (verified.chain, 0)
    assert verified.header.next_epoch == verified.description.digest
    assert verified.header.time_ms == CREATED_MS
    assert verified.simulated
    assert [one.claims.node for one in verified.validators] == ["n0", "n1", "n2", "n3"]
    named = verified.validator_named("n2")
    assert named is not None
    assert named.claims.node_key == founded.keys[2].node.public
    assert verified.validator_named("n9") is None


def test_only_the_verification_makes_a_verified_genesis() -> None:
    verified = cluster().verified
    with pytest.raises(InvariantBroken):
        VerifiedGenesis(
            made_by=object(),
            data=verified.data,
            chain=verified.chain,
            genesis=verified.genesis,
            description=verified.description,
            validators=verified.validators,
            header=verified.header,
        )


def test_a_verdict_is_remembered_by_the_bytes() -> None:
    again = bytes(bytearray(cluster().genesis))
    assert verify_genesis(again) is verify_genesis(cluster().genesis)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_genesis_is_refused_or_is_no_genesis(data: st.DataObject) -> None:
    """T15, T31: constitution, evidence, epoch key, founder's signature: any byte."""
    original = cluster().genesis
    at = data.draw(st.integers(0, len(original) - 1))
    changed = (
        original[:at] + bytes((original[at] ^ data.draw(st.integers(1, 255)),)) + original[at + 1 :]
    )
    with pytest.raises((AttestationError, NotCanonical)):
        verify_genesis(changed)


def test_a_swapped_epoch_key_is_refused() -> None:
    """T15, T29: a host that publishes a key of its own beside genuine evidence knows the secret to
    it."""
    genesis = Genesis.decode(cluster().genesis)
    swapped = replace(genesis, public_key=bytes(1216))
    assert refused(swapped.encode()) == Reason.FOUNDER
    assert refused(signed(swapped, SigningKey(Secret.fresh()))) == Reason.FOUNDER
    assert refused(signed(swapped, cluster().keys[1].node)) == Reason.FOUNDER
    verify_genesis(signed(swapped, cluster().keys[0].node))


def test_evidence_in_another_order_is_another_document_and_refused() -> None:
    genesis = Genesis.decode(cluster().genesis)
    turned = replace(genesis, evidence=tuple(reversed(genesis.evidence)))
    assert refused(signed(turned, cluster().keys[0].node)) == Reason.GENESIS


def test_evidence_for_another_constitution_is_refused() -> None:
    """T20: the nonce of genesis evidence is the constitution's digest."""
    genesis = Genesis.decode(cluster().genesis)
    later = replace(genesis.constitution, salt=b"\x01" * 32)
    assert (
        refused(signed(replace(genesis, constitution=later), cluster().keys[0].node))
        == Reason.NONCE
    )


def test_a_constitution_of_another_time_is_judged_at_that_time() -> None:
    """T28: certificates are checked at the time that the constitution names."""
    applicants = make_applicants(1)
    early = replace(make_constitution(make_policy(applicants), {}), created_ms=Milliseconds(0))
    with pytest.raises(AttestationError, match="not-yet-valid"):
        verify_validators(early, [applicants[0].evidence(early)])


def validators_refused(
    applicants: Sequence[Applicant], evidence: Sequence[bytes] | None = None
) -> str:
    """The reason for which these make no set of validators."""
    constitution = make_constitution(make_policy(list(applicants)), {})
    with pytest.raises(AttestationError) as caught:
        verify_validators(
            constitution, evidence or [one.evidence(constitution) for one in applicants]
        )
    return caught.value.reason


@pytest.mark.parametrize("shared", ["chip", "name", "keys"])
def test_two_validators_are_two_chips_two_names_and_two_sets_of_keys(shared: str) -> None:
    """T23, T25: one machine, or one enclave, does not count twice."""
    first, second = make_applicants(2)
    changes: dict[str, Any] = {shared: getattr(first, shared)}
    assert validators_refused([first, replace(second, **changes)]) == Reason.GENESIS


def test_one_enclave_shown_twice_is_refused() -> None:
    """T25."""
    (first,) = make_applicants(1)
    assert validators_refused([first, first]) == Reason.GENESIS


def test_a_genesis_without_validators_is_refused() -> None:
    constitution = make_constitution(make_policy([]), {})
    with pytest.raises(AttestationError, match="genesis"):
        verify_validators(constitution, [])


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": Epoch(1)},
        {"height": Height(1)},
        {"epoch_key_digest": Digest(b"\x01" * 32)},
        {"wrap_keys": ()},
    ],
)
def test_claims_of_a_later_life_are_refused_at_genesis(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T20: genesis evidence is of an enclave that has nothing yet, and names the wrap keys of
    epochs 0 and 1."""
    monkeypatch.setattr(
        fixtures, "genesis_claims", lambda *a, **k: replace(genesis_claims(*a, **k), **change)
    )
    assert validators_refused(make_applicants(1)) == Reason.GENESIS


def test_other_labels_and_sizes_are_no_genesis() -> None:
    """T31."""
    fields = codec.decode(GOLDEN.encode())
    for position, value in (
        (0, b"strongroom/1/other"),
        (3, bytes(1215)),
        (4, bytes(63)),
        (2, (1,)),
        (1, b""),
    ):
        changed = (*fields[:position], value, *fields[position + 1 :])
        with pytest.raises(NotCanonical):
            Genesis.decode(codec.encode(changed))


# --- pins -----------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_pin_and_a_chain_are_one_thing(chain: bytes) -> None:
    pin = pin_of(ChainId(chain))
    assert len(pin) == 56
    assert chain_of(pin) == chain


GOOD_PIN = pin_of(ChainId(NO_DIGEST))


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "sr1-",
        GOOD_PIN.upper(),
        GOOD_PIN[:-1],
        GOOD_PIN + "a",
        GOOD_PIN + "====",
        "sr2-" + GOOD_PIN[4:],
        " " + GOOD_PIN,
        GOOD_PIN + "\n",
        GOOD_PIN[:-1] + "1",
        GOOD_PIN[:-1] + "b",
        GOOD_PIN[:-1] + "é",
        "0" * 64,
    ],
)
def test_what_is_no_pin_is_refused_with_a_hint(pin: str) -> None:
    """T41: cut, mistyped, in capitals, with the unused bits of the last character set."""
    with pytest.raises(ClientFault, match="pin"):
        chain_of(pin)
