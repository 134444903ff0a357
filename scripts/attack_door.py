"""`./scripts/attack_door`: strangers do all they can at the door of a node, in rounds, while
somebody pays through that very door. Ends when all rounds are over.

Verdict by counts, never by time: every payment is answered, the node votes on and executes what was
paid, its memory grows by no more than its bounds, no defence is missing, and its log has neither a
bug nor a traceback. Prints one JSON object; exit code 1 when one of these does not hold.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from scripts import door_attacks

from strongroom.node import tls
from strongroom.node.client.client import Client
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.up import bring_up

GROWTH_MIB_MAX = 400.0
"""Its bounds allow 96 MiB of answers to strangers, 32 MiB of events, as much of kept ones, and what
an allocator keeps of them."""
ROUND_SECONDS_MAX = 60.0
"""A door may keep an attacker for as long as it likes; here it gives up then."""
PAYMENTS_MIN = 20
LOG_LINES_MAX = 20
"""Sampled lines about malformed requests."""


async def attack(target: door_attacks.Target, one: Any, rounds: int, broken: list[str]) -> None:
    """So many rounds of one attack."""
    for _ in range(rounds):
        try:
            async with asyncio.timeout(ROUND_SECONDS_MAX):
                await one(target)
            target.rounds[one.__name__] += 1
        except TimeoutError:
            target.rounds[f"{one.__name__} given up"] += 1
        except door_attacks.Broken as fault:
            broken.append(f"{one.__name__}: {fault}")


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


async def status_of(target: door_attacks.Target) -> Any:
    """What the attacked node says of itself, as this machine asks it."""
    connector = aiohttp.TCPConnector(ssl=target.tls)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.post(f"{target.url}/rpc", json=door_attacks.call("node_status", [])) as response,
    ):
        return (await response.json())["result"]


async def measure(folder: Path, nodes: int, rounds: int) -> dict[str, Any]:
    """Everything, at the first node of a new cluster."""
    cluster = await bring_up(folder, say=lambda _: None, nodes=nodes, base_port=0, fund=True)
    try:
        return await under_attack(folder, cluster, rounds)
    finally:
        await cluster.down()


async def under_attack(folder: Path, cluster: Cluster, rounds: int) -> dict[str, Any]:
    """Attack the first node, and pay through it."""
    node, keys = cluster.nodes[0], KeyFolder(cluster.layout.keys)
    address, host = node.config().rpc, node.host()
    if host is None:
        raise SystemExit("attack_door: the node does not run")
    context = tls.client_context(cluster.layout.ca)
    target, broken = door_attacks.Target(address.host, address.port, context), list[str]()
    before, most, paid = resident_mib(host.pid), 0.0, 0
    async with Client.connect(folder, keys.load("alice"), first_endpoint=0) as client:
        first = await status_of(target)
        attacks = asyncio.gather(*(attack(target, one, rounds, broken) for one in door_attacks.ALL))
        while paid < PAYMENTS_MIN or not attacks.done():
            done = await client.call("payments.transfer", to=keys.load("bob").id, amount=1)
            paid, most = paid + 1, max(most, resident_mib(host.pid) - before)
        await attacks
        last = await status_of(target)
    while last["executed"] < done.height:
        last = await status_of(target)
        await asyncio.sleep(0.1)
    log = node.layout.log.read_text()
    return {
        "rounds": dict(sorted(target.rounds.items())),
        "paid": paid,
        "state": last["state"],
        "blocks": last["executed"] - first["executed"],
        "grew_mib": round(most, 1),
        "broken": broken,
        "bugs": log.count("rpc.bug"),
        "tracebacks": log.count("Traceback"),
        "malformed_lines": log.count("rpc.malformed"),
    }


def is_good(found: dict[str, Any], rounds: int) -> bool:
    """Does all hold that must? Payments that are not answered raise."""
    return (
        found["state"] == "voting"
        and found["blocks"] > 0
        and found["paid"] >= PAYMENTS_MIN
        and found["grew_mib"] < GROWTH_MIB_MAX
        and not found["broken"]
        and not found["bugs"]
        and not found["tracebacks"]
        and found["malformed_lines"] <= LOG_LINES_MAX
        and sum(found["rounds"].values()) == rounds * len(door_attacks.ALL)
    )


def main() -> int:
    """Attack, print, judge."""
    parser = argparse.ArgumentParser(prog="attack_door", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-") as folder:
        found = asyncio.run(measure(Path(folder) / "cluster", options.nodes, options.rounds))
    print(json.dumps(found))
    return int(not is_good(found, options.rounds))


if __name__ == "__main__":
    sys.exit(main())
