"""Privileged access at nodes as the registry sees it: other code under a grant, starts that nobody
planned.

Owns what evidence of a node means for grants. What the ledger enforces: where members demand it
(limit `upgrade_grants`), no other code comes in without a `begin` that names it, once; and no grant
for a node that was removed is one for the next of its name. What it only observes: a restart.
"""

from dataclasses import replace

from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.governance.action_context import ActionContext, present
from strongroom.enclave.governance.grant_events import GrantEvent, note_event
from strongroom.enclave.governance.grant_records import (
    ACTS_OF_NODES,
    Act,
    Grant,
    GrantStatus,
    parameters_digest,
    read_grants,
    write_grant,
)
from strongroom.enclave.governance.grant_roles import closed
from strongroom.enclave.governance.grants import check_begun
from strongroom.enclave.governance.records import Node
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.programs.framework import ProgramError


def note_start(context: ActionContext, enclave: VerifiedEnclave, known: Node | None) -> None:
    """A node comes in (`known` is None) or attests again, and all else about it is in order.

    Raises:
        ProgramError: ``no-grant``: it is an upgrade, and no grant is begun for it.
    """
    changed = _is_other_code(context, enclave, known)
    granted = _act_by(context, Act.UPGRADE, enclave) if changed else ""
    if known is None:
        _leave_behind(context, enclave.claims.node, granted)
    if granted:
        return
    if changed and context.tables.limit("upgrade_grants"):
        refuse(
            Ground.NO_GRANT,
            "other code comes in under a grant only: admin begin upgrade of this node with it",
        )
    if known is None or enclave.claims.boot <= known.boot or _is_founding(enclave, known):
        return
    if not _act_by(context, Act.RESTART, enclave):
        words = f"boot {enclave.claims.boot} of a node of {enclave.operator}: nothing was begun"
        note_event(context, GrantEvent.UNPLANNED_START, enclave.claims.node, words)


def _leave_behind(context: ActionContext, name: str, granted: str) -> None:
    """A name comes in that a removed node had: what was asked for was asked for that one. But it
    may come in under an upgrade of several nodes, one after the other: that is used up for it, and
    goes on for the others."""
    if all(node.name != name for node in context.tables.nodes()):
        return
    for grant in read_grants(context.tables):
        upgrades = all(one == Act.UPGRADE for one in grant.operations if one in ACTS_OF_NODES)
        if grant.alive and name in grant.nodes and not (grant.id == granted and upgrades):
            over = closed(context.tables, grant, GrantStatus.ENDED, context.block.time_ms)
            write_grant(context.tables, over)


def _is_founding(enclave: VerifiedEnclave, known: Node) -> bool:
    """Is this the first start of a founder, whose keys were made in another process?"""
    return (known.attested_height, known.boot, enclave.claims.boot) == (0, 1, 2)


def _is_other_code(context: ActionContext, enclave: VerifiedEnclave, known: Node | None) -> bool:
    """Of a node that comes in: is there a validator that runs other code?"""
    if known is not None:
        return enclave.measurement != known.measurement
    current = context.view.epoch_record.description
    return any(
        node.measurement != enclave.measurement
        for node in context.tables.nodes()
        if current.index_of(node.node_key) is not None
    )


def _act_by(context: ActionContext, operation: Act, enclave: VerifiedEnclave) -> str:
    """Use up a `begin` that names this very thing; the id of its grant, "" if there was none."""
    node = enclave.claims.node
    parameters = (enclave.measurement,) if operation is Act.UPGRADE else ()
    named = parameters_digest(operation, node, parameters)
    for grant in read_grants(context.tables):
        if _may(context, grant, operation, node, named):
            begun = present(grant.begun(operation, node), "it was found a line before")
            changed = replace(begun, acted_ms=context.block.time_ms, result=named)
            write_grant(context.tables, grant.with_begun(changed))
            return grant.id
    return ""


def _may(context: ActionContext, grant: Grant, operation: str, node: str, named: bytes) -> bool:
    try:
        check_begun(context.view, context.block.time_ms, grant, (operation, node, named))
    except ProgramError:
        return False
    return True
