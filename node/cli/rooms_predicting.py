"""`strongroom rooms predict | serving`: what a model tells of rows, one by one, and how a serving
stands.

Owns options and words of these commands. The waiting for answers is node/clean_rooms/predicting.py.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    read_id,
)
from strongroom.node.cli.explorer_tables import time_text
from strongroom.node.cli.program_calls import AsOption, Caller, answered, ask
from strongroom.node.cli.rooms_jobs import JobArgument
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say
from strongroom.node.terminal.tables import facts, table

if TYPE_CHECKING:
    from strongroom.node.clean_rooms.predicting import Asker, Prediction

TOGETHER_MAX = 8
"""Rows of a file that wait for their answers at a time."""
ROWS_MAX = 10_000
"""Of a file: more are a job of `ml.predict`."""


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command()(predict)
    app.command()(serving)


@guarded
def predict(
    served: Annotated[str, typer.Argument(metavar="CONTRACT|JOB", help="Its id, 64 hex digits.")],
    identity: AsOption,
    row: Annotated[
        list[str] | None,
        typer.Option("--row", metavar="FILE.json|NAME=VALUE", help="One row; may be repeated."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="ROWS.csv", help="A row per line, with names.")
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Ask a serving what its model tells of a row. Each row is counted, once it is asked.

    Example: strongroom rooms predict CONTRACT --row age=63 --row chol=233 --as hospital-a
    """
    if bool(row) == (file is not None):
        fail("say --row or --file", ExitCode.USAGE)
    rows = [read_row(row)] if row else read_rows(file or Path())
    caller = Caller(identity, directory, timeout, as_json)
    document = answered(caller, _told(caller, read_id(served), rows), program="rooms")
    if row and document["rows"][0]["error"]:
        fail(document["rows"][0]["error"], ExitCode.NO)
    emit(document, as_json, lambda: _show(document))


@guarded
def serving(
    job: JobArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show a job that answers rows: until when, who answers, who asked how often.

    Example: strongroom rooms serving JOB --as hospital-a
    """
    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.serving", {"job": read_id(job)})
    emit(document, as_json, lambda: _show_serving(document))


def read_row(given: list[str]) -> dict[str, str]:
    """One row: NAME=VALUE each, or one JSON file of names and numbers.

    Raises:
        ClientFault: it is neither.
    """
    if len(given) == 1 and "=" not in given[0]:
        return _of_json(Path(given[0]))
    row: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name or name in row:
            raise ClientFault(f"--row {one!r}: write NAME=VALUE, each name once, or one FILE.json")
        row[name] = value
    return row


def read_rows(file: Path) -> list[dict[str, str]]:
    """Rows of a CSV file with a line of names.

    Raises:
        ClientFault: it cannot be read, is no such file, or has too many rows.
    """
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            found = list(csv.DictReader(opened, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClientFault(f"cannot read {file}: {error}") from None
    if not 1 <= len(found) <= ROWS_MAX:
        raise ClientFault(f"{file}: 1 to {ROWS_MAX} rows; more are a job of ml.predict")
    for line, one in enumerate(found, start=2):
        if None in one or None in one.values():
            raise ClientFault(f"{file}, line {line}: more or fewer values than names")
    return found


def _of_json(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text(), parse_float=str, parse_int=str)
    except (OSError, ValueError) as error:
        raise ClientFault(f"cannot read {file}: {error}") from None
    if type(found) is not dict or not all(type(one) in (str, type(None)) for one in found.values()):
        raise ClientFault(f"{file}: an object of names and numbers; null is a gap")
    return {name: one or "" for name, one in found.items()}


async def _told(caller: Caller, id: bytes, rows: list[dict[str, str]]) -> dict[str, Any]:
    import asyncio

    from strongroom.node.clean_rooms.predicting import asking, row_of, serving_job

    encoded = [row_of(one) for one in rows]
    async with caller.client(one_shot=False) as client, asking(client) as asker:
        job = await serving_job(client, id)
        if len(rows) == 1:
            told = [await _one(asker, job, encoded[0])]
        else:
            gate = asyncio.Semaphore(TOGETHER_MAX)

            async def one(row: bytes) -> Mapping[str, Any]:
                async with gate:
                    return await _one(asker, job, row)

            told = list(await asyncio.gather(*(one(row) for row in encoded)))
        return {"job": job, "rows": told}


async def _one(asker: "Asker", job: bytes, row: bytes) -> Mapping[str, Any]:
    from strongroom.node.clean_rooms.predicting import NotAnswered

    try:
        found: Prediction = await asker.predict(job, row)
    except NotAnswered as fault:
        return {"probability": None, "left": None, "error": str(fault)}
    return {"probability": found.probability, "left": found.left, "error": ""}


def _show(document: dict[str, Any]) -> None:
    rows = document["rows"]
    if len(rows) == 1:
        say(f"probability {rows[0]['probability']:g}, {rows[0]['left']} answers left")
        return
    table(
        ("row", "probability", "why not"),
        [
            [
                str(at),
                "-" if one["probability"] is None else f"{one['probability']:g}",
                one["error"] or "-",
            ]
            for at, one in enumerate(rows, start=1)
        ],
    )


def _show_serving(document: dict[str, Any]) -> None:
    facts(
        [
            ("job", document["job"].hex()),
            ("state", document["state"]),
            ("until", time_text(document["until_ms"])),
            ("answering", ", ".join(document["answering"]) or "nobody now"),
            ("answers", f"{document['each']} for each recipient"),
            ("asked", f"{document['asked']}, {document['waiting']} wait"),
        ]
    )
    table(("party", "asked"), [[one["party"], str(one["asked"])] for one in document["askers"]])
