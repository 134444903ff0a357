"""`bench --program rooms`: what clean rooms take, a row for each aim, on a cluster of its own.

Owns the order: the engine beside the bare one, sealing, uploads, sensors, jobs. Rows and bare
engine are rooms_engine.py, people and workers rooms_people.py, uploads and jobs rooms_jobs.py.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from strongroom.node.bench.report import Document
from strongroom.node.bench.rooms_engine import measure_analytics, write_rows
from strongroom.node.bench.rooms_jobs import agreed, job, sealing, sensors, upload, write_csv
from strongroom.node.bench.rooms_people import OPERATORS, people
from strongroom.node.bench.run import agree
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.interpreter import in_words, interpreter
from strongroom.node.terminal.teller import Teller

SMALL_ROWS, SMALL_MS = 1_000, 1_000
LARGE_ROWS, LARGE_MS = 1_000_000, 5_000
"""Of a job's data, and its contract's duration: no result is told before."""
FULL_ROWS = 10_000_000
CSV_ROWS, CSV_ROWS_FULL = 2_000_000, 42_000_000
"""48 MB, and a gigabyte."""
PREDICTION = "not measured here: `./scripts/demo --scenario health` tells how long each took"
"""What stands in its row."""
ANALYTICS_AIM, FIRST_AIM_SECONDS, LARGE_AIM_SECONDS = 1.5, 3.0, 10.0
SEALED_AIM, READINGS_AIM, PREDICTION_AIM_MS = 100, 10_000, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsLoad:
    """What is to be measured."""

    nodes: int = 4
    jobs: int = 5
    """Small ones, one after the other."""
    pairs: int = 2
    """Workers of each operator, of which there are two: the pool."""
    batches: int = 10
    rows: int = LARGE_ROWS
    """Of the analytics, and of the one large job."""
    csv_rows: int = CSV_ROWS
    full: bool = False
    """Ten million rows and a gigabyte too: some minutes, and 4 GiB of disk and memory."""


async def measure_rooms(load: RoomsLoad, teller: Teller) -> Document:
    """Measure on a cluster of its own.

    Raises:
        StrongroomError: a node or a worker failed, or the service refused what it must not.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-") as name:
        folder = Path(name)
        with teller.under_way() as say:
            analytics = []
            for rows in (load.rows, *((FULL_ROWS,) if load.full else ())):
                say(f"{rows:,} rows in a bench, and in the bare engine")
                analytics += await asyncio.to_thread(measure_analytics, folder, rows)
            sealed = await asyncio.to_thread(sealing)
        stage = Stage(nodes=load.nodes, base_port=0)
        async with running_cluster(stage, teller, fund=False) as cluster:
            with teller.under_way() as say:
                say("a room, its operators and their workers")
                on_ledger = await _on_ledger(load, cluster, folder, say)
                agreement = await agree(cluster)
    return {
        "operation": "rooms",
        "nodes": load.nodes,
        "cores": os.cpu_count(),
        "interpreter": interpreter(),
        "load_average": round(os.getloadavg()[0], 2),
        "analytics": analytics,
        "sealing": sealed,
        **on_ledger,
        "prediction": PREDICTION,
        "agreement": agreement,
    }


async def _on_ledger(
    load: RoomsLoad, cluster: Cluster, folder: Path, say: Callable[[str], None]
) -> Document:
    async with people(cluster, folder, load.pairs) as here:
        say(f"a CSV file of {load.csv_rows:,} rows is brought")
        file = folder / "upload.csv"
        await asyncio.to_thread(write_csv, file, load.csv_rows)
        uploads = [await upload(here, file, "upload")]
        file.unlink()
        say(f"{load.rows:,} rows of an Arrow file are brought")
        file = folder / "large.arrow"
        await asyncio.to_thread(write_rows, file, load.rows)
        uploads.append(await upload(here, file, "large"))
        small = folder / "small.csv"
        write_csv(small, SMALL_ROWS)
        await upload(here, small, "small")
        say("batches of a sensor are brought")
        readings = await sensors(here, folder, load.batches)
        say(f"{load.jobs} small jobs, and one of {load.rows:,} rows")
        contract = await agreed(here, "small", SMALL_MS)
        await here.pool.until_waiting(len(OPERATORS) * load.pairs)
        tried = [await job(here, contract, turn) for turn in range(load.jobs)]
        large = await job(here, await agreed(here, "large", LARGE_MS), 0)
        starts = here.pool.starts()
    took = [one for one in tried if one is not None]
    return {
        "uploads": uploads,
        "sensors": readings,
        "small_job": {
            "rows": SMALL_ROWS,
            "duration_ms": SMALL_MS,
            "p50_seconds": round(median(took), 2) if took else None,
            "max_seconds": round(max(took), 2) if took else None,
            "jobs": len(tried),
            "late": len(tried) - len(took),
            "cold_start_p50_seconds": round(median(starts), 2) if starts else None,
        },
        "large_job": {
            "rows": load.rows,
            "duration_ms": LARGE_MS,
            "seconds": large and round(large, 2),
        },
    }


def rooms_lines(report: Document) -> list[str]:
    """The report as lines for people, a row of each aim; the last says it all."""
    small, large, sealed = report["small_job"], report["large_job"], report["sealing"]
    lines = [
        f"{one['rows']:>11,} rows, {one['profile']:<8}  {one['ms']} ms; bare {one['bare_ms']} "
        f"(ratio {one['ratio']}, aim {ANALYTICS_AIM}; of processor {one['cpu_ratio']}), bare with "
        f"a table {one['bare_loaded_ms']} ({one['ratio_loaded']}); bench {one['bench_mib']} MiB"
        for one in report["analytics"]
    ]
    lines += [
        f"first result            p50 {small['p50_seconds']} s, max {small['max_seconds']} of "
        f"{small['jobs']} jobs of {small['duration_ms'] / 1000:g} s, {small['late']} of them late "
        f"(aim {FIRST_AIM_SECONDS:g}); a worker waits again "
        f"{small['cold_start_p50_seconds']} s after its job",
        f"{large['rows']:,} rows by group   {large['seconds']} s with a duration of "
        f"{large['duration_ms'] / 1000:g} s (aim {LARGE_AIM_SECONDS:g})",
        f"sealing on one core     {sealed['mb_per_second']} MB/s (aim {SEALED_AIM})",
    ]
    lines += [
        f"data put, {one['file']:<13} {one['mb']} MB in {one['seconds']} s: "
        f"{one['mb_per_second']} MB/s, {one['cpu_mb_per_second']} a second of processor; "
        f"{one['peak_mib']} MiB at most"
        for one in report["uploads"]
    ]
    readings = report["sensors"]
    verdict = "all replicas agree" if report["agreement"] else "REPLICAS DISAGREE"
    return [
        *lines,
        f"sensor readings         {readings['per_second']:,} a second (aim {READINGS_AIM:,}), "
        f"{readings['batch']:,} a batch, {readings['batch_ms']} ms each",
        f"prediction              {report['prediction']} (aim p50 {PREDICTION_AIM_MS} ms)",
        f"{in_words(report['interpreter'])}, load average {report['load_average']}: {verdict}",
    ]
