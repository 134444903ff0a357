"""What time alone brings about in privileged access, at the end of a block.

Owns lapses, ends, and the events of what was not reported or not reviewed; which grants are
forgotten; and that a role ends with what was agreed to. Everybody judges by block time before this
runs, so nothing lasts longer because a block is late.
"""

from dataclasses import replace

from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.grant_events import GrantEvent, write_event
from strongroom.enclave.governance.grant_records import (
    Grant,
    GrantStatus,
    read_grants,
    read_role,
    write_grant,
)
from strongroom.enclave.governance.grant_roles import closed
from strongroom.enclave.governance.grant_rules import check_agreed
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.grants import GRANTS

CLOSED_GRANTS_MAX = 128
"""Grants that are over and still shown, beside those whose ask could be replayed."""
CLOSED_GRANTS_BYTES_MAX = 256 * 1024
"""... and bytes of their records: whoever asks reads the public document whole (T11)."""


def settle_grants(view: GovernanceView, height: Height, time_ms: Milliseconds) -> None:
    """Bring every grant to where its times say."""
    for grant in read_grants(view.tables):
        settled = _reported(view, _timed(view, grant, time_ms), (height, time_ms))
        if settled != grant:
            write_grant(view.tables, settled)
    _forget(view, time_ms)


def next_grant_ms(view: GovernanceView) -> int:
    """When time next changes a grant; 0: never."""
    moments = [moment for grant in read_grants(view.tables) for moment in _moments(grant)]
    return min(moments, default=0)


def _moments(grant: Grant) -> list[int]:
    moments = [one.report_by_ms for one in grant.open_begins]
    if grant.alive:
        moments.append(grant.until_ms if grant.begins else grant.claim_by_ms + 1)
    if grant.awaits_review and not grant.review_due:
        moments.append(grant.review_by_ms)
    return moments


def _timed(view: GovernanceView, grant: Grant, time_ms: int) -> Grant:
    if not grant.alive:
        return grant
    if not grant.begins:
        if time_ms <= grant.claim_by_ms:
            return grant
        return replace(grant, status=str(GrantStatus.LAPSED), closed_ms=time_ms)
    if time_ms >= grant.until_ms:
        return closed(view.tables, grant, GrantStatus.ENDED, time_ms)
    if any(read_role(begun.operation) for begun in grant.begins) and not _is_agreed(view, grant):
        return closed(view.tables, grant, GrantStatus.REVOKED, time_ms)
    return grant


def _is_agreed(view: GovernanceView, grant: Grant) -> bool:
    try:
        check_agreed(view, grant)
    except ProgramError:
        return False
    return True


def _reported(view: GovernanceView, grant: Grant, at: tuple[int, int]) -> Grant:
    for begun in grant.open_begins:
        if at[1] >= begun.report_by_ms:
            grant = grant.with_begun(replace(begun, unreported=True))
            place = f" at {begun.node}" if begun.node else ""
            words = f"{begun.operation}{place}: begun, and not finished in time"
            write_event(view.tables, GrantEvent.UNREPORTED, grant.id, words, at)
    # Too few members may be left to review it: fewer suffice once members ask for fewer.
    reviews = min(grant.reviews_needed, view.tables.limit("grant_approvals"))
    if grant.awaits_review and reviews < grant.reviews_needed:
        grant = replace(grant, reviews_needed=reviews)
    if grant.awaits_review and not grant.review_due and at[1] >= grant.review_by_ms:
        grant = replace(grant, review_due=True)
        words = "a used emergency was not reviewed in time: nobody asks before it is"
        write_event(view.tables, GrantEvent.REVIEW_DUE, grant.id, words, at)
    return grant


def _forget(view: GovernanceView, time_ms: int) -> None:
    over = [
        one
        for one in read_grants(view.tables)
        if not one.alive
        and not one.open_begins
        and not one.awaits_review
        and time_ms > one.claim_by_ms
    ]
    over.sort(key=lambda one: (one.closed_ms, one.id), reverse=True)
    shown = 0
    for place, one in enumerate(over):
        shown += len(view.tables.maps.get(GRANTS, one.id) or b"")
        if place >= CLOSED_GRANTS_MAX or shown > CLOSED_GRANTS_BYTES_MAX:
            view.tables.maps.delete(GRANTS, one.id)
