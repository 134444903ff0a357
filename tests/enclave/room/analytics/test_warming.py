"""After the warming up, no query opens a file, imports a module or starts a thread (ROOMS §4)."""

import os
import subprocess
import sys
from pathlib import Path

from tests.hang import HANG_SECONDS

CODE = """
import sys, threading
from pathlib import Path
from strongroom.enclave.room.analytics.warming import warm_up

def threads():
    return len(list(Path("/proc/self/task").iterdir()))

at_first = threads()
parser, engine = warm_up(memory_bytes=512 * 1024 * 1024)
begun = threads() - at_first
loaded = set(sys.modules)

from tests.enclave.room.analytics.test_engine import ASKED, FIELDS, GROUPS, ROWS, SMALL, arrow
from tests.enclave.room.analytics.test_noise import MANY, visits
from tests.enclave.room.analytics.world import INPUTS, PAY, table
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import check
from strongroom.enclave.room.analytics.refusals import QueryFailed, Refused
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.tables import Table

inputs = {**INPUTS, "s": DataSet(identity="s", policy=SMALL)}
given = {"pay": table(ROWS, PAY), "s": arrow(FIELDS), "visits": visits(MANY)}
for name in set(sys.modules) - loaded:
    del sys.modules[name]  # what the tests alone loaded
before = threads()
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args)[:80]))
                 if event in ("open", "import", "os.listdir", "socket.connect") else None)
for sql in (GROUPS, ASKED, "SELECT ward, avg(cost) AS c FROM visits GROUP BY ward"):
    told = engine.run(given, check(inputs, sql, parser=parser), Secret(bytes(32)))
try:
    check(inputs, "SELECT note FROM pay", parser=parser)
except Refused:
    pass
try:
    engine.run({"pay": Table.of({"a": [1]})}, check(inputs, GROUPS, parser=parser))
except QueryFailed:
    pass
noticed = list(seen)
print(begun, threads() - before, noticed)
"""


def test_nothing_is_opened_imported_or_started_after_the_warming_up() -> None:
    root = Path(__file__).parents[4]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.stdout.strip() == "0 0 []", done.stdout + done.stderr
