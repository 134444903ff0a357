"""A hostile OpenID provider, from scratch: signs whatever bytes a test says, rightly.

Its tokens are well signed by a pinned key, so what refuses them is what they say. Knows no JSON and
no library of tokens: header and claims are texts.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

KID = "forged"


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Forger:
    """One P-256 key, and tokens of any form under it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> str:
        """As RFC 7638 writes it."""
        numbers = self._key.public_key().public_numbers()
        x, y = (base64url(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
        return f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'

    def token(self, header: str, claims: str | bytes) -> str:
        """Signed as ES256, whatever its header says."""
        data = claims if isinstance(claims, bytes) else claims.encode("utf-8", "surrogatepass")
        message = f"{base64url(header.encode())}.{base64url(data)}"
        made = self._key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(made)
        return f"{message}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def header(**changed: Any) -> str:
    """As a good provider writes it; what is changed to None is left out."""
    said = {"alg": "ES256", "kid": KID, "typ": "JWT"} | changed
    return json.dumps({name: value for name, value in said.items() if value is not None})


def written(claims: Mapping[str, Any], more: str = "", **raw: str) -> str:
    """Claims as text: each of `raw` in place of its value, as it stands; `more` at the end."""
    parts = [f"{json.dumps(name)}:{raw.get(name, json.dumps(claims[name]))}" for name in claims]
    return "{" + ",".join([*parts, *([more] if more else [])]) + "}"
