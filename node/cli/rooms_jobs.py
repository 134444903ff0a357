"""`strongroom rooms run | jobs | job | release | keep`: a contract's jobs, and what becomes of
their results.

Owns options and words of these commands, and how parameters are written.
"""

from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    read_id,
)
from strongroom.node.cli.program_calls import AsOption, Caller, ask, call, show_result
from strongroom.node.cli.rooms_contracts import ContractArgument
from strongroom.node.cli.rooms_parties import PAGE, AfterOption, RoomArgument
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Its id, 64 hex digits.")]
OutputArgument = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="Name of an output of its contract.")
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (run, jobs, job, release, keep):
        app.command()(command)


@guarded
def run(
    contract: ContractArgument,
    identity: AsOption,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter; may be repeated."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Run an approved contract: charged now, for life. The same again is the same job.

    Example: strongroom rooms run CONTRACT --set days=20 --as analyst
    """
    from strongroom.consensus import codec
    from strongroom.enclave.formats.clean_rooms.contract import Contract

    caller = Caller(identity, directory, timeout, as_json)
    id = read_id(contract)
    read = Contract.decode(ask(caller, "rooms.contract", {"contract": id})["text"])
    given = codec.encode(read_parameters(read.parameters, parameters or []))

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"the job is {result['state']}, {result['asked']} executors asked")
        say(f"  job  {result['job'].hex()}")

    call(caller, "rooms.run", {"contract": id, "parameters": given}, human)


@guarded
def jobs(
    room: RoomArgument,
    identity: AsOption,
    after: AfterOption = 0,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List a clean room's jobs, in the order in which they were run.

    Example: strongroom rooms jobs ROOM --as bank-a
    """
    from strongroom.node.cli.rooms_tables import show_jobs

    caller = Caller(identity, directory, timeout, as_json)
    arguments = {"room": read_id(room), "after": after, "limit": PAGE}
    found = ask(caller, "rooms.jobs", arguments)
    emit(found, as_json, lambda: show_jobs(found))


@guarded
def job(
    job: JobArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one job: on which versions, who runs it; once it is decided, who reported what.

    Example: strongroom rooms job JOB --as regulator
    """
    from strongroom.node.cli.rooms_tables import show_job

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.job", {"job": read_id(job)})
    emit(document, as_json, lambda: show_job(document))


@guarded
def release(
    job: JobArgument,
    output: OutputArgument,
    identity: AsOption,
    yes: Annotated[bool, typer.Option("--yes", help="Consent to its opening.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Do not.")] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Consent, as a party, to the opening of one output of one job, or not.

    Example: strongroom rooms release JOB case --yes --as bank-b
    """
    if yes == no:
        fail("say --yes or --no", ExitCode.USAGE)
    caller = Caller(identity, directory, timeout, as_json)

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"{result['releases']} of {result['needed']} parties release it")

    arguments = {"job": read_id(job), "output": output, "approve": yes}
    call(caller, "rooms.release", arguments, human)


@guarded
def keep(
    job: JobArgument,
    output: OutputArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the asset, in its room.")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make an output an asset of its room, for contracts that use it: nobody is given it by that.

    Example: strongroom rooms keep JOB model diagnosis --as analyst
    """
    caller = Caller(identity, directory, timeout, as_json)
    call(
        caller,
        "rooms.keep",
        {"job": read_id(job), "output": output, "name": name},
        lambda document: show_result(document, f"the room has the asset {name}"),
    )


def read_parameters(declared: Any, given: list[str]) -> tuple[tuple[str, bool | int | str], ...]:
    """Parameters of a run from NAME=VALUE, as the contract declares them.

    Raises:
        ClientFault: one is unknown, missing, doubled or of another type.
    """
    texts: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or name in texts:
            raise ClientFault(f"--set {one!r}: write NAME=VALUE, each name once")
        texts[name] = value
    known = {one.name: one.type for one in declared}
    wrong = [name for name in texts if name not in known] + [n for n in known if n not in texts]
    if wrong:
        wanted = ", ".join(f"{name}=({kind})" for name, kind in known.items()) or "none"
        raise ClientFault(f"parameter {wrong[0]!r}: the contract takes {wanted}")
    return tuple((name, _typed(name, kind, texts[name])) for name, kind in known.items())


def _typed(name: str, kind: str, text: str) -> bool | int | str:
    if kind == "str":
        return text
    if kind == "bool" and text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    if kind == "int" and digits.isascii() and digits.isdigit() and len(digits) <= 16:
        return int(text)
    wanted = "true or false" if kind == "bool" else "a whole number"
    raise ClientFault(f"--set {name}={text}: it is {wanted}")
