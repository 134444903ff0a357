"""Roster: who may speak in this service, and how much of its state each identity has filled.

Always active. Members may always speak, and so may who has a role; others are users, admitted by
the members' vote (governance's `add_users`) or brought by one member within its own quota, in a
sealed call, so that no host learns whom. A user that a member brought is admitted as long as that
member is one who votes: a member with weight 0 speaks within a user's quota, and brings nobody. A
member or user vouches for sessions of its rooms: they are admitted as long as it is, charged to it,
and never among the users. Nothing here admits: enclave/sessions/session_admission.py reads it.
"""

from collections.abc import Set
from typing import Any

from strongroom.enclave.programs.framework import Context, Program, ProgramError, digest_text
from strongroom.enclave.programs.schema import Identity
from strongroom.enclave.programs.state import OrderedMap

roster = Program("roster")

USERS = roster.map("users", key=bytes, value=bytes)
"""Identity → identity of the member that brought it, or nothing when the members voted for it."""
BROUGHT = roster.map("brought", key=bytes, value=int)
"""Member's identity → how many users it brought that stand in USERS."""
ROOMS = roster.map("rooms", key=(bytes, int), value=bytes)
"""(user's identity, place below ROOMS_MAX) → identity of the room that it vouched for there."""
VOUCHED = roster.map("vouched", key=bytes, value=(bytes, int))
"""Room's identity → (identity of the user that vouched for it, place). Admits while the room stands
at that place of ROOMS; stays when it does not, for its sessions go on and are charged."""
WORDS = roster.map("words", key=bytes, value=(int, int, int))
"""User's identity → (how often it vouched, epoch of its last word, words in that epoch)."""
USAGE = roster.map("usage", key=bytes, value=(int, int))
"""Identity → (entries, bytes) that its transactions added to the state of programs."""

BY_VOTE = b""
USERS_MAX = 1 << 20
"""On the roster, by vote and brought."""
MANY_MAX = 1_000
ROOMS_MAX = 16
"""Rooms that one user may have admitted at a time; the next takes the place of the oldest."""
WORDS_MAX = 240
"""Rooms that one user may vouch for in an epoch: with those before it, 256 identities."""
ROOMS_SHARE = ROOMS_MAX + WORDS_MAX
"""A room may open one in so many of the sessions that an identity may."""
WORD_BYTES = 256
"""Charged for a word, besides an entry: what it takes up in VOUCHED, ROOMS and WORDS."""
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
    if _is_named(context, room) or voucher_of(vouched, rooms, room) == own:
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
    """The caller's own standing: what its transactions added to the state, and what they may; of a
    room, that of who vouched for it."""
    payer = payer_of(context)
    entries, size = context.map(USAGE).get(payer) or (0, 0)
    entries_max, bytes_max = quota_of(context, payer)
    return {
        "member": context.identity in context.members,
        "watches": context.identity in context.watchers,
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
    """Count what the caller adds to the state for good; of a room, for who vouched for it.

    Raises:
        ProgramError: ``quota``: it would be more than it may.
    """
    usage, payer = context.map(USAGE), payer_of(context)
    had = usage.get(payer) or (0, 0)
    now = (had[0] + entries, had[1] + size)
    entries_max, bytes_max = quota_of(context, payer)
    if now[0] > entries_max:
        raise ProgramError(
            "quota", f"you may add {entries_max} entries to the state: ask members for more"
        )
    if now[1] > bytes_max:
        raise ProgramError(
            "quota", f"you may add {bytes_max} bytes to the state: ask members for more"
        )
    usage.put(payer, now)


def quota_of(context: Context, payer: bytes) -> tuple[int, int]:
    """(entries, bytes) that this identity may add."""
    kind = "member" if payer in context.members else "user"
    return context.limits[f"entries_per_{kind}"], context.limits[f"bytes_per_{kind}"]


def payer_of(context: Context) -> bytes:
    """Who is charged for the caller: who vouched for it when nothing else admits it, also when
    that word admits it no longer; else itself."""
    identity = context.identity
    link = context.map(VOUCHED).get(identity)
    return identity if link is None or _needs_no_word(context, identity) else link[0]


def on_roster(users: OrderedMap[bytes, bytes], members: Set[bytes], identity: bytes) -> bool:
    """Is this a member, or a user by vote or by the word of one who is still a member?"""
    if identity in members:
        return True
    word = users.get(identity)
    return word is not None and (word == BY_VOTE or word in members)


def voucher_of(
    vouched: OrderedMap[bytes, tuple[bytes, int]],
    rooms: OrderedMap[tuple[bytes, int], bytes],
    room: bytes,
) -> bytes | None:
    """Who vouches for this room now, on the roster or not."""
    link = vouched.get(room)
    return link[0] if link is not None and rooms.get(link) == room else None


def _needs_no_word(context: Context, identity: bytes) -> bool:
    """Is it admitted without anybody's vouching?"""
    return bool(context.limits["open_admission"]) or _is_named(context, identity)


def _is_named(context: Context, identity: bytes) -> bool:
    """Does it have a role, or stand on the roster? A room whom anybody's admission lets in is not
    named: whoever vouches for it says where it is (regions.py)."""
    context.spend(len(context.roles) // 16)
    return (
        identity in context.watchers
        or any(identity == holder for _, _, holder in context.roles)
        or on_roster(context.map(USERS), context.members, identity)
    )


def _check_member(context: Context, users: list[Identity]) -> None:
    if context.identity not in context.members:
        raise ProgramError("not a member", "only a member may bring users, and take back its own")
    if not 1 <= len(users) <= MANY_MAX:
        raise ProgramError("users", f"name 1 to {MANY_MAX} users at a time")
