"""What members of a crew compute: the only functions that a task may name (quiet.py, NAMED).

Owns the kernel of each task, over bytes alone: Arrow IPC streams and plans. An engine of its own,
made before the walls rose, computes one task at a time. Whatever goes wrong, what comes of it is
FAILED, without a word: no error goes from one member to another (T63).
"""

import io
from collections.abc import Mapping
from typing import Final

import duckdb
import nanoarrow
from nanoarrow import ipc

from strongroom.consensus import codec
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.tables import Table, load
from strongroom.enclave.room.crew.plan import StepPlan

BUCKETS_MAX = 64
FAILED: Final = b""
"""In the place of a stream; what is made of it is it again."""
_engine: list[duckdb.DuckDBPyConnection] = []


def equip(memory_bytes: int) -> None:
    """Make this process's engine, once."""
    _engine[:] = [connect(memory_bytes)]


def local(plan: bytes, policies: bytes, alias: str, part: bytes, buckets: int) -> list[bytes]:
    """The rows of one part, as `local` makes them, for each bucket.

    Args:
        plan: a StepPlan.
        policies: (alias, columns of the data terms) of each input that the query reads.
        alias: the input that the part is of.
        part: an Arrow IPC stream.
        buckets: how many.
    """
    try:
        asked = StepPlan.decode(plan)
        for name, columns in codec.decode(policies):
            given = part if name == alias else None
            load_part(_engine[0], name, DataPolicy.decode(columns), given)
        _engine[0].execute(f"CREATE TABLE p AS {asked.local}")
        return [_bucket(asked.by, buckets, one) for one in range(buckets)]
    except Exception:
        return [FAILED] * buckets
    finally:
        drop_all(_engine[0])


def pick(pieces: list[bytes], bucket: int) -> bytes:
    """What of a part goes to one bucket; runs where the part is."""
    return pieces[bucket]


def final(plan: bytes, *pieces: bytes) -> bytes:
    """What came to one bucket, as `final` makes it.

    Args:
        plan: a StepPlan.
        pieces: Arrow IPC streams, in the order of the parts that they are of.
    """
    try:
        if FAILED in pieces:
            return FAILED
        united(_engine[0], "p", pieces)
        return stream_of(_engine[0], StepPlan.decode(plan).final)
    except Exception:
        return FAILED
    finally:
        drop_all(_engine[0])


def local_text(text: str, by: str, alias: str, part: bytes, buckets: int) -> list[bytes]:
    """As `local`, for a reviewed text over rows as they are.

    Args:
        text: exactly as all owners approved it.
        by: columns of what it gives, between commas.
        alias: the one input that it reads.
        part: an Arrow IPC stream.
        buckets: how many.
    """
    try:
        united(_engine[0], f'"{alias}"', (part,))
        _engine[0].execute(f"CREATE TABLE p AS {text}")
        return [_bucket(tuple(by.split(",")), buckets, one, whole=True) for one in range(buckets)]
    except Exception:
        return [FAILED] * buckets
    finally:
        drop_all(_engine[0])


def final_text(text: str, tables: str, *pieces: bytes) -> bytes:
    """As `final`, for a reviewed text.

    Args:
        text: exactly as all owners approved it.
        tables: of each piece, the table that it is rows of, between commas.
        pieces: Arrow IPC streams.
    """
    try:
        if FAILED in pieces:
            return FAILED
        names = tables.split(",")
        for name in dict.fromkeys(names):
            mine = [piece for one, piece in zip(names, pieces, strict=True) if one == name]
            united(_engine[0], f'"{name}"', tuple(mine))
        return stream_of(_engine[0], text, whole=True)
    except Exception:
        return FAILED
    finally:
        drop_all(_engine[0])


TASKS = (final, final_text, local, local_text, pick)


def load_part(
    engine: duckdb.DuckDBPyConnection, alias: str, policy: DataPolicy, part: bytes | None
) -> None:
    """Make the table of an input, of one part's rows or of none."""
    names = [column.name for column in policy.columns]
    given = Table.of({name: () for name in names}) if part is None else part
    load(engine, f"d_{alias}", given, policy, f"c{names.index(policy.unit)}")


def united(
    engine: duckdb.DuckDBPyConnection, table: str, pieces: tuple[bytes, ...], *, into: bool = False
) -> None:
    """Make a table of streams whose rows follow each other; `into`: one that is there."""
    for piece in pieces:
        engine.register("given", opened(piece))
        try:
            rows = "SELECT * FROM given"
            made = f"INSERT INTO {table} {rows}" if into else f"CREATE TABLE {table} AS {rows}"
            engine.execute(made)
        finally:
            engine.unregister("given")
        into = True


def opened(stream: bytes) -> nanoarrow.Array:
    """An Arrow IPC stream, as the engine reads it."""
    return nanoarrow.Array(nanoarrow.c_array_stream(ipc.InputStream.from_readable(stream)))


def stream_of(engine: duckdb.DuckDBPyConnection, text: str, *, whole: bool = False) -> bytes:
    """The result of a query, as an Arrow IPC stream; `whole`: numbers of 128 bits as such of 64,
    for Arrow would make decimals of them."""
    file, found = io.BytesIO(), engine.sql(text)
    wide = [
        f'CAST("{name}" AS BIGINT) AS "{name}"'
        for name, type_ in zip(found.columns, found.types, strict=True)
        if whole and str(type_) == "HUGEINT"
    ]
    if wide:
        found = found.select(f"* REPLACE ({', '.join(wide)})")
    with ipc.StreamWriter.from_writable(file) as writer:
        writer.write_stream(nanoarrow.c_array_stream(found))
    return file.getvalue()


def drop_all(engine: duckdb.DuckDBPyConnection) -> None:
    """No table is left for the next task."""
    for (name,) in engine.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        engine.execute(f'DROP TABLE "{name}"')


def _bucket(by: tuple[str, ...], buckets: int, bucket: int, *, whole: bool = False) -> bytes:
    chosen = f" WHERE hash({', '.join(by)}) % {buckets} = {bucket}" if by and buckets > 1 else ""
    text = f"SELECT * FROM p{chosen}"  # noqa: S608 (names of ours)
    return stream_of(_engine[0], text, whole=whole)


def policies_of(columns: Mapping[str, bytes]) -> bytes:
    """(alias, columns of its data terms), as tasks take them."""
    return codec.encode(tuple(sorted(columns.items())))
