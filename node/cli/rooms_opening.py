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
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", metavar="FILE", help="Write its receipt, the claim revealed."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Open a result as one of its recipients: on record. The receipt says what was agreed, on which
    data, by whom; its claim can be revealed now and not later.

    Example: strongroom rooms open JOB case --out rings.csv --receipt rings.json --as regulator
    """
    with rooms_extra():
        from strongroom.node.clean_rooms.opening import opened
        from strongroom.node.clean_rooms.result_files import FORMS, written
    if form not in FORMS:
        raise ClientFault(f"--form {form}: one of {', '.join(FORMS)}")
    from strongroom.node.machine.durable_files import write_out

    caller, id = Caller(identity, directory, timeout, as_json), read_id(job)

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        opening = await opened(client, id, output)
        done, data = opening.done, opening.data
        write_out(out, written(data, done.result["kind"], form))
        del done.result["key"]
        facts = {"file": str(out), "bytes": len(data)}
        if receipt is not None:
            proof = await opening.receipt()
            proof.verify(client.service.pin)
            write_out(receipt, proof.dumps().encode())
            facts["receipt"] = str(receipt)
        return done, facts

    def human(document: dict[str, Any]) -> None:
        show_result(document, f"opened {output} of job {job[:16]}")
        say(f"  file     {document['file']}")
        if receipt is None:
            say(f"  receipt  strongroom receipt {document['id']} -o FILE")
        else:
            say(f"  receipt  {receipt}; check it: strongroom rooms verify {receipt} --service PIN")

    transact(caller, act, human)


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
