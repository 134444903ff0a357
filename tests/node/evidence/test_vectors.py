"""Genuine evidence of every kind, and tampered copies of it: one test per case (vectors beside the
repository)."""

import json
from pathlib import Path

import pytest

from strongroom.node.evidence.cases import Case, judge_case, read_cases
from strongroom.node.evidence.demands import Demands

FILE = Path(__file__).parents[4] / "shared" / "vectors" / "attestation" / "cases.json"
CASES = read_cases(FILE) if FILE.is_file() else []
BY_ID = {case.id: case for case in CASES}
CONDITIONAL = {
    "tdx-v5-tcb-recovery-after": "TDRelaunchAdvised",
    "sgx-config-and-swhardening": "ConfigurationAndSWHardeningNeeded",
    "sgx-swhardening": "SWHardeningNeeded",
    "sgx-out-of-date": "OutOfDate",
    "tdx-out-of-date": "OutOfDate",
    "sim-outofdate": "OutOfDate",
}
REASONS = {
    "attested-cose-bad-payload": "signature",
    "attested-cose-stolen-report": "key-binding",
    "ccf-receipt-bad-path": "signature",
    "ccf-receipt-bad-side": "signature",
    "ccf-receipt-bad-txid": "signature",
    "ccf-receipt-other-payload": "payload-binding",
    "tdx-v5-cert-not-yet-valid": "not-yet-valid",
    "tdx-debug": "debug",
    "sgx-debug": "debug",
    "tdx-sept-ve-disable-off": "attributes",
    "tdx-service-td": "migration",
    "tdx-no-tcb-level-v5": "firmware",
    "tdx-expired-collateral": "expired",
    "tdx-collateral-from-future": "not-yet-valid",
    "tdx-wrong-fmspc-collateral": "collateral",
    "tdx-tampered-mrtd": "signature",
    "tdx-tampered-att-key": "signature",
    "tdx-truncated": "length",
    "tdx-trailing-junk": "trailing-bytes",
    "tdx-collateral-tcbinfo-edited": "collateral-signature",
    "ratls-gramine": "debug",
    "ratls-intel-sgxsdk": "debug",
    "ratls-rats-tls": "debug",
    "ratls-rats-rs": "debug",
    "ratls-stolen-evidence": "key-binding",
    "maa-alg-none": "algorithm",
    "maa-edited-payload": "signature",
    "maa-expired": "expired",
    "maa-attacker-jku": "signature",
    "maa-sevsnp-unknown-kid": "key-unknown",
    "ear-testRealmJWT": "key-not-pinned",
    "sim-debug": "debug",
    "sim-lowtcb": "firmware",
    "sim-old-qe": "firmware",
    "sim-under-intel-root": "root-unknown",
    "sim-revoked-pck": "revoked",
}

pytestmark = pytest.mark.skipif(not CASES, reason="no attestation vectors beside the repository")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_gets_its_verdict(case: Case) -> None:
    """T20, T21, T22, T24, T26, T28."""
    verdict = judge_case(case, Demands())
    assert verdict.verdict == case.expected, verdict
    assert verdict.reason == CONDITIONAL.get(case.id, REASONS.get(case.id, verdict.reason))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_under_a_strict_policy_what_is_conditional_is_bad_and_nothing_else_changes(
    case: Case,
) -> None:
    verdict = judge_case(case, Demands(strict=True))
    assert verdict.verdict == ("bad" if case.id in CONDITIONAL else case.expected)
    if case.id in CONDITIONAL:
        assert verdict.reason == CONDITIONAL[case.id]


@pytest.mark.parametrize(
    "case", [case for case in CASES if "fields" in case.document], ids=lambda case: case.id
)
def test_what_a_verdict_says_is_what_the_manufacturer_wrote(case: Case) -> None:
    verdict, fields = judge_case(case, Demands()), case.document["fields"]
    if not verdict.facts:
        assert verdict.verdict == "bad"
        return
    for ours, theirs in (
        ("measurement", "measurement"),
        ("measurement", "mr_td"),
        ("measurement", "mr_enclave"),
    ):
        assert theirs not in fields or verdict.facts[ours] == fields[theirs]
    for name in ("report_data", "chip_id", "claim_digest"):
        assert name not in fields or verdict.facts[name] == fields[name]
    if "dcap_qvl_0_7_0" in case.document:
        assert verdict.facts["advisories"] == case.document["dcap_qvl_0_7_0"]["advisory_ids"]


def test_there_are_109_cases_of_which_six_are_conditional() -> None:
    assert len(CASES) == 109
    assert {case.id for case in CASES if case.expected == "conditional"} == set(CONDITIONAL)


def test_one_quote_in_two_encodings_has_one_replay_key() -> None:
    """T20."""
    facts = [
        judge_case(BY_ID[name], Demands()).facts
        for name in ("tdx-v4-good", "tdx-unpadded-same-quote")
    ]
    assert facts[0]["replay_key"] == facts[1]["replay_key"]
    facts = [
        judge_case(BY_ID[name], Demands()).facts
        for name in ("snp-milan-good", "snp-malleable-signature")
    ]
    assert facts[0]["replay_key"] == facts[1]["replay_key"]


def test_only_the_simulated_root_says_simulated() -> None:
    """T26."""
    for case in CASES:
        verdict = judge_case(case, Demands())
        assert verdict.simulated == (case.id in ("sim-good", "sim-outofdate"))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.expected != "bad"], ids=lambda case: case.id
)
def test_without_a_clock_what_was_good_stays_so(case: Case, tmp_path: Path) -> None:
    document = {
        name: value for name, value in case.document.items() if name not in ("time", "endorsement")
    }
    files = {role: str(path) for role, path in case.paths.items()}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [{**document, "files": files}]}))
    assert judge_case(read_cases(path)[0], Demands()).verdict == case.expected
