"""Who a node of a dead service was, before its keys were lost (VAULT §7).

Owns the search: what genesis says of it, else the newest evidence on the ledger under its name.
What its new enclave shows is over this identity.
"""

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import Height, Signature
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.formats.envelope import PUBLIC, VERSION
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.public import ATTEST, action_of
from strongroom.enclave.keys.identity import Identity, identity_in
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node import tls
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.reading import stored_block_at
from strongroom.node.ledger.store import BlockStore


def find_identity(
    layout: NodeLayout, genesis: VerifiedGenesis, store: BlockStore, head: Height
) -> Identity:
    """Who this node was: as the genesis says, or the newest evidence on the ledger by its name.

    Raises:
        OperatorFault: neither knows a node of this name and certificate.
    """
    founder = genesis.validator_named(layout.name)
    shown = tls.spki_digest(layout.tls_certificate.read_bytes())
    found = None if founder is None else identity_in(genesis, founder.claims.node_key)
    if found is None or found.tls_key != shown:
        found = _newest_identity(layout.name, store, head)
    if found is None or found.tls_key != shown:
        raise OperatorFault(
            f"neither genesis nor ledger know a node {layout.name} with the certificate "
            f"{layout.tls_certificate}: recover on a machine that was a node"
        )
    return found


def _newest_identity(name: str, store: BlockStore, head: Height) -> Identity | None:
    for height in range(head, 0, -1):
        for envelope in stored_block_at(store, height).envelopes():
            fields = public_of(envelope, ATTEST)
            if fields is None:
                continue
            try:
                (evidence, _, _) = codec.fields(
                    codec.decode(fields[1]), bytes, str, str, name="attest"
                )
                shown = Evidence.decode(evidence)
                claims = Claims.decode(shown.claims)
            except NotCanonical:
                continue
            if claims.node == name:
                return Identity(
                    name=claims.node,
                    operator=claims.operator,
                    region=claims.region,
                    tls_key=claims.tls_key,
                    deployment=SignedDeployment(
                        statement=shown.deployment,
                        signature=Signature(shown.operator_signature),
                    ),
                )
    return None


def public_of(envelope: bytes, action: str) -> tuple[bytes, bytes, bytes] | None:
    """Protected header, payload and signature of a public transaction of this action; None of any
    other."""
    if envelope[1:3] != bytes((VERSION, PUBLIC)):
        return None
    try:
        protected, payload, signature = read_envelope(envelope)[2:]
        return (protected, payload, signature) if action_of(protected) == action else None
    except NotCanonical:
        return None
