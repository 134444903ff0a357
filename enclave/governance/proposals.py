"""Members' proposals and ballots: who may ask, what counts, when it takes effect (T43, T44).

A change is accepted when more than half of the members say yes, and rejected when that cannot come
any more; only ballots of those who are members when it is counted count. A loosening change waits,
and must still have its majority and pass its dry run when its time comes.
"""

from dataclasses import replace

from strongroom.consensus import codec
from strongroom.consensus.types import Height, Milliseconds, PublicKey
from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.governance.action_context import ActionContext, GovernanceView, checked_size
from strongroom.enclave.governance.affiliations import write_access
from strongroom.enclave.governance.changes import Effect, change_named, dry_run
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


def propose(context: ActionContext) -> tuple[str, str]:
    """Open a proposal and count its proposer's yes; (id, status).

    Raises:
        ProgramError: not a member, said before, no such change, a dry run that fails, or too many.
    """
    nonce, change, arguments = context.fields
    context.member()
    checked_size(nonce, PROPOSAL_NONCE_SIZE, name="nonce")
    tables, signer = context.tables, context.signer
    id = proposal_id(signer, context.transaction.payload)
    if tables.maps.get(PROPOSALS, id) is not None or tables.maps.get(ARCHIVE, id) is not None:
        refuse(Ground.TWICE, "this proposal was made before: propose it with a new nonce")
    _check_room(context, len(codec.encode(arguments)))
    _try(context.view, tables.rules, change, arguments)
    proposal = Proposal(
        id=id,
        digest=proposal_digest(change, arguments),
        proposer=signer,
        change=change,
        arguments=arguments,
        status=ProposalStatus.OPEN,
        proposed_ms=context.block.time_ms,
        decided_ms=Milliseconds(0),
        activates_ms=Milliseconds(0),
        note="",
    )
    tables.write_proposal(proposal)
    tables.maps.put(PROPOSED, signer, (tables.maps.get(PROPOSED, signer) or 0) + 1)
    return _count(context, proposal, yes=True)


def ballot(context: ActionContext) -> tuple[str, str]:
    """Count a member's ballot; (id, status).

    Raises:
        ProgramError: not a member, no such proposal, another one than the ballot was cast for,
            decided, or said before.
    """
    id, digest, yes = context.fields
    context.member()
    proposal = _open(context, id)
    if digest != proposal.digest:
        refuse(
            Ground.ANOTHER_PROPOSAL,
            "the ballot was cast for another change: read the proposal and vote again",
        )
    if context.tables.maps.get(BALLOTS, (id, context.signer)) is not None:
        refuse(Ground.TWICE, "this member has voted on this proposal")
    return _count(context, proposal, yes=yes)


def withdraw(context: ActionContext) -> tuple[str, str]:
    """Take an own open proposal back; (id, status).

    Raises:
        ProgramError: not a member, no such proposal, not its proposer, or decided.
    """
    (id,) = context.fields
    context.member()
    proposal = _open(context, id)
    if proposal.proposer != context.signer:
        refuse(Ground.NOT_A_MEMBER, "only its proposer may withdraw a proposal: vote no")
    _close(context.view, proposal, ProposalStatus.WITHDRAWN, context.block.time_ms)
    return id, str(ProposalStatus.WITHDRAWN)


def settle(view: GovernanceView, height: Height, time_ms: Milliseconds) -> None:
    """Decide what can be decided, and let take effect what is accepted and whose time has come,
    until nothing is left.

    Every pass decides at least one of at most ALIVE_MAX proposals, or is the last.
    """
    while any([_advance(view, one, height, time_ms) for one in _alive(view)]):
        continue
    decided = sorted(
        (one for one in view.tables.proposals() if not one.status.alive),
        key=lambda one: (one.decided_ms, one.id),
    )
    sizes = [len(codec.encode(one.arguments)) for one in decided]
    gone, shown = max(0, len(decided) - DECIDED_MAX), sum(sizes[-DECIDED_MAX:])
    while shown > DECIDED_BYTES_MAX:
        shown -= sizes[gone]
        gone += 1
    for one in decided[:gone]:
        view.tables.maps.put(ARCHIVE, one.id, one.decided_ms)
        view.tables.maps.delete(PROPOSALS, one.id)
        for key in view.tables.ballots(one.id):
            view.tables.maps.delete(BALLOTS, (one.id, key))


def next_activation_ms(view: GovernanceView) -> int:
    """When the next accepted proposal takes effect; 0: none waits."""
    waiting = (
        one.activates_ms for one in view.tables.proposals() if one.status is ProposalStatus.ACCEPTED
    )
    return min(waiting, default=0)


def _count(context: ActionContext, proposal: Proposal, *, yes: bool) -> tuple[str, str]:
    tables = context.tables
    tables.maps.put(BALLOTS, (proposal.id, context.signer), yes)
    # This one alone: what it means for others is settled at the block's end. Else one member with
    # a hundred open proposals makes each further word of it cost as much as all of them (T11).
    while _advance(context.view, proposal, context.block.height, context.block.time_ms):
        continue
    counted = tables.proposal(proposal.id)
    return proposal.id, str(proposal.status if counted is None else counted.status)


def _alive(view: GovernanceView) -> list[Proposal]:
    alive = (one for one in view.tables.proposals() if one.status.alive)
    return sorted(alive, key=lambda one: (one.activates_ms, one.proposed_ms, one.id))


def _advance(view: GovernanceView, seen: Proposal, height: Height, time_ms: Milliseconds) -> bool:
    """Bring one proposal as far as it goes; did it move?"""
    proposal = view.tables.proposal(seen.id)
    if proposal is None or not proposal.status.alive:
        return False
    ballots = view.tables.ballots(proposal.id)
    members = [key for _, key in view.tables.rules.members]
    yes = sum(ballots.get(key) is True for key in members)
    no = sum(ballots.get(key) is False for key in members)
    if proposal.status is ProposalStatus.OPEN:
        if 2 * yes > len(members):
            delay = (
                view.tables.limit("activation_delay_ms")
                if change_named(proposal.change).loosens
                else 0
            )
            activates_ms = Milliseconds(time_ms + delay)
            view.tables.write_proposal(
                replace(
                    proposal,
                    status=ProposalStatus.ACCEPTED,
                    decided_ms=time_ms,
                    activates_ms=activates_ms,
                )
            )
            return True
        if 2 * no >= len(members):
            _close(view, proposal, ProposalStatus.REJECTED, time_ms)
            return True
        return False
    if time_ms < proposal.activates_ms:
        return False
    if 2 * yes <= len(members):
        _close(view, proposal, ProposalStatus.VOID, proposal.decided_ms, "its majority is gone")
    else:
        _activate(view, proposal, height)
    return True


def _activate(view: GovernanceView, proposal: Proposal, height: Height) -> None:
    tables, arguments = view.tables, dict(proposal.arguments)
    try:
        rules = _try(view, tables.rules, proposal.change, proposal.arguments)
    except ProgramError as refused:
        _close(
            view,
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
            view,
            proposal,
            ProposalStatus.VOID,
            proposal.decided_ms,
            "internal: its dry run failed",
        )
        return
    tables.write_rules(rules)
    match change_named(proposal.change).effect:
        case Effect.ATTEST_AGAIN:
            attest_again(view)
        case Effect.REMOVE_NODE:
            remove_node(view, _node_named(view, arguments["node"]), height)
        case Effect.ADD_USERS:
            add_users(tables, arguments["users"])
        case Effect.REMOVE_USERS:
            remove_users(tables, arguments["users"])
        case Effect.ACCESS:
            write_access(tables, proposal.change, arguments)
        case Effect.ROTATE:
            asked = tables.rotation
            tables.rotation = (
                "rotate",
                arguments["compromised"] or (asked is not None and asked[1]),
            )
    _close(view, proposal, ProposalStatus.ACTIVE, proposal.decided_ms)


def _try(view: GovernanceView, rules: Rules, change: str, arguments: Arguments) -> Rules:
    return dry_run(rules, change, arguments, view.tables.nodes(), view.epoch_record.description)


def _node_named(view: GovernanceView, name: str) -> Node:
    return next(
        node
        for node in view.tables.nodes()
        if node.name == name and node.status is not Status.REMOVED
    )


def _check_room(context: ActionContext, size: int) -> None:
    signer, members = context.signer, len(context.tables.rules.members)
    alive = context.tables.alive()
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
    if (context.tables.maps.get(PROPOSED, signer) or 0) >= PROPOSALS_OF_A_MEMBER_MAX:
        refuse(
            Ground.FULL,
            f"{PROPOSALS_OF_A_MEMBER_MAX} proposals were made with this key: govern with a new one",
        )


def _open(context: ActionContext, id: str) -> Proposal:
    proposal = context.tables.proposal(id)
    if proposal is None:
        if context.tables.maps.get(ARCHIVE, id) is not None:
            refuse(Ground.CLOSED, "the proposal was decided long ago")
        refuse(Ground.UNKNOWN_PROPOSAL, "there is no such proposal: see the list of proposals")
    if proposal.status is not ProposalStatus.OPEN:
        refuse(Ground.CLOSED, f"the proposal is {proposal.status}")
    return proposal


def _close(
    view: GovernanceView,
    proposal: Proposal,
    status: ProposalStatus,
    decided_ms: Milliseconds,
    note: str = "",
) -> None:
    view.tables.write_proposal(replace(proposal, status=status, decided_ms=decided_ms, note=note))


def ballots_of(view: GovernanceView, proposal: Proposal) -> tuple[tuple[PublicKey, bool], ...]:
    """(member's key, yes), by key."""
    return tuple(sorted(view.tables.ballots(proposal.id).items()))
