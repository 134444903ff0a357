"""Users on the roster by the members' vote (enclave/programs/roster.py has the maps)."""

from collections.abc import Sequence

from strongroom.enclave.governance.book import Tables
from strongroom.enclave.programs.roster import BROUGHT, BY_VOTE, TOTAL, USERS, USERS_MAX


def add_users(book: Tables, users: Sequence[bytes]) -> None:
    """Admit these; whom a member brought stays when that member goes. A full roster takes no
    further one."""
    total = book.get(BROUGHT, TOTAL) or 0
    for user in users:
        bringer = book.get(USERS, user)
        if bringer is None:
            if total >= USERS_MAX:
                break
            total += 1
        elif bringer != BY_VOTE:
            _forget(book, bringer)
        book.put(USERS, user, BY_VOTE)
    book.put(BROUGHT, TOTAL, total)


def remove_users(book: Tables, users: Sequence[bytes]) -> None:
    """Take these off, whoever brought them: they open no further session, and a member may bring
    them again."""
    total = book.get(BROUGHT, TOTAL) or 0
    for user in users:
        bringer = book.get(USERS, user)
        if bringer is None:
            continue
        if bringer != BY_VOTE:
            _forget(book, bringer)
        book.delete(USERS, user)
        total -= 1
    book.put(BROUGHT, TOTAL, total)


def _forget(book: Tables, bringer: bytes) -> None:
    book.put(BROUGHT, bringer, max(0, (book.get(BROUGHT, bringer) or 0) - 1))
