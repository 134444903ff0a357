"""Did a chip sign this report, under a root that we believe? The part of the judgement that is the
same for any guest.

Owns the order of its checks, which is the first half of the table in verifier.py; serves evidence
of our own enclaves and bare reports of any SEV-SNP guest alike.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from strongroom.consensus.errors import invariant
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.certificates import AMD_ROOTS, read_chain
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.report import Product, Report, SigningKey, product_of_cpuid

_ONLY_HERE = object()
"""Proof that a verified thing was made by this module."""


@dataclass(frozen=True, slots=True)
class ReportRules:
    """What a report's user demands of its form."""

    vmpl_max: int
    """Highest number (lowest privilege) at which the report may have been asked for."""
    loaded_keys: bool
    """Are reports taken that a provider's loaded key (VLEK) signed, which names no chip?"""


ENCLAVE_RULES = ReportRules(vmpl_max=0, loaded_keys=False)
"""Ours: the enclave is the guest's highest level, and the chip allow-list needs a chip."""
GUEST_RULES = ReportRules(vmpl_max=3, loaded_keys=True)
"""Any SEV-SNP guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReport:
    """A report that a chip under a pinned root signed. Only `verify_report` makes one."""

    made_by: object = field(repr=False)
    report: Report
    product: Product
    simulated: bool
    """The root is not one of AMD's."""

    def __post_init__(self) -> None:
        invariant(self.made_by is _ONLY_HERE, "a VerifiedReport is made by verify_report only")


def verify_report(
    report: bytes,
    vek: bytes,
    ask: bytes,
    ark: bytes,
    *,
    roots: Collection[Digest],
    time_ms: Milliseconds,
    rules: ReportRules = ENCLAVE_RULES,
    revoked: Collection[Digest] = (),
) -> VerifiedReport:
    """Judge a bare SEV-SNP report with its certificates: see the table in verifier.py, down to
    ``report-signature``.

    Args:
        report: 1184 bytes.
        vek: certificate of the key that signed the report, DER; the next two likewise.
        ask: certificate of the intermediate.
        ark: certificate of the root.
        roots: SHA-256 of the SubjectPublicKeyInfo of every root that is believed.
        time_ms: when, Unix milliseconds.
        rules: what is demanded of the report's form.
        revoked: SHA-256 of the SubjectPublicKeyInfo of every key that is no longer believed.

    Raises:
        AttestationError: with the first reason that applies.
    """
    read = Report.parse(report)
    read.check_guest(vmpl_max=rules.vmpl_max)
    if read.signing_key is SigningKey.NONE or (
        read.signing_key is SigningKey.LOADED and not rules.loaded_keys
    ):
        refuse(
            Reason.SIGNING_KEY,
            f"signed by {read.signing_key.name.lower()}, expected the chip's own key",
        )
    if read.signing_key is SigningKey.CHIP and read.chip_masked:
        refuse(Reason.SIGNING_KEY, "the host hides the chip's id")
    chain = read_chain(vek, ask, ark)
    if chain.root not in roots:
        refuse(Reason.ROOT_UNKNOWN, f"root key {chain.root.hex()} is not pinned")
    if chain.signing_key is not read.signing_key:
        refuse(
            Reason.SIGNING_KEY, "the certificate is not of the kind of key that the report names"
        )
    for key in sorted(chain.keys.intersection(revoked)):
        refuse(Reason.CERTIFICATE_REVOKED, f"key {key.hex()} is revoked")
    chain.check_time(time_ms)
    if read.cpuid is not None and product_of_cpuid(*read.cpuid[:2]) is not chain.product:
        refuse(Reason.PRODUCT, f"report of processor {read.cpuid}, certificate of {chain.product}")
    chain.check_report(read)
    simulated = chain.root not in AMD_ROOTS
    return VerifiedReport(
        made_by=_ONLY_HERE, report=read, product=chain.product, simulated=simulated
    )
