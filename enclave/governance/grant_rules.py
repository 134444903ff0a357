"""Who may speak about a grant, and whether what approved it still counts.

Owns these conditions, which hold at each word anew: an approver who is no member any more, or acts
for the asker's operator now, no longer counts; and more approvals are needed as soon as members ask
for more.
"""

from strongroom.enclave.governance.action_context import ActionContext, GovernanceView
from strongroom.enclave.governance.affiliations import operator_of
from strongroom.enclave.governance.grant_people import region_of_person
from strongroom.enclave.governance.grant_records import Grant, Word
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.primitives import digest


def check_asker(context: ActionContext, grant: Grant) -> None:
    """Check that the signer asked for this grant.

    Raises:
        ProgramError: ``not-asked-by``.
    """
    if grant.asker != context.signer:
        refuse(Ground.NOT_ASKED_BY, "only who asked for a grant begins anything under it")


def check_approver(context: ActionContext, grant: Grant) -> None:
    """Check that the signer is a member who acts for another operator than the asker.

    Raises:
        ProgramError: ``not-a-member``, ``self-approved``, ``unknown-operator`` or
            ``same-operator``.
    """
    context.member()
    if context.signer == grant.asker:
        refuse(Ground.SELF_APPROVED, "nobody decides about what it asked for itself")
    if operator_of(context.tables, context.signer) is None:
        refuse(
            Ground.UNKNOWN_OPERATOR,
            "for which operator does this member act? Members say so: set_affiliation",
        )
    if not _counts(context.view, grant, context.signer):
        refuse(Ground.SAME_OPERATOR, "asker and member act for one operator: let another decide")


def check_still_agreed(view: GovernanceView, grant: Grant, now_ms: int) -> None:
    """Check that those who approved a grant still may, that its asker still acts for the operator
    for which it asked, and stands where a person must.

    Raises:
        ProgramError: ``not-approved``, ``unknown-operator`` or ``wrong-region``.
    """
    check_agreed(view, grant)
    allowed = view.tables.access_regions
    if not allowed or view.blind:
        return
    if region_of_person(view, digest(grant.asker), now_ms) not in allowed:
        refuse(
            Ground.WRONG_REGION,
            f"who begins must be in {', '.join(allowed)}: present a token that says so",
        )


def check_agreed(view: GovernanceView, grant: Grant) -> None:
    """The same, wherever the asker stands: by what is public alone.

    Raises:
        ProgramError: ``not-approved`` or ``unknown-operator``.
    """
    counted, needed = counting(view, grant, grant.approvals), needed_now(view, grant)
    if counted < needed:
        refuse(Ground.NOT_APPROVED, f"{counted} of {needed} approvals count: ask again")
    if operator_of(view.tables, grant.asker) != grant.operator:
        refuse(Ground.UNKNOWN_OPERATOR, "the asker no longer acts for the operator that it named")


def counting(view: GovernanceView, grant: Grant, words: tuple[Word, ...]) -> int:
    """How many of these words are of members who may decide about this grant now."""
    voters = view.tables.voter_keys()
    return sum(key in voters and _counts(view, grant, key) for key, _ in words)


def needed_now(view: GovernanceView, grant: Grant) -> int:
    """How many approvals this grant needs: as many as when it was asked for, or as members ask for
    now, if that is more."""
    if grant.emergency:
        return grant.needed
    return max(grant.needed, view.tables.limit("grant_approvals"))


def eligible(view: GovernanceView, asker: bytes, operator: str) -> int:
    """How many members may decide about what this asker asks for this operator."""
    return sum(
        key != asker and operator_of(view.tables, key) not in (None, operator)
        for key in view.tables.voter_keys()
    )


def _counts(view: GovernanceView, grant: Grant, key: bytes) -> bool:
    own = operator_of(view.tables, key)
    asking = operator_of(view.tables, grant.asker)
    return key != grant.asker and own not in (None, grant.operator, asking)
