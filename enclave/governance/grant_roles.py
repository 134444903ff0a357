"""Roles of programs for a limited time: given by a `begin`, ended by block time, by `finish` or by
a revocation.

Owns their table. What a caller may do with such a role, and that its reads are transactions, is
enforced where roles are asked for (programs/framework.py, programs/runner.py).
"""

from dataclasses import replace

from strongroom.enclave.governance.action_context import ActionContext
from strongroom.enclave.governance.grant_records import Begun, Grant, GrantStatus, read_role
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.grants import HELD_ROLES

HELD_ROLES_MAX = 1_024


def give_role(context: ActionContext, id: str, role: tuple[str, str], until_ms: int) -> None:
    """The asker has the role until then.

    Raises:
        ProgramError: it holds it by another grant, or too many are held.
    """
    maps, key = context.tables.maps, (digest(context.signer), *role)
    if maps.get(HELD_ROLES, key) is not None:
        refuse(Ground.TWICE, "this role is held by another grant: finish that first")
    if len(maps.items(HELD_ROLES)) >= HELD_ROLES_MAX:
        refuse(Ground.FULL, f"{HELD_ROLES_MAX} roles are held by grants: let some end")
    maps.put(HELD_ROLES, key, (until_ms, id, 0, 0))


def take_role(tables: Tables, grant: Grant, begun: Begun) -> Grant:
    """The role of a `begin` ends, if it is one and still held; the grant, which knows its uses."""
    role = read_role(begun.operation)
    if role is None:
        return grant
    key = (digest(grant.asker), *role)
    held = tables.maps.get(HELD_ROLES, key)
    if held is None or held[1] != grant.id:
        return grant
    tables.maps.delete(HELD_ROLES, key)
    return grant.with_begun(replace(begun, uses=held[2]))


def closed(tables: Tables, grant: Grant, status: GrantStatus, now_ms: int) -> Grant:
    """The grant, over from now on, with all roles that were begun under it."""
    for begun in grant.begins:
        grant = take_role(tables, grant, begun)
    return replace(grant, status=str(status), closed_ms=now_ms)


def uses_of(tables: Tables, grant: Grant, begun: Begun) -> int:
    """How many transactions needed a role, so far."""
    role = read_role(begun.operation)
    held = role and tables.maps.get(HELD_ROLES, (digest(grant.asker), *role))
    return held[2] if held and held[1] == grant.id else begun.uses


def holders(tables: Tables) -> frozenset[tuple[str, str, bytes]]:
    """(program, role, identity) of all who hold one: they may open sessions."""
    return frozenset(
        (program, role, identity) for (identity, program, role), _ in tables.maps.items(HELD_ROLES)
    )
