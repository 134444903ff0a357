"""From one epoch to the next: when one is due, what is offered, who is ready, what is wished
(DESIGN §5).

Agreement on the next secret happens on public bytes only. The first offer for which a quorum of the
new set is ready wins and freezes the set; the wish follows when all are ready, or READY_MS of block
time after the quorum; the terminal block makes it the epoch.
"""

from dataclasses import replace

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, invariant
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.types import DIGEST_SIZE, Epoch, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.governance.admission import check_vote_key
from strongroom.enclave.governance.hearing import (
    ActionContext,
    GovernanceView,
    checked_hybrid,
    checked_size,
    present,
)
from strongroom.enclave.governance.public import members_digest, offer_digest
from strongroom.enclave.governance.records import Due, EpochRecord, Offer, Status, Winner, Wish
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.registry import remove_node
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.governance import OFFERS, READIES, WRAPS

READY_MS = 2_000
"""How long after the quorum of readies the wish waits for the others."""
WRAP_BYTES_MAX = 4 * 1024


def offer(hearing: ActionContext) -> str:
    """Open an offer of a secret for the due epoch; its digest in hex.

    Raises:
        ProgramError: nothing due, another set, not a member of both epochs, suspended, said before,
            or wraps to others than those who announced a key (T2A).
    """
    epoch, members, public_key, wraps = hearing.fields
    book, bench = hearing.book, hearing.bench
    hearing.following(epoch)
    due = book.due
    if due is None or members != due.digest:
        refuse(
            Ground.NOTHING_DUE,
            "no epoch with these members is due: read what is due and offer again",
        )
    if bench.frozen:
        refuse(Ground.FROZEN, "an offer has won: the next epoch is decided")
    if (
        hearing.signer not in due.members
        or bench.tenure.description.index_of(hearing.signer) is None
    ):
        refuse(Ground.NOT_A_NODE, "only a member of this epoch and the next may offer")
    if hearing.signer in bench.roll.suspended:
        refuse(Ground.SUSPENDED, "the node is suspended: attest first")
    opened = book.offers()
    if any(one.offerer == hearing.signer for one in opened):
        refuse(Ground.TWICE, "this node has an open offer")
    checked_hybrid(public_key, name="public key")
    if digest(public_key) == bench.tenure.description.public_key_digest:
        refuse(Ground.TAKEN, "this is the current epoch's key: make a new secret")
    _check_wraps(wraps, [key for key, _ in recipients(bench, due)])
    name = offer_digest(hearing.transaction.payload)
    book.put(OFFERS, len(opened) + 1, (name, hearing.signer, public_key, codec.encode(wraps)))
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


def recipients(bench: GovernanceView, due: Due) -> tuple[tuple[PublicKey, bytes], ...]:
    """Members of a due epoch with a wrap key for it, and that key, by node key; none that is
    suspended (T29)."""
    suspended = bench.roll.suspended
    trusted = (member for member in due.members if member not in suspended)
    keys = ((member, bench.book.wrap_key(member, due.epoch)) for member in trusted)
    return tuple((member, key) for member, key in keys if key is not None)


def ready(hearing: ActionContext) -> str:
    """Note that a member holds the offered secret; the offer's digest in hex.

    Raises:
        ProgramError: no such offer, no member of its set, said before, or a vote key that another
            node has.
    """
    epoch, name, vote_key, wrap_key = hearing.fields
    checked_size(name, DIGEST_SIZE, name="offer")
    tenure = hearing.bench.tenure
    if epoch == tenure.description.epoch:
        return _late(hearing, tenure)
    hearing.following(epoch)
    book, node_key = hearing.book, hearing.signer
    due = book.due
    chosen = next((one for one in book.offers() if one.digest == name), None)
    if due is None or chosen is None:
        refuse(Ground.UNKNOWN_OFFER, "there is no such open offer: read the open offers")
    if node_key not in due.members:
        refuse(Ground.NOT_A_NODE, "only a member of the due set may be ready")
    if node_key in chosen.readies:
        refuse(Ground.TWICE, "this node is ready for this offer")
    check_vote_key(hearing.bench, node_key, vote_key)
    node = book.node(node_key)
    if node is not None and vote_key == node.vote_key:
        refuse(Ground.TAKEN, "a vote key is for one epoch: make a new one")
    checked_hybrid(wrap_key, name="wrap key")
    book.put(READIES, (name, node_key), (vote_key, wrap_key))
    book.put(WRAPS, (node_key, epoch + 1), wrap_key)
    if book.winner is None and len(chosen.readies) + 1 >= Quorum(len(due.members)).size:
        book.winner = Winner(chosen.digest, hearing.block.time_ms)
        book.rotation = None
    return chosen.digest.hex()


def _late(hearing: ActionContext, tenure: EpochRecord) -> str:
    """A member of an epoch that has begun announces its wrap key for the next one, and nothing
    else."""
    epoch, name, _, wrap_key = hearing.fields
    following = Epoch(epoch + 1)
    if name != tenure.offer:
        refuse(Ground.UNKNOWN_OFFER, "this is not the offer that won this epoch")
    if tenure.description.index_of(hearing.signer) is None:
        refuse(Ground.NOT_A_NODE, "only a member of this epoch may be ready for it")
    if hearing.book.wrap_key(hearing.signer, following) is not None:
        refuse(Ground.TWICE, "this node has announced its key for the next epoch")
    hearing.book.put(WRAPS, (hearing.signer, following), checked_hybrid(wrap_key, name="wrap key"))
    return tenure.offer.hex()


def consider(bench: GovernanceView, header: Header) -> None:
    """What a block's end decides of the succession: what is due now, and whether the winner becomes
    the wish."""
    book = bench.book
    winner = book.winner
    if winner is None:
        _consider_due(bench, header)
    elif book.wish is None:
        chosen = next(one for one in book.offers() if one.digest == winner.offer)
        due = present(book.due, "an offer won and nothing is due")
        if len(chosen.readies) == len(due.members) or header.time_ms >= winner.quorum_ms + READY_MS:
            book.wish = Wish(_description(bench, due, chosen), chosen.public_key)


def start_over(bench: GovernanceView) -> None:
    """What is decided of the next epoch cannot be carried out: void it, and begin anew with what is
    due then."""
    book = bench.book
    book.wish = book.winner = book.due = None
    book.void_offers()


def _consider_due(bench: GovernanceView, header: Header) -> None:
    book, tenure = bench.book, bench.tenure
    wanted = bench.roll.wanted(book.wrap_key)
    current = tuple(validator.node_key for validator in tenure.description.validators)
    blocks, asked, old = book.limit("epoch_blocks"), book.rotation, book.due
    if asked is not None:
        reason, compromised = asked
    elif wanted != current:
        reason, compromised = "set", False
    elif blocks and header.height - tenure.anchor_height >= blocks:
        reason, compromised = "blocks", False
    else:
        if old is not None:
            book.due = None
            book.void_offers()
        return
    same = old is not None and old.members == wanted
    following = Epoch(tenure.description.epoch + 1)
    due = Due(
        epoch=following,
        members=wanted,
        digest=members_digest(following, wanted),
        since_ms=old.since_ms if same and old is not None else header.time_ms,
        reason=reason,
        compromised=compromised,
    )
    if due != old:
        book.due = due
    if not same:
        book.void_offers()


def _description(bench: GovernanceView, due: Due, chosen: Offer) -> EpochDescription:
    """The next epoch: a member's vote key is that of its ready, else its last one."""
    validators = []
    for member in due.members:
        node, said = (
            present(bench.book.node(member), "a due member is unknown"),
            chosen.readies.get(member),
        )
        validators.append(
            Validator(node_key=member, vote_key=node.vote_key if said is None else said.vote_key)
        )
    return EpochDescription(
        epoch=due.epoch, validators=tuple(validators), public_key_digest=digest(chosen.public_key)
    )


def succeed(bench: GovernanceView, terminal: Header) -> None:
    """The wish becomes the epoch: `terminal` is executed."""
    book, before = bench.book, bench.tenure.description
    wish, asked = present(book.wish, "a terminal block without a wish was executed"), book.rotation
    due, winner = (
        present(book.due, "a wish and nothing due"),
        present(book.winner, "a wish and no winner"),
    )
    invariant(
        terminal.next_epoch == wish.description.digest,
        "a terminal block names another epoch than the wish",
    )
    compromised = due.compromised or (asked is not None and asked[1])
    book.begin(
        EpochRecord(
            description=wish.description,
            public_key=wish.public_key,
            anchor_height=terminal.height,
            anchor_ms=terminal.time_ms,
            reason=due.reason,
            offer=winner.offer,
        )
    )
    book.grace_until_ms = 0 if compromised else _grace_until(bench, terminal.time_ms)
    book.wish = book.due = book.winner = None
    book.void_offers()
    _seat(bench, before, terminal)
    for node_key, epoch in [key for key, _ in book.items(WRAPS)]:
        if epoch <= wish.description.epoch:
            book.delete(WRAPS, (node_key, epoch))


def _grace_until(bench: GovernanceView, now_ms: Milliseconds) -> int:
    grace_ms = bench.book.limit("grace_ms")
    return now_ms + grace_ms if grace_ms else 0


def _seat(bench: GovernanceView, before: EpochDescription, terminal: Header) -> None:
    """Statuses and vote keys of the new epoch."""
    book, description = bench.book, bench.tenure.description
    keys = {validator.node_key: validator.vote_key for validator in description.validators}
    for node in book.nodes():
        vote_key = keys.get(node.node_key)
        if vote_key is not None:
            stays = node.status in (Status.SYNCED, Status.VALIDATOR)
            book.write_node(
                replace(node, vote_key=vote_key, status=Status.VALIDATOR if stays else node.status)
            )
        elif node.status is not Status.REMOVED and (
            node.status is Status.LEAVING or before.index_of(node.node_key) is not None
        ):
            remove_node(bench, node, terminal.height)
