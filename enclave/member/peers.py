"""Whose enclave is at the other end of a link (DESIGN §6; T20, T23, T42)?

Owns the verdict on a peer's fresh evidence, under the policy in state: a validator of an epoch that
is known here, or a node that the ledger admitted. What such a peer is then served is the host's
concern; secrets are key_release.py's.

Whoever is behind holds an old policy, a joiner that of genesis, and may know by it none of today's
validators. What it does know is the succession of epochs, certified link by link from its pin: a
validator of the newest epoch was admitted by quorums that judged it. So it opens the link, not
judged yet, and judges anew once its state is of that epoch. Over such a link comes nothing that is
believed for the link's sake: heads, keys and blocks are signed or certified.
"""

from dataclasses import dataclass

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import ChainId, Epoch, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.verifier import GOVERNED, verify_evidence, verify_genuine
from strongroom.enclave.governance.governance import Governance


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An enclave at the other end of a link."""

    claims: Claims
    chip_id: bytes
    simulated: bool
    """Its chip is not silicon."""
    judged: bool
    """By a policy that knows its epoch; else it is a validator by certificates alone."""

    @property
    def summary(self) -> str:
        """The verdict, for people."""
        verdict = "good" if self.judged else "certified validator, not judged yet"
        return f"{verdict} (SIMULATED)" if self.simulated else verdict


def judge_peer(
    evidence: bytes,
    nonce: bytes,
    time_ms: Milliseconds,
    *,
    chain: ChainId,
    epochs: EpochChain,
    governance: Governance,
) -> Peer:
    """Judge a peer's evidence over my nonce.

    Raises:
        AttestationError: it does not meet the policy; its node is none that is known here
            (``not-a-member``); or it shows other keys, another chip or an older boot than it was
            admitted with (``keys-changed``).
    """
    peer = _judged(evidence, nonce, time_ms, chain=chain, epochs=epochs, governance=governance)
    claims = peer.claims
    node = governance.node(claims.node_key)
    if node is None:
        if not _is_validator(claims.node_key, epochs):
            raise AttestationError(
                "not-a-member", f"{claims.node} is neither a validator nor an admitted node"
            )
    elif (node.name, node.tls_key, node.chip_id) != (claims.node, claims.tls_key, peer.chip_id):
        raise AttestationError(
            "keys-changed", f"{claims.node} shows other keys than it was admitted with"
        )
    elif claims.boot < node.boot:
        raise AttestationError(
            "keys-changed", f"{claims.node} shows boot {claims.boot}, and boot {node.boot} is known"
        )
    described = epochs.description(claims.epoch)
    if described is not None:
        _check_described(peer, described)
    return peer


def _judged(
    evidence: bytes,
    nonce: bytes,
    time_ms: Milliseconds,
    *,
    chain: ChainId,
    epochs: EpochChain,
    governance: Governance,
) -> Peer:
    """By the policy in state; where that is of an older epoch, by certificates and what no vote can
    change."""
    behind = governance.epoch < epochs.newest.epoch
    try:
        enclave = verify_evidence(
            evidence, governance.policy, chain=chain, nonce=nonce, time_ms=time_ms
        )
        return Peer(
            claims=enclave.claims, chip_id=enclave.chip_id, simulated=enclave.simulated, judged=True
        )
    except AttestationError as error:
        if not behind or error.reason not in GOVERNED:
            raise
        claims, verified = verify_genuine(
            evidence, governance.policy, chain=chain, nonce=nonce, time_ms=time_ms
        )
        if epochs.newest.index_of(claims.node_key) is None:
            raise
        return Peer(
            claims=claims,
            chip_id=verified.report.chip_id,
            simulated=verified.simulated,
            judged=False,
        )


def _check_described(peer: Peer, described: EpochDescription) -> None:
    """Check that the keys are the ones that quorums certified for the claims' epoch."""
    claims, index = peer.claims, described.index_of(peer.claims.node_key)
    if described.public_key_digest != claims.epoch_key_digest:
        raise AttestationError(
            "keys-changed", f"{claims.node} shows another key of epoch {claims.epoch}"
        )
    named = None if peer.judged or index is None else described.validators[index].vote_key
    if named is not None and named != claims.vote_key:
        raise AttestationError(
            "keys-changed", f"{claims.node} shows another vote key of epoch {claims.epoch}"
        )


def _is_validator(node_key: PublicKey, epochs: EpochChain) -> bool:
    """In the newest epoch or the one before: whoever is behind may not know more of a peer than
    that."""
    newest = epochs.newest
    before = epochs.description(Epoch(newest.epoch - 1)) if newest.epoch else None
    return any(one is not None and one.index_of(node_key) is not None for one in (newest, before))
