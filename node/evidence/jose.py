"""Tokens as evidence: a verifier's word, read as JSON of any kind, under a pinned JWK.

Structure and signatures are enclave/tokens/jose.py's; what a claim means is each kind's module's.
"""

from typing import Any

from strongroom.enclave.tokens.jose import CURVES, Token, read_key
from strongroom.enclave.tokens.signatures import PublicKey, Scheme
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import decode_json, field


def read_token(data: bytes, *, types: tuple[str, ...] = ("JWT",)) -> Token:
    """Read a token whose `typ`, when it has one, is one of these.

    Raises:
        AttestationError: ``too-large``, ``malformed``, ``encoding``, ``header``,
            ``critical-header``.
    """
    return Token.parse(data, read=decode_json, types=types)


def read_elliptic_jwk(jwk: Any) -> tuple[Scheme, PublicKey]:
    """An elliptic public key, and the one algorithm that it signs with.

    Raises:
        AttestationError: ``algorithm``, ``malformed``, ``encoding``.
    """
    demand(
        field(jwk, "kty", str, "JWK", Reason.MALFORMED) == "EC",
        Reason.ALGORITHM,
        "JWK: not elliptic",
    )
    demand("d" not in jwk, Reason.MALFORMED, "JWK: a private key; give the public one")
    scheme = CURVES.get(field(jwk, "crv", str, "JWK", Reason.MALFORMED))
    if scheme is None:
        refuse(Reason.ALGORITHM, "JWK: not on P-256, P-384 or P-521")
    demand(
        jwk.get("alg", scheme.name) == scheme.name,
        Reason.ALGORITHM,
        "JWK: its algorithm does not fit its curve",
    )
    demand(jwk.get("use", "sig") == "sig", Reason.ALGORITHM, "JWK: not for signatures")
    return read_key(jwk, scheme.name)
