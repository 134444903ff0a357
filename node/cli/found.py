"""`strongroom found …`: organisations that do not trust each other found a service, by files that
they exchange.

Owns options and words of these commands, and loads nothing else, so that their help is quick. What
they do: found_looking.py for those that sign nothing, found_steps.py for the others.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.terminal.commands import JsonOption, guarded

found_app = typer.Typer(
    name="found",
    no_args_is_help=True,
    help="Found a service between organisations, by files that they exchange.",
)
MAX_AGE_HOURS = 24
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files of this ceremony, in any order.")
]
NodeOption = Annotated[
    str | None,
    typer.Option("--node", metavar="NAME", help="Which node of the folder, if it has several."),
]
OutputOption = Annotated[
    Path, typer.Option("-o", metavar="FILE", help="Where the file for the others goes.")
]


@found_app.command()
@guarded
def propose(
    files: FilesArgument,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The service's.")],
    output: OutputOption,
    issuer: Annotated[
        list[str] | None,
        typer.Option("--issuer", metavar="MEMBER", help="Who issues payments; repeat for more."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=VALUE", help="A limit unlike its default."),
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", metavar="NAME=HEX", help="A member that runs no node."),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="HEX", help="Id of a first user of the roster."),
    ] = None,
    max_age: Annotated[
        int, typer.Option("--max-age-hours", min=1, max=720, help="How old evidence may be.")
    ] = MAX_AGE_HOURS,
    as_json: JsonOption = False,
) -> None:
    """Propose a service of the organisations whose cards are given: one file, the same for all.

    Whoever makes it decides nothing: each checks it, and answers it or not.

    Example: strongroom found propose bank1.card bank2.card bank3.card bank4.card --name clearing
    --issuer bank1 -o clearing.proposal
    """
    from strongroom.node.cli import found_looking

    found_looking.propose(files, name, output, issuer, limit, member, user, max_age, as_json)


@found_app.command()
@guarded
def show(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Show what files of a ceremony say, believing nothing in them.

    Example: strongroom found show clearing.proposal
    """
    from strongroom.node.cli import found_looking

    found_looking.show(files, as_json)


@found_app.command()
@guarded
def check(
    files: FilesArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything that is here of the others, and print what accepting would sign. Signs
    nothing.

    Example: strongroom found check clearing.proposal bank2.card bank3.card bank4.card --dir bank1
    """
    from strongroom.node.cli import found_looking

    found_looking.check(files, directory, node, as_json)


@found_app.command()
@guarded
def accept(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    instead: Annotated[
        bool,
        typer.Option("--instead", help="Give up another proposal that was accepted, for good."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have this node's enclave answer a proposal, once every card in it is the one that its
    organisation gave you itself; sign that.

    Example: strongroom found accept clearing.proposal bank2.card bank3.card bank4.card --dir bank1
    -o bank1.acceptance
    """
    from strongroom.node.cli import found_steps

    found_steps.accept(files, output, directory, node, instead, as_json)


@found_app.command()
@guarded
def make(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the genesis of all acceptances: one organisation alone, whose enclave has the lowest
    key; the others are told which.

    Example: strongroom found make clearing.proposal bank?.acceptance --dir bank1 -o
    clearing.founding
    """
    from strongroom.node.cli import found_steps

    found_steps.make(files, output, directory, node, as_json)


@found_app.command()
@guarded
def confirm(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the genesis against your own copies of all acceptances, have the enclave take its
    secret, and sign that you begin with this one.

    Example: strongroom found confirm clearing.proposal bank?.acceptance clearing.founding --dir
    bank1 -o bank1.confirmation
    """
    from strongroom.node.cli import found_steps

    found_steps.confirm(files, output, directory, node, as_json)


@found_app.command()
@guarded
def seal(
    files: FilesArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finish, once everybody confirmed the same genesis: write genesis, keys and service.json, and
    print the pin. Compare it with the others' by telephone.

    Example: strongroom found seal clearing.proposal clearing.founding bank?.confirmation --dir
    bank1
    """
    from strongroom.node.cli import found_steps

    found_steps.seal(files, directory, node, as_json)
