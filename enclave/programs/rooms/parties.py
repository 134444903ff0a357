"""Making a clean room, joining it, closing it (ROOMS §2; T60).

Owns who is a party and what a party may do. A room is open once every party has joined over the
digest of its terms; nothing in them changes afterwards.

    created → open → closed
"""

from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.terms import PARTIES_MAX, RoomTerms
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.regions import check_caller, person_region, regions_in
from strongroom.enclave.programs.rooms.events import record
from strongroom.enclave.programs.rooms.tables import PARTIES, ROOMS, Room, room_of, rooms
from strongroom.enclave.programs.roster import charge

ROOM_ENTRIES, ROOM_BYTES = 4, 160 * 1024
"""What a room counts: its events are the most of it."""


@rooms.transaction
def create(context: Context, *, terms: bytes) -> dict[str, Any]:
    """Make a clean room of these terms; its maker has joined. The same terms make the same room."""
    try:
        read = RoomTerms.decode(terms)
    except NotCanonical as error:
        raise ProgramError("terms", str(error)) from None
    room = bytes(read.id(context.chain))
    if context.map(ROOMS).get(room) is not None:
        raise ProgramError("exists", "a room of these very terms stands: join it, or rename")
    if context.identity not in read.identities:
        raise ProgramError("party", "who makes a room is one of its parties")
    if read.people_from:
        check_caller(context, _people_in(context, read))
    charge(context, ROOM_ENTRIES + PARTIES_MAX, ROOM_BYTES)
    context.map(ROOMS).put(
        room, tuple(Room(terms, "created", context.identity, 0, 0, 0, context.height))
    )
    for party in read.identities:
        context.map(PARTIES).put((party, room), False)
    record(context, room, "created")
    return _join(context, room, read)


@rooms.transaction
def join(context: Context, *, room: bytes) -> dict[str, Any]:
    """Join a room: whoever names its id has read its terms, for the id is their digest."""
    found = room_of(context, room)
    terms = RoomTerms.decode(found.terms)
    party_of(context, room)
    if found.state == "closed":
        raise ProgramError("closed", "the room is closed: make another")
    if context.map(PARTIES).get((context.identity, room)):
        return _state(found, terms, room)
    return _join(context, room, terms)


@rooms.transaction
def close(context: Context, *, room: bytes) -> dict[str, Any]:
    """Close a room, as one of its owners: no further contract, job or opening."""
    found = room_of(context, room)
    demand_role(context, room, "owner")
    if found.state == "closed":
        raise ProgramError("closed", "the room is closed already")
    closed = found._replace(state="closed")
    context.map(ROOMS).put(room, tuple(closed))
    record(context, room, "closed")
    return _state(closed, RoomTerms.decode(found.terms), room)


def terms_of(context: Context, room: bytes) -> RoomTerms:
    """What the parties of a room have joined.

    Raises:
        ProgramError: ``no-room``.
    """
    return RoomTerms.decode(room_of(context, room).terms)


def party_of(context: Context, room: bytes) -> tuple[str, ...]:
    """The caller's roles in a room, which it may act in from where it is.

    Raises:
        ProgramError: ``no-room``: there is none, or the caller is a stranger to it; ``region`` or
            ``no-one-in-region``: its terms ask for people elsewhere.
    """
    if context.map(PARTIES).get((context.identity, room)) is None:
        raise ProgramError("no-room", "there is no such clean room: `strongroom rooms list`")
    terms = terms_of(context, room)
    if terms.people_from:
        check_caller(context, _people_in(context, terms))
    return terms.roles_of(context.identity)


def is_there(context: Context, room: bytes) -> bool:
    """Is the caller where the room's terms ask its people to be?"""
    terms = terms_of(context, room)
    if not terms.people_from:
        return True
    return person_region(context, context.identity) in _people_in(context, terms)


def demand_role(context: Context, room: bytes, *wanted: str) -> None:
    """Check that the caller has one of these roles.

    Raises:
        ProgramError: ``no-room`` or ``role``.
    """
    if not any(role in wanted for role in party_of(context, room)):
        raise ProgramError("role", f"only {' or '.join(wanted)} of the room may do this")


def demand_open(context: Context, room: bytes) -> Room:
    """The room, if it is open.

    Raises:
        ProgramError: ``no-room`` or ``not-open``.
    """
    found = room_of(context, room)
    if found.state != "open":
        raise ProgramError("not-open", f"the room is {found.state}: every party joins it first")
    return found


def _people_in(context: Context, terms: RoomTerms) -> frozenset[str]:
    context.spend(len(context.countries) // 16)
    return regions_in(terms.people_from, context.countries)


def _join(context: Context, room: bytes, terms: RoomTerms) -> dict[str, Any]:
    found = room_of(context, room)
    context.map(PARTIES).put((context.identity, room), True)
    found = found._replace(joined=found.joined + 1)
    if found.joined == len(terms.parties):
        found = found._replace(state="open")
    context.map(ROOMS).put(room, tuple(found))
    record(context, room, "joined")
    if found.state == "open":
        record(context, room, "open")
    return _state(found, terms, room)


def _state(found: Room, terms: RoomTerms, room: bytes) -> dict[str, Any]:
    return {
        "room": room,
        "name": terms.name,
        "state": found.state,
        "joined": found.joined,
        "parties": len(terms.parties),
    }
