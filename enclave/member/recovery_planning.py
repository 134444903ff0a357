"""How the lead of a recovery plans the next epoch, and what of it the others check (VAULT §7; T5B).

Owns who leads, the secret of the epoch that begins, and to whom it is sealed. What a plan must be
for anybody, members among them: governance/recovering.py, `check_plan`.
"""

from collections.abc import Sequence
from dataclasses import replace

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.recovery import opening_header
from strongroom.consensus.types import (
    SIGNATURE_SIZE,
    ChainId,
    Epoch,
    Milliseconds,
    PublicKey,
    Signature,
)
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.formats.recovery_plan import (
    RecoveryPlan,
    handed_info,
    plan_bytes,
    statement_digest,
)
from strongroom.enclave.governance.recovering import check_plan, one_time_key
from strongroom.enclave.keys.keys import ServiceSecret
from strongroom.enclave.keys.recovery_state import Ground, RecoveryState
from strongroom.enclave.member.recovery_ground import nonce_of
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret, hybrid_seal


def make_plan(
    state: RecoveryState,
    ground: Ground,
    evidence: Sequence[bytes],
    lost: EpochDescription,
    anchor: Header,
    time_ms: Milliseconds,
) -> RecoveryState:
    """As the lead: draw the secret of the epoch that begins, and plan its first header.

    Args:
        state: of this enclave.
        ground: what it followed.
        evidence: of every enclave that takes part, this one's among it.
        lost: the newest epoch, proven.
        anchor: the header that opened it.
        time_ms: the host's clock.

    Raises:
        AttestationError: an enclave does not meet the policy, or is over another ground.
        PeerFault: two of them are one, or this is not the lead.
    """
    head = ground.head.header
    time_ms = max(time_ms, Milliseconds(head.time_ms + 1))
    enclaves = _judged(evidence, ground, state.chain, time_ms)
    if enclaves[0].claims.node_key != state.keys.node.public:
        raise PeerFault(
            f"node {enclaves[0].claims.node} leads this recovery: its key is the lowest"
        )
    service = Secret.fresh()
    secrets = ServiceSecret(service).split(Epoch(lost.epoch + 1))
    description = EpochDescription(
        epoch=secrets.epoch,
        validators=tuple(
            Validator(node_key=one.claims.node_key, vote_key=one.claims.vote_key)
            for one in enclaves
        ),
        public_key_digest=secrets.public_key_digest,
    )
    opening = opening_header(
        head,
        lost,
        anchor,
        executed=ground.executed,
        description=description,
        time_ms=time_ms,
    )
    unsigned = RecoveryPlan(
        head=ground.head,
        rules=ground.rules,
        policy=ground.policy,
        opening=opening,
        description=description,
        public_key=secrets.public_key,
        evidence=tuple(one.evidence for one in enclaves),
        wraps=(),
        signature=Signature(bytes(SIGNATURE_SIZE)),
    )
    plan = _signed(unsigned, state, service)
    check_plan(plan, state.chain, lost, anchor)
    return replace(state, plan=plan, service=service)


def join_plan(
    state: RecoveryState,
    ground: Ground,
    plan: RecoveryPlan,
    lost: EpochDescription,
    anchor: Header,
) -> RecoveryState:
    """As one of the others: check the lead's plan, open its secret.

    Raises:
        PeerFault: it is not over what this enclave followed, or does not wrap its secret here.
    """
    if state.plan is not None and state.plan.statement != plan.statement:
        raise PeerFault("this enclave is part of another plan already")
    own = (ground.head.header, ground.executed, ground.rules)
    if (plan.head.header, plan.opening.anchor, plan.rules) != own:
        raise PeerFault("this plan goes on from another head, root or rules than this ledger's")
    check_plan(plan, state.chain, lost, anchor)
    if state.evidence not in plan.evidence:
        raise PeerFault("this enclave is no part of this plan")
    service = Secret(open_handed(state, plan, dict(plan.wraps)[state.keys.node.public]))
    if ServiceSecret(service).split(plan.description.epoch).public_key != plan.public_key:
        raise PeerFault("the wrapped secret derives another key than the plan names")
    return replace(state, plan=plan, service=service)


def hand_over(
    plan: RecoveryPlan, chain: ChainId, secret: Secret, *, without: PublicKey | None = None
) -> tuple[tuple[PublicKey, bytes], ...]:
    """A secret sealed to each enclave of a plan, by node key, in its order; one may be left out."""
    name = statement_digest(chain, plan.statement)
    return tuple(
        (
            one.node_key,
            hybrid_seal(
                one_time_key(evidence), secret.reveal(), handed_info(chain, name, one.node_key)
            ),
        )
        for one, evidence in zip(plan.description.validators, plan.evidence, strict=True)
        if one.node_key != without
    )


def open_handed(state: RecoveryState, plan: RecoveryPlan, sealed: bytes) -> bytes:
    """What `hand_over` sealed to this enclave.

    Raises:
        PeerFault: it does not open here.
    """
    name = statement_digest(state.chain, plan.statement)
    info = handed_info(state.chain, name, state.keys.node.public)
    try:
        return HybridKey(state.one_time).open(sealed, info)
    except DoesNotOpen:
        raise PeerFault("what was sealed to this enclave does not open") from None


def _judged(
    evidence: Sequence[bytes], ground: Ground, chain: ChainId, time_ms: Milliseconds
) -> list[VerifiedEnclave]:
    policy, nonce = Policy.decode(ground.policy), nonce_of(ground)
    found = [
        verify_evidence(one, policy, chain=chain, nonce=nonce, time_ms=time_ms) for one in evidence
    ]
    if not found:
        raise PeerFault("a recovery needs one enclave at least")
    return sorted(found, key=lambda one: one.claims.node_key)


def _signed(plan: RecoveryPlan, state: RecoveryState, service: Secret) -> RecoveryPlan:
    wraps = hand_over(plan, state.chain, service)
    signature = state.keys.node.sign(plan_bytes(state.chain, plan.statement))
    return replace(plan, wraps=wraps, signature=signature)
