"""Signed tokens: the compact form of JWS (RFC 7515) and the keys that they name (RFC 7517).

Owns the structure and the rule that a token chooses neither its key nor its algorithm: the key is
pinned, and says which algorithm it signs with. No library of the project's list reads JWT; the
structure is three parts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.signatures import (
    ES256,
    ES384,
    ES512,
    PublicKey,
    Scheme,
    elliptic_key,
    verify,
)
from strongroom.node.evidence.strict import decode_base64url, decode_json, field

TOKEN_BYTES_MAX = 64 * 1024
HEADERS = frozenset({"alg", "typ", "cty", "kid", "jku", "jwk", "x5c", "x5t", "x5t#S256"})
"""What a header may hold; none of them is obeyed but `alg` and `kid`, and those only when they fit
the pinned key."""
_CURVES = {"P-256": ES256, "P-384": ES384, "P-521": ES512}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, its form checked, its signature not yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, *, types: Collection[str] = ("JWT",)) -> "Token":
        """Read a token.

        Args:
            data: its bytes, without any space around them.
            types: values that its `typ` may have, when it has one.

        Raises:
            AttestationError: ``too-large``, ``malformed``, ``encoding``, ``header``,
                ``critical-header``.
        """
        demand(
            len(data) <= TOKEN_BYTES_MAX, Reason.TOO_LARGE, f"token: over {TOKEN_BYTES_MAX} bytes"
        )
        demand(data.isascii() and data.count(b".") == 2, Reason.MALFORMED, "token: not three parts")
        header_text, claims_text, signature_text = data.decode("ascii").split(".")
        header = decode_json(decode_base64url(header_text), "token's header")
        claims = decode_json(decode_base64url(claims_text), "token's claims")
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
        unknown = sorted(set(header) - HEADERS)
        demand(not unknown, Reason.HEADER, f"token: unknown headers {unknown}")
        demand(
            header.get("typ", types[0] if isinstance(types, tuple) else "JWT") in types,
            Reason.HEADER,
            "token: type",
        )
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
            algorithm == scheme.name,
            Reason.ALGORITHM,
            f"token: algorithm {algorithm!r}, the key's is {scheme.name}",
        )
        verify(scheme, key, self.signature, self.signed)


def read_elliptic_jwk(jwk: Any) -> tuple[Scheme, PublicKey]:
    """An elliptic public key, and the one algorithm that it signs with.

    Raises:
        AttestationError: ``algorithm``, ``malformed``.
    """
    demand(
        field(jwk, "kty", str, "JWK", Reason.MALFORMED) == "EC",
        Reason.ALGORITHM,
        "JWK: not elliptic",
    )
    demand("d" not in jwk, Reason.MALFORMED, "JWK: a private key; give the public one")
    scheme = _CURVES.get(field(jwk, "crv", str, "JWK", Reason.MALFORMED))
    if scheme is None or scheme.curve is None:
        refuse(Reason.ALGORITHM, "JWK: not on P-256, P-384 or P-521")
    demand(
        jwk.get("alg", scheme.name) == scheme.name,
        Reason.ALGORITHM,
        "JWK: its algorithm does not fit its curve",
    )
    demand(jwk.get("use", "sig") == "sig", Reason.ALGORITHM, "JWK: not for signatures")
    x, y = (decode_base64url(field(jwk, name, str, "JWK", Reason.MALFORMED)) for name in ("x", "y"))
    return scheme, elliptic_key(scheme.curve, x, y)
