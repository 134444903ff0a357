"""Whose enclave is at the other end of a link (DESIGN §6; T20, T23, T42)?

Owns the verdict on a peer's fresh evidence, under the policy in state: a validator of an epoch that is known here, or a
node that the ledger admitted. What such a peer is then served is the host's concern; secrets are release.py's.
"""

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import ChainId, Epoch, Milliseconds, PublicKey
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.governance.governance import Governance


def judge_peer(
    evidence: bytes,
    nonce: bytes,
    time_ms: Milliseconds,
    *,
    chain: ChainId,
    epochs: EpochChain,
    governance: Governance,
) -> VerifiedEnclave:
    """Judge a peer's evidence over my nonce.

    Raises:
        AttestationError: it does not meet the policy; its node is none that is known here (``not-a-member``); or it
            shows other keys, another chip or an older boot than it was admitted with (``keys-changed``).
    """
    peer = verify_evidence(evidence, governance.policy, chain=chain, nonce=nonce, time_ms=time_ms)
    claims = peer.claims
    node = governance.node(claims.node_key)
    if node is None:
        if not _is_validator(claims.node_key, epochs):
            raise AttestationError("not-a-member", f"{claims.node} is neither a validator nor an admitted node")
    elif (node.name, node.tls_key, node.chip_id) != (claims.node, claims.tls_key, peer.chip_id):
        raise AttestationError("keys-changed", f"{claims.node} shows other keys than it was admitted with")
    elif claims.boot < node.boot:
        raise AttestationError("keys-changed", f"{claims.node} shows boot {claims.boot}, and boot {node.boot} is known")
    described = epochs.description(claims.epoch)
    if described is not None and described.public_key_digest != claims.epoch_key_digest:
        raise AttestationError("keys-changed", f"{claims.node} shows another key of epoch {claims.epoch}")
    return peer


def _is_validator(node_key: PublicKey, epochs: EpochChain) -> bool:
    """In the newest epoch or the one before: whoever is behind may not know more of a peer than that."""
    newest = epochs.newest
    before = epochs.description(Epoch(newest.epoch - 1)) if newest.epoch else None
    return any(one is not None and one.index_of(node_key) is not None for one in (newest, before))
