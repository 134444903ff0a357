"""Uploads and jobs of `bench --program rooms`, on a cluster of its own, the way a person goes:
files, commands, real workers.

Owns what is brought and run, and when each began and was over.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.contract import (
    Contract,
    Input,
    Output,
    Parameter,
    Stage,
)
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.outside.chunks import ChunkSealer, DataPlace, chunk_name
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.worker.measurement import NAME
from strongroom.node.bench.report import Document
from strongroom.node.bench.rooms_engine import QUERY, policy
from strongroom.node.bench.rooms_people import OPERATORS, OWNER, PURPOSE, People
from strongroom.node.clean_rooms.bringing import Wish, extend, put
from strongroom.node.clean_rooms.rows import RowsFile
from strongroom.node.clean_rooms.sealed_rows import Rows
from strongroom.node.rooms.starting import measured, program_file
from strongroom.node.vault.key_files import DataKeyFolder

COMMAND = (sys.executable, "-c", "from strongroom.node.cli.main import main; main()")
TERMS = """
runs = 10000
recipients = ["bank"]
programs = ["free"]
purposes = ["bench"]

[tables.rows]
unit = "who"
k = 5

[tables.rows.columns]
who = { type = "integer", uses = ["identity"] }
place = { type = "text", uses = ["group", "output", "filter"] }
value = { type = "integer", uses = ["aggregate"], bounds = [0, 9] }
share = { type = "real", uses = ["aggregate"], bounds = [0, 20] }
"""
POLL_SECONDS = 0.02
JOB_SECONDS_MAX = 120.0
SEALED_MIB = 256
BATCH_READINGS = 5_000
MEBIBYTE = 1 << 20


def sealing() -> Document:
    """What sealing takes on one core, chunks' names included."""
    part = os.urandom(MEBIBYTE)
    sealer = ChunkSealer(Secret.fresh(), DataPlace(ChainId(bytes(32)), bytes(32), "rows", 1))
    began = time.process_time()
    for _ in range(SEALED_MIB):
        for sealed in sealer.feed(part):
            chunk_name(sealed)
    chunk_name(sealer.finish())
    took = time.process_time() - began
    return {"mib": SEALED_MIB, "mb_per_second": round(SEALED_MIB * MEBIBYTE / took / 1e6)}


def write_csv(file: Path, rows: int, first: int = 0) -> None:
    """Rows as a person has them."""
    with file.open("w", encoding="ascii") as opened:
        opened.write("who,place,value,share\n")
        for who in range(first, first + rows):
            opened.write(f"{who},place{who % 100},{who * 7 % 10},{who % 97 / 8}\n")


async def upload(people: People, file: Path, name: str) -> Document:
    """`strongroom data put` of a file: time, and the most memory that it took.

    Raises:
        OperatorFault: it does not end well.
    """
    terms = file.with_suffix(".toml")
    terms.write_text(TERMS)
    size = file.stat().st_size
    words = ("data", "put", str(file), "--name", name, "--terms", str(terms), "--as", OWNER)
    began = time.monotonic()
    usage = await asyncio.to_thread(run_measured, *words, "--dir", str(people.where), "--json")
    took = time.monotonic() - began
    return {
        "file": file.suffix[1:],
        "mb": round(size / 1e6, 1),
        "seconds": round(took, 2),
        "mb_per_second": round(size / took / 1e6, 1),
        "cpu_mb_per_second": round(size / (usage.ru_utime + usage.ru_stime) / 1e6, 1),
        "peak_mib": usage.ru_maxrss >> 10,
    }


async def sensors(people: People, folder: Path, batches: int) -> Document:
    """Batches of readings, each sealed, stored and named on the ledger before the next."""
    owner = bytes(people.owner.identity.id)
    columns, until = policy(), 2**52
    terms = DataTerms(columns, 0, 0, 10_000, (owner,), ("free",), (PURPOSE,), until, False)
    digest = measured(program_file(NAME)).digest.hex()
    workers = {"authority": "strongroom", "allOf": [{"claim": "measurement", "equals": digest}]}
    release = json.dumps({"version": "1.0.0", "anyOf": [workers]})
    kept = DataKeyFolder(people.cluster.layout.vault(OWNER), people.owner.service.chain)
    latencies, began = [], 0.0
    for at in range(batches + 1):
        file = folder / f"batch-{at}.csv"
        write_csv(file, BATCH_READINGS, at * BATCH_READINGS)
        if at == 1:  # the first one makes the data set
            began = time.monotonic()
        start = time.monotonic()
        rows = RowsFile(file, DataPolicy.decode(columns))
        wish = Wish(
            name="readings",
            key="readings",
            rows=Rows.of(rows.stream()),
            stream=rows.stream,
            terms=b"" if at else terms.encode(),
            policy=lambda: release,
        )
        await (extend if at else put)(people.owner, kept, wish)
        latencies.append(time.monotonic() - start)
    took = time.monotonic() - began
    return {
        "batch": BATCH_READINGS,
        "batches": batches,
        "per_second": round(BATCH_READINGS * batches / took),
        "batch_ms": round(median(latencies[1:]) * 1000),
    }


async def agreed(people: People, data: str, duration_ms: int) -> bytes:
    """A contract of a group by with k-suppression, that stands at once."""
    owner = bytes(people.owner.identity.id)
    contract = Contract(
        *(people.room, f"by place, {data}", PURPOSE, "free"),
        (Input("rows", owner, data, 0, 0),),
        (Stage("sql", "told", QUERY),),
        (Output("told", "table", (owner,), MEBIBYTE, "", 0),),
        (Parameter("turn", "int", 0, 10_000),),
        *(10_000, 2_048, duration_ms, 6, 2, 2, 2**52),
    )
    told = await people.analyst.call("rooms.propose", contract=contract.encode())
    return bytes(told.result["contract"])


async def job(people: People, contract: bytes, turn: int) -> float | None:
    """Seconds from `run` to the opened result, of two operators' workers that wait already; None:
    they had too little time on this machine, and reported nothing."""
    await people.pool.until_waiting(len(OPERATORS))
    began = time.monotonic()
    given = codec.encode((("turn", turn),))
    told = await people.analyst.call("rooms.run", contract=contract, parameters=given)
    id = bytes(told.result["job"])
    async with asyncio.timeout(JOB_SECONDS_MAX):
        while True:
            shown: Any = (await people.owner.query("rooms.job", job=id)).value
            if shown["state"] != "scheduled":
                break
            if time.time() * 1000 > told.result["deadline_ms"]:
                await people.owner.call("rooms.advance", job=id)
            await asyncio.sleep(POLL_SECONDS)
    if shown["state"] != "agreed":
        return None
    await people.owner.call("rooms.open", job=id, output="told")
    return time.monotonic() - began


def run_measured(*words: str) -> Any:
    """Run a command of the command line; what it used.

    Raises:
        OperatorFault: it fails.
    """
    with subprocess.Popen(  # noqa: S603 (this interpreter, our own command)
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.read(MEBIBYTE)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode:
        raise OperatorFault(f"strongroom {' '.join(words[:2])} failed: {_words(said)}")
    return usage


def _words(said: bytes) -> str:
    try:
        return str(json.loads(said)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return said.decode("utf-8", "replace")[-200:]
