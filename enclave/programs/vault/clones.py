"""One room, started twice (T53): seen by its boots and sessions, frozen, and told apart by owners.

A room counts its starts in what it has sealed to its chip, and makes a session key at each. So a
boot with another session, or a boot below one that was seen, is a second one of it: from a copied
disk, an older disk, or run beside the first. Then neither gets anything of any key, until the key's
owner says which boot stays. Owners decide for their own keys alone: ROOMS holds what was seen, and
FREEZES, key by key, what its owner said. A room is one operator's: what others run on the same chip
under the same name is none of it.
"""

from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account, Identity
from strongroom.enclave.programs.vault.events import record
from strongroom.enclave.programs.vault.keys import own
from strongroom.enclave.programs.vault.standing import Seen, is_same_room
from strongroom.enclave.programs.vault.tables import (
    FREEZES,
    LEASES,
    LIVE,
    ROOMS,
    Freeze,
    Room,
    lease_of,
    vault,
)

SIGHT = (1, 256)
"""(entries, bytes) that a room counts which was never seen, or never frozen for a key: for who
shows it, whatever else is refused."""
DISMISSED_BYTES = 8 * DIGEST_SIZE
"""Of sessions that an owner ruled out: the newest are remembered."""
NOTHING = Room(0, b"", 0)
NEVER = Freeze(0, 0, b"", 0, b"", 0, b"", 0, b"")
_FROZEN = ProgramError("clone", "two of this room ran at once: the key's owner says which stays")
_DISMISSED = ProgramError("clone", "the key's owner keeps another start of this room: ask it")


def see(context: Context, number: int, seen: Seen) -> None:
    """A room shows itself to a key: note its newest boot.

    Raises:
        ProgramError: ``clone``: there are two of it, which is noted, and the lease that the room
            has on this key is frozen; or there were, and the owner has not said which stays, or
            keeps another.
    """
    known, frozen = _room(context, seen.machine, seen.room), _frozen_for(context, number, seen)
    what = _verdict(known, frozen, seen)
    if what == "second":
        _freeze(context, number, seen)
        raise _FROZEN
    if what == "frozen":
        _freeze_lease(context, number, seen)
        if frozen == NEVER:
            charge(context, *SIGHT)
        if frozen.boot == 0:
            _note(context, number, seen, frozen)
        raise _FROZEN
    if what == "dismissed":
        _note(context, number, seen, frozen)
        raise _DISMISSED
    if known == NOTHING:
        charge(context, *SIGHT)
    if seen.boot > known.boot:
        room = Room(seen.boot, seen.identity, known.clones)
        context.map(ROOMS).put((seen.machine, seen.room), tuple(room))
    if frozen.keep and (seen.boot, seen.identity) != (frozen.keep, frozen.keep_identity):
        bar = max(frozen.bar, seen.boot)
        frozen = frozen._replace(keep=seen.boot, keep_identity=seen.identity, bar=bar)
        context.map(FREEZES).put((number, seen.room, seen.machine), tuple(frozen))


def check_stays(context: Context, number: int, seen: Seen) -> None:
    """Check that a room which a key knows may go on, as far as is known by now.

    Raises:
        ProgramError: ``clone``.
    """
    known, frozen = _room(context, seen.machine, seen.room), _frozen_for(context, number, seen)
    if _verdict(known, frozen, seen) != "stays":
        raise _FROZEN


@vault.transaction
def resolve(
    context: Context,
    *,
    key: Account,
    room: str,
    keep: int,
    session: Identity | None = None,
    machine: Identity | None = None,
) -> dict[str, Any]:
    """Say which boot of a room stays, for a key of the caller's; of two with one boot, by its
    session, or neither and a later boot. Where it is frozen; else, where one that was ruled out has
    shown itself since. A machine of that room's name which the word does not fit is passed over;
    with `machine` it is for that one alone, however many others bear the name."""
    number, _ = own(context, key)
    resolved: list[dict[str, Any]] = []
    misfit = ProgramError("clone", "no such room is frozen for this key")
    if machine is None:
        found = context.map(FREEZES).scan(prefix=(number, room))
    else:
        row = context.map(FREEZES).get((number, room, machine))
        found = [] if row is None else [((number, room, machine), row)]
    rows = [(place[2], Freeze(*row), _room(context, place[2], room)) for place, row in found]
    waiting = [one for one in rows if one[2].clones > one[1].acknowledged]
    for one, frozen, known in waiting or [one for one in rows if one[1].other_boot]:
        try:
            decided = _decided(known, frozen, keep, session)
        except ProgramError as refused:
            misfit = refused
            continue
        context.map(FREEZES).put((number, room, one), tuple(decided))
        resolved.append({"machine": one.hex(), "keep": keep})
    if not resolved:
        raise misfit
    record(context, number, "resolve", amount=keep, why=room)
    return {"resolved": resolved}


def frozen_rooms(
    context: Context, number: int, limit: int, after: tuple[str, bytes] = ("", b"")
) -> tuple[list[dict[str, Any]], tuple[str, bytes] | None]:
    """Rooms of which two want this key, in order of (name, machine), those after `after`: as far as
    `limit` rows go, settled ones too; and from where to go on, if there may be more."""
    rows = context.map(FREEZES).scan(prefix=(number,), after=(number, *after), limit=limit)
    shown = [
        {
            "room": room,
            "machine": machine.hex(),
            "boots": [
                {"boot": boot, "session": digest_text(identity)}
                for boot, identity in (
                    (frozen.boot, frozen.identity),
                    (frozen.other_boot, frozen.other_identity),
                )
                if boot
            ],
        }
        for (_, room, machine), frozen in ((place, Freeze(*row)) for place, row in rows)
        if _room(context, machine, room).clones > frozen.acknowledged
    ]
    return shown, rows[-1][0][1:] if len(rows) == limit else None


def _verdict(known: Room, frozen: Freeze, seen: Seen) -> str:
    """What a room that shows itself is to a key: it stays, is a second one, is frozen until the
    owner says which stays, or is dismissed by that word.

    What was seen counts for all keys; what an owner said, for the key alone.
    """
    second = seen.boot < known.boot or (
        seen.boot == known.boot and known.identity != b"" and known.identity != seen.identity
    )
    said = frozen.keep > 0 and known.clones <= frozen.acknowledged
    if said:
        later = known.boot > frozen.bar  # a later start was seen since the owner's word
        if not later and (seen.boot, seen.identity) == (frozen.keep, frozen.keep_identity):
            return "stays"
        if seen.identity in codec.split(frozen.dismissed, DIGEST_SIZE):
            return "dismissed"
        if second:
            return "second"
        return "stays" if seen.boot > frozen.bar else "dismissed"
    if second:
        return "second"
    return "frozen" if known.clones > frozen.acknowledged else "stays"


def _decided(known: Room, frozen: Freeze, keep: int, session: bytes | None) -> Freeze:
    """What stands after the owner's word.

    Raises:
        ProgramError: ``keep``.
    """
    shown = {
        (frozen.boot, frozen.identity),
        (frozen.other_boot, frozen.other_identity),
        (frozen.keep, frozen.keep_identity),
        (known.boot, known.identity),
    }
    shown = {(boot, identity) for boot, identity in shown if boot and identity}
    staying = {identity for boot, identity in shown if boot == keep}
    if not staying and keep <= known.boot:
        raise ProgramError("keep", "no boot that was seen, nor a later one")
    if session is None and len(staying) > 1:
        raise ProgramError("keep", f"two have boot {keep}: name a session, or a later boot")
    if session is not None and session not in staying:
        raise ProgramError("keep", f"that session did not show itself with boot {keep}")
    kept = session or b"".join(staying)
    ruled_out = dict.fromkeys(codec.split(frozen.dismissed, DIGEST_SIZE))
    ruled_out |= dict.fromkeys(sorted(identity for _, identity in shown))
    ruled_out.pop(kept, None)
    return NEVER._replace(
        acknowledged=known.clones,
        keep=keep,
        keep_identity=kept,
        bar=max([known.boot, *(boot for boot, _ in shown)]) if kept else keep - 1,
        dismissed=b"".join(ruled_out)[-DISMISSED_BYTES:],
    )


def _room(context: Context, machine: bytes, room: str) -> Room:
    row = context.map(ROOMS).get((machine, room))
    return NOTHING if row is None else Room(*row)


def _frozen_for(context: Context, number: int, seen: Seen) -> Freeze:
    row = context.map(FREEZES).get((number, seen.room, seen.machine))
    return NEVER if row is None else Freeze(*row)


def _freeze(context: Context, number: int, seen: Seen) -> None:
    """A second one shows itself, beside the one that is known."""
    known = _room(context, seen.machine, seen.room)
    frozen = _frozen_for(context, number, seen)
    if known.clones <= frozen.acknowledged:
        known = known._replace(clones=known.clones + 1)
        context.map(ROOMS).put((seen.machine, seen.room), tuple(known))
    _freeze_lease(context, number, seen)
    if frozen == NEVER:
        charge(context, *SIGHT)
    _note(context, number, seen, frozen._replace(boot=known.boot, identity=known.identity))


def _note(context: Context, number: int, seen: Seen, frozen: Freeze) -> None:
    noted = frozen._replace(other_boot=seen.boot, other_identity=seen.identity)
    context.map(FREEZES).put((number, seen.room, seen.machine), tuple(noted))


def _freeze_lease(context: Context, number: int, seen: Seen) -> None:
    lease = context.map(LIVE).get((number, seen.chip))
    found = lease_of(context, lease)
    if lease is None or found is None or found[0].state != "open":
        return
    held, holder = found
    if is_same_room(seen, holder):
        context.map(LEASES).put(lease, tuple(held._replace(state="frozen")))
