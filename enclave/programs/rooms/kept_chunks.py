"""Which chunks nodes keep: those of data sets and results that stand (ROOMS §3, §6; T67).

Owns the answer to that, by the Merkle root over chunks' names. Any node asks it of its own enclave,
as anybody may: whoever knows a root has seen the chunks' names, and learns one bit more.
"""

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.tables import (
    KEPT_CHUNKS,
    data_numbered,
    job_of,
    rooms,
)
from strongroom.enclave.programs.vault import bound

ROOTS_ASKED_MAX = 64
HOLDERS_READ_MAX = 200
"""Of one root: whose chunks more than so many have named and withdrawn, stay. Else whoever names
one root in very many data sets makes the question cost more than a query may."""


@rooms.query
def kept(context: Context, *, roots: list[bytes]) -> list[bool]:
    """Which of these roots stand for chunks that nodes keep."""
    if len(roots) > ROOTS_ASKED_MAX:
        raise ProgramError("roots", f"at most {ROOTS_ASKED_MAX} at a time")
    return [_is_kept(context, root) for root in roots]


def keep_for_data(context: Context, root: bytes, number: int) -> None:
    """These chunks are a version of a data set, as long as it is not withdrawn."""
    context.map(KEPT_CHUNKS).put((root, codec.encode(number)), True)


def keep_for_result(context: Context, root: bytes, job: bytes) -> None:
    """These chunks are a result, as long as its key stands."""
    context.map(KEPT_CHUNKS).put((root, job), True)


def _is_kept(context: Context, root: bytes) -> bool:
    """For any of those that name this root: one entry is one data set or job."""
    if len(root) != DIGEST_SIZE:
        return False
    found = context.map(KEPT_CHUNKS).scan(prefix=(root,), limit=HOLDERS_READ_MAX)
    return len(found) == HOLDERS_READ_MAX or any(
        _stands(context, holder) for (_, holder), _ in found
    )


def _stands(context: Context, holder: bytes) -> bool:
    if len(holder) == DIGEST_SIZE:
        return bound.stands(context, job_of(context, holder).key)
    return data_numbered(context, codec.decode(holder)).state == "active"
