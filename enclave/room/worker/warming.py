"""Everything that a job may call, called once before the walls rise (ROOMS §4).

Owns that list beside the engine's own (analytics/warming.py). After it nothing is imported and no
file is opened.
"""

from collections.abc import Collection

from strongroom.consensus.errors import invariant
from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.room.analytics import warming
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library import catalogue
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.measurement import ANALYTICS
from strongroom.enclave.room.worker.stages import Bench, Given, JobFailed
from strongroom.enclave.room.worker.warm_contract import WARM_OWNER, warm_contract


def warm_up(*, memory_bytes: int, without: Collection[str] = ANALYTICS.without) -> Bench:
    """A bench that needs nothing more from the file system, and runs no program of `without`."""
    parser, engine = warming.warm_up(memory_bytes=memory_bytes)
    for name in catalogue.PROGRAMS:
        if name not in without:
            catalogue.program(name).prepare()
    bench = Bench(parser, engine, memory_bytes)
    for stage, columns in (
        (
            Stage("sql", "case", "SELECT who, sum(share) AS s FROM a GROUP BY who ORDER BY who"),
            _ROWS,
        ),
        (
            Stage("sql", "case", "SELECT x.who, y.share FROM a AS x JOIN a AS y ON x.who = y.who"),
            _ROWS,
        ),
        (Stage("library", "aml.round_trips", ""), _TRANSFERS),
        (Stage("library", "occupancy.hourly", ""), _TRANSFERS),
    ):
        _once(bench, stage, columns)
    return bench


_ROWS: dict[str, list[object]] = {
    "who": ["a", "b", None],
    "share": [0.5, None, 1.5],
    "whole": [1, 2, None],
}
_TRANSFERS: dict[str, list[object]] = {
    "from_bank": ["a", "b"],
    "from_account": ["1", "2"],
    "to_bank": ["b", "a"],
    "to_account": ["2", "1"],
    "time": [1, 2],
    "amount": [5, 5],
}


def _once(bench: Bench, stage: Stage, columns: dict[str, list[object]]) -> None:
    """Run one small job; a program that refuses these rows has been called all the same."""
    table = Table.of(columns)
    kinds = tables.kinds_of(table)
    invariant(kinds.keys() == columns.keys(), "the worker does not warm up")
    rows = tables.write(table, kinds, 6)
    contract = warm_contract("reviewed", stage)
    given = Given("a", WARM_OWNER, "rows", b"", Stream.of(rows, rows))
    try:
        bench.run(contract, (), (given,), bytes(32))
    except JobFailed:
        invariant(stage.language == "library", "the worker does not warm up")
