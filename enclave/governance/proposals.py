"""Members' proposals and ballots: who may ask, what counts, when it takes effect (T43, T44).

A change is accepted when more than half of the members say yes, and rejected when that cannot come
any more; only ballots of those who are members when it is counted count. A loosening change waits,
and must still have its majority and pass its dry run when its time comes.
"""

from dataclasses import replace

from strongroom.consensus import codec
from strongroom.consensus.types import Height, Milliseconds, PublicKey
from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.governance.changes import Effect, change_named, dry_run
from strongroom.enclave.governance.hearing import ActionContext, GovernanceView, checked_size
from strongroom.enclave.governance.public import PROPOSAL_NONCE_SIZE, proposal_digest, proposal_id
from strongroom.enclave.governance.records import Arguments, Node, Proposal, ProposalStatus, Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.registry import attest_again, remove_node
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.users import add_users, remove_users
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.governance import ARCHIVE, BALLOTS, PROPOSALS, PROPOSED

ALIVE_MAX = 256
"""Proposals that are open or wait for their time; each member may have an equal share, and at least
one."""
ALIVE_BYTES_MAX = 256 * 1024
"""Of their arguments; each member may have an equal share, and always one proposal. Every node
builds the public document anew after each block with a public word, and whoever asks reads it
whole (T11)."""
DECIDED_MAX = 256
DECIDED_BYTES_MAX = 256 * 1024
"""Decided proposals that are shown, and bytes of their arguments; of older ones only the id is
remembered."""
PROPOSALS_OF_A_MEMBER_MAX = 4096
"""Ever, under one key."""


def propose(hearing: ActionContext) -> tuple[str, str]:
    """Open a proposal and count its proposer's yes; (id, status).

    Raises:
        ProgramError: not a member, said before, no such change, a dry run that fails, or too many.
    """
    nonce, change, arguments = hearing.fields
    hearing.member()
    checked_size(nonce, PROPOSAL_NONCE_SIZE, name="nonce")
    book, signer = hearing.book, hearing.signer
    id = proposal_id(signer, hearing.transaction.payload)
    if book.get(PROPOSALS, id) is not None or book.get(ARCHIVE, id) is not None:
        refuse(Ground.TWICE, "this proposal was made before: propose it with a new nonce")
    _check_room(hearing, len(codec.encode(arguments)))
    _try(hearing.bench, book.rules, change, arguments)
    proposal = Proposal(
        id=id,
        digest=proposal_digest(change, arguments),
        proposer=signer,
        change=change,
        arguments=arguments,
        status=ProposalStatus.OPEN,
        proposed_ms=hearing.block.time_ms,
        decided_ms=Milliseconds(0),
        activates_ms=Milliseconds(0),
        note="",
    )
    book.write_proposal(proposal)
    book.put(PROPOSED, signer, (book.get(PROPOSED, signer) or 0) + 1)
    return _count(hearing, proposal, yes=True)


def ballot(hearing: ActionContext) -> tuple[str, str]:
    """Count a member's ballot; (id, status).

    Raises:
        ProgramError: not a member, no such proposal, another one than the ballot was cast for,
            decided, or said before.
    """
    id, digest, yes = hearing.fields
    hearing.member()
    proposal = _open(hearing, id)
    if digest != proposal.digest:
        refuse(
            Ground.ANOTHER_PROPOSAL,
            "the ballot was cast for another change: read the proposal and vote again",
        )
    if hearing.book.get(BALLOTS, (id, hearing.signer)) is not None:
        refuse(Ground.TWICE, "this member has voted on this proposal")
    return _count(hearing, proposal, yes=yes)


def withdraw(hearing: ActionContext) -> tuple[str, str]:
    """Take an own open proposal back; (id, status).

    Raises:
        ProgramError: not a member, no such proposal, not its proposer, or decided.
    """
    (id,) = hearing.fields
    hearing.member()
    proposal = _open(hearing, id)
    if proposal.proposer != hearing.signer:
        refuse(Ground.NOT_A_MEMBER, "only its proposer may withdraw a proposal: vote no")
    _close(hearing.bench, proposal, ProposalStatus.WITHDRAWN, hearing.block.time_ms)
    return id, str(ProposalStatus.WITHDRAWN)


def settle(bench: GovernanceView, height: Height, time_ms: Milliseconds) -> None:
    """Decide what can be decided, and let take effect what is accepted and whose time has come,
    until nothing is left.

    Every pass decides at least one of at most ALIVE_MAX proposals, or is the last.
    """
    while any([_advance(bench, one, height, time_ms) for one in _alive(bench)]):
        continue
    decided = sorted(
        (one for one in bench.book.proposals() if not one.status.alive),
        key=lambda one: (one.decided_ms, one.id),
    )
    sizes = [len(codec.encode(one.arguments)) for one in decided]
    gone, shown = max(0, len(decided) - DECIDED_MAX), sum(sizes[-DECIDED_MAX:])
    while shown > DECIDED_BYTES_MAX:
        shown -= sizes[gone]
        gone += 1
    for one in decided[:gone]:
        bench.book.put(ARCHIVE, one.id, one.decided_ms)
        bench.book.delete(PROPOSALS, one.id)
        for key in bench.book.ballots(one.id):
            bench.book.delete(BALLOTS, (one.id, key))


def next_activation_ms(bench: GovernanceView) -> int:
    """When the next accepted proposal takes effect; 0: none waits."""
    waiting = (
        one.activates_ms for one in bench.book.proposals() if one.status is ProposalStatus.ACCEPTED
    )
    return min(waiting, default=0)


def _count(hearing: ActionContext, proposal: Proposal, *, yes: bool) -> tuple[str, str]:
    book = hearing.book
    book.put(BALLOTS, (proposal.id, hearing.signer), yes)
    # This one alone: what it means for others is settled at the block's end. Else one member with
    # a hundred open proposals makes each further word of it cost as much as all of them (T11).
    while _advance(hearing.bench, proposal, hearing.block.height, hearing.block.time_ms):
        continue
    counted = book.proposal(proposal.id)
    return proposal.id, str(proposal.status if counted is None else counted.status)


def _alive(bench: GovernanceView) -> list[Proposal]:
    alive = (one for one in bench.book.proposals() if one.status.alive)
    return sorted(alive, key=lambda one: (one.activates_ms, one.proposed_ms, one.id))


def _advance(bench: GovernanceView, seen: Proposal, height: Height, time_ms: Milliseconds) -> bool:
    """Bring one proposal as far as it goes; did it move?"""
    proposal = bench.book.proposal(seen.id)
    if proposal is None or not proposal.status.alive:
        return False
    ballots = bench.book.ballots(proposal.id)
    members = [key for _, key in bench.book.rules.members]
    yes = sum(ballots.get(key) is True for key in members)
    no = sum(ballots.get(key) is False for key in members)
    if proposal.status is ProposalStatus.OPEN:
        if 2 * yes > len(members):
            delay = (
                bench.book.limit("activation_delay_ms")
                if change_named(proposal.change).loosens
                else 0
            )
            activates_ms = Milliseconds(time_ms + delay)
            bench.book.write_proposal(
                replace(
                    proposal,
                    status=ProposalStatus.ACCEPTED,
                    decided_ms=time_ms,
                    activates_ms=activates_ms,
                )
            )
            return True
        if 2 * no >= len(members):
            _close(bench, proposal, ProposalStatus.REJECTED, time_ms)
            return True
        return False
    if time_ms < proposal.activates_ms:
        return False
    if 2 * yes <= len(members):
        _close(bench, proposal, ProposalStatus.VOID, proposal.decided_ms, "its majority is gone")
    else:
        _activate(bench, proposal, height)
    return True


def _activate(bench: GovernanceView, proposal: Proposal, height: Height) -> None:
    book, arguments = bench.book, dict(proposal.arguments)
    try:
        rules = _try(bench, book.rules, proposal.change, proposal.arguments)
    except ProgramError as refused:
        _close(
            bench,
            proposal,
            ProposalStatus.VOID,
            proposal.decided_ms,
            f"{refused.code}: {refused.message}",
        )
        return
    except OF_THIS_PROCESS:
        raise
    except Exception:  # a bug of ours costs this proposal, not all that are decided with it
        _close(
            bench,
            proposal,
            ProposalStatus.VOID,
            proposal.decided_ms,
            "internal: its dry run failed",
        )
        return
    book.write_rules(rules)
    match change_named(proposal.change).effect:
        case Effect.ATTEST_AGAIN:
            attest_again(bench)
        case Effect.REMOVE_NODE:
            remove_node(bench, _node_named(bench, arguments["node"]), height)
        case Effect.ADD_USERS:
            add_users(book, arguments["users"])
        case Effect.REMOVE_USERS:
            remove_users(book, arguments["users"])
        case Effect.ROTATE:
            asked = book.rotation
            book.rotation = ("rotate", arguments["compromised"] or (asked is not None and asked[1]))
    _close(bench, proposal, ProposalStatus.ACTIVE, proposal.decided_ms)


def _try(bench: GovernanceView, rules: Rules, change: str, arguments: Arguments) -> Rules:
    return dry_run(rules, change, arguments, bench.book.nodes(), bench.tenure.description)


def _node_named(bench: GovernanceView, name: str) -> Node:
    return next(
        node
        for node in bench.book.nodes()
        if node.name == name and node.status is not Status.REMOVED
    )


def _check_room(hearing: ActionContext, size: int) -> None:
    signer, members = hearing.signer, len(hearing.book.rules.members)
    alive = hearing.book.alive()
    own = [arguments for proposer, arguments in alive if proposer == signer]
    share, most = max(1, ALIVE_MAX // members), ALIVE_BYTES_MAX // members
    if own and sum(own) + size > most:
        refuse(
            Ground.FULL,
            f"at most {most} bytes of arguments of one member may be undecided: withdraw, or wait",
        )
    if len(alive) >= ALIVE_MAX or len(own) >= share:
        refuse(
            Ground.FULL,
            f"at most {share} proposals of one member may be undecided: withdraw one, or wait",
        )
    if (hearing.book.get(PROPOSED, signer) or 0) >= PROPOSALS_OF_A_MEMBER_MAX:
        refuse(
            Ground.FULL,
            f"{PROPOSALS_OF_A_MEMBER_MAX} proposals were made with this key: govern with a new one",
        )


def _open(hearing: ActionContext, id: str) -> Proposal:
    proposal = hearing.book.proposal(id)
    if proposal is None:
        if hearing.book.get(ARCHIVE, id) is not None:
            refuse(Ground.CLOSED, "the proposal was decided long ago")
        refuse(Ground.UNKNOWN_PROPOSAL, "there is no such proposal: see the list of proposals")
    if proposal.status is not ProposalStatus.OPEN:
        refuse(Ground.CLOSED, f"the proposal is {proposal.status}")
    return proposal


def _close(
    bench: GovernanceView,
    proposal: Proposal,
    status: ProposalStatus,
    decided_ms: Milliseconds,
    note: str = "",
) -> None:
    bench.book.write_proposal(replace(proposal, status=status, decided_ms=decided_ms, note=note))


def ballots_of(bench: GovernanceView, proposal: Proposal) -> tuple[tuple[PublicKey, bool], ...]:
    """(member's key, yes), by key."""
    return tuple(sorted(bench.book.ballots(proposal.id).items()))
