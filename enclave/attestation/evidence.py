"""Evidence: everything that a verifier needs to judge an enclave, in one byte string. Nothing in it
is believed yet."""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.host_messages import EVIDENCE_BYTES_MAX as EVIDENCE_BYTES_MAX
from strongroom.consensus.types import SIGNATURE_SIZE, Signature

SEV_SNP = "sev-snp"
"""The one kind of evidence so far: an AMD SEV-SNP report with its certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A report, the certificates of the chip that signed it, and the two documents that it commits
    to."""

    report: bytes
    vek: bytes
    """Certificate of the key that signed the report (VCEK), DER."""
    ask: bytes
    """Certificate of the intermediate, DER."""
    ark: bytes
    """Certificate of the root, DER: worth what the policy's pin of its key makes it."""
    claims: bytes
    """The encoding of Claims; its digest is the report's REPORT_DATA."""
    deployment: bytes
    """The encoding of a Deployment; its digest is the report's HOST_DATA."""
    operator_signature: Signature
    """By the operator, over the deployment."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                labels.EVIDENCE,
                SEV_SNP,
                self.report,
                self.vek,
                self.ask,
                self.ark,
                self.claims,
                self.deployment,
                self.operator_signature,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Evidence":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of evidence, or of a kind that this code does not judge.
        """
        value = codec.decode(data, size_max=EVIDENCE_BYTES_MAX)
        shape = (bytes, str, bytes, bytes, bytes, bytes, bytes, bytes, bytes)
        label, kind, report, vek, ask, ark, claims, deployment, signature = codec.fields(
            value, *shape, name="evidence"
        )
        if label != labels.EVIDENCE or kind != SEV_SNP:
            raise NotCanonical(f"evidence: expected kind {SEV_SNP}")
        return cls(
            report=report,
            vek=vek,
            ask=ask,
            ark=ark,
            claims=claims,
            deployment=deployment,
            operator_signature=Signature(
                codec.sized(signature, SIGNATURE_SIZE, name="operator's signature")
            ),
        )
