"""`bench --program vault`: what leases cost and how long they take, on a cluster of its own.

Owns the order: judging in this process, first pieces on a quiet cluster, a quiet window, many rooms
that beat, a revocation. Sessions that stand for rooms are vault_rooms.py, real rooms
vault_process.py, the enclave's own part vault_judging.py.
"""

import asyncio
import json
import os
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.node.bench.readings import Reading, read
from strongroom.node.bench.report import Document, percentiles
from strongroom.node.bench.run import agree, newest_height
from strongroom.node.bench.vault_judging import measure_judging
from strongroom.node.bench.vault_process import (
    ROOM_PROGRAM,
    Plant,
    first_pieces,
    holds,
    revocation,
    times_of,
)
from strongroom.node.bench.vault_rooms import (
    REGION,
    Beats,
    SessionRoom,
    beat_all,
    connect,
    heartbeat_of,
    make_boots,
    make_key,
    newest_block,
)
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.interpreter import in_words, interpreter
from strongroom.node.rooms.starting import measured
from strongroom.node.terminal.teller import Teller

FIRST_PIECES = 15
"""Leases of each kind, one after the other."""
JUDGED = 100
"""Rooms whose asks are judged in this process."""
QUIET_SHARE = 3
"""The quiet window is so many times shorter than the measured one."""
KEY, FIRST_KEY = "beaten", "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultLoad:
    """What is to be measured."""

    nodes: int = 4
    rooms: int = 1000
    """Sessions with evidence of a chip of their own, all beating."""
    beat_seconds: float = 10.0
    """Between two beats of a room; the key's heartbeat is longer, for rooms beat early."""
    seconds: float = 30.0

    @property
    def first_pieces(self) -> int:
        """Leases of each kind."""
        return min(FIRST_PIECES, self.rooms)


async def measure_vault(load: VaultLoad, teller: Teller) -> Document:
    """Measure on a cluster of its own.

    Raises:
        StrongroomError: a node or a room failed, or the service refused what it must not.
    """
    async with (
        running_cluster(Stage(nodes=load.nodes, base_port=0), teller, fund=False) as cluster,
        AsyncExitStack() as stack,
    ):
        with teller.under_way() as say:
            where, platform = cluster.layout.directory, cluster.layout.platform
            measurement = measured(ROOM_PROGRAM).digest
            say(f"making {load.rooms} chips and rooms")
            boots = await asyncio.to_thread(
                make_boots, load.rooms + load.first_pieces, where, platform, measurement
            )
            owner, operator = Identity.fresh(), Identity.fresh()
            people = [owner.id, operator.id, *(boot.identity.id for boot in boots)]
            await bring(where, people, member=BRINGER)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-")))
            plant, policy = Plant(folder, where, platform, operator), _policy(measurement)
            client = await stack.enter_async_context(Client.connect(where, owner))
            heartbeat = heartbeat_of(load.beat_seconds)
            first_key, key = [
                await make_key(client, name, policy, heartbeat) for name in (FIRST_KEY, KEY)
            ]
            say("judging asks in this process")
            root, chain = Manufacturer.load(platform).root_digest, client.service.chain
            judging = measure_judging(boots[:JUDGED], chain, root, policy)
            say("from the ask to the first piece, on a quiet cluster")
            first = await connect(boots[load.rooms :], client, load.nodes, stack)
            pieces = {
                "session": await _first_pieces(first, client, first_key),
                "room": await first_pieces(plant, first_key, load.first_pieces),
            }
            say("measuring a revocation with three real rooms")
            revoked = await revocation(plant, client, policy)
            say("reading the cluster at rest")
            quiet = max(1.0, load.seconds / QUIET_SHARE)
            before = read(cluster)
            await asyncio.sleep(quiet)
            at_rest = _percent(before, read(cluster), quiet)
            say(f"{load.rooms} rooms ask, and beat every {load.beat_seconds:g} s")
            rooms = await connect(boots[: load.rooms], client, load.nodes, stack)
            beating = await _beat(cluster, rooms, client, key, load)
            agreement = await agree(cluster)
    return {
        "operation": "vault",
        "nodes": load.nodes,
        "cores": os.cpu_count(),
        "interpreter": interpreter(),
        "load_average": round(os.getloadavg()[0], 2),
        "ask_us": judging,
        "first_piece_ms": pieces,
        "revocation": revoked,
        "rooms": load.rooms,
        "beat_seconds": load.beat_seconds,
        "beats": {**beating, "core_percent_at_rest": at_rest["all"]},
        "agreement": agreement and beating["all_answered"] and holds(revoked),
    }


async def _first_pieces(rooms: list[SessionRoom], client: Client, key: str) -> Document:
    """Each of these sessions asks once, one after the other: evidence, ask, first piece."""
    took = []
    for room in rooms:
        began = time.monotonic()
        await room.ask(key, *await newest_block(client))
        took.append((time.monotonic() - began) * 1000)
    return times_of(took)


async def _beat(
    cluster: Cluster, rooms: list[SessionRoom], client: Client, key: str, load: VaultLoad
) -> Document:
    """All rooms ask and beat; readings over the measured window, which begins when each has beaten
    at its moment."""
    beats, opened = Beats(), asyncio.get_running_loop().create_future()
    beating = asyncio.create_task(beat_all(rooms, client, key, beats, opened))
    try:
        await asyncio.wait((beating, opened), return_when=asyncio.FIRST_COMPLETED)
        if beating.done():
            await beating
        now = time.monotonic() + load.beat_seconds
        beats.begin, beats.end = now, now + load.seconds
        await asyncio.sleep(load.beat_seconds)
        before, first = read(cluster), await newest_height(cluster)
        await asyncio.sleep(beats.end - time.monotonic())
        after, last = read(cluster), await newest_height(cluster)
    finally:
        if not opened.done():
            beating.cancel()
    await beating
    some = max(1, beats.count)
    return {
        "count": beats.count,
        "per_second": round(beats.count / load.seconds, 1),
        "all_answered": 0 < beats.count == beats.sent and not beats.faults,
        "faults": dict(beats.faults),
        "latency_ms": percentiles(beats.latencies),
        "blocks_per_second": round((last - first) / load.seconds, 1),
        "core_percent": _percent(before, after, load.seconds),
        "ledger_bytes": round((after.disk_bytes - before.disk_bytes) / some / load.nodes),
    }


def _percent(before: Reading, after: Reading, seconds: float) -> dict[str, float]:
    """Of one core, all nodes together."""
    host = (after.host - before.host) / seconds * 100
    enclave = (after.enclave - before.enclave) / seconds * 100
    return {
        "host": round(host, 1),
        "enclave": round(enclave, 1),
        "all": round(host + enclave, 1),
    }


def _policy(measurement: bytes) -> str:
    """Three conditions, as a plant's key has them."""
    wanted = [
        {"claim": "measurement", "equals": measurement.hex()},
        {"claim": "region", "equals": REGION},
        {"claim": "bootcount", "greaterOrEquals": 1},
    ]
    return json.dumps({"version": "1.0.0", "anyOf": [{"authority": "strongroom", "allOf": wanted}]})


def vault_lines(report: Document) -> list[str]:
    """The report as lines for people, a row of each aim; the last says it all."""
    ask, pieces, beats = report["ask_us"], report["first_piece_ms"], report["beats"]
    revoked, latency = report["revocation"], beats["latency_ms"]
    core = beats["core_percent"]
    verdict = (
        "all replicas agree, everything is over within its bounds"
        if report["agreement"]
        else "REPLICAS DISAGREE, BEATS FAILED OR A BOUND DOES NOT HOLD"
    )
    return [
        f"judging, µs a replica   verdict {ask['verdict']}, the rest of an ask "
        f"{ask['beside_evidence']} beside evidence of {ask['evidence_first']} "
        f"({ask['evidence']} with its certificates known)",
        f"beat, µs a replica      {ask['beat_with_piece']} with a piece, unsealed",
        *(
            f"first piece, ms         {kind}: p50 {pieces[kind]['p50']}, max {pieces[kind]['max']}"
            f" of {pieces[kind]['leases']} leases"
            for kind in ("session", "room")
        ),
        f"revocation, ms          final after {revoked['final_ms']}; pieces after it "
        f"{revoked['pieces_after']} (bound {revoked['pieces_after_bound']})",
        f"  connected room        erased after {revoked['connected_ended_ms']} "
        f"(bound {revoked['connected_bound_ms']})",
        f"  room that is cut off  erased after {revoked['cut_off_ended_ms']} "
        f"(bound {revoked['cut_off_bound_ms']})",
        f"{report['rooms']} rooms, each {report['beat_seconds']:g} s   "
        f"{beats['per_second']} beats a second in {beats['blocks_per_second']} blocks, p50 "
        f"{latency['p50']} ms, p99 {latency['p99']} ms, {beats['ledger_bytes']} ledger bytes each",
        f"  of a core, all nodes  {core['all']} % (hosts {core['host']}, enclaves "
        f"{core['enclave']}; at rest {beats['core_percent_at_rest']})",
        f"{in_words(report['interpreter'])}, load average {report['load_average']}: {verdict}",
    ]
