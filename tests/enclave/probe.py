"""A program that does what programs must not, and what payments never need: it probes the walls
around programs."""

from typing import Any

from strongroom.enclave.programs.framework import Context, Program, ProgramError
from strongroom.enclave.programs.schema import Account, Identity

probe = Program("probe")

NOTES = probe.map("notes", key=str, value=int)
PAIRS = probe.map("pairs", key=(str, int), value=str)
SEEN: list[Any] = []
"""What program code was handed (T02)."""


@probe.transaction
def note(context: Context, *, name: str, number: int) -> int:
    context.map(NOTES).put(name, number)
    return number


@probe.transaction
def forget(context: Context, *, name: str) -> None:
    context.map(NOTES).delete(name)


@probe.transaction
def see(context: Context, *, secret: str) -> str:
    SEEN.append(secret)
    return secret


@probe.transaction
def half(context: Context, *, name: str, how: str) -> None:
    """Write, then fail in one of many ways."""
    context.map(NOTES).put(name, 1)
    match how:
        case "refuse":
            raise ProgramError("refused", "on purpose")
        case "bug":
            raise KeyError(name)
        case "integer beyond 64 bits":
            context.map(NOTES).put(name, 2**70)
        case "wrong type":
            context.map(NOTES).put(name, 1.5)
        case "lone surrogate":
            context.map(PAIRS).put(("\ud800", 1), "x")
        case "mutable value":
            context.map(PAIRS).put(("x", 1), ["x"])
        case "recursion":
            half_of(context)
        case _:
            raise AssertionError(how)


def half_of(context: Context) -> None:
    half_of(context)


@probe.transaction
def loop(context: Context) -> None:
    number = 0
    while True:
        number += 1
        context.map(NOTES).put("loop", number)


@probe.transaction
def big(context: Context, *, size: int) -> str:
    return "x" * size


@probe.transaction
def strange(context: Context) -> object:
    return {"a set": {1, 2}}


@probe.transaction
def claim(context: Context, *, data: bytes) -> None:
    context.claim(data)


@probe.transaction
def take(
    context: Context,
    *,
    who: Identity,
    account: Account,
    numbers: list[int],
    flag: bool,
    maybe: str | None = None,
) -> list[Any]:
    return [who, account, list(numbers), flag, maybe]


@probe.query
def notes(context: Context, *, after: str = "", limit: int = 100) -> list[Any]:
    return [list(item) for item in context.map(NOTES).scan(after=after, limit=limit)]


@probe.query
def write_in_query(context: Context) -> int:
    context.map(NOTES).put("from a query", 1)
    return context.map(NOTES).get("from a query") or 0


@probe.query
def when(context: Context) -> list[int]:
    return [context.height, context.time_ms]
