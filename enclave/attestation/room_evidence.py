"""The judge of rooms: evidence becomes a VerifiedRoom, or a refusal with one reason; what it shows
becomes the claims that a key's release policy is asked about (T50).

Owns what no policy can lift. Which code, chip, firmware, region or operator is allowed, and whether
simulated silicon is, says the release policy of a key: release_policy.py. Time, roots and blocks
are arguments, and nothing else is looked at, so that every replica gives the same reason (T27).

| step | reasons, in order | threat |
|---|---|---|
| bytes | NotCanonical | T31 |
| report, chain, silicon | verifier.py's table, from `length` to `report-signature` | T20-T23 T28 |
| claims | claims-binding, then NotCanonical, chain, nonce | T50 |
| deployment | deployment-binding, NotCanonical, deployment-binding, operator-signature | T50 T53 |
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.consensus.errors import invariant
from strongroom.consensus.types import ChainId, Digest, Height, Milliseconds, PublicKey
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.report import Product, Report, SigningKey, Tcb
from strongroom.enclave.attestation.room_claims import (
    RoomClaims as RoomClaims,
)
from strongroom.enclave.attestation.room_claims import (
    RoomEvidence as RoomEvidence,
)
from strongroom.enclave.attestation.room_claims import (
    room_deployment_bytes,
    room_host_data,
    room_report_data,
)
from strongroom.enclave.attestation.silicon import GUEST_RULES, VerifiedReport, verify_report
from strongroom.enclave.primitives import verify

ClaimValue = bool | int | str
DEBUG_DISABLED = "disabled"
"""`dbgstat` of every guest that is judged at all: debugging cannot be turned on after launch."""
ENDORSED = 2
"""`grc.basis` of a region: an operator's word, not a proof."""
UNGOVERNED = "key:"
"""Before the digest of an operator's key that the service holds under no such name."""
_ONLY_HERE = object()
"""Proof that a verified thing was made by this module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRoom:
    """A room whose evidence holds. Only `judge_room` makes one."""

    made_by: object = field(repr=False)
    claims: RoomClaims
    verified: VerifiedReport

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a VerifiedRoom is made by judge_room only")

    @property
    def measurement(self) -> bytes:
        """SHA-384 of its code, 48 bytes."""
        return self.verified.report.measurement

    @property
    def chip_id(self) -> bytes:
        """The chip that it runs on, 64 bytes."""
        return self.verified.report.chip_id

    @property
    def product(self) -> Product:
        """The line of its chip."""
        return self.verified.product

    @property
    def simulated(self) -> bool:
        """Its chip is not silicon."""
        return self.verified.simulated

    @property
    def reported_tcb(self) -> Tcb:
        """Firmware that the chip key was derived for."""
        return Tcb.of(self.product, self.verified.report.reported_tcb)

    @property
    def committed_tcb(self) -> Tcb:
        """Firmware that the chip cannot be rolled back below."""
        return Tcb.of(self.product, self.verified.report.committed_tcb)

    @property
    def launch_tcb(self) -> Tcb:
        """Firmware that ran when the room was started."""
        return Tcb.of(self.product, self.verified.report.launch_tcb)

    @property
    def replay_key(self) -> Digest:
        """SHA-256 of the report's signed bytes: what a set of evidence already seen is keyed on
        (T20)."""
        return self.verified.report.replay_key

    def operator_among(self, governed: Iterable[tuple[str, PublicKey]]) -> str:
        """Whose room it is: the name, if the service holds this key under it; else ``key:`` and the
        hex digits of the key's SHA-256: 68 characters, and a governed name has at most 64."""
        if (self.claims.operator, self.claims.operator_key) in governed:
            return self.claims.operator
        return UNGOVERNED + sha256(self.claims.operator_key).hexdigest()

    def release_claims(self, *, age_ms: int, operator: str, country: str) -> dict[str, ClaimValue]:
        """What a release policy is asked about: see vocabulary.py.

        Args:
            age_ms: block time now, minus the time of the block that the evidence names.
            operator: see `operator_among`.
            country: where the region lies, by the service's table; nothing if it does not say.
        """
        claims = dict(silicon_claims(self.verified))
        claims["swname"] = self.claims.program
        claims["bootcount"] = self.claims.boot
        claims["evidence-age-ms"] = age_ms
        claims["operator"] = operator
        claims["region"] = self.claims.region
        claims["room"] = self.claims.room
        if country:
            claims["grc.jurisdiction-country"] = country
            claims["grc.basis"] = ENDORSED
        return claims


def judge_room(
    evidence: bytes,
    *,
    chain: ChainId,
    roots: Collection[Digest],
    revoked: Collection[Digest],
    time_ms: Milliseconds,
    digest_of: Callable[[Height], Digest | None],
) -> VerifiedRoom:
    """Judge a room's evidence: see the module's table. Whose session asks, and how old evidence may
    be, the caller compares with the claims.

    Args:
        evidence: the encoding of RoomEvidence.
        chain: the chain for which the room must have made it.
        roots: SHA-256 of the SubjectPublicKeyInfo of every root that is believed.
        revoked: likewise, of every key that is no longer believed.
        time_ms: when, Unix milliseconds; block time when a replica judges.
        digest_of: the digest of the block at a height, or what else the room had to answer at it;
            None if evidence over that height is not taken.

    Raises:
        NotCanonical: the bytes are no room's evidence.
        AttestationError: with the first reason that applies.
    """
    given = RoomEvidence.decode(evidence)
    verified = verify_report(
        given.report, given.vek, given.ask, given.ark, roots=roots, time_ms=time_ms, revoked=revoked
    )
    claims = _check_claims(given, verified.report, chain, digest_of)
    _check_deployment(given, verified.report, claims)
    signed = room_deployment_bytes(given.deployment, chain)
    if not verify(claims.operator_key, given.operator_signature, signed):
        refuse(
            Reason.OPERATOR_SIGNATURE,
            f"operator {claims.operator} did not sign this room's deployment for this chain",
        )
    return VerifiedRoom(made_by=_ONLY_HERE, claims=claims, verified=verified)


def claims_of_bare_report(
    report: bytes,
    vek: bytes,
    ask: bytes,
    ark: bytes,
    *,
    roots: Collection[Digest],
    revoked: Collection[Digest] = (),
    time_ms: Milliseconds,
) -> Mapping[str, ClaimValue]:
    """What a bare SEV-SNP report of any guest lets a policy be asked about: silicon and code, and
    nothing that only a room could have said.

    Args:
        report: 1184 bytes.
        vek: certificate of the key that signed the report, DER; the next two likewise.
        ask: certificate of the intermediate.
        ark: certificate of the root.
        roots: SHA-256 of the SubjectPublicKeyInfo of every root that is believed.
        revoked: likewise, of every key that is no longer believed.
        time_ms: when, Unix milliseconds.

    Raises:
        AttestationError: with the first reason that applies: silicon.py.
    """
    return silicon_claims(
        verify_report(
            report, vek, ask, ark, roots=roots, time_ms=time_ms, rules=GUEST_RULES, revoked=revoked
        )
    )


def silicon_claims(verified: VerifiedReport) -> Mapping[str, ClaimValue]:
    """The claims that a chip answers for. A report under a provider's loaded key names no chip:
    it has no ``ueid``."""
    report, product = verified.report, verified.product
    claims: dict[str, ClaimValue] = {
        "hwmodel": product.value,
        "dbgstat": DEBUG_DISABLED,
        "measurement": report.measurement.hex(),
        "hostdata": report.host_data.hex(),
        "simulated": verified.simulated,
    }
    if report.signing_key is SigningKey.CHIP:
        claims["ueid"] = report.chip_id.hex()
    for moment, version in (
        ("reported", report.reported_tcb),
        ("committed", report.committed_tcb),
        ("launch", report.launch_tcb),
    ):
        tcb = Tcb.of(product, version)
        claims[f"snp.{moment}.bootloader"] = tcb.bootloader
        claims[f"snp.{moment}.tee"] = tcb.tee
        claims[f"snp.{moment}.snp"] = tcb.snp
        claims[f"snp.{moment}.microcode"] = tcb.microcode
    return claims


def _check_claims(
    evidence: RoomEvidence,
    report: Report,
    chain: ChainId,
    digest_of: Callable[[Height], Digest | None],
) -> RoomClaims:
    """Check that the report commits to the claims, and the claims to a recent block of this
    chain (T50)."""
    if report.report_data != room_report_data(evidence.claims):
        refuse(Reason.CLAIMS_BINDING, "the report was made for other claims, or by no room")
    claims = RoomClaims.decode(evidence.claims)
    if claims.chain != chain:
        refuse(Reason.CHAIN, f"made for chain {claims.chain.hex()}, expected {chain.hex()}")
    if claims.nonce != digest_of(claims.height):
        refuse(
            Reason.NONCE,
            f"not over a recent block of this chain (height {claims.height}): make fresh evidence",
        )
    return claims


def _check_deployment(evidence: RoomEvidence, report: Report, claims: RoomClaims) -> None:
    """Check that the room was launched under a statement about exactly this room (T53)."""
    if report.host_data != room_host_data(evidence.deployment):
        refuse(
            Reason.DEPLOYMENT_BINDING, "the room was launched under another deployment statement"
        )
    expected = Deployment(
        name=claims.room,
        operator=claims.operator,
        chip_id=report.chip_id,
        measurement=report.measurement,
        region=claims.region,
    )
    if Deployment.decode(evidence.deployment) != expected:
        refuse(
            Reason.DEPLOYMENT_BINDING,
            "the deployment statement is about another room, operator, chip, code or region",
        )
