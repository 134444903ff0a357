"""The judge: evidence and a policy become a VerifiedEnclave, or a refusal with one reason.

The order of the checks is fixed, so that every replica gives the same reason (T27); time, challenge
and policy are arguments, and nothing else is looked at.

| step | reasons, in order | threat |
|---|---|---|
| bytes | NotCanonical | T31 |
| report's form | length, version, signature-algorithm, signature-form, signing-key | T21 |
| guest, in code | debug-allowed, migration-allowed, guest-policy, vmpl | T21 |
| signing key | signing-key | T23 |
| chain | certificate-form, -algorithm, -name, -extension, -issuer | T28 |
| its signatures | certificate-signature, certificate-extension, product | T28 |
| root | root-unknown, signing-key | T28 |
| revocation | certificate-revoked | T28 |
| time | certificate-not-yet-valid, certificate-expired | T28 |
| silicon | product, chip-mismatch, tcb-mismatch, report-signature | T20 T22 |
| profile | simulated | T26 |
| firmware | product, tcb-floor (committed, launch, reported) | T22 |
| code | measurement | T24 |
| claims | claims-binding, then NotCanonical, nonce, chain, region | T20 |
| operator | deployment-binding, NotCanonical, operator-unknown, -signature, chip-unknown | T23 |

The steps down to silicon are silicon.py's.
"""

from dataclasses import dataclass, field

from strongroom.consensus.errors import invariant
from strongroom.consensus.types import ChainId, Digest, Milliseconds
from strongroom.enclave.attestation.claims import Claims, report_data_of
from strongroom.enclave.attestation.deployment import Deployment, deployment_bytes, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.report import Product, Report, Tcb, measurement_digest
from strongroom.enclave.attestation.silicon import VerifiedReport, verify_report
from strongroom.enclave.primitives import verify

GOVERNED = frozenset(
    {
        Reason.PRODUCT,
        Reason.TCB_FLOOR,
        Reason.MEASUREMENT,
        Reason.REGION,
        Reason.OPERATOR_UNKNOWN,
        Reason.OPERATOR_SIGNATURE,
        Reason.CHIP_UNKNOWN,
    }
)
"""What members may have allowed since a policy: a refusal on one of these grounds says nothing for
certain to whoever does not know the newest policy."""
_ONLY_HERE = object()
"""Proof that a verified thing was made by this module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEnclave:
    """An enclave whose evidence met the policy. Only `verify_evidence` makes one."""

    made_by: object = field(repr=False)
    evidence: bytes = field(repr=False)
    claims: Claims
    verified: VerifiedReport

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a VerifiedEnclave is made by verify_evidence only")

    @property
    def measurement(self) -> bytes:
        """SHA-384 of its code, 48 bytes."""
        return self.verified.report.measurement

    @property
    def measurement_digest(self) -> Digest:
        """The 32-byte name of its measurement."""
        return measurement_digest(self.measurement)

    @property
    def chip_id(self) -> bytes:
        """The chip that it runs on, 64 bytes."""
        return self.verified.report.chip_id

    @property
    def operator(self) -> str:
        """Whose machine it is: the name under which the policy holds the key that signed its
        deployment."""
        return self.claims.operator

    @property
    def region(self) -> str:
        """Where it runs, by the word of its operator."""
        return self.claims.region

    @property
    def product(self) -> Product:
        """The line of its chip."""
        return self.verified.product

    @property
    def tcb(self) -> Tcb:
        """The firmware that the chip key was derived for."""
        return Tcb.of(self.product, self.verified.report.reported_tcb)

    @property
    def simulated(self) -> bool:
        """Its chip is not silicon."""
        return self.verified.simulated

    @property
    def replay_key(self) -> Digest:
        """SHA-256 of the report's signed bytes: what a set of evidence already seen is keyed on
        (T20)."""
        return self.verified.report.replay_key


def verify_evidence(
    evidence: bytes, policy: Policy, *, chain: ChainId, nonce: bytes, time_ms: Milliseconds
) -> VerifiedEnclave:
    """Judge evidence under a policy: see the module's table.

    Args:
        evidence: the encoding of Evidence.
        policy: what is demanded.
        chain: the chain for which the enclave must have made it; zeros at genesis.
        nonce: the challenge that it must answer, 32 bytes.
        time_ms: when, Unix milliseconds; block time when a replica judges.

    Raises:
        NotCanonical: the bytes are no evidence.
        AttestationError: with the first reason that applies.
    """
    given = Evidence.decode(evidence)
    verified = verify_report(
        given.report,
        given.vek,
        given.ask,
        given.ark,
        roots=policy.roots,
        time_ms=time_ms,
        revoked=policy.revoked,
    )
    _check_profile(verified, policy)
    _check_firmware(verified, policy)
    if verified.report.measurement not in policy.measurements:
        refuse(Reason.MEASUREMENT, f"code {verified.report.measurement.hex()} is not allowed")
    claims = _check_claims(given, verified.report, chain=chain, nonce=nonce)
    if claims.region not in policy.regions:
        refuse(Reason.REGION, f"region {claims.region!r} is not allowed")
    _check_deployment(given, verified.report, claims)
    _check_operator(given, verified.report, claims, policy)
    return VerifiedEnclave(made_by=_ONLY_HERE, evidence=evidence, claims=claims, verified=verified)


def verify_genuine(
    evidence: bytes, policy: Policy, *, chain: ChainId, nonce: bytes, time_ms: Milliseconds
) -> tuple[Claims, VerifiedReport]:
    """Judge evidence by what no vote can change: every step of the module's table but those of
    GOVERNED.

    It says which chip of which manufacturer made it for this chain and challenge, under which
    deployment; not that code, firmware, place or operator are allowed. Whose claims these are must
    be known from elsewhere.

    Raises:
        NotCanonical: the bytes are no evidence.
        AttestationError: with the first reason that applies.
    """
    given = Evidence.decode(evidence)
    verified = verify_report(
        given.report,
        given.vek,
        given.ask,
        given.ark,
        roots=policy.roots,
        time_ms=time_ms,
        revoked=policy.revoked,
    )
    _check_profile(verified, policy)
    claims = _check_claims(given, verified.report, chain=chain, nonce=nonce)
    _check_deployment(given, verified.report, claims)
    return claims, verified


def _check_profile(verified: VerifiedReport, policy: Policy) -> None:
    if verified.simulated and not policy.allow_simulated:
        refuse(Reason.SIMULATED, "the chip is SIMULATED, and the policy takes genuine silicon only")


def _check_firmware(verified: VerifiedReport, policy: Policy) -> None:
    """Compare the three TCBs that count with their floors (T22)."""
    floors = policy.floors_of(verified.product)
    if floors is None:
        refuse(Reason.PRODUCT, f"the policy takes no chip of {verified.product}")
    report = verified.report
    for name, own, floor in (
        ("committed", report.committed_tcb, floors.committed),
        ("launch", report.launch_tcb, floors.launch),
        ("reported", report.reported_tcb, floors.reported),
    ):
        tcb = Tcb.of(verified.product, own)
        if not tcb.meets(floor):
            refuse(Reason.TCB_FLOOR, f"{name} firmware is {tcb}, at least {floor} is demanded")


def _check_claims(evidence: Evidence, report: Report, *, chain: ChainId, nonce: bytes) -> Claims:
    """Check that the report commits to the claims, and the claims to this challenge (T20)."""
    if report.report_data != report_data_of(evidence.claims):
        refuse(Reason.CLAIMS_BINDING, "the report was made for other claims")
    claims = Claims.decode(evidence.claims)
    if claims.nonce != nonce:
        refuse(Reason.NONCE, "made for another challenge: ask for fresh evidence")
    if claims.chain != chain:
        refuse(Reason.CHAIN, f"made for chain {claims.chain.hex()}, expected {chain.hex()}")
    return claims


def _check_deployment(evidence: Evidence, report: Report, claims: Claims) -> None:
    """Check that the report commits to a deployment statement of exactly this enclave (T23)."""
    if report.host_data != host_data(evidence.deployment):
        refuse(
            Reason.DEPLOYMENT_BINDING, "the enclave was launched under another deployment statement"
        )
    deployment = Deployment.decode(evidence.deployment)
    expected = Deployment(
        name=claims.node,
        operator=claims.operator,
        chip_id=report.chip_id,
        measurement=report.measurement,
        region=claims.region,
    )
    if deployment != expected:
        refuse(
            Reason.DEPLOYMENT_BINDING,
            "the deployment statement is about another node, operator, chip, code or region",
        )


def _check_operator(evidence: Evidence, report: Report, claims: Claims, policy: Policy) -> None:
    """Check that an operator of the policy signed the deployment, for a chip of his (T23)."""
    key = policy.operator_key(claims.operator)
    if key is None:
        refuse(Reason.OPERATOR_UNKNOWN, f"no operator {claims.operator!r}")
    if not verify(key, evidence.operator_signature, deployment_bytes(evidence.deployment)):
        refuse(
            Reason.OPERATOR_SIGNATURE, f"operator {claims.operator!r} did not sign this deployment"
        )
    if (claims.operator, report.chip_id) not in policy.chips:
        refuse(
            Reason.CHIP_UNKNOWN,
            f"chip {report.chip_id.hex()[:16]}… is none of operator {claims.operator!r}",
        )
