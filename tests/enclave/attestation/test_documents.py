"""The bytes of claims, deployment, evidence, policy and constitution: golden, canonical, strict
(T31)."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
    Signature,
)
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment, SignedDeployment, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, Policy
from strongroom.enclave.proofs.constitution import Constitution

CLAIMS = Claims(
    chain=ChainId(bytes(32)),
    node="n0",
    node_key=PublicKey(b"\x01" * 32),
    vote_key=PublicKey(b"\x02" * 32),
    wrap_keys=((Epoch(0), b"\x03" * 1216), (Epoch(1), b"\x04" * 1216)),
    tls_key=Digest(b"\x05" * 32),
    epoch=Epoch(0),
    epoch_key_digest=Digest(bytes(32)),
    nonce=b"\x06" * 32,
    height=Height(7),
    region="eu",
    operator="acme",
    boot=1,
)
DEPLOYMENT = Deployment(
    name="n0", operator="acme", chip_id=b"\x07" * 64, measurement=b"\x08" * 48, region="eu"
)
EVIDENCE = Evidence(
    report=b"r",
    vek=b"v",
    ask=b"i",
    ark=b"a",
    claims=CLAIMS.encode(),
    deployment=DEPLOYMENT.encode(),
    operator_signature=Signature(b"\x09" * 64),
)
POLICY = Policy.of(
    measurements=[b"\x08" * 48],
    roots=[Digest(b"\x0a" * 32)],
    allow_simulated=True,
    floors=[SIMULATED_FLOORS],
    chips=[("acme", b"\x07" * 64)],
    operators=[("acme", PublicKey(b"\x0b" * 32))],
    regions=["eu"],
    max_age_ms=Milliseconds(60_000),
    revoked=[Digest(b"\x0c" * 32)],
)
PLACED = replace(POLICY, countries=(("eu", "DE"), ("north", "NO")))
CONSTITUTION = Constitution(
    name="golden",
    salt=b"\x0d" * 32,
    created_ms=Milliseconds(1_800_000_000_000),
    policy=POLICY,
    members=(("member0", PublicKey(b"\x0e" * 32)),),
    roles=(("payments", "issuer", Digest(b"\x0f" * 32)),),
    programs=("payments", "system"),
    limits=(("grace_ms", 60_000),),
)
DOCUMENTS: list[Any] = [CLAIMS, DEPLOYMENT, EVIDENCE, POLICY, CONSTITUTION]
NAMES = ["claims", "deployment", "evidence", "policy", "constitution"]


def test_the_bytes_of_a_deployment_are_these() -> None:
    assert DEPLOYMENT.encode().hex() == DEPLOYMENT_HEX
    assert host_data(DEPLOYMENT.encode()).hex() == HOST_DATA_HEX


def test_the_bytes_of_a_policy_are_these() -> None:
    assert POLICY.encode().hex() == POLICY_HEX


def test_a_policy_with_countries_is_that_policy_and_one_field_more() -> None:
    """What was founded before there were countries keeps its bytes."""
    plain, placed = codec.decode(POLICY.encode()), codec.decode(PLACED.encode())
    assert placed == (*plain, (("eu", "DE"), ("north", "NO")))
    assert Policy.decode(PLACED.encode()) == PLACED
    for wrong in ((), (("eu", "de"),), (("eu", "D"),), (("e u", "DE"),), (("eu", "DE", "FR"),)):
        with pytest.raises(NotCanonical):
            Policy.from_wire((*plain, wrong))
    with pytest.raises(NotCanonical):
        Policy.from_wire((*placed, ()))


def test_a_constitution_with_affiliations_is_that_constitution_and_one_field_more() -> None:
    """What was founded before there were affiliations keeps its bytes."""
    key = CONSTITUTION.members[0][1]
    bound = replace(CONSTITUTION, affiliations=((key, "acme"),))
    plain, more = codec.decode(CONSTITUTION.encode()), codec.decode(bound.encode())
    assert more == (*plain, (("affiliations", ((key, "acme"),)),))
    assert Constitution.decode(bound.encode()) == bound
    for wrong in (
        (),
        ((),),
        (("affiliations", ()),),
        (("watchers", ((key, "acme"),)),),
        (("affiliations", ((bytes(31), "acme"),)),),
        (("affiliations", ((bytes(32), "acme"),)),),
        (("affiliations", ((key, "a b"),)),),
        (("affiliations", ((key, "acme"), (key, "acme"))),),
        (("affiliations", ((key, "acme"),)), ("affiliations", ((key, "acme"),))),
    ):
        with pytest.raises(NotCanonical):
            Constitution.decode(codec.encode((*plain, wrong)))
    with pytest.raises(NotCanonical):
        Constitution.decode(codec.encode((*more, ())))


def test_the_bytes_of_claims_are_these() -> None:
    short = replace(CLAIMS, wrap_keys=())
    assert short.encode().hex() == SHORT_CLAIMS_HEX
    assert CLAIMS.report_data.hex() == REPORT_DATA_HEX


def test_the_bytes_of_evidence_and_constitution_have_these_digests() -> None:
    assert sha256(EVIDENCE.encode()).hexdigest() == EVIDENCE_DIGEST
    assert CONSTITUTION.digest.hex() == CONSTITUTION_DIGEST


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_each_document_comes_back_from_its_bytes(document: Any) -> None:
    assert type(document).decode(document.encode()) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_no_other_bytes_are_read_as_the_same_document(document: Any) -> None:
    """T31: trailing bytes, missing and surplus fields."""
    data, kind = document.encode(), type(document)
    fields = codec.decode(data)
    for other in (
        b"",
        data + b"\x00",
        data[:-1],
        codec.encode(fields[:-1]),
        codec.encode((*fields, 0)),
    ):
        with pytest.raises(NotCanonical):
            kind.decode(other)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_field_has_its_type(document: Any) -> None:
    """T31: a field of another type is refused, whichever it is."""
    fields = codec.decode(document.encode())
    for position, field in enumerate(fields):
        wrong: Any = 1.5 if type(field) is not bool else 1
        changed = (*fields[:position], wrong, *fields[position + 1 :])
        with pytest.raises(NotCanonical):
            type(document).decode(codec.encode(changed))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DOCUMENTS), st.data())
def test_what_decodes_encodes_to_the_same_bytes(document: Any, data: st.DataObject) -> None:
    """T31: one value, one byte string, whatever is flipped."""
    original = document.encode()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = (
        original[:at] + bytes((original[at] ^ data.draw(st.integers(1, 255)),)) + original[at + 1 :]
    )
    try:
        read = type(document).decode(changed)
    except NotCanonical:
        return
    assert read.encode() == changed
    assert read != document


@pytest.mark.parametrize("name", ["", " ", "a b", "n\n0", "n\x000", "x" * 65, "é" * 33])
def test_names_are_short_printable_and_without_spaces(name: str) -> None:
    """T31: they are shown to people."""
    with pytest.raises(NotCanonical):
        replace(CLAIMS, node=name)
    with pytest.raises(NotCanonical):
        replace(DEPLOYMENT, operator=name)


@pytest.mark.parametrize(
    "change",
    [
        {"wrap_keys": ((Epoch(1), bytes(1216)), (Epoch(0), bytes(1216)))},
        {"wrap_keys": ((Epoch(0), bytes(1216)), (Epoch(0), bytes(1216)))},
        {"wrap_keys": ((Epoch(0), bytes(1215)),)},
        {"wrap_keys": tuple((Epoch(epoch), bytes(1216)) for epoch in range(5))},
        {"nonce": bytes(31)},
        {"boot": 0},
        {"tls_key": bytes(33)},
    ],
)
def test_claims_that_are_not_whole_do_not_exist(change: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        replace(CLAIMS, **change)


@pytest.mark.parametrize(
    ("document", "change"),
    [
        (POLICY, {"measurements": (b"\x02" * 48, b"\x01" * 48)}),
        (POLICY, {"roots": (b"\x01" * 32, b"\x01" * 32)}),
        (POLICY, {"operators": (("acme", b"\x01" * 32), ("acme", b"\x02" * 32))}),
        (POLICY, {"floors": (SIMULATED_FLOORS, SIMULATED_FLOORS)}),
        (CONSTITUTION, {"members": (("b", b"\x01" * 32), ("a", b"\x02" * 32))}),
        (CONSTITUTION, {"members": (("a", b"\x01" * 32), ("b", b"\x01" * 32))}),
        (CONSTITUTION, {"programs": ("system", "payments")}),
        (POLICY, {"countries": (("north", "NO"), ("eu", "DE"))}),
        (POLICY, {"countries": (("eu", "DE"), ("eu", "FR"))}),
        (CONSTITUTION, {"limits": (("a", 1), ("a", 2))}),
        (CONSTITUTION, {"roles": (("p", "r", b"\x02" * 32), ("p", "r", b"\x01" * 32))}),
        (CONSTITUTION, {"salt": bytes(31)}),
    ],
)
def test_lists_are_ascending_and_without_doubles(document: Any, change: dict[str, Any]) -> None:
    """T31: one policy, one encoding; one operator, one key."""
    with pytest.raises(NotCanonical):
        replace(document, **change)


def test_a_policy_is_made_from_lists_in_any_order_with_doubles() -> None:
    policy = Policy.of(
        measurements=[b"\x02" * 48, b"\x01" * 48, b"\x02" * 48],
        roots=[],
        allow_simulated=False,
        floors=[],
        chips=[("b", bytes(64)), ("a", bytes(64))],
        operators=[],
        regions=["us", "eu", "us"],
        max_age_ms=Milliseconds(1),
    )
    assert policy.measurements == (b"\x01" * 48, b"\x02" * 48)
    assert policy.chips == (("a", bytes(64)), ("b", bytes(64)))
    assert policy.regions == ("eu", "us")


def test_a_signed_deployment_comes_back_from_its_bytes() -> None:
    signed = SignedDeployment(DEPLOYMENT.encode(), Signature(bytes(64)))
    assert SignedDeployment.decode(signed.encode()) == signed
    with pytest.raises(NotCanonical):
        SignedDeployment.decode(codec.encode((DEPLOYMENT.encode(), bytes(63))))


def test_a_constitution_knows_its_limits_and_operators() -> None:
    assert CONSTITUTION.limit("grace_ms", 1) == 60_000
    assert CONSTITUTION.limit("other", 1) == 1
    assert CONSTITUTION.operators == POLICY.operators


def test_another_label_is_another_document() -> None:
    """T31: a constitution is not read as evidence, nor under a later version's label."""
    for document in (EVIDENCE, CONSTITUTION):
        fields = codec.decode(document.encode())
        with pytest.raises(NotCanonical):
            type(document).decode(codec.encode((b"strongroom/2/other", *fields[1:])))
    with pytest.raises(NotCanonical):
        Evidence.decode(
            codec.encode(
                (*codec.decode(EVIDENCE.encode())[:1], "tdx", *codec.decode(EVIDENCE.encode())[2:])
            )
        )


DEPLOYMENT_HEX = (
    "95a26e30a461636d65c440070707070707070707070707070707070707070707070707070707070707070707070707070707"
    "07070707070707070707070707070707070707070707070707c4300808080808080808080808080808080808080808080808"
    "08080808080808080808080808080808080808080808080808a26575"
)
HOST_DATA_HEX = "209a0cae4de81e5329355bd42445fcc17a80a6e127d0d48bc8a08bd22b8f91d7"
POLICY_HEX = (
    "9991c43008080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808"
    "080891c4200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0ac39194a953494d554c41544544"
    "950a00175400950a00175400950a001754009192a461636d65c4400707070707070707070707070707070707070707070707"
    "07070707070707070707070707070707070707070707070707070707070707070707070707070707079192a461636d65c420"
    "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b91a26575cdea6091c4200c0c0c0c0c0c0c0c"
    "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"
)
SHORT_CLAIMS_HEX = (
    "9dc4200000000000000000000000000000000000000000000000000000000000000000a26e30c42001010101010101010101"
    "01010101010101010101010101010101010101010101c4200202020202020202020202020202020202020202020202020202"
    "02020202020290c420050505050505050505050505050505050505050505050505050505050505050500c420000000000000"
    "0000000000000000000000000000000000000000000000000000c42006060606060606060606060606060606060606060606"
    "0606060606060606060607a26575a461636d6501"
)
REPORT_DATA_HEX = (
    "17b1c8441a2860b78fc1a764ece0c231367ed18779729430ff64d404d8464daf000000000000000000000000000000000000"
    "0000000000000000000000000000"
)
EVIDENCE_DIGEST = "d0faf81f0ee2a935d8c31e0866aaadecfaed2446ff03ad39d13e223c57919fe4"
CONSTITUTION_DIGEST = "a4da84a907ee464813b3962dc6f0c088726ac0b408c5b09e1eb55237d3fa42c0"
