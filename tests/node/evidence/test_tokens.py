"""MAA, EAR and EAT: tokens under pinned keys, self-made; each row is one way to cheat."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.node.evidence.forging import (
    MAA_ISSUER,
    NOW,
    answer,
    base64url,
    certificate,
    der,
    ear,
    ear_claims,
    eat,
    jwk,
    maa,
    maa_claims,
    p256,
    p384,
    rsa2048,
    said,
    token,
)

Forge = Callable[[], dict[str, bytes]]

# --- MAA ------------------------------------------------------------------------------------------


def test_a_token_by_the_pinned_key_is_good() -> None:
    verdict = answer("maa-jwt", maa())
    assert (verdict.verdict, verdict.reason) == ("good", "verified")
    assert verdict.facts["issuer"] == MAA_ISSUER


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: maa(header={"alg": "none"}), "algorithm"),
        (lambda: maa(header={"alg": "HS256"}), "algorithm"),
        (lambda: maa(header={"alg": "PS256"}), "algorithm"),
        (lambda: maa(header={"alg": ["RS256"]}), "algorithm"),
        (lambda: maa(header={"kid": "two"}), "key-unknown"),
        (lambda: maa(header={"kid": 1}), "key-unknown"),
        (lambda: maa(header={"crit": ["exp"]}), "critical-header"),
        (lambda: maa(header={"b64": False}), "header"),
        (lambda: maa(header={"typ": "JWS"}), "header"),
        (lambda: maa(header={"jku": "https://evil.example/certs"}), "key-source"),
        (lambda: maa(key=rsa2048("attacker")), "signature"),
        (lambda: maa(iss="https://evil.example"), "issuer"),
        (lambda: maa(iss="verifier.example"), "issuer"),
        (lambda: maa(exp=NOW), "expired"),
        (lambda: maa(nbf=NOW + 1), "not-yet-valid"),
        (lambda: maa(iat=NOW + 1), "not-yet-valid"),
        (lambda: maa(exp=None), "claims"),
        (lambda: maa(exp="1800003600"), "claims"),
        (lambda: maa(exp=True), "claims"),
        (lambda: maa(nbf=True), "claims"),
        (lambda: maa(exp=NOW - 3600), "claims"),
        (lambda: maa(claims={"x-ms-ver": "2.0"}), "version"),
        (lambda: maa(claims={"x-ms-attestation-type": "tpm"}), "profile"),
        (lambda: maa(claims={"x-ms-sevsnpvm-is-debuggable": True}), "debug"),
        (lambda: maa(claims={"x-ms-sevsnpvm-is-debuggable": "false"}), "claims"),
        (lambda: maa(claims={"x-ms-sevsnpvm-is-debuggable": None}), "claims"),
        (lambda: maa(claims={"is-debuggable": True}), "debug"),
        (lambda: maa(claims={"x-ms-sevsnpvm-migration-allowed": True}), "migration"),
        (lambda: {**maa(), "quote": b"another"}, "claims"),
        (lambda: {**maa(), "runtime": b"another"}, "claims-binding"),
    ],
)
def test_a_token_that_cheats_is_bad(files: Forge, reason: str) -> None:
    """T20, T28."""
    assert said("maa-jwt", files()) == f"bad: {reason}"


@pytest.mark.parametrize("change", ["double", "reordered", "space", "padded", "nan", "empty"])
def test_a_token_in_another_form_is_bad(change: str) -> None:
    header = {"alg": "RS256", "kid": "one"}
    text = json.dumps(maa_claims())
    own = rsa2048("maa")
    files = maa()
    forms = {
        "double": token(header, text[:-1] + f', "exp": {NOW * 2}}}', own),
        "reordered": b".".join(reversed(files["token"].split(b"."))),
        "space": files["token"] + b"\n",
        "padded": files["token"] + b"=",
        "nan": token(header, text[:-1] + ', "x": NaN}', own),
        "empty": b"",
    }
    assert answer("maa-jwt", {**files, "token": forms[change]}).verdict == "bad"


def test_the_last_bits_of_base64_that_mean_nothing_must_be_zero() -> None:
    """T20: one token would have several encodings."""
    files = maa()
    signed, last = files["token"][:-1], files["token"][-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(last)
    other = alphabet[place + 1 : place + 2]
    assert said("maa-jwt", {**files, "token": signed + other}) == "bad: encoding"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kty": "oct"}, "algorithm"),
        ({"alg": "RS512"}, "algorithm"),
        ({"use": "enc"}, "algorithm"),
        ({"n": base64url(b"\x01" * 256)}, "malformed"),
        ({"x5c": []}, "malformed"),
        ({"x5c": ["AAAA"]}, "certificate-form"),
    ],
)
def test_a_key_set_that_contradicts_itself_is_bad(change: dict[str, Any], reason: str) -> None:
    files = maa()
    (key,) = json.loads(files["jwks"])["keys"]
    assert (
        said("maa-jwt", {**files, "jwks": json.dumps({"keys": [{**key, **change}]}).encode()})
        == f"bad: {reason}"
    )
    assert (
        said("maa-jwt", {**files, "jwks": json.dumps({"keys": [key, key]}).encode()})
        == "bad: key-unknown"
    )


def test_a_certificate_of_a_key_set_must_be_signed() -> None:
    files = maa()
    (key,) = json.loads(files["jwks"])["keys"]
    forged = certificate(MAA_ISSUER, rsa2048("maa"), signer=rsa2048("attacker"))
    changed = {**key, "x5c": [base64.b64encode(der(forged)).decode()]}
    assert (
        said("maa-jwt", {**files, "jwks": json.dumps({"keys": [changed]}).encode()})
        == "bad: certificate-chain"
    )


def test_a_token_without_a_clock_is_judged_without_a_clock() -> None:
    assert (
        said("maa-jwt", maa(exp=NOW - 10, iat=NOW - 20, nbf=NOW - 20), time=None)
        == "good: verified"
    )
    assert said("maa-jwt", maa(exp=NOW - 10, iat=NOW - 20, nbf=NOW - 20)) == "bad: expired"


def test_a_policys_issuer_counts_more_than_the_keys() -> None:
    assert said("maa-jwt", maa(), issuer="https://other.example") == "bad: issuer"


def test_without_keys_there_is_no_verdict() -> None:
    assert said("maa-jwt", {"token": maa()["token"]}) == "cannot check: missing-file"


# --- EAR ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("affirming", "good: affirming"),
        (2, "good: affirming"),
        ("warning", "conditional: warning"),
        (32, "conditional: warning"),
        ("none", "conditional: none"),
        ("contraindicated", "bad: contraindicated"),
        (96, "bad: contraindicated"),
        ("fine", "bad: claims"),
        (3, "bad: claims"),
        (None, "bad: claims"),
        (True, "bad: claims"),
    ],
)
def test_the_status_decides(status: Any, expected: str) -> None:
    assert said("ear-jwt", ear(ear_claims(status))) == expected


def test_the_worst_part_decides() -> None:
    parts = {
        "a": {"ear.status": "affirming"},
        "b": {"ear.status": "warning"},
        "c": {"ear.status": "none"},
    }
    assert said("ear-jwt", ear(ear_claims(submods=parts))) == "conditional: warning"
    assert said("ear-jwt", ear(ear_claims(submods=parts)), strict=True) == "bad: warning"
    assert (
        said("ear-jwt", ear(ear_claims(submods=parts)), accepted=frozenset(["warning"]))
        == "good: warning"
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: ear(key=p256("attacker")), "signature"),
        (lambda: ear(header={"alg": "ES384"}), "algorithm"),
        (lambda: ear(header={"alg": "none"}), "algorithm"),
        (
            lambda: ear(header={"jwk": jwk(p256("attacker"))}, key=p256("attacker")),
            "key-not-pinned",
        ),
        (lambda: ear(ear_claims(eat_profile="tag:me")), "profile"),
        (lambda: ear(ear_claims(submods={})), "claims"),
        (lambda: ear(ear_claims(submods={"cpu": 1})), "claims"),
        (lambda: ear(ear_claims(iat=NOW + 1)), "not-yet-valid"),
        (lambda: ear(ear_claims(iat=1.5)), "claims"),
        (lambda: ear(ear_claims(exp=NOW)), "expired"),
        (lambda: ear(ear_claims(nbf=NOW + 9)), "not-yet-valid"),
        (lambda: ear(ear_claims(**{"ear.verifier-id": {"build": "1"}})), "claims"),
        (lambda: ear("[]"), "malformed"),
    ],
)
def test_a_result_that_cheats_is_bad(files: Forge, reason: str) -> None:
    """T20, T28."""
    assert said("ear-jwt", files()) == f"bad: {reason}"


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ({"hardware": 31}, "good: affirming"),
        ({"hardware": -32}, "good: affirming"),
        ({"hardware": 0}, "good: affirming"),
        ({"hardware": 32}, "bad: claims"),
        ({"hardware": -33}, "bad: claims"),
        ({"hardware": 99, "executables": 2}, "bad: claims"),
        ({"hardware": 128}, "bad: claims"),
        ({"hardware": "2"}, "bad: claims"),
        ({"software": 2}, "bad: claims"),
    ],
)
def test_a_status_is_not_better_than_its_own_vector(vector: dict[str, Any], expected: str) -> None:
    part = {"ear.status": "affirming", "ear.trustworthiness-vector": vector}
    assert said("ear-jwt", ear(ear_claims(submods={"cpu": part}))) == expected


@pytest.mark.parametrize(
    "change",
    [{"crv": "P-384"}, {"kty": "RSA"}, {"x": "AA"}, {"d": "AA"}, {"alg": "ES384"}, {"y": ""}],
)
def test_a_pinned_key_that_is_none_is_refused(change: dict[str, str]) -> None:
    files = ear()
    key = {**json.loads(files["key"]), **change}
    assert answer("ear-jwt", {**files, "key": json.dumps(key).encode()}).verdict == "bad"


# --- EAT ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, "good: verified"),
        (
            {"dbgstat": "disabled", "eat_nonce": "12345678", "ueid": base64url(bytes(17))},
            "good: verified",
        ),
        ({"dbgstat": "enabled"}, "bad: debug"),
        ({"dbgstat": 0}, "bad: debug"),
        ({"dbgstat": "perhaps"}, "bad: claims"),
        ({"dbgstat": False}, "bad: claims"),
        ({"submods": {"tee": {"dbgstat": "enabled"}}}, "bad: debug"),
        (
            {"submods": {"a": {"submods": {"b": {"submods": {"c": {"submods": {"d": {}}}}}}}}},
            "bad: too-large",
        ),
        ({"eat_nonce": "short"}, "bad: claims"),
        ({"ueid": base64url(b"short")}, "bad: claims"),
        ({"iat": NOW + 1}, "bad: not-yet-valid"),
    ],
)
def test_a_devices_claims(claims: dict[str, Any], expected: str) -> None:
    assert said("eat", eat(**claims)) == expected


def test_claims_that_nobody_signed_get_no_verdict() -> None:
    assert said("eat", {"token": b'{"eat_nonce": "12345678"}'}) == "cannot check: unsigned"
    assert said("eat", {"token": b'{"dbgstat": "enabled"}'}) == "bad: debug"


def test_a_device_of_another_key_is_bad() -> None:
    files = eat()
    assert (
        said("eat", {**files, "key": json.dumps(jwk(p384("other"))).encode()}) == "bad: signature"
    )
