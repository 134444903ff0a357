"""How a command of a program (the vault, clean rooms) asks and acts: one client, its fate told.

Owns the path from a command to the program and back, and how a refusal is shown with its next step.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from strongroom.node.cli.common import ask_passphrase, existing_directory
from strongroom.node.cli.fate import Fate, fate_told, show_settled
from strongroom.node.cli.ledger import remember_height, seen_height
from strongroom.node.client.errors import ProgramFailed, TransactionRefused
from strongroom.node.terminal.commands import fail, run, run_submission
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.names import NamedKey, read_key
from strongroom.node.vault.refusals import next_step

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client

_T = TypeVar("_T")
VAULT = "vault"
AsOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Identity of the folder's keys/.")
]
KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="NAME, NAME@VERSION or OWNER/NAME@VERSION.")
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs a command, and where."""

    identity: str
    directory: Path
    timeout: float
    as_json: bool

    @property
    def resolve(self) -> Callable[[str], bytes]:
        """NAME or id:HEX → identity; names are those of the folder's keys/."""
        from strongroom.node.client.identities import KeyFolder
        from strongroom.node.layout import ClusterLayout

        existing_directory(self.directory)
        return KeyFolder(ClusterLayout(self.directory).keys).resolve

    def key(self, text: str) -> NamedKey:
        """A key by its text."""
        return read_key(text, self.resolve)

    def client(self, fate: Fate | None = None, *, one_shot: bool = True) -> "Client":
        """This caller's way to the service."""
        from strongroom.node.client.client import Client

        return Client.connect(
            self.directory,
            self.identity,
            passphrase=ask_passphrase,
            timeout=self.timeout,
            on_waiting=note,
            on_sealed=None if fate is None else fate.sealed,
            one_shot=one_shot,
        )


Act = Callable[["Client"], Awaitable[tuple["Done | None", dict[str, Any]]]]
"""What a command does: its transaction, and facts beside the result; None when the ledger has what
an attempt before gave it: then the facts have the result too."""


def transact(
    caller: Caller, act: Act, human: Callable[[dict[str, Any]], None], *, program: str = VAULT
) -> None:
    """Run a command's one transaction, and show what it came to.

    Args:
        caller: who runs the command.
        act: the transaction.
        human: shows its document to people.
        program: whose refusals are told; of one that is not the vault, its own words are all.

    Raises:
        typer.Exit: it was refused (status 1), or its fate is open.
    """
    existing_directory(caller.directory)
    fate = Fate(caller.identity, folder=caller.directory)
    with fate_told(fate, caller.as_json):
        try:
            run_submission(_transacted(caller, act, fate, human))
        except ProgramFailed as fault:
            _refused(caller, fate, fault, _Refusal(fault.code, fault.message, program))
        except TransactionRefused as fault:
            _refused(caller, fate, fault, _Refusal("refused", fault.reason, program))


def call(
    caller: Caller,
    name: str,
    arguments: dict[str, Any],
    human: Callable[[dict[str, Any]], None],
) -> None:
    """`transact` of a command that only calls."""

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        return await client.call(name, **arguments), {}

    transact(caller, act, human, program=_program_of(name))


def ask(caller: Caller, name: str, arguments: dict[str, Any]) -> Any:
    """One sealed query; a refusal ends the command with status 1."""
    existing_directory(caller.directory)
    return answered(caller, _asked(caller, name, arguments), program=_program_of(name))


def answered(caller: Caller, questions: Coroutine[Any, Any, _T], *, program: str = VAULT) -> _T:
    """Run what only asks; `program` as of `transact`.

    Raises:
        typer.Exit: the program refused (status 1).
    """
    try:
        return run(questions)
    except ProgramFailed as fault:
        _fail(caller, _Refusal(fault.code, fault.message, program))


async def _transacted(
    caller: Caller, act: Act, fate: Fate, human: Callable[[dict[str, Any]], None]
) -> None:
    async with caller.client(fate) as client:
        done, facts = await act(client)
        if done is None:
            document = {"ok": True, **facts}
            emit(document, caller.as_json, lambda: human(document))
            return
        document = {
            "id": done.id.hex(),
            "height": done.height,
            "index": done.index,
            "ok": True,
            "result": done.result,
            **facts,
        }
        fate.settled(document)
        show_settled(fate, caller.as_json, lambda: human(document))


async def _asked(caller: Caller, name: str, arguments: dict[str, Any]) -> Any:
    async with caller.client() as client:
        client.height = seen_height(caller.directory, caller.identity)
        answer = await client.query(name, **arguments)
        remember_height(caller.directory, caller.identity, answer.height)
        return answer.value


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a program said; the next step after it is known of the vault's (node/vault)."""

    code: str
    message: str
    program: str

    @property
    def next(self) -> str:
        return next_step(self.code) if self.program == VAULT else ""

    def document(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "next": self.next}

    def words(self) -> str:
        text = f"{self.code}: {self.message}" if self.message else self.code
        return f"{text}; next: {self.next}" if self.next else text


def _program_of(name: str) -> str:
    return name.partition(".")[0]


def _refused(
    caller: Caller, fate: Fate, fault: ProgramFailed | TransactionRefused, refusal: _Refusal
) -> NoReturn:
    if fault.id is None:
        _fail(caller, refusal)
    place = {"id": fault.id.hex(), "height": fault.height, "index": fault.index}
    fate.settled({**place, "ok": False, "error": refusal.document()}, ExitCode.NO)
    if caller.as_json:
        show_settled(fate, caller.as_json, None)
    words = f"{refusal.words()} (transaction {fault.id.hex()}, height {fault.height})"
    fail(words, ExitCode.NO)


def _fail(caller: Caller, refusal: _Refusal) -> NoReturn:
    """The program's refusal of what stands in no block."""
    if caller.as_json:
        emit({"ok": False, "error": refusal.document()}, as_json=True)
    fail(refusal.words(), ExitCode.NO)


def ask_together(
    caller: Caller, questions: Callable[["Client"], Awaitable[_T]], *, program: str = VAULT
) -> _T:
    """Several queries over one connection; `program` as of `transact`.

    Raises:
        typer.Exit: the program refused (status 1).
    """

    async def asked() -> _T:
        async with caller.client(one_shot=False) as client:
            return await questions(client)

    existing_directory(caller.directory)
    return answered(caller, asked(), program=program)


def asking(client: "Client") -> Any:
    """A client's query that gives the value alone, for node/vault/watching.py."""

    async def asked(name: str, **arguments: Any) -> Any:
        return (await client.query(name, **arguments)).value

    return asked


def show_result(document: dict[str, Any], what: str) -> None:
    """A transaction's answer in a line, and where it stands."""
    if "id" not in document:
        say(f"{what}, by an attempt before this one")
        return
    say(f"{what}, by transaction {document['id']} at height {document['height']}")
