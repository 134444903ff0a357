"""`python -m strongroom.node run --config FILE`: one node as a process; the command line starts
nodes this way."""

import argparse
import asyncio
import gc
import sys
from pathlib import Path

import uvloop

from strongroom.consensus.errors import StrongroomError
from strongroom.node.config import NodeConfig, load
from strongroom.node.enclave_client.launch import EnclaveEnded, launch
from strongroom.node.machine.logs import configure_logging

COLLECTOR_THRESHOLDS = (20_000, 20, 50)
"""Cycles are rare in a host; looking for them less often costs less."""

SWITCH_SECONDS = 0.001
"""How long the event loop waits for a thread that reads blocks for the public; Python's default is
5 ms."""


def main() -> int:
    """Run a node until it is told to stop; exit code 0. With one line on stderr: 1 when a start may
    help (its enclave ended), 2 when somebody must see to something first."""
    parser = argparse.ArgumentParser(prog="strongroom.node", description=__doc__)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--config", type=Path, required=True, help="the node's node.toml")
    arguments = parser.parse_args()
    try:
        config = load(arguments.config)
        sys.setswitchinterval(SWITCH_SECONDS)
        configure_logging(config.log_level, config.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(config, arguments.config))
    except StrongroomError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return 2
    except BaseExceptionGroup as group:
        faults, others = group.split(StrongroomError)
        if others is not None or faults is None:
            raise
        for leaf in _leaves(faults):
            sys.stderr.write(f"error: {leaf}\n")
        return 1 if all(isinstance(leaf, EnclaveEnded) for leaf in _leaves(faults)) else 2
    return 0


async def _run(config: NodeConfig, source: Path) -> None:
    """The enclave's process and the host's own code load side by side."""
    launched = await launch(config.layout.chip)
    try:
        from strongroom.node.host.host import Host

        gc.freeze()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        await Host(config, launched, source).run()
    finally:
        launched.socket.close()


def _leaves(group: BaseExceptionGroup[StrongroomError]) -> list[StrongroomError]:
    leaves: list[StrongroomError] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


if __name__ == "__main__":
    sys.exit(main())
