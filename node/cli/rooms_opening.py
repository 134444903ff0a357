"""`strongroom rooms open | cost`: a recipient reads a result; what a run costs and what is left.

Owns options and words of these commands. Chunks come by node/clean_rooms/transfer.py, forms of
files from node/clean_rooms/result_files.py.
"""

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
    rooms_extra,
)
from strongroom.node.cli.program_calls import (
    AsOption,
    Caller,
    answered,
    ask,
    show_result,
    transact,
)
from strongroom.node.cli.rooms_contracts import ContractArgument
from strongroom.node.cli.rooms_jobs import JobArgument, OutputArgument
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say
from strongroom.node.terminal.tables import facts, table

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command("open")(open_)
    app.command()(cost)


@guarded
def open_(
    job: JobArgument,
    output: OutputArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where the result goes.")
    ],
    identity: AsOption,
    form: Annotated[
        str, typer.Option("--form", metavar="csv|json|arrow", help="Of a table.")
    ] = "csv",
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Open a result as one of its recipients: on record, and with a receipt that says what was
    agreed, on which data, by whom.

    Example: strongroom rooms open JOB case --out rings.csv --as regulator
    """
    with rooms_extra():
        from strongroom.node.clean_rooms.result_files import FORMS, written
    if form not in FORMS:
        raise ClientFault(f"--form {form}: one of {', '.join(FORMS)}")
    from strongroom.node.machine.durable_files import write_out

    caller, id = Caller(identity, directory, timeout, as_json), read_id(job)

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        done, data = await opened(client, id, output)
        write_out(out, written(data, done.result["kind"], form))
        del done.result["key"]
        return done, {"file": str(out), "bytes": len(data)}

    def human(document: dict[str, Any]) -> None:
        show_result(document, f"opened {output} of job {job[:16]}")
        say(f"  file     {document['file']}")
        say(f"  receipt  strongroom receipt {document['id']} -o FILE")

    transact(caller, act, human)


async def opened(client: "Client", job: bytes, output: str) -> tuple["Done", bytes]:
    """Open an output: the transaction, and the result's bytes. Its list of chunks is fetched
    before: what no node has is not opened on record.

    Raises:
        ProgramFailed: the program refuses.
        NotStored: no node gives what lies there.
        ChunkChanged: it is not what the job made.
    """
    from strongroom.enclave.formats.clean_rooms.contract import Contract
    from strongroom.enclave.formats.clean_rooms.result_keys import result_name
    from strongroom.enclave.outside.chunks import DataPlace, check_names
    from strongroom.enclave.primitives import Secret
    from strongroom.node.clean_rooms.bringing import node_doors

    found = (await client.query("rooms.job", job=job)).value
    told = (await client.query("rooms.contract", contract=found["contract"])).value
    contract = Contract.decode(told["text"])
    filtered = any(one.filter_alias for one in contract.outputs if one.name == output)
    recipient = client.identity.id if filtered else b""
    entries = [
        one for one in found["outputs"] if (one["output"], one["recipient"]) == (output, recipient)
    ]
    async with node_doors(client.service) as doors:
        names: list[bytes] = []
        for one in entries[:1]:
            names = await doors.names(one["root"], one["chunks"])
        done = await client.call("rooms.open", job=job, output=output)
        check_names(names, done.result["root"], done.result["chunks"])
        place = DataPlace(
            client.service.chain, contract.room, result_name(job, output, recipient), 1
        )
        parts = doors.read(names, Secret(done.result["key"]), place)
        return done, b"".join([part async for part in parts])


@guarded
def cost(
    contract: ContractArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show what a run of a contract would charge; of your own data sets, what is left too. Others'
    budgets their owners see.

    Example: strongroom rooms cost CONTRACT --as bank-a
    """
    from strongroom.enclave.formats.clean_rooms.contract import Contract

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.contract", {"contract": read_id(contract)})
    inputs = answered(caller, _costs(caller, Contract.decode(document["text"])))
    made = {
        "contract": document["contract"],
        "state": document["state"],
        "runs_left": document["runs_max"] - document["runs"],
        "inputs": inputs,
    }
    emit(made, as_json, lambda: _show_cost(made))


async def _costs(caller: Caller, contract: Any) -> list[dict[str, Any]]:
    from strongroom.enclave.programs.framework import digest_text
    from strongroom.node.client.errors import ProgramFailed

    made = []
    async with caller.client() as client:
        for one in contract.inputs:
            told: dict[str, Any] = {
                "alias": one.alias,
                "owner": digest_text(one.owner),
                "data": one.data,
                "epsilon": one.epsilon,
                "epsilon_left": None,
                "runs_left": None,
            }
            try:
                found = (await client.query("rooms.data_set", data=(one.owner, one.data))).value
                told |= _left(found, one.version)
            except ProgramFailed as fault:
                if fault.code != "no-data":
                    raise
            made.append(told)
    return made


def _left(found: dict[str, Any], version: int) -> dict[str, Any]:
    """What jobs may be charged still."""
    wanted = version or found["version"]
    used = [one["runs"] for one in found["versions"] if one["version"] == wanted]
    return {
        "epsilon_left": max(0, found["epsilon_life"] - found["epsilon"]),
        "runs_left": max(0, found["runs"] - used[0]) if used else 0,
    }


def _show_cost(document: dict[str, Any]) -> None:
    facts(
        [
            ("contract", document["contract"].hex()),
            ("state", document["state"]),
            ("runs left", document["runs_left"]),
        ]
    )
    rows = [
        [
            one["alias"],
            one["owner"],
            one["data"],
            str(one["epsilon"]),
            "its owner knows" if one["epsilon_left"] is None else str(one["epsilon_left"]),
            "its owner knows" if one["runs_left"] is None else str(one["runs_left"]),
        ]
        for one in document["inputs"]
    ]
    table(
        ("input", "owner", "data set", "epsilon/10⁶ a run", "epsilon/10⁶ left", "runs left"), rows
    )
