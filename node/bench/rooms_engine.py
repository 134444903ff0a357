"""Analytics of `bench --program rooms`: what a job's rows take from sealed chunks to the result,
beside the bare engine on the same rows.

Owns the rows, the queries and the comparison; each measurement is a process of its own
(rooms_engine_program.py), started as a worker is. The least of several runs counts: whatever else
this machine does only adds.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.worker.measurement import ENVIRONMENT
from strongroom.node.bench.report import Document

PROGRAM = Path(__file__).with_name("rooms_engine_program.py")
QUERY = "SELECT place, count(*) AS n, sum(value) AS s FROM rows GROUP BY place ORDER BY place"
"""One group by, which both profiles take: 100 groups, none of them below k."""
ROWS = (
    "SELECT range AS who, 'place' || (range % 100) AS place, (range * 7) % 10 AS value, "
    "(range % 97) / 7.0 AS share FROM range({rows})"
)
"""Of four columns: 34 MiB a million."""
RUNS = 3
SECONDS_MAX = 600.0
K = 5
MICROS = 10**6


def measure_analytics(folder: Path, rows: int) -> list[Document]:
    """A row for each profile.

    Raises:
        OperatorFault: a measurement does not end well.
    """
    file, query = folder / f"{rows}.arrow", folder / "query.sql"
    write_rows(file, rows)
    query.write_text(QUERY)
    size = file.stat().st_size
    direct = _least([_measured("bare", file, "-", query, b"") for _ in range(RUNS)])
    loaded = _least([_measured("loaded", file, "-", query, b"") for _ in range(RUNS)])
    made = []
    for profile in ("reviewed", "free"):
        ours = _least([_measured("worker", file, profile, query, policy()) for _ in range(RUNS)])
        if ours["result_rows"] != direct["result_rows"]:
            raise OperatorFault(f"the bench's own {profile} job has another result")
        made.append(
            {
                "rows": rows,
                "bytes": size,
                "profile": profile,
                "result_rows": ours["result_rows"],
                "ms": round(ours["seconds"] * 1000, 1),
                "bare_ms": round(direct["seconds"] * 1000, 1),
                "bare_loaded_ms": round(loaded["seconds"] * 1000, 1),
                "ratio": round(ours["seconds"] / direct["seconds"], 2),
                "ratio_loaded": round(ours["seconds"] / loaded["seconds"], 2),
                "cpu_ratio": round(ours["cpu_seconds"] / direct["cpu_seconds"], 2),
                "bench_mib": ours["bench_mib"],
                "start_ms": round(ours["ready_seconds"] * 1000),
            }
        )
    file.unlink()
    return made


def write_rows(file: Path, rows: int) -> None:
    """Made-up rows as an Arrow IPC stream."""
    import duckdb
    import nanoarrow
    from nanoarrow import ipc

    engine = duckdb.connect(":memory:", config={"threads": 1})
    stream = nanoarrow.c_array_stream(engine.sql(ROWS.format(rows=rows)))
    with file.open("wb") as opened, ipc.StreamWriter.from_writable(opened) as writer:
        writer.write_stream(stream)


def policy() -> bytes:
    """What the rows' owner lets be done with them."""
    from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Use
    from strongroom.enclave.room.analytics.types import INTEGER, REAL, TEXT

    label = frozenset({Use.GROUP, Use.OUTPUT, Use.FILTER})
    added = frozenset({Use.AGGREGATE})
    columns = (
        ColumnPolicy(name="who", type=INTEGER, uses=frozenset({Use.IDENTITY})),
        ColumnPolicy(name="place", type=TEXT, uses=label),
        ColumnPolicy(name="value", type=INTEGER, uses=added, bounds=(0, 9 * MICROS)),
        ColumnPolicy(name="share", type=REAL, uses=added, bounds=(0, 20 * MICROS)),
    )
    return DataPolicy(columns=columns, unit="who", k=K, rounding=1, noise=None).encode()


def _measured(kind: str, file: Path, profile: str, query: Path, told: bytes) -> dict[str, Any]:
    nowhere = file.parent / "no-bytecode"
    ended = subprocess.run(  # noqa: S603 (this interpreter, a file of ours)
        [
            *(sys.executable, "-I", "-B", "-X", f"pycache_prefix={nowhere}"),
            *(str(PROGRAM), kind, str(file), profile, str(query), told.hex()),
        ],
        env=dict(ENVIRONMENT),
        capture_output=True,
        timeout=SECONDS_MAX,
    )
    try:
        made: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        words = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OperatorFault(f"{PROGRAM.name} {kind}: {words[-1:] or ended.returncode}") from None
    return made


def _least(found: list[dict[str, Any]]) -> dict[str, Any]:
    return min(found, key=lambda one: float(one["seconds"]))
