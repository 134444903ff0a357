"""The bench of a serving: one model, read once, and rows that come one by one (ROOMS §2, §5).

Owns what is said of a row: the probability, cut to the contract's digits, or that the model tells
nothing of it. Holds no key, knows no ledger, and forgets each row with its answer.
"""

from collections.abc import Sequence
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.formats.clean_rooms.serving import Row, decode_row
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.library.models import Reader, probabilities, read_model
from strongroom.enclave.room.library.shapes import ProgramRefused, Table
from strongroom.enclave.room.worker.link import ToBench, ToWorker

TELLS_NOTHING = "refused"
"""As the ledger knows it: enclave/programs/rooms/predicting.py."""


def answer_rows(door: Door, segments: Sequence[bytes], digits: int) -> None:
    """Answer until the worker has gone.

    Raises:
        DoorClosed: it has, or it says what none says.
    """
    try:
        (data,) = segments
        model = read_model(data)
    except (ProgramRefused, ValueError):
        door.send(ToWorker.FAILED)
        return
    while True:
        match _received(door):
            case (ToBench.ASK, bytes(row)):
                door.send(ToWorker.ANSWER, answer_of(model, row, digits))
            case _:
                raise DoorClosed


def answer_of(model: Reader, row: bytes, digits: int) -> str:
    """What is said of a row; the same at every executor."""
    try:
        (told,) = probabilities(model, _table(decode_row(row)), "row")
    except (ProgramRefused, StrongroomError):
        return TELLS_NOTHING
    return TELLS_NOTHING if told is None else repr(float(f"{told:.{digits}g}"))


def _table(row: Row) -> Table:
    """One row; a whole number is one, as in a table that was brought."""
    return Table.of({name: [float(text) if "." in text else int(text)] for name, text in row})


def _received(door: Door) -> tuple[Any, ...]:
    while (frame := door.receive()) is None:
        pass
    return frame
