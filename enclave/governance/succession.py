"""From one epoch to the next: when one is due, what is offered, who is ready, what the state's wish
is (DESIGN §5).

Agreement on the next secret happens on public bytes only. The first offer for which a quorum of the
new set is ready wins and freezes the set (`ready`); `consider` forms the wish when all are ready,
or READY_MS of block time after the quorum; a leader's header names the wish, and with that terminal
block `succeed` makes it the epoch. How a wish reaches a header is consensus' (replica/blocktree.py,
`newest_anchor`).
"""

from dataclasses import replace

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, invariant
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.types import DIGEST_SIZE, Epoch, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.governance import recovery
from strongroom.enclave.governance.action_context import (
    ActionContext,
    GovernanceView,
    checked_hybrid,
    checked_size,
    present,
)
from strongroom.enclave.governance.admission import check_vote_key
from strongroom.enclave.governance.public import members_digest, offer_digest
from strongroom.enclave.governance.records import Due, EpochRecord, Offer, Status, Winner, Wish
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.registry import remove_node
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.governance import OFFERS, READIES, WRAPS

READY_MS = 2_000
"""How long after the quorum of readies the wish waits for the others."""
WRAP_BYTES_MAX = 4 * 1024


def offer(context: ActionContext) -> str:
    """Open an offer of a secret for the due epoch; its digest in hex.

    Raises:
        ProgramError: nothing due, another set, not a member of both epochs, suspended, said before,
            or wraps to others than those who announced a key (T2A).
    """
    epoch, members, public_key, wraps = context.fields
    tables, view = context.tables, context.view
    context.following(epoch)
    due = tables.due
    if due is None or members != due.digest:
        refuse(
            Ground.NOTHING_DUE,
            "no epoch with these members is due: read what is due and offer again",
        )
    if view.frozen:
        refuse(Ground.FROZEN, "an offer has won: the next epoch is decided")
    if (
        context.signer not in due.members
        or view.epoch_record.description.index_of(context.signer) is None
    ):
        refuse(Ground.NOT_A_NODE, "only a member of this epoch and the next may offer")
    if context.signer in view.roster.suspended:
        refuse(Ground.SUSPENDED, "the node is suspended: attest first")
    opened = tables.offers()
    if any(one.offerer == context.signer for one in opened):
        refuse(Ground.TWICE, "this node has an open offer")
    checked_hybrid(public_key, name="public key")
    if digest(public_key) == view.epoch_record.description.public_key_digest:
        refuse(Ground.TAKEN, "this is the current epoch's key: make a new secret")
    _check_wraps(wraps, [key for key, _ in recipients(view, due)])
    name = offer_digest(context.transaction.payload)
    tables.maps.put(
        OFFERS, len(opened) + 1, (name, context.signer, public_key, codec.encode(wraps))
    )
    return name.hex()


def _check_wraps(wraps: object, expected: list[PublicKey]) -> None:
    try:
        pairs = [
            codec.fields(pair, bytes, bytes, name="wrap")
            for pair in codec.listed(wraps, name="wraps", count_max=len(expected))
        ]
    except NotCanonical:
        refuse(Ground.WRAPS, "expected one (node key, wrap) for each member that announced a key")
    if [node_key for node_key, _ in pairs] != expected:
        refuse(
            Ground.WRAPS,
            "expected a wrap for exactly the members that announced a key, by node key",
        )
    if any(not 0 < len(wrap) <= WRAP_BYTES_MAX for _, wrap in pairs):
        refuse(Ground.WRAPS, f"a wrap has 1..{WRAP_BYTES_MAX} bytes")


def recipients(view: GovernanceView, due: Due) -> tuple[tuple[PublicKey, bytes], ...]:
    """Members of a due epoch with a wrap key for it, and that key, by node key; none that is
    suspended (T29)."""
    suspended = view.roster.suspended
    trusted = (member for member in due.members if member not in suspended)
    keys = ((member, view.tables.wrap_key(member, due.epoch)) for member in trusted)
    return tuple((member, key) for member, key in keys if key is not None)


def ready(context: ActionContext) -> str:
    """Note that a member holds the offered secret; the offer's digest in hex.

    Raises:
        ProgramError: no such offer, no member of its set, said before, or a vote key that another
            node has.
    """
    epoch, name, vote_key, wrap_key = context.fields
    checked_size(name, DIGEST_SIZE, name="offer")
    record = context.view.epoch_record
    if epoch == record.description.epoch:
        return _late(context, record)
    context.following(epoch)
    tables, node_key = context.tables, context.signer
    due = tables.due
    chosen = next((one for one in tables.offers() if one.digest == name), None)
    if due is None or chosen is None:
        refuse(Ground.UNKNOWN_OFFER, "there is no such open offer: read the open offers")
    if node_key not in due.members:
        refuse(Ground.NOT_A_NODE, "only a member of the due set may be ready")
    if node_key in chosen.readies:
        refuse(Ground.TWICE, "this node is ready for this offer")
    check_vote_key(context.view, node_key, vote_key)
    node = tables.node(node_key)
    if node is not None and vote_key == node.vote_key:
        refuse(Ground.TAKEN, "a vote key is for one epoch: make a new one")
    checked_hybrid(wrap_key, name="wrap key")
    tables.maps.put(READIES, (name, node_key), (vote_key, wrap_key))
    tables.maps.put(WRAPS, (node_key, epoch + 1), wrap_key)
    if tables.winner is None and len(chosen.readies) + 1 >= Quorum(len(due.members)).size:
        tables.winner = Winner(chosen.digest, context.block.time_ms)
        tables.rotation = None
    return chosen.digest.hex()


def _late(context: ActionContext, record: EpochRecord) -> str:
    """A member of an epoch that has begun announces its wrap key for the next one, and nothing
    else."""
    epoch, name, _, wrap_key = context.fields
    following = Epoch(epoch + 1)
    if name != record.offer:
        refuse(Ground.UNKNOWN_OFFER, "this is not the offer that won this epoch")
    if record.description.index_of(context.signer) is None:
        refuse(Ground.NOT_A_NODE, "only a member of this epoch may be ready for it")
    if context.tables.wrap_key(context.signer, following) is not None:
        refuse(Ground.TWICE, "this node has announced its key for the next epoch")
    context.tables.maps.put(
        WRAPS, (context.signer, following), checked_hybrid(wrap_key, name="wrap key")
    )
    return record.offer.hex()


def consider(view: GovernanceView, header: Header) -> None:
    """What a block's end decides of the succession: what is due now, and whether the winner becomes
    the wish."""
    tables = view.tables
    winner = tables.winner
    if winner is None:
        _consider_due(view, header)
    elif tables.wish is None:
        chosen = next(one for one in tables.offers() if one.digest == winner.offer)
        due = present(tables.due, "an offer won and nothing is due")
        if len(chosen.readies) == len(due.members) or header.time_ms >= winner.quorum_ms + READY_MS:
            tables.wish = Wish(_description(view, due, chosen), chosen.public_key)


def start_over(view: GovernanceView) -> None:
    """What is decided of the next epoch cannot be carried out: void it, and begin anew with what is
    due then."""
    tables = view.tables
    tables.wish = tables.winner = tables.due = None
    tables.void_offers()


def _consider_due(view: GovernanceView, header: Header) -> None:
    tables, record = view.tables, view.epoch_record
    wanted = view.roster.wanted(tables.wrap_key)
    current = tuple(validator.node_key for validator in record.description.validators)
    blocks, asked, old = tables.limit("epoch_blocks"), tables.rotation, tables.due
    if asked is not None:
        reason, compromised = asked
    elif wanted != current:
        reason, compromised = "set", False
    elif blocks and header.height - record.anchor_height >= blocks:
        reason, compromised = "blocks", False
    else:
        if old is not None:
            tables.due = None
            tables.void_offers()
        return
    same = old is not None and old.members == wanted
    following = Epoch(record.description.epoch + 1)
    due = Due(
        epoch=following,
        members=wanted,
        digest=members_digest(following, wanted),
        since_ms=old.since_ms if same and old is not None else header.time_ms,
        reason=reason,
        compromised=compromised,
    )
    if due != old:
        tables.due = due
    if not same:
        tables.void_offers()


def _description(view: GovernanceView, due: Due, chosen: Offer) -> EpochDescription:
    """The next epoch: a member's vote key is that of its ready, else its last one."""
    validators = []
    for member in due.members:
        node, said = (
            present(view.tables.node(member), "a due member is unknown"),
            chosen.readies.get(member),
        )
        validators.append(
            Validator(node_key=member, vote_key=node.vote_key if said is None else said.vote_key)
        )
    return EpochDescription(
        epoch=due.epoch, validators=tuple(validators), public_key_digest=digest(chosen.public_key)
    )


def succeed(view: GovernanceView, terminal: Header) -> None:
    """The wish becomes the epoch: `terminal` is executed."""
    tables, before = view.tables, view.epoch_record.description
    wish = present(tables.wish, "a terminal block without a wish was executed")
    due, winner = (
        present(tables.due, "a wish and nothing due"),
        present(tables.winner, "a wish and no winner"),
    )
    invariant(
        terminal.next_epoch == wish.description.digest,
        "a terminal block names another epoch than the wish",
    )
    compromised = is_compromised(view)
    tables.begin(
        EpochRecord(
            description=wish.description,
            public_key=wish.public_key,
            anchor_height=terminal.height,
            anchor_ms=terminal.time_ms,
            reason=due.reason,
            offer=winner.offer,
        )
    )
    tables.grace_until_ms = 0 if compromised else _grace_until(view, terminal.time_ms)
    tables.wish = tables.due = tables.winner = None
    tables.void_offers()
    _seat(view, before, terminal)
    recovery.succeeded(view, before, compromised=compromised)
    for node_key, epoch in [key for key, _ in tables.maps.items(WRAPS)]:
        if epoch <= wish.description.epoch:
            tables.maps.delete(WRAPS, (node_key, epoch))


def is_compromised(view: GovernanceView) -> bool:
    """Is the current epoch's secret believed to be known to others, as far as what is due says?"""
    due, asked = view.tables.due, view.tables.rotation
    return (due is not None and due.compromised) or (asked is not None and asked[1])


def _grace_until(view: GovernanceView, now_ms: Milliseconds) -> int:
    grace_ms = view.tables.limit("grace_ms")
    return now_ms + grace_ms if grace_ms else 0


def _seat(view: GovernanceView, before: EpochDescription, terminal: Header) -> None:
    """Statuses and vote keys of the new epoch."""
    tables, description = view.tables, view.epoch_record.description
    keys = {validator.node_key: validator.vote_key for validator in description.validators}
    for node in tables.nodes():
        vote_key = keys.get(node.node_key)
        if vote_key is not None:
            stays = node.status in (Status.SYNCED, Status.VALIDATOR)
            tables.write_node(
                replace(node, vote_key=vote_key, status=Status.VALIDATOR if stays else node.status)
            )
        elif node.status is not Status.REMOVED and (
            node.status is Status.LEAVING or before.index_of(node.node_key) is not None
        ):
            remove_node(view, node, terminal.height)
