"""The judge of rooms: each reason is reached, in the documented order; what a node made proves no
room, what a room made no node; and only what holds becomes claims (T50, T53)."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from tests.enclave.attestation.forging import bench
from tests.enclave.attestation.rooms import (
    CHAIN,
    HEIGHT,
    ROOM_MEASUREMENT,
    block_digest,
    make_room,
    room_bench,
    swap_room,
)
from tests.enclave.fixtures import MEASUREMENT, manufacturer, strange_manufacturer

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError, InvariantBroken, NotCanonical
from strongroom.consensus.types import ChainId, Digest, Height, Milliseconds, PublicKey, Signature
from strongroom.enclave.attestation.certificates import read_chain
from strongroom.enclave.attestation.deployment import Deployment, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.report import POLICY_DEBUG, POLICY_MIGRATION, Field
from strongroom.enclave.attestation.room_claims import (
    ROOM_PROFILE,
    RoomClaims,
    RoomEvidence,
    room_report_data,
    sign_room_deployment,
)
from strongroom.enclave.attestation.room_evidence import VerifiedRoom
from strongroom.enclave.platform.chip import GUEST_POLICY

OTHER_CHAIN = ChainId(sha256(b"other").digest())


def refused(evidence: bytes, **changes: Any) -> str:
    """The reason for which a room's evidence is refused."""
    with pytest.raises(AttestationError) as caught:
        room_bench().judge(evidence, **changes)
    return caught.value.reason


def test_good_evidence_gives_a_room_with_everything_that_was_verified() -> None:
    room = room_bench().judge(room_bench().evidence())
    assert room.claims == room_bench().claims()
    assert room.measurement == ROOM_MEASUREMENT
    assert room.chip_id == room_bench().chip.chip_id
    assert room.simulated
    assert room.product.value == "SIMULATED"


def test_only_the_judge_makes_a_verified_room() -> None:
    room = room_bench().judge(room_bench().evidence())
    with pytest.raises(InvariantBroken):
        VerifiedRoom(made_by=object(), claims=room.claims, verified=room.verified)


# --- forged, stale, relayed, for another session (T50) --------------------------------------------


def test_every_single_changed_byte_is_refused() -> None:
    """T50, T31: one bit in each byte of the evidence, certificates and reserved bytes included."""
    evidence = room_bench().evidence()
    for at in range(len(evidence)):
        changed = evidence[:at] + bytes((evidence[at] ^ 1 << at % 8,)) + evidence[at + 1 :]
        with pytest.raises((AttestationError, NotCanonical)):
            room_bench().judge(changed)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (GUEST_POLICY | POLICY_DEBUG, Reason.DEBUG_ALLOWED),
        (GUEST_POLICY | POLICY_MIGRATION, Reason.MIGRATION_ALLOWED),
        (GUEST_POLICY | 1 << 63, Reason.GUEST_POLICY),
    ],
)
def test_a_room_that_its_host_may_read_or_move_is_refused(policy: int, reason: Reason) -> None:
    assert refused(room_bench().evidence(policy=policy)) == reason


def test_a_chip_under_a_root_that_is_not_pinned_is_refused() -> None:
    """T50: a plant makes a manufacturer of its own."""
    chip = strange_manufacturer().make_chip()
    stated = room_bench().deployment(chip_id=chip.chip_id)
    assert refused(room_bench().evidence(chip=chip, deployment=stated)) == Reason.ROOT_UNKNOWN
    assert refused(room_bench().evidence(), roots=()) == Reason.ROOT_UNKNOWN


def test_a_revoked_chip_key_and_an_expired_certificate_are_refused() -> None:
    own = room_bench().chip.endorsements
    for key in sorted(read_chain(own.vek, own.ask, own.ark).keys):
        assert refused(room_bench().evidence(), revoked=(key,)) == Reason.CERTIFICATE_REVOKED
    late = Milliseconds(9_000_000_000_000)
    assert refused(room_bench().evidence(), time_ms=late) == Reason.CERTIFICATE_EXPIRED


def test_another_chips_report_is_refused_beside_this_chips_certificate() -> None:
    """T53: the swapped chip."""
    other = RoomEvidence.decode(room_bench().evidence(chip=manufacturer().make_chip())).report
    assert refused(swap_room(room_bench().evidence(), report=other)) == Reason.CHIP_MISMATCH


def test_a_room_on_another_chip_than_its_operator_stated_is_refused() -> None:
    """T53: a genuine chip, its own certificates, and the statement about the first chip."""
    moved = room_bench().evidence(chip=manufacturer().make_chip())
    assert refused(moved) == Reason.DEPLOYMENT_BINDING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_key", PublicKey(bytes(32))),
        ("seal_key", make_room("other").seal.public),
        ("boot", 4),
        ("room", "hall-8"),
        ("program", "plotter"),
        ("region", "eu-north"),
        ("operator_key", PublicKey(bytes(32))),
        ("chain", OTHER_CHAIN),
        ("height", Height(8)),
    ],
)
def test_claims_that_were_changed_after_the_chip_signed_are_refused(
    name: str, value: object
) -> None:
    """T50: the host puts a session, a key, a place of its own into a genuine room's evidence."""
    changed = room_bench().claims(**{name: value}).encode()
    assert refused(swap_room(room_bench().evidence(), claims=changed)) == Reason.CLAIMS_BINDING


def test_the_claims_of_another_room_are_refused_beside_this_report() -> None:
    """T50: relayed for another session key."""
    other = make_room("other").claims().encode()
    assert refused(swap_room(room_bench().evidence(), claims=other)) == Reason.CLAIMS_BINDING


def test_report_data_must_end_in_zeros() -> None:
    said = room_bench().claims().report_data
    used = room_bench().evidence(report_data=said[:32] + bytes(31) + b"\x01")
    assert refused(used) == Reason.CLAIMS_BINDING


def test_evidence_for_another_chain_is_refused() -> None:
    assert refused(room_bench().evidence(), chain=OTHER_CHAIN) == Reason.CHAIN
    elsewhere = room_bench().claims(chain=OTHER_CHAIN)
    assert refused(room_bench().evidence(claims=elsewhere)) == Reason.CHAIN


def test_evidence_over_a_block_that_is_not_recent_is_refused() -> None:
    """T50: stale, from a fork, from the future, or over a block that was made up."""
    evidence = room_bench().evidence()
    assert refused(evidence, digest_of=lambda _: None) == Reason.NONCE
    assert refused(evidence, digest_of=lambda _: Digest(bytes(32))) == Reason.NONCE
    for claims in (
        room_bench().claims(height=Height(10)),
        room_bench().claims(height=Height(8)),
        room_bench().claims(nonce=bytes(32)),
    ):
        assert refused(room_bench().evidence(claims=claims)) == Reason.NONCE


def test_the_block_is_asked_for_at_the_height_that_the_room_names() -> None:
    asked: list[Height] = []

    def digest_of(height: Height) -> Digest | None:
        asked.append(height)
        return block_digest(height)

    room_bench().judge(room_bench().evidence(), digest_of=digest_of)
    assert asked == [HEIGHT]


# --- the operator's statement ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "hall-8"),
        ("operator", "rival"),
        ("chip_id", bytes(64)),
        ("measurement", bytes(48)),
        ("region", "eu-north"),
    ],
)
def test_a_statement_about_another_room_is_refused(name: str, value: object) -> None:
    """T53: launched under it, and signed by the operator: still not this room's."""
    stated = room_bench().deployment(**{name: value})
    assert refused(room_bench().evidence(deployment=stated)) == Reason.DEPLOYMENT_BINDING


def test_a_statement_under_which_the_room_was_not_launched_is_refused() -> None:
    other = room_bench().deployment(name="hall-8").encode()
    assert refused(swap_room(room_bench().evidence(), deployment=other)) == (
        Reason.DEPLOYMENT_BINDING
    )


def test_a_statement_that_its_operator_did_not_sign_is_refused() -> None:
    """T53: not at all, by another key, for another chain, or as a node's."""
    stated, key = room_bench().deployment(), room_bench().operator
    for signature in (
        Signature(bytes(64)),
        sign_room_deployment(stated, CHAIN, make_room("other").operator),
        sign_room_deployment(stated, OTHER_CHAIN, key),
        sign_room_deployment(room_bench().deployment(name="hall-8"), CHAIN, key),
        stated.sign(key).signature,
    ):
        assert refused(room_bench().evidence(signature=signature)) == Reason.OPERATOR_SIGNATURE


# --- a node is no room, a room is no node ---------------------------------------------------------


def test_a_nodes_evidence_is_no_rooms_and_a_rooms_no_nodes() -> None:
    with pytest.raises(NotCanonical):
        room_bench().judge(bench().evidence())
    with pytest.raises(NotCanonical):
        bench().judge(room_bench().evidence())


def test_a_nodes_report_proves_no_room_in_whatever_it_is_wrapped() -> None:
    """T50: a node's enclave signs what its claims say, under the nodes' label."""
    said = room_bench().claims()
    given = Evidence.decode(bench().evidence())
    parts: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("report", "vek", "ask", "ark", "deployment", "operator_signature")
    }
    for claims in (given.claims, said.encode()):
        assert refused(RoomEvidence(claims=claims, **parts).encode()) == Reason.CLAIMS_BINDING
    as_a_node = bench().claims().report_data
    assert refused(room_bench().evidence(report_data=as_a_node)) == Reason.CLAIMS_BINDING


def test_a_rooms_report_proves_no_node_in_whatever_it_is_wrapped() -> None:
    """T50: a room signs for the rooms' label only, even were it allowed as a node's code."""
    claims = bench().claims().encode()
    for report_data in (room_report_data(claims), room_bench().claims().report_data):
        report = bench().first.chip.attest(
            report_data,
            measurement=MEASUREMENT,
            host_data=host_data(bench().deployment().encode()),
        )
        changed = replace(Evidence.decode(bench().evidence()), report=report).encode()
        with pytest.raises(AttestationError) as caught:
            bench().judge(changed)
        assert caught.value.reason == Reason.CLAIMS_BINDING


def test_a_room_that_was_launched_under_a_nodes_statement_is_refused() -> None:
    """T53: HOST_DATA commits to a statement for rooms."""
    stated = room_bench().deployment()
    launched = room_bench().evidence(deployment=stated, host_data=host_data(stated.encode()))
    assert refused(launched) == Reason.DEPLOYMENT_BINDING


# --- bytes and order ------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [room_bench().claims(), room_bench().evidence()])
def test_no_other_bytes_are_read_as_the_same_document(document: RoomClaims | bytes) -> None:
    """T31: trailing bytes, missing and surplus fields, another profile or kind."""
    data = document if isinstance(document, bytes) else document.encode()
    kind: Any = RoomEvidence if isinstance(document, bytes) else RoomClaims
    assert kind.decode(data).encode() == data
    fields: Any = codec.decode(data)
    for other in (
        b"",
        data + b"\x00",
        data[:-1],
        codec.encode(fields[:-1]),
        codec.encode((*fields, 0)),
        codec.encode((fields[0][:-1], *fields[1:])),
        codec.encode((fields[0], "tdx" if kind is RoomEvidence else b"", *fields[2:])),
    ):
        with pytest.raises(NotCanonical):
            kind.decode(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": 0},
        {"chain": b""},
        {"session_key": bytes(31)},
        {"operator_key": bytes(33)},
        {"nonce": bytes(16)},
        {"room": ""},
        {"program": "two words"},
        {"region": "x" * 65},
        {"operator": "\u200b"},
        {"seal_key": bytes(1215)},
        {"seal_key": b"\xff" * 1216},
        {"seal_key": bytes(1216)},
    ],
)
def test_claims_that_no_room_makes_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        room_bench().claims(**changes)


def test_a_profile_of_another_version_is_refused() -> None:
    fields: Any = codec.decode(room_bench().claims().encode())
    assert fields[0] == ROOM_PROFILE
    with pytest.raises(NotCanonical, match="profile"):
        RoomClaims.decode(codec.encode(("strongroom-room-2", *fields[1:])))


def test_the_first_reason_that_applies_is_told() -> None:
    """T27: the documented order, whatever else is wrong: mended one after the other."""
    other = make_room("other")
    stated = room_bench().deployment(name="hall-8")
    wrong = RoomEvidence.decode(
        room_bench().evidence(
            claims=room_bench().claims(chain=OTHER_CHAIN, nonce=bytes(32)),
            deployment=stated,
            signature=Signature(bytes(64)),
        )
    )
    assert refused(replace(wrong, report=b"").encode(), roots=()) == Reason.LENGTH
    assert refused(wrong.encode(), roots=()) == Reason.ROOT_UNKNOWN
    swapped = replace(wrong, claims=other.claims().encode())
    assert refused(swapped.encode()) == Reason.CLAIMS_BINDING
    assert refused(wrong.encode()) == Reason.CHAIN
    claims = room_bench().claims(nonce=bytes(32))
    evidence = room_bench().evidence(
        claims=claims, deployment=stated, signature=Signature(bytes(64))
    )
    assert refused(evidence) == Reason.NONCE
    evidence = room_bench().evidence(deployment=stated, signature=Signature(bytes(64)))
    assert refused(evidence) == Reason.DEPLOYMENT_BINDING
    assert refused(room_bench().evidence(signature=Signature(bytes(64)))) == (
        Reason.OPERATOR_SIGNATURE
    )


def test_a_statement_that_is_none_is_no_rooms() -> None:
    """T31: launched under these bytes, whatever they are."""
    from strongroom.enclave.attestation.room_claims import room_host_data

    junk = codec.encode(("hall-7",))
    launched = room_bench().evidence(host_data=room_host_data(junk))
    with pytest.raises(NotCanonical):
        room_bench().judge(swap_room(launched, deployment=junk))
    assert Deployment.decode(room_bench().deployment().encode()) == room_bench().deployment()


def test_both_signatures_over_one_report_are_one_for_a_replay_set() -> None:
    """T20: (r, n-s) verifies as well as (r, s)."""
    order = int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    )
    evidence = room_bench().evidence()
    report = bytearray(RoomEvidence.decode(evidence).report)
    s = int.from_bytes(report[Field.SIGNATURE_S], "little")
    report[Field.SIGNATURE_S] = (order - s).to_bytes(72, "little")
    twin = swap_room(evidence, report=bytes(report))
    assert twin != evidence
    assert room_bench().judge(twin).replay_key == room_bench().judge(evidence).replay_key
