"""Privileged access, as JSON-shaped documents: grants, events, and which alarms stand.

Pure functions of the enclave's public document (enclave/governance/grant_document.py).
"""

from typing import Any

from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.grant_document import BegunEntry, GrantEntry
from strongroom.node.rpc.backend import Document

START_ALARM_MS = 24 * 3_600_000
"""How long a start that nobody planned is an alarm, in block time; as an event it stays."""


def access_document(state: PublicState) -> Document:
    """All of it."""
    access, rules = state.access, state.member_rules()
    return {
        "grants": [grant_document(one) for one in access.grants],
        "events": [one._asdict() for one in access.events],
        "alarms": standing_alarms(state),
        "affiliations": [{"key": key, "operator": name} for key, name in access.affiliations],
        "regions": list(access.regions),
        "approvals_needed": rules.limit("grant_approvals"),
        "upgrades_need_grants": bool(rules.limit("upgrade_grants")),
    }


def grant_document(grant: GrantEntry) -> Document:
    """One grant, with every word about it."""
    words = {
        name: [{"member": who, "time_ms": at} for who, at in getattr(grant, name)]
        for name in ("approvals", "denials", "revocations", "reviews")
    }
    times = {
        name: getattr(grant, name) or None
        for name in ("decided_ms", "until_ms", "closed_ms", "review_by_ms")
    }
    return {
        **grant._asdict(),
        **words,
        **times,
        "operations": list(grant.operations),
        "nodes": list(grant.nodes),
        "begins": [_begun_document(one) for one in grant.begins],
    }


def standing_alarms(state: PublicState) -> list[dict[str, Any]]:
    """What somebody should look at now: {kind, subject, words}."""
    found: list[dict[str, Any]] = []

    def alarm(kind: str, subject: str, words: str) -> None:
        found.append({"kind": kind, "subject": subject, "words": words})

    for grant in state.access.grants:
        used = bool(grant.begins) and len(grant.reviews) < grant.reviews_needed
        if grant.kind == "emergency" and (grant.status == "approved" or used):
            alarm("emergency", grant.id, f"{grant.operator}: {grant.reason}")
        if grant.review_due and used:
            alarm("review-due", grant.id, "nobody may ask before enough members reviewed it")
        for one in grant.begins:
            if one.unreported and not one.finished_ms:
                place = f" at {one.node}" if one.node else ""
                alarm("unreported", grant.id, f"{one.operation}{place} was begun, never finished")
    for event in state.access.events:
        if event.kind == "unplanned-start" and state.time_ms - event.time_ms < START_ALARM_MS:
            alarm(event.kind, event.subject, event.words)
    return found


def _begun_document(begun: BegunEntry) -> Document:
    return {
        **begun._asdict(),
        "acted_ms": begun.acted_ms or None,
        "finished_ms": begun.finished_ms or None,
        "result": begun.result or None,
        "outcome": begun.outcome or None,
        "outcome_digest": begun.outcome_digest or None,
    }
