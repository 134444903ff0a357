"""Keys of results: made by the ledger when a job is run, so that nobody outside has made one and
every executor seals the same result to the same bytes (ROOMS §4; T65, T66).

Owns their keeping: the newest of a room stand in the vault, older ones are left behind. What comes
from a job's one secret: formats/clean_rooms/result_keys.py.
"""

from strongroom.consensus import codec
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.rooms.tables import (
    JOBS,
    ORDERS,
    ROOTS,
    SERIALS,
    USES,
    Job,
    job_of,
)
from strongroom.enclave.programs.vault import bound

RESULTS_KEPT = 128
"""Of one clean room: an older job's result is not opened any more."""
Pinned = tuple[tuple[str, int, int], ...]
"""(alias, number of a data set, version), ascending."""


def pinned_of(context: Context, job: bytes) -> Pinned:
    """Which versions a job reads."""
    row = context.map(ORDERS).get(job)
    if row is None:
        raise KeyError(job)
    pinned: Pinned = codec.decode(row[1])
    return pinned


def roots_of(context: Context, number: int) -> tuple[int, ...]:
    """Keys of the data that an asset was made from; nothing for what an owner brought."""
    row = context.map(ROOTS).get(number)
    roots: tuple[int, ...] = codec.decode(row) if row is not None else ()
    return roots


def make_result(
    context: Context, room: bytes, serial: int, job: bytes, keeps: tuple[tuple[int, bool], ...]
) -> int:
    """Make the key of a job's result, and leave the one behind that is RESULTS_KEPT older; its
    number in the vault. `keeps`: (number of a data set, whether its withdrawal leaves results).

    Raises:
        ProgramError: ``full``.
    """
    old = context.map(SERIALS).get((room, "job", serial - RESULTS_KEPT))
    if old is not None:
        end_result(context, old)
    for number, keep in keeps:
        context.map(USES).put((number, job), keep)
    return bound.make(context, room, job.hex(), context.secret(b"result" + job))


def end_result(context: Context, job: bytes) -> None:
    """Stop a result's key for good."""
    found = job_of(context, job)
    bound.revoke(context, found.key)
    for _, number, _ in pinned_of(context, job):
        context.map(USES).delete((number, job))


def fail(context: Context, job: bytes, found: Job, why: str) -> Job:
    """A job ends without a result; what it was charged stays charged."""
    failed = found._replace(state="failed", why=why)
    context.map(JOBS).put(job, tuple(failed))
    end_result(context, job)
    return failed
