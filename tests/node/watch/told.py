"""What a service of four nodes tells a live screen, moment by moment."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from strongroom.node.watch.events import (
    Asked,
    Event,
    FeedOpened,
    HeadTold,
    NodesTold,
    ServiceTold,
    StatusTold,
    VotesTold,
)
from strongroom.node.watch.model import Model

NOON = 1_796_000_400.0
PIN = "sr1-kr76nm57wvmzjfcp4kucdwx4b3brfaq4vwrfvg4xcmiofgkqiltq"
ENDPOINTS = [f"https://127.0.0.1:{7400 + index}" for index in range(4)]
HOSTILE = "n9\x1b[2J[bold red]\u202e東京"


def service(now: float, epoch: int = 1) -> ServiceTold:
    told = {"name": "strongroom-local", "pin": PIN, "simulated": True, "epoch": epoch}
    return ServiceTold(now, told)


def status(now: float, index: int, height: int = 1_204, **more: Any) -> StatusTold:
    told: dict[str, Any] = {
        "node": f"n{index}",
        "state": "voting",
        "height": height,
        "executed": height,
        "view": 1_311,
        "leader": "n1",
        "peers": 3,
        "quorum": 3,
        "members": 4,
        "epoch": 1,
        "mempool": {"envelopes": 12, "bytes": 4_000},
        "alarm": None,
    }
    return StatusTold(now, ENDPOINTS[index], told | more)


def silent(now: float, index: int) -> StatusTold:
    return StatusTold(now, ENDPOINTS[index], None)


def nodes(now: float, **verdicts: str) -> NodesTold:
    return NodesTold(
        now,
        [
            {
                "name": f"n{index}",
                "operator": f"operator{index}",
                "region": ("zurich", "frankfurt", "paris", "oslo")[index],
                "verdict": verdicts.get(f"n{index}", "good (SIMULATED)"),
                "endpoint": ENDPOINTS[index],
            }
            for index in range(4)
        ],
    )


def head(now: float, height: int, **more: Any) -> HeadTold:
    told = {
        "height": height,
        "hash": f"{height:08x}" * 8,
        "time_ms": int(now * 1000),
        "proposer": f"n{height % 4}",
        "epoch": 1,
        "view": height + 106,
        "count": 412,
        "bytes": 131_220,
        "signers": ["n0", "n1", "n2"],
    }
    return HeadTold(now, told | more)


def votes(now: float, view: int = 1_311, **more: Any) -> VotesTold:
    """What n0 knows of the votes under way: n1's proposal has two of three."""
    told: dict[str, Any] = {
        "topic": "consensus",
        "node": "n0",
        "time_ms": int(now * 1000),
        "epoch": 1,
        "height": 1_204,
        "quorum": 3,
        "validators": [f"n{index}" for index in range(4)],
        "view": view,
        "leader": "n1",
        "since_ms": 210,
        "proposal": {"height": 1_205, "hash": "5a" * 32, "proposer": "n1", "batches": 3},
        "notarize": ["n0", "n1"],
        "nullify": [],
        "finalize": [],
        "before": {
            "view": 1_310,
            "leader": "n0",
            "proposal": {"height": 1_204, "hash": "6b" * 32, "proposer": "n0", "batches": 2},
            "notarize": ["n0", "n1", "n2"],
            "nullify": [],
            "finalize": ["n2"],
        },
        "lanes": [
            {"name": f"n{index}", "length": 700, "waiting": waiting, "frozen": False}
            for index, waiting in enumerate((3, 1, 0, 0))
        ],
        "timeouts": {
            "strikes": 0,
            "delta_ms": 200,
            "proposal_ms": 400,
            "view_ms": 800,
            "retry_ms": None,
        },
    }
    return VotesTold(now, told | more)


def quiet_day(blocks: int = 24) -> Iterator[Event]:
    """All is well, up to noon."""
    begun = NOON - blocks * 0.5
    yield Asked(begun, tuple(ENDPOINTS))
    yield service(begun)
    yield FeedOpened(begun, ENDPOINTS[0])
    for index in range(4):
        yield status(begun, index, 1_204 - blocks)
    yield nodes(begun)
    for at in range(blocks):
        height = 1_204 - blocks + 1 + at
        yield head(begun + 0.5 * (at + 1) - 0.4, height)
    for index in range(4):
        yield status(NOON - 0.1, index)
    yield votes(NOON)


def modelled(*events: Event) -> Model:
    """A model after a quiet day and these."""
    model = Model()
    for event in (*quiet_day(), *events):
        model.take(event)
    return model


async def feed(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event
