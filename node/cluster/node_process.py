"""One node of a local cluster as two processes of this machine: start, stop, kill, look.

Owns `host.pid` and the order in which a host and its enclave are ended. It never signals a process
unless pid and start time are those that were recorded, and never judges what the node says about
itself.
"""

import asyncio
import json
import os
import signal
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from strongroom.consensus.errors import OperatorFault
from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.config import NodeConfig
from strongroom.node.layout import NodeLayout
from strongroom.node.machine import ports
from strongroom.node.machine.log_files import log_tail
from strongroom.node.machine.processes import ProcessId, children_of, spawn
from strongroom.node.machine.run_records import read_processes
from strongroom.node.rpc import probe

LIVE_SECONDS_MAX = 120.0
"""From start to the first answer of `/health/live`."""
STOP_SECONDS_MAX = 20.0
"""A host that was asked to stop and has not by then is killed."""
KILL_SECONDS_MAX = 20.0
"""The kernel ends a killed process at once; only one stuck in a disk access takes longer."""
_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_LOG_LINES = 15
_LAST_WORDS = "error: "
"""How the last line of a node's log begins that stopped because of a fault (`node.__main__`)."""
_KILL_ROUNDS_MAX = 3


class NodeFailed(OperatorFault):
    """A node did not do what it was asked to; the message ends with its last log lines."""

    def __init__(self, name: str, what: str, log_lines: list[str]) -> None:
        shown = "".join(f"\n  {line}" for line in log_lines) or "\n  (nothing)"
        super().__init__(f"node {name} {what}; the last lines of its log:{shown}")
        self.name = name


@dataclass(slots=True)
class NodeProcess:
    """A node's processes, found through its folder: any number of managers may look at the same
    node."""

    layout: NodeLayout
    _log_start: int = field(default=0, init=False)
    """Size of the log when we started it: a failure shows what came after."""

    @property
    def name(self) -> str:
        """n0, n1, …"""
        return self.layout.name

    def config(self) -> NodeConfig:
        """Its configuration. Raises ConfigInvalid."""
        return node_config.load(self.layout.config)

    def host(self) -> ProcessId | None:
        """The running host."""
        recorded = [self.recorded_host(), read_processes(self.layout.run)[0]]
        return next(
            (process for process in recorded if process is not None and process.alive), None
        )

    def recorded_host(self) -> ProcessId | None:
        """The host that a manager started last, running or not."""
        return self._recorded().get("host")

    def enclave(self) -> ProcessId | None:
        """The running enclave, also one whose host has just died."""
        recorded = [read_processes(self.layout.run)[1], self._recorded().get("enclave")]
        return next(
            (process for process in recorded if process is not None and process.alive), None
        )

    async def start(self) -> None:
        """Start it unless it runs, and wait until its host answers `/health/live`; never waits for
        a quorum.

        Raises:
            PortTaken: somebody else listens on one of its ports.
            NodeFailed: it ended, or does not answer in time (then it is killed).
        """
        if self.host() is None:
            self.spawn()
        await self.wait_live()

    def spawn(self) -> None:
        """Start its host; does not wait. Raises PortTaken."""
        config = self.config()
        for address in (config.rpc, config.peer, *([config.health] if config.health else [])):
            ports.check_free(address.port, address.host)
        self._log_start = self.layout.log.stat().st_size if self.layout.log.exists() else 0
        command = [
            sys.executable,
            "-P",
            "-m",
            *ports.NODE_COMMAND,
            str(self.layout.config.absolute()),
        ]
        host = spawn(command, log=self.layout.log, environment=dict(os.environ))
        self._record(host, None)

    async def wait_live(self, seconds: float = LIVE_SECONDS_MAX) -> None:
        """Wait until its host answers `/health/live`. Raises NodeFailed."""
        config, context = self.config(), self._context()
        deadline = time.monotonic() + seconds
        door = (config.health, None) if config.health is not None else (config.rpc, context)
        while not await asyncio.to_thread(probe.is_live, *door, seconds=_PROBE_SECONDS):
            if self.host() is None:
                raise NodeFailed(self.name, "ended while it was starting", self.last_log_lines())
            if time.monotonic() > deadline:
                await self.kill()
                raise NodeFailed(
                    self.name, f"did not answer within {seconds:.0f} s", self.last_log_lines()
                )
            await asyncio.sleep(_POLL_SECONDS)
        host = self.host()
        if host is not None:
            self._record(host, self.enclave())

    async def stop(self) -> None:
        """Ask the host to end (SIGTERM) and wait; kill what is left at the deadline. A stopped node
        stays stopped."""
        host, enclave = self.host(), self.enclave()
        if host is not None:
            host.send(signal.SIGTERM)
            await asyncio.to_thread(host.wait_gone, STOP_SECONDS_MAX)
        if enclave is not None:
            await asyncio.to_thread(enclave.wait_gone, _PROBE_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to host and enclave; returns when both are gone.

        Raises:
            NodeFailed: the kernel does not end one of them.
        """
        for _ in range(
            _KILL_ROUNDS_MAX
        ):  # a host that was just starting may have made its enclave meanwhile
            processes = self._processes()
            for process in processes:
                process.send(signal.SIGKILL)
            waits = (
                asyncio.to_thread(process.wait_gone, KILL_SECONDS_MAX) for process in processes
            )
            if not all(await asyncio.gather(*waits)):
                raise NodeFailed(self.name, "does not end: a process outlives SIGKILL", [])
            if not processes:
                break
        for path in (self.layout.host_pid, self.layout.run):
            path.unlink(missing_ok=True)

    def status(self) -> dict[str, object] | None:
        """`node_status` of its front door; None if it does not answer."""
        with suppress(probe.NoAnswer, OperatorFault):
            answer = probe.ask(
                self.config().rpc, self._context(), "node_status", seconds=_PROBE_SECONDS
            )
            return answer if isinstance(answer, dict) else None
        return None

    def ask(self, method: str, *parameters: object) -> object:
        """Any public method of its front door. Raises probe.NoAnswer."""
        return probe.ask(
            self.config().rpc, self._context(), method, *parameters, seconds=_PROBE_SECONDS
        )

    def page(self, path: str) -> bytes | None:
        """What its front door serves at a path; None: nothing, or not in time."""
        return probe.fetch(self.config().rpc, self._context(), path, seconds=_PROBE_SECONDS)

    def stopped_because(self) -> str | None:
        """Why it ended by itself, in its own last words; None while it runs, or after a stop."""
        if self.host() is not None:
            return None
        last = next(iter(log_tail(self.layout.log, 1)), "")
        return last.removeprefix(_LAST_WORDS) if last.startswith(_LAST_WORDS) else None

    def last_log_lines(self) -> list[str]:
        """The end of its log, since we started it if we did."""
        return log_tail(self.layout.log, _LOG_LINES, since=self._log_start)

    def _context(self) -> ssl.SSLContext:
        return tls.client_context(self.layout.tls_certificate)

    def _processes(self) -> list[ProcessId]:
        """Host, its children, and an enclave that outlived its host."""
        host, enclave = self.host(), self.enclave()
        found = [*([host, *children_of(host)] if host else []), *([enclave] if enclave else [])]
        return list(dict.fromkeys(found))

    def _record(self, host: ProcessId, enclave: ProcessId | None) -> None:
        document = {"host": host.document(), "enclave": enclave.document() if enclave else None}
        draft = self.layout.host_pid.with_suffix(".new")
        draft.write_text(json.dumps(document) + "\n")
        draft.replace(self.layout.host_pid)

    def _recorded(self) -> dict[str, ProcessId | None]:
        try:
            document = json.loads(self.layout.host_pid.read_bytes())
            return {key: ProcessId.from_document(document[key]) for key in ("host", "enclave")}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
