"""What the room's program says of a study, run here without a room: for tests of what is compared
with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from strongroom.node.demo.health.plain_fit import Shard, read_shard
from strongroom.node.demo.health.records import HELD_OUT, Study


def shards_of(study: Study, folder: Path) -> dict[str, Shard]:
    """Every hospital's file, written and read."""
    found = {}
    for hospital in study.hospitals:
        hospital.write(folder / f"{hospital.name}.csv", "mark")
        found[hospital.name] = read_shard(folder / f"{hospital.name}.csv", study)
    return found


def told_by_the_program(study: Study) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table that it makes."""
    pytest.importorskip("numpy", reason="the extra `rooms` is not installed")
    from strongroom.enclave.room.library import ml_logistic
    from strongroom.enclave.room.library.checking import start
    from strongroom.enclave.room.library.shapes import Table

    tables = {one.name: Table.of(one.records) for one in study.hospitals}
    parameters = {
        "columns": [one.text for one in study.measures],
        "target": study.target,
        "held_out": HELD_OUT,
        "missing": study.missing,
    }
    outputs = start(ml_logistic.PROGRAM, tables, parameters, bytes(32))
    return {
        name: [
            dict(zip(one.columns, row, strict=True)) for row in _rows(list(one.columns.values()))
        ]
        for name, one in outputs.items()
        if isinstance(one, Table)
    }


def _rows(columns: Sequence[Any]) -> Sequence[Sequence[Any]]:
    return list(zip(*columns, strict=True))
