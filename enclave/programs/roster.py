"""Roster: who may speak in this service, and how much of its state each identity has filled.

Always active. Members may always speak, and so may who has a role; others are users, admitted by
the members' vote (governance's `add_users`), brought by one member within its own quota, in a
sealed call, so that no host learns whom, or holders of a good token of an issuer that members
marked (`admit_issuer`). A user that a member brought is admitted as long as that member is one
who votes: a member with weight 0 speaks within a user's quota, and brings nobody. A member or user
vouches for sessions of its rooms: they are admitted as long as it is, charged to it,
and never among the users. Nothing here admits: enclave/sessions/session_admission.py reads it. Maps
are in roster_tables.py, who pays for whom in sponsors.py.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.roster_tables import (
    ADMITTING,
    BROUGHT,
    BY_VOTE,
    MANY_MAX,
    ROOMS,
    ROOMS_MAX,
    SPONSORED,
    TOTAL,
    USAGE,
    USERS_MAX,
    VOUCHED,
    WORD_BYTES,
    WORDS,
    WORDS_MAX,
    on_roster,
    voucher_of,
)
from strongroom.enclave.programs.roster_tables import USERS as USERS
from strongroom.enclave.programs.roster_tables import roster as roster
from strongroom.enclave.programs.schema import Identity
from strongroom.enclave.programs.sponsors import charge as charge
from strongroom.enclave.programs.sponsors import (
    charged,
    is_named,
    issuer_account,
    opened_in,
    quota_of,
    way_of,
)
from strongroom.enclave.programs.sponsors import payer_of as payer_of
from strongroom.enclave.programs.state import SCAN_MAX

LOOKED_AT_MAX = 40_000
"""Users of all whom one answer of `users` looks at."""


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
        context.map(VOUCHED).delete(user)
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


@roster.transaction
def vouch(context: Context, *, room: Identity) -> dict[str, Any]:
    """Admit a room's session, which is a new identity at each start, as long as the caller is on
    the roster, and at its cost. The oldest of 16 rooms makes place for it; who is admitted already
    stays as he is."""
    own, table, members = context.identity, context.map(USERS), context.members
    if not on_roster(table, members, own):
        raise ProgramError(
            "not a user", "a member or a user on the roster vouches for rooms, and no room does"
        )
    said, epoch, lately = context.map(WORDS).get(own) or (0, 0, 0)
    vouched, rooms = context.map(VOUCHED), context.map(ROOMS)
    if is_named(context, room) or voucher_of(vouched, rooms, room) == own:
        return {"rooms": min(said, ROOMS_MAX)}
    link = vouched.get(room)
    if link is not None and link[0] != own and on_roster(table, members, link[0]):
        raise ProgramError("not yours", "another user vouched for this room: start it anew")
    lately = lately + 1 if epoch == context.epoch else 1
    if lately > WORDS_MAX:
        raise ProgramError(
            "quota", f"you may vouch for {WORDS_MAX} rooms in an epoch: await the next one"
        )
    charge(context, 1, WORD_BYTES)
    place = said % ROOMS_MAX
    rooms.put((own, place), room)
    vouched.put(room, (own, place))
    context.map(WORDS).put(own, (said + 1, context.epoch, lately))
    return {"rooms": min(said + 1, ROOMS_MAX)}


@roster.query
def standing(context: Context) -> dict[str, Any]:
    """The caller's own standing: on whose word it may open sessions, until when, its roles, what
    was added to the state on its account and what may be; of a room, that of who vouched for it.
    What all of a sponsor's people added together is told to the member that it is, alone."""
    own = context.identity
    roles = [
        f"{program}.{role}" for program, role, holder in sorted(context.roles) if holder == own
    ]
    context.spend(len(context.roles) // 16)
    way = way_of(context, own, has_role=bool(roles))
    payer, sponsor = charged(context)
    entries, size = context.map(USAGE).get(payer) or (0, 0)
    entries_max, bytes_max = quota_of(context, payer)
    member = own in context.members
    return {
        "member": member,
        "watches": own in context.watchers,
        "entries": entries,
        "entries_max": entries_max,
        "bytes": size,
        "bytes_max": bytes_max,
        "users": context.map(BROUGHT).get(own) or 0,
        "users_max": context.limits["users_per_member"] if member else 0,
        "admitted": None if way is None else way.by,
        "until_ms": None if way is None else way.until_ms,
        "sessions_max": 0 if way is None else way.sessions_max,
        "roles": roles,
        "sponsored": sponsor is not None,
        "together": _together(context, own) if member else None,
        "together_max": _together_max(context),
    }


@roster.query
def issuer(context: Context, *, issuer: str) -> dict[str, Any]:
    """What those whom this issuer's tokens admit did together, for members: whether it is marked,
    entries and bytes added, sessions in this epoch, and what may be."""
    if context.identity not in context.members:
        raise ProgramError("not a member", "only a member sees what an issuer's people use")
    return {
        "admitting": context.map(ADMITTING).get(issuer) is not None,
        **_together(context, issuer_account(issuer)),
        "most": _together_max(context),
    }


@roster.query
def users(context: Context, *, after: str = "", limit: int = 100) -> dict[str, Any]:
    """Users whom the caller brought, in order, those after `after`; `next` is what to ask after
    next, or nothing at the end. One answer looks at 40,000 users of all: it may show few, and go
    on."""
    if not 1 <= limit <= MANY_MAX:
        raise ProgramError("limit", f"limit is 1 to {MANY_MAX}")
    try:
        start = bytes.fromhex(after.removeprefix("id:")) or None
    except ValueError:
        raise ProgramError("after", "after is an identity, written id:HEX") from None
    own, shown = context.identity, list[str]()
    for _ in range(LOOKED_AT_MAX // SCAN_MAX):
        found = context.map(USERS).scan(after=start)
        for user, bringer in found:
            start = user
            if bringer == own:
                shown.append(digest_text(user))
                if len(shown) == limit:
                    return {"users": shown, "next": digest_text(start)}
        if len(found) < SCAN_MAX:
            return {"users": shown, "next": None}
    return {"users": shown, "next": start and digest_text(start)}


def _together(context: Context, sponsor: bytes) -> dict[str, int]:
    entries, size = context.map(SPONSORED).get(sponsor) or (0, 0)
    return {"entries": entries, "bytes": size, "sessions": opened_in(context, sponsor)}


def _together_max(context: Context) -> dict[str, int]:
    limits = context.limits
    return {what: limits[f"{what}_per_sponsor"] for what in ("entries", "bytes", "sessions")}


def _check_member(context: Context, users: list[Identity]) -> None:
    if context.identity not in context.members:
        raise ProgramError("not a member", "only a member may bring users, and take back its own")
    if not 1 <= len(users) <= MANY_MAX:
        raise ProgramError("users", f"name 1 to {MANY_MAX} users at a time")
