"""Key sets as issuers publish them (RFC 7517 §5), for hosts and members who bring keys to the
ledger.

Owns which keys of a set are of use: public ones for signatures, with a name that can be voted on,
of an algorithm that is taken here. All others are left aside. What is pinned, governance judges
anew.
"""

import json
from collections.abc import Mapping
from typing import Any

from strongroom.consensus.errors import AttestationError, ClientFault
from strongroom.enclave.governance.issuers import PinnedKey, read_pin
from strongroom.enclave.governance.people_changes import KID
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.tokens.jose import canonical_jwk, read_key

SET_KEYS_MAX = 64
_USUAL: Mapping[tuple[str, str], str] = {
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("OKP", "Ed25519"): "EdDSA",
}
"""What a key signs with when it does not say: RS256 is OpenID Connect's own default."""


def read_key_set(document: bytes, issuer: str) -> tuple[PinnedKey, ...]:
    """Keys of a set that can be pinned for an issuer, each name once, ascending by name.

    Raises:
        ClientFault: it is no key set.
    """
    try:
        keys = json.loads(document)["keys"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ClientFault('no key set: expected JSON, {"keys": [...]}') from None
    if type(keys) is not list or len(keys) > SET_KEYS_MAX:
        raise ClientFault(f"no key set: expected a list of at most {SET_KEYS_MAX} keys")
    found: dict[str, PinnedKey] = {}
    for jwk in keys:
        pin = _pin(jwk, issuer)
        if pin is not None:
            found.setdefault(pin.kid, pin)
    return tuple(found[kid] for kid in sorted(found))


def _pin(jwk: Any, issuer: str) -> PinnedKey | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or "d" in jwk or "k" in jwk:
        return None
    kind, curve, kid = jwk.get("kty"), jwk.get("crv", ""), jwk.get("kid")
    algorithm = jwk.get("alg")
    if algorithm is None and isinstance(kind, str) and isinstance(curve, str):
        algorithm = _USUAL.get((kind, curve))
    if not isinstance(kid, str) or not KID.holds(kid) or not isinstance(algorithm, str):
        return None
    try:
        read_key(jwk, algorithm)
        return read_pin(issuer, kid, algorithm, canonical_jwk(jwk))
    except (AttestationError, ProgramError):
        return None
