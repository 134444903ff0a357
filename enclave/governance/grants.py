"""Privileged access: who may ask, who may agree, what may be begun (T59). One function per public
action.

An asker acts for an operator, approvers are members who act for another one, and every `begin` is
one operation at one node, once: the node's own enclave acts by it (`act`), or the ledger does by
itself (roles here; upgrades and restarts in grant_nodes.py). All of it is judged by block time, on
executed state alone, so a revocation that is ordered before the act stops the act.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.governance import public
from strongroom.enclave.governance.action_context import ActionContext, GovernanceView, checked_size
from strongroom.enclave.governance.grant_events import GrantEvent, note_event
from strongroom.enclave.governance.grant_records import (
    ACTS_OF_NODES,
    OUTCOME_CHARACTERS_MAX,
    REPORT_MS,
    Act,
    Begun,
    Grant,
    GrantStatus,
    parameters_digest,
    read_grant,
    read_role,
    write_grant,
)
from strongroom.enclave.governance.grant_roles import closed, give_role, take_role
from strongroom.enclave.governance.grant_rules import (
    check_approver,
    check_asker,
    check_still_agreed,
    counting,
    needed_now,
)
from strongroom.enclave.governance.grants_asked import ask
from strongroom.enclave.governance.records import Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.text import is_line

_WORKING = (Status.JOINING, Status.SYNCED, Status.VALIDATOR, Status.LEAVING)


def approve(context: ActionContext) -> tuple[str, str]:
    """Count a member's yes; (id, status).

    Raises:
        ProgramError: no such grant, decided, too late, said before, or not one who may approve.
    """
    grant = _decidable(context)
    grant = replace(grant, approvals=(*grant.approvals, (context.signer, context.block.time_ms)))
    if counting(context.view, grant, grant.approvals) >= needed_now(context.view, grant):
        grant = _decided(context, grant, GrantStatus.APPROVED)
        if grant.emergency:
            words = f"emergency access for {grant.operator}: {grant.reason}"
            note_event(context, GrantEvent.EMERGENCY, grant.id, words)
    write_grant(context.tables, grant)
    return grant.id, grant.status


def deny(context: ActionContext) -> tuple[str, str]:
    """Count a member's no; (id, status).

    Raises:
        ProgramError: as of `approve`.
    """
    grant = _decidable(context)
    grant = replace(grant, denials=(*grant.denials, (context.signer, context.block.time_ms)))
    if counting(context.view, grant, grant.denials) >= grant.needed:
        grant = _decided(context, grant, GrantStatus.DENIED)
    write_grant(context.tables, grant)
    return grant.id, grant.status


def begin(context: ActionContext) -> tuple[str, str, str, int]:
    """Begin one operation at one node, once; (id, operation, node, until).

    Raises:
        ProgramError: not the asker, not approved, revoked, too late, not in the grant, begun
            before, or the person is in no region that the rule allows.
    """
    id, operation, node, parameters = context.fields
    checked_size(parameters, DIGEST_SIZE, name="digest of parameters")
    tables, now_ms = context.tables, context.block.time_ms
    grant = _known(context, id)
    check_asker(context, grant)
    if grant.begins:
        check_running(grant, now_ms)
    else:
        _check_approved(grant)
        if now_ms > grant.claim_by_ms:
            refuse(Ground.EXPIRED, "the claim-by of this grant is over: ask again")
    check_still_agreed(context.view, grant, now_ms)
    _check_named(grant, operation, node)
    if grant.begun(operation, node) is not None:
        refuse(Ground.TWICE, "this operation was begun at this node: ask for another grant")
    role = read_role(operation)
    if operation not in (Act.UPGRADE, Act.DIAGNOSTICS) and parameters != parameters_digest(
        operation, node, ()
    ):
        refuse(Ground.OTHER_PARAMETERS, "this operation takes no parameters: see parameters_digest")
    until_ms = grant.until_ms or now_ms + grant.duration_ms
    begun = Begun(
        operation=operation,
        node=node,
        parameters=parameters,
        begun_ms=now_ms,
        report_by_ms=(until_ms if role else now_ms) + REPORT_MS,
        acted_ms=now_ms if role else 0,
    )
    write_grant(tables, replace(grant, until_ms=until_ms, begins=(*grant.begins, begun)))
    if role:
        give_role(context, grant.id, role, until_ms)
    return id, operation, node, until_ms


def act(context: ActionContext) -> tuple[str, str, str]:
    """A node's enclave acts by a `begin`, once: it names what it will give, and gives it when this
    stands; (id, operation, node).

    Raises:
        ProgramError: not a node, not begun here, with other parameters, acted before, finished,
            revoked, or too late.
    """
    id, operation, parameters, result = context.fields
    checked_size(parameters, DIGEST_SIZE, name="digest of parameters")
    checked_size(result, DIGEST_SIZE, name="digest of what it gave")
    node = context.node(*_WORKING)
    grant = _known(context, id)
    place = (operation, node.name, parameters)
    begun = check_begun(context.view, context.block.time_ms, grant, place)
    if operation != Act.DIAGNOSTICS:
        refuse(Ground.NOT_IN_GRANT, "only diagnostics are given by an enclave")
    changed = replace(begun, acted_ms=context.block.time_ms, result=result)
    write_grant(context.tables, grant.with_begun(changed))
    return id, operation, node.name


def check_begun(
    view: GovernanceView, now_ms: int, grant: Grant, place: tuple[str, str, bytes]
) -> Begun:
    """The `begin` by which this operation may be done now, at this node, with parameters of this
    digest: `place`. Ledger and enclaves judge by it alike.

    Raises:
        ProgramError: there is none.
    """
    operation, node, parameters = place
    begun = grant.begun(operation, node)
    if begun is None:
        refuse(Ground.NOT_BEGUN, "nothing of this was begun at this node: begin it first")
    check_running(grant, now_ms)
    check_still_agreed(view, grant, now_ms)
    if begun.acted_ms or begun.finished_ms:
        refuse(Ground.TWICE, "this begin was acted upon, or finished: one begin, one operation")
    if begun.parameters != parameters:
        refuse(Ground.OTHER_PARAMETERS, "the begin names other parameters: begin with these")
    return begun


def finish(context: ActionContext) -> tuple[str, str, str]:
    """Report what came of a `begin`; a role ends with it. (id, operation, node).

    Raises:
        ProgramError: not the asker, not begun, or finished before.
    """
    id, operation, node, outcome, outcome_digest = context.fields
    checked_size(outcome_digest, DIGEST_SIZE, name="digest")
    if not 1 <= len(outcome) <= OUTCOME_CHARACTERS_MAX or not is_line(outcome):
        refuse(Ground.MALFORMED, f"an outcome is a line of 1 to {OUTCOME_CHARACTERS_MAX} letters")
    grant = _known(context, id)
    if grant.asker != context.signer:
        refuse(Ground.NOT_ASKED_BY, "only who asked for a grant reports what came of it")
    begun = grant.begun(operation, node)
    if begun is None:
        refuse(Ground.NOT_BEGUN, "nothing of this was begun under this grant")
    if begun.finished_ms:
        refuse(Ground.TWICE, "this was reported before")
    begun = replace(
        begun,
        finished_ms=context.block.time_ms,
        outcome=outcome,
        outcome_digest=outcome_digest,
    )
    write_grant(context.tables, take_role(context.tables, grant.with_begun(begun), begun))
    return id, operation, node


def revoke(context: ActionContext) -> tuple[str, str]:
    """Take a grant back: the asker or one who approved it at once, other members together; (id,
    status).

    Raises:
        ProgramError: no such grant, over, said before, or neither the asker nor a member.
    """
    (id,) = context.fields
    grant, now_ms = _known(context, id), context.block.time_ms
    if not grant.alive or (grant.begins and now_ms >= grant.until_ms):
        refuse(Ground.CLOSED, "the grant is over: nothing can be begun under it")
    if grant.asker != context.signer:
        context.member()
        if any(key == context.signer for key, _ in grant.revocations):
            refuse(Ground.TWICE, "this member has said so")
        grant = replace(grant, revocations=(*grant.revocations, (context.signer, now_ms)))
    at_once = context.signer == grant.asker or any(
        key == context.signer for key, _ in grant.approvals
    )
    voters = context.tables.voter_keys()
    if at_once or sum(key in voters for key, _ in grant.revocations) >= grant.needed:
        grant = _decided(context, grant, GrantStatus.REVOKED)
        grant = closed(context.tables, grant, GrantStatus.REVOKED, now_ms)
    write_grant(context.tables, grant)
    return id, grant.status


def review(context: ActionContext) -> tuple[str, int]:
    """A member has looked at a used emergency; (id, how many are still needed).

    Raises:
        ProgramError: nothing to review, not over yet, said before, or not one who may review: who
            approved it does not.
    """
    grant = _said_of(context)
    if not grant.emergency or not grant.begins:
        refuse(Ground.CLOSED, "only an emergency that was used is reviewed")
    if grant.alive and context.block.time_ms < grant.until_ms:
        refuse(Ground.TOO_SOON, "the emergency lasts: review it when it is over")
    check_approver(context, grant)
    if any(key == context.signer for key, _ in grant.approvals):
        refuse(Ground.SELF_APPROVED, "who approved an emergency does not review it")
    if any(key == context.signer for key, _ in grant.reviews):
        refuse(Ground.TWICE, "this member has reviewed it")
    if grant.reviewed:
        refuse(Ground.CLOSED, "it was reviewed by enough members")
    grant = replace(grant, reviews=(*grant.reviews, (context.signer, context.block.time_ms)))
    write_grant(context.tables, grant)
    return grant.id, max(0, grant.reviews_needed - len(grant.reviews))


ACTIONS: Mapping[str, Callable[[ActionContext], object]] = {
    public.ASK: ask,
    public.APPROVE: approve,
    public.DENY: deny,
    public.BEGIN: begin,
    public.ACT: act,
    public.FINISH: finish,
    public.REVOKE_GRANT: revoke,
    public.REVIEW: review,
}


def _known(context: ActionContext, id: str) -> Grant:
    grant = read_grant(context.tables, id)
    if grant is None:
        refuse(Ground.UNKNOWN_GRANT, "no grant of this id is known: see the list of grants")
    return grant


def _said_of(context: ActionContext) -> Grant:
    """The grant whose id and digest were named."""
    id, digest = context.fields
    grant = _known(context, id)
    if digest != grant.digest:
        refuse(Ground.ANOTHER_GRANT, "said of another ask: read the grant, and say it again")
    return grant


def _decidable(context: ActionContext) -> Grant:
    """A grant that the signer may approve or deny now."""
    grant = _said_of(context)
    if grant.status != GrantStatus.ASKED:
        refuse(Ground.CLOSED, f"the grant is {grant.status}")
    if context.block.time_ms > grant.claim_by_ms:
        refuse(Ground.EXPIRED, "the claim-by of this grant is over")
    check_approver(context, grant)
    if any(key == context.signer for key, _ in (*grant.approvals, *grant.denials)):
        refuse(Ground.TWICE, "this member has said yes or no")
    return grant


def _decided(context: ActionContext, grant: Grant, status: GrantStatus) -> Grant:
    now_ms = context.block.time_ms
    closed_ms = 0 if status.alive else now_ms
    return replace(grant, status=str(status), decided_ms=now_ms, closed_ms=closed_ms)


def _check_approved(grant: Grant) -> None:
    if grant.status == GrantStatus.REVOKED:
        refuse(Ground.REVOKED, "the grant was revoked")
    if grant.status in (GrantStatus.LAPSED, GrantStatus.ENDED):
        refuse(Ground.EXPIRED, "the grant's time is over: ask again")
    if grant.status != GrantStatus.APPROVED:
        refuse(Ground.NOT_APPROVED, f"the grant is {grant.status}")


def check_running(grant: Grant, now_ms: int) -> None:
    """Check that the time of a grant that was begun goes on.

    Raises:
        ProgramError: ``revoked``, ``expired`` or ``not-approved``.
    """
    _check_approved(grant)
    if now_ms >= grant.until_ms:
        refuse(Ground.EXPIRED, "the grant's time is over: ask again")


def _check_named(grant: Grant, operation: str, node: str) -> None:
    if operation not in grant.operations:
        refuse(Ground.NOT_IN_GRANT, f"the grant is for {', '.join(grant.operations)}")
    if operation in ACTS_OF_NODES:
        if node not in grant.nodes:
            refuse(Ground.NOT_IN_GRANT, f"the grant is for nodes {', '.join(grant.nodes)}")
    elif node:
        refuse(Ground.NOT_IN_GRANT, "a role is held in the service, at no node: name none")
