"""Everything that a job may call, called once before the walls rise (ROOMS §4).

Owns that list beside the engine's own (analytics/warming.py). After it nothing is imported and no
file is opened.
"""

from collections.abc import Collection

from strongroom.consensus.errors import invariant
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.room.analytics import warming
from strongroom.enclave.room.library import catalogue
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.measurement import ANALYTICS
from strongroom.enclave.room.worker.stages import Bench, Given, JobFailed

_OWNER = bytes(32)


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
    stream = tables.write(table, kinds, 6)
    contract = Contract(
        room=_OWNER,
        name="warm",
        purpose="warm",
        profile="reviewed",
        inputs=(Input("a", _OWNER, "rows", 0, 0),),
        stages=(stage,),
        outputs=(Output("case", "table", (_OWNER,), 1 << 20, "", 0),),
        parameters=(),
        runs=1,
        memory_mb=64,
        duration_ms=1_000,
        digits=6,
        executors=1,
        agreement=1,
        until_ms=1,
    )
    given = Given("a", _OWNER, "rows", b"", (stream, stream))
    try:
        bench.run(contract, (), (given,), bytes(32))
    except JobFailed:
        invariant(stage.language == "library", "the worker does not warm up")
