"""Users on the roster by the members' vote (enclave/programs/roster.py has the maps)."""

from collections.abc import Sequence

from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.roster import (
    BROUGHT,
    BY_VOTE,
    ROOMS,
    TOTAL,
    USERS,
    USERS_MAX,
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
        tables.maps.delete(USERS, user)
        total -= 1
    tables.maps.put(BROUGHT, TOTAL, total)


def _forget(tables: Tables, bringer: bytes) -> None:
    tables.maps.put(BROUGHT, bringer, max(0, (tables.maps.get(BROUGHT, bringer) or 0) - 1))
