"""One analytics measurement, run as a script of its own: a worker's chunks and a real bench behind
its walls, or the bare engine, over the same Arrow bytes with the same query.

    rooms_engine_program.py worker|bare|loaded FILE.arrow PROFILE QUERY.sql POLICY

Owns one measurement and one line of JSON. A script and no module of the package: a bench refuses to
start beside code that is not measured. Began as a worker begins (node/rooms/process.py).
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.outside.chunks import ChunkSealer, DataPlace, chunk_name
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.turns import Turns, Waiting
from strongroom.enclave.room.worker.__main__ import fork_bench
from strongroom.enclave.room.worker.chunks import Chunks
from strongroom.enclave.room.worker.link import BenchLink

MEMORY_MB = 4096
OWNER, SEED = bytes(32), bytes(32)
SECONDS = 600.0


class _Held:
    """A host that has every chunk at hand."""

    def __init__(self, chunks: dict[bytes, bytes]) -> None:
        self._chunks = chunks

    def begin(self, _method: str, *, name: bytes) -> Waiting[bytes]:
        waiting: Waiting[bytes] = Waiting()
        waiting.set(self._chunks[name])
        return waiting


def worker(file: Path, profile: str, query: str, policy: bytes) -> dict[str, Any]:
    """From sealed chunks to the bytes of the result: opened, checked, handed over, computed."""
    bench, held = fork_bench(MEMORY_MB << 20, os.open(os.devnull, os.O_RDONLY))
    link = BenchLink(bench)
    began = time.monotonic()
    link.until_ready()
    ready = time.monotonic() - began
    key, place = Secret(bytes(32)), DataPlace(ChainId(bytes(32)), OWNER, "rows", 1)
    sealer = ChunkSealer(key, place)
    sealed = [*sealer.feed(file.read_bytes()), sealer.finish()]
    names = [chunk_name(one) for one in sealed]
    chunks = _Held(dict(zip(names, sealed, strict=True)))
    contract = Contract(
        *(OWNER, "bench", "bench", profile),
        (Input("rows", OWNER, "rows", 0, 0),),
        (Stage("sql", "told", query),),
        (Output("told", "table", (OWNER,), 1 << 26, "", 0),),
        (),
        *(1, MEMORY_MB, 600_000, 6, 1, 1, 1),
    )
    turns = Turns()

    async def job() -> Any:
        until = turns.now() + SECONDS
        reader = Chunks(chunks, turns, until)  # type: ignore[arg-type]
        given = contract.encode(), codec.encode(()), SEED
        await link.begin(turns, until, given, [("rows", OWNER, "rows", policy, b"", (len(names),))])
        async for part in reader.read(names, key, place, 0):
            link.part((0, 0), part)
        return await link.outputs(turns, until)

    children = _children()
    before = sum(map(_cpu_of, children))
    began, own = time.monotonic(), time.process_time()
    made = turns.run(turns.spawn(job()), lambda: None)
    took, own = time.monotonic() - began, time.process_time() - own
    held.close()
    for _ in children:  # the bench, and its cell, which ends with it
        os.wait()
    of_bench = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": took,
        "cpu_seconds": own + of_bench.ru_utime + of_bench.ru_stime - before,
        "worker_cpu_seconds": own,
        "ready_seconds": ready,
        "bench_mib": of_bench.ru_maxrss >> 10,
        "result_rows": sum(rows_of(data) for _, _, data in made or ()),
    }


def rows_of(data: bytes) -> int:
    """Of one output."""
    from strongroom.enclave.room.analytics.streams import Stream
    from strongroom.enclave.room.worker import tables

    return tables.read(Stream.of(data)).rows


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def _cpu_of(child: str) -> float:
    """Processor seconds of a child so far."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(file: Path, query: str, *, load: bool) -> dict[str, Any]:
    """The engine alone, one thread: from Arrow bytes in memory to the rows of the result.

    Args:
        file: the bytes.
        query: reads a table `rows`.
        load: rows are loaded into a table of the engine before.
    """
    import duckdb

    from strongroom.enclave.room.analytics.streams import Stream

    engine = duckdb.connect(":memory:", config={"threads": 1, "async_threads": 0})
    stream = Stream.of(file.read_bytes())
    began, own = time.monotonic(), time.process_time()
    engine.register("given" if load else "rows", stream)
    if load:
        engine.execute("CREATE TABLE rows AS SELECT * FROM given")
    told = engine.execute(query).fetchall()
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - own,
        "result_rows": len(told),
    }


def main() -> None:
    """The script."""
    kind, file, profile, query, policy = sys.argv[1:]
    text = Path(query).read_text(encoding="utf-8")
    if kind == "worker":
        made = worker(Path(file), profile, text, bytes.fromhex(policy))
    else:
        made = bare(Path(file), text, load=kind == "loaded")
    print(json.dumps(made))  # noqa: T201 (this is what it is for)


if __name__ == "__main__":
    main()
