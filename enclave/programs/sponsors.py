"""Who answers for whom: on whose word an identity may speak, and on whose account its sessions and
what it adds to the state are counted (T11).

Owns that decision, the same for an opening, a charge and what a user is shown. A sponsor is a
member, for the users whom it brought, or an issuer, for those whom its tokens admit: all of them
together may do no more than a sponsor's quota, so none takes the service from the others by
admitting many. Tokens count by the person whom they name, whatever keys he makes. Who may open a
session at all: enclave/sessions/session_admission.py.
"""

from typing import NamedTuple

from strongroom.consensus import codec, labels
from strongroom.enclave.programs.framework import Bearer, Context, ProgramError
from strongroom.enclave.programs.roster_tables import (
    ADMITTING,
    BEARERS,
    OPENED,
    ROOMS,
    ROOMS_SHARE,
    SPONSORED,
    USAGE,
    USERS,
    VOUCHED,
    on_roster,
    voucher_of,
)

BEARER_BYTES = 1_024
"""Charged for a further key of a person with tokens, besides an entry: what it takes up in BEARERS,
OPENED and USAGE, and in the program that judges tokens."""


class Way(NamedTuple):
    """On whose word an identity may open sessions now, and how many in an epoch."""

    by: str
    """open, role, member, watcher, vote, brought, token or room."""
    sessions_max: int
    sponsor: bytes | None = None
    """Whose sessions they count among, too."""
    person: bytes | None = None
    """Of tokens: on whose account."""
    until_ms: int | None = None
    """Of tokens: no further session from then on."""


def way_of(context: Context, identity: bytes, *, has_role: bool) -> Way | None:
    """How this identity is admitted at the context's block; None when it is not.

    All rooms that one user may vouch for in an epoch share what one identity may open.
    """
    most = context.limits["sessions_per_identity"]
    if context.limits["open_admission"]:
        return Way("open", most)
    if has_role:
        return Way("role", most)
    if identity in context.watchers:
        return Way("watcher", most)
    users, members = context.map(USERS), context.members
    if on_roster(users, members, identity):
        word = None if identity in members else users.get(identity)
        by = "member" if identity in members else "brought" if word else "vote"
        return Way(by, most, word or None)
    bearer = bearer_of(context, identity)
    if bearer is not None:
        person, sponsor = accounts_of(bearer)
        return Way("token", most, sponsor, person, bearer.until_ms)
    voucher = voucher_of(context.map(VOUCHED), context.map(ROOMS), identity)
    if voucher is None or not on_roster(users, members, voucher):
        return None
    word = None if voucher in members else users.get(voucher)
    return Way("room", max(1, most // ROOMS_SHARE), word or None)


def bearer_of(context: Context, identity: bytes) -> Bearer | None:
    """Who holds a token that is good at the context's block, of an issuer that members marked."""
    admitting = context.map(ADMITTING)
    if context.bearing is None or not admitting.count:
        return None
    found = context.bearing.standing(context, identity)
    if found is None or context.time_ms >= found.until_ms or not admitting.get(found.issuer):
        return None
    return found


def accounts_of(bearer: Bearer) -> tuple[bytes, bytes]:
    """(person, sponsor): digests, which no identity has."""
    return _account(bearer.issuer, bearer.subject), issuer_account(bearer.issuer)


def issuer_account(issuer: str) -> bytes:
    """The sponsor that an issuer is."""
    return _account(issuer, b"")


def needs_no_word(context: Context, identity: bytes) -> bool:
    """Is it admitted without anybody's vouching?"""
    return bool(context.limits["open_admission"]) or is_named(context, identity)


def is_named(context: Context, identity: bytes) -> bool:
    """Does it have a role or a good token, or stand on the roster? A room whom anybody's admission
    lets in is not named: whoever vouches for it says where it is (regions.py)."""
    context.spend(len(context.roles) // 16)
    return (
        identity in context.watchers
        or any(identity == holder for _, _, holder in context.roles)
        or on_roster(context.map(USERS), context.members, identity)
        or bearer_of(context, identity) is not None
    )


# --- sessions -------------------------------------------------------------------------------------


def opened_in(context: Context, account: bytes) -> int:
    """Sessions that were opened on this account in the block's epoch."""
    epoch, opened = context.map(OPENED).get(account) or (0, 0)
    return opened if epoch == context.epoch else 0


def is_spent(context: Context, way: Way) -> bool:
    """Were as many sessions opened on its accounts in this epoch as may be?"""
    of_all = context.limits["sessions_per_sponsor"]
    return (way.sponsor is not None and opened_in(context, way.sponsor) >= of_all) or (
        way.person is not None and opened_in(context, way.person) >= way.sessions_max
    )


def count_opening(context: Context, identity: bytes, way: Way) -> None:
    """A session is opened: on whose account is written down.

    Raises:
        ProgramError: ``quota``: a person's, or its issuer's, has no room for a further key.
    """
    for account in (way.sponsor, way.person):
        if account is not None:
            opened = opened_in(context, account) + 1
            context.map(OPENED).put(account, (context.epoch, opened))
    if way.person is None or way.sponsor is None:
        return
    accounts = (way.person, way.sponsor)
    if context.map(BEARERS).get(identity) != accounts:
        context.map(BEARERS).put(identity, accounts)
        _charge_to(context, *accounts, 1, BEARER_BYTES)


# --- state ----------------------------------------------------------------------------------------


def charge(context: Context, entries: int, size: int) -> None:
    """Count what the caller adds to the state for good: for who pays for it, and his sponsor.

    Raises:
        ProgramError: ``quota``: it would be more than he, or all of his sponsor's, may.
    """
    _charge_to(context, *charged(context), entries, size)


def quota_of(context: Context, payer: bytes) -> tuple[int, int]:
    """(entries, bytes) that this payer may add."""
    kind = "member" if payer in context.members else "user"
    return context.limits[f"entries_per_{kind}"], context.limits[f"bytes_per_{kind}"]


def payer_of(context: Context) -> bytes:
    """Who is charged for the caller."""
    return charged(context)[0]


def charged(context: Context) -> tuple[bytes, bytes | None]:
    """(payer, his sponsor or None) for the caller.

    Of a room who vouched for it when nothing else admits it, also when that word admits it no
    longer; of a key that spoke by tokens the person whom they named, also when they have lapsed.
    """
    identity = context.identity
    link = context.map(VOUCHED).get(identity)
    if link is not None and not needs_no_word(context, identity):
        identity = link[0]
    if identity in context.members:
        return identity, None
    word = context.map(USERS).get(identity)
    if word is not None:
        return identity, word or None
    return context.map(BEARERS).get(identity) or (identity, None)


def _charge_to(
    context: Context, payer: bytes, sponsor: bytes | None, entries: int, size: int
) -> None:
    usage = context.map(USAGE)
    had = usage.get(payer) or (0, 0)
    now = (had[0] + entries, had[1] + size)
    _check(now, quota_of(context, payer), "you")
    usage.put(payer, now)
    if sponsor is None:
        return
    together = context.map(SPONSORED)
    had = together.get(sponsor) or (0, 0)
    now = (had[0] + entries, had[1] + size)
    limits = context.limits
    _check(now, (limits["entries_per_sponsor"], limits["bytes_per_sponsor"]), "your sponsor's")
    together.put(sponsor, now)


def _check(now: tuple[int, int], most: tuple[int, int], who: str) -> None:
    for amount, bound, what in zip(now, most, ("entries", "bytes"), strict=True):
        if amount > bound:
            raise ProgramError(
                "quota", f"{who} may add {bound} {what} to the state: ask members for more"
            )


def _account(issuer: str, subject: bytes) -> bytes:
    return labels.labelled_digest(labels.TOKEN_ACCOUNT, codec.encode((issuer, subject)))
