"""A token judged by pinned keys and block time: whose it is, where its person is, until when.

Owns every check of a token (OpenID Connect Core §3.1.3.7, stricter) and what its work is charged.
Keeps nothing: what follows is presenting.py's. The same on every replica: times are block time,
keys are the state's.
"""

import base64
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from strongroom.consensus import labels
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import ChainId, Milliseconds
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.governance import ISSUER_KEYS, ISSUERS
from strongroom.enclave.programs.people.issuers import Issuer, issuer_of
from strongroom.enclave.text import is_ascii_line
from strongroom.enclave.tokens.jose import Token, read_key, strict_claims
from strongroom.enclave.tokens.signatures import PublicKey, Scheme

PERSON_TOKEN_BYTES_MAX = 8 * 1024
SUBJECT_CHARACTERS_MAX = 255
"""OpenID Connect Core §2."""
CLOCK_SKEW_MS = 60_000
"""So much may a provider's clock, in `iat` and `nbf`, be ahead of block time; `exp` has no such
allowance."""
TOKEN_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""A token that brings a key, or says where one is, is refused."""
READING_STEPS, STEP_CHARACTERS = 60, 8
"""Charged for reading a token: so many, and one for so many of its characters."""
SIGNATURE_STEPS: Mapping[str, int] = {
    "RS256": 150,
    "PS256": 150,
    "ES256": 150,
    "EdDSA": 200,
    "Ed25519": 200,
    "ES384": 900,
}
"""Charged for a signature before it is looked at, so that bad ones cost as much (T11). A step
stands for a microsecond."""
_INSTANT_MAX = 1 << 40

_ADVICE: Mapping[str, str] = {
    "too-large": f"a token has at most {PERSON_TOKEN_BYTES_MAX} bytes",
    "malformed": "no signed token in compact form, with strict JSON inside",
    "encoding": "a part of the token is not in the one form of base64url",
    "header": "its header has something that is not taken: present an ID token",
    "critical-header": "its header names something critical: none is understood",
    "algorithm": "signed with another algorithm than the pinned key's",
    "signature": "its signature is not by the pinned key that it names",
}


class Checked(NamedTuple):
    """What a token says, once it is believed."""

    subject: str
    issued: int
    """`iat`, seconds."""
    until_ms: int
    region: str
    kid: str
    serial: int
    """Of the pin of the key."""


def nonce_of(chain: ChainId, identity: bytes) -> str:
    """What `nonce` must be in a token that this identity presents: base64url of a labelled SHA-256
    over chain and identity, so that a stolen token serves nobody else (T57)."""
    bound = labels.bound(labels.PERSON_NONCE, chain, identity)
    return base64.urlsafe_b64encode(sha256(bound).digest()).rstrip(b"=").decode("ascii")


def check_token(context: Context, url: str, text: str) -> Checked:
    """Judge a token of an issuer for the caller.

    Raises:
        ProgramError: one code per cause: README of this folder.
    """
    encoded = context.map(ISSUERS).get(url)
    if encoded is None:
        raise ProgramError("issuer-unknown", "members chose no such issuer: see people issuer list")
    if len(text) > PERSON_TOKEN_BYTES_MAX:
        _refuse("too-large")
    context.spend(READING_STEPS + len(text) // STEP_CHARACTERS)
    issuer = issuer_of(url, encoded)
    try:
        token = Token.parse(text.encode("utf-8"), read=strict_claims, headers=TOKEN_HEADERS)
        kid, serial = _check_signature(context, url, token)
    except AttestationError as error:
        _refuse(error.reason)
    claims = token.claims
    subject = _check_parties(claims, issuer, nonce_of(context.chain, context.identity))
    issued, until_ms = _check_times(claims, issuer, context.time_ms)
    return Checked(subject, issued, until_ms, issuer.region_of(claims), kid, serial)


def _check_signature(context: Context, url: str, token: Token) -> tuple[str, int]:
    """By the pinned key that the token names: its name and serial."""
    kid = token.header.get("kid")
    pin = context.map(ISSUER_KEYS).get((url, kid)) if type(kid) is str else None
    if type(kid) is not str or pin is None:
        raise ProgramError(
            "key-unknown", "it names no pinned key of its issuer: ask members to pin it"
        )
    serial, algorithm, jwk = pin[:3]
    context.spend(SIGNATURE_STEPS[algorithm])
    token.verify(*_key(jwk, algorithm))
    return kid, serial


@lru_cache(maxsize=512)
def _key(jwk: str, algorithm: str) -> tuple[Scheme, PublicKey]:
    """Read what was read when it was pinned: once, not at each token."""
    return read_key(strict_claims(jwk.encode("utf-8"), "key"), algorithm)


def _check_parties(claims: Mapping[str, Any], issuer: Issuer, nonce: str) -> str:
    """By whom, for whom, about whom: gives the subject."""
    if claims.get("iss") != issuer.url:
        raise ProgramError("issuer", "the token is another issuer's: name the one in its iss")
    audience = claims.get("aud")
    if audience not in (issuer.audience, [issuer.audience]):
        raise ProgramError("audience", "the token is for another service, or for several")
    if claims.get("azp", issuer.audience) != issuer.audience:
        raise ProgramError("authorized-party", "the token was given to another client (azp)")
    if claims.get("nonce") != nonce:
        raise ProgramError("nonce", "not made for this identity: log in with people nonce")
    subject = claims.get("sub")
    if type(subject) is not str or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX:
        raise ProgramError("subject", "the token names no subject of 1 to 255 characters")
    if not is_ascii_line(subject):
        raise ProgramError("subject", "the token's subject is not ASCII")
    return subject


def _check_times(
    claims: Mapping[str, Any], issuer: Issuer, now_ms: Milliseconds
) -> tuple[int, int]:
    """`iat` in seconds, and until when it counts."""
    issued, end = _instant(claims, "iat"), _instant(claims, "exp")
    begin = max(issued, _instant(claims, "nbf")) if "nbf" in claims else issued
    if end <= issued:
        raise ProgramError("claims", "exp is not after iat")
    if (end - issued) * 1000 > issuer.life_ms:
        raise ProgramError(
            "too-long", f"valid longer than {issuer.life_ms // 1000} s: ask for shorter ones"
        )
    if end * 1000 <= now_ms:
        raise ProgramError("expired", "the token has ended: log in again")
    if begin * 1000 > now_ms + CLOCK_SKEW_MS:
        raise ProgramError("not-yet-valid", "it begins later: present it then, or see to clocks")
    return issued, end * 1000


def _instant(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < _INSTANT_MAX:
        raise ProgramError("claims", f"{name} is missing, or no whole number of seconds")
    return value


def _refuse(code: str) -> NoReturn:
    raise ProgramError(code, _ADVICE[code])
