"""Signed tokens: the compact form of JWS (RFC 7515), and their keys (RFC 7517, RFC 7638).

Owns the structure and the rule that a token chooses neither its key nor its algorithm: the key is
pinned, and with it the algorithm. Who reads a token brings the reader of JSON: replicas read more
strictly (strict_claims) than somebody who judges evidence. Knows no claim.
"""

import base64
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.enclave.attestation.strict_json import NotStrictJson, read_json
from strongroom.enclave.tokens.reasons import Reason, demand, refuse
from strongroom.enclave.tokens.signatures import (
    ED25519,
    EDDSA,
    ES256,
    ES384,
    ES512,
    PS256,
    RS256,
    PublicKey,
    Scheme,
    edwards_key,
    elliptic_key,
    rsa_key,
    verify,
)

TOKEN_BYTES_MAX = 64 * 1024
HEADERS = frozenset({"alg", "typ", "cty", "kid", "jku", "jwk", "x5c", "x5t", "x5t#S256"})
"""What a header may hold; none of them is obeyed but `alg` and `kid`, and those only when they fit
the pinned key."""
CURVES: Mapping[str, Scheme] = {"P-256": ES256, "P-384": ES384, "P-521": ES512}
_RSA: Mapping[str, Scheme] = {"RS256": RS256, "PS256": PS256}
_EDWARDS: Mapping[str, Scheme] = {"EdDSA": EDDSA, "Ed25519": ED25519}
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
"""What makes a key, by `kty`, in the order of RFC 7638."""
_EXPONENT = b"\x01\x00\x01"
"""The one that everybody uses: 1 would sign everything, and a huge one takes a replica's time."""
_RSA_BITS = range(2048, 4097)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, its form checked, its signature not yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @classmethod
    def parse(
        cls,
        data: bytes,
        *,
        read: Callable[[bytes, str], Any],
        types: tuple[str, ...] = ("JWT",),
        headers: Set[str] = HEADERS,
    ) -> "Token":
        """Read a token.

        Args:
            data: its bytes, without any space around them.
            read: reads JSON; is told what it reads.
            types: values that its `typ` may have, when it has one.
            headers: what its header may hold.

        Raises:
            AttestationError: ``too-large``, ``malformed``, ``encoding``, ``header``,
                ``critical-header``.
        """
        demand(
            len(data) <= TOKEN_BYTES_MAX, Reason.TOO_LARGE, f"token: over {TOKEN_BYTES_MAX} bytes"
        )
        demand(data.isascii() and data.count(b".") == 2, Reason.MALFORMED, "token: not three parts")
        header_text, claims_text, signature_text = data.decode("ascii").split(".")
        header = read(decode_base64url(header_text), "token's header")
        claims = read(decode_base64url(claims_text), "token's claims")
        demand(
            type(header) is dict and type(claims) is dict,
            Reason.MALFORMED,
            "token: header or claims are no map",
        )
        demand(
            "crit" not in header,
            Reason.CRITICAL_HEADER,
            "token: critical headers, of which none is understood",
        )
        unknown = ", ".join(sorted(set(header) - headers))
        demand(not unknown, Reason.HEADER, f"token: headers that are not taken: {unknown}")
        demand(header.get("typ", types[0]) in types, Reason.HEADER, "token: type")
        signature = decode_base64url(signature_text)
        signed = f"{header_text}.{claims_text}".encode("ascii")
        return cls(header=header, claims=claims, signed=signed, signature=signature)

    def verify(self, scheme: Scheme, key: PublicKey) -> None:
        """Check the signature by the pinned key, with its algorithm and no other.

        Raises:
            AttestationError: ``algorithm``, ``signature``.
        """
        algorithm = self.header.get("alg")
        demand(
            type(algorithm) is str and algorithm == scheme.name,
            Reason.ALGORITHM,
            f"token: its algorithm is not the key's, {scheme.name}",
        )
        verify(scheme, key, self.signature, self.signed)


def strict_claims(data: bytes, what: str) -> Any:
    """JSON as replicas read it (strict_json.py): no name twice, whole numbers of 64 bits, bounded
    nesting.

    Raises:
        AttestationError: ``malformed``.
    """
    try:
        return read_json(data.decode("utf-8"))
    except (UnicodeDecodeError, NotStrictJson):
        refuse(Reason.MALFORMED, f"{what}: not JSON as it is taken here")


def decode_base64url(text: str) -> bytes:
    """base64url without padding (RFC 7515 §2), in its one canonical form.

    Raises:
        AttestationError: ``encoding``.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        refuse(Reason.ENCODING, "not base64url without padding")
    # Characters that are none of its own are skipped by the library, and differ here.
    demand(encode_base64url(data) == text, Reason.ENCODING, "base64url: not its canonical form")
    return data


def encode_base64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def read_key(jwk: Mapping[str, Any], algorithm: str) -> tuple[Scheme, PublicKey]:
    """A public key, to be used with one algorithm; what else the JWK says is not looked at.

    Raises:
        AttestationError: ``algorithm``: it does not sign with this one; ``malformed``.
    """
    kind = jwk.get("kty")
    if type(kind) is not str or kind not in _MEMBERS:
        refuse(Reason.ALGORITHM, "JWK: a key of another kind than EC, OKP or RSA")
    parts = {name: jwk.get(name) for name in _MEMBERS[kind]}
    if not all(type(part) is str for part in parts.values()):
        refuse(Reason.MALFORMED, f"JWK: expected {', '.join(_MEMBERS[kind])}, each a text")
    scheme = _scheme_of(kind, str(parts.get("crv")), algorithm)
    return scheme, _key_of(kind, {name: str(part) for name, part in parts.items()}, scheme)


def _scheme_of(kind: str, curve: str, algorithm: str) -> Scheme:
    if kind == "RSA":
        found = _RSA.get(algorithm)
    elif kind == "EC":
        found = CURVES.get(curve)
    else:
        found = _EDWARDS.get(algorithm) if curve == "Ed25519" else None
    if found is None or found.name != algorithm:
        refuse(Reason.ALGORITHM, "JWK: the key does not sign with this algorithm")
    return found


def _key_of(kind: str, parts: Mapping[str, str], scheme: Scheme) -> PublicKey:
    if kind == "RSA":
        modulus, exponent = decode_base64url(parts["n"]), decode_base64url(parts["e"])
        demand(exponent == _EXPONENT, Reason.MALFORMED, "JWK: an RSA exponent other than 65537")
        demand(modulus[:1] != b"\x00", Reason.ENCODING, "JWK: a modulus that begins with zeros")
        key = rsa_key(modulus, exponent)
        demand(key.key_size in _RSA_BITS, Reason.ALGORITHM, "JWK: RSA keys have 2048 to 4096 bits")
        return key
    if scheme.curve is None:
        return edwards_key(decode_base64url(parts["x"]))
    return elliptic_key(scheme.curve, decode_base64url(parts["x"]), decode_base64url(parts["y"]))


def canonical_jwk(jwk: Mapping[str, Any]) -> str:
    """What makes a key and nothing else, as RFC 7638 §3 writes it; for a JWK that read_key took."""
    members = (f'"{name}":"{jwk[name]}"' for name in _MEMBERS[jwk["kty"]])
    return "{" + ",".join(members) + "}"


def thumbprint(canonical: str) -> bytes:
    """RFC 7638: SHA-256 over the canonical form. 32 bytes; written in base64url."""
    return sha256(canonical.encode("ascii")).digest()
