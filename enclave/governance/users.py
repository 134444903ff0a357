"""Users on the roster by the members' vote, and issuers whose tokens admit
(enclave/programs/roster_tables.py has the maps)."""

from collections.abc import Sequence

from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.roster_tables import (
    ADMITTING,
    BROUGHT,
    BY_VOTE,
    ROOMS,
    TOTAL,
    USERS,
    USERS_MAX,
    VOTED,
    VOUCHED,
)


def add_users(tables: Tables, users: Sequence[bytes]) -> None:
    """Admit these; whom a member brought stays when that member goes, and whom a user vouched for
    needs that word no more. A full roster takes no further one."""
    total = tables.maps.get(BROUGHT, TOTAL) or 0
    for user in users:
        bringer = tables.maps.get(USERS, user)
        if bringer is None:
            if total >= USERS_MAX:
                break
            total += 1
        elif bringer != BY_VOTE:
            _forget(tables, bringer)
        if bringer != BY_VOTE:
            _count_voted(tables, 1)
        tables.maps.put(USERS, user, BY_VOTE)
        tables.maps.delete(VOUCHED, user)
    tables.maps.put(BROUGHT, TOTAL, total)


def remove_users(tables: Tables, users: Sequence[bytes]) -> None:
    """Take these off, whoever brought or vouched for them: they open no further session, nor do the
    rooms that they vouched for. A member may bring them again."""
    total = tables.maps.get(BROUGHT, TOTAL) or 0
    for user in users:
        place = tables.maps.get(VOUCHED, user)
        if place is not None and tables.maps.get(ROOMS, place) == user:
            tables.maps.put(ROOMS, place, b"")  # the link stays: open sessions are charged by it
        bringer = tables.maps.get(USERS, user)
        if bringer is None:
            continue
        if bringer != BY_VOTE:
            _forget(tables, bringer)
        else:
            _count_voted(tables, -1)
        tables.maps.delete(USERS, user)
        total -= 1
    tables.maps.put(BROUGHT, TOTAL, total)


def voted(tables: Tables) -> int:
    """How many users stand on the roster by vote: ballots name them in public."""
    return tables.maps.get(BROUGHT, VOTED) or 0


def admitting(tables: Tables) -> tuple[str, ...]:
    """Issuers whose tokens admit, in order."""
    return tuple(issuer for issuer, _ in tables.maps.items(ADMITTING))


def admit_issuer(tables: Tables, issuer: str) -> None:
    """From now on who holds a good token of this issuer may open sessions.

    Raises:
        ProgramError: ``no-change``.
    """
    if tables.maps.get(ADMITTING, issuer) is not None:
        refuse(Ground.NO_CHANGE, "its tokens admit already")
    tables.maps.put(ADMITTING, issuer, True)


def dismiss_issuer(tables: Tables, issuer: str) -> None:
    """Its tokens open no further session.

    Raises:
        ProgramError: ``no-change``: they did not.
    """
    if tables.maps.get(ADMITTING, issuer) is None:
        refuse(Ground.NO_CHANGE, "its tokens admit nobody")
    forget_issuer(tables, issuer)


def forget_issuer(tables: Tables, issuer: str) -> None:
    """The same when members remove it, whether or not its tokens admitted."""
    tables.maps.delete(ADMITTING, issuer)


def _count_voted(tables: Tables, more: int) -> None:
    tables.maps.put(BROUGHT, VOTED, max(0, voted(tables) + more))


def _forget(tables: Tables, bringer: bytes) -> None:
    tables.maps.put(BROUGHT, bringer, max(0, (tables.maps.get(BROUGHT, bringer) or 0) - 1))
