"""Data sets: what an owner brings, version by version, and takes back (ROOMS §2, §3, §6).

Owns which version of what stands, and the withdrawal, which takes one owner and holds from the next
transaction on. Chunks lie outside the ledger; their Merkle root stands here. Their key is a key of
the vault that jobs alone open.

    active → withdrawn
"""

from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.fields import name_in
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.rooms.kept_chunks import keep_for_data
from strongroom.enclave.programs.rooms.results import USES_ENDED_MAX, assets_of, end_uses
from strongroom.enclave.programs.rooms.tables import (
    DATA,
    DATA_TERMS,
    NAMES,
    VERSIONS,
    Data,
    Version,
    data_numbered,
    next_number,
    rooms,
    version_numbered,
)
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Account
from strongroom.enclave.programs.vault import bound

DATA_ENTRIES, DATA_BYTES = 4, 1024
VERSION_ENTRIES, VERSION_BYTES = 2, 512
DATA_CHUNKS_MAX = 1 << 24
"""Of one data set: 16 TiB in chunks of 1 MiB."""
SIZE_CLASS_MAX = 44
SEGMENTS_MAX = 1_024
"""Versions that extend one another, under one version of their key."""


@rooms.transaction
def publish(context: Context, *, name: str, terms: bytes, key: Account) -> dict[str, Any]:
    """Make a data set of the caller's, without a version yet, and bind its key to it."""
    read = read_data_terms(terms)
    try:
        name_in(name, "name")
    except NotCanonical as error:
        raise ProgramError("name", str(error)) from None
    place = (context.identity, name)
    if context.map(NAMES).get(place) is not None:
        raise ProgramError("taken", "you have a data set of this name: add a version to it")
    number_of_key, _ = bound.bind(context, key)
    charge(context, DATA_ENTRIES, DATA_BYTES + len(terms))
    number = next_number(context, "data")
    context.map(NAMES).put(place, number)
    own = Data(
        context.identity,
        name,
        "active",
        0,
        number_of_key,
        0,
        context.identity,
        b"",
        "",
        context.height,
    )
    context.map(DATA).put(number, tuple(own))
    context.map(DATA_TERMS).put(number, read.encode())
    return {"name": name, "version": 0, "state": "active"}


@rooms.transaction
def add(
    context: Context, *, name: str, root: bytes, chunks: int, size_class: int
) -> dict[str, Any]:
    """Make these sealed chunks the next version, under the newest version of the data set's key:
    rotate that before, for each version has a key of its own."""
    number, own = _own(context, name)
    key_version = _filled(context, own)
    if own.version and key_version <= version_numbered(context, number, own.version).key_version:
        raise ProgramError("key", "this version of the key has its data: rotate it first")
    return _add(context, number, own, Version(root, chunks, size_class, 0, 0, key_version))


@rooms.transaction
def extend(
    context: Context, *, name: str, root: bytes, chunks: int, size_class: int
) -> dict[str, Any]:
    """Add chunks to the newest version, under its own key: these are all of them, old ones first.
    It is the next version."""
    number, own = _own(context, name)
    if not own.version:
        raise ProgramError("version", "there is nothing to extend: add a version first")
    before = version_numbered(context, number, own.version)
    if _filled(context, own) != before.key_version:
        raise ProgramError("key", "the key was rotated since: add a version of its own")
    if len(segments_of(context, number, own.version)) >= SEGMENTS_MAX:
        raise ProgramError("key", "extended too often: rotate the key, add all of it anew")
    if chunks <= before.chunks:
        raise ProgramError("chunks", f"the version before has {before.chunks}: more than these")
    made = Version(root, chunks, size_class, 0, 0, before.key_version)
    return _add(context, number, own, made)


@rooms.transaction
def set_terms(context: Context, *, name: str, terms: bytes) -> dict[str, Any]:
    """Change what the caller lets be done with a data set: for every job that is run from now on.
    What was charged stays charged."""
    number, own = _own(context, name)
    read = read_data_terms(terms)
    charge(context, 0, len(terms))
    context.map(DATA_TERMS).put(number, read.encode())
    return {"name": name, "version": own.version, "state": own.state}


@rooms.transaction
def withdraw_data(context: Context, *, data: Account) -> dict[str, Any]:
    """Withdraw a data set, as one of its owners, at once and for good: no run, no report that
    counts, no opening of a result that goes with it. Its key is left behind at the epoch's end."""
    number, found = find_data(context, data)
    if context.identity not in owners_in(found):
        raise ProgramError("no-data", "the data set is another's: only its owners may do this")
    bound.revoke(context, found.key)
    ended = 0
    for one in assets_of(context, found.lineage) if found.lineage else (number,):
        gone = data_numbered(context, one)._replace(state="withdrawn")
        context.map(DATA).put(one, tuple(gone))
        ended += end_uses(context, one, max(USES_ENDED_MAX - ended, 1))
    left = ended >= USES_ENDED_MAX
    return {"name": found.name, "state": "withdrawn", "results": ended, "left": left}


def find_data(context: Context, data: Account) -> tuple[int, Data]:
    """A data set that a caller names; an empty owner is the caller.

    Raises:
        ProgramError: ``no-data``.
    """
    number = context.map(NAMES).get((data[0] or context.identity, data[1]))
    if number is None:
        raise ProgramError("no-data", "there is no such data set: `strongroom data list`")
    return number, data_numbered(context, number)


def read_data_terms(data: bytes) -> DataTerms:
    """Terms that a caller gives.

    Raises:
        ProgramError: ``terms``.
    """
    try:
        return DataTerms.decode(data)
    except NotCanonical as error:
        raise ProgramError("terms", str(error)) from None


def data_terms(context: Context, number: int) -> DataTerms:
    """Terms that stand in the state."""
    data = context.map(DATA_TERMS).get(number)
    if data is None:
        raise KeyError(number)
    return DataTerms.decode(data)


def segments_of(context: Context, number: int, version: int) -> list[tuple[int, int]]:
    """(version, chunks that it ends at) of all that a version extends, itself last: each segment is
    a stream of its own, and the index of chunks goes on."""
    key_version = version_numbered(context, number, version).key_version
    segments: list[tuple[int, int]] = []
    for at in range(version, 0, -1):
        one = version_numbered(context, number, at)
        if one.key_version != key_version:
            break
        segments.append((at, one.chunks))
    return segments[::-1]


def owners_in(found: Data) -> tuple[bytes, ...]:
    """Whose consent it takes, ascending."""
    return codec.split(found.owners, DIGEST_SIZE)


def _own(context: Context, name: str) -> tuple[int, Data]:
    number, found = find_data(context, Account((context.identity, name)))
    if found.state != "active":
        raise ProgramError("withdrawn", "the data set was withdrawn for good: publish another")
    return number, found


def _filled(context: Context, own: Data) -> int:
    version, filled = bound.newest(context, own.key)
    if not filled:
        raise ProgramError("key", "the key has no secret yet: `strongroom vault put` it")
    return version


def _add(context: Context, number: int, own: Data, made: Version) -> dict[str, Any]:
    if len(made.root) != DIGEST_SIZE:
        raise ProgramError("root", f"a Merkle root has {DIGEST_SIZE} bytes")
    if not 1 <= made.chunks <= DATA_CHUNKS_MAX or not 0 <= made.size_class <= SIZE_CLASS_MAX:
        raise ProgramError(
            "chunks", f"1 to {DATA_CHUNKS_MAX} chunks, a size class of 0 to {SIZE_CLASS_MAX}"
        )
    charge(context, VERSION_ENTRIES, VERSION_BYTES)
    version = own.version + 1
    context.map(VERSIONS).put((number, version), tuple(made._replace(height=context.height)))
    keep_for_data(context, made.root, number)
    context.map(DATA).put(number, tuple(own._replace(version=version)))
    return {"name": own.name, "version": version, "state": own.state}
