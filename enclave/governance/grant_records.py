"""Privileged access as frozen values: what was asked, who agreed, what was begun, and how each lies
in the state.

Owns the shapes, names and bounds of grants. Who may say what is grants.py's, what time brings about
grant_time.py's.
"""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.types import ChainId, Digest, PublicKey
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.grants import GRANTS

_HOUR_MS = 3_600_000
GRANT_ID_SIZE = 16
"""Bytes; written as 32 characters of hex."""
REASON_CHARACTERS_MIN, REASON_CHARACTERS_MAX = 20, 256
GRANT_OPERATIONS_MAX = 8
GRANT_NODES_MAX = 16
GRANT_BEGINS_MAX = 32
"""Operations at nodes, each at each, and roles: so many records may a grant come to hold."""
CLAIM_MS_MAX = 7 * 24 * _HOUR_MS
"""How far ahead of its block an ask may put its claim-by."""
GRANT_MS_MIN, GRANT_MS_MAX = 1_000, 24 * _HOUR_MS
"""How long a grant may last, from its first `begin` on."""
EMERGENCY_MS_MAX = _HOUR_MS
"""... one of kind emergency."""
REPORT_MS = _HOUR_MS
"""Within which a `begin` must be finished, else it is the event `unreported`."""
REVIEW_MS = 72 * _HOUR_MS
"""Within which a used emergency must be reviewed, else nobody may ask further."""
OUTCOME_CHARACTERS_MAX = 128


class GrantKind(StrEnum):
    """How it comes to its approvals."""

    PLANNED = "planned"
    EMERGENCY = "emergency"


class GrantStatus(StrEnum):
    """Where a grant stands."""

    ASKED = "asked"
    APPROVED = "approved"
    DENIED = "denied"
    REVOKED = "revoked"
    LAPSED = "lapsed"
    """Nobody began anything before its claim-by."""
    ENDED = "ended"
    """Its time is over."""

    @property
    def alive(self) -> bool:
        """May something still be begun under it?"""
        return self in (GrantStatus.ASKED, GrantStatus.APPROVED)


class Act(StrEnum):
    """What may be asked for; a role is written `role:PROGRAM:ROLE`."""

    UPGRADE = "upgrade"
    """A node comes in, or attests again, with other code."""
    RESTART = "restart"
    """A node's enclave starts again with the same code."""
    DIAGNOSTICS = "diagnostics"
    """Counts of an enclave, sealed to the asker."""
    ROLE = "role"
    """A role of a program, for the asker's own identity."""


ACTS_OF_NODES = (Act.UPGRADE, Act.RESTART, Act.DIAGNOSTICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """One `begin`: one operation, once."""

    operation: str
    node: str
    """Name of the node; "" for a role."""
    parameters: bytes
    """Digest of the very parameters."""
    begun_ms: int
    report_by_ms: int
    """From here on it is `unreported` while it is not finished."""
    acted_ms: int = 0
    """Block time of the act; 0 before it."""
    result: bytes = b""
    """Digest of what the act gave, where it gave something."""
    finished_ms: int = 0
    outcome: str = ""
    outcome_digest: bytes = b""
    unreported: bool = False
    uses: int = 0
    """Of a role: transactions that needed it, once it has ended."""


Word = tuple[PublicKey, int]
"""(member's key, block time at which it said so)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One ask, and all that was said about it."""

    id: str
    digest: bytes
    """What an approver, denier or reviewer names: see `ask_digest`."""
    asker: bytes
    """Ed25519 key."""
    operator: str
    """For whom the asker acted when it asked."""
    operations: tuple[str, ...]
    nodes: tuple[str, ...]
    reason: str
    claim_by_ms: int
    duration_ms: int
    kind: str
    asked_ms: int
    needed: int
    """Approvals, denials, revocations that decide, as governed when it was asked; approvals: more,
    if members ask for more since then."""
    reviews_needed: int
    """Fewer than when it was asked, if members ask for fewer since then."""
    status: str = str(GrantStatus.ASKED)
    decided_ms: int = 0
    until_ms: int = 0
    """When it ends; 0 before the first `begin`."""
    closed_ms: int = 0
    """When it was denied, revoked, or its time was over; 0 before."""
    approvals: tuple[Word, ...] = ()
    denials: tuple[Word, ...] = ()
    revocations: tuple[Word, ...] = ()
    reviews: tuple[Word, ...] = ()
    begins: tuple[Begun, ...] = ()
    review_due: bool = False
    """The event was raised: it was not reviewed in time."""

    @property
    def alive(self) -> bool:
        """May something still be begun under it, as far as its status says?"""
        return GrantStatus(self.status).alive

    @property
    def emergency(self) -> bool:
        """Is it of that kind?"""
        return self.kind == GrantKind.EMERGENCY

    @property
    def reviewed(self) -> bool:
        """Have enough members looked at it?"""
        return len(self.reviews) >= self.reviews_needed

    @property
    def awaits_review(self) -> bool:
        """Is it an emergency that was used, and is not reviewed?"""
        return self.emergency and bool(self.begins) and not self.reviewed

    @property
    def review_by_ms(self) -> int:
        """Until when it must be reviewed; 0 when nothing was begun, or it is no emergency."""
        return self.begins[0].begun_ms + REVIEW_MS if self.emergency and self.begins else 0

    @property
    def open_begins(self) -> tuple[Begun, ...]:
        """Those that are neither finished nor `unreported`."""
        return tuple(one for one in self.begins if not one.finished_ms and not one.unreported)

    def begun(self, operation: str, node: str) -> Begun | None:
        """What was begun of this operation at this node."""
        return next((b for b in self.begins if (b.operation, b.node) == (operation, node)), None)

    def with_begun(self, changed: Begun) -> "Grant":
        """The same with another word about one `begin`."""
        place = (changed.operation, changed.node)
        return replace(
            self,
            begins=tuple(
                changed if (one.operation, one.node) == place else one for one in self.begins
            ),
        )


_GRANT_FIELDS = tuple(field.name for field in fields(Grant) if field.name != "id")
_BEGUN_FIELDS = tuple(field.name for field in fields(Begun))


def grant_id(asker: bytes, payload: bytes) -> str:
    """The id of a grant: the first 16 bytes of SHA-256(asker ‖ payload of the ask), in hex."""
    return digest(asker + payload)[:GRANT_ID_SIZE].hex()


def ask_digest(asker: bytes, asked: tuple[Any, ...]) -> Digest:
    """What members say yes or no to: labelled SHA-256 over the asker's key and every field of the
    ask but its nonce."""
    return labels.labelled_digest(labels.GRANT, codec.encode((asker, *asked)))


def parameters_digest(operation: str, node: str, parameters: tuple[Any, ...]) -> Digest:
    """What a `begin` names: labelled SHA-256 over operation, node and the very parameters.

    upgrade      (measurement, 48 bytes)
    diagnostics  (hybrid public key to which they are sealed, 1216 bytes)
    restart, role:…  ()
    """
    return labels.labelled_digest(
        labels.GRANT_PARAMETERS, codec.encode((operation, node, parameters))
    )


def diagnostics_info(chain: ChainId, grant_id: str) -> bytes:
    """What sealed diagnostics are bound to: label, chain, grant."""
    return labels.bound(labels.DIAGNOSTICS, chain, grant_id.encode())


def read_role(operation: str) -> tuple[str, str] | None:
    """(program, role) of `role:PROGRAM:ROLE`; None for any other operation."""
    head, _, rest = operation.partition(":")
    program, colon, role = rest.partition(":")
    return (program, role) if head == Act.ROLE and colon and program and role else None


def write_grant(tables: Tables, grant: Grant) -> None:
    """Enter a grant, or what is new of it."""
    record = {name: getattr(grant, name) for name in _GRANT_FIELDS}
    record["begins"] = tuple(
        tuple(getattr(one, name) for name in _BEGUN_FIELDS) for one in grant.begins
    )
    tables.maps.put(GRANTS, grant.id, codec.encode(tuple(record.values())))


def read_grant(tables: Tables, id: str) -> Grant | None:
    """A grant that is still known."""
    encoded = tables.maps.get(GRANTS, id)
    return None if encoded is None else _decoded(id, encoded)


def read_grants(tables: Tables) -> tuple[Grant, ...]:
    """All that are known, oldest first."""
    found = (_decoded(id, encoded) for id, encoded in tables.maps.items(GRANTS))
    return tuple(sorted(found, key=lambda one: (one.asked_ms, one.id)))


@lru_cache(maxsize=512)
def _decoded(id: str, encoded: bytes) -> Grant:
    """Read once, not at each block: it cannot change."""
    record = dict(zip(_GRANT_FIELDS, codec.decode(encoded), strict=True))
    record["begins"] = tuple(
        Begun(**dict(zip(_BEGUN_FIELDS, one, strict=True))) for one in record["begins"]
    )
    return Grant(id=id, **record)
