"""`--peer etcd`: this machine's etcd beside a measurement, so that a ratio outlives the machine.

Owns three etcd members of its own on the loopback interface, in a temporary folder, and the load on
them: puts of 256 bytes over 64 connections, each waiting for its answer (peer_load.py, a process of
its own, as ours is). etcd orders and stores with fsync on a majority; it seals nothing, executes
nothing and trusts its members, so the ratio is a yardstick and no verdict.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench.report import Document, percentiles
from strongroom.node.machine.ports import reserve_free

MEMBERS = 3
CONNECTIONS = 64
VALUE_BYTES = 256
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
_POLL_SECONDS = 0.1
_LOAD = Path(__file__).with_name("peer_load.py")


@dataclass(frozen=True, slots=True)
class EtcdPeer:
    """Members that run."""

    endpoints: tuple[str, ...]
    """host:port of each member's door."""


def etcd() -> str:
    """Where etcd is.

    Raises:
        OperatorFault: it, or the library that speaks to it, is not installed; says how to get it.
    """
    found = shutil.which("etcd")
    if found is None:
        raise OperatorFault(
            "--peer etcd needs etcd, which is not installed: apt-get install etcd-server"
        )
    if find_spec("grpc") is None:
        raise OperatorFault("--peer etcd needs grpcio: pip install 'strongroom[peers]'")
    return found


async def measure_etcd(seconds: float, warmup: float) -> Document:
    """Load etcd as fast as its connections go.

    Args:
        seconds: measured.
        warmup: before that.

    Returns:
        `committed_per_second`, `latency_ms`, `connections`, `members`, `load_average`.

    Raises:
        OperatorFault: a member or the load failed.
    """
    async with running_etcd() as peer:
        orders = {
            "endpoints": peer.endpoints,
            "connections": CONNECTIONS,
            "value_bytes": VALUE_BYTES,
            "seconds": seconds,
            "warmup": warmup,
        }
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(_LOAD), stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            output, errors = await worker.communicate(json.dumps(orders).encode())
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        if worker.returncode:
            raise OperatorFault("the load on etcd failed: " + errors.decode()[-500:])
    result = json.loads(output)
    latencies = Counter({int(step): count for step, count in result["latencies"]})
    return {
        "committed_per_second": round(result["committed"] / seconds, 1),
        "latency_ms": percentiles(latencies),
        "connections": CONNECTIONS,
        "members": MEMBERS,
        "load_average": round(os.getloadavg()[0], 2),
    }


def beside(report: Document, peer: Document) -> Document:
    """A report with the peer's and what ours is of it: throughput and p50, ours ÷ theirs."""
    ours, theirs = report["latency_ms"]["p50"], peer["latency_ms"]["p50"]
    pace = peer["committed_per_second"]
    ratio = {
        "committed_per_second": round(report["committed_per_second"] / pace, 2) if pace else None,
        "p50": round(ours / theirs, 2) if ours and theirs else None,
    }
    return {**report, "etcd": peer, "ratio_to_etcd": ratio}


@asynccontextmanager
async def running_etcd() -> AsyncIterator[EtcdPeer]:
    """Three members that answer; they end with the context, and their folder goes."""
    program = etcd()
    reserved = reserve_free(2 * MEMBERS)
    ports = reserved.ports
    reserved.release()
    doors, peers = ports[:MEMBERS], ports[MEMBERS:]
    cluster = ",".join(f"m{at}=http://127.0.0.1:{port}" for at, port in enumerate(peers))
    members: list[asyncio.subprocess.Process] = []
    directory = Path(tempfile.mkdtemp(prefix="strongroom-etcd-"))
    try:
        for at, (door, peer) in enumerate(zip(doors, peers, strict=True)):
            members.append(
                await asyncio.create_subprocess_exec(
                    program,
                    *_options(directory, at, door, peer, cluster),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        for member, door in zip(members, doors, strict=True):
            await _until_healthy(member, door)
        yield EtcdPeer(tuple(f"127.0.0.1:{door}" for door in doors))
    finally:
        for member in members:
            if member.returncode is None:
                member.terminate()
        for member in members:
            try:
                await asyncio.wait_for(member.wait(), STOP_SECONDS_MAX)
            except TimeoutError:
                member.kill()
                await member.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _options(directory: Path, at: int, door: int, peer: int, cluster: str) -> list[str]:
    own, others = f"http://127.0.0.1:{door}", f"http://127.0.0.1:{peer}"
    options = {
        "name": f"m{at}",
        "data-dir": str(directory / f"m{at}"),
        "listen-client-urls": own,
        "advertise-client-urls": own,
        "listen-peer-urls": others,
        "initial-advertise-peer-urls": others,
        "initial-cluster": cluster,
        "initial-cluster-state": "new",
    }
    return [f"--{name}={value}" for name, value in options.items()]


async def _until_healthy(member: asyncio.subprocess.Process, door: int) -> None:
    """`GET /health` says that there is a leader."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not await _is_healthy(door):
        if member.returncode is not None:
            raise OperatorFault(f"etcd ended with exit status {member.returncode} at its start")
        if time.monotonic() > deadline:
            raise OperatorFault(f"etcd did not answer within {START_SECONDS_MAX:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _is_healthy(door: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", door)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), _POLL_SECONDS * 20)
        return b'"health":"true"' in answer
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
