"""Who a node is, for as long as it exists: its name, operator, place and connection key, and who
deployed it.

Owns these facts and the claims that an enclave makes from them. A validator of genesis finds its
own in the genesis; a node that joined keeps them in its sealed state.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import (
    DIGEST_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
    Signature,
)
from strongroom.enclave.attestation.claims import Claims, checked_name
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.proofs.genesis import VerifiedGenesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is always the same in one node's claims."""

    name: str
    operator: str
    region: str
    tls_key: Digest
    """SHA-256 of the SubjectPublicKeyInfo of the host's TLS key."""
    deployment: SignedDeployment
    """By which the operator says that it runs this code on this chip."""

    def claims(
        self,
        *,
        chain: ChainId,
        node_key: PublicKey,
        vote_key: PublicKey,
        epoch: Epoch,
        epoch_key_digest: Digest,
        nonce: bytes,
        height: Height,
        boot: int,
        wrap_keys: tuple[tuple[Epoch, bytes], ...] = (),
    ) -> Claims:
        """The claims of this node at one moment, for one challenge."""
        return Claims(
            chain=chain,
            node=self.name,
            node_key=node_key,
            vote_key=vote_key,
            wrap_keys=wrap_keys,
            tls_key=self.tls_key,
            epoch=epoch,
            epoch_key_digest=epoch_key_digest,
            nonce=nonce,
            height=height,
            region=self.region,
            operator=self.operator,
            boot=boot,
        )

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        deployment = (self.deployment.statement, self.deployment.signature)
        return (self.name, self.operator, self.region, self.tls_key, deployment)

    @classmethod
    def from_wire(cls, value: object) -> "Identity":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        name, operator, region, tls_key, deployment = codec.fields(
            value, str, str, str, bytes, tuple, name="node identity"
        )
        statement, signature = codec.fields(deployment, bytes, bytes, name="deployment")
        return cls(
            name=checked_name(name, name="node"),
            operator=checked_name(operator, name="operator"),
            region=checked_name(region, name="region"),
            tls_key=Digest(codec.sized(tls_key, DIGEST_SIZE, name="TLS key")),
            deployment=SignedDeployment(
                statement=statement,
                signature=Signature(
                    codec.sized(signature, SIGNATURE_SIZE, name="operator's signature")
                ),
            ),
        )


def identity_in(genesis: VerifiedGenesis, node_key: PublicKey) -> Identity:
    """Who the validator of genesis with this node key is.

    Raises:
        AttestationError: ``not-a-member``.
        NotCanonical: its evidence cannot be read, which `verify_genesis` would have refused.
    """
    for validator in genesis.validators:
        claims = validator.claims
        if claims.node_key == node_key:
            evidence = Evidence.decode(validator.evidence)
            return Identity(
                name=claims.node,
                operator=claims.operator,
                region=claims.region,
                tls_key=claims.tls_key,
                deployment=SignedDeployment(
                    statement=evidence.deployment, signature=Signature(evidence.operator_signature)
                ),
            )
    raise AttestationError("not-a-member", "the sealed node key is no validator of this genesis")
