"""`cluster up` as steps: make the folder if it is missing, start what does not run, wait for a
quorum, fund the users.

Owns their order, and that a failed step is named, shows the log of the node concerned, and ends
what it had started.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.governance.recovery_changes import RECOVERY_THRESHOLD
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.cluster.cluster import Cluster, Say, end_again, open_cluster
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.funding import bring_people, fund_users
from strongroom.node.cluster.node_process import NodeFailed
from strongroom.node.cluster.plan import (
    DEFAULT_BASE_PORT,
    DEFAULT_NODES,
    DEFAULT_PORT_STRIDE,
    LOCAL_LIMITS,
    Plan,
    PlanImpossible,
)
from strongroom.node.cluster.sharing import keep_shares
from strongroom.node.layout import ClusterLayout
from strongroom.node.machine.ports import PortTaken
from strongroom.node.shown_text import shown

DIRECTORY_BYTES_MAX = 3_800
"""Of 4,096 that Linux takes (PATH_MAX): the rest is for files below it."""
NAME_BYTES_MAX = 230
"""Of 255 (NAME_MAX): the folder is made beside its place, under a longer name, and then moved
there."""


class StepFailed(OperatorFault):
    """A named step did not succeed.

    Attributes:
        step: Its name.
    """

    def __init__(self, step: str, cause: StrongroomError | OSError, log: str = "") -> None:
        super().__init__(f"step failed: {step}: {cause}{log}")
        self.step = step


@contextmanager
def step(name: str, cluster: Cluster | None = None) -> Iterator[None]:
    """Name the step in whatever goes wrong inside; with a cluster, its first node's log is shown
    when no node is named.

    Raises:
        StepFailed: in place of every StrongroomError and OSError.
    """
    try:
        yield
    except (StepFailed, PortTaken, PlanImpossible):
        raise  # nothing was begun: the sentence says all
    except (StrongroomError, OSError) as cause:
        log = ""
        if cluster is not None and not isinstance(cause, NodeFailed):
            lines = cluster.nodes[0].last_log_lines()
            log = f"\nthe last lines of {cluster.nodes[0].name}'s log:" + "".join(
                f"\n  {line}" for line in lines
            )
        raise StepFailed(name, cause, log) from cause


async def bring_up(
    directory: Path,
    *,
    say: Say,
    nodes: int | None = None,
    base_port: int | None = None,
    port_stride: int = DEFAULT_PORT_STRIDE,
    fund: bool = True,
    epoch_blocks: int | None = None,
    limits: tuple[tuple[str, int], ...] = (),
    recovery: int | None = None,
    archive: ArchiveSettings | None = None,
) -> Cluster:
    """A running cluster that answers with a quorum; harmless when it runs already.

    Args:
        directory: The cluster's folder, made if it is missing.
        say: Told what is done now.
        nodes: How many; None takes what is there, or the default.
        base_port: Node i serves on base + i, 0 picks free ports; None as above.
        port_stride: Of a new cluster: node i talks to peers on base + stride + i.
        fund: Issue the opening amounts to the users, once in the cluster's life.
        epoch_blocks: Of a new cluster: an epoch ends after so many blocks; None: only when
            something is due.
        limits: Of a new cluster: (name, value) of governance's limits beside those of a local one.
        recovery: Of how many members it takes the shares to open the ledger again: the members of
            the folder keep them; None: nobody does.
        archive: Of a new cluster: around its nodes' archives, and how much stays in a node's
            folder; None: nothing is archived.

    Raises:
        StepFailed: nodes that were started here are ended again; the folder stays if it is whole.
    """
    _check_name(directory)
    if ClusterLayout(directory).service.exists():
        cluster, is_new = open_cluster(directory), False
        _check_same(cluster, nodes, base_port)
        if archive is not None:
            raise OperatorFault(
                f"{directory} is a cluster already: --archive is for a new one; write [archive] "
                "with directory and after_bytes into each node.toml, and start the nodes again"
            )
    else:
        is_new = True
        if recovery is not None:
            limits = (*limits, (RECOVERY_THRESHOLD, recovery))
        plan = Plan(
            nodes=DEFAULT_NODES if nodes is None else nodes,
            base_port=DEFAULT_BASE_PORT if base_port is None else base_port,
            port_stride=port_stride,
            archive=archive,
            limits=(*LOCAL_LIMITS, *limits)
            if epoch_blocks is None
            else (*LOCAL_LIMITS, *limits, ("epoch_blocks", epoch_blocks)),
        )
        with step("make the cluster's folder"):
            cluster = await create(directory, plan, say=say)
    with step("start the nodes"):
        started = await cluster.start(say)
    try:
        with step("wait for a quorum", cluster):
            await cluster.wait_quorum(say)
        if fund:
            await _fund(cluster, is_new=is_new, say=say)
            await _bring(cluster, is_new=is_new, say=say)
        if recovery is not None:
            with step("share the key to the ledger among the members", cluster):
                await keep_shares(cluster.layout, recovery, say=say)
    except BaseException as error:
        await end_again(started, error, directory)
        raise
    return cluster


def _check_name(directory: Path) -> None:
    """Raises OperatorFault for a folder that configuration files cannot name, or whose name is too
    long."""
    try:
        name = str(directory.absolute()).encode()
    except UnicodeEncodeError:
        raise OperatorFault(
            f"{directory}: the folder's name is no UTF-8, and files cannot name it: choose another"
        ) from None
    if len(name) > DIRECTORY_BYTES_MAX or any(
        len(os.fsencode(part)) > NAME_BYTES_MAX for part in directory.parts
    ):
        raise OperatorFault(
            f"{shown(directory)[:80]}…: the folder's name is too "
            f"long ({len(name)} bytes): choose another"
        )
    if not str(directory).isprintable():
        raise OperatorFault(
            f"{shown(directory)}: the folder's name has control characters: choose another"
        )


async def _fund(cluster: Cluster, *, is_new: bool, say: Say) -> None:
    """A new cluster is whole with its users' money; an older one that votes is never ended for the
    lack of it."""
    try:
        with step("fund the users", cluster):
            await fund_users(cluster.layout, say=say)
    except StepFailed as fault:
        if is_new:
            raise
        say(f"warning: {fault}")


async def _bring(cluster: Cluster, *, is_new: bool, say: Say) -> None:
    """Likewise for whoever has a key in the folder and is not on the roster yet."""
    try:
        with step("bring the folder's people onto the roster", cluster):
            await bring_people(cluster.layout, say=say)
    except StepFailed as fault:
        if is_new:
            raise
        say(f"warning: {fault}")


def _check_same(cluster: Cluster, nodes: int | None, base_port: int | None) -> None:
    """Raises OperatorFault when a folder holds another cluster than the one asked for; None asks
    for nothing."""
    folder, there = cluster.layout.directory, len(cluster.members)
    if nodes not in (None, there):
        raise OperatorFault(
            f"{folder} has {there} nodes, not {nodes}: leave out --nodes, or name another --dir"
        )
    try:
        first = cluster.nodes[0].config().rpc.port
    except (OperatorFault, OSError):
        return  # which of its nodes can start is found out when they are started
    if base_port not in (None, 0, first):
        raise OperatorFault(
            f"{folder} uses ports from {first}: leave out --base-port, or name another --dir"
        )
