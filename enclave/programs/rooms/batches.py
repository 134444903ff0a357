"""Batches of a data set's devices, as the ledger is told of them (ROOMS §3; T64).

Owns how far each device has come, and the chain over the batches of each version. The ledger is
told counters alone, and refuses what came before, what leaves one out and what no listed device
made; workers check the batches themselves against that chain, so that a gateway that tells one
thing and seals another makes jobs fail.
"""

from collections.abc import Sequence

from strongroom.enclave.formats.clean_rooms.batches import (
    COUNTER_MAX,
    MOVES_MAX,
    BatchRefused,
    Counted,
    Move,
    chained,
)
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.tables import BATCHES, DEVICES
from strongroom.enclave.programs.roster import charge

BATCHES_ENTRIES, BATCHES_BYTES = 1, 128


def register(
    context: Context, number: int, version: int, before: int, batches: Sequence[Move]
) -> None:
    """Take the batches that make a version; of a data set without devices, none.

    Args:
        context: of the call.
        number: of the data set.
        version: the new one.
        before: the one that it extends; 0: it begins anew, and a device's batches may begin later
            than they did, but not end earlier.
        batches: by device, ascending.

    Raises:
        ProgramError: ``batches``, ``foreign-device``, ``replayed`` or ``gap``.
    """
    listed = {device: (on, last) for device, on, last in listed_devices(context, number)}
    if not listed and not batches:
        return
    _check_form(batches)
    for one in batches:
        if not listed.get(one.device, (False, 0))[0]:
            raise ProgramError("foreign-device", f"{one.device.hex()[:16]} is no device of it")
    heads = {device: last for device, (_, last) in listed.items() if last}
    counted = Counted(heads.items() if before else ())
    for one in batches:
        try:
            counted.take(*one)
        except BatchRefused as refused:
            raise ProgramError(refused.code, str(refused)) from None
        if one.last < heads.get(one.device, 0):
            raise ProgramError("replayed", f"{one.device.hex()[:16]} has come further already")
        context.map(DEVICES).put((number, one.device), (True, one.last))
    charge(context, BATCHES_ENTRIES, BATCHES_BYTES)
    chain = chained(batches_of(context, number, before), batches)
    context.map(BATCHES).put((number, version), bytes(chain))


def batches_of(context: Context, number: int, version: int) -> bytes:
    """The chain over a version's batches; nothing of a data set without devices."""
    return context.map(BATCHES).get((number, version)) or b""


def listed_devices(context: Context, number: int) -> list[tuple[bytes, bool, int]]:
    """(public key, may it sign, its newest batch) of each device, removed ones included."""
    found = context.map(DEVICES).scan(prefix=(number,), limit=MOVES_MAX + 1)
    return [(device, on, last) for (_, device), (on, last) in found]


def _check_form(batches: Sequence[Move]) -> None:
    if not batches:
        raise ProgramError("batches", "it takes batches of its devices alone: say which these are")
    order = [one.device for one in batches]
    if order != sorted(set(order)):
        raise ProgramError("batches", "by device, ascending, each once")
    if not all(1 <= one.first <= one.last <= COUNTER_MAX for one in batches):
        raise ProgramError("batches", "a device counts its batches from 1 on")
