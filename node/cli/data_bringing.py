"""`strongroom data put | extend`: rows of a file are sealed, stored at the nodes and named on the
ledger.

Owns options and words of these commands. The order of the steps stands in
node/clean_rooms/bringing.py, reading of files in node/clean_rooms/rows.py.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    PinDescriptorOption,
    PinFileOption,
    TimeoutOption,
    ask_passphrase,
    existing_directory,
    rooms_extra,
)
from strongroom.node.cli.keys import new_passphrase
from strongroom.node.cli.program_calls import AsOption, Caller, ask, show_result, transact
from strongroom.node.cli.vault_terms import read_policy
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import note, say
from strongroom.node.vault.names import read_duration

if TYPE_CHECKING:
    from strongroom.consensus.types import ChainId
    from strongroom.enclave.outside.pieces import KeyVersion
    from strongroom.enclave.primitives import Secret
    from strongroom.enclave.room.analytics.policy import DataPolicy
    from strongroom.node.clean_rooms.bringing import Brought, Wish
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client

PROGRESS_SECONDS = 1.0
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Rows: .csv, .tsv, .parquet, .arrow; .batches.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="Of the data set.")]
KeyOption = Annotated[
    str, typer.Option("--key", metavar="KEY", help="Name of its vault key.", show_default="NAME")
]

CustodianOption = Annotated[
    Path | None,
    typer.Option(
        "--custodian", metavar="DIR", help="Of a key that stands in an HSM: its custodian's folder."
    ),
]


def read_device(directory: Path, text: str) -> bytes:
    """A device's public key: 64 hex digits, or the name of a key file in keys/.

    Raises:
        ClientFault: it is neither.
    """
    from strongroom.node.client.identities import KeyFolder
    from strongroom.node.layout import ClusterLayout

    if re.fullmatch(r"[0-9a-f]{64}", text):
        return bytes.fromhex(text)
    return bytes(KeyFolder(ClusterLayout(directory).keys).show(text).public)


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (put, extend):
        app.command()(command)


@guarded
def put(
    file: FileArgument,
    name: NameOption,
    identity: AsOption,
    terms: Annotated[
        Path | None,
        typer.Option("--terms", metavar="FILE", help="Data terms (TOML); of a new one needed."),
    ] = None,
    key: KeyOption = "",
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Release policy (JSON) of a new key.",
            show_default="workers as measured here",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", metavar="NAME", help="That signs batches of a new one (NAME or public key)."
        ),
    ] = None,
    old_for: Annotated[
        str,
        typer.Option("--old-for", metavar="DURATION", help="How long the version before opens."),
    ] = "1h",
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Seal the data key's file with a passphrase.")
    ] = False,
    custodian: CustodianOption = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Bring rows as a data set's first or next version: sealed here, stored at the nodes, named on
    the ledger. The same command again goes on where it ended.

    Example: strongroom data put pay.csv --name transfers --terms pay.toml --as bank-a
    """
    _libraries()
    from strongroom.node.clean_rooms.bringing import put as bring
    from strongroom.node.rooms.data_terms import read_terms_file, workers_policy

    caller = Caller(identity, directory, timeout, as_json)
    existing_directory(directory)
    if terms is None:
        columns, encoded, programs = _columns_of(caller, name), b"", tuple[str, ...]()
    else:
        read, columns = read_terms_file(terms, caller.resolve)
        encoded, programs = read.encode(), read.programs
    written = None if policy is None else read_policy(policy)
    more: dict[str, Any] = {
        "terms": encoded,
        "policy": (lambda: workers_policy(programs) if written is None else written),
        "old_for_ms": read_duration(old_for),
        "passphrase": new_passphrase() if passphrase else "",
        "devices": tuple(read_device(directory, one) for one in device or ()),
    }
    token = _Token(custodian, pin_file, pin_fd)
    _brought(caller, _wish(file, columns, name, key, **more), token, bring)


@guarded
def extend(
    file: FileArgument,
    name: NameOption,
    identity: AsOption,
    key: KeyOption = "",
    custodian: CustodianOption = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add rows to a data set, like a batch of a sensor: only they are sealed and sent.

    Example: strongroom data extend 2026-11-30.csv --name readings --as owner
    """
    _libraries()
    from strongroom.node.clean_rooms.bringing import extend as bring

    caller = Caller(identity, directory, timeout, as_json)
    columns = _columns_of(caller, name)
    more: dict[str, Any] = {"terms": b"", "policy": str}
    token = _Token(custodian, pin_file, pin_fd)
    _brought(caller, _wish(file, columns, name, key, **more), token, bring)


# --- inside ---------------------------------------------------------------------------------------


def _libraries() -> None:
    """Check that what reads files is installed."""
    with rooms_extra():
        import duckdb  # noqa: F401
        import nanoarrow  # noqa: F401


def _columns_of(caller: Caller, name: str) -> "DataPolicy":
    """Columns of a data set that stands, as its terms have them."""
    from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
    from strongroom.enclave.room.analytics.policy import DataPolicy

    terms = DataTerms.decode(ask(caller, "rooms.data_set", {"data": (b"", name)})["terms"])
    if not terms.columns:
        raise OperatorFault(f"the terms of {name} say nothing of columns: name some with --terms")
    return DataPolicy.decode(terms.columns)


def _wish(file: Path, columns: "DataPolicy", name: str, key: str, **more: Any) -> "Wish":
    """Read the file once, whole: nothing of a file that is wrong in its last line leaves."""
    from strongroom.node.clean_rooms.bringing import Wish
    from strongroom.node.clean_rooms.gateway import SUFFIX, BatchFile
    from strongroom.node.clean_rooms.rows import RowsFile
    from strongroom.node.clean_rooms.sealed_rows import Rows

    signed = file.suffix == SUFFIX
    opened = BatchFile(file) if signed else RowsFile(file, columns)
    if opened.left_out:
        note(f"left out, for the terms do not name them: {', '.join(opened.left_out)}")
    rows = Rows.of(opened.stream())
    return Wish(
        name=name,
        key=key or name,
        rows=rows,
        stream=opened.stream,
        ask=ask_passphrase,
        progress=_progress(rows.size),
        signed=signed,
        **more,
    )


@dataclass(frozen=True, slots=True)
class _Token:
    """The HSM that a command was told of, if any."""

    folder: Path | None
    pin_file: Path | None
    pin_fd: int | None

    @asynccontextmanager
    async def opened(self, chain: "ChainId") -> AsyncIterator[Any]:
        """What hands its keys over; None: none was named."""
        if self.folder is None:
            yield None
            return
        from strongroom.node.cli.custodian_device import open_device, pin_of
        from strongroom.node.custodian.handing import data_key
        from strongroom.node.custodian.settings import load_settings
        from strongroom.node.custodian.token_keys import TokenKeys

        settings = load_settings(self.folder)
        pin = pin_of(self.pin_file, self.pin_fd, settings.customer)
        async with open_device(settings, pin) as device:
            keys = TokenKeys(device)

            async def handed(key: "KeyVersion") -> "Secret":
                return await data_key(keys, chain=chain, key=key, customer=settings.customer)

            yield handed


def _brought(caller: Caller, wish: "Wish", token: _Token, bring: Any) -> None:
    from strongroom.node.layout import ClusterLayout
    from strongroom.node.vault.key_files import DataKeyFolder

    async def act(client: "Client") -> tuple["Done | None", dict[str, Any]]:
        kept = ClusterLayout(caller.directory).vault(caller.identity)
        folder = DataKeyFolder(kept, client.service.chain)
        async with token.opened(client.service.chain) as handed:
            brought = await bring(client, folder, replace(wish, token=handed))
        file = folder.path(brought.key)
        facts = _facts(brought, wish) | {"key_file": str(file) if file.exists() else None}
        if brought.done is None:
            facts["result"] = {"name": wish.name, "version": brought.version, "state": "active"}
        return brought.done, facts

    transact(caller, act, lambda document: _show(wish.name, document))


def _facts(brought: "Brought", wish: "Wish") -> dict[str, Any]:
    stored = brought.stored
    return {
        "key": f"{wish.key}@{brought.key.version}",
        "bytes": wish.rows.size,
        "chunks": stored.chunks if stored else None,
        "root": stored.root.hex() if stored else None,
        "steps": brought.steps,
    }


def _show(name: str, document: dict[str, Any]) -> None:
    result = document["result"]
    show_result(document, f"data set {name} has version {result['version']}")
    if document["root"]:
        say(f"  root      {document['root']}, {document['chunks']} chunks")
    say(f"  key       {document['key']}, opened by jobs alone; `strongroom vault show` prints it")
    if document["key_file"]:
        say(f"  data key  {document['key_file']}: keep it, and a copy")


def _progress(size: int) -> Callable[[int], None]:
    last = monotonic()

    def told(done: int) -> None:
        nonlocal last
        if monotonic() - last >= PROGRESS_SECONDS:
            last = monotonic()
            note(f"sealed and stored {done / 1e6:.1f} of {size / 1e6:.1f} MB")

    return told
