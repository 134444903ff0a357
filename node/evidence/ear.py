"""EAT Attestation Results (draft-ietf-rats-ear): a verifier's word with a tier per part, under one
pinned key.

| step | reasons, in order |
|---|---|
| token's form | too-large, malformed, encoding, critical-header, header |
| key | malformed, algorithm, key-not-pinned (the token brings another one) |
| signature | algorithm, signature |
| time | claims, not-yet-valid, expired |
| claims | profile, claims (also a status better than its own trustworthiness vector) |
| status | good: affirming; conditional: none, warning; bad: contraindicated |
"""

from collections.abc import Mapping
from typing import Any

from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.jose import read_elliptic_jwk, read_token
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import decode_json, field, instant
from strongroom.node.evidence.verdict import Fact, Verdict, settle

KIND = "ear-jwt"
PROFILES = frozenset(
    {
        "tag:github.com,2023:veraison/ear",
        "tag:github.com,2024:confidential-containers/Trustee",
        "tag:ietf.org,2026:rats/ear#00",
    }
)
SUBMODULES_MAX = 64
TIERS = ("affirming", "none", "warning", "contraindicated")
"""From best to worst; the worst of all parts counts."""
FINE = "affirming"
CONDITIONAL = frozenset({"none", "warning"})
_BY_NUMBER = {0: "none", 2: "affirming", 32: "warning", 96: "contraindicated"}
VECTOR = frozenset(
    {
        "instance-identity",
        "configuration",
        "executables",
        "file-system",
        "hardware",
        "runtime-opaque",
        "storage-opaque",
        "sourced-data",
    }
)


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a token (`token`, `key`: a JWK)."""
    token = read_token(piece.file("token"))
    pinned = decode_json(piece.file("key"), "JWK")
    scheme, key = read_elliptic_jwk(pinned)
    if "jwk" in token.header:
        _, own = read_elliptic_jwk(token.header["jwk"])
        demand(
            own == key,
            Reason.KEY_NOT_PINNED,
            "the token brings a key of its own, which is not the pinned one",
        )
    token.verify(scheme, key)
    check_times(token.claims, demands)
    status, parts = _status(token.claims)
    if status == "contraindicated":
        refuse(Reason.CONTRAINDICATED, f"the verifier found: {', '.join(parts)}")
    facts: dict[str, Fact] = {
        "profile": token.claims["eat_profile"],
        "parts": parts,
        "status": status,
    }
    return settle(status, demands, facts, fine=FINE, conditional=CONDITIONAL)


def check_times(claims: Mapping[str, Any], demands: Demands) -> None:
    """Check `iat`, which must be there, and `nbf` and `exp`, which may.

    Raises:
        AttestationError: ``claims``, ``not-yet-valid``, ``expired``.
    """
    begin = instant(claims, "iat", "token")
    if "nbf" in claims:
        begin = max(begin, instant(claims, "nbf", "token"))
    end = instant(claims, "exp", "token") - 1 if "exp" in claims else max(begin, demands.time or 0)
    demand(begin <= end, Reason.CLAIMS, "token: ends before it begins")
    demands.check_window(begin, end, "token")


def _status(claims: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The worst tier of all parts, and a word on each."""
    demand(
        field(claims, "eat_profile", str, "EAR") in PROFILES, Reason.PROFILE, "EAR: unknown profile"
    )
    verifier = field(claims, "ear.verifier-id", dict, "EAR")
    for name in ("build", "developer"):
        field(verifier, name, str, "EAR's verifier")
    submodules = field(claims, "submods", dict, "EAR")
    demand(
        0 < len(submodules) <= SUBMODULES_MAX,
        Reason.CLAIMS,
        f"EAR: expected 1..{SUBMODULES_MAX} parts",
    )
    found = {name: _appraisal(part, name) for name, part in submodules.items()}
    worst = max(found.values(), key=TIERS.index)
    return worst, [f"{name} {status}" for name, status in sorted(found.items())]


def _appraisal(part: Any, name: str) -> str:
    """The tier of one part; it may not be better than the worst claim of its vector (EAR §3.1)."""
    demand(type(part) is dict, Reason.CLAIMS, f"EAR: {name} is no appraisal")
    status = part.get("ear.status")
    if type(status) is int:
        status = _BY_NUMBER.get(status)
    demand(type(status) is str and status in TIERS, Reason.CLAIMS, f"EAR: {name} has no status")
    if "ear.trustworthiness-vector" in part:
        vector = field(part, "ear.trustworthiness-vector", dict, "EAR")
        demand(
            set(vector) <= VECTOR, Reason.CLAIMS, f"EAR: {name} has unknown trustworthiness claims"
        )
        tiers = [
            tier for tier in map(_tier, vector.values()) if tier != "none"
        ]  # says nothing of that claim
        worst = max(tiers, key=TIERS.index, default=FINE)
        sound = TIERS.index(str(status)) >= TIERS.index(worst)
        demand(
            sound,
            Reason.CLAIMS,
            f"EAR: {name} is called {status}, and one of its claims is {worst}",
        )
    return str(status)


def _tier(value: Any) -> str:
    """The tier of a trustworthiness claim (AR4SI §2.3.2): a signed byte."""
    demand(
        type(value) is int and -128 <= value <= 127,
        Reason.CLAIMS,
        "EAR: a trustworthiness claim is no signed byte",
    )
    if -1 <= value <= 1:
        return "none"
    if -32 <= value <= 31:
        return "affirming"
    return "warning" if -96 <= value <= 95 else "contraindicated"
