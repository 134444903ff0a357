"""Who may keep how many secrets, so that nobody takes the places of all (T11).

Owns the counts by payer and by group. A group is a member with the users whom it brought; all
others (by the members' vote, by a role, where anybody may call) are one more. Groups have equal
shares that never add up to more than there is, so none can fill another's. Within a group nobody
keeps more than a part of what he leaves to the rest of it, so that a few who take all they can get
leave the next one a place. Counted when a secret is put; a block costs nothing.
"""

from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.roster import USERS, payer_of
from strongroom.enclave.programs.state import SCAN_MAX
from strongroom.enclave.programs.vault.tables import GROUPS, SHARES, count, key_of

BOXES_MAX = 8192
"""Of all keys: what the first block of an epoch carries on."""
PART_OF_REST = 4
"""A payer may keep one in so many of the places that its group has left."""
OTHERS = b""
"""The group of those whom no member brought."""


def who_keeps(context: Context) -> tuple[bytes, bytes]:
    """(payer, group) for what the caller makes: of a room, those of who vouched for it."""
    payer, members = payer_of(context), context.members
    bringer = payer if payer in members else context.map(USERS).get(payer)
    return payer, bringer if bringer in members and bringer is not None else OTHERS


def take(context: Context, number: int) -> None:
    """One more secret of a key is to stand.

    Raises:
        ProgramError: ``full``: as many are kept as its payer, its group or all together may.
    """
    key = key_of(context, number)
    mine = context.map(SHARES).get(key.payer) or 0
    left = _share(context) - (context.map(GROUPS).get(key.group) or 0)
    if left <= 0:
        raise ProgramError("full", "your member's share of secrets is kept: destroy some, ask it")
    most = min(context.limits["secrets_per_user"], max(1, left // PART_OF_REST))
    if mine >= most:
        raise ProgramError("full", f"you may keep {most} secrets now: destroy some first")
    if count(context, "boxes", 1) > BOXES_MAX:
        raise ProgramError("full", f"{BOXES_MAX} secrets are kept here: ask members")
    _move(context, key.payer, key.group, 1)


def give_back(context: Context, number: int) -> None:
    """One secret of a key stands no more."""
    key = key_of(context, number)
    count(context, "boxes", -1)
    _move(context, key.payer, key.group, -1)


def _share(context: Context) -> int:
    """What one group may keep: each as much, beside what groups of former members keep still."""
    groups = context.map(GROUPS).scan(limit=SCAN_MAX)
    former: int = sum(kept for group, kept in groups if group and group not in context.members)
    fair = max(0, BOXES_MAX - former) // (len(context.members) + 1)
    most: int = context.limits["secrets_per_member"]
    return min(most, fair)


def _move(context: Context, payer: bytes, group: bytes, more: int) -> None:
    for schema, whose in ((SHARES, payer), (GROUPS, group)):
        table = context.map(schema)
        now = (table.get(whose) or 0) + more
        if now > 0:
            table.put(whose, now)
        else:
            table.delete(whose)
