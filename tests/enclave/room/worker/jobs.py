"""Contracts and inputs of the worker's tests, and one bench for all of them."""

from functools import cache
from typing import Any

from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Noise, Use
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.analytics.types import INTEGER, TEXT
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.stages import Bench, Given
from strongroom.enclave.room.worker.warming import warm_up

MICROS = 10**6
A, B, ANALYST = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
SEED = bytes(range(32))
CANARY = "CANARY-77"


@cache
def bench() -> Bench:
    return warm_up(memory_bytes=1 << 28)


def stream(columns: dict[str, list[Any]]) -> bytes:
    table = Table.of(columns)
    return tables.write(table, tables.kinds_of(table), 17)


def people(first: int, count: int) -> bytes:
    """Rows of so many people, in two places."""
    return stream(
        {
            "who": list(range(first, first + count)),
            "place": ["north" if one % 2 else "south" for one in range(count)],
            "value": [one % 10 for one in range(count)],
        }
    )


def policy(noise: Noise | None = None, k: int = 5) -> bytes:
    label = frozenset({Use.GROUP, Use.OUTPUT, Use.FILTER})
    columns = (
        ColumnPolicy(name="who", type=INTEGER, uses=frozenset({Use.IDENTITY, Use.JOIN})),
        ColumnPolicy(name="place", type=TEXT, uses=label),
        ColumnPolicy(
            name="value",
            type=INTEGER,
            uses=frozenset({Use.AGGREGATE, Use.FILTER}),
            bounds=(0, 9 * MICROS),
        ),
    )
    return DataPolicy(columns=columns, unit="who", k=k, rounding=1, noise=noise).encode()


def given(
    alias: str, owner: bytes, *segments: bytes, data: str = "rows", columns: bytes = b""
) -> Given:
    return Given(alias, owner, data, columns, Stream.of(*segments))


def contract(given_to: tuple[Given, ...], /, *stages: Stage, **changes: Any) -> Contract:
    told: dict[str, Any] = {
        "room": bytes(32),
        "name": "one",
        "purpose": "tests",
        "profile": "reviewed",
        "inputs": tuple(Input(one.alias, one.owner, one.data, 0, 0) for one in given_to),
        "stages": stages,
        "outputs": (Output("case", "table", (ANALYST,), 1 << 20, "", 0),),
        "parameters": (),
        "runs": 1,
        "memory_mb": 256,
        "duration_ms": 1_000,
        "digits": 6,
        "executors": 1,
        "agreement": 1,
        "until_ms": 1,
    }
    return Contract(**(told | changes))


def run(
    given_to: tuple[Given, ...],
    /,
    *stages: Stage,
    parameters: tuple[tuple[str, Any], ...] = (),
    seed: bytes = SEED,
    **changes: Any,
) -> list[tuple[str, bytes, bytes]]:
    return bench().run(contract(given_to, *stages, **changes), parameters, given_to, seed)


def rows(made: list[tuple[str, bytes, bytes]], at: int = 0) -> dict[str, list[Any]]:
    return {
        name: list(values) for name, values in tables.read(Stream.of(made[at][2])).columns.items()
    }
