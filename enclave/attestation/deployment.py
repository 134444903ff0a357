"""An operator's signed word that a machine is his: this chip, this code, this node, this region
(T23).

The host fixes SHA-256 of the statement as HOST_DATA when it launches the enclave, so that a report
from somebody else's genuine machine cannot be passed off as one of this operator.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.types import NO_DIGEST, SIGNATURE_SIZE, ChainId, Digest, Signature
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, MEASUREMENT_SIZE
from strongroom.enclave.primitives import SigningKey

STATEMENT_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class SignedDeployment:
    """A statement's bytes and its operator's signature. Existing says nothing of either: see
    verifier.py."""

    statement: bytes
    signature: Signature

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((self.statement, self.signature))

    @classmethod
    def decode(cls, data: bytes) -> "SignedDeployment":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a signed deployment.
        """
        value = codec.decode(data, size_max=2 * STATEMENT_BYTES_MAX)
        statement, signature = codec.fields(value, bytes, bytes, name="signed deployment")
        return cls(
            statement,
            Signature(codec.sized(signature, SIGNATURE_SIZE, name="operator's signature")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One enclave on one chip, as its operator means it."""

    name: str
    """The node's."""
    operator: str
    chip_id: bytes
    """64 bytes."""
    measurement: bytes
    """48 bytes."""
    region: str

    def __post_init__(self) -> None:
        for value, name in (
            (self.name, "node"),
            (self.operator, "operator"),
            (self.region, "region"),
        ):
            checked_name(value, name=name)
        codec.sized(self.chip_id, CHIP_ID_SIZE, name="chip id")
        codec.sized(self.measurement, MEASUREMENT_SIZE, name="measurement")

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((self.name, self.operator, self.chip_id, self.measurement, self.region))

    @classmethod
    def decode(cls, data: bytes) -> "Deployment":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a deployment statement.
        """
        value = codec.decode(data, size_max=STATEMENT_BYTES_MAX)
        name, operator, chip_id, measurement, region = codec.fields(
            value, str, str, bytes, bytes, str, name="deployment"
        )
        return cls(
            name=name, operator=operator, chip_id=chip_id, measurement=measurement, region=region
        )

    def sign(self, key: SigningKey) -> SignedDeployment:
        """The statement under its operator's signature."""
        statement = self.encode()
        return SignedDeployment(statement, key.sign(deployment_bytes(statement)))


def host_data(statement: bytes) -> Digest:
    """The 32 bytes of HOST_DATA: SHA-256 of the statement, under its label."""
    return labels.labelled_digest(labels.DEPLOYMENT, statement)


def deployment_bytes(statement: bytes) -> bytes:
    """What the operator signs; no chain, because the chain does not exist when its first nodes are
    deployed."""
    return labels.bound(labels.DEPLOYMENT, ChainId(NO_DIGEST), statement)
