"""What becomes of nodes that are in the registry: catching up, leaving, refreshing, offences,
removal.

Owns what a node's own words change, and what is done to nodes by others. How they come in:
admission.py.
"""

from dataclasses import replace

from strongroom.consensus import equivocation as offences
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import DIGEST_SIZE, Epoch, Height, Milliseconds
from strongroom.enclave.governance.hearing import (
    ActionContext,
    GovernanceView,
    checked_hybrid,
    checked_size,
)
from strongroom.enclave.governance.records import Node, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.primitives import verify
from strongroom.enclave.programs.governance import OFFENCES, REFRESHES, WRAPS


def synced(hearing: ActionContext) -> tuple[str, str]:
    """Note that a node executed what everybody executed, and its wrap key for the next epoch;
    (name, status).

    Raises:
        ProgramError: not a joiner, suspended, another history, too old, another epoch, or said
            before.
    """
    height, root, epoch, wrap_key = hearing.fields
    node = hearing.node(Status.JOINING, Status.SYNCED)
    following = hearing.following(epoch)
    checked_size(root, DIGEST_SIZE, name="history root")
    if node.node_key in hearing.bench.roll.suspended:
        refuse(Ground.SUSPENDED, "the node is suspended: attest first")
    if node.status is Status.SYNCED and hearing.book.wrap_key(node.node_key, following) is not None:
        refuse(Ground.TWICE, "the node has said so for this epoch")
    hearing.recent(height)
    own = hearing.block.root_of(Height(height))
    if own is None:
        refuse(
            Ground.TOO_OLD, "the history root of this height is no longer known: name a newer one"
        )
    if own != root:
        refuse(
            Ground.OTHER_HISTORY,
            "this node executed another history: take its state anew from its peers",
        )
    hearing.book.put(WRAPS, (node.node_key, following), checked_hybrid(wrap_key, name="wrap key"))
    hearing.book.write_node(replace(node, status=Status.SYNCED))
    return node.name, str(Status.SYNCED)


def leave(hearing: ActionContext) -> tuple[str, str]:
    """A node wants to go: a validator with its epoch, another one now; (name, status).

    Raises:
        ProgramError: no node, said before, or the last validator.
    """
    node = hearing.node(Status.JOINING, Status.SYNCED, Status.VALIDATOR, Status.LEAVING)
    if node.status is Status.LEAVING:
        refuse(Ground.TWICE, "the node is leaving: it goes when its epoch ends")
    due = hearing.book.due if hearing.bench.frozen else None
    if node.status is Status.VALIDATOR:
        if sum(one.status is Status.VALIDATOR for one in hearing.book.nodes()) == 1:
            refuse(Ground.LAST, "the last validator stays: let another node join first")
    elif due is None or node.node_key not in due.members:
        remove_node(hearing.bench, node, hearing.block.height)
        return node.name, str(Status.REMOVED)
    hearing.book.write_node(replace(node, status=Status.LEAVING))
    return node.name, str(Status.LEAVING)


def refresh(hearing: ActionContext) -> str:
    """A validator that lost its log asks for a new epoch, in which it may vote again; its name.

    Raises:
        ProgramError: no validator, another epoch, or too soon after its last (T2A).
    """
    (epoch,) = hearing.fields
    node = hearing.node(Status.VALIDATOR)
    if epoch != hearing.bench.tenure.description.epoch:
        refuse(Ground.WRONG_EPOCH, "a refresh names the current epoch: ask again")
    book, now_ms = hearing.book, hearing.block.time_ms
    last = book.get(REFRESHES, node.node_key)
    if last is not None and now_ms - last < book.limit("refresh_interval_ms"):
        refuse(Ground.TOO_SOON, f"{now_ms - last} ms after this node's last refresh: wait")
    book.put(REFRESHES, node.node_key, now_ms)
    if book.rotation is None:
        book.rotation = ("refresh", False)
    return node.name


def convict(hearing: ActionContext) -> tuple[str, int, str]:
    """Note an offence that proves itself (R15): (name, epoch, what).

    Raises:
        ProgramError: it proves nothing, is of an epoch long over, or was noted before.
    """
    (encoded,) = hearing.fields
    bench, book = hearing.bench, hearing.book
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
    tenures = (bench.tenure, book.tenure("before"))
    description = next(
        (one.description for one in tenures if one and one.description.epoch == epoch), None
    )
    if description is None:
        refuse(Ground.WRONG_EPOCH, "only offences in this epoch or the one before are judged")
    try:
        signer = offences.check(proof, bench.chain, description, verify)
    except PeerFault:
        refuse(
            Ground.PROVES_NOTHING,
            "the evidence contradicts nothing, or is not signed by the one that it accuses",
        )
    node_key = description.validators[signer].node_key
    if book.get(OFFENCES, (node_key, epoch)) is not None:
        refuse(Ground.TWICE, "an offence of this node in this epoch is noted")
    what = f"{'two votes' if double_vote else 'two batches'} in epoch {epoch}"
    book.put(OFFENCES, (node_key, epoch), (what, hearing.block.height))
    node = book.node(node_key)
    if node is not None:
        book.write_node(replace(node, offence=node.offence or what))
    return ("" if node is None else node.name), epoch, what


def remove_node(bench: GovernanceView, node: Node, height: Height) -> None:
    """A node is out: no keys from now on; a validator's votes count until its epoch ends."""
    bench.book.write_node(replace(node, status=Status.REMOVED, removed_height=height))
    if bench.tenure.description.index_of(node.node_key) is None:
        following = Epoch(bench.tenure.description.epoch + 1)
        bench.book.delete(WRAPS, (node.node_key, following))


def attest_again(bench: GovernanceView) -> None:
    """Every node's evidence is too old from now on, by one millisecond at least."""
    stale_ms = Milliseconds(bench.clock.now_ms - bench.book.policy.max_age_ms - 1)
    for node in bench.book.nodes():
        if node.status is not Status.REMOVED and node.attested_ms > stale_ms:
            bench.book.write_node(replace(node, attested_ms=stale_ms))
