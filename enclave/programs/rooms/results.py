"""Keys of results: made by the ledger when a job is run, so that nobody outside has made one and
every executor seals the same result to the same bytes (ROOMS §4; T65, T66).

Owns their keeping: the newest of a room stand in the vault, older ones are left behind. What comes
from a job's one secret: formats/clean_rooms/result_keys.py.
"""

from strongroom.consensus import codec
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.rooms.tables import (
    ASSETS,
    DATA,
    JOBS,
    ORDERS,
    ROOTS,
    SERIALS,
    USES,
    Job,
    data_numbered,
    job_of,
)
from strongroom.enclave.programs.vault import bound

RESULTS_KEPT = 128
"""Of one clean room: an older job's result is not opened any more, unless it is an asset."""
USES_ENDED_MAX = 200
"""Results that one withdrawal ends; more takes another."""
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
    if old is not None and not any(_stands(context, one) for one in assets_of(context, old)):
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


def assets_of(context: Context, job: bytes) -> tuple[int, ...]:
    """Numbers of the data sets that a job's result is."""
    return tuple(number for (_, number), _ in context.map(ASSETS).scan(prefix=(job,)))


def depth_of(context: Context, number: int) -> int:
    """How many assets deep a data set was made; 0: an owner brought it."""
    lineage = data_numbered(context, number).lineage
    return context.map(ASSETS).get((lineage, number)) or 0 if lineage else 0


def end_uses(context: Context, number: int, most: int) -> int:
    """End the results that go with a data set that was withdrawn, and what was made from those that
    are assets, the last made first; how many: as many as `most` when there may be more."""
    ended, line = 0, [number]
    while line:
        job = _going_with(context, line[-1])
        if job is None:
            line.pop()
            continue
        assets = assets_of(context, job)
        for asset in assets:
            found = data_numbered(context, asset)
            context.map(DATA).put(asset, tuple(found._replace(state="withdrawn")))
        used = [asset for asset in assets if _going_with(context, asset) is not None]
        if used:
            line.append(used[0])
            continue
        end_result(context, job)
        ended += 1
        if ended >= most:
            return most
    return ended


def _going_with(context: Context, number: int) -> bytes | None:
    """A job whose result ends with a data set that was withdrawn; None: there is none any more. It
    looks at one at a time: a withdrawal of very many uses has steps for each of them once."""
    while page := context.map(USES).scan(prefix=(number,), limit=1):
        ((_, job), keep), *_ = page
        if not keep:
            return bytes(job)
        context.map(USES).delete((number, job))  # its terms keep it: it does not go
    return None


def _stands(context: Context, number: int) -> bool:
    return data_numbered(context, number).state == "active"


def fail(context: Context, job: bytes, found: Job, why: str) -> Job:
    """A job ends without a result; what it was charged stays charged."""
    failed = found._replace(state="failed", why=why)
    context.map(JOBS).put(job, tuple(failed))
    end_result(context, job)
    return failed
