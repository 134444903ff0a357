"""Privileged access in the public document: grants, events, for whom keys act."""

from typing import Any, NamedTuple

from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.affiliations import affiliations
from strongroom.enclave.governance.grant_records import Begun, Grant, read_grants
from strongroom.enclave.governance.grant_roles import uses_of
from strongroom.enclave.programs.grants import ACCESS_EVENTS


class BegunEntry(NamedTuple):
    """One `begin`, as grant_records.Begun has it."""

    operation: str
    node: str
    parameters: bytes
    begun_ms: int
    report_by_ms: int
    acted_ms: int
    result: bytes
    finished_ms: int
    outcome: str
    outcome_digest: bytes
    unreported: bool
    uses: int
    """Of a role: transactions that needed it, so far."""


class GrantEntry(NamedTuple):
    """One grant. Words are (name of the member or key in hex, block time)."""

    id: str
    digest: bytes
    """What approvers, deniers and reviewers name."""
    asker: bytes
    operator: str
    operations: tuple[str, ...]
    nodes: tuple[str, ...]
    reason: str
    claim_by_ms: int
    duration_ms: int
    kind: str
    asked_ms: int
    needed: int
    reviews_needed: int
    status: str
    decided_ms: int
    until_ms: int
    closed_ms: int
    review_by_ms: int
    review_due: bool
    approvals: tuple[tuple[str, int], ...]
    denials: tuple[tuple[str, int], ...]
    revocations: tuple[tuple[str, int], ...]
    reviews: tuple[tuple[str, int], ...]
    begins: tuple[BegunEntry, ...]


class AccessEvent(NamedTuple):
    """One event, of the newest 256."""

    number: int
    kind: str
    """emergency, unplanned-start, unreported or review-due."""
    subject: str
    """Id of a grant, or name of a node."""
    words: str
    height: int
    time_ms: int


class AccessEntry(NamedTuple):
    """All that is public of privileged access."""

    grants: tuple[GrantEntry, ...]
    """Newest last."""
    events: tuple[AccessEvent, ...]
    """Newest last."""
    affiliations: tuple[tuple[bytes, str], ...]
    """(key, operator), by key: what members have said beside the policy."""
    regions: tuple[str, ...]
    """Where people must be who begin something; empty: there is no such rule."""

    @classmethod
    def read(cls, value: tuple[Any, ...]) -> "AccessEntry":
        """Name the fields of a decoded document."""
        grants, events, known, regions = value
        return cls(
            tuple(_read_grant(one) for one in grants),
            tuple(AccessEvent(*one) for one in events),
            known,
            regions,
        )


def build_access(view: GovernanceView) -> AccessEntry:
    """What a state says of it."""
    names = {bytes(key): name for name, key in view.tables.rules.members}
    return AccessEntry(
        grants=tuple(_entry(view, grant, names) for grant in read_grants(view.tables)),
        events=tuple(
            AccessEvent(number, *event) for number, event in view.tables.maps.items(ACCESS_EVENTS)
        ),
        affiliations=affiliations(view.tables),
        regions=view.tables.access_regions,
    )


def _entry(view: GovernanceView, grant: Grant, names: dict[bytes, str]) -> GrantEntry:
    shown: dict[str, Any] = {
        name: getattr(grant, name) for name in GrantEntry._fields if hasattr(grant, name)
    }
    for words in ("approvals", "denials", "revocations", "reviews"):
        shown[words] = tuple((names.get(key, key.hex()), at) for key, at in shown[words])
    shown["begins"] = tuple(_begun_entry(view, grant, one) for one in grant.begins)
    return GrantEntry(**shown)


def _begun_entry(view: GovernanceView, grant: Grant, begun: Begun) -> BegunEntry:
    shown = {name: getattr(begun, name) for name in BegunEntry._fields}
    return BegunEntry(**shown | {"uses": uses_of(view.tables, grant, begun)})


def _read_grant(value: tuple[Any, ...]) -> GrantEntry:
    entry = GrantEntry(*value)
    return entry._replace(begins=tuple(BegunEntry(*one) for one in entry.begins))
