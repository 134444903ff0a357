"""Nodes that die, answer late, answer twice, lie, lose and refuse, as a client's connections see
them.

What happens next comes from a script of numbers: when it is used up, everybody is well. One node
may be a liar; all others say the truth of the ledger model, or nothing, or that they are not so far
yet. Connections are the client's own, over sockets without a wire.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp
from tests.node.client.model.ledger_model import Ledger, Place, id_of

from strongroom.enclave.formats.outcome import Code
from strongroom.node.client.calls.lifetime import start_in
from strongroom.node.client.errors import Disconnected
from strongroom.node.faults import NotReady, Overloaded, Refused, RpcFault, WrongChainOrEpoch
from strongroom.node.rpc import jsonrpc

NODES = 4
WELL = "answers"
FATES = (
    WELL,
    "answers late",
    "answers twice",
    "dies before",
    "dies after",
    "dies, and it is ordered later",
    "hangs before",
    "hangs after",
    "loses",
    "is full",
    "is not ready",
    "answers half",
)
LIES = (
    WELL,
    "lies: refused",
    "lies: refused, and orders",
    "lies: another's result",
    "lies: wrong epoch, and orders",
    "answers garbage",
    "hangs after",
)
OPINIONS = (WELL, "nothing", "not so far yet")
OPINION_LIES = ("refused", "far ahead", WELL, "executed elsewhere")
WORLD = ("rests", "rests", "rests", "an epoch ends", "a grace ends", "all is replayed")
LATE_SECONDS = (0.05, 0.4, 3.0, 12.0)
DOWN_SECONDS = (0.0, 0.3, 20.0)
REASONS = tuple(code.text for code in Code if code is not Code.EXECUTED)


class Script:
    """What happens next."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = list(reversed(numbers))
        self.told: list[str] = []

    def pick(self, options: Sequence[Any]) -> Any:
        chosen = options[self._numbers.pop() % len(options)] if self._numbers else options[0]
        self.told.append(str(chosen))
        return chosen

    @property
    def over(self) -> bool:
        return not self._numbers


class World:
    """A ledger, its nodes, and how they misbehave."""

    def __init__(self, numbers: Sequence[int], *, liar: int | None) -> None:
        self.ledger, self.script = Ledger(), Script(numbers)
        self.liar = liar
        self.sealed: set[bytes] = set()
        """Ids of all envelopes that the client sealed, whether they left it or not."""
        self.down_until = [0.0] * NODES
        self.frames = 0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def later(self, seconds: float, do: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, do)

    def stir(self) -> None:
        """Something happens to the whole service, perhaps."""
        match self.script.pick(WORLD):
            case "an epoch ends":
                self.ledger.turn()
            case "a grace ends":
                self.ledger.end_grace()
            case "all is replayed":
                self.replay()

    def replay(self) -> None:
        """A host has everything ordered once more that it ever saw."""
        for envelope in list(self.ledger.seen):
            self.ledger.order(envelope)


class Node:
    """The far end of one connection."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.index = world, index
        self.socket = Socket(self)
        self.hangs = False

    def received(self, data: bytes) -> None:
        question = jsonrpc.decode_msgpack(data)
        if not self.hangs:
            answer = getattr(self, question["method"])
            answer(question["id"], question["params"])

    def die(self) -> None:
        world = self.world
        world.down_until[self.index] = world.now() + world.script.pick(DOWN_SECONDS)
        self.socket.end()

    def say(self, id: int, result: Any) -> None:
        if not self.hangs:
            self.socket.put({"jsonrpc": "2.0", "id": id, "result": result})

    def refuse(self, id: int, fault: RpcFault) -> None:
        self.socket.put({"jsonrpc": "2.0", "id": id, "error": jsonrpc.error_object(fault)})

    # --- what is asked ---

    def node_status(self, id: int, _params: Any) -> None:
        self.say(id, {"epoch": self.world.ledger.epoch, "state": "voting", "grace_ms": 60_000})

    def ledger_submit(self, id: int, params: Any) -> None:
        envelope = params["envelope"]
        self.world.ledger.seen[envelope] = json.loads(envelope)[3]
        if (stale := self._screened(envelope)) is not None and self.world.liar != self.index:
            self.refuse(id, stale)
            return
        self._do(id, [envelope], lambda places: id_of(envelope), single=True)

    def ledger_submit_many(self, id: int, params: Any) -> None:
        envelopes = params["envelopes"]
        self.world.frames += 1
        for envelope in envelopes:
            self.world.ledger.seen[envelope] = json.loads(envelope)[3]
        self.world.stir()
        self._do(id, envelopes, lambda places: [self._item(one) for one in places])

    def ledger_transaction(self, id: int, params: Any) -> None:
        world = self.world
        if world.liar == self.index:
            self.say(id, self._lie_about(params["id"]))
            return
        match world.script.pick(OPINIONS):
            case "nothing":
                self.die()
            case "not so far yet":
                height = max(0, world.ledger.height - world.script.pick((0, 1, 3, 9)))
                self.say(id, self._truth_about(params["id"], height))
            case _:
                self.say(id, self._truth_about(params["id"], world.ledger.height))

    # --- how it is answered ---

    def _screened(self, envelope: bytes) -> RpcFault | None:
        _, sequence, epoch, _ = json.loads(envelope)
        now = self.world.ledger.epoch
        if sequence == 0 and epoch != now:
            return WrongChainOrEpoch(f"this is epoch {now}", epoch=now)
        return None

    def _order(self, envelopes: list[bytes]) -> list[Any]:
        """Places of all that the node's own screening lets pass, faults of the others."""
        return [self._screened(one) or self.world.ledger.order(one) for one in envelopes]

    def _item(self, place: Any) -> dict[str, Any]:
        if isinstance(place, RpcFault):
            return {"error": jsonrpc.error_object(place)}
        if place.code is Code.DUPLICATE:
            place = self.world.ledger.places[place.id]
        if place.code is not Code.EXECUTED:
            return {"error": jsonrpc.error_object(_refused(place))}
        return {
            "id": place.id,
            "height": place.height,
            "index": place.index,
            "result": place.sealed,
        }

    def _do(
        self,
        id: int,
        envelopes: list[bytes],
        told: Callable[[list[Any]], Any],
        *,
        single: bool = False,
    ) -> None:
        script = self.world.script
        lies = self.world.liar == self.index and not single
        fate = script.pick(LIES if lies else FATES)
        if fate.startswith("lies: ") or fate == "answers garbage":
            self.say(id, self._lies(fate, envelopes))
        elif fate.startswith("is "):
            full = Overloaded("full", retry_after_ms=100)
            self.refuse(id, full if fate == "is full" else NotReady("syncing"))
        elif fate == "answers late":
            late = partial(self._answer, id, envelopes, told)
            self.world.later(script.pick(LATE_SECONDS), late)
        elif fate.startswith("answers"):
            answer = self._answer(id, envelopes, told, half=fate == "answers half" and not single)
            if fate == "answers twice":
                self.say(id, answer)
        elif fate != "loses":
            self._fail(fate, envelopes)

    def _answer(
        self,
        id: int,
        envelopes: list[bytes],
        told: Callable[[list[Any]], Any],
        half: bool = False,
    ) -> Any:
        places = self._order(envelopes)
        answer = told(places[:-1] if half else places)
        self.say(id, answer)
        return answer

    def _fail(self, fate: str, envelopes: list[bytes]) -> None:
        """Die, or hang, before or after these are ordered."""
        if fate.endswith("after"):
            self._order(envelopes)
        elif fate.endswith("later"):
            later = self.world.script.pick(LATE_SECONDS)
            self.world.later(later, partial(self._order, envelopes))
        if fate.startswith("hangs"):
            self.hangs = True
        else:
            self.die()

    def _lies(self, fate: str, envelopes: list[bytes]) -> list[dict[str, Any]]:
        places = [] if fate == "lies: refused" else self._order(envelopes)
        if fate == "answers garbage":
            return [{"id": b"", "height": -1}] * len(envelopes)
        if fate == "lies: another's result":
            return self._others(envelopes, places)
        return [self._lie(fate, one) for one in envelopes]

    def _lie(self, fate: str, envelope: bytes) -> dict[str, Any]:
        if fate == "lies: wrong epoch, and orders":
            ahead = self.world.ledger.epoch + self.world.script.pick((0, 1, 5))
            fault: RpcFault = WrongChainOrEpoch("another epoch", epoch=ahead)
        else:
            reason = self.world.script.pick(REASONS)
            fault = Refused(f"refused: {reason}", reason=reason, height=1, index=0)
        return {"error": jsonrpc.error_object(fault)}

    def _others(self, envelopes: list[bytes], places: list[Any]) -> list[dict[str, Any]]:
        """Sealed results of whatever else was executed."""
        executed = [
            one.sealed for one in self.world.ledger.places.values() if one.code is Code.EXECUTED
        ]
        sealed = self.world.script.pick(executed) if executed else b"?"
        return [{"id": id_of(one), "height": 1, "index": 0, "result": sealed} for one in envelopes]

    def _truth_about(self, id: bytes, height: int) -> dict[str, Any]:
        """As who has executed up to this height knows it."""
        ledger = self.world.ledger
        epoch, grace_over = ledger.at(height)
        known = {"epoch": epoch, "grace_over": grace_over}
        place = ledger.places.get(id)
        if place is None or place.height > height:
            return {"id": id, "status": "unknown", **known}
        return {"id": id, "status": "final", **known, **_shown(place)}

    def _lie_about(self, id: bytes) -> dict[str, Any]:
        truth = self._truth_about(id, self.world.ledger.height)
        match self.world.script.pick(OPINION_LIES):
            case "refused":
                code = Code(self.world.script.pick(range(1, len(Code))))
                return {**truth, "status": "final", "code": int(code), "refusal": code.text}
            case "far ahead":
                return {**truth, "status": "unknown", "epoch": truth["epoch"] + 7}
            case "executed elsewhere":
                lie = {"status": "final", "code": 0, "height": 9, "index": 9, "result": b"lie"}
                return {**truth, **lie}
        return truth


def _refused(place: Place) -> RpcFault:
    return Refused(
        f"refused: {place.code.text}",
        reason=place.code.text,
        height=place.height,
        index=place.index,
    )


def _shown(place: Place) -> dict[str, Any]:
    refusal = place.code.text if place.code else None
    return {
        "height": place.height,
        "index": place.index,
        "code": int(place.code),
        "refusal": refusal,
        "result": place.sealed,
    }


class Socket:
    """A WebSocket without a wire."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._response = SimpleNamespace(connection=None)
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = False

    def put(self, value: Any) -> None:
        if not self.ended:
            data = jsonrpc.encode_msgpack(value)
            self._messages.put_nowait(SimpleNamespace(type=aiohttp.WSMsgType.BINARY, data=data))

    def end(self) -> None:
        self.ended = True
        self._messages.put_nowait(None)

    async def send_bytes(self, data: bytes) -> None:
        if self.ended:
            raise ConnectionResetError("the connection was lost")
        self._node.received(data)

    async def ping(self, data: bytes = b"") -> None:
        if not self.ended and not self._node.hangs:
            self._messages.put_nowait(SimpleNamespace(type=aiohttp.WSMsgType.PONG, data=data))

    async def close(self) -> None:
        self.end()

    def __aiter__(self) -> "Socket":
        return self

    async def __anext__(self) -> Any:
        message = await self._messages.get()
        if message is None:
            raise StopAsyncIteration
        return message


class ModelDoors:
    """In place of the client's doors: whoever is up is admitted, and tells of its epoch."""

    node_class = Node

    def __init__(self, world: World, trust: Any, group: Any, connection: Any) -> None:
        self._world, self._trust, self._group, self._connection = world, trust, group, connection

    async def enter(self, endpoint: str, patience: float) -> tuple[Any, str, bytes]:
        await asyncio.sleep(0.01)
        world, index = self._world, int(endpoint[-1])
        if world.down_until[index] > world.now():
            raise Disconnected(f"{endpoint}: connection refused")
        node = self.node_class(world, index)
        connection = self._connection.Connection(endpoint, node.socket, b"", patience=patience)
        start_in(self._group, connection.run())
        start_in(self._group, connection.beat())
        await self._trust.admit(connection)
        connection.node_key = key = f"key {index}".encode()
        return connection, f"n{index}", key

    async def status(self, endpoint: str) -> dict[str, Any] | None:
        index = int(endpoint[-1])
        return None if self._world.down_until[index] > self._world.now() else {"state": "voting"}


def _index_of(node_key: bytes) -> int | None:
    """All of the nodes are validators of each epoch."""
    return int(node_key[-1:]) if node_key.startswith(b"key ") else None


class ModelTrust:
    """In place of Trust: believes the ledger's epoch, when asked to look."""

    pin = "model"

    def __init__(self, world: World) -> None:
        self._world = world
        self.epoch: Any = None

    async def admit(self, _connection: Any) -> None:
        number = self._world.ledger.epoch
        if self.epoch is None or self.epoch.epoch < number:
            quorum = SimpleNamespace(faults=1)
            self.epoch = SimpleNamespace(
                key=b"",
                chain=b"",
                epoch=number,
                measurement=b"",
                description=SimpleNamespace(quorum=quorum, index_of=_index_of),
                since=self._world.now(),
                grace_ms=60_000,
            )
