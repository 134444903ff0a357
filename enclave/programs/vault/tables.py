"""How keys, versions, leases and rooms lie in the state.

Owns the program object, its maps, and rows as named tuples. Knows no rule: who may do what is in
the files of the operations. Secrets stand in BOXES alone.
"""

from typing import NamedTuple

from strongroom.enclave.programs.framework import Context, Program

vault = Program("vault")

NUMBERS = vault.map("numbers", key=(bytes, str), value=int)
"""(owner, name) → key number, from 1."""
KEYS = vault.map(
    "keys", key=int, value=(bytes, str, str, int, int, int, int, bool, int, bytes, bytes)
)
"""Key number → Key."""
TERMS = vault.map("terms", key=int, value=(int, bytes))
"""Key number → (serial of its terms, Terms encoded)."""
PENDING = vault.map("pending", key=int, value=(bytes, int, bytes, bytes, int))
"""Key number → Pending: the one change that waits."""
CHANGES = vault.map("changes", key=bytes, value=int)
"""Id of the change that waits → key number."""
VERSIONS = vault.map("versions", key=(int, int), value=(str, bool, int, bytes, bytes))
"""(key number, version) → Version."""
BOXES = vault.map("boxes", key=(int, int), value=(int, bytes))
"""(key number, version) → (epoch, box of its secret): of what may be released still, no other."""
TOTALS = vault.map("totals", key=str, value=int)
"""`keys` and `boxes` → how many."""
SHARES = vault.map("shares", key=bytes, value=int)
"""Payer → how many boxes of its keys stand."""
GROUPS = vault.map("groups", key=bytes, value=int)
"""Group (shares.py) → the same."""
LEASES = vault.map("leases", key=bytes, value=(str, int, int, int, int, int, int, int))
"""Lease → Lease: what every beat changes."""
HOLDERS = vault.map(
    "holders", key=bytes, value=(int, int, bytes, bytes, str, int, int, int, int, bytes, bytes)
)
"""Lease → Holder: who has it, and what its newest evidence showed."""
SLOTS = vault.map("slots", key=(int, int), value=bytes)
"""(key number, place modulo LEASES_KEPT) → lease."""
LIVE = vault.map("live", key=(int, bytes), value=bytes)
"""(key number, chip) → the newest lease there."""
ROOMS = vault.map("rooms", key=(bytes, str), value=(int, bytes, int))
"""(machine, room) → Room."""
FREEZES = vault.map(
    "freezes",
    key=(int, str, bytes),
    value=(int, int, bytes, int, bytes, int, bytes, int, bytes),
)
"""(key number, room, machine) → Freeze."""
EVENTS = vault.map(
    "events", key=(int, int, int), value=(int, int, int, str, bytes, int, str, bytes)
)
"""(key number, ring, place in it) → Event; rings and logs: events.py."""
LOGS = vault.map("logs", key=(int, int), value=(int, bytes))
"""(key number, log) → (number of events, digest of the chain over them); (key number, ring + 5) →
(how many have stood in that ring of what stands, nothing)."""

BOUND = vault.map("bound", key=int, value=str)
"""Key number → the program that alone grants leases on it (bound.py)."""

LEASES_KEPT = 4096
"""Of one key: all that are open, and the newest of those that are over."""


class Key(NamedTuple):
    """A key, whatever its versions."""

    owner: bytes
    name: str
    state: str
    """draft, active, suspended, revoked or destroyed."""
    version: int
    """The newest."""
    reserved: int
    """Units that leases reserved and did not give back, those used included."""
    used: int
    """Units whose use was reported, one by one."""
    leases: int
    """How many there have been."""
    approved: bool
    """Its first terms have their approvers' consent."""
    place: int = 0
    """Of the newest lease, counted on past places that open ones keep."""
    payer: bytes = b""
    group: bytes = b""
    """Whose share its secrets count in (shares.py), as it was when the key was made."""


class Version(NamedTuple):
    """One secret of a key."""

    state: str
    """active, old, revoked or destroyed."""
    exposed: bool
    """It lived in an epoch whose secret others are believed to know."""
    until_ms: int
    """Block time until which an old one may be opened; 0: no end."""
    wrapped: bytes
    digest: bytes
    """Of the container that is sealed under it, as its owner says."""


class Pending(NamedTuple):
    """A change that waits for its approvers or its time; or the terms of a new key."""

    id: bytes
    serial: int
    """Of the terms that it was made for: void once these have changed."""
    terms: bytes
    approvals: bytes
    """Identities, 32 bytes each, in the order of their consent."""
    ready_ms: int
    """From which block time it is in force; 0 while consent is missing."""


class Lease(NamedTuple):
    """What a room may do, as it stands after its newest beat."""

    state: str
    """open, ended, revoked or frozen; an open one whose time is over has lapsed."""
    until_ms: int
    beat: int
    """Number of the newest beat, 0 at first."""
    beat_ms: int
    reserved: int
    used: int
    reported: int
    """Units reported one by one, each with a receipt."""
    pieces: int
    """How many pieces' keys were given: those below this number."""

    def is_live(self, time_ms: int) -> bool:
        """Is it open, and its time not over, at this block time?"""
        return self.state == "open" and self.until_ms >= time_ms


class Holder(NamedTuple):
    """Who holds a lease, and what was shown last."""

    key: int
    version: int
    identity: bytes
    """Of the room's session."""
    chip: bytes
    """SHA-256 of the chip's id."""
    room: str
    boot: int
    opened_ms: int
    slot: int
    evidence_ms: int
    """Block time of the block that the newest evidence answers."""
    claims: bytes
    """What it showed, encoded (judging.py)."""
    believed: bytes = b""
    """What members believed then (Context.believed)."""


class Room(NamedTuple):
    """The newest start of a room on a machine: a chip in the hands of one operator, for others may
    have guests on the same chip, and name them alike."""

    boot: int
    identity: bytes
    clones: int
    """How often two of it were seen at once."""


class Freeze(NamedTuple):
    """Two of a room that want one key, and its owner's word on them: of no weight for other
    owners' keys."""

    acknowledged: int
    """Up to which of Room.clones the owner has said which of them stays."""
    keep: int
    """The boot that stays; 0: the owner has said nothing yet."""
    keep_identity: bytes
    """Nothing while it has not been seen."""
    boot: int
    identity: bytes
    other_boot: int
    other_identity: bytes
    bar: int
    """A later boot than this is a restart of the one that stays."""
    dismissed: bytes
    """Sessions that the owner ruled out, 32 bytes each, the newest last."""


class Event(NamedTuple):
    """One record of a key."""

    number: int
    height: int
    time_ms: int
    what: str
    lease: bytes
    amount: int
    detail: str
    who: bytes
    """Of a refusal: who is charged for the caller."""


def key_of(context: Context, number: int) -> Key:
    """A key that is known to stand."""
    row = context.map(KEYS).get(number)
    if row is None:
        raise KeyError(number)
    return Key(*row)


def version_of(context: Context, number: int, version: int) -> Version | None:
    """One of its versions."""
    row = context.map(VERSIONS).get((number, version))
    return None if row is None else Version(*row)


def pending_of(context: Context, number: int) -> Pending | None:
    """What waits."""
    row = context.map(PENDING).get(number)
    return None if row is None else Pending(*row)


def lease_of(context: Context, lease: bytes | None) -> tuple[Lease, Holder] | None:
    """A lease and who holds it."""
    if lease is None:
        return None
    row, holder = context.map(LEASES).get(lease), context.map(HOLDERS).get(lease)
    return None if row is None or holder is None else (Lease(*row), Holder(*holder))


def count(context: Context, total: str, more: int) -> int:
    """Add to a total; what it is now."""
    now = (context.map(TOTALS).get(total) or 0) + more
    context.map(TOTALS).put(total, now)
    return now
