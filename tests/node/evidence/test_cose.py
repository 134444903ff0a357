"""Endorsements, attested COSE and transparent statements, self-made; each row is one way to
cheat."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from tests.node.evidence.forging import (
    EKU,
    NOW,
    DidSigner,
    Ledger,
    answer,
    attested,
    base64url,
    certificate,
    cose_key,
    der,
    did_signer,
    encode,
    p384,
    said,
    snp,
    transparent,
    uvm,
)

from strongroom.node.evidence.demands import Demands

SVN, CODE = "x-ms-sevsnpvm-guestsvn", "x-ms-sevsnpvm-launchmeasurement"
SHORT = datetime.fromtimestamp(NOW - 60, UTC)


def endorsed(data: bytes, **changes: Any) -> str:
    return said("uvm-endorsement", {"endorsement": data}, **changes)


# --- endorsements ---------------------------------------------------------------------------------


def test_an_endorsement_by_the_pinned_did_is_good() -> None:
    verdict = answer("uvm-endorsement", {"endorsement": uvm()})
    assert (verdict.verdict, verdict.facts["svn"]) == ("good", 7)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: uvm(iss="did:x509:0:sha256:AAAA::eku:1.2.3"), "issuer"),
        (lambda: uvm(feed="Other"), "feed"),
        (lambda: uvm(signingtime=NOW), "header"),
        (lambda: uvm(svn="007"), "claims"),
        (lambda: uvm(svn="-1"), "claims"),
        (lambda: uvm(svn=7), "claims"),
        (lambda: uvm(svn="3"), "security-version"),
        (lambda: uvm(measurement=b"short"), "claims"),
        (lambda: uvm(payload=[]), "claims"),
        (lambda: uvm(payload={SVN: "7", CODE: "AB" * 48}), "encoding"),
        (
            lambda: uvm(payload={SVN: "7", CODE: "ab" * 48, "x-ms-sevsnpvm-guestsvn-int": 8}),
            "claims",
        ),
        (lambda: uvm(payload={SVN: "7", CODE: "ab" * 48, "unknown": 8}), "claims"),
        (lambda: uvm(signer=DidSigner(eku="1.3.6.1.4.1.99999.2")), "extended-key-usage"),
        (lambda: uvm(signer=DidSigner(issuer_may=False)), "certificate-chain"),
        (lambda: uvm(signer=DidSigner(end=SHORT)), "expired"),
    ],
)
def test_an_endorsement_that_cheats_is_bad(make: Callable[[], bytes], reason: str) -> None:
    """T24, T28."""
    data = make()
    own = cbor2.loads(cbor2.loads(data).value[0])["iss"]
    pinned = did_signer().did if reason == "issuer" else own
    assert endorsed(data, did=pinned, min_uvm_svn=5) == f"bad: {reason}"


def test_another_root_than_the_pinned_one_is_unknown() -> None:
    """T28: whoever makes a chain of his own can name the pinned DID, and does not have its root."""
    stranger = DidSigner()
    assert endorsed(uvm(signer=stranger, iss=did_signer().did)) == "bad: root-unknown"


def other_leaf() -> bytes:
    """The leaf's key and name, issued by nobody."""
    return der(certificate("Leaf", p384("did leaf"), eku=EKU))


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (lambda leaf, middle, root: [other_leaf(), middle, root], "certificate-chain"),
        (lambda leaf, middle, root: [leaf, root, middle], "certificate-chain"),
        (lambda leaf, middle, root: [leaf, middle], "certificate-chain"),
        (lambda leaf, middle, root: [leaf], "certificate-chain"),
        (lambda leaf, middle, root: [leaf, middle, root, root, root, root], "certificate-chain"),
        (lambda leaf, middle, root: [leaf, middle, 5], "certificate-form"),
        (lambda leaf, middle, root: [leaf, middle, root + b"\x00"], "certificate-form"),
    ],
)
def test_a_chain_that_is_none_is_bad(chain: Callable[..., list[Any]], reason: str) -> None:
    """T28."""
    made = chain(*did_signer().chain)
    headers = {33: made, 34: [-16, sha256(made[0]).digest()]}
    assert endorsed(uvm(protected=headers)) == f"bad: {reason}"


def test_the_named_leaf_is_the_one_of_the_chain() -> None:
    """T28."""
    assert endorsed(uvm(protected={34: [-16, bytes(32)]})) == "bad: header"
    assert (
        endorsed(uvm(protected={34: [-43, sha256(did_signer().chain[0]).digest()]}))
        == "bad: header"
    )


def test_an_endorsement_is_judged_at_the_time_of_the_check() -> None:
    signer = DidSigner(end=SHORT)
    assert endorsed(uvm(signer=signer), did=signer.did, time=NOW - 120) == "good: verified"
    assert endorsed(uvm(signer=signer), did=signer.did) == "bad: expired"
    assert endorsed(uvm(signer=signer), did=signer.did, time=None) == "good: verified"


# --- beside a report ------------------------------------------------------------------------------


def test_a_report_whose_code_is_endorsed_is_good_also_after_the_signers_certificate_has_ended() -> (
    None
):
    signer = DidSigner(end=SHORT)
    files = {**snp(), "endorsement": uvm(signer=signer)}
    assert said("sev-snp", files, did=signer.did) == "good: verified"


@pytest.mark.parametrize(
    ("endorsement", "reason"),
    [
        (lambda: uvm(measurement=bytes(48)), "measurement"),
        (lambda: uvm(signingtime=datetime.fromtimestamp(NOW + 1, UTC)), "not-yet-valid"),
        (lambda: uvm(signingtime=datetime(2025, 1, 1, tzinfo=UTC)), "not-yet-valid"),
        (lambda: b"", "malformed"),
    ],
)
def test_a_report_with_an_endorsement_of_something_else_is_bad(
    endorsement: Callable[[], bytes], reason: str
) -> None:
    """T24."""
    assert said("sev-snp", {**snp(), "endorsement": endorsement()}) == f"bad: {reason}"


def test_a_report_is_bound_to_its_runtime_data() -> None:
    files = snp(sha256(b"runtime").digest() + bytes(32))
    assert said("sev-snp", {**files, "runtime": b"runtime"}) == "good: verified"
    assert said("sev-snp", {**files, "runtime": b"another"}) == "bad: claims-binding"


# --- attested COSE --------------------------------------------------------------------------------


def test_an_attested_message_is_good() -> None:
    verdict = answer("attested-cose", {"cose": attested()})
    assert (verdict.verdict, verdict.simulated) == ("good", True)


def edit(label: Any, value: Any) -> Callable[[dict[Any, Any]], None]:
    def change(protected: dict[Any, Any]) -> None:
        protected[label] = value

    return change


def inside(name: str, value: Any) -> Callable[[dict[Any, Any]], None]:
    def change(protected: dict[Any, Any]) -> None:
        protected["attestedsvc"][name] = value

    return change


def without(label: Any) -> Callable[[dict[Any, Any]], None]:
    def change(protected: dict[Any, Any]) -> None:
        del protected[label]

    return change


def renamed(protected: dict[Any, Any]) -> None:
    protected["othersvc"] = protected.pop("attestedsvc")
    protected[2] = ["othersvc"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (lambda: attested(committed=p384("attacker")), "key-binding"),
        (lambda: attested(change=edit(4, bytes(32))), "key-binding"),
        (lambda: attested(change=edit(1, -7)), "algorithm"),
        (lambda: attested(change=edit(1, -259)), "algorithm"),
        (lambda: attested(change=edit(1, "ES384")), "algorithm"),
        (lambda: attested(change=without(1)), "algorithm"),
        (lambda: attested(change=without(2)), "critical-header"),
        (lambda: attested(change=edit(2, [])), "critical-header"),
        (lambda: attested(change=edit(2, ["attestedsvc", 3])), "critical-header"),
        (lambda: attested(change=edit(2, ["attestedsvc", "absent"])), "critical-header"),
        (lambda: attested(change=renamed), "critical-header"),
        (lambda: attested(change=edit("msft-css-dev", {})), "header"),
        (lambda: attested(change=inside("ver", 1)), "version"),
        (lambda: attested(change=inside("attestation_type", "TDX")), "profile"),
        (lambda: attested(change=inside("extra", 1)), "header"),
        (lambda: attested(change=inside("attestation", b"short")), "length"),
        (
            lambda: attested(change=inside("cose_key", {**cose_key(p384("attested")), 4: [1]})),
            "malformed",
        ),
        (lambda: attested(change=inside("cose_key", cose_key(p384("attacker")))), "signature"),
        (lambda: attested(change=inside("snp_endorsements", b"none")), "encoding"),
        (lambda: attested(endorsement=uvm(measurement=bytes(48))), "measurement"),
        (lambda: attested(endorsement=uvm(svn="1")), "security-version"),
        (lambda: attested(change=edit(33, did_signer().chain)), "key-binding"),
        (lambda: attested(unprotected={99: b"unsigned"}), "header"),
        (lambda: attested(unprotected={1: -35}), "header"),
    ],
)
def test_an_attested_message_that_cheats_is_bad(message: Callable[[], bytes], reason: str) -> None:
    """T20, T28."""
    assert said("attested-cose", {"cose": message()}, min_uvm_svn=5) == f"bad: {reason}"


def test_a_message_by_a_stranger_of_the_pinned_roots_is_bad() -> None:
    """T26: under the manufacturers' roots, a simulated report is nobody's."""
    assert said("attested-cose", {"cose": attested()}, roots=Demands().roots) == "bad: root-unknown"
    assert said("attested-cose", {"cose": attested()}, allow_simulated=False) == "bad: simulated"


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda good: good + b"\x00",
        lambda good: good[:-1],
        lambda good: b"\xd2\x9f" + good[2:] + b"\xff",
        lambda good: b"\xd8\x12" + good[1:],
        lambda good: encode(cbor2.loads(good).value),
        lambda good: encode(cbor2.CBORTag(98, cbor2.loads(good).value)),
        lambda _: encode(cbor2.CBORTag(18, {})),
        lambda _: encode(cbor2.CBORTag(18, [b"", {}, b"", b""])),
    ],
)
def test_a_message_in_another_form_is_bad(change: Callable[[bytes], bytes]) -> None:
    assert answer("attested-cose", {"cose": change(attested())}).verdict == "bad"


def test_a_doubled_header_is_refused() -> None:
    raw = cbor2.loads(attested()).value[0]
    doubled = bytes((raw[0] + 1,)) + raw[1:] + encode(1) + encode(-7)
    message = encode(cbor2.CBORTag(18, [doubled, *cbor2.loads(attested()).value[1:]]))
    assert said("attested-cose", {"cose": message}) == "bad: malformed"


# --- transparent statements -----------------------------------------------------------------------


def test_a_statement_with_its_receipt_is_good() -> None:
    verdict = answer("ccf-receipt", transparent())
    assert verdict.verdict == "good"
    assert verdict.facts["transaction"] == "2.11"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: transparent(registered=b"another"), "payload-binding"),
        (lambda: transparent(flip=True), "signature"),
        (lambda: transparent(evidence=f"ce:2.12:{'ab' * 32}"), "transaction"),
        (lambda: transparent(evidence=f"ce:3.1:{'ab' * 32}"), "transaction"),
        (lambda: transparent(evidence="ce:2.10"), "transaction"),
        (lambda: transparent(evidence=f"ce:2.10:{'ab' * 32}\n"), "transaction"),
        (lambda: transparent(transaction="2.011"), "transaction"),
        (lambda: transparent(tree=1), "version"),
        (lambda: transparent(issued=NOW + 1), "not-yet-valid"),
        (lambda: transparent(issued=NOW - 400 * 86_400), "not-yet-valid"),
        (lambda: transparent(ledger=Ledger(end=SHORT), issued=NOW - 30), "expired"),
        (lambda: transparent(protected={1: -7}), "algorithm"),
        (lambda: transparent(protected={2: ["ccf.v1"]}), "critical-header"),
        (lambda: transparent(protected={2: []}), "critical-header"),
        (lambda: transparent(protected={2: "ccf.v1"}), "critical-header"),
        (lambda: transparent(protected={4: b"other"}), "key-unknown"),
        (lambda: {**transparent(), "keys": Ledger("other").keys()}, "key-unknown"),
        (lambda: {**transparent(), "keys": b"{}"}, "claims"),
    ],
)
def test_a_receipt_that_cheats_is_bad(files: Callable[[], dict[str, bytes]], reason: str) -> None:
    """T20, T28."""
    assert said("ccf-receipt", files()) == f"bad: {reason}"


def test_a_statement_is_judged_at_the_time_of_its_receipt() -> None:
    signer = DidSigner(end=SHORT)
    assert said("ccf-receipt", transparent(signer=signer), did=signer.did) == "good: verified"
    assert (
        said("ccf-receipt", transparent(signer=signer, issued=NOW - 30), did=signer.did)
        == "bad: expired"
    )


def test_every_receipt_must_hold() -> None:
    good, other = transparent(), transparent(registered=b"another")
    tags = [cbor2.loads(files["statement"]) for files in (good, other)]
    parts = list(tags[0].value)
    for receipts in ([], [tags[0].value[1][394][0], tags[1].value[1][394][0]], [b"none"], [1]):
        parts[1] = {394: receipts}
        files = {**good, "statement": encode(cbor2.CBORTag(18, parts))}
        assert answer("ccf-receipt", files).verdict == "bad"


def test_a_ledgers_pinned_issuer_counts() -> None:
    assert said("ccf-receipt", transparent(), issuer="ledger.example") == "good: verified"
    assert said("ccf-receipt", transparent(), issuer="other.example") == "bad: issuer"


def test_the_fingerprint_of_a_did_is_of_an_authority_never_of_the_leaf() -> None:
    signer = did_signer()
    own = f"did:x509:0:sha256:{base64url(sha256(signer.chain[0]).digest())}::eku:{EKU}"
    assert endorsed(uvm(iss=own), did=own) == "bad: root-unknown"
