"""What holds a key that the ledger alone does not open, by its custody.

Owns that table. `ledger` is not in it: leases.py holds such keys.
"""

from collections.abc import Callable, Mapping
from typing import Final

from strongroom.enclave.room.boots import Boot
from strongroom.enclave.room.halves import Custodian, SplitKey
from strongroom.enclave.room.handed_over import HandedKey
from strongroom.enclave.room.host import Host
from strongroom.enclave.room.leases import LeaseKeeper, Opened
from strongroom.enclave.room.ledger import Executed, Refused
from strongroom.enclave.room.turns import Turns

OPENED_BY: Final[Mapping[str, Callable[[Custodian], Opened]]] = {
    "split": SplitKey,
    "hsm": HandedKey,
}


def opened_by(
    keeper: LeaseKeeper, asked: Executed, *, boot: Boot, host: Host, turns: Turns
) -> Opened:
    """What holds the key of a new lease, nothing opened yet.

    Raises:
        Refused: ``custody``: this room's code opens no such key.
    """
    make = OPENED_BY.get(keeper.custody)
    if make is None:
        raise Refused("custody", f"this room opens no keys of custody {keeper.custody}")
    return make(Custodian(keeper, asked, boot=boot, host=host, turns=turns))
