"""Clean rooms: many owners' data, one agreed program, the result to a designated key (ROOMS §2)."""

from strongroom.enclave.programs.rooms import (
    contracts,
    data,
    executing,
    jobs,
    kept_chunks,
    opening,
    parties,
    predicting,
    views,
    workers,
)
from strongroom.enclave.programs.rooms.tables import rooms

__all__ = [
    "contracts",
    "data",
    "executing",
    "jobs",
    "kept_chunks",
    "opening",
    "parties",
    "predicting",
    "rooms",
    "views",
    "workers",
]
