"""What becomes of nodes that are in the registry: catching up, leaving, refreshing, offences,
removal.

Owns what a node's own words change, and what is done to nodes by others. How they come in:
admission.py.
"""

from dataclasses import replace

from strongroom.consensus import equivocation as offences
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import DIGEST_SIZE, Epoch, Height, Milliseconds
from strongroom.enclave.governance import recovery
from strongroom.enclave.governance.action_context import (
    ActionContext,
    GovernanceView,
    checked_hybrid,
    checked_size,
)
from strongroom.enclave.governance.records import Node, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.primitives import verify
from strongroom.enclave.programs.governance import OFFENCES, REFRESHES, WRAPS


def synced(context: ActionContext) -> tuple[str, str]:
    """Note that a node executed what everybody executed, and its wrap key for the next epoch;
    (name, status).

    Raises:
        ProgramError: not a joiner, suspended, another history, too old, another epoch, or said
            before.
    """
    height, root, epoch, wrap_key = context.fields
    node = context.node(Status.JOINING, Status.SYNCED)
    following = context.following(epoch)
    checked_size(root, DIGEST_SIZE, name="history root")
    if node.node_key in context.view.roster.suspended:
        refuse(Ground.SUSPENDED, "the node is suspended: attest first")
    if (
        node.status is Status.SYNCED
        and context.tables.wrap_key(node.node_key, following) is not None
    ):
        refuse(Ground.TWICE, "the node has said so for this epoch")
    context.recent(height)
    own = context.block.root_of(Height(height))
    if own is None:
        refuse(
            Ground.TOO_OLD, "the history root of this height is no longer known: name a newer one"
        )
    if own != root:
        refuse(
            Ground.OTHER_HISTORY,
            "this node executed another history: take its state anew from its peers",
        )
    context.tables.maps.put(
        WRAPS, (node.node_key, following), checked_hybrid(wrap_key, name="wrap key")
    )
    context.tables.write_node(replace(node, status=Status.SYNCED))
    return node.name, str(Status.SYNCED)


def leave(context: ActionContext) -> tuple[str, str]:
    """A node wants to go: a validator with its epoch, another one now; (name, status).

    Raises:
        ProgramError: no node, said before, or the last validator.
    """
    node = context.node(Status.JOINING, Status.SYNCED, Status.VALIDATOR, Status.LEAVING)
    if node.status is Status.LEAVING:
        refuse(Ground.TWICE, "the node is leaving: it goes when its epoch ends")
    due = context.tables.due if context.view.frozen else None
    if node.status is Status.VALIDATOR:
        if sum(one.status is Status.VALIDATOR for one in context.tables.nodes()) == 1:
            refuse(Ground.LAST, "the last validator stays: let another node join first")
    elif due is None or node.node_key not in due.members:
        remove_node(context.view, node, context.block.height)
        return node.name, str(Status.REMOVED)
    context.tables.write_node(replace(node, status=Status.LEAVING))
    return node.name, str(Status.LEAVING)


def refresh(context: ActionContext) -> str:
    """A validator that lost its log asks for a new epoch, in which it may vote again; its name.

    Raises:
        ProgramError: no validator, another epoch, or too soon after its last (T2A).
    """
    (epoch,) = context.fields
    node = context.node(Status.VALIDATOR)
    if epoch != context.view.epoch_record.description.epoch:
        refuse(Ground.WRONG_EPOCH, "a refresh names the current epoch: ask again")
    tables, now_ms = context.tables, context.block.time_ms
    last = tables.maps.get(REFRESHES, node.node_key)
    if last is not None and now_ms - last < tables.limit("refresh_interval_ms"):
        refuse(Ground.TOO_SOON, f"{now_ms - last} ms after this node's last refresh: wait")
    tables.maps.put(REFRESHES, node.node_key, now_ms)
    if tables.rotation is None:
        tables.rotation = ("refresh", False)
    return node.name


def convict(context: ActionContext) -> tuple[str, int, str]:
    """Note an offence that proves itself (R15): (name, epoch, what).

    Raises:
        ProgramError: it proves nothing, is of an epoch long over, or was noted before.
    """
    (encoded,) = context.fields
    view, tables = context.view, context.tables
    try:
        proof = offences.decode_evidence(encoded)
    except NotCanonical:
        refuse(Ground.MALFORMED, "these bytes are no evidence of an offence")
    double_vote = isinstance(proof, offences.VoteEvidence)
    epoch = (
        proof.first.statement.epoch
        if isinstance(proof, offences.VoteEvidence)
        else proof.first.epoch
    )
    records = (view.epoch_record, tables.epoch_record("before"))
    description = next(
        (one.description for one in records if one and one.description.epoch == epoch), None
    )
    if description is None:
        refuse(Ground.WRONG_EPOCH, "only offences in this epoch or the one before are judged")
    try:
        signer = offences.check(proof, view.chain, description, verify)
    except PeerFault:
        refuse(
            Ground.PROVES_NOTHING,
            "the evidence contradicts nothing, or is not signed by the one that it accuses",
        )
    node_key = description.validators[signer].node_key
    if tables.maps.get(OFFENCES, (node_key, epoch)) is not None:
        refuse(Ground.TWICE, "an offence of this node in this epoch is noted")
    what = f"{'two votes' if double_vote else 'two batches'} in epoch {epoch}"
    tables.maps.put(OFFENCES, (node_key, epoch), (what, context.block.height))
    node = tables.node(node_key)
    if node is not None:
        tables.write_node(replace(node, offence=node.offence or what))
    return ("" if node is None else node.name), epoch, what


def remove_node(view: GovernanceView, node: Node, height: Height) -> None:
    """A node is out: no keys from now on; a validator's votes count until its epoch ends."""
    view.tables.write_node(replace(node, status=Status.REMOVED, removed_height=height))
    if view.epoch_record.description.index_of(node.node_key) is None:
        # A validator goes with its epoch (`recovery.succeeded`); a joiner had ledger secrets too.
        recovery.suspect(view)
        following = Epoch(view.epoch_record.description.epoch + 1)
        view.tables.maps.delete(WRAPS, (node.node_key, following))


def attest_again(view: GovernanceView) -> None:
    """Every node's evidence is too old from now on, by one millisecond at least."""
    stale_ms = Milliseconds(view.clock.now_ms - view.tables.policy.max_age_ms - 1)
    for node in view.tables.nodes():
        if node.status is not Status.REMOVED and node.attested_ms > stale_ms:
            view.tables.write_node(replace(node, attested_ms=stale_ms))
