"""The state's side of a recovery: members opened an epoch, because the enclaves of the one before
are lost (VAULT §7).

Owns what that changes in governance: every node that was registered is out, for its keys are gone
or not to be relied on; the enclaves that the members agreed to are the validators. Rules, members
and proposals stay as they stood. Whether members agreed, consensus/recovery.py says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import AttestationError, PeerFault, invariant
from strongroom.consensus.recovery import RecoveryCertificate, RecoveryRules, basis_of
from strongroom.consensus.types import NO_DIGEST, ChainId, Epoch
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.admission import registered
from strongroom.enclave.governance.records import EpochRecord, Status
from strongroom.enclave.governance.recovery import suspect
from strongroom.enclave.governance.recovery_records import RecoveryTables
from strongroom.enclave.governance.registry import remove_node
from strongroom.enclave.governance.succession import start_over
from strongroom.enclave.primitives import digest, verify
from strongroom.enclave.programs.governance import WRAPS

RECOVERED = "recovered"
"""Why the epoch before it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopening:
    """What the members agreed to, judged."""

    opening: Header
    """The header that ends the lost epoch."""
    description: EpochDescription
    """Of the one that begins."""
    public_key: bytes
    enclaves: tuple[VerifiedEnclave, ...]
    """Its validators, in their order, judged by the policy in state."""


def judge_recovery(certificate: RecoveryCertificate, policy: Policy, chain: ChainId) -> Reopening:
    """What members agreed to in a recovery that is proven, its enclaves judged.

    Args:
        certificate: checked, with its evidence.
        policy: the one that its rules name.
        chain: the service's.

    Raises:
        PeerFault: evidence is missing, does not meet the policy, or is not the validators'.
    """
    opening, rules = certificate.opening, certificate.rules
    if digest(policy.encode()) != rules.policy:
        raise PeerFault("recovery: this is not the policy that its rules name")
    nonce = basis_of(certificate.head.header, opening.anchor, rules)
    try:
        enclaves = tuple(
            verify_evidence(one, policy, chain=chain, nonce=nonce, time_ms=opening.time_ms)
            for one in certificate.evidence
        )
    except AttestationError as error:
        raise PeerFault(f"recovery: an enclave does not meet the policy: {error}") from None
    return reopening_of(opening, certificate.description, certificate.public_key, enclaves)


def one_time_key(evidence: bytes) -> bytes:
    """The key that an enclave which recovers named in its evidence, for the epoch that begins: to
    it shares are sealed, and the epoch's secret.

    Raises:
        PeerFault: it names none.
    """
    claims = Claims.decode(Evidence.decode(evidence).claims)
    key = dict(claims.wrap_keys).get(Epoch(claims.epoch + 1))
    if key is None:
        raise PeerFault(f"recovery: node {claims.node} names no one-time key")
    return key


def check_plan(
    plan: RecoveryPlan, chain: ChainId, lost: EpochDescription, lost_anchor: Header
) -> Reopening:
    """Check a plan before anybody agrees to it, and judge its enclaves.

    Args:
        plan: as it came.
        chain: the service's.
        lost: the newest epoch, proven.
        lost_anchor: the header that opened it.

    Raises:
        PeerFault: its head is not certified, its rules or policy are not the state's, an enclave
            does not meet that policy, or its lead did not sign it.
    """
    certificate = plan.certificate()
    certificate.check_grounds(chain, lost, verify, anchor=lost_anchor)
    reopening = judge_recovery(certificate, Policy.decode(plan.policy), chain)
    keys = tuple(one.node_key for one in plan.description.validators)
    if tuple(key for key, _ in plan.wraps) != keys:
        raise PeerFault("recovery: its secret is not wrapped to exactly its validators")
    if not verify(keys[0], plan.signature, plan.signed_bytes()):
        raise PeerFault("recovery: the first of its enclaves did not make this plan")
    return reopening


def reopening_of(
    opening: Header,
    description: EpochDescription,
    public_key: bytes,
    enclaves: tuple[VerifiedEnclave, ...],
) -> Reopening:
    """The same of enclaves that were judged.

    Raises:
        PeerFault: they are not the validators that the description names, or not distinct ones.
    """
    named = tuple((one.node_key, one.vote_key) for one in description.validators)
    if tuple((one.claims.node_key, one.claims.vote_key) for one in enclaves) != named:
        raise PeerFault("recovery: the evidence is not that of the validators, in their order")
    for kind, values in (
        ("chip", [one.chip_id for one in enclaves]),
        ("node name", [one.claims.node for one in enclaves]),
        ("TLS key", [one.claims.tls_key for one in enclaves]),
    ):
        if len(set(values)) != len(values):
            raise PeerFault(f"recovery: a {kind} stands twice")
    if digest(public_key) != description.public_key_digest:
        raise PeerFault("recovery: the epoch's key is not the one described")
    return Reopening(
        opening=opening, description=description, public_key=public_key, enclaves=enclaves
    )


def reopen(view: GovernanceView, reopening: Reopening) -> None:
    """Enter the new epoch, and its validators as the only nodes."""
    tables, opening = view.tables, reopening.opening
    description = reopening.description
    invariant(
        opening.next_epoch == description.digest
        and tuple(one.claims.node_key for one in reopening.enclaves)
        == tuple(one.node_key for one in description.validators),
        "an opened epoch is not that of its header",
    )
    start_over(view)
    suspect(view)
    tables.rotation = None
    tables.begin(
        EpochRecord(
            description=description,
            public_key=reopening.public_key,
            anchor_height=opening.height,
            anchor_ms=opening.time_ms,
            reason=RECOVERED,
            offer=NO_DIGEST,
        )
    )
    tables.grace_until_ms = 0
    for node in tables.nodes():
        if node.status is not Status.REMOVED:
            remove_node(view, node, opening.height)
    tables.maps.clear(WRAPS)
    _seat(view, reopening.enclaves, opening)


def rules_of(view: GovernanceView) -> RecoveryRules | None:
    """Who may recover the service, by the shares that are in force; None while none are.

    Whoever holds a share and governs no more is none of them, from the block on in which it was
    removed; and where fewer than k are left, nobody can, until the next generation is in force.
    """
    shares = RecoveryTables(view.tables)
    record = shares.active
    if record is None:
        return None
    generation = shares.generation(record)
    rules = view.tables.rules
    members = tuple(
        (name, key) for name, key in rules.voters if generation.coordinate(key) is not None
    )
    if len(members) < generation.threshold:
        return None
    return RecoveryRules(
        generation=record.number,
        threshold=generation.threshold,
        members=members,
        shares=record.digest,
        policy=digest(rules.policy.encode()),
    )


def _seat(view: GovernanceView, enclaves: Sequence[VerifiedEnclave], opening: Header) -> None:
    for enclave in enclaves:
        node = registered(enclave, Status.VALIDATOR, opening.height, view.clock.now_ms)
        view.tables.write_node(node)
        for epoch, key in enclave.claims.wrap_keys:
            if epoch == view.epoch_record.description.epoch + 1:
                view.tables.maps.put(WRAPS, (node.node_key, epoch), key)
