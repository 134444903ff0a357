"""Asking for privileged access: what an ask may say, and how many may stand.

Owns the bounds of an ask and why none can be replayed: its id is remembered until its claim-by is
over, and after that the claim-by refuses it.
"""

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.governance.action_context import ActionContext, checked_size
from strongroom.enclave.governance.affiliations import affiliations, operator_of
from strongroom.enclave.governance.grant_records import (
    ACTS_OF_NODES,
    CLAIM_MS_MAX,
    EMERGENCY_MS_MAX,
    GRANT_BEGINS_MAX,
    GRANT_MS_MAX,
    GRANT_MS_MIN,
    GRANT_NODES_MAX,
    GRANT_OPERATIONS_MAX,
    REASON_CHARACTERS_MAX,
    REASON_CHARACTERS_MIN,
    Grant,
    GrantKind,
    ask_digest,
    grant_id,
    read_grants,
    read_role,
    write_grant,
)
from strongroom.enclave.governance.grant_rules import eligible
from strongroom.enclave.governance.public import PROPOSAL_NONCE_SIZE
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.text import is_line

GRANTS_MAX = 256
"""Grants that are known, of all askers."""
GRANTS_OF_ASKER_MAX = 16
"""Of one asker that are alive, or whose ask could be replayed; fewer when many may ask."""


def ask(context: ActionContext) -> tuple[str, str]:
    """Ask for privileged access; (id, status).

    Raises:
        ProgramError: nobody has said for whom the signer acts, the ask is not one, it was asked
            before, too many stand, too few could approve it, or an emergency awaits its review.
    """
    nonce, operations, nodes, reason, claim_by_ms, duration_ms, kind = context.fields
    tables, signer, now_ms = context.tables, context.signer, context.block.time_ms
    operator = operator_of(tables, signer)
    if operator is None:
        refuse(
            Ground.UNKNOWN_OPERATOR,
            "for which operator does this key act? Members say so: set_affiliation",
        )
    checked_size(nonce, PROPOSAL_NONCE_SIZE, name="nonce")
    _check_named(operations, nodes)
    _check_words(reason, kind)
    _check_times(now_ms, claim_by_ms, duration_ms, kind)
    id = grant_id(signer, context.transaction.payload)
    known = read_grants(tables)
    if any(one.id == id for one in known):
        refuse(Ground.TWICE, "this was asked before: ask with a new nonce")
    if any(one.awaits_review and now_ms >= one.review_by_ms for one in known):
        refuse(Ground.REVIEW_DUE, "a used emergency awaits its review: admin review it first")
    _check_room(context, known)
    needed = tables.limit("grant_approvals")
    emergency = kind == GrantKind.EMERGENCY
    enough = 1 if emergency else needed
    # Whoever approves an emergency does not review it, and nobody asks before it is reviewed.
    deciding = enough + needed if emergency else enough
    if eligible(context.view, signer, operator) < deciding:
        refuse(
            Ground.NOT_APPROVED,
            f"fewer than {deciding} members are known to act for other operators: set_affiliation",
        )
    grant = Grant(
        id=id,
        digest=ask_digest(signer, context.fields[1:]),
        asker=signer,
        operator=operator,
        operations=operations,
        nodes=nodes,
        reason=reason,
        claim_by_ms=claim_by_ms,
        duration_ms=duration_ms,
        kind=kind,
        asked_ms=now_ms,
        needed=enough,
        reviews_needed=needed,
    )
    write_grant(tables, grant)
    return id, grant.status


def _check_named(operations: tuple[object, ...], nodes: tuple[object, ...]) -> None:
    if not 1 <= len(operations) <= GRANT_OPERATIONS_MAX or len(nodes) > GRANT_NODES_MAX:
        refuse(
            Ground.MALFORMED,
            f"1 to {GRANT_OPERATIONS_MAX} operations at no more than {GRANT_NODES_MAX} nodes",
        )
    for name in (*operations, *nodes):
        try:
            checked_name(name, name="name")
        except NotCanonical:
            refuse(Ground.MALFORMED, "operations and nodes are names of 1..64 bytes, no spaces")
    for one in operations:
        if one not in ACTS_OF_NODES and read_role(str(one)) is None:
            refuse(
                Ground.MALFORMED,
                f"an operation is {', '.join(ACTS_OF_NODES)} or role:PROGRAM:ROLE",
            )
    if len(set(operations)) < len(operations) or len(set(nodes)) < len(nodes):
        refuse(Ground.MALFORMED, "name each operation and each node once")
    at_nodes = sum(one in ACTS_OF_NODES for one in operations)
    if at_nodes * len(nodes) + len(operations) - at_nodes > GRANT_BEGINS_MAX:
        refuse(Ground.MALFORMED, f"a grant is for {GRANT_BEGINS_MAX} acts at most: ask for two")
    if bool(at_nodes) != bool(nodes):
        refuse(Ground.MALFORMED, "name the nodes of operations at nodes, and none for roles alone")


def _check_words(reason: str, kind: str) -> None:
    size = len(reason)
    within = REASON_CHARACTERS_MIN <= size <= REASON_CHARACTERS_MAX
    if not within or not is_line(reason) or not _says_something(reason):
        refuse(
            Ground.MALFORMED,
            f"a reason is a line of {REASON_CHARACTERS_MIN} to {REASON_CHARACTERS_MAX} characters",
        )
    if kind not in tuple(GrantKind):
        refuse(Ground.MALFORMED, f"a kind is {' or '.join(GrantKind)}")


def _says_something(reason: str) -> bool:
    """Are there as many characters beside the spaces around it?"""
    return len(reason.strip(" ")) >= REASON_CHARACTERS_MIN


def _check_times(now_ms: int, claim_by_ms: int, duration_ms: int, kind: str) -> None:
    if claim_by_ms <= now_ms:
        refuse(Ground.EXPIRED, "the claim-by of this ask is over: ask with a later one")
    if claim_by_ms - now_ms > CLAIM_MS_MAX:
        refuse(Ground.MALFORMED, f"a claim-by is at most {CLAIM_MS_MAX} ms ahead")
    longest = EMERGENCY_MS_MAX if kind == GrantKind.EMERGENCY else GRANT_MS_MAX
    if not GRANT_MS_MIN <= duration_ms <= longest:
        refuse(Ground.MALFORMED, f"a grant of kind {kind} lasts {GRANT_MS_MIN} to {longest} ms")


def _check_room(context: ActionContext, known: tuple[Grant, ...]) -> None:
    tables, now_ms = context.tables, context.block.time_ms
    askers = len(affiliations(tables)) + len(tables.policy.operators)
    share = max(1, min(GRANTS_OF_ASKER_MAX, GRANTS_MAX // 2 // max(1, askers)))
    standing = sum(
        one.asker == context.signer
        and (one.alive or now_ms <= one.claim_by_ms or bool(one.open_begins) or one.awaits_review)
        for one in known
    )
    if standing >= share or len(known) >= GRANTS_MAX:
        refuse(
            Ground.FULL,
            f"{share} grants of one asker may stand: let their claim-by pass, finish and review",
        )
