"""A split key's data key is put in another's place, under the same two halves: what a room imported
and wrapped anew at once (VAULT §4).

Owns this one step of an owner. Neither half changes, so nobody but a room that held both can have
made what opens.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.events import record
from strongroom.enclave.programs.vault.keys import check_beside, own, version_named
from strongroom.enclave.programs.vault.tables import VERSIONS, vault, version_of


@vault.transaction
def rewrap(
    context: Context, *, key: Account, wrapped: bytes, digest: bytes = b""
) -> dict[str, Any]:
    """Put another wrapped key beside the ledger's half of a split key (NAME@VERSION, as the room
    said it)."""
    number, found = own(context, key)
    if settled(context, number)[1].custody != "split":
        raise ProgramError("rewrap", "only a split key has a wrapped key beside its half")
    check_beside(wrapped, digest)
    if not wrapped:
        raise ProgramError("wrapped", "the wrapped key is missing: give what the room said")
    version = version_named(context, key) or found.version
    known = version_of(context, number, version)
    if known is None or known.state != "active":
        raise ProgramError("rewrap", "the key's newest version takes it, while the key stands")
    context.map(VERSIONS).put(
        (number, version), tuple(known._replace(wrapped=wrapped, digest=digest))
    )
    record(context, number, "rewrap", amount=version)
    return {"version": version, "state": found.state}
