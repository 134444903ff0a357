"""`strongroom node …`: what an operator does on a node's own machine.

Owns options of these commands, and loads nothing else, so that their help is quick; what they do is
in node_doing.py. The host process itself is `python -m strongroom.node run`.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.archive_settings import given_archive
from strongroom.node.cli.common import ArchiveAfterOption, ArchiveOption
from strongroom.node.terminal.commands import JsonOption, guarded

node_app = typer.Typer(name="node", no_args_is_help=True, help="One node, on its own machine.")
AnnounceRpcOption = Annotated[
    str | None,
    typer.Option(
        "--announce-rpc", metavar="HOST:PORT", help="What clients are told, if it differs."
    ),
]
AnnouncePeerOption = Annotated[
    str | None,
    typer.Option(
        "--announce-peer", metavar="HOST:PORT", help="What other nodes are told, if it differs."
    ),
]
ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="The node's TOML configuration.")
]


@node_app.command()
@guarded
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The node's folder; its name is the node's.")
    ],
    rpc: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it listens for clients.")
    ] = "127.0.0.1:7400",
    peer: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it listens for other nodes.")
    ] = "127.0.0.1:7410",
    announce_rpc: AnnounceRpcOption = None,
    announce_peer: AnnouncePeerOption = None,
    health: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where health and metrics are, too.")
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who runs it: also make its keys, chip and card."),
    ] = None,
    member: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who governs for it (default: the operator's name)."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="R", help="Where it stands; with --operator.")
    ] = None,
    country: Annotated[
        str, typer.Option(metavar="CC", help="In which country that is, two capital letters.")
    ] = "",
    platform: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The SIMULATED maker of its chip (default: platform/ beside FOLDER, made).",
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=HOST:PORT", help="Another member; repeat for each."),
    ] = None,
    genesis: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Genesis of the chain (default: genesis.bin beside FOLDER)."
        ),
    ] = None,
    archive: ArchiveOption = None,
    archive_after: ArchiveAfterOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: check the configuration in FOLDER.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a node's folder: configuration, connection key and certificate; with --operator also its
    chip, the keys of who runs and governs it, and the card that other organisations get; or check
    one.

    Keys of these names that lie in keys/ beside FOLDER already are taken, not replaced.

    Example: strongroom node init bank1/n1 --operator bank1 --region zurich --country CH --rpc
    0.0.0.0:7400 --announce-rpc ledger.bank1.example:7400 --peer 0.0.0.0:7410 --announce-peer
    ledger.bank1.example:7410

    Example: strongroom node init bank1/n1 --check
    """
    from strongroom.node.cli import node_doing

    node_doing.init(
        directory,
        rpc,
        peer,
        announce_rpc,
        announce_peer,
        health,
        operator,
        member,
        region,
        country,
        platform,
        peers,
        genesis,
        given_archive(archive, archive_after),
        check,
        as_json,
    )


@node_app.command()
@guarded
def admit(
    organisation: Annotated[
        str, typer.Argument(metavar="ORGANISATION", help="Who may submit at this node.")
    ],
    config: ConfigOption,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="Where its credential goes (mode 0600)."),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option("--card", metavar="FILE", help="Its card: it has a credential already."),
    ] = None,
    weight: Annotated[int, typer.Option(min=1, help="Its share beside the others'.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Admit an organisation at this node's door: make its credential, and note its digest in the
    configuration.

    Give the file to the organisation as `credential` beside its service.json, and restart the node.
    With --card no secret travels: the card of `node init --operator` names the digest.

    Example: strongroom node admit bank --config /srv/strongroom/n4/node.toml -o bank.credential
    """
    from strongroom.node.cli import node_doing

    node_doing.admit(organisation, config, output, card, weight, as_json)


@node_app.command()
@guarded
def run(
    config: ConfigOption,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look whether it would run here, and start nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a node's host in the foreground, until SIGTERM or Ctrl-C; or check configuration, folder,
    disk, ports, keys, evidence, pin, names and clock: exit code 2 if it would not run.

    Example: strongroom node run --config strongroom-data/n0/node.toml --check
    """
    from strongroom.node.cli import node_doing

    node_doing.run(config, check, as_json)
