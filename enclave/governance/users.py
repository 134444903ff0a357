"""Users on the roster by the members' vote (enclave/programs/roster.py has the maps)."""

from collections.abc import Sequence

from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.roster import BROUGHT, BY_VOTE, TOTAL, USERS, USERS_MAX


def add_users(tables: Tables, users: Sequence[bytes]) -> None:
    """Admit these; whom a member brought stays when that member goes. A full roster takes no
    further one."""
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
    tables.maps.put(BROUGHT, TOTAL, total)


def remove_users(tables: Tables, users: Sequence[bytes]) -> None:
    """Take these off, whoever brought them: they open no further session, and a member may bring
    them again."""
    total = tables.maps.get(BROUGHT, TOTAL) or 0
    for user in users:
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
