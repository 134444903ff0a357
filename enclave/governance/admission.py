"""Admission to the registry, and attesting again.

Evidence is judged by the state's policy, the block's time and a recent block's digest, so that
every replica comes to one verdict (T20, T25, T27); a verdict's code is told, never a text of the
judge.
"""

from dataclasses import replace

from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.consensus.types import KEY_SIZE, Height, Milliseconds, PublicKey
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.governance.action_context import (
    ActionContext,
    GovernanceView,
    checked_hybrid,
    checked_size,
)
from strongroom.enclave.governance.grant_nodes import note_start
from strongroom.enclave.governance.records import RECENT_BLOCKS, Node, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.governance import NODES, REFRESHES, WRAPS
from strongroom.enclave.text import is_ascii_line

NODES_MAX = 1024
ADDRESS_SIZE_MAX = 256
"""Characters of an address, each one byte."""


def attest(context: ActionContext) -> tuple[str, str]:
    """Admit a node, or note that one attested again; (name, status).

    Raises:
        ProgramError: the reason code of the verdict, or a ground of this table.
    """
    evidence, rpc, peer = context.fields
    for address in (rpc, peer):
        if len(address) > ADDRESS_SIZE_MAX or not is_ascii_line(address):
            refuse(
                Ground.MALFORMED, f"an address is at most {ADDRESS_SIZE_MAX} characters of ASCII"
            )
    enclave = _judge(context, evidence)
    claims = enclave.claims
    if claims.node_key != context.signer:
        refuse(Ground.OTHER_NODE, "sign with the node key that the evidence names")
    known = context.tables.node(claims.node_key)
    node = _admit(context, enclave) if known is None else _renew(context, enclave, known)
    note_start(context, enclave, known)
    context.tables.write_node(replace(node, rpc=rpc, peer=peer))
    return node.name, str(node.status)


def _judge(context: ActionContext, evidence: bytes) -> VerifiedEnclave:
    """The verdict on evidence over a recent block, which must not be older than the policy
    allows."""
    view, block = context.view, context.block
    try:
        height = Claims.decode(Evidence.decode(evidence).claims).height
    except NotCanonical:
        refuse(Ground.MALFORMED, "these bytes are no evidence")
    context.recent(height)
    nonce, policy = block.digest_of(height), view.tables.policy
    if nonce is None or view.clock.now_ms - view.clock.at(height) > policy.max_age_ms:
        refuse(Ground.TOO_OLD, "made over a block that is too old: attest over a recent one")
    try:
        return verify_evidence(
            evidence, policy, chain=view.chain, nonce=nonce, time_ms=block.time_ms
        )
    except NotCanonical:
        refuse(Ground.MALFORMED, "these bytes are no evidence")
    except AttestationError as error:
        refuse(error.reason, "the evidence does not meet the policy: see the reason code")


def _admit(context: ActionContext, enclave: VerifiedEnclave) -> Node:
    _make_room(context.view, context.block.height)
    claims = enclave.claims
    for other in context.tables.nodes():
        if other.status is Status.REMOVED:
            continue
        if other.name == claims.node or other.tls_key == claims.tls_key:
            refuse(Ground.TAKEN, "another node has this name or TLS key")
        if other.vote_key == claims.node_key:
            refuse(Ground.TAKEN, "this node key is another node's vote key: join with new keys")
        if other.chip_id == enclave.chip_id and other.status is not Status.LEAVING:
            refuse(Ground.TAKEN, "another node runs on this chip: let it leave first")
    check_vote_key(context.view, claims.node_key, claims.vote_key)
    for epoch, key in claims.wrap_keys:
        if epoch == context.view.epoch_record.description.epoch + 1:
            context.tables.maps.put(
                WRAPS, (claims.node_key, epoch), checked_hybrid(key, name="wrap key")
            )
    return registered(
        enclave, Status.JOINING, context.block.height, context.view.clock.at(claims.height)
    )


def _renew(context: ActionContext, enclave: VerifiedEnclave, known: Node) -> Node:
    claims, view = enclave.claims, context.view
    if known.status is Status.REMOVED:
        refuse(Ground.REMOVED, "this node was removed: join with new keys")
    if (claims.node, claims.operator, claims.tls_key, enclave.chip_id) != (
        known.name,
        known.operator,
        known.tls_key,
        known.chip_id,
    ):
        refuse(
            Ground.OTHER_NODE,
            "the evidence names another name, operator, TLS key or chip than the registry",
        )
    if (claims.boot, claims.height) <= (known.boot, known.attested_height):
        refuse(
            Ground.OLDER_BOOT,
            f"boot {known.boot} at height {known.attested_height} is registered: attest anew",
        )
    vote_key = known.vote_key
    if view.epoch_record.description.index_of(known.node_key) is None and not view.frozen:
        if claims.vote_key != vote_key:
            check_vote_key(view, known.node_key, claims.vote_key)
        vote_key = claims.vote_key
    fresh = registered(enclave, known.status, known.admitted_height, view.clock.at(claims.height))
    return replace(fresh, vote_key=vote_key, offence=known.offence)


def registered(
    enclave: VerifiedEnclave, status: Status, admitted_height: Height, attested_ms: Milliseconds
) -> Node:
    """What the registry says of an enclave."""
    claims = enclave.claims
    return Node(
        node_key=claims.node_key,
        name=claims.node,
        operator=enclave.operator,
        region=enclave.region,
        measurement=enclave.measurement,
        chip_id=enclave.chip_id,
        tls_key=claims.tls_key,
        vote_key=claims.vote_key,
        boot=claims.boot,
        rpc="",
        peer="",
        status=status,
        admitted_height=admitted_height,
        attested_height=claims.height,
        attested_ms=attested_ms,
        evidence_digest=digest(enclave.evidence),
        simulated=enclave.simulated,
    )


def check_vote_key(view: GovernanceView, node_key: PublicKey, vote_key: PublicKey) -> None:
    """Check that a vote key is nobody else's, and no node key (T2B, T33).

    Raises:
        ProgramError: ``taken``.
    """
    checked_size(vote_key, KEY_SIZE, name="vote key")
    if vote_key == node_key:
        refuse(Ground.TAKEN, "a node key signs no votes: make a vote key")
    for node in view.tables.nodes():
        if vote_key == node.node_key or (vote_key == node.vote_key and node.node_key != node_key):
            refuse(Ground.TAKEN, "another node has this key: make a new vote key")
    for offer in view.tables.offers():
        for owner, ready in offer.readies.items():
            if ready.vote_key == vote_key and owner != node_key:
                refuse(Ground.TAKEN, "another node is ready with this key: make a new vote key")


def _make_room(view: GovernanceView, height: Height) -> None:
    """Forget the node that was removed first, when the registry is full.

    Its admission refers to a block that is no longer a recent one, so nobody can replay it.
    """
    nodes = view.tables.nodes()
    if len(nodes) < NODES_MAX:
        return
    forgettable = [
        node for node in nodes if node.status is Status.REMOVED and _is_over(view, node, height)
    ]
    if not forgettable:
        refuse(
            Ground.FULL,
            f"{NODES_MAX} nodes are registered: remove some, and wait {RECENT_BLOCKS} blocks",
        )
    oldest = min(forgettable, key=lambda node: (node.removed_height, node.node_key))
    view.tables.maps.delete(NODES, oldest.node_key)
    view.tables.maps.delete(REFRESHES, oldest.node_key)


def _is_over(view: GovernanceView, node: Node, height: Height) -> bool:
    member = view.epoch_record.description.index_of(node.node_key) is not None
    return not member and node.removed_height + RECENT_BLOCKS < height
