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
ROOMS = roster.map("rooms", key=(bytes, int), value=bytes)
"""(user's identity, place below ROOMS_MAX) → identity of a room that it vouched for."""
VOUCHED = roster.map("vouched", key=bytes, value=(bytes, int))
"""Room's identity → (identity of the user that vouched for it, number of that word)."""
WORDS = roster.map("words", key=bytes, value=int)
"""User's identity → how often it vouched."""
USAGE = roster.map("usage", key=bytes, value=(int, int))
"""Identity → (entries, bytes) that its transactions added to the state of programs."""

BY_VOTE = b""
USERS_MAX = 1 << 20
"""On the roster, by vote and brought."""
MANY_MAX = 1_000
ROOMS_MAX = 16
"""Rooms that one user may have admitted at a time; the next takes the place of the oldest."""
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
        gone = 1 + _forget_rooms(context, user)
        table.delete(user)
        brought, total = max(0, brought - gone), max(0, total - gone)
    counts.put(context.identity, brought)
    counts.put(TOTAL, total)
    return {"users": brought}


@roster.transaction
def vouch(context: Context, *, room: Identity) -> dict[str, Any]:
    """Admit a room's session, which is a new identity at each start, by the word that admits the
    caller, and for as long. The oldest of 16 rooms makes place for it."""
    table, own = context.map(USERS), context.identity
    word = own if own in context.members else table.get(own)
    if word is None or (word != BY_VOTE and word not in context.members):
        raise ProgramError("not a user", "only a member or a user on the roster vouches for rooms")
    if context.map(VOUCHED).get(own) is not None:
        raise ProgramError("not a user", "a room vouches for no room: let its operator do it")
    if table.get(room) is not None or room in context.members:
        return {"rooms": min(context.map(WORDS).get(own) or 0, ROOMS_MAX)}
    number = context.map(WORDS).get(own) or 0
    place = (own, number % ROOMS_MAX)
    oldest = context.map(ROOMS).get(place)
    if oldest is None:
        _count_one_more(context, word)
    else:
        table.delete(oldest)
        context.map(VOUCHED).delete(oldest)
    table.put(room, word)
    context.map(ROOMS).put(place, room)
    context.map(VOUCHED).put(room, (own, number))
    context.map(WORDS).put(own, number + 1)
    return {"rooms": min(number + 1, ROOMS_MAX)}


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


def _count_one_more(context: Context, word: bytes) -> None:
    """Count a room among the users that stand, and among those of the member whose word admits
    it."""
    counts = context.map(BROUGHT)
    total = (counts.get(TOTAL) or 0) + 1
    brought = (counts.get(word) or 0) + 1 if word else 0
    if brought > context.limits["users_per_member"] or total > USERS_MAX:
        raise ProgramError("quota", "the member who brought you may bring no more: ask for more")
    counts.put(TOTAL, total)
    if word:
        counts.put(word, brought)


def _forget_rooms(context: Context, user: bytes) -> int:
    """Nobody vouches for these rooms any more; how many they were."""
    rooms, gone = context.map(ROOMS), 0
    for place in range(min(context.map(WORDS).get(user) or 0, ROOMS_MAX)):
        room = rooms.get((user, place))
        if room is not None:
            context.map(USERS).delete(room)
            context.map(VOUCHED).delete(room)
            rooms.delete((user, place))
            gone += 1
    context.map(WORDS).delete(user)
    return gone


def _check_member(context: Context, users: list[Identity]) -> None:
    if context.identity not in context.members:
        raise ProgramError("not a member", "only a member may bring users, and take back its own")
    if not 1 <= len(users) <= MANY_MAX:
        raise ProgramError("users", f"name 1 to {MANY_MAX} users at a time")
