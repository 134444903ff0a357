"""Everything that a crew's bench may call, called once before the walls rise (ROOMS §4, §8).

Owns that list beside the engine's own (analytics/warming.py): a free and a reviewed job, each over
two parts of made-up rows, computed by a crew of this process alone. After it nothing is imported
and no file is opened.
"""

from collections.abc import Awaitable, Sequence
from typing import Any

from strongroom.consensus.errors import invariant
from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.room.analytics import warming
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Use
from strongroom.enclave.room.analytics.types import DATE, INTEGER, REAL, TEXT, TIMESTAMP, TRUTH
from strongroom.enclave.room.crew import tasks
from strongroom.enclave.room.crew.engine import CrewEngine, Spread
from strongroom.enclave.room.crew.foreman import Task
from strongroom.enclave.room.crew.parts import Cutter
from strongroom.enclave.room.crew.stages import CrewStages, Rows
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.warm_contract import WARM_OWNER, warm_contract

_LABEL = frozenset({Use.OUTPUT, Use.GROUP, Use.FILTER})
_SUMMED = frozenset({Use.AGGREGATE})
_POLICY = DataPolicy(
    columns=(
        ColumnPolicy(name="who", type=INTEGER, uses=frozenset({Use.IDENTITY, Use.JOIN})),
        ColumnPolicy(name="place", type=TEXT, uses=_LABEL),
        ColumnPolicy(name="share", type=REAL, uses=_SUMMED, bounds=(0, 10**7)),
        ColumnPolicy(name="whole", type=INTEGER, uses=_SUMMED),
        ColumnPolicy(name="known", type=TRUTH, uses=_LABEL),
    ),
    unit="who",
    k=2,
    rounding=1,
    noise=None,
)
_EVERY_TYPE = DataPolicy(
    columns=tuple(
        ColumnPolicy(name=type_.kind.value, type=type_, uses=frozenset({Use.IDENTITY}))
        for type_ in (DATE, INTEGER, REAL, TEXT, TIMESTAMP, TRUTH)
    ),
    unit=INTEGER.kind.value,
    k=2,
    rounding=1,
    noise=None,
)
_ROWS: dict[str, list[object]] = {
    "who": [1, 2, 3, 3],
    "place": ["a", "a", "b", None],
    "share": [0.5, None, 1.5, 2.5],
    "whole": [1, 2, None, 4],
    "known": [True, False, None, True],
}
_FREE = (
    "SELECT place, count(*) AS n, sum(whole) AS s, avg(whole) AS m, count(DISTINCT who) AS u "
    "FROM a WHERE known GROUP BY place ORDER BY place",
    "SELECT place, stddev(share) AS d, sum(share) AS s FROM a GROUP BY place",
    "-- local p\nSELECT who, place, whole FROM a\n-- exchange p by place\n"
    "-- final\nSELECT place, sum(whole) AS s FROM p GROUP BY place",
)
_REVIEWED = (
    "-- local p\nSELECT place, sum(whole) AS s FROM a GROUP BY place\n-- exchange p by place\n"
    "-- final\nSELECT place, sum(s) AS s FROM p GROUP BY place"
)


class Alone:
    """A foreman without members, in the place of one."""

    async def compute(
        self, locals_: Sequence[Task], final: Task, *, exchanged: bool = True
    ) -> list[bytes]:
        """See Foreman.compute: here, at once."""
        buckets = 2 if exchanged else 1
        made = [one(*more, buckets) for one, *more in locals_]
        function, *more = final
        return [
            function(*more, *(tasks.pick(pieces, bucket) for pieces in made))
            for bucket in range(buckets)
        ]


def at_once(work: Awaitable[Any]) -> Any:
    """What a coroutine that waits for nothing gives."""
    try:
        work.send(None)  # type: ignore[attr-defined]
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def warm_up(*, memory_bytes: int) -> Parser:
    """A parser; whatever else is made for a job, its maker keeps."""
    parser, _ = warming.warm_up(memory_bytes=memory_bytes)
    alone: Any = Alone()
    engine = CrewEngine(alone, at_once, parser, memory_bytes=memory_bytes)
    tasks.load_part(engine.connection, "every", _EVERY_TYPE, None)
    tasks.drop_all(engine.connection)
    stages = CrewStages(parser, engine, alone, at_once, memory_bytes)
    table = Table.of(_ROWS)
    stream = tables.write(table, tables.kinds_of(table), 6)
    cutter = Cutter()
    parts: Any = (*cutter.feed(stream), *cutter.finish(), stream)
    rows = [Rows("a", WARM_OWNER, "rows", _POLICY.encode(), Spread(parts))]
    for profile, text in (*(("free", text) for text in _FREE), ("reviewed", _REVIEWED)):
        made = stages.run(warm_contract(profile, Stage("sql", "case", text)), (), rows, bytes(32))
        invariant(len(made) == 1, "a crew does not warm up")
    return parser
