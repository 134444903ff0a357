"""Bare AMD SEV-SNP reports with their certificates, of any guest.

Owns the files around the report; the judging is the enclave's own
(strongroom.enclave.attestation.silicon), so that genuine, simulated and our own evidence are judged
by the same code.

| step | reasons, in order |
|---|---|
| files | encoding, too-large, certificate-chain |
| report to silicon | length … report-signature, as in enclave/attestation/verifier.py |
| profile | simulated |
| demands | measurement, report-data |
| bound files | claims-binding (runtime data), then those of uvm.py, measurement (endorsement) |
"""

from collections.abc import Sequence
from hashlib import sha256

from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.certificates import read_chain
from strongroom.enclave.attestation.report import Tcb
from strongroom.enclave.attestation.silicon import GUEST_RULES, VerifiedReport, verify_report
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand
from strongroom.node.evidence.strict import read_certificates
from strongroom.node.evidence.uvm import read_endorsement
from strongroom.node.evidence.verdict import Fact, Verdict, good

KIND = "sev-snp"


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a report (`report`, `vek`, `chain`; optionally `runtime` and `endorsement`)."""
    leaf, *beside = read_certificates(piece.file("vek"))
    chain = read_certificates(piece.file("chain"))
    demand(
        not beside or beside == chain,
        Reason.CERTIFICATE_CHAIN,
        "two chains were given, and they differ",
    )
    verified = verify_chip_report(piece.file("report"), [leaf, *chain], demands)
    if "runtime" in piece.files:
        check_runtime(verified, piece.files["runtime"])
    facts = facts_of(verified)
    if "endorsement" in piece.files:
        endorsement = read_endorsement(piece.files["endorsement"], demands, in_force=False)
        endorsed = endorsement.measurement == verified.report.measurement
        demand(endorsed, Reason.MEASUREMENT, "the endorsement is of other code")
        facts["svn"] = endorsement.svn
    return good("verified", facts)


def verify_chip_report(
    report: bytes, certificates: Sequence[bytes], demands: Demands
) -> VerifiedReport:
    """Judge a report under three certificates, leaf first.

    Without a clock, the report is judged at a moment at which all three certificates are valid.

    Raises:
        AttestationError: see the module's table.
    """
    demand(
        len(certificates) == 3,
        Reason.CERTIFICATE_CHAIN,
        f"expected 3 certificates, got {len(certificates)}",
    )
    vek, ask, ark = certificates
    time_ms = None if demands.time is None else Milliseconds(demands.time * 1000)
    verified = verify_report(
        report,
        vek,
        ask,
        ark,
        roots=demands.roots,
        time_ms=_common_moment(vek, ask, ark) if time_ms is None else time_ms,
        rules=GUEST_RULES,
    )
    demands.check_simulated(verified.simulated)
    demands.check_code(verified.report.measurement, verified.report.report_data)
    return verified


def _common_moment(vek: bytes, ask: bytes, ark: bytes) -> Milliseconds:
    """The first moment at which all are valid, if there is one."""
    return max(begin for begin, _ in read_chain(vek, ask, ark).validities)


def check_runtime(verified: VerifiedReport, runtime: bytes) -> None:
    """Check that a report commits to runtime data: SHA-256 in the first half of REPORT_DATA, zeros
    in the second.

    Raises:
        AttestationError: ``claims-binding``.
    """
    expected = sha256(runtime).digest() + bytes(32)
    demand(
        verified.report.report_data == expected,
        Reason.CLAIMS_BINDING,
        "the report is for other runtime data",
    )


def facts_of(verified: VerifiedReport) -> dict[str, Fact]:
    """What a report says."""
    report = verified.report
    return {
        "product": verified.product.value,
        "simulated": verified.simulated,
        "report_version": report.version,
        "measurement": report.measurement.hex(),
        "report_data": report.report_data.hex(),
        "host_data": report.host_data.hex(),
        "chip_id": report.chip_id.hex(),
        "vmpl": report.vmpl,
        "guest_policy": f"{report.policy:#x}",
        "signed_by": report.signing_key.name.lower(),
        "firmware": str(Tcb.of(verified.product, report.reported_tcb)),
        "replay_key": report.replay_key.hex(),
    }
