"""Devices of a data set: by whose key its batches must be signed (ROOMS §3; T64).

Owns the list, which the data set's owner keeps. What a device has brought stands in batches.py.
"""

from typing import Any

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.clean_rooms.batches import MOVES_MAX
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.batches import batches_of, listed_devices
from strongroom.enclave.programs.rooms.data import find_data, own_data, owners_in
from strongroom.enclave.programs.rooms.tables import DEVICES, rooms
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account

DEVICE_ENTRIES, DEVICE_BYTES = 1, 128
BATCHES_ENTRIES, BATCHES_BYTES = 1, 128


@rooms.transaction
def set_devices(
    context: Context, *, name: str, add: list[bytes], remove: list[bytes]
) -> dict[str, Any]:
    """Let devices, by their public keys, sign batches of a data set of the caller's, or no longer.
    A data set with devices takes their batches alone: list them before its first version."""
    number, own = own_data(context, name)
    if own.version and not batches_of(context, number, own.version):
        raise ProgramError("devices", "it has rows that no device signed: publish another")
    known = context.map(DEVICES)
    for device in remove:
        row = known.get((number, device))
        if row is None:
            raise ProgramError("foreign-device", "a device to remove is not on the list")
        known.put((number, device), (False, row[1]))
    for device in add:
        if len(device) != DIGEST_SIZE:
            raise ProgramError("devices", f"a device's public key has {DIGEST_SIZE} bytes")
        row = known.get((number, device))
        if row is None:
            charge(context, DEVICE_ENTRIES, DEVICE_BYTES)
        known.put((number, device), (True, row[1] if row else 0))
    listed = listed_devices(context, number)
    if len(listed) > MOVES_MAX:
        raise ProgramError("devices", f"at most {MOVES_MAX} devices, removed ones included")
    return {"name": name, "devices": sum(on for _, on, _ in listed)}


@rooms.query
def devices(context: Context, *, data: Account) -> list[dict[str, Any]]:
    """Devices of a data set, for its owners: each with the counter of its newest batch."""
    number, found = find_data(context, data)
    if context.identity not in owners_in(found):
        raise ProgramError("no-data", "the data set is another's: only its owners may read this")
    return [
        {"device": device, "listed": on, "last": last}
        for device, on, last in listed_devices(context, number)
    ]
