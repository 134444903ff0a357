"""The verdict on a room: what its evidence shows, and whether that is enough for a key (T50).

Owns how evidence and policy come together. Pure: no state, so that a custodian judges by the same
functions as every replica does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.consensus.types import ChainId, Digest, Height, Milliseconds
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.room_evidence import judge_room
from strongroom.enclave.attestation.vocabulary import PERSON
from strongroom.enclave.programs.framework import ProgramError

EVIDENCE_AGE_MS_MAX = 600_000
"""Of block time, between the block that evidence answers and the one that uses it."""
_CLAIMS_KEPT_MAX = 4096
"""Read, by their bytes: 3 KB each. Every beat judges them anew, under the terms of now."""
AGE = "evidence-age-ms"
COUNTRY = "grc.jurisdiction-country"
PERSON_REGION, PERSON_COUNTRY = f"{PERSON}region", f"{PERSON}country"
Blocks = Callable[[int], tuple[Digest, Milliseconds] | None]
"""Digest and block time of a recent height."""
_CODES = {
    "simulated": "simulated",
    "ueid": "not-this-hardware",
    "region": "region",
    COUNTRY: "region",
    "grc.basis": "region",
    PERSON_REGION: "region",
    PERSON_COUNTRY: "region",
}
"""Code of a refusal by the claim that failed, where it has one of its own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What evidence has shown of a room."""

    identity: bytes
    """Of its session: SHA-256 of the session key."""
    chip: bytes
    """SHA-256 of the chip's id."""
    room: str
    boot: int
    made_ms: int
    """Block time of the block that it answers."""
    simulated: bool
    claims: Mapping[str, bool | int | str]
    """For a release policy, all but the evidence's age."""

    def encode_claims(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(tuple(sorted(self.claims.items())))


@lru_cache(maxsize=_CLAIMS_KEPT_MAX)
def decode_claims(data: bytes) -> Mapping[str, Any]:
    """Claims that stand in the state: what these bytes say, whoever reads them and whenever."""
    return MappingProxyType(dict(codec.decode(data)))


def judge_evidence(
    evidence: bytes,
    *,
    chain: ChainId,
    policy: Policy,
    countries: Mapping[str, str],
    blocks: Blocks,
    now_ms: int,
) -> Shown:
    """What a room's evidence shows at block time `now_ms`.

    Raises:
        ProgramError: ``evidence``, with the judge's reason.
    """

    def digest_of(height: Height) -> Digest | None:
        known = blocks(height)
        return None if known is None else known[0]

    try:
        room = judge_room(
            evidence,
            chain=chain,
            roots=policy.roots,
            revoked=policy.revoked,
            time_ms=Milliseconds(now_ms),
            digest_of=digest_of,
        )
    except NotCanonical:
        raise ProgramError("evidence", "these bytes are no room's evidence") from None
    except AttestationError as error:
        raise ProgramError(
            "evidence", f"{error.reason}: see docs/rooms.md, make fresh evidence"
        ) from None
    claims, answered = room.claims, blocks(room.claims.height)
    if answered is None:
        raise ProgramError("evidence", "not over a recent block: make fresh evidence")
    operator = room.operator_among(policy.operators)
    released = room.release_claims(
        age_ms=0,
        operator=operator,
        country=country_of(claims.region, operator, policy, countries),
    )
    del released[AGE]
    return Shown(
        identity=sha256(claims.session_key).digest(),
        chip=sha256(room.chip_id).digest(),
        room=claims.room,
        boot=claims.boot,
        made_ms=answered[1],
        simulated=room.simulated,
        claims=released,
    )


def country_of(region: str, operator: str, policy: Policy, countries: Mapping[str, str]) -> str:
    """In which country a room stands by the word of its operator, and nothing when the members do
    not know the operator or the region: anybody could name himself one, and any region (T50)."""
    return countries.get(region, "") if policy.operator_key(operator) else ""


def check_age(made_ms: int, now_ms: int) -> None:
    """Check that evidence is not too old to count.

    Raises:
        ProgramError: ``evidence``.
    """
    if now_ms - made_ms > EVIDENCE_AGE_MS_MAX:
        raise ProgramError("evidence", "older than 10 minutes: send fresh evidence")


def failing(
    release: ReleasePolicy, claims: Mapping[str, bool | int | str], age_ms: int
) -> tuple[str, str] | None:
    """None when the policy releases; else (code, the first condition that does not hold)."""
    line = release.first_failure({**claims, AGE: age_ms})
    if line is None:
        return None
    return _CODES.get(line.partition(" ")[0], "policy"), line
