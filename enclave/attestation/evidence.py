"""Evidence: everything that a verifier needs to judge an enclave, in one byte string. Nothing in it
is believed yet.

Owns that form, which nodes' enclaves and rooms share under labels of their own: what one made is
not the other's (T50).
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from strongroom.consensus import codec, labels
from strongroom.consensus.bounds import EVIDENCE_BYTES_MAX as EVIDENCE_BYTES_MAX
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import SIGNATURE_SIZE, Signature

SEV_SNP = "sev-snp"
"""The one kind of evidence so far: an AMD SEV-SNP report with its certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SevSnpEvidence:
    """A report, the certificates of the chip that signed it, and the two documents that it commits
    to."""

    LABEL: ClassVar[bytes]
    NAME: ClassVar[str]
    """How a refusal calls it."""

    report: bytes
    vek: bytes
    """Certificate of the key that signed the report (VCEK), DER."""
    ask: bytes
    """Certificate of the intermediate, DER."""
    ark: bytes
    """Certificate of the root, DER: worth what the verifier's pin of its key makes it."""
    claims: bytes
    """The encoding of claims; its digest is the report's REPORT_DATA."""
    deployment: bytes
    """The encoding of a Deployment; its digest is the report's HOST_DATA."""
    operator_signature: Signature
    """By the operator, over the deployment."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                self.LABEL,
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
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of this evidence, or of a kind that this code does not
                judge.
        """
        value = codec.decode(data, size_max=EVIDENCE_BYTES_MAX)
        shape = (bytes, str, bytes, bytes, bytes, bytes, bytes, bytes, bytes)
        label, kind, report, vek, ask, ark, claims, deployment, signature = codec.fields(
            value, *shape, name=cls.NAME
        )
        if label != cls.LABEL or kind != SEV_SNP:
            raise NotCanonical(f"{cls.NAME}: expected kind {SEV_SNP}")
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


class Evidence(SevSnpEvidence):
    """A node's enclave's; `claims` are Claims."""

    __slots__ = ()
    LABEL = labels.EVIDENCE
    NAME = "evidence"
