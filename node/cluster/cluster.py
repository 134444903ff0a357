"""A local cluster: all nodes of one folder, each as real processes of this machine.

Owns starting and ending them together, waiting for a quorum, and the status document of INTERFACES.
How a folder is made stands in creation.py, how one node is run in node_process.py.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.consensus.quorum import Quorum
from strongroom.node.client.trust.service import Service, load_service
from strongroom.node.cluster.node_process import NodeFailed, NodeProcess
from strongroom.node.layout import ClusterLayout, dir_option
from strongroom.node.machine.processes import collect_ended_children
from strongroom.node.near_folders import no_cluster_words
from strongroom.node.rpc import probe
from strongroom.node.shown_text import listed

QUORUM_SECONDS_MAX = 120.0
"""From the last node's first answer to a quorum that votes."""
_POLL_SECONDS = 0.1
_NOT_CHECKED = "not checked yet"
_TOLD = ("height", "executed", "executes", "view", "peers", "alarm")
"""What a row of the status document repeats of `node_status`."""
_OF_ALL = ("members", "quorum")
"""What it says once, for all nodes."""
_NOT_RUNNING = "not running"
"""That it was good once, or is not looked at yet, says nothing of a node that does not run; what
its peers found wrong stays."""

Document = dict[str, Any]
Say = Callable[[str], None]


class NoCluster(OperatorFault):
    """The folder is not a cluster's."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes of one folder."""

    layout: ClusterLayout
    nodes: tuple[NodeProcess, ...]

    @property
    def names(self) -> list[str]:
        """n0, n1, …"""
        return [node.name for node in self.nodes]

    @property
    def members(self) -> tuple[NodeProcess, ...]:
        """Those that clients are told of: not the folders of removed nodes. One whose node.toml is
        damaged counts."""
        told = set(self.service().endpoints) if self.layout.service.is_file() else set()
        found = tuple(
            node for node in self.nodes if (at := endpoint_of(node)) is None or at in told
        )
        return found if any(endpoint_of(node) for node in found) else self.nodes

    async def validators(self) -> tuple[str, ...]:
        """Names of the current validators, as a running node knows them; as clients are told while
        none answers."""
        for node in self.running():
            with suppress(probe.NoAnswer, OperatorFault, TypeError, KeyError):
                shown: Any = await asyncio.to_thread(node.ask, "service_nodes")
                if names := tuple(
                    str(one["name"]) for one in shown if one["status"] == "validator"
                ):
                    return names
        return tuple(node.name for node in self.members)

    def node(self, name: str) -> NodeProcess:
        """One node. Raises NoCluster when there is no such name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise NoCluster(
            f"no node {name} in {self.layout.directory}: it has {', '.join(self.names)}"
        )

    def service(self) -> Service:
        """What clients are told. Raises OperatorFault for a damaged file."""
        return load_service(self.layout.service)

    def running(self) -> list[NodeProcess]:
        """Those whose host runs."""
        return [node for node in self.nodes if node.host() is not None]

    async def start(self, say: Say) -> list[NodeProcess]:
        """Start every member that does not run; returns those that answer. One that cannot start is
        said, and left out.

        Raises:
            StrongroomError, OSError: too few for a quorum run, for this reason; those which this
                call started are ended again, those that ran before are left alone.
        """
        members, started = self.members, list[NodeProcess]()
        if others := [
            node.name for node in self.nodes if node not in members and node.host() is None
        ]:
            say(
                "not started, for clients are not told of them (removed, "
                f"or not joined yet): {', '.join(others)}"
            )
        faults: list[StrongroomError | OSError] = []
        try:
            for node in [node for node in members if node.host() is None]:
                say(f"starting {node.name}")
                with _left_out(node, faults, say):
                    node.spawn()
                    started.append(node)
            for node in started:
                with _left_out(node, faults, say):
                    await node.wait_live()
            for node in [node for node in started if node.host() is None]:
                started.remove(node)
            if faults and len(members) - len(faults) < Quorum(len(members)).size:
                raise faults[0]
        except BaseException as error:
            await end_again(started, error, self.layout.directory)
            raise
        return started

    async def wait_quorum(self, say: Say, *, seconds: float = QUORUM_SECONDS_MAX) -> None:
        """Wait until a quorum of the validators votes; those without a folder here are taken to
        vote.

        Raises:
            NodeFailed: a node ended meanwhile, or at the deadline (names one that does not vote).
        """
        deadline = time.monotonic() + seconds
        shown = ""
        while True:
            everyone, validators = await self.states(), await self.validators()
            states = {name: everyone[name] for name in validators if name in everyone}
            needed = max(1, Quorum(len(validators)).size - (len(validators) - len(states)))
            voting = _count(states, "voting")
            if voting >= needed:
                return
            ended = next((node for node in self.nodes if states.get(node.name) == "stopped"), None)
            if ended is not None and len(states) - _count(states, "stopped") < needed:
                raise NodeFailed(ended.name, "ended", ended.last_log_lines())
            if time.monotonic() > deadline:
                late = next(
                    (node for node in self.nodes if states.get(node.name) != "voting"),
                    self.nodes[0],
                )
                what = f"does not vote after {seconds:.0f} s (state {everyone[late.name]})"
                raise NodeFailed(late.name, what, late.last_log_lines())
            text = (
                f"waiting for a quorum: {voting} of {len(validators)} nodes vote, {needed} needed"
            )
            if text != shown:
                say(shown := text)
            await asyncio.sleep(_POLL_SECONDS)

    async def wait_voting(self, name: str, *, seconds: float = QUORUM_SECONDS_MAX) -> None:
        """Wait until one node votes. Raises NodeFailed when it ends or at the deadline."""
        node = self.node(name)
        deadline = time.monotonic() + seconds
        while (state := await asyncio.to_thread(state_of, node)) != "voting":
            if state == "stopped" or time.monotonic() > deadline:
                what = (
                    "ended"
                    if state == "stopped"
                    else f"does not vote after {seconds:.0f} s (state {state})"
                )
                raise NodeFailed(name, what, node.last_log_lines())
            await asyncio.sleep(_POLL_SECONDS)

    async def down(self) -> None:
        """Stop every node; leaves no process."""
        await end_all(self.nodes)

    async def states(self) -> dict[str, str]:
        """Every node's state by name."""
        self.collect()
        states = await asyncio.gather(*(asyncio.to_thread(state_of, node) for node in self.nodes))
        return dict(zip(self.names, states, strict=True))

    def collect(self) -> None:
        """Collect hosts that we started and that ended, so that others see them gone."""
        recorded = [node.recorded_host() for node in self.nodes]
        collect_ended_children([process for process in recorded if process is not None])

    async def status(self) -> Document:
        """`cluster status --json`."""
        self.collect()
        rows = await asyncio.gather(*(asyncio.to_thread(_row, node) for node in self.nodes))
        verdicts = [table for _, table in rows]
        for node, (row, _) in zip(self.nodes, rows, strict=True):
            row["attestation"] = verdict_on(node.name, verdicts, runs=row["pid"] is not None)
        service = self.service()
        told = executing_of([row for row, _ in rows])
        shown = [
            {key: value for key, value in row.items() if key not in _OF_ALL} for row, _ in rows
        ]
        return {"chain": service.chain.hex(), "service": service.pin, **told, "nodes": shown}


def open_cluster(directory: Path) -> Cluster:
    """The cluster of a folder.

    Raises:
        NoCluster: there is none.
    """
    layout = ClusterLayout(directory)
    nodes = tuple(NodeProcess(node) for node in layout.nodes())
    if not layout.service.is_file():
        raise NoCluster(no_cluster_words(directory))
    if not nodes:
        raise NoCluster(
            f"{directory} holds no node: it is a client's folder, of a service that runs elsewhere."
            " Its commands are call, query, explorer and others; those of `cluster` belong where "
            "the nodes' folders are"
        )
    cluster = Cluster(layout, nodes)
    _follow_a_move(cluster)
    return cluster


def endpoint_of(node: NodeProcess) -> str | None:
    """Where it serves clients; None when its node.toml cannot be read."""
    try:
        return f"https://{node.config().rpc}"
    except (OperatorFault, OSError):
        return None


@contextmanager
def _left_out(
    node: NodeProcess, faults: list[StrongroomError | OSError], say: Say
) -> Iterator[None]:
    """One node's trouble is its own."""
    try:
        yield
    except (StrongroomError, OSError) as fault:
        faults.append(fault)
        say(f"warning: {node.name} does not start and is left out: {fault}")


async def end_again(nodes: Sequence[NodeProcess], error: BaseException, directory: Path) -> None:
    """Stop what was started just now; to a cancellation is added what became of it."""
    await end_all(nodes)
    if isinstance(error, asyncio.CancelledError):
        names = [node.name for node in nodes]
        what = (
            f"{listed(names)}, started just now, {'was' if len(names) == 1 else 'were'} "
            "stopped again; the folder is whole"
            if names
            else "nothing was changed"
        )
        error.add_note(
            f"interrupted: {what}. Go on with `strongroom cluster up{dir_option(directory)}`"
        )


async def end_all(nodes: Sequence[NodeProcess]) -> None:
    """Stop these nodes side by side; the rest is stopped even when one of them does not end.

    Raises:
        NodeFailed: one does not end.
    """
    results = await asyncio.gather(*(node.stop() for node in nodes), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def write_service(path: Path, document: Document) -> None:
    """Replace `service.json` in one step."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document, indent=2) + "\n")
    draft.replace(path)


def _follow_a_move(cluster: Cluster) -> None:
    """Name the bundle's new place in `service.json` when the folder was moved or copied."""
    named, ca = cluster.service().ca, cluster.layout.ca.absolute()
    with suppress(OSError):
        if named.samefile(ca):
            return
    write_service(
        cluster.layout.service, {**json.loads(cluster.layout.service.read_bytes()), "ca": str(ca)}
    )


def state_of(node: NodeProcess) -> str:
    """What a node says of itself; `stopped` without a host, `starting` while it does not answer."""
    if node.host() is None:
        return "stopped"
    status = node.status()
    return str(status["state"]) if status and "state" in status else "starting"


def _row(node: NodeProcess) -> tuple[Document, dict[str, str]]:
    """One node's line, and its verdicts on all others by name."""
    host, enclave = node.host(), node.enclave()
    status = node.status() if host is not None else None
    row: Document = {
        "name": node.name,
        "pid": host.pid if host else None,
        "enclave_pid": enclave.pid if host and enclave else None,
        "state": "stopped" if host is None else (status or {}).get("state", "starting"),
        **{key: (status or {}).get(key) for key in (*_TOLD, *_OF_ALL)},
        "attestation": _NOT_CHECKED,
        "endpoint": endpoint_of(node),
        "stopped_because": node.stopped_because(),
    }
    verdicts: dict[str, str] = {}
    if status is not None:
        with suppress(probe.NoAnswer, TypeError, KeyError):
            peers: Any = node.ask("service_nodes")
            verdicts = {
                str(peer["name"]): str(peer["verdict"])
                for peer in peers
                if peer["name"] != node.name
            }
    return row, verdicts


def executing_of(rows: Sequence[Document]) -> Document:
    """How many replicas execute by their own word, how many must, and the first alarm that any node
    raised."""
    answering = [row for row in rows if row.get("quorum") is not None]
    newest = max(answering, key=lambda row: int(row["height"] or 0), default=None)
    return {
        "executing": sum(bool(row["executes"]) for row in answering),
        "quorum": None if newest is None else newest["quorum"],
        "members": None if newest is None else newest["members"],
        "alarm": next(
            (f"{row['name']}: {row['alarm']}" for row in answering if row["alarm"]), None
        ),
    }


def verdict_on(name: str, tables: list[dict[str, str]], *, runs: bool) -> str:
    """What its peers found: the first that is not good counts before any good one."""
    verdicts = [table[name] for table in tables if table.get(name, _NOT_CHECKED) != _NOT_CHECKED]
    wrong = next((verdict for verdict in verdicts if not verdict.startswith("good")), None)
    if wrong is not None:
        return wrong
    return (verdicts or [_NOT_CHECKED])[0] if runs else _NOT_RUNNING


def _count(states: dict[str, str], wanted: str) -> int:
    return sum(state == wanted for state in states.values())
