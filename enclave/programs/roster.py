"""Roster: who may speak in this service, and how much of its state each identity has filled.

Always active. Members may always speak, and so may who has a role; others are users, admitted by
the members' vote (governance's `add_users`) or brought by one member within its own quota, in a
sealed call, so that no host learns whom. A user that a member brought is admitted as long as that
member is one. Nothing here admits: enclave/sessions/session_admission.py reads it.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, Program, ProgramError, digest_text
from strongroom.enclave.programs.schema import Identity

roster = Program("roster")

USERS = roster.map("users", key=bytes, value=bytes)
"""Identity → identity of the member that brought it, or nothing when the members voted for it."""
BROUGHT = roster.map("brought", key=bytes, value=int)
"""Member's identity → how many users it brought that stand in USERS."""
USAGE = roster.map("usage", key=bytes, value=(int, int))
"""Identity → (entries, bytes) that its transactions added to the state of programs."""

BY_VOTE = b""
USERS_MAX = 1 << 20
"""On the roster, by vote and brought."""
MANY_MAX = 1_000
TOTAL = b""
"""Key in BROUGHT: how many stand in USERS."""


@roster.transaction
def bring(context: Context, *, users: list[Identity]) -> dict[str, Any]:
    """Admit users, up to 1,000, as a member: all, or none when they exceed its quota. Who is
    admitted stays so."""
    _check_member(context, users)
    table, counts = context.map(USERS), context.map(BROUGHT)
    own = context.identity
    brought, total = counts.get(own) or 0, counts.get(TOTAL) or 0
    for user in users:
        bringer = table.get(user)
        if bringer is not None and (bringer == BY_VOTE or bringer in context.members):
            continue
        if bringer is None:
            total += 1
        else:
            counts.put(bringer, max(0, (counts.get(bringer) or 0) - 1))
        table.put(user, own)
        brought += 1
    most = context.limits["users_per_member"]
    if brought > most or total > USERS_MAX:
        raise ProgramError(
            "quota", f"a member may bring {most} users, you would have brought {brought}"
        )
    counts.put(own, brought)
    counts.put(TOTAL, total)
    return {"users": brought}


@roster.transaction
def dismiss(context: Context, *, users: list[Identity]) -> dict[str, Any]:
    """Take users back that the caller, a member, brought: they open no further session."""
    _check_member(context, users)
    table, counts = context.map(USERS), context.map(BROUGHT)
    brought, total = counts.get(context.identity) or 0, counts.get(TOTAL) or 0
    for user in users:
        if table.get(user) != context.identity:
            raise ProgramError("not yours", "you may take back only users whom you brought")
        table.delete(user)
        brought, total = max(0, brought - 1), max(0, total - 1)
    counts.put(context.identity, brought)
    counts.put(TOTAL, total)
    return {"users": brought}


@roster.query
def standing(context: Context) -> dict[str, Any]:
    """The caller's own standing: what its transactions added to the state, and what they may."""
    entries, size = context.map(USAGE).get(context.identity) or (0, 0)
    entries_max, bytes_max = quota_of(context)
    return {
        "member": context.identity in context.members,
        "entries": entries,
        "entries_max": entries_max,
        "bytes": size,
        "bytes_max": bytes_max,
        "users": context.map(BROUGHT).get(context.identity) or 0,
    }


@roster.query
def users(context: Context, *, after: str = "", limit: int = 100) -> list[str]:
    """Users whom the caller brought, in order, those after `after`; reads as far as its budget
    goes."""
    if not 1 <= limit <= MANY_MAX:
        raise ProgramError("limit", f"limit is 1 to {MANY_MAX}")
    try:
        start = bytes.fromhex(after.removeprefix("id:"))
    except ValueError:
        raise ProgramError("after", "after is an identity, written id:HEX") from None
    found = context.map(USERS).scan(after=start or None, limit=limit)
    return [digest_text(user) for user, bringer in found if bringer == context.identity]


def charge(context: Context, entries: int, size: int) -> None:
    """Count what the caller adds to the state for good.

    Raises:
        ProgramError: ``quota``: it would be more than it may.
    """
    usage = context.map(USAGE)
    had = usage.get(context.identity) or (0, 0)
    now = (had[0] + entries, had[1] + size)
    entries_max, bytes_max = quota_of(context)
    if now[0] > entries_max:
        raise ProgramError(
            "quota", f"you may add {entries_max} entries to the state: ask members for more"
        )
    if now[1] > bytes_max:
        raise ProgramError(
            "quota", f"you may add {bytes_max} bytes to the state: ask members for more"
        )
    usage.put(context.identity, now)


def quota_of(context: Context) -> tuple[int, int]:
    """(entries, bytes) that the caller may add."""
    kind = "member" if context.identity in context.members else "user"
    return context.limits[f"entries_per_{kind}"], context.limits[f"bytes_per_{kind}"]


def _check_member(context: Context, users: list[Identity]) -> None:
    if context.identity not in context.members:
        raise ProgramError("not a member", "only a member may bring users, and take back its own")
    if not 1 <= len(users) <= MANY_MAX:
        raise ProgramError("users", f"name 1 to {MANY_MAX} users at a time")
