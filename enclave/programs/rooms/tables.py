"""How clean rooms, data sets, contracts and jobs lie in the state.

Owns the program object, its maps, and rows as named tuples. Knows no rule: who may do what is in
the files of the operations. Keys of data and results stand in the vault, as any other key.
"""

from typing import NamedTuple

from strongroom.enclave.programs.framework import Context, Program, ProgramError

rooms = Program("rooms")

ROOMS = rooms.map("rooms", key=bytes, value=(bytes, str, bytes, int, int, int, int))
"""Clean room → Room."""
PARTIES = rooms.map("parties", key=(bytes, bytes), value=bool)
"""(party's identity, clean room) → has it joined?"""
NAMES = rooms.map("names", key=(bytes, str), value=int)
"""(owner, name) → number of a data set, from 1; a clean room owns its assets."""
DATA = rooms.map("data", key=int, value=(bytes, str, str, int, int, int, bytes, bytes, str, int))
"""Number → Data."""
DATA_TERMS = rooms.map("data_terms", key=int, value=bytes)
"""Number → DataTerms encoded."""
ROOTS = rooms.map("roots", key=int, value=bytes)
"""Number of an asset → encoded numbers of the vault's keys of all data that it was made from,
ascending: a worker that opens it is admitted by the policy of each."""
ASSETS = rooms.map("assets", key=(bytes, int), value=int)
"""(job, number of an asset that its result is) → how many assets deep it was made."""
VERSIONS = rooms.map("versions", key=(int, int), value=(bytes, int, int, int, int, int))
"""(number, version) → Version."""
SERIES_RUNS = rooms.map("series_runs", key=(int, int), value=int)
"""(number, version of its key) → jobs charged to the versions that extend one another under it."""
DEVICES = rooms.map("devices", key=(int, bytes), value=(bool, int))
"""(number, public key of a device) → (may it sign?, counter of its newest batch)."""
BATCHES = rooms.map("batches", key=(int, int), value=bytes)
"""(number, version) → chain over the batches that it holds, of a data set with devices."""
CONTRACTS = rooms.map("contracts", key=bytes, value=(bytes, str, bytes, int, int, int))
"""Contract → Agreed."""
TEXTS = rooms.map("texts", key=bytes, value=bytes)
"""Contract → its canonical bytes."""
VOTES = rooms.map("votes", key=(bytes, bytes), value=bool)
"""(contract, party) → consents?"""
SERIALS = rooms.map("serials", key=(bytes, str, int), value=bytes, scanned=True)
"""(clean room, `contract` or `job`, its serial from 1) → contract or job."""
ATTEMPTS = rooms.map("attempts", key=bytes, value=int)
"""What a run asks for (contract, parameters, versions) → its newest attempt."""
JOBS = rooms.map(
    "jobs", key=bytes, value=(bytes, bytes, str, bytes, int, int, int, int, bytes, int, str)
)
"""Job → Job."""
ORDERS = rooms.map("orders", key=bytes, value=(bytes, bytes))
"""Job → (parameters, pinned inputs), encoded."""
EXECUTORS = rooms.map(
    "executors", key=(bytes, int), value=(bytes, str, str, bytes, bytes, int, int)
)
"""(job, rank from 0) → Executor."""
WORK = rooms.map("work", key=(bytes, bytes), value=int)
"""(worker's identity, job that is not decided) → its rank."""
RESULTS = rooms.map("results", key=(bytes, bytes), value=bytes)
"""(job, digest of a report) → what was reported, encoded."""
RELEASES = rooms.map("releases", key=(bytes, str, bytes), value=bool)
"""(job, output, party) → consents to its opening."""
USES = rooms.map("uses", key=(int, bytes), value=bool)
"""(data set, job whose result's key stands) → is the result kept when the data is withdrawn?"""
KEPT_CHUNKS = rooms.map("kept_chunks", key=(bytes, bytes), value=bool)
"""(Merkle root of chunks, encoded number of a data set, or a job) → True: why nodes keep them."""
WORKERS = rooms.map("workers", key=bytes, value=(str, str, bytes, str, int, int))
"""Identity of a worker's session → Worker."""
EVENTS = rooms.map("events", key=(bytes, int), value=(int, int, int, str, bytes, bytes, str))
"""(clean room, number modulo what is kept) → Event."""
LOGS = rooms.map("logs", key=bytes, value=(int, bytes))
"""Clean room → (number of events, digest of the chain over them)."""
TOTALS = rooms.map("totals", key=str, value=int)


class Room(NamedTuple):
    """A clean room."""

    terms: bytes
    """RoomTerms encoded: what every party joined."""
    state: str
    """created, open or closed."""
    creator: bytes
    joined: int
    contracts: int
    """How many were proposed."""
    jobs: int
    """How many were run."""
    height: int


class Data(NamedTuple):
    """A data set, or a result that is used as one (an asset)."""

    owner: bytes
    name: str
    state: str
    """active or withdrawn."""
    version: int
    """The newest."""
    key: int
    """Number of its key in the vault."""
    epsilon: int
    """Millionths that its jobs were charged, of all versions."""
    owners: bytes
    """Whose consent a contract on it needs: 32 bytes each, ascending."""
    lineage: bytes
    """The job that made it; nothing for what an owner brought."""
    output: str
    """Of that job."""
    height: int


class Version(NamedTuple):
    """One state of a data set."""

    root: bytes
    """Merkle root over the names of its sealed chunks."""
    chunks: int
    size_class: int
    """The power of two that its sealed bytes do not exceed."""
    height: int
    runs: int
    """Jobs charged to it."""
    key_version: int
    """Of its key in the vault."""


class Agreed(NamedTuple):
    """A contract, and how far parties have agreed to it."""

    room: bytes
    state: str
    """proposed, approved or withdrawn; it expires by its own date."""
    proposer: bytes
    serial: int
    runs: int
    """Jobs charged to it."""
    height: int


class Job(NamedTuple):
    """One run of a contract."""

    contract: bytes
    room: bytes
    state: str
    """scheduled, agreed or failed; of one that answers rows serving, then ended."""
    caller: bytes
    made_ms: int
    deadline_ms: int
    ranks: int
    """How many executors stand by, those asked included."""
    asked: int
    """The first so many of them are to run it."""
    result: bytes
    """Digest of the report that was agreed on."""
    key: int
    """Number of the result's key in the vault."""
    why: str
    """It failed: in a word."""


class Executor(NamedTuple):
    """A worker of one job."""

    identity: bytes
    operator: str
    region: str
    leases: bytes
    """On the inputs, 16 bytes each, once it took the job."""
    report: bytes
    """Digest; nothing while it has not reported."""
    taken_ms: int
    reported_ms: int


class Worker(NamedTuple):
    """An attested worker that waits for jobs."""

    operator: str
    region: str
    chip: bytes
    measurement: str
    evidence_ms: int
    until_ms: int
    """Block time until which it counts as waiting."""


class Event(NamedTuple):
    """One change of state that parties can list."""

    number: int
    height: int
    time_ms: int
    what: str
    who: bytes
    about: bytes
    """Contract, job or nothing."""
    detail: str


def room_of(context: Context, room: bytes) -> Room:
    """A clean room.

    Raises:
        ProgramError: ``no-room``.
    """
    row = context.map(ROOMS).get(room)
    if row is None:
        raise ProgramError("no-room", "there is no such clean room: `strongroom rooms list`")
    return Room(*row)


def contract_of(context: Context, contract: bytes) -> Agreed:
    """A contract as far as it is agreed.

    Raises:
        ProgramError: ``no-contract``.
    """
    row = context.map(CONTRACTS).get(contract)
    if row is None:
        raise ProgramError("no-contract", "there is no such contract: look at its room's list")
    return Agreed(*row)


def job_of(context: Context, job: bytes) -> Job:
    """A job.

    Raises:
        ProgramError: ``no-job``.
    """
    row = context.map(JOBS).get(job)
    if row is None:
        raise ProgramError("no-job", "there is no such job: look at its room's list")
    return Job(*row)


def data_numbered(context: Context, number: int) -> Data:
    """A data set that is known to stand."""
    row = context.map(DATA).get(number)
    if row is None:
        raise KeyError(number)
    return Data(*row)


def version_numbered(context: Context, number: int, version: int) -> Version:
    """A version that is known to stand."""
    row = context.map(VERSIONS).get((number, version))
    if row is None:
        raise KeyError(number, version)
    return Version(*row)


def executors_of(context: Context, job: bytes, count: int) -> list[Executor]:
    """The first so many of a job, by rank."""
    rows = (context.map(EXECUTORS).get((job, rank)) for rank in range(count))
    return [Executor(*row) for row in rows if row is not None]


def next_number(context: Context, total: str) -> int:
    """Count one more; which it is, from 1."""
    now = (context.map(TOTALS).get(total) or 0) + 1
    context.map(TOTALS).put(total, now)
    return now
