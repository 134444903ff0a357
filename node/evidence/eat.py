"""Entity Attestation Tokens (RFC 9711) as signed JSON: a device's own claims, under one pinned key.

Claims that nobody signed are read and get no verdict: they are evidence of nothing.

| step | reasons, in order |
|---|---|
| token's form | too-large, malformed, encoding, critical-header, header |
| key and signature | malformed, algorithm, signature |
| time | claims, not-yet-valid, expired |
| claims | claims |
| debug | debug (`dbgstat` 0: enabled; a submodule counts as well) |
"""

from typing import Any

from strongroom.enclave.tokens.jose import decode_base64url
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.ear import check_times
from strongroom.node.evidence.jose import read_elliptic_jwk, read_token
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged, demand, refuse
from strongroom.node.evidence.strict import decode_json, field
from strongroom.node.evidence.verdict import Verdict, good

KIND = "eat"
UEID_SIZES = range(7, 34)
SUBMODULES_DEPTH_MAX = 4
DEBUG_ENABLED = ("enabled", 0)
DEBUG_DISABLED = (
    *("disabled", "disabled-since-boot", "disabled-permanently", "disabled-fully-and-permanently"),
    *(1, 2, 3, 4),
)


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a token (`token`, `key`: a JWK), or for bare claims (`token`, a JSON map)."""
    data = piece.file("token")
    if data.lstrip()[:1] == b"{":
        check_claims(decode_json(data, "EAT"), 0)
        raise CannotJudge(Unjudged.UNSIGNED, "EAT: well-formed claims that nobody signed")
    token = read_token(data, types=("JWT", "eat+jwt"))
    scheme, key = read_elliptic_jwk(decode_json(piece.file("key"), "JWK"))
    token.verify(scheme, key)
    check_times(token.claims, demands)
    check_claims(token.claims, 0)
    return good("verified", {"claims": sorted(token.claims)})


def check_claims(claims: Any, depth: int) -> None:
    """Check the claims that matter to a verdict, in this token and the submodules that it holds as
    claims.

    Raises:
        AttestationError: ``claims``, ``too-large``, ``debug``.
    """
    demand(type(claims) is dict, Reason.CLAIMS, "EAT: no map of claims")
    demand(
        depth < SUBMODULES_DEPTH_MAX,
        Reason.TOO_LARGE,
        f"EAT: submodules nest over {SUBMODULES_DEPTH_MAX}",
    )
    nonces = claims.get("eat_nonce", [])
    for nonce in nonces if type(nonces) is list else [nonces]:
        sized = type(nonce) is str and len(nonce.encode("utf-8")) in range(8, 89)
        demand(sized, Reason.CLAIMS, "EAT: a nonce of 8..88 characters")
    if "ueid" in claims:
        ueid = decode_base64url(field(claims, "ueid", str, "EAT"))
        demand(len(ueid) in UEID_SIZES, Reason.CLAIMS, "EAT: ueid is not 7..33 bytes long")
    if "dbgstat" in claims:
        _check_debug(claims["dbgstat"])
    submodules = claims.get("submods", {})
    demand(type(submodules) is dict, Reason.CLAIMS, "EAT: submods is no map")
    for submodule in submodules.values():
        if type(submodule) is dict:
            check_claims(submodule, depth + 1)


def _check_debug(status: Any) -> None:
    known = type(status) in (str, int) and status in (*DEBUG_ENABLED, *DEBUG_DISABLED)
    demand(known, Reason.CLAIMS, "EAT: unknown debug status")
    if status in DEBUG_ENABLED:
        refuse(Reason.DEBUG, "EAT: debug is enabled")
