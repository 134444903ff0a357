"""How long a crew takes, beside one room: a table for docs/clean-rooms-crew.md.

    python -m tests.enclave.room.crew.measure 1000000 5000000 20000000

Benches behind their walls, this process in the place of rooms and hosts: records are carried as
they are, not sealed. One room is one engine in one process, as it is in a worker's bench.
"""

import io
import os
import sys
import time

import duckdb
import nanoarrow
from nanoarrow import ipc
from tests.enclave.room.analytics.world import column
from tests.enclave.room.crew import crews
from tests.enclave.room.crew.crews import OWNER, contract, crew

from strongroom.enclave.room.analytics import warming
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.analytics.types import INTEGER, REAL, TEXT
from strongroom.enclave.room.worker.stages import Bench, Given

MEMORY, BATCH = 12 << 30, 500_000
POLICY = DataPolicy(
    columns=(
        column("account", INTEGER, "ij"),
        column("place", TEXT, "gof"),
        column("fee", INTEGER, "af"),
        column("rate", REAL, "a", bounds=(0, 10**7)),
    ),
    unit="account",
    k=5,
    rounding=1,
    noise=None,
)
TEXTS = {
    "counts and sums": "SELECT place, count(*) AS n, sum(fee) AS s, count(DISTINCT account) AS u "
    "FROM a GROUP BY place",
    "deviations": "SELECT place, stddev(rate) AS d, sum(rate) AS s FROM a GROUP BY place",
}


def stream(rows: int) -> bytes:
    """Rows of 100 places and 50,000 accounts, in batches."""
    engine, file = duckdb.connect(), io.BytesIO()
    with ipc.StreamWriter.from_writable(file) as writer:
        for at in range(0, rows, BATCH):
            found = engine.sql(
                "SELECT (i * 7919 % 50000)::BIGINT AS account, 'place' || (i % 100) AS place, "
                "(i % 17)::BIGINT AS fee, (i % 1000) / 7.0::DOUBLE AS rate "
                f"FROM range({at}, {min(rows, at + BATCH)}) AS made(i)"
            )
            writer.write_stream(nanoarrow.c_array_stream(found))
    return file.getvalue()


def main() -> None:
    """Print a line for each size, text and crew."""
    crews.MEMORY, crews.PART_BYTES = MEMORY, 1 << 20
    told = POLICY.encode()
    for rows in (int(word) for word in sys.argv[1:]):
        data = stream(rows)
        for name, text in TEXTS.items():
            made = contract(text, "free", ["a"])
            parser, engine = warming.warm_up(memory_bytes=MEMORY)
            start = time.perf_counter()
            given = (Given("a", OWNER, "a", told, Stream.of(data)),)
            (entry,) = Bench(parser, engine, MEMORY).run(made, (), given, bytes(32))
            row = [f"{time.perf_counter() - start:.2f}"]
            for members in (1, 2, 3):
                with crew(members) as one:
                    start = time.perf_counter()
                    found = one.run(made, [("a", told, [data])])
                    row.append(f"{time.perf_counter() - start:.2f}")
                    equal = found == [entry[2]]
                    carried = len(one.carried) >> 20
                row.append(f"({carried} MiB, {'equal' if equal else 'OTHER'})")
            load = os.getloadavg()[0]
            words = [f"{rows:,} | {len(data) >> 20} MiB | {name} |", *row, f"| load {load:.0f}"]
            sys.stdout.write(" ".join(words) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
