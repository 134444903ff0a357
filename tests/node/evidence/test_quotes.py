"""Quotes and RA-TLS certificates, self-made under a simulated root that unmodified dcap-qvl
accepts."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from tests.node.evidence.forging import (
    NOW,
    answer,
    certificate,
    der,
    encode,
    intel,
    p256,
    p384,
    pem,
    platform,
    ratls,
    said,
    spki,
    tdx,
)

from strongroom.enclave.outside.tdx import SEPT_VE_DISABLE, TdxManufacturer
from strongroom.enclave.outside.tdx_form import Level
from strongroom.node.evidence import dcap
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.judging import judge
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.quote import Quote
from strongroom.node.evidence.reasons import CannotJudge, Unjudged

dcap_qvl = pytest.importorskip("dcap_qvl")
Forge = Callable[[], dict[str, bytes]]

# --- dcap -----------------------------------------------------------------------------------------


def test_a_quote_that_is_up_to_date_is_good_and_says_simulated() -> None:
    """T26."""
    verdict = answer("dcap", tdx())
    assert (verdict.verdict, verdict.reason, verdict.simulated) == ("good", "UpToDate", True)
    assert "SIMULATED" in verdict.detail


def test_unmodified_dcap_qvl_accepts_a_simulated_quote_under_the_simulated_root_only() -> None:
    """T26."""
    files = tdx()
    collateral = dcap_qvl.QuoteCollateralV3.from_json(files["collateral"].decode())
    assert (
        dcap_qvl.verify_with_root_ca(files["quote"], collateral, files["root"], NOW).status
        == "UpToDate"
    )
    with pytest.raises(ValueError, match="root CA CRL"):
        dcap_qvl.verify(files["quote"], collateral, NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "conditional: OutOfDate"),
        ({"strict": True}, "bad: OutOfDate"),
        ({"accepted": frozenset(["OutOfDate"])}, "good: OutOfDate"),
        ({"accepted": frozenset(["SWHardeningNeeded"])}, "conditional: OutOfDate"),
    ],
)
def test_a_status_is_weighed_by_the_policy(changes: dict[str, Any], expected: str) -> None:
    """T22."""
    older = intel().make_platform(svn=5, module_svn=3).quote(bytes(64), measurement=bytes(48))
    assert said("dcap", {**tdx(), "quote": older}, **changes) == expected


def test_a_status_that_is_on_no_list_is_bad() -> None:
    class Report:
        status, advisory_ids, ppid = "Wonderful", (), b""

    original = dcap._ask_library
    dcap._ask_library = lambda *_: Report()
    try:
        assert said("dcap", tdx()) == "bad: status-unknown"
    finally:
        dcap._ask_library = original


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: tdx(levels=(Level(7, 5, "Revoked"),)), "revoked"),
        (lambda: tdx(levels=(Level(8, 6),)), "firmware"),
        (lambda: tdx(revoked=[platform().serial]), "revoked"),
        (lambda: tdx(revoked_by_root=[intel().signer_serial]), "revoked"),
        (lambda: tdx(qe_svn=9), "firmware"),
        (lambda: tdx(attributes=SEPT_VE_DISABLE | 1), "debug"),
        (lambda: tdx(attributes=SEPT_VE_DISABLE | 1 << 5), "debug"),
        (lambda: tdx(attributes=SEPT_VE_DISABLE | 1 << 29), "migration"),
        (lambda: tdx(attributes=SEPT_VE_DISABLE | 1 << 40), "attributes"),
        (lambda: tdx(attributes=0), "attributes"),
    ],
)
def test_a_platform_or_guest_that_is_not_safe_is_bad(files: Forge, reason: str) -> None:
    """T21, T22, T28."""
    assert said("dcap", files()) == f"bad: {reason}"


def test_time_counts_unless_there_is_no_clock() -> None:
    """T28."""
    assert said("dcap", tdx(), time=NOW - 61) == "bad: not-yet-valid"
    assert said("dcap", tdx(), time=NOW + 61) == "bad: expired"
    assert said("dcap", tdx(), time=None) == "good: UpToDate"


_INNER = 636 + 128 + 6
"""Where the quoting enclave's report begins."""
TAMPERED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "version": (lambda quote: put(quote, 0, b"\x06"), "version"),
    "old version": (lambda quote: put(put(quote, 0, b"\x02"), 4, b"\x00"), "version"),
    "slack inside": (lambda quote: put(quote, 632, bytes((quote[632] + 1,))) + b"\x00", "length"),
    "key type": (lambda quote: put(quote, 2, b"\x03"), "algorithm"),
    "TEE": (lambda quote: put(quote, 4, b"\x01"), "version"),
    "reserved": (lambda quote: put(quote, 8, b"\x01"), "signature"),
    "vendor": (lambda quote: put(quote, 12, b"\x00"), "platform-identity"),
    "module's signer": (lambda quote: put(quote, 48 + 64, b"\x01"), "platform-identity"),
    "measurement": (lambda quote: put(quote, 48 + 136, b"\xff"), "signature"),
    "report data": (lambda quote: put(quote, 48 + 520, b"\x01"), "signature"),
    "outer length": (lambda quote: put(quote, 632, bytes((quote[632] ^ 1,))), "length"),
    "signature": (lambda quote: put(quote, 640, bytes((quote[640] ^ 1,))), "signature"),
    "certification type": (lambda quote: put(quote, 636 + 128, b"\x05"), "version"),
    "inner length": (lambda quote: put(quote, 636 + 130, bytes((quote[636 + 130] ^ 1,))), "length"),
    "quoting enclave's signer": (lambda quote: put(quote, _INNER + 128, b"\x00"), "signature"),
    "length of the auth data": (lambda quote: put(quote, _INNER + 448, b"\x00"), "version"),
    "empty": (lambda _: b"", "length"),
    "header only": (lambda quote: quote[:48], "length"),
    "tail": (lambda quote: quote + b"\x01", "trailing-bytes"),
    "huge tail": (lambda quote: quote + bytes(16 * 1024), "too-large"),
}


def put(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize("what", list(TAMPERED))
def test_a_tampered_quote_is_bad(what: str) -> None:
    """T20, T21."""
    change, reason = TAMPERED[what]
    files = tdx()
    assert said("dcap", {**files, "quote": change(files["quote"])}) == f"bad: {reason}"


def test_zero_padding_changes_neither_verdict_nor_replay_key() -> None:
    """T20."""
    files = tdx()
    padded = answer("dcap", {**files, "quote": files["quote"] + bytes(100)})
    assert padded.verdict == "good"
    assert padded.facts["replay_key"] == answer("dcap", files).facts["replay_key"]


def test_a_root_in_a_chain_must_be_the_pinned_one_to_the_last_bit() -> None:
    """T28: dcap-qvl never looks at the copies of the root that quote and collateral bring."""
    files = tdx()
    own = pem(files["root"]).decode()
    strangers = (pem(TdxManufacturer().root).decode() for _ in range(100))
    stranger = next(text for text in strangers if len(text) == len(own))
    collateral = json.loads(files["collateral"])
    for name in ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        changed = {**collateral, name: collateral[name].replace(own, stranger)}
        assert (
            said("dcap", {**files, "collateral": json.dumps(changed).encode()})
            == "bad: root-unknown"
        )
    changed_quote = files["quote"].replace(own.encode(), stranger.encode())
    assert said("dcap", {**files, "quote": changed_quote}) == "bad: root-unknown"


def test_the_quotes_root_is_intels_or_named() -> None:
    """T26."""
    files = tdx()
    assert said("dcap", {**files, "root": TdxManufacturer().root}) == "bad: root-unknown"
    assert (
        said("dcap", {name: files[name] for name in ("quote", "collateral")}) == "bad: root-unknown"
    )
    assert said("dcap", files, allow_simulated=False) == "bad: simulated"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tcb_info_signature": "00" * 64}, "collateral-signature"),
        ({"qe_identity_signature": "AB" * 64}, "encoding"),
        ({"qe_identity_signature": 5}, "encoding"),
        ({"root_ca_crl": ""}, "certificate-form"),
        ({"extra": ""}, "collateral"),
        ({"tcb_info": "{}"}, "collateral"),
        ({"tcb_info": "{"}, "malformed"),
        ({"pck_crl_issuer_chain": ""}, "encoding"),
        ({"pck_crl_issuer_chain": None}, "collateral"),
    ],
)
def test_collateral_that_is_not_as_it_must_be_is_bad(change: dict[str, Any], reason: str) -> None:
    files = tdx()
    document = {**json.loads(files["collateral"]), **change}
    assert said("dcap", {**files, "collateral": json.dumps(document).encode()}) == f"bad: {reason}"


def test_edited_collateral_is_bad() -> None:
    """T22: OutOfDate is edited to UpToDate."""
    files = tdx()
    edited = files["collateral"].replace(b"OutOfDate", b"UpToDate ".strip())
    assert said("dcap", {**files, "collateral": edited}) == "bad: collateral-signature"


def test_demands_on_code_and_data_count() -> None:
    """T24."""
    files = tdx(bytes(range(64)))
    good = Quote.parse(files["quote"])
    assert said("dcap", files, measurements=frozenset([good.measurement.hex()])) == "good: UpToDate"
    assert said("dcap", files, measurements=frozenset()) == "bad: measurement"
    assert said("dcap", files, report_data=bytes(64).hex()) == "bad: report-data"


def test_without_the_library_or_collateral_there_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = tdx()
    assert (
        said("dcap", {name: files[name] for name in ("quote", "root")})
        == "cannot check: missing-file"
    )

    def missing() -> None:
        raise CannotJudge(Unjudged.NO_LIBRARY, "pip install 'strongroom[dcap]'")

    monkeypatch.setattr(dcap, "load_library", missing)
    assert said("dcap", files) == "cannot check: no-library"


def test_a_missing_library_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    verdict = answer("dcap", tdx())
    assert verdict.verdict == "cannot check"
    assert "strongroom[dcap]" in verdict.detail


# --- RA-TLS ---------------------------------------------------------------------------------------


def own_key_hash() -> bytes:
    return encode([1, sha256(spki(p256("ratls"))).digest()])


def test_a_certificate_whose_quote_is_over_its_key_is_good() -> None:
    verdict = answer("ra-tls", ratls())
    assert (verdict.verdict, verdict.reason) == ("good", "UpToDate")
    assert verdict.facts["key"] == sha256(spki(p256("ratls"))).hexdigest()
    assert verdict.facts["claims"] == ["nonce"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: ratls(bound_key=p256("victim")), "key-binding"),
        (lambda: ratls(claims=encode({"pubkey-hash": own_key_hash()})), "claims-binding"),
        (lambda: ratls(claims=encode({"nonce": b"n"})), "claims"),
        (lambda: ratls(claims=encode({"pubkey-hash": encode([5, bytes(32)])})), "algorithm"),
        (lambda: ratls(claims=encode({"pubkey-hash": encode([1])})), "claims"),
        (lambda: ratls(claims=encode({"pubkey-hash": b""})), "malformed"),
        (lambda: ratls(claims=b""), "malformed"),
        (lambda: ratls(tag=60001), "profile"),
        (lambda: ratls(critical=True), "certificate-form"),
        (lambda: ratls(signer=p256("attacker")), "signature"),
        (lambda: ratls(signer=p384("attacker")), "signature"),
        (lambda: ratls(attributes=SEPT_VE_DISABLE | 1), "debug"),
        (lambda: ratls(end=datetime.fromtimestamp(NOW - 1, UTC)), "expired"),
        (lambda: {**ratls(), "cert": der(certificate("plain", p256("plain")))}, "certificate-form"),
        (lambda: {**ratls(), "cert": ratls()["cert"] + b"\x00"}, "certificate-form"),
        (lambda: {**ratls(), "cert": b""}, "encoding"),
    ],
)
def test_a_certificate_that_cheats_is_bad(files: Forge, reason: str) -> None:
    """T20, T21, T28."""
    assert said("ra-tls", files()) == f"bad: {reason}"


def test_a_certificate_without_collateral_gets_no_verdict() -> None:
    files = ratls()
    assert (
        said("ra-tls", {name: files[name] for name in ("cert", "root")})
        == "cannot check: missing-file"
    )


def test_under_the_default_demands_a_simulated_certificate_is_nobodys() -> None:
    """T26."""
    files = ratls()
    bare = Piece("ra-tls", {name: files[name] for name in ("cert", "collateral")})
    assert judge(bare, Demands(time=NOW)).reason == "root-unknown"
