"""Banks find laundering rings together that none of them sees alone; nobody sees another's rows.

Owns the order of the story and what must hold at each step. Every verdict is read from a running
cluster, real workers and real captures.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from strongroom.node.cluster.temporary_cluster import Stage
from strongroom.node.demo.aml import refusals, texts, transfers
from strongroom.node.demo.aml.drawing import draw_counts, draw_rings, draw_scatters
from strongroom.node.demo.aml.public import read_world
from strongroom.node.demo.aml.searching import Legs, found_in, hit, patterns
from strongroom.node.demo.aml.texts import ROUND_TRIPS, SCATTER_GATHER
from strongroom.node.demo.aml.transfers import (
    COLUMNS,
    ROUND_TRIP,
    World,
    make_world,
)
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.clean_rooms.parties import Result, write_rows
from strongroom.node.demo.clean_rooms.scene import Cast, Scene, play
from strongroom.node.terminal.teller import Teller

BANKS = ("alfa", "beta", "gamma")
ANALYST, REGULATOR = "analyst", "regulator"
OPERATORS, OWNER = ("north", "south"), "its operator"
SEED = 20_261_130
JOB_SECONDS, RELEASES = 5, 2
RINGS, KEYS = "rings", "keys"
"""What is searched for, beside customers of each bank."""
PROGRAMS = (ROUND_TRIPS, SCATTER_GATHER)
KINDS = {ROUND_TRIPS: "round trips", SCATTER_GATHER: "scatter-gathers"}
INTRO = (
    "Each bank sees its own half of a laundering ring. Here banks bring their transfers sealed, "
    "agree on two programs by digest, and attested workers of two operators run them over all "
    "rows. Each bank is given alerts about its own accounts, the regulator the case file once two "
    "banks release it, and nobody anything else."
)


async def tell(
    stage: Stage, teller: Teller, report: Path | None, data: Path | None
) -> dict[str, Any]:
    """Play it over made transfers, or over the public set in a folder.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    world = read_world(data) if data is not None else make_world(BANKS, SEED)
    cast = Cast(
        title="Banks find rings together that none of them sees alone",
        intro=INTRO,
        parties=(*world.members, ANALYST, REGULATOR),
        workers=OPERATORS * 3,
        one_job_each=True,
    )
    return await play(cast, stage, teller, report, partial(_act, world=world))


@dataclass(slots=True)
class Found:
    """What one program found, where."""

    agreed: Agreed
    job: Job | None = None
    alone: dict[str, set[Legs]] = field(default_factory=dict)
    """By bank, over its own rows, at home."""
    pooled: set[Legs] = field(default_factory=set)
    """From the case file."""


async def _act(scene: Scene, *, world: World) -> None:
    teller = scene.teller
    teller.step(f"{len(world.members)} banks make a room and bring {len(world.transfers):,} rows")
    room = await scene.room(
        texts.room_terms(world.members, ANALYST, REGULATOR), (*world.members, ANALYST, REGULATOR)
    )
    await _bring(scene, world)
    _look_for(scene, world)
    teller.step("They agree on two programs; what is not agreed is refused")
    found = {program: Found(await _contract(scene, room, world, program)) for program in PROGRAMS}
    query = await room.contract(
        texts.query_contract(world.members, ANALYST, seconds=JOB_SECONDS),
        scene.party(ANALYST),
        {"channels.sql": texts.channel_query(world.members)},
    )
    await refusals.before_the_run(scene, room, world, found[ROUND_TRIPS].agreed)
    teller.step("Workers of two operators run them over all banks' rows")
    counted = await _run(scene, found, query)
    for program, one in found.items():
        one.alone = {
            bank: await asyncio.to_thread(found_in, program, {bank: world.of(bank)})
            for bank in world.members
        }
    teller.step("Who is given what")
    await _give(scene, world, found, counted)
    teller.step("What pooling found")
    await _compare(scene, world, found)
    teller.step("A bank withdraws its consent")
    job = found[ROUND_TRIPS].job
    assert job is not None
    await refusals.after_a_withdrawal(scene, world, found[ROUND_TRIPS].agreed, job)
    _figures(scene, world)
    teller.step("Who saw what, from disks, memory and the line")
    _show_places(scene, world)


async def _bring(scene: Scene, world: World) -> None:
    recipients = (*world.members, ANALYST, REGULATOR)

    async def one(bank: str) -> None:
        party = scene.party(bank)
        rows = write_rows(party.desk / "transfers.csv", COLUMNS, world.of(bank))
        await party.bring(rows, texts.transfer_terms(recipients), texts.TRANSFERS)
        own = write_rows(party.desk / "accounts.csv", ("bank", "account"), world.accounts(bank))
        await party.bring(own, texts.account_terms(recipients), texts.ACCOUNTS)

    await asyncio.gather(*map(one, world.members))
    counts = ", ".join(f"{bank} {len(world.of(bank)):,}" for bank in world.members)
    scene.lines.check(True, f"sealed, stored at the nodes and named on the ledger: {counts} rows")


def _look_for(scene: Scene, world: World) -> None:
    captures = scene.captures
    for bank, account in world.quiet.items():
        captures.look_for(_customers(bank), account)
    for planted in world.planted[:2]:
        captures.look_for(RINGS, planted.transfers[0].from_account)
    keys = [key for bank in world.members for key in scene.party(bank).secrets(texts.TRANSFERS)]
    captures.look_for_keys(KEYS, keys)


async def _contract(scene: Scene, room: OpenRoom, world: World, program: str) -> Agreed:
    text = texts.search_contract(
        program, world.members, REGULATOR, seconds=JOB_SECONDS, releases=RELEASES
    )
    return await room.contract(text, scene.party(ANALYST))


async def _run(scene: Scene, found: dict[str, Found], query: Agreed) -> Job:
    """All three jobs side by side; the query's."""
    analyst = scene.party(ANALYST)
    await scene.pool.ready()
    scene.lines.check(True, f"workers of {' and '.join(OPERATORS)} wait, each an attested process")
    agreed = [*(one.agreed for one in found.values()), query]
    running = asyncio.gather(*(one.run(analyst) for one in agreed))
    try:
        await scene.captures.operators_host(scene.pool.workers, OWNER)
        while not running.done() and not scene.captures.seen_at_work:
            await scene.captures.worker_at_work(scene.pool)
            await asyncio.sleep(0.5)
        await scene.captures.nodes_and_hosts(scene.pool.workers, OWNER)
        *jobs, counted = await running
    finally:
        running.cancel()
    for one, job in zip(found.values(), jobs, strict=True):
        one.job = job
    for name, job in zip((*KINDS.values(), "payments by channel"), (*jobs, counted), strict=True):
        shown = await job.settled()
        reports = [one["operator"] for one in shown["executors"] if one["report"]]
        same = len({one["report"] for one in shown["executors"] if one["report"]}) == 1
        words = f"{name}: {' and '.join(reports)} reported the same digest"
        scene.lines.check(same and len(reports) == len(OPERATORS), words)
    return counted


async def _give(scene: Scene, world: World, found: dict[str, Found], counted: Job) -> None:
    trips = found[ROUND_TRIPS].job
    assert trips is not None
    await refusals.before_the_release(scene, world, trips)
    regulator = scene.party(REGULATOR)
    for program, one in found.items():
        assert one.job is not None
        for bank in world.members[:RELEASES]:
            await scene.party(bank).call(
                "rooms.release", job=one.job.id, output="case", approve=True
            )
        case = await regulator.open(one.job.id, "case")
        one.pooled = patterns(program, case.rows)
        words = f"the regulator's case file of {KINDS[program]}, after {RELEASES} banks released it"
        scene.lines.check(bool(case.rows), f"{words}: {len(one.pooled):,} patterns")
        await regulator.prove(case, f"the case file of {KINDS[program]}")
        for bank in world.members:
            alerts = await scene.party(bank).open(one.job.id, "alerts")
            _check_own(scene, world, bank, alerts, one, KINDS[program])
    shown = await scene.party(ANALYST).open(counted.id, "channels")
    refusals.check_groups(scene, world, shown)


def _check_own(
    scene: Scene, world: World, bank: str, alerts: Result, one: Found, kind: str
) -> None:
    """Exactly the bank's own accounts of what the case file has."""
    given = {(row["bank"], row["account"]) for row in alerts.rows}
    own = set(world.accounts(bank))
    wanted = {
        end
        for legs in one.pooled
        for leg in legs
        for end in ((leg[0], leg[1]), (leg[2], leg[3]))
        if end in own
    }
    words = f"{bank} is alerted of {len(given)} accounts in {kind}, all its own and all of them"
    scene.lines.check(given == wanted, words)


async def _compare(scene: Scene, world: World, found: dict[str, Found]) -> None:
    rows = []
    for program, one in found.items():
        everything = {bank: world.of(bank) for bank in world.members}
        plain = await asyncio.to_thread(found_in, program, everything)
        words = f"the room's {KINDS[program]} are those of a plain run over all rows in one place"
        scene.lines.check(one.pooled == plain, words)
        kind = [made for made in world.planted if made.kind == _kind(program)]
        united = set().union(*one.alone.values())
        together = sum(hit(made, one.pooled) for made in kind)
        apart = sum(hit(made, united) for made in kind)
        rows.append(
            [
                KINDS[program],
                *(f"{len(some):,}" for some in one.alone.values()),
                f"{len(united):,} ({apart} of {len(kind)})",
                f"{len(one.pooled):,} ({together} of {len(kind)})",
            ]
        )
        wanted = world.expected[_kind(program)]
        scene.lines.check(
            (len(one.pooled), together) == (wanted.pooled, wanted.hits),
            f"pooled, {len(one.pooled):,} {KINDS[program]}, {together} of {len(kind)} planted ones",
        )
        scene.lines.check(
            len(united) == (len(united) if wanted.alone is None else wanted.alone)
            and apart == (apart if wanted.alone_hits is None else wanted.alone_hits)
            and apart < together,
            f"alone and united, {len(united):,} {KINDS[program]}, {apart} of {len(kind)}",
        )
        scene.lines.facts.setdefault("found", {})[KINDS[program]] = {
            "pooled": len(one.pooled),
            "planted": len(kind),
            "planted_found_pooled": together,
            "alone": len(united),
            "planted_found_alone": apart,
        }
    columns = ["pattern", *(f"{bank} alone" for bank in world.members), "alone, united", "pooled"]
    caption = "In brackets: how many of those that were planted, or are labelled in the public set."
    scene.lines.grid("Pooled against each bank alone", columns, rows, caption)
    _draw(scene, world, found)


def _figures(scene: Scene, world: World) -> None:
    told = scene.lines.facts["found"]
    trips, scatters = told[KINDS[ROUND_TRIPS]], told[KINDS[SCATTER_GATHER]]
    scene.lines.facts["figures"] = {
        "transfers": len(world.transfers),
        "round trips, pooled": trips["pooled"],
        "round trips that banks find alone": trips["alone"],
        "scatter-gathers, pooled": scatters["pooled"],
        "scatter-gathers that banks find alone": scatters["alone"],
        "attempts that were refused": len(scene.lines.refusals),
    }


def _draw(scene: Scene, world: World, found: dict[str, Found]) -> None:
    lines = scene.lines
    trips, scatters = found[ROUND_TRIPS], found[SCATTER_GATHER]
    united = {program: set().union(*one.alone.values()) for program, one in found.items()}
    new = trips.pooled - united[ROUND_TRIPS]
    caption = (
        "Each ring is money that comes back to its account; a colour is a bank, a red arrow goes "
        "from one bank to another. No bank has all arrows of any of these."
    )
    lines.picture("Rings that no bank sees alone", caption, draw_rings(world, new))
    caption = "One account pays another over several between them, at several banks."
    lines.picture("Scatter and gather", caption, draw_scatters(world, scatters.pooled))
    caption = "What was found over all rows, and what the banks find one by one."
    lines.picture("Pooled against alone", caption, draw_counts(lines.facts["found"]))


def _show_places(scene: Scene, world: World) -> None:
    captures = scene.captures
    captures.disks_and_lines()
    for worker in scene.pool.workers:
        worker.write_said()
    for worker in scene.pool.workers[: len(OPERATORS)]:
        name = f"disk of {worker.name}"
        captures.files(name, OWNER, worker.folder, control=_pin(scene))
    for bank in world.members:
        must = {_customers(bank), KEYS}
        folder = scene.party(bank).desk
        captures.files(f"{bank}'s desk", bank, folder, must=must, may={RINGS})
    folder = scene.party(REGULATOR).desk
    captures.files("regulator's desk", REGULATOR, folder, must={RINGS})
    captures.files("analyst's desk", ANALYST, scene.party(ANALYST).desk, control=_pin(scene))
    captures.show()


def _pin(scene: Scene) -> str:
    return str(scene.cluster.service().pin)


def _customers(bank: str) -> str:
    return bank


def _kind(program: str) -> str:
    return ROUND_TRIP if program == ROUND_TRIPS else transfers.SCATTER_GATHER
