"""Flame graphs of one node under load, drawn by py-spy (the extra `profile`): where host and
enclave spend time.

Owns starting it beside a measurement. Sampling from outside costs the node little; only root may
look into an enclave.
"""

import asyncio
import shutil
import sys
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cluster.node_process import NodeProcess

SAMPLES_PER_SECOND = 200


def sampler() -> str:
    """Where py-spy is.

    Raises:
        OperatorFault: it is not installed; says how to get it.
    """
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise OperatorFault(
            "--profile needs py-spy, which is not installed: pip install 'strongroom[profile]'"
        )
    return found


async def draw(node: NodeProcess, target: Path, seconds: float) -> list[Path]:
    """Sample a node's host and enclave for so long; the files that were written, one each.

    Args:
        node: it runs.
        target: `NAME.svg`; becomes NAME-host.svg and NAME-enclave.svg.
        seconds: how long.

    Raises:
        OperatorFault: py-spy failed; says what it said.
    """
    pids = {"host": node.host(), "enclave": node.enclave()}
    drawn = [
        (target.with_name(f"{target.stem}-{role}{target.suffix or '.svg'}"), process.pid)
        for role, process in pids.items()
        if process is not None
    ]
    await asyncio.gather(*(_record(path, pid, seconds) for path, pid in drawn))
    return [path for path, _ in drawn]


async def _record(path: Path, pid: int, seconds: float) -> None:
    options = (
        "--duration",
        str(max(1, round(seconds))),
        "--rate",
        str(SAMPLES_PER_SECOND),
        "--format",
        "flamegraph",
    )
    process = await asyncio.create_subprocess_exec(
        sampler(),
        "record",
        "--pid",
        str(pid),
        "--output",
        str(path),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise OperatorFault(
            f"py-spy could not sample process {pid}: "
            f"{output.decode(errors='replace').strip()[-300:]}"
        )
