"""`strongroom recover …`: members keep shares of the key to a dead service's ledger, and anybody
sees who does.

Owns options and words of these commands; what they do stands in node/client/recovering.py. Giving
shares after a disaster, and opening a ledger with them, is in modules of their own.
"""

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    PinDescriptorOption,
    PinFileOption,
    TimeoutOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.cli.fate import Fate, fate_told, show_settled
from strongroom.node.cli.gov import MemberOption
from strongroom.node.cli.keys import new_passphrase
from strongroom.node.cli.recover_token import (
    ModuleOption,
    SerialOption,
    TokenOption,
    TokenPin,
    VariablesOption,
)
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run, run_submission
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say, warn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from strongroom.node.client.recovering import NewHalf, RecoveryMember

recover_app = typer.Typer(
    name="recover",
    no_args_is_help=True,
    help="Shares of the key to the ledger, among members: kept, checked, given after a disaster.",
)
_LATER = "strongroom recover status"


@recover_app.command()
@guarded
def key(
    member: MemberOption,
    new: Annotated[
        bool, typer.Option("--new", help="Another one; shares are then made anew, for all.")
    ] = False,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help="Seal its file; so it is anyhow if the member's key file is."
        ),
    ] = False,
    module: ModuleOption = None,
    token: TokenOption = None,
    serial: SerialOption = "",
    variables: VariablesOption = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make and publish a member's recovery key: shares are sealed to it. A second time it changes
    nothing.

    The key stands in `keys/NAME.recovery/` and nowhere else: keep a copy apart from this machine.
    With --module half of it is made inside a token, which it never leaves: whoever has the file
    alone, or the token alone, opens nothing.

    Example: strongroom recover key --as member0

    Example: strongroom recover key --as member0 --module /usr/lib/softhsm/libsofthsm2.so --token
    board --pin-file pin
    """
    fate = Fate(member, ask_later=_LATER)
    with fate_told(fate, as_json), _refusals_told(fate, as_json):
        half = TokenPin(member, pin_file, pin_fd).maker(module, token, serial, variables)
        run_submission(
            _key(existing_directory(directory), member, timeout, fate, new, passphrase, half)
        )
        document = fate.document or {}
        known = "stood on the ledger already" if document.get("height") is None else "is published"
        text = f"recovery key {document.get('recovery_key')} of {member} {known}"
        show_settled(fate, as_json, lambda: say(text))


async def _key(
    directory: Path,
    name: str,
    timeout: float,
    fate: Fate,
    new: bool,
    passphrase: bool,
    half: "NewHalf | None",
) -> None:
    sealed = passphrase or _is_sealed(directory, name)
    async with _member(directory, name, timeout, fate) as member:
        digest, decided = await member.publish_key(
            passphrase=new_passphrase if sealed else None,
            new=new,
            ask=ask_passphrase,
            half=half,
        )
        place: dict[str, Any] = {"id": None, "height": None, "index": None}
        if decided is not None:
            place = {"id": decided.id.hex(), "height": decided.height, "index": decided.index}
        fate.settled({**place, "ok": True, "member": name, "recovery_key": digest.hex()})


@recover_app.command()
@guarded
def check(
    member: MemberOption,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Open a member's share from the ledger, compare it with what was committed to, and say on the
    ledger that the member holds it. To be run again and again: a second time it only looks.

    Exit status 1, and loud, when the share is wrong or its key is not here.

    Example: strongroom recover check --as member0
    """
    fate = Fate(member, ask_later=_LATER)
    with fate_told(fate, as_json), _refusals_told(fate, as_json):
        pin = TokenPin(member, pin_file, pin_fd)
        run_submission(_check(existing_directory(directory), member, timeout, fate, pin))
        document = fate.document or {}
        show_settled(fate, as_json, lambda: _show_checked(member, document["generations"]))
    if not (fate.document or {}).get("ok"):
        raise typer.Exit(int(ExitCode.NO))


async def _check(directory: Path, name: str, timeout: float, fate: Fate, pin: TokenPin) -> None:
    async with _member(directory, name, timeout, fate) as member:
        checked = await member.check(ask_passphrase, pin.opener)
        rows = [
            {
                "number": one.number,
                "active": one.active,
                "outcome": one.outcome,
                "detail": one.detail,
                "id": None if one.decided is None else one.decided.id.hex(),
                "height": None if one.decided is None else one.decided.height,
            }
            for one in checked
        ]
        good = all(one.good for one in checked)
        said = next((one.decided for one in checked if one.decided is not None), None)
        height = None if said is None else said.height
        document = {"ok": good, "member": name, "height": height, "generations": rows}
        fate.settled(document, ExitCode.OK if good else ExitCode.NO)


@recover_app.command()
@guarded
def status(
    directory: DirectoryOption = DEFAULT_DIR,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="DIR", help="Of a recovery under way on this node."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Who holds a share, what is missing, and what would come of it if every enclave lost its keys
    now. The word of one node. With --ledger: who gave, and who is missing.

    Example: strongroom recover status
    """
    from strongroom.node.cli import recover_tables

    if ledger is not None:
        from strongroom.node.cli.recover_dead import show_status

        show_status(ledger, None, as_json)
        return
    document = run(recovery_now(existing_directory(directory)))
    emit(document, as_json, lambda: recover_tables.show_recovery(document))


async def recovery_now(directory: Path) -> dict[str, Any]:
    """What `status` shows, by the word of one node."""
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.recovering import recovery_document
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return recovery_document(await read_public_state(reader))


# --- inside ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _member(
    directory: Path, name: str, timeout: float, fate: Fate
) -> "AsyncIterator[RecoveryMember]":
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import Member
    from strongroom.node.client.recovering import RecoveryMember
    from strongroom.node.client.recovery_keys import RecoveryKeyFolder
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.layout import ClusterLayout

    service = load_service(directory)
    identity = service.keys.load(name, ask_passphrase)
    folder = RecoveryKeyFolder(
        ClusterLayout(directory).recovery(name), service.chain, identity.public
    )
    async with Reader(service) as reader:
        acting = Member(reader, identity, timeout=timeout, on_sealed=fate.sealed, on_waiting=note)
        yield RecoveryMember(reader, acting, identity.public, folder)


def _is_sealed(directory: Path, name: str) -> bool:
    from strongroom.node.client.trust.service import load_service

    return load_service(directory).keys.show(name).sealed


@contextmanager
def _refusals_told(fate: Fate, as_json: bool) -> Iterator[None]:
    """What governance refuses was executed all the same: it has an id and a height."""
    try:
        yield
    except ProgramFailed as fault:
        id = None if fault.id is None else fault.id.hex()
        error = {"code": fault.code, "message": fault.message}
        place = {"id": id, "height": fault.height, "index": fault.index}
        fate.settled({**place, "ok": False, "error": error}, ExitCode.NO)
        if as_json:
            show_settled(fate, as_json, None)
        fail(str(fault), ExitCode.NO)


def _show_checked(member: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        kind = "active generation" if row["active"] else "generation"
        at = "" if row["height"] is None else f", proven by a receipt at height {row['height']}"
        text = f"{member}, share of {kind} {row['number']}: {row['outcome']}{at}: {row['detail']}"
        if row["outcome"].startswith("held"):
            say(text)
        else:
            warn(text)
