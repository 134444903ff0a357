"""Tokens of Microsoft Azure Attestation: a verifier's word, under keys that are pinned beforehand.

The set of keys (`jwks`) is the trust anchor and comes from the policy; where a token says that keys
are (`jku`) is only compared with the issuer, never asked.

| step | reasons, in order |
|---|---|
| token's form | too-large, malformed, encoding, critical-header, header |
| key | algorithm, malformed, key-unknown |
| signature | algorithm, signature |
| issuer | claims, issuer, key-source |
| time | claims, not-yet-valid, expired |
| claims | version, profile, claims, debug, migration |
| bound files | claims-binding (quote, runtime data) |
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from strongroom.enclave.tokens.jose import Token, decode_base64url
from strongroom.enclave.tokens.signatures import RS256
from strongroom.node.evidence import chains
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.jose import read_token
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import (
    decode_base64,
    decode_json,
    field,
    instant,
)
from strongroom.node.evidence.verdict import Verdict, good

KIND = "maa-jwt"
KEYS_MAX = 32
VERSION = "1.0"
_TYPES: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "sgx": (("x-ms-sgx-is-debuggable", False),),
    "sevsnpvm": (
        ("x-ms-sevsnpvm-is-debuggable", False),
        ("x-ms-sevsnpvm-migration-allowed", False),
    ),
    "tdxvm": (("tdx_td_attributes_debug", False),),
}
"""Attestation types, and the flags that each must carry."""
_DEBUG_FLAGS = ("is-debuggable",)
"""Flags that may be there, and must then be false: the older names."""


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a token (`token`, `jwks`; optionally the `quote` and `runtime` that were
    attested)."""
    token = read_token(piece.file("token"))
    key, owners = _find_key(piece.file("jwks"), token.header.get("kid"))
    token.verify(RS256, key)
    issuer = _check_issuer(token, owners, demands)
    issued = instant(token.claims, "iat", "token")
    begin, end = instant(token.claims, "nbf", "token"), instant(token.claims, "exp", "token")
    demand(begin < end and issued < end, Reason.CLAIMS, "token: ends before it begins")
    demands.check_window(max(issued, begin), end - 1, "token")
    kind = _check_claims(token.claims)
    _check_bound_files(token.claims, kind, piece)
    facts = {
        name: value
        for name, value in token.claims.items()
        if type(value) in (str, int, bool) and len(str(value)) < 160
    }
    return good("verified", {**facts, "issuer": issuer, "attestation_type": kind})


def _find_key(jwks: bytes, name: Any) -> tuple[rsa.RSAPublicKey, set[str]]:
    """The one key of a name, and the issuers to which its certificate belongs."""
    keys = field(decode_json(jwks, "JWKS"), "keys", list, "JWKS", Reason.MALFORMED)
    demand(0 < len(keys) <= KEYS_MAX, Reason.TOO_LARGE, f"JWKS: expected 1..{KEYS_MAX} keys")
    found = [
        key
        for key in keys
        if isinstance(key, dict) and type(name) is str and key.get("kid") == name
    ]
    demand(
        len(found) == 1, Reason.KEY_UNKNOWN, f"token: {len(found)} pinned keys are called {name!r}"
    )
    return _read_key(found[0])


def _read_key(jwk: dict[str, Any]) -> tuple[rsa.RSAPublicKey, set[str]]:
    demand(
        field(jwk, "kty", str, "JWK", Reason.MALFORMED) == "RSA", Reason.ALGORITHM, "JWK: not RSA"
    )
    demand(
        jwk.get("alg", RS256.name) == RS256.name and jwk.get("use", "sig") == "sig",
        Reason.ALGORITHM,
        "JWK: not RS256",
    )
    numbers, owners = _numbers(jwk), set[str]()
    if "x5c" in jwk:
        chain = field(jwk, "x5c", list, "JWK", Reason.MALFORMED)
        shaped = 0 < len(chain) <= chains.CHAIN_MAX and all(type(one) is str for one in chain)
        demand(shaped, Reason.MALFORMED, "JWK: x5c is no chain")
        certificates = [chains.load(decode_base64(one)) for one in chain]
        for certificate, issuer in zip(
            certificates, (*certificates[1:], certificates[-1]), strict=True
        ):
            chains.check_issued(certificate, issuer)
        certificate = certificates[0]
        certified = certificate.public_key()
        if not isinstance(certified, rsa.RSAPublicKey) or numbers not in (
            None,
            certified.public_numbers(),
        ):
            refuse(Reason.MALFORMED, "JWK: its certificate is for another key")
        numbers = certified.public_numbers()
        owners = {
            str(one.value)
            for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        }
    if numbers is None:
        refuse(Reason.MALFORMED, "JWK: no key in it")
    try:
        return numbers.public_key(), owners
    except ValueError:
        refuse(Reason.MALFORMED, "JWK: no RSA key")


def _numbers(jwk: dict[str, Any]) -> rsa.RSAPublicNumbers | None:
    if "n" not in jwk and "e" not in jwk:
        return None
    n, e = (decode_base64url(field(jwk, part, str, "JWK", Reason.MALFORMED)) for part in ("n", "e"))
    return rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big"))


def _check_issuer(token: Token, owners: set[str], demands: Demands) -> str:
    """Check that issuer, policy, the key's certificate and the place of keys agree."""
    issuer: str = field(token.claims, "iss", str, "token")
    demand(issuer.startswith("https://"), Reason.ISSUER, f"token: issuer {issuer!r}")
    expected = (
        {demands.issuer}
        if demands.issuer
        else {one for one in owners if one.startswith("https://")}
    )
    demand(not expected or issuer in expected, Reason.ISSUER, f"token: issued by {issuer!r}")
    source = token.header.get("jku", f"{issuer}/certs")
    demand(
        source == f"{issuer}/certs", Reason.KEY_SOURCE, f"token: says that keys are at {source!r}"
    )
    return issuer


def _check_claims(claims: Mapping[str, Any]) -> str:
    """Check version, type and flags; returns the type."""
    demand(claims.get("x-ms-ver") == VERSION, Reason.VERSION, "token: unknown version")
    kind: str = field(claims, "x-ms-attestation-type", str, "token")
    demand(kind in _TYPES, Reason.PROFILE, f"token: attestation type {kind!r}")
    flags = [*_TYPES[kind], *((name, False) for name in _DEBUG_FLAGS if name in claims)]
    for name, expected in flags:
        value = field(claims, name, bool, "token")
        reason = Reason.MIGRATION if "migration" in name else Reason.DEBUG
        demand(value is expected, reason, f"token: {name} is {value}")
    return kind


def _check_bound_files(claims: Mapping[str, Any], kind: str, piece: Piece) -> None:
    """Check that the token is about the quote and runtime data that were given with it."""
    if "quote" in piece.files:
        collateral = field(claims, f"x-ms-{kind}-collateral", dict, "token")
        bound = collateral.get("quotehash") == sha256(piece.files["quote"]).hexdigest()
        demand(bound, Reason.CLAIMS_BINDING, "the token is about another quote")
    if "runtime" in piece.files:
        expected = sha256(piece.files["runtime"]).hexdigest() + "00" * 32
        names = ("x-ms-sgx-report-data", "x-ms-sevsnpvm-reportdata", "tdx_report_data")
        bound = any(claims.get(name) == expected for name in names)
        demand(bound, Reason.CLAIMS_BINDING, "the token is about other runtime data")
