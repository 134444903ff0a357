"""A client's calls through the service model, and what must hold of every one of them (P6).

executed       at most once, whoever replays whatever later
answered       Done, or refused by its program: executed, once
refused        TransactionRefused: not executed, ever
unknown        Unreachable with an id: it may have been; the id is that of an envelope of it
never sent     Unreachable without an id, or any other fault: not executed
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.node.client.model.ledger_model import ModelSession, id_of
from tests.node.client.model.service_model import NODES, ModelDoors, ModelTrust, World
from tests.node.client.model.virtual_time import run
from tests.node.planting import with_bug
from tests.simulation.planted import Bug

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.client import client as client_module
from strongroom.node.client import errors
from strongroom.node.client.calls import (
    beating,
    blocks,
    connection,
    failback,
    frames,
    in_flight,
    letting_in,
    no_room,
    nodes,
    pulse,
    racing,
    refusals,
    requests,
    runtime,
    sealing,
    spare,
    waiting,
)
from strongroom.node.client.identities import KeyFolder

MODULES: tuple[ModuleType, ...] = (
    pulse,
    beating,
    connection,
    frames,
    spare,
    racing,
    nodes,
    sealing,
    letting_in,
    in_flight,
    waiting,
    no_room,
    refusals,
    requests,
    failback,
    blocks,
    runtime,
    client_module,
)
"""Each after those that it imports."""
TIMEOUT_SECONDS = 40.0
NO_BUG = Bug("none", ())
TO = bytes(32)
_kept: dict[Bug, dict[str, Any]] = {}


def parts(bug: Bug = NO_BUG) -> dict[str, Any]:
    """The client's own modules, made anew with a bug in them, over the model's keys and window."""
    if bug not in _kept:
        made = {module.__name__.rpartition(".")[2]: module for module in with_bug(bug, MODULES)}
        made["sealing"].ClientSession = ModelSession
        made["requests"].ClientSession = ModelSession
        made["sealing"].WINDOW = 8
        made["sealing"].monotonic = lambda: asyncio.get_running_loop().time()
        _kept[bug] = made
    return _kept[bug]


class Lifetime:
    """One group of tasks, without an HTTP session."""

    def __init__(self) -> None:
        self.group = asyncio.TaskGroup()

    def start(self, coroutine: Any) -> Any:
        return self.group.create_task(coroutine)

    async def close(self, _error: BaseException | None) -> None:
        ending = asyncio.CancelledError()
        try:
            await self.group.__aexit__(type(ending), ending, None)
        except asyncio.CancelledError as cancelled:
            if cancelled is not ending:
                raise


async def open_client(
    world: World, of: dict[str, Any], directory: Path, doors: Any = ModelDoors
) -> Any:
    """The client itself, over the model's doors."""
    service = SimpleNamespace(
        pin="model",
        chain=b"",
        endpoints=tuple(f"https://node{index}" for index in range(NODES)),
        keys=KeyFolder(directory),
        folder=directory,
        credential="shown",
        kept_genesis=lambda: None,
        name_of=lambda endpoint: endpoint.removeprefix("https://"),
    )
    trust_class = of["runtime"].Trust
    of["runtime"].Trust = lambda *_: ModelTrust(world)
    try:
        one = of["runtime"].ClientRuntime(
            service,
            Identity.fresh(),
            timeout=TIMEOUT_SECONDS,
            on_waiting=None,
            on_sealed=world.sealed.add,
            one_shot=False,
            first_endpoint=0,
            spare=True,
        )
    finally:
        of["runtime"].Trust = trust_class
    lifetime = Lifetime()
    await lifetime.group.__aenter__()
    await one.begin(lifetime, doors(world, one.trust, lifetime.group, of["connection"]))
    return of["client"].Client(one)


async def _call(client: Any, tag: int, pause: float, single: bool) -> Any:
    await asyncio.sleep(pause)
    try:
        if single:
            return await client.submit("payments.transfer", to=TO, amount=tag)
        return await client.call("payments.transfer", to=TO, amount=tag)
    except ClientFault as fault:
        return fault


def explore(
    numbers: Sequence[int],
    *,
    liar: int | None = None,
    calls: int = 6,
    singles: int = 1,
    bug: Bug = NO_BUG,
    directory: Path = Path("none"),
    all_answered: bool = False,
) -> list[str]:
    """Run calls through a world that goes by this script, and check every one.

    Returns: what happened, in words.
    """
    world = World(numbers, liar=liar)
    ends = run(_explored(world, parts(bug), calls, singles, directory))
    for _ in range(2):
        world.replay()
    for tag, end in ends.items():
        check(world, tag, end)
        left = "the client was closed" in str(end)
        answered = type(end).__name__ in ("Done", "ProgramFailed", "TransactionRefused")
        assert answered or left or not all_answered, f"{end!r}: {world.script.told}"
    return world.script.told


async def _explored(
    world: World, of: dict[str, Any], calls: int, singles: int, directory: Path
) -> dict[int, Any]:
    client = await open_client(world, of, directory)
    tags = range(1, calls + singles + 1)
    work = [_call(client, tag, 0.3 * world.script.pick((0, 1, 0, 3)), tag > calls) for tag in tags]
    ended = asyncio.gather(*work)
    await asyncio.wait([ended], timeout=world.script.pick((None, None, 0.5, 5.0)))
    await client.__aexit__(None, None, None)
    await asyncio.sleep(100)  # whatever was still on its way to be ordered
    return dict(zip(tags, await ended, strict=True))


def check(world: World, tag: int, end: Any) -> None:
    """Judge what one call was told by what became of it."""
    times = world.ledger.executed.get(tag, 0)
    told = f"call {tag} was told {end!r}, and executed {times} times: {world.script.told}"
    assert times <= 1, told
    kinds = {type(end).__name__, *(base.__name__ for base in type(end).__mro__)}
    others = {id_of(envelope) for envelope, of in world.ledger.seen.items() if of != tag}
    ids = world.sealed - others
    if isinstance(end, bytes):
        assert end in ids, told
    elif "Done" in kinds:
        place = world.ledger.places[end.id]
        assert (times, end.result, place.code) == (1, tag, Code.EXECUTED), told
    elif isinstance(end, errors.ProgramFailed):
        assert times == 1, told
    elif isinstance(end, errors.TransactionRefused):
        assert times == 0, told
    elif isinstance(end, errors.Unreachable) and end.id is not None:
        assert end.id in ids, told
    else:
        assert times == 0, told
