"""The judge: each reason is reached, in the documented order, and nothing that was changed is
accepted."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.attestation.forging import bench, swap
from tests.enclave.fixtures import (
    CREATED_MS,
    MEASUREMENT,
    Applicant,
    key_named,
    manufacturer,
    strange_manufacturer,
)

from strongroom.consensus.errors import AttestationError, InvariantBroken, NotCanonical
from strongroom.consensus.types import ChainId, Digest, Milliseconds
from strongroom.enclave.attestation.certificates import AMD_ROOTS, read_chain
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, SIMULATED_TCB, Floors, Policy
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.report import (
    POLICY_DEBUG,
    POLICY_MIGRATION,
    POLICY_RESERVED_ONE,
    Field,
    Product,
    Tcb,
    measurement_digest,
)
from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.outside.verdicts import describe
from strongroom.enclave.platform.chip import GUEST_POLICY, SimulatedChip

P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
    "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    16,
)


def refused(evidence: bytes, **changes: Any) -> str:
    """The reason for which evidence is refused."""
    with pytest.raises(AttestationError) as caught:
        bench().judge(evidence, **changes)
    return caught.value.reason


def policy_with(**changes: Any) -> Policy:
    """The bench's policy, changed."""
    return replace(bench().policy, **changes)


def test_good_evidence_gives_an_enclave_with_everything_that_was_verified() -> None:
    enclave = bench().judge(bench().evidence())
    assert enclave.claims == bench().claims()
    assert enclave.measurement == MEASUREMENT
    assert enclave.measurement_digest == measurement_digest(MEASUREMENT)
    assert enclave.chip_id == bench().first.chip.chip_id
    assert (enclave.operator, enclave.region) == (bench().first.operator, "eu-west")
    assert enclave.product is Product.SIMULATED
    assert enclave.tcb == SIMULATED_TCB


def test_only_the_verifier_makes_a_verified_enclave() -> None:
    enclave = bench().judge(bench().evidence())
    with pytest.raises(InvariantBroken):
        VerifiedEnclave(
            made_by=object(),
            evidence=enclave.evidence,
            claims=enclave.claims,
            verified=enclave.verified,
        )


# --- T20: replay, relay, other keys ---------------------------------------------------------------


def test_evidence_for_another_challenge_is_refused() -> None:
    """T20: replayed or relayed evidence answers another nonce."""
    assert refused(bench().evidence(), nonce=bytes(32)) == Reason.NONCE
    assert refused(bench().evidence(claims=bench().claims(nonce=bytes(32)))) == Reason.NONCE


def test_evidence_for_another_chain_is_refused() -> None:
    """T20."""
    assert refused(bench().evidence(), chain=ChainId(sha256(b"other").digest())) == Reason.CHAIN


@pytest.mark.parametrize(
    "field", ["node_key", "vote_key", "tls_key", "epoch_key_digest", "nonce", "chain"]
)
def test_a_key_or_challenge_that_the_enclave_did_not_name_is_refused(field: str) -> None:
    """T20, T15, T42: the host puts one of its own into the claims after the chip signed."""
    changed = bench().claims(**{field: sha256(field.encode()).digest()})
    assert refused(swap(bench().evidence(), claims=changed.encode())) == Reason.CLAIMS_BINDING


def test_a_wrap_key_that_the_enclave_did_not_make_is_refused() -> None:
    """T20, T2B."""
    changed = bench().claims(wrap_keys=bench().second.keys.wrap_keys)
    assert refused(swap(bench().evidence(), claims=changed.encode())) == Reason.CLAIMS_BINDING


def test_the_claims_of_another_enclave_are_refused_beside_this_report() -> None:
    """T20: evidence theft."""
    other = Evidence.decode(bench().second.evidence(bench().constitution)).claims
    assert refused(swap(bench().evidence(), claims=other)) == Reason.CLAIMS_BINDING


def test_report_data_must_end_in_zeros() -> None:
    """T20: the upper half of REPORT_DATA is no free space."""
    claims, chip = bench().claims(), bench().first.chip
    own = Evidence.decode(bench().evidence())
    report = chip.attest(
        claims.report_data[:32] + bytes(31) + b"\x01",
        measurement=MEASUREMENT,
        host_data=own.report[Field.HOST_DATA],
    )
    assert refused(swap(bench().evidence(), report=report)) == Reason.CLAIMS_BINDING


def test_both_signatures_over_one_report_are_one_piece_of_evidence_for_a_replay_set() -> None:
    """T20: (r, n−s) verifies as well as (r, s); a replay set is keyed on the signed bytes."""
    evidence = bench().evidence()
    report = bytearray(Evidence.decode(evidence).report)
    s = int.from_bytes(report[Field.SIGNATURE_S], "little")
    report[Field.SIGNATURE_S] = (P384_ORDER - s).to_bytes(72, "little")
    twin = swap(evidence, report=bytes(report))
    assert twin != evidence
    assert bench().judge(twin).replay_key == bench().judge(evidence).replay_key


@pytest.mark.parametrize("coordinate", [Field.SIGNATURE_R, Field.SIGNATURE_S])
@pytest.mark.parametrize("value", [0, P384_ORDER, 2**576 - 1])
def test_a_signature_out_of_range_is_refused(coordinate: slice, value: int) -> None:
    """T20."""
    report = bytearray(Evidence.decode(bench().evidence()).report)
    report[coordinate] = value.to_bytes(72, "little")
    assert refused(swap(bench().evidence(), report=bytes(report))) == Reason.REPORT_SIGNATURE


def test_every_single_changed_byte_is_refused() -> None:
    """T20, T28, T31: one bit in each byte of the evidence, certificates and reserved bytes
    included."""
    evidence = bench().evidence()
    for at in range(len(evidence)):
        changed = evidence[:at] + bytes((evidence[at] ^ 1 << at % 8,)) + evidence[at + 1 :]
        with pytest.raises((AttestationError, NotCanonical)):
            bench().judge(changed)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_a_host_does_to_the_bytes_is_refused(data: st.DataObject) -> None:
    """T20, T28, T31: runs of bytes replaced, removed, inserted."""
    evidence = bench().evidence()
    start = data.draw(st.integers(0, len(evidence) - 1))
    end = data.draw(st.integers(start, min(start + 64, len(evidence))))
    changed = evidence[:start] + data.draw(st.binary(max_size=64)) + evidence[end:]
    if changed != evidence:
        with pytest.raises((AttestationError, NotCanonical)):
            bench().judge(changed)


# --- T21: what no policy can allow ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (GUEST_POLICY | POLICY_DEBUG, Reason.DEBUG_ALLOWED),
        (GUEST_POLICY | POLICY_MIGRATION, Reason.MIGRATION_ALLOWED),
        (GUEST_POLICY | POLICY_DEBUG | POLICY_MIGRATION, Reason.DEBUG_ALLOWED),
        (GUEST_POLICY | 1 << 26, Reason.GUEST_POLICY),
        (GUEST_POLICY | 1 << 63, Reason.GUEST_POLICY),
        (GUEST_POLICY & ~POLICY_RESERVED_ONE, Reason.GUEST_POLICY),
    ],
)
def test_a_guest_that_its_host_may_read_or_move_is_refused(policy: int, reason: Reason) -> None:
    """T21."""
    assert refused(bench().evidence(policy=policy)) == reason


@pytest.mark.parametrize("vmpl", [1, 2, 3])
def test_a_report_from_below_the_enclaves_level_is_refused(vmpl: int) -> None:
    """T21."""
    assert refused(bench().evidence(vmpl=vmpl)) == Reason.VMPL


def test_debug_is_refused_even_when_nothing_else_holds() -> None:
    """T21, T27: in code, before policy and certificates; hence the same reason on every replica."""
    everything_wrong = swap(
        bench().evidence(policy=GUEST_POLICY | POLICY_DEBUG), vek=b"", ask=b"", ark=b""
    )
    nothing = policy_with(roots=(), measurements=(), chips=(), allow_simulated=False)
    assert refused(everything_wrong, policy=nothing, nonce=bytes(32)) == Reason.DEBUG_ALLOWED


def _unsigned(**fields: tuple[slice, int]) -> bytes:
    """Evidence whose report has fields that no chip would sign."""
    report = bytearray(Evidence.decode(bench().evidence()).report)
    for field, value in fields.values():
        report[field] = value.to_bytes(field.stop - field.start, "little")
    return swap(bench().evidence(), report=bytes(report))


@pytest.mark.parametrize("version", [0, 1, 6, 9, 2**32 - 1])
def test_an_unknown_version_is_refused(version: int) -> None:
    """T21."""
    assert refused(_unsigned(version=(Field.VERSION, version))) == Reason.VERSION


def test_another_signature_algorithm_is_refused() -> None:
    """T21, T28."""
    assert (
        refused(_unsigned(algorithm=(Field.SIGNATURE_ALGORITHM, 0))) == Reason.SIGNATURE_ALGORITHM
    )


def test_bytes_behind_the_signature_are_refused() -> None:
    """T21: they are not signed, so they would make two encodings of one report."""
    assert refused(_unsigned(rest=(slice(1183, 1184), 1))) == Reason.SIGNATURE_FORM


@pytest.mark.parametrize("size", [0, 1183, 1185])
def test_another_length_is_refused(size: int) -> None:
    """T21."""
    report = Evidence.decode(bench().evidence()).report
    assert (
        refused(swap(bench().evidence(), report=report.ljust(size, b"\x00")[:size]))
        == Reason.LENGTH
    )


@pytest.mark.parametrize("key", [1, 2, 6, 7])
def test_a_report_that_no_chip_key_signed_is_refused(key: int) -> None:
    """T21, T23: a loaded key names no chip."""
    assert refused(_unsigned(flags=(Field.FLAGS, key << 2))) == Reason.SIGNING_KEY


def test_a_hidden_chip_is_refused() -> None:
    """T23."""
    assert refused(_unsigned(flags=(Field.FLAGS, 2))) == Reason.SIGNING_KEY


# --- T22: firmware --------------------------------------------------------------------------------

OLD = replace(SIMULATED_TCB, snp=SIMULATED_TCB.snp - 1)


def _on_chip(chip: SimulatedChip) -> tuple[bytes, Policy]:
    """The first applicant's evidence on another chip, and the policy that takes that chip."""
    first = bench().first
    moved = Applicant(
        name=first.name,
        chip=chip,
        operator=first.operator,
        operator_key=first.operator_key,
        keys=first.keys,
    )
    chips = tuple(sorted((*bench().policy.chips, (first.operator, chip.chip_id))))
    return moved.evidence(bench().constitution), policy_with(chips=chips)


@pytest.mark.parametrize("which", ["committed", "launch"])
def test_firmware_that_was_rolled_back_is_refused(which: str) -> None:
    """T22: reported is new enough, but older firmware is committed, or ran at launch."""
    evidence, policy = _on_chip(manufacturer().make_chip(**{which: OLD}))
    assert refused(evidence, policy=policy) == Reason.TCB_FLOOR
    with pytest.raises(AttestationError, match=which):
        bench().judge(evidence, policy=policy)


def test_old_reported_firmware_is_refused() -> None:
    """T22."""
    chip = manufacturer().make_chip(OLD, committed=SIMULATED_TCB, launch=SIMULATED_TCB)
    evidence, policy = _on_chip(chip)
    assert refused(evidence, policy=policy) == Reason.TCB_FLOOR


@pytest.mark.parametrize("component", ["bootloader", "tee", "snp", "microcode"])
def test_each_component_has_its_own_floor(component: str) -> None:
    """T22: a newer microcode does not make up for an older bootloader."""
    base = Tcb(bootloader=5, tee=5, snp=5, microcode=5)
    floors = Floors(product=Product.SIMULATED, committed=base, launch=base, reported=base)
    tcb = replace(Tcb(bootloader=9, tee=9, snp=9, microcode=9), **{component: 4})
    evidence, policy = _on_chip(manufacturer().make_chip(tcb))
    assert refused(evidence, policy=replace(policy, floors=(floors,))) == Reason.TCB_FLOOR


def test_a_product_without_floors_is_refused() -> None:
    """T22: fails closed."""
    assert refused(bench().evidence(), policy=policy_with(floors=())) == Reason.PRODUCT
    genoa = replace(SIMULATED_FLOORS, product=Product.GENOA)
    assert refused(bench().evidence(), policy=policy_with(floors=(genoa,))) == Reason.PRODUCT


def test_a_report_that_claims_newer_firmware_than_its_key_was_derived_for_is_refused() -> None:
    """T22: the host replaces REPORTED_TCB, or shows the certificate of another version."""
    raised = int.from_bytes(replace(SIMULATED_TCB, snp=99).version(Product.SIMULATED), "little")
    assert refused(_unsigned(tcb=(Field.REPORTED_TCB, raised))) == Reason.TCB_MISMATCH


# --- T23: whose chip ------------------------------------------------------------------------------


def test_a_genuine_chip_of_nobody_is_refused() -> None:
    """T23: the attacker's own machine, with an operator's name on it."""
    evidence, _ = _on_chip(manufacturer().make_chip())
    assert refused(evidence) == Reason.CHIP_UNKNOWN


def test_another_operators_chip_is_refused() -> None:
    """T23: the allow-list is per operator."""
    chips = tuple(sorted((name, bench().first.chip.chip_id) for name in [bench().second.operator]))
    assert refused(bench().evidence(), policy=policy_with(chips=chips)) == Reason.CHIP_UNKNOWN


def test_a_deployment_that_its_operator_did_not_sign_is_refused() -> None:
    """T23."""
    assert refused(bench().evidence(signer=key_named("mallory"))) == Reason.OPERATOR_SIGNATURE


def test_an_unknown_operator_is_refused() -> None:
    """T23."""
    evidence = bench().evidence(
        claims=bench().claims(operator="mallory"),
        deployment=bench().deployment(operator="mallory"),
        signer=key_named("mallory"),
    )
    assert refused(evidence) == Reason.OPERATOR_UNKNOWN


@pytest.mark.parametrize(
    "change",
    [
        {"name": "n9"},
        {"operator": "operator1"},
        {"chip_id": bytes(64)},
        {"measurement": bytes(48)},
        {"region": "us-east"},
    ],
)
def test_a_deployment_statement_about_something_else_is_refused(change: dict[str, Any]) -> None:
    """T23: signed by the operator, committed to by the report, and about another node, chip, code
    or region."""
    signer = key_named(change.get("operator", bench().first.operator))
    evidence = bench().evidence(deployment=bench().deployment(**change), signer=signer)
    assert refused(evidence) == Reason.DEPLOYMENT_BINDING


def test_a_deployment_statement_that_the_enclave_was_not_launched_under_is_refused() -> None:
    """T23: HOST_DATA is fixed at launch; a statement that fits in every word is shown for it
    afterwards."""
    assert refused(bench().evidence(launched_under=bytes(32))) == Reason.DEPLOYMENT_BINDING
    signed = bench().deployment(name="n9").sign(bench().first.operator_key)
    changed = swap(
        bench().evidence(), deployment=signed.statement, operator_signature=signed.signature
    )
    assert refused(changed) == Reason.DEPLOYMENT_BINDING


def test_a_region_that_the_policy_does_not_name_is_refused() -> None:
    evidence = bench().evidence(
        claims=bench().claims(region="us-east"), deployment=bench().deployment(region="us-east")
    )
    assert refused(evidence) == Reason.REGION


# --- T24: which code ------------------------------------------------------------------------------


def test_code_that_the_policy_does_not_allow_is_refused() -> None:
    """T24."""
    assert refused(bench().evidence(measurement=bytes(48))) == Reason.MEASUREMENT


# --- T26: simulated or genuine --------------------------------------------------------------------


def test_a_simulated_chip_is_refused_where_the_policy_takes_silicon_only() -> None:
    """T26: even though its root is pinned."""
    assert (
        refused(bench().evidence(), policy=policy_with(allow_simulated=False)) == Reason.SIMULATED
    )


def test_a_simulated_root_that_is_not_pinned_is_refused_where_simulated_chips_are_allowed() -> None:
    """T26: `allow_simulated` opens no door to other simulated manufacturers, nor do AMD's roots."""
    assert (
        refused(bench().evidence(), policy=policy_with(roots=tuple(sorted(AMD_ROOTS))))
        == Reason.ROOT_UNKNOWN
    )
    chip = strange_manufacturer().make_chip()
    evidence, policy = _on_chip(chip)
    assert refused(evidence, policy=policy) == Reason.ROOT_UNKNOWN


def test_every_verdict_in_words_says_simulated() -> None:
    """T26."""
    words = describe(bench().judge(bench().evidence()))
    assert "SIMULATED" in words[0]
    assert any(MEASUREMENT.hex() in line for line in words)


# --- time and revocation --------------------------------------------------------------------------


def test_a_revoked_key_is_refused_wherever_it_stands_in_the_chain() -> None:
    """T28: root, intermediate or chip."""
    own = bench().first.chip.endorsements
    keys = read_chain(own.vek, own.ask, own.ark).keys
    assert len(keys) == 3
    for key in keys:
        assert (
            refused(bench().evidence(), policy=policy_with(revoked=(key,)))
            == Reason.CERTIFICATE_REVOKED
        )
    bench().judge(bench().evidence(), policy=policy_with(revoked=(Digest(bytes(32)),)))


@pytest.mark.parametrize(
    ("time_ms", "reason"),
    [
        (1_577_836_800_000 - 1, Reason.CERTIFICATE_NOT_YET_VALID),
        (2_524_608_000_000 + 1, Reason.CERTIFICATE_EXPIRED),
    ],
)
def test_time_comes_from_the_argument_alone(time_ms: int, reason: Reason) -> None:
    """T27, T28: the same evidence at another block time; the last valid moments are valid."""
    assert refused(bench().evidence(), time_ms=Milliseconds(time_ms)) == reason
    for edge in (1_577_836_800_000, 2_524_608_000_000):
        bench().judge(bench().evidence(), time_ms=Milliseconds(edge))


def test_evidence_over_a_block_counts_for_the_policys_time() -> None:
    policy = bench().policy
    policy.check_age(CREATED_MS, Milliseconds(CREATED_MS + policy.max_age_ms))
    with pytest.raises(AttestationError, match="too-old"):
        policy.check_age(CREATED_MS, Milliseconds(CREATED_MS + policy.max_age_ms + 1))


def test_a_report_of_another_processor_than_the_certificates_is_refused() -> None:
    """T28: a Genoa report under a certificate of another product line."""
    assert refused(_unsigned(cpuid=(Field.CPUID, 0x011119))) == Reason.PRODUCT
    assert refused(_unsigned(cpuid=(Field.CPUID, 0xFFFFFF))) == Reason.PRODUCT


# --- T27: one order of checks ---------------------------------------------------------------------

HIGH = Tcb(bootloader=255, tee=255, snp=255, microcode=255)
DEFECTS: list[tuple[Reason, str, Any]] = [
    (Reason.LENGTH, "length", b"\x00"),
    (Reason.VERSION, "report", (Field.VERSION, 9)),
    (Reason.SIGNATURE_ALGORITHM, "report", (Field.SIGNATURE_ALGORITHM, 2)),
    (Reason.SIGNATURE_FORM, "report", (slice(0x4A0 - 1, 0x4A0), 1)),
    (Reason.DEBUG_ALLOWED, "policy bits", POLICY_DEBUG),
    (Reason.MIGRATION_ALLOWED, "policy bits", POLICY_MIGRATION),
    (Reason.GUEST_POLICY, "policy bits", 1 << 40),
    (Reason.VMPL, "report", (Field.VMPL, 1)),
    (Reason.SIGNING_KEY, "report", (Field.FLAGS, 2)),
    (Reason.CERTIFICATE_FORM, "evidence", {"vek": b""}),
    (Reason.ROOT_UNKNOWN, "policy", {"roots": ()}),
    (Reason.CERTIFICATE_EXPIRED, "arguments", {"time_ms": Milliseconds(2**45)}),
    (Reason.PRODUCT, "report", (Field.CPUID, 0x011119)),
    (Reason.CHIP_MISMATCH, "report", (Field.CHIP_ID, 0)),
    (Reason.TCB_MISMATCH, "report", (Field.REPORTED_TCB, 0)),
    (Reason.REPORT_SIGNATURE, "report", (Field.SIGNATURE_R, 1)),
    (Reason.SIMULATED, "policy", {"allow_simulated": False}),
    (Reason.PRODUCT, "policy", {"floors": ()}),
    (Reason.TCB_FLOOR, "policy", {"floors": (replace(SIMULATED_FLOORS, launch=HIGH),)}),
    (Reason.MEASUREMENT, "policy", {"measurements": ()}),
    (Reason.CLAIMS_BINDING, "evidence", {"claims": b""}),
    (Reason.NONCE, "arguments", {"nonce": bytes(32)}),
    (Reason.CHAIN, "arguments", {"chain": ChainId(b"\x01" * 32)}),
    (Reason.REGION, "policy", {"regions": ()}),
    (Reason.DEPLOYMENT_BINDING, "evidence", {"deployment": b""}),
    (Reason.OPERATOR_UNKNOWN, "policy", {"operators": ()}),
    (Reason.OPERATOR_SIGNATURE, "evidence", {"operator_signature": bytes(64)}),
    (Reason.CHIP_UNKNOWN, "policy", {"chips": ()}),
]


@pytest.mark.parametrize(
    "first", range(len(DEFECTS)), ids=lambda first: f"{first}-{DEFECTS[first][0]}"
)
def test_of_many_defects_the_documented_first_one_is_the_reason(first: int) -> None:
    """T27: every defect from this one on is present at once; every replica names this one."""
    fields: dict[str, Any] = {}
    policy: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    report = bytearray(Evidence.decode(bench().evidence()).report)
    bits, tail = GUEST_POLICY, b""
    for _, kind, value in reversed(DEFECTS[first:]):
        match kind:
            case "report":
                report[value[0]] = value[1].to_bytes(value[0].stop - value[0].start, "little")
            case "policy bits":
                bits |= value
            case "length":
                tail = value
            case _:
                {"evidence": fields, "policy": policy, "arguments": arguments}[kind].update(value)
    report[Field.POLICY] = bits.to_bytes(8, "little")
    evidence = swap(bench().evidence(), report=bytes(report) + tail, **fields)
    assert refused(evidence, policy=policy_with(**policy), **arguments) == DEFECTS[first][0]
