"""Members' proposals and ballots: who may ask, what counts, when it takes effect (T43, T44).

A proposal is accepted when as many members say yes as the strictest class of its changes asks for,
rejected when that cannot come any more, expired when it did not come in its time; only ballots of
those who vote when it is counted count. One with a loosening change waits, and must still have its
votes and pass its dry run when its time comes.
"""

from dataclasses import replace
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import Height, Milliseconds, PublicKey
from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.governance.action_context import ActionContext, GovernanceView, checked_size
from strongroom.enclave.governance.activation import carry_out, check_changes, waits
from strongroom.enclave.governance.counting import expires_ms, tally
from strongroom.enclave.governance.public import PROPOSAL_NONCE_SIZE, changes_digest, proposal_id
from strongroom.enclave.governance.records import Changes, Proposal, ProposalStatus
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.governance import (
    ARCHIVE,
    BALLOTS,
    LIFETIMES,
    PROPOSALS,
    PROPOSED,
)

CHANGES_OF_PROPOSAL_MAX = 16
CHANGES_OF_PROPOSAL_BYTES_MAX = 64 * 1024
"""Of several changes and their arguments, encoded."""
LIFETIME_MS_MIN = 1_000
"""The shortest that a proposer may name."""
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
    """Open a proposal of one change and count its proposer's yes; (id, status).

    Raises:
        ProgramError: not a member who votes, said before, no such change, a dry run that fails, or
            too many.
    """
    nonce, change, arguments = context.fields
    return _propose(context, nonce, ((change, arguments),), Milliseconds(0))


def propose_several(context: ActionContext) -> tuple[str, str]:
    """As `propose`, of several changes or with a lifetime of its own.

    Raises:
        ProgramError: as `propose`; or ``arguments``: no list of changes, more than there may be, or
            another lifetime than may be named.
    """
    nonce, lifetime_ms, changes = context.fields
    context.member()
    _check_form(changes)
    most = context.tables.limit("proposal_lifetime_ms")
    if lifetime_ms and not LIFETIME_MS_MIN <= lifetime_ms <= most:
        refuse(Ground.ARGUMENTS, f"lifetime: expected 0 or {LIFETIME_MS_MIN}..{most} milliseconds")
    return _propose(context, nonce, changes, Milliseconds(lifetime_ms))


def _propose(
    context: ActionContext, nonce: bytes, changes: Changes, lifetime_ms: Milliseconds
) -> tuple[str, str]:
    context.member()
    checked_size(nonce, PROPOSAL_NONCE_SIZE, name="nonce")
    tables, signer, block = context.tables, context.signer, context.block
    id = proposal_id(signer, context.transaction.payload)
    if tables.maps.get(PROPOSALS, id) is not None or tables.maps.get(ARCHIVE, id) is not None:
        refuse(Ground.TWICE, "this proposal was made before: propose it with a new nonce")
    _check_room(context, _size(changes))
    check_changes(context.view, changes, block.height, block.time_ms)
    proposal = Proposal(
        id=id,
        digest=changes_digest(changes),
        proposer=signer,
        changes=changes,
        status=ProposalStatus.OPEN,
        proposed_ms=block.time_ms,
        decided_ms=Milliseconds(0),
        activates_ms=Milliseconds(0),
        note="",
        lifetime_ms=lifetime_ms,
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
    sizes = [_size(one.changes) for one in decided]
    gone, shown = max(0, len(decided) - DECIDED_MAX), sum(sizes[-DECIDED_MAX:])
    while shown > DECIDED_BYTES_MAX:
        shown -= sizes[gone]
        gone += 1
    for one in decided[:gone]:
        view.tables.maps.put(ARCHIVE, one.id, one.decided_ms)
        view.tables.maps.delete(PROPOSALS, one.id)
        view.tables.maps.delete(LIFETIMES, one.id)
        for key in view.tables.ballots(one.id):
            view.tables.maps.delete(BALLOTS, (one.id, key))


def next_moment_ms(view: GovernanceView) -> int:
    """When the next accepted proposal takes effect, or the next open one expires; 0: none
    waits."""
    moments = (
        one.activates_ms if one.status is ProposalStatus.ACCEPTED else expires_ms(view.tables, one)
        for one in view.tables.proposals()
        if one.status.alive
    )
    return min(moments, default=0)


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
    if proposal.status is ProposalStatus.OPEN:
        return _decide(view, proposal, time_ms)
    if time_ms < proposal.activates_ms:
        return False
    counted = tally(view.tables.rules, proposal, view.tables.ballots(proposal.id))
    if counted.accepted:
        _activate(view, proposal, height, time_ms)
        return True
    majority = counted.needed == counted.voters // 2 + 1
    few = f"only {counted.yes} of the {counted.needed} yes that it needs count any more"
    note = "its majority is gone" if majority else few
    _close(view, proposal, ProposalStatus.VOID, proposal.decided_ms, note)
    return True


def _decide(view: GovernanceView, proposal: Proposal, time_ms: Milliseconds) -> bool:
    if time_ms >= expires_ms(view.tables, proposal):
        _close(view, proposal, ProposalStatus.EXPIRED, time_ms)
        return True
    counted = tally(view.tables.rules, proposal, view.tables.ballots(proposal.id))
    if counted.accepted:
        delay = view.tables.limit("activation_delay_ms") if waits(view, proposal.changes) else 0
        view.tables.write_proposal(
            replace(
                proposal,
                status=ProposalStatus.ACCEPTED,
                decided_ms=time_ms,
                activates_ms=Milliseconds(time_ms + delay),
            )
        )
        return True
    if counted.rejected:
        _close(view, proposal, ProposalStatus.REJECTED, time_ms)
    return counted.rejected


def _activate(
    view: GovernanceView, proposal: Proposal, height: Height, time_ms: Milliseconds
) -> None:
    state = view.tables.maps.state
    mark = state.mark
    try:
        carry_out(view, proposal.changes, height, time_ms)
    except OF_THIS_PROCESS:
        raise
    except ProgramError as refused:
        note = f"{refused.code}: {refused.message}"
    except Exception:  # a bug of ours costs this proposal, not all that are decided with it
        note = "internal: its dry run failed"
    else:
        _close(view, proposal, ProposalStatus.ACTIVE, proposal.decided_ms)
        return
    state.roll_back(mark)
    _close(view, proposal, ProposalStatus.VOID, proposal.decided_ms, note)


def _check_form(changes: tuple[Any, ...]) -> None:
    if not 1 <= len(changes) <= CHANGES_OF_PROPOSAL_MAX:
        refuse(Ground.ARGUMENTS, f"name 1 to {CHANGES_OF_PROPOSAL_MAX} changes")
    for one in changes:
        if type(one) is not tuple or [type(part) for part in one] != [str, tuple]:
            refuse(Ground.ARGUMENTS, "changes are pairs of a name and its arguments")
    if _size(changes) > CHANGES_OF_PROPOSAL_BYTES_MAX:
        refuse(
            Ground.FULL,
            f"changes of one proposal take at most {CHANGES_OF_PROPOSAL_BYTES_MAX} bytes: make two",
        )


def _size(changes: Changes) -> int:
    """Bytes of the arguments, as they lie in the state."""
    return len(codec.encode(changes[0][1] if len(changes) == 1 else changes))


def _check_room(context: ActionContext, size: int) -> None:
    signer, members = context.signer, len(context.tables.voter_keys())
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
    if context.block.time_ms >= expires_ms(context.tables, proposal):
        refuse(Ground.CLOSED, f"the proposal is {ProposalStatus.EXPIRED}: propose it anew")
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
