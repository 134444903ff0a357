"""The one socket between a worker and its bench, and what is said over it.

Owns both ends: the worker's (`Bench` of life.py is on the other side of a fork) and the bench's
loop. The bench holds rows and no key; it ends with the worker, at once. Parts are whole chunks, so
that no frame is long.

    to the bench:   (JOB, contract, parameters, seed, ((alias, owner, data, columns), …))
                    (PART, alias index, segment, bytes)   (RUN,)
    to the worker:  (READY,)  (OUT, entry, output, recipient, bytes)  (DONE,)  (FAILED,)
"""

import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Contract, parameters_in
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.turns import Turns
from strongroom.enclave.room.worker.given import Given

PART_BYTES = 1 << 20
LOOK_MS = 1
"""How long the worker waits for its bench at a time: it has a host to listen to."""
SENDING_MS_MAX = 60_000
"""A bench takes what it is given; one that does not is stuck."""


class ToBench(IntEnum):
    """What a worker says."""

    JOB = 1
    PART = 2
    RUN = 3


class ToWorker(IntEnum):
    """What a bench says."""

    READY = 1
    OUT = 2
    DONE = 3
    FAILED = 4


class BenchLost(Exception):
    """The bench has ended, or says what none says: the job has no result here."""


class BenchLink:
    """The worker's end."""

    def __init__(self, end: socket.socket, turns: Turns) -> None:
        self._door, self._turns = Door(end), turns
        limit = struct.pack("ll", 0, LOOK_MS * 1000)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
