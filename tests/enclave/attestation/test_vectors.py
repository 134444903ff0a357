"""Genuine AMD evidence, and tampered copies of it, judged by the same code as ours (vectors beside
the repository)."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.certificates import AMD_ROOTS
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.report import Product, Report, Tcb, product_of_cpuid
from strongroom.enclave.attestation.silicon import GUEST_RULES, VerifiedReport, verify_report

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "attestation"
CASES: list[dict[str, Any]] = (
    [
        case
        for case in json.loads((VECTORS / "cases.json").read_text())["cases"]
        if case["kind"] == "sev-snp"
    ]
    if VECTORS.is_dir()
    else []
)
BY_ID = {case["id"]: case for case in CASES}

pytestmark = pytest.mark.skipif(not CASES, reason="no attestation vectors beside the repository")

REASONS = {
    "snp-wrong-vcek-legacy": Reason.CERTIFICATE_SIGNATURE,
    "snp-wrong-vcek-new": Reason.CERTIFICATE_SIGNATURE,
    "snp-debug-policy": Reason.DEBUG_ALLOWED,
    "snp-vlek-expired": Reason.CERTIFICATE_EXPIRED,
    "snp-vlek-wrong-intermediate": Reason.CERTIFICATE_NAME,
    "snp-genoa-milan-chain": Reason.CERTIFICATE_ISSUER,
    "snp-genuine-but-other-chip": Reason.CHIP_MISMATCH,
    "snp-tampered-measurement-bitflip": Reason.REPORT_SIGNATURE,
    "snp-tampered-report_data-swap": Reason.REPORT_SIGNATURE,
    "snp-tampered-host_data": Reason.REPORT_SIGNATURE,
    "snp-tampered-policy-debug-cleared": Reason.DEBUG_ALLOWED,
    "snp-tampered-reported_tcb-raised": Reason.TCB_MISMATCH,
    "snp-tampered-version-9": Reason.VERSION,
    "snp-tampered-sig-algo-0": Reason.SIGNATURE_ALGORITHM,
    "snp-tampered-sig-r-zero": Reason.REPORT_SIGNATURE,
    "snp-tampered-sig-s-zero": Reason.REPORT_SIGNATURE,
    "snp-tampered-signature-bitflip": Reason.REPORT_SIGNATURE,
    "snp-tampered-chip_id": Reason.CHIP_MISMATCH,
    "snp-truncated": Reason.LENGTH,
    "snp-overlong": Reason.LENGTH,
    "snp-empty": Reason.LENGTH,
}


def first_certificate(name: str) -> bytes:
    """DER of the first certificate of a DER or PEM file."""
    return certificates(name)[0]


def certificates(name: str) -> list[bytes]:
    """DER of every certificate of a DER or PEM file."""
    data = (VECTORS / name).read_bytes()
    if not data.startswith(b"-----"):
        return [data]
    blocks = data.split(b"-----BEGIN CERTIFICATE-----")[1:]
    pems = (b"-----BEGIN CERTIFICATE-----" + block for block in blocks)
    return [_der(pem) for pem in pems]


def _der(pem: bytes) -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def judge(case: dict[str, Any], **changes: Any) -> VerifiedReport:
    """Judge one case at its own time, under AMD's roots."""
    files = case["files"]
    ask, ark = certificates(files["chain"])
    arguments: dict[str, Any] = {
        "roots": AMD_ROOTS,
        "time_ms": Milliseconds(case["time"] * 1000),
        "rules": GUEST_RULES,
        **changes,
    }
    return verify_report(
        (VECTORS / files["report"]).read_bytes(),
        first_certificate(files["vek"]),
        ask,
        ark,
        **arguments,
    )


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["verdict"] == "good"], ids=lambda case: case["id"]
)
def test_genuine_evidence_is_good(case: dict[str, Any]) -> None:
    verified = judge(case)
    assert not verified.simulated
    assert case["fields"]["product"].startswith(verified.product)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["verdict"] == "bad"], ids=lambda case: case["id"]
)
def test_tampered_evidence_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    """T20, T21, T22, T28."""
    with pytest.raises(AttestationError) as caught:
        judge(case)
    assert caught.value.reason == REASONS[case["id"]]


@pytest.mark.parametrize(
    "case", [case for case in CASES if "fields" in case], ids=lambda case: case["id"]
)
def test_every_field_is_read_as_the_manufacturer_wrote_it(case: dict[str, Any]) -> None:
    expected = case["fields"]
    data = (VECTORS / case["files"]["report"]).read_bytes()
    if REASONS.get(case["id"]) in (Reason.VERSION, Reason.SIGNATURE_ALGORITHM):
        return
    report = Report.parse(data)
    assert report.version == expected["version"]
    assert report.policy == int(expected["policy"], 16)
    assert report.vmpl == expected["vmpl"]
    assert report.platform_info == int(expected["platform_info"], 16)
    for name in (
        "measurement",
        "report_data",
        "host_data",
        "chip_id",
        "reported_tcb",
        "committed_tcb",
        "launch_tcb",
    ):
        assert getattr(report, name).hex() == expected[name]
    if report.cpuid is not None:
        assert expected["product"].startswith(str(product_of_cpuid(*report.cpuid[:2])))


def test_there_are_31_cases_and_every_refusal_has_a_reason() -> None:
    assert len(CASES) == 31
    assert {case["id"] for case in CASES if case["verdict"] == "bad"} == set(REASONS)


def test_a_loaded_key_is_refused_where_a_chip_must_be_named() -> None:
    """T23: what is good for any guest is not good for an enclave of ours."""
    case = BY_ID["snp-vlek-good-in-window"]
    with pytest.raises(AttestationError) as caught:
        judge(case, rules=GUEST_RULES.__class__(vmpl_max=3, loaded_keys=False))
    assert caught.value.reason == Reason.SIGNING_KEY


def test_a_genuine_root_that_is_not_pinned_is_refused() -> None:
    """T28."""
    milan = next(root for root, product in AMD_ROOTS.items() if product is Product.MILAN)
    judge(BY_ID["snp-milan-good"], roots=[milan])
    for roots in ([], [Digest(bytes(32))], [root for root in AMD_ROOTS if root != milan]):
        with pytest.raises(AttestationError) as caught:
            judge(BY_ID["snp-milan-good"], roots=roots)
        assert caught.value.reason == Reason.ROOT_UNKNOWN


def test_a_second_signature_over_a_genuine_report_is_a_replay() -> None:
    """T20."""
    assert (
        judge(BY_ID["snp-malleable-signature"]).report.replay_key
        == judge(BY_ID["snp-milan-good"]).report.replay_key
    )


def test_the_tcb_of_turin_has_its_own_layout() -> None:
    report = judge(BY_ID["snp-turin-good"]).report
    tcb = Tcb.of(Product.TURIN, report.reported_tcb)
    assert tcb == Tcb(fmc=1, bootloader=1, tee=1, snp=4, microcode=0x51)
    assert tcb.version(Product.TURIN) == report.reported_tcb
