"""`strongroom rooms propose | vote | withdraw | contracts | contract`: what parties of a clean room
agree to.

Owns options and words of these commands. A contract's id is the digest of all that it says, so who
votes names exactly what was read.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    YesOption,
    confirmed,
    read_id,
)
from strongroom.node.cli.program_calls import AsOption, Caller, ask, call, show_result
from strongroom.node.cli.rooms_parties import (
    PAGE,
    AfterOption,
    RoomArgument,
)
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

ContractArgument = Annotated[str, typer.Argument(metavar="CONTRACT", help="Its id, 64 hex digits.")]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (propose, vote, withdraw, contracts, contract):
        app.command()(command)


@guarded
def propose(
    room: RoomArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The contract (TOML).")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose a contract: which data, which program, which outputs for whom, at what cost.

    Example: strongroom rooms propose ROOM rings-contract.toml --as analyst
    """
    from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
    from strongroom.node.clean_rooms.agreement_files import read_contract

    caller = Caller(identity, directory, timeout, as_json)
    id = read_id(room)
    terms = RoomTerms.decode(ask(caller, "rooms.room", {"room": id})["terms"])
    made = read_contract(file, caller.resolve, id, terms)

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"contract {made.name} is {result['state']}")
        say(f"  contract  {result['contract'].hex()}")
        if result["state"] == "proposed":
            say("  next      each owner: strongroom rooms vote CONTRACT --yes --as NAME")

    call(caller, "rooms.propose", {"contract": made.encode()}, human)


@guarded
def vote(
    contract: ContractArgument,
    identity: AsOption,
    yes: Annotated[bool, typer.Option("--yes", help="Consent to it.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Do not.")] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Consent to a contract, or not, as a party of its room: read it first, `rooms contract ID`.

    Example: strongroom rooms vote CONTRACT --yes --as bank-b
    """
    if yes == no:
        fail("say --yes or --no", ExitCode.USAGE)
    caller = Caller(identity, directory, timeout, as_json)

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        words = f"voted {'yes' if yes else 'no'}; it is {result['state']}"
        show_result(document, f"{words}, {result['votes']} consent")

    call(caller, "rooms.vote", {"contract": read_id(contract), "approve": yes}, human)


@guarded
def withdraw(
    contract: ContractArgument,
    identity: AsOption,
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a contract, as an owner of one of its inputs, at once and alone: no run, no report
    that counts, no opening.

    Example: strongroom rooms withdraw CONTRACT --yes --as bank-a
    """
    confirmed(yes, f"withdraw the contract {contract[:16]} for good", as_json)
    caller = Caller(identity, directory, timeout, as_json)
    call(
        caller,
        "rooms.withdraw",
        {"contract": read_id(contract)},
        lambda document: show_result(document, "the contract is withdrawn"),
    )


@guarded
def contracts(
    room: RoomArgument,
    identity: AsOption,
    after: AfterOption = 0,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List a clean room's contracts, in the order in which they were proposed.

    Example: strongroom rooms contracts ROOM --as bank-a
    """
    from strongroom.node.cli.rooms_tables import show_contracts

    caller = Caller(identity, directory, timeout, as_json)
    arguments = {"room": read_id(room), "after": after, "limit": PAGE}
    found = ask(caller, "rooms.contracts", arguments)
    emit(found, as_json, lambda: show_contracts(found))


@guarded
def contract(
    contract: ContractArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one contract whole: its inputs, its program's text, its outputs, whose consent it has.

    Example: strongroom rooms contract CONTRACT --as bank-b
    """
    from strongroom.enclave.formats.clean_rooms.contract import Contract
    from strongroom.node.cli.rooms_tables import described, show_contract

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.contract", {"contract": read_id(contract)})
    read = Contract.decode(document.pop("text"))
    document |= described(read)
    emit(document, as_json, lambda: show_contract(document))
