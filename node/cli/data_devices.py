"""`strongroom data devices | sign`: devices whose batches a data set takes, and what each of them
does.

Owns options and words of these commands. What a batch is stands in
enclave/formats/clean_rooms/batches.py, the owner's door for them in node/clean_rooms/gateway.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    ask_passphrase,
    existing_directory,
    rooms_extra,
)
from strongroom.node.cli.data_bringing import read_device
from strongroom.node.cli.data_keeping import DataArgument
from strongroom.node.cli.program_calls import AsOption, Caller, ask, show_result, transact
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.terminal.tables import table

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (devices, sign):
        app.command()(command)


@guarded
def devices(
    data: DataArgument,
    identity: AsOption,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="NAME", help="A device more (NAME or public key)."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NAME", help="A device that signs no more."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the devices whose batches a data set takes, with how far each has come; or change them.

    Example: strongroom data devices readings --add 6f0c…e1 --as owner
    """
    caller = Caller(identity, directory, timeout, as_json)
    existing_directory(directory)
    account = caller.key(data)
    if not add and not remove:
        found = ask(caller, "rooms.devices", {"data": account.base})
        rows = [one | {"device": one["device"].hex()} for one in found]
        emit(rows, as_json, lambda: _show(rows))
        return
    changes = {
        "name": account.name,
        "add": [read_device(directory, one) for one in add or ()],
        "remove": [read_device(directory, one) for one in remove or ()],
    }

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        return await client.call("rooms.set_devices", **changes), {}

    transact(caller, act, lambda document: _changed(account.name, document))


@guarded
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Readings: .csv, .tsv, .arrow …")],
    data: Annotated[str, typer.Option("--data", metavar="OWNER/NAME", help="Of the data set.")],
    terms: Annotated[Path, typer.Option("--terms", metavar="FILE", help="Its terms (TOML).")],
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="Whose key signs.")],
    counter: Annotated[int, typer.Option("--counter", min=1, help="One more than the last.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Ends in .batches.")],
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Sign readings as one batch of a device, and add it to a file that `put` and `extend` take.

    Example: strongroom data sign 0900.csv --data owner/readings --terms readings.toml --device d1
    --counter 7 --out today.batches
    """
    with rooms_extra():
        import duckdb  # noqa: F401
        import nanoarrow  # noqa: F401
    from strongroom.enclave.formats.clean_rooms.batches import SignedFor
    from strongroom.node.clean_rooms.gateway import SUFFIX, sign_file
    from strongroom.node.clean_rooms.rows import RowsFile
    from strongroom.node.client.identities import KeyFolder
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.layout import ClusterLayout
    from strongroom.node.rooms.data_terms import read_terms_file

    if out.suffix != SUFFIX:
        raise OperatorFault(f"{out}: a file of batches ends in {SUFFIX}")
    caller = Caller(device, directory, TIMEOUT_SECONDS, as_json)
    account, service = caller.key(data), load_service(directory)
    _, columns = read_terms_file(terms, caller.resolve)
    rows = RowsFile(file, columns)
    if rows.left_out:
        note(f"left out, for the terms do not name them: {', '.join(rows.left_out)}")
    key = KeyFolder(ClusterLayout(directory).keys).load(device, ask_passphrase).key
    stream = SignedFor(service.chain, account.base[0], account.name)
    batch = sign_file(key, stream, counter, rows)
    try:
        with out.open("ab") as written:
            written.write(batch.encode())
    except OSError as error:
        raise OperatorFault(f"cannot write {out}: {error.strerror}") from None
    document = {"device": key.public.hex(), "counter": counter, "file": str(out)}
    emit(document, as_json, lambda: say(f"batch {counter} of {device} is in {out}"))


# --- inside ---------------------------------------------------------------------------------------


def _show(rows: list[dict[str, Any]]) -> None:
    if not rows:
        say("no device signs: any rows of the owner's are taken")
        return
    told = [[one["device"], "signs" if one["listed"] else "removed", one["last"]] for one in rows]
    table(["device", "", "newest batch"], told)


def _changed(name: str, document: dict[str, Any]) -> None:
    show_result(document, f"{document['result']['devices']} devices sign batches of {name}")
