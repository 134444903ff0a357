"""`strongroom cluster …`: a cluster of real processes on this machine.

Owns options, words and documents of these commands; what they do stands in node/cluster*.py.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.archive_settings import given_archive
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    ArchiveAfterOption,
    ArchiveOption,
    DirectoryOption,
)
from strongroom.node.cluster.plan import (
    DEFAULT_BASE_PORT,
    DEFAULT_NODES,
    DEFAULT_PORT_STRIDE,
    MEMBERS,
)
from strongroom.node.layout import dir_option
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.node.cluster.cluster import Cluster
    from strongroom.node.cluster.node_process import NodeProcess

cluster_app = typer.Typer(
    name="cluster",
    no_args_is_help=True,
    help=(
        "A cluster of real node processes on this machine, in "
        "one folder (attestation is SIMULATED)."
    ),
)
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="n0, n1, …")]
_LOG_LINES_MAX = 10_000


@cluster_app.command()
@guarded
def up(
    directory: DirectoryOption = DEFAULT_DIR,
    nodes: Annotated[
        int | None, typer.Option(help=f"How many nodes to make (default {DEFAULT_NODES}).")
    ] = None,
    base_port: Annotated[
        int | None,
        typer.Option(
            help=f"Node i serves on base+i; 0 picks free ports (default {DEFAULT_BASE_PORT})."
        ),
    ] = None,
    port_stride: Annotated[
        int, typer.Option(help="Node i talks to peers on base+stride+i.", min=1)
    ] = DEFAULT_PORT_STRIDE,
    epoch_blocks: Annotated[
        int | None,
        typer.Option(
            "--epoch-blocks",
            min=0,
            metavar="N",
            help="A new cluster's epochs end after N blocks (0: never).",
        ),
    ] = None,
    recovery: Annotated[
        int | None,
        typer.Option(
            "--recovery",
            min=1,
            max=len(MEMBERS),
            metavar="K",
            help="Members keep shares, of which K open the ledger after a disaster (default: off).",
        ),
    ] = None,
    archive: ArchiveOption = None,
    archive_after: ArchiveAfterOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when the service answers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a cluster: make its folder if missing, start its nodes, wait until the service answers.

    Stays in the foreground and stops all nodes on Ctrl-C, unless --detach. On a folder that exists
    it starts what is stopped; a second time it changes nothing.

    Example: strongroom cluster up --nodes 4 --detach
    """
    options = {
        "nodes": nodes,
        "base_port": base_port,
        "port_stride": port_stride,
        "epoch_blocks": epoch_blocks,
        "recovery": recovery,
        "archive": given_archive(archive, archive_after),
    }
    run(_up(directory, options, detach, as_json))


async def _up(directory: Path, options: dict[str, Any], detach: bool, as_json: bool) -> None:
    import asyncio

    from strongroom.node.cli import cluster_screen
    from strongroom.node.cli.cluster_ready import ready_document
    from strongroom.node.cluster.up import (
        bring_up,
    )  # brings the ceremony and the client, which no other command needs
    from strongroom.node.machine.interrupts import cancelled_by_signals

    began = time.monotonic()
    with cancelled_by_signals():
        with cluster_screen.progress() as say:
            cluster = await bring_up(directory, say=say, **options)
        document = await ready_document(cluster, time.monotonic() - began)
        emit(
            document,
            as_json,
            lambda: cluster_screen.show_ready(document, cluster, detach=detach),
        )
        if detach:
            return
        try:
            await cluster_screen.watch(cluster)
        except asyncio.CancelledError:  # Ctrl-C is how a foreground cluster is meant to end
            note("stopping all nodes")
        finally:
            await cluster.down()


@cluster_app.command()
@guarded
def status(directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Show each node: processes, state, height, view, peers, what its peers found in its evidence.

    Example: strongroom cluster status --json
    """
    from strongroom.node.cli import cluster_screen

    document = run(_open(directory).status())
    emit(document, as_json, lambda: cluster_screen.show_status(document, dir_option(directory)))


@cluster_app.command()
@guarded
def down(directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Stop every node; leaves no process. The folder stays, `up` starts it again.

    Example: strongroom cluster down
    """
    cluster = _open(directory)
    names = [node.name for node in cluster.running()]
    run(_finishing(cluster.down()))
    emit(
        {"stopped": names},
        as_json,
        lambda: say(f"stopped {', '.join(names) or 'nothing: no node ran'}"),
    )


@cluster_app.command()
@guarded
def stop(
    node: NodeArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Stop one node in an orderly way.

    Example: strongroom cluster stop n2
    """
    process = _open(directory).node(node)
    ran = process.host() is not None
    run(_finishing(process.stop()))
    emit(
        _row(process, "stopped"),
        as_json,
        lambda: say(f"{node} {'stopped' if ran else 'did not run'}"),
    )


@cluster_app.command()
@guarded
def start(
    node: NodeArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it votes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start one node; returns when its host answers, with --wait when it votes again.

    Example: strongroom cluster start n2 --wait
    """
    cluster = _open(directory)
    process = cluster.node(node)
    state = run(_start(cluster, process, wait=wait))
    endpoint = f"https://{process.config().rpc}"
    emit(_row(process, state), as_json, lambda: say(f"{node} runs ({state}) on {endpoint}"))


async def _start(cluster: "Cluster", process: "NodeProcess", *, wait: bool) -> str:
    await process.start()
    if wait:
        await cluster.wait_voting(process.name)
    return (await cluster.states())[process.name]


@cluster_app.command()
@guarded
def kill(
    node: NodeArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """End one node's host and enclave with SIGKILL, as a crash would; returns when both are gone.

    Example: strongroom cluster kill n2
    """
    process = _open(directory).node(node)
    ran = process.host() is not None
    run(_finishing(process.kill()))
    emit(
        _row(process, "stopped"),
        as_json,
        lambda: say(f"{node} {'killed' if ran else 'did not run'}"),
    )


@cluster_app.command()
@guarded
def add(
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="R", help="Where it stands; one that is allowed."),
    ] = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add a node: members allow its machine, it shows its evidence, catches up, and votes from the
    next epoch on.

    Example: strongroom cluster add --region zurich
    """
    cluster = run(_add(_open(directory), region))
    process = cluster.nodes[-1]
    endpoint = f"https://{process.config().rpc}"
    emit(
        {**_row(process, "voting"), "endpoint": endpoint},
        as_json,
        lambda: say(f"{process.name} votes on {endpoint}"),
    )


async def _add(cluster: "Cluster", region: str | None) -> "Cluster":
    from strongroom.node.cli import cluster_screen
    from strongroom.node.cluster.growth import add_node
    from strongroom.node.machine.interrupts import cancelled_by_signals

    with cancelled_by_signals(), cluster_screen.progress() as say:
        return await add_node(cluster, region=region, say=say)


@cluster_app.command()
@guarded
def remove(
    node: NodeArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Remove a node: members vote it out, the next epoch begins without it, its processes are
    stopped.

    Example: strongroom cluster remove n4
    """
    cluster = _open(directory)
    run(_remove(cluster, node))
    emit(
        _row(cluster.node(node), "removed"),
        as_json,
        lambda: say(f"{node} is no validator any more, and stopped"),
    )


async def _remove(cluster: "Cluster", name: str) -> None:
    from strongroom.node.cli import cluster_screen
    from strongroom.node.cluster.growth import remove_node
    from strongroom.node.machine.interrupts import cancelled_by_signals

    with cancelled_by_signals(), cluster_screen.progress() as say:
        await remove_node(cluster, name, say=say)


@cluster_app.command()
@guarded
def logs(
    node: NodeArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is appended, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=_LOG_LINES_MAX, help="How many last lines.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the end of one node's log.

    Example: strongroom cluster logs n0 -f
    """
    from strongroom.node.machine.log_files import follow_log, log_tail

    path = _open(directory).node(node).layout.log
    if not path.exists():
        fail(f"{node} has no log yet: it was never started")

    def show(text: str) -> None:
        for line in text.splitlines():
            emit({"node": node, "line": line}, as_json, lambda line=line: say(line))  # type: ignore[misc]

    show("\n".join(log_tail(path, lines)) if lines else "")
    if follow:
        try:
            follow_log(path, show)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


def _open(directory: Path) -> "Cluster":
    from strongroom.node.cluster.cluster import open_cluster

    return open_cluster(directory)


async def _finishing(ending: Any) -> None:
    """Ending processes goes on to its end even when the user loses patience."""
    import asyncio

    from strongroom.node.machine.interrupts import cancelled_by_signals

    task = asyncio.ensure_future(ending)
    with cancelled_by_signals():
        try:
            await asyncio.shield(task)
        finally:
            await task


def _row(process: "NodeProcess", state: str) -> dict[str, Any]:
    host, enclave = process.host(), process.enclave()
    return {
        "name": process.name,
        "pid": host.pid if host else None,
        "enclave_pid": enclave.pid if host and enclave else None,
        "state": state,
    }
