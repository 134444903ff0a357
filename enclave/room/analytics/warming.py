"""Everything that a query may call, called once before the sandbox rises (ROOMS §4).

Owns one small run through parser, engine, Arrow, suppression and noise, over rows of its own. After
it no query opens a file or imports a module. Knows no job.
"""

import io

import nanoarrow
from nanoarrow import ipc

from strongroom.consensus.errors import invariant
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import check
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Noise, Use
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.tables import Given, Table
from strongroom.enclave.room.analytics.types import DATE, INTEGER, REAL, TEXT

_MICROS = 10**6
_LABEL = frozenset({Use.GROUP, Use.OUTPUT, Use.FILTER})
_COLUMNS = (
    ColumnPolicy(name="who", type=INTEGER, uses=frozenset({Use.IDENTITY, Use.JOIN})),
    ColumnPolicy(name="place", type=TEXT, uses=_LABEL),
    ColumnPolicy(name="day", type=DATE, uses=_LABEL),
    ColumnPolicy(
        name="value",
        type=INTEGER,
        uses=frozenset({Use.AGGREGATE, Use.FILTER}),
        bounds=(0, 10 * _MICROS),
    ),
    ColumnPolicy(
        name="share", type=REAL, uses=frozenset({Use.AGGREGATE}), bounds=(0, 10 * _MICROS)
    ),
)
_NOISE = Noise(epsilon_job=_MICROS, epsilon_life=_MICROS, groups=1, rows=1, threshold=2)
_EXACT = (
    "WITH daily AS (SELECT a.place, a.day, count(*) AS n, avg(a.value) AS m, stddev(a.share) AS d "
    "FROM a JOIN b ON a.who = b.who WHERE a.value BETWEEN 0 AND 9 AND a.place LIKE 'p%' "
    "GROUP BY a.place, a.day) "
    "SELECT place, date_trunc('month', day) AS t, round(m, 2) AS r FROM daily WHERE n > 0 "
    "ORDER BY r DESC LIMIT 9"
)
_NOISED = "SELECT place, count(*) AS n, sum(value) AS s FROM c GROUP BY place"


def warm_up(*, memory_bytes: int) -> tuple[Parser, Engine]:
    """A parser and an engine that need nothing more from the file system.

    Args:
        memory_bytes: what the engine believes it may take.
    """
    parser, engine = Parser(), Engine(memory_bytes=memory_bytes)
    exact = DataPolicy(columns=_COLUMNS, unit="who", k=2, rounding=1, noise=None)
    noised = DataPolicy(columns=_COLUMNS, unit="who", k=2, rounding=1, noise=_NOISE)
    inputs = {
        "a": DataSet(identity="a", policy=exact),
        "b": DataSet(identity="b", policy=exact),
        "c": DataSet(identity="c", policy=noised, epsilon=_MICROS),
    }
    rows = 12
    table = Table.of(
        {
            "who": list(range(rows)),
            "place": [f"p{min(2, index // 5)}" for index in range(rows)],
            "day": ["2024-01-01"] * (rows - 1) + ["2024-01-02"],
            "value": [None, *range(1, rows)],
            "share": [float(index) for index in range(rows)],
        }
    )
    given: dict[str, Given] = {"a": table, "b": _arrow(rows), "c": table}
    for sql in (_EXACT, _NOISED):
        told = engine.run(given, check(inputs, sql, parser=parser), Secret(bytes(32)))
        invariant(len(told.columns) == 3, "the engine does not warm up")
    return parser, engine


def _arrow(rows: int) -> bytes:
    fields = {
        "who": nanoarrow.c_array(range(rows), nanoarrow.int64()),
        "place": nanoarrow.c_array(["p"] * rows, nanoarrow.string()),
        "day": nanoarrow.c_array([19000] * rows, nanoarrow.date32()),
        "value": nanoarrow.c_array([1] * rows, nanoarrow.int64()),
        "share": nanoarrow.c_array([1.0] * rows, nanoarrow.float64()),
    }
    schema = nanoarrow.struct({name: array.schema for name, array in fields.items()})
    batch = nanoarrow.c_array_from_buffers(schema, rows, [None], children=list(fields.values()))
    file = io.BytesIO()
    with ipc.StreamWriter.from_writable(file) as writer:
        writer.write_array(batch)
    return file.getvalue()
