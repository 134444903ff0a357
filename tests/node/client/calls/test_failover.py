"""A call whose node dies under it goes on at another one at once, and is paid once (P6).

"At once" is counted, not timed: without another connection being opened, within so many looks of a
clock of the test's own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enclave.chain import person
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import Service, running
from tests.node.client.wires import Wire, wired
from tests.waiting import so

from strongroom.node.client import Busy, Client, NotTrusted
from strongroom.node.client.calls import connection, racing, spare
from strongroom.node.client.calls.beating import PING, Heart
from strongroom.node.client.calls.nodes import (
    RETRY_SPREAD,
    Nodes,
    any_of,
    asked_seconds,
    retry_seconds,
)
from strongroom.node.client.calls.pulse import ANSWER_SECONDS, EVENT_SECONDS, Pulse, Verdict
from strongroom.node.client.http import Socket
from strongroom.node.faults import Overloaded
from strongroom.node.rpc.limits import RpcLimits

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000
WAYS: dict[str, Callable[[Wire], None]] = {
    "killed": Wire.cut,
    "hung": Wire.hold,
    "TLS broken": Wire.spoil,
}


@asynccontextmanager
async def calling(
    directory: Path, **options: Any
) -> AsyncIterator[tuple[Service, list[Wire], Client]]:
    async with wired(directory) as (service, wires):
        service.fund(ALICE, FUNDS)
        async with Client.connect(directory, ALICE, first_endpoint=0, **options) as client:
            yield service, wires, client


def nodes_of(client: Client) -> Nodes:
    return client._runtime.nodes


async def spare_is_kept(client: Client) -> None:
    await so(lambda: nodes_of(client)._spare._kept is not None, "a second connection is ready")


async def pay(client: Client) -> Any:
    return (await client.call("payments.transfer", to=BOB.id, amount=1)).result


# --- a whole client -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_whose_node_dies_goes_on_over_the_connection_that_is_ready(
    tmp_path: Path, way: str
) -> None:
    async with calling(tmp_path) as (service, wires, client):
        await pay(client)
        await spare_is_kept(client)
        service.nodes[0].swallow = True
        call = asyncio.ensure_future(pay(client))
        await so(lambda: len(service.nodes[0].submitted) == 2, "n0 has the call", pause=0)
        opened = wires[1].accepted
        WAYS[way](wires[0])
        assert await call == {"balance": FUNDS - 2}
        assert (client.node, wires[1].accepted) == ("n1", opened)
        assert service.nodes[1].submitted == [service.nodes[0].submitted[1]]


@pytest.mark.parametrize("way", WAYS)
async def test_what_the_dead_node_had_ordered_is_not_paid_again(tmp_path: Path, way: str) -> None:
    async with calling(tmp_path) as (service, wires, client):
        await pay(client)
        await spare_is_kept(client)
        service.nodes[0].mute = True
        call = asyncio.ensure_future(pay(client))
        await so(lambda: service.orderer.given == 2, "it is ordered", pause=0)
        WAYS[way](wires[0])
        assert await call == {"balance": FUNDS - 2}
        assert (await client.query("payments.balance")).value == FUNDS - 2


async def test_queries_and_plain_questions_go_on_as_well_when_their_node_hangs(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path) as (_, wires, client):
        await spare_is_kept(client)
        wires[0].hold()
        assert (await client.request("node_status"))["node"] == "n1"
        assert (await client.query("payments.balance")).value == FUNDS


async def test_a_door_that_does_not_open_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS_MAX", HANG_SECONDS)
    async with wired(tmp_path) as (service, wires):
        monkeypatch.setattr(racing, "RACE_SECONDS", 0.05)
        service.fund(ALICE, FUNDS)
        wires[0].hold()
        # Less than a handshake's 60 s: whoever waits for n0 ends here.
        async with Client.connect(tmp_path, ALICE, first_endpoint=0, timeout=45) as client:
            assert client.node != "n0"


async def test_another_connection_is_made_ready_once_the_first_one_was_of_use(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path) as (_, wires, client):
        for at in (0, 1):
            await spare_is_kept(client)
            assert client.node == f"n{at}"
            wires[at].cut()
            await pay(client)


async def test_no_connection_of_an_epoch_that_is_over_is_used(tmp_path: Path) -> None:
    async with calling(tmp_path) as (service, wires, client):
        await spare_is_kept(client)
        service.orderer.turn()
        await nodes_of(client).check_again()
        opened = sum(wire.accepted for wire in wires)
        assert nodes_of(client)._spare.take() is None
        wires[0].cut()
        await pay(client)
        assert sum(wire.accepted for wire in wires) > opened


@pytest.mark.parametrize("one_way", [0.06, 0.15])
async def test_a_node_that_is_far_away_is_no_hung_one(tmp_path: Path, one_way: float) -> None:
    """Its first answers take longer than a ping of a near one may."""
    async with wired(tmp_path) as (service, wires):
        service.fund(ALICE, FUNDS)
        for wire in wires:
            wire.delay = one_way
        async with Client.connect(tmp_path, ALICE, first_endpoint=0, spare=False) as client:
            for paid in range(1, 6):
                assert await pay(client) == {"balance": FUNDS - paid}
            assert (await client.query("payments.balance")).value == FUNDS - 5
            assert (client.node, sum(wire.accepted for wire in wires)) == ("n0", 1)


def test_spare_connections_of_one_nodes_clients_go_to_all_others() -> None:
    assert {any_of(["b", "c", "d"]) for _ in range(200)} == {"b", "c", "d"}


@pytest.mark.parametrize("options", [{"spare": False}, {"one_shot": True}])
async def test_who_wants_one_connection_has_one(tmp_path: Path, options: Any) -> None:
    async with calling(tmp_path, **options) as (_, wires, client):
        await pay(client)
        await asyncio.sleep(2 * spare.LOOK_SECONDS)
        assert sum(wire.accepted for wire in wires) == 1


async def test_a_client_that_is_left_closes_both(tmp_path: Path) -> None:
    async with wired(tmp_path) as (service, wires):
        service.fund(ALICE, FUNDS)
        async with Client.connect(tmp_path, ALICE) as client:
            await spare_is_kept(client)
        await so(lambda: not any(wire._ends for wire in wires), "both are closed")


# --- no room --------------------------------------------------------------------------------------


async def test_when_the_wait_for_room_is_over_the_error_says_so_and_when_to_come_back(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path, timeout=1.0) as (service, _, client):
        for node in service.nodes:
            node.refuse = [Overloaded("full", retry_after_ms=40)] * 10_000
        with pytest.raises(Busy, match="no room") as caught:
            await pay(client)
        assert caught.value.retry_after == 0.04
        assert caught.value.id is not None
        for node in service.nodes:
            node.refuse = []
        assert await pay(client)  # the first one was still under way, or this one pays


async def test_where_no_node_has_room_for_a_connection_it_is_told_as_busy(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        service.limits = RpcLimits(websockets_max=0, shutdown_seconds_max=0.2)
        for index in range(4):
            await service.stop(index)
            await service.start(index)
        with pytest.raises(Busy, match="no room for another connection") as caught:
            async with Client.connect(tmp_path, ALICE, timeout=1.0):
                pass
        assert caught.value.retry_after == 1.0


def test_a_node_that_asks_for_time_gets_it_and_a_share_more_by_chance() -> None:
    fault = Overloaded("full", retry_after_ms=200)
    waits = [retry_seconds(fault) for _ in range(200)]
    assert all(0.2 <= one <= 0.2 * (1 + RETRY_SPREAD) for one in waits)
    assert len(set(waits)) > 100


@pytest.mark.parametrize("asked", [-1, 0, None, "soon", 10**9, True])
def test_a_node_that_asks_for_nonsense_is_not_believed(asked: Any) -> None:
    assert 0 < asked_seconds(Overloaded("full", retry_after_ms=asked)) <= 10


# --- the pulse, by a clock of its own -------------------------------------------------------------


class Clock:
    """A connection's looks, as `beat` makes them, at a node that answers pings as it is told."""

    def __init__(self, answers_after: Callable[[int], float | None], late: float = 0.0) -> None:
        self.pulse, self.now, self.frames = Pulse(), 100.0, 0
        self.pings = self.looks = 0
        self._answers_after, self._late = answers_after, late
        self._pong_at: float | None = None

    def run(self, seconds: float) -> float | None:
        """When it is given up, in seconds from the question on; None: it is not."""
        began = self.now
        while self.now < began + seconds:
            self.now += self.pulse.wait + self._late
            if self._pong_at is not None and self._pong_at <= self.now:
                self.pulse.pong(self._pong_at)
                self.frames, self._pong_at = self.frames + 1, None
            self.looks += 1
            verdict = self.pulse.look(self.now, frames=self.frames, answers=0, quiet=ANSWER_SECONDS)
            if verdict is Verdict.GONE:
                return self.now - began
            if verdict is Verdict.PING:
                after = self._answers_after(self.pings)
                self.pings += 1
                self._pong_at = None if after is None else self.now + after
        return None


def test_a_silent_node_is_given_up_within_a_tenth_of_a_second() -> None:
    clock = Clock(lambda _: None)
    gone = clock.run(10)
    assert gone is not None
    assert gone < 0.1
    assert (clock.pings, clock.looks <= 8) == (1, True)


@given(st.lists(st.floats(0.0, 0.049), min_size=1, max_size=40))
def test_a_node_that_answers_its_pings_in_time_is_never_given_up(times: list[float]) -> None:
    assert Clock(lambda ping: times[ping % len(times)]).run(20) is None


def test_who_only_answers_pings_is_pinged_more_and_more_seldom() -> None:
    clock = Clock(lambda _: 0.001)
    assert clock.run(60) is None
    assert clock.pings < 120


def test_a_far_node_gets_the_time_that_its_pings_take() -> None:
    usual, far = (0.03, 0.046), 0.06
    clock = Clock(lambda ping: far if ping > 10 and ping % 10 == 9 else usual[ping % 2])
    assert clock.run(120) is None
    assert clock.pings > 40


def test_where_our_own_looks_are_late_a_node_beside_us_may_be_late_too() -> None:
    """A full machine: neither is hung."""
    assert Clock(lambda _: 0.09, late=0.02).run(20) is None
    assert Clock(lambda _: 0.09).run(20) is not None


def test_a_process_of_ours_that_is_late_itself_blames_no_node() -> None:
    assert Clock(lambda _: None, late=0.04).run(20) is None


def test_a_subscription_is_looked_at_once_a_second_and_a_question_at_once() -> None:
    one, now, looks = Pulse(), 0.0, 0
    while now < 100:
        if one.look(now, frames=looks, answers=looks, quiet=EVENT_SECONDS) is Verdict.PING:
            one.pong(now + 0.001)
        now, looks = now + one.wait, looks + 1
    assert looks <= 110


def test_what_a_ping_takes_is_learned_though_the_answer_comes_before_it() -> None:
    one = Pulse(2.0)
    assert one.look(0.0, frames=0, answers=0, quiet=ANSWER_SECONDS) is Verdict.LIVES
    assert one.look(0.02, frames=0, answers=0, quiet=ANSWER_SECONDS) is Verdict.PING
    assert one.look(0.3, frames=1, answers=1, quiet=ANSWER_SECONDS) is Verdict.LIVES
    one.pong(0.32)
    one.admitted(0.05)
    assert one.patience > 0.3


def test_nothing_is_asked_of_a_node_of_which_nothing_is_awaited() -> None:
    one = Pulse()
    for tick in range(1000):
        assert one.look(tick * 0.015, frames=0, answers=0, quiet=None) is Verdict.LIVES


class Line(Socket):
    """A socket without a wire."""

    def __init__(self) -> None:
        self.pings = 0
        self.left = 0

    @property
    def unsent(self) -> int:
        return self.left

    async def ping(self, message: bytes = b"") -> None:
        assert message == PING
        self.pings += 1


@pytest.mark.parametrize("sign", ["bytes come", "bytes go"])
def test_a_long_message_on_a_slow_line_is_a_sign_of_life(sign: str) -> None:
    line = Line()
    heart = Heart(line, 0.05, lambda: ANSWER_SECONDS)
    line.left = 4 * 1024 * 1024
    for tick in range(1000):
        if sign == "bytes come":
            line.arrivals += 1
        else:
            line.left -= 1024
        assert heart._look(tick * 0.015) is Verdict.LIVES


def test_our_own_ping_that_is_taken_is_none() -> None:
    line = Line()
    heart = Heart(line, 0.05, lambda: ANSWER_SECONDS)
    seen = []
    for tick in range(20):
        line.left = 60 if tick % 2 else 0
        seen.append(heart._look(tick * 0.015))
    assert Verdict.GONE in seen


async def test_a_node_that_was_left_in_vain_buys_the_next_one_time(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path) as (_, wires, client):
        await spare_is_kept(client)
        before = nodes_of(client)._patience_now()
        wires[0].hold()
        await client.request("node_status")
        wires[0]._flows.set()
        nodes = nodes_of(client)
        await so(lambda: nodes._patient_until > 0, "it is found out that it was in vain")
        assert nodes._patience_now() == 2 * before


async def test_a_client_does_not_return_to_a_node_that_did_not_verify_a_moment_ago(
    tmp_path: Path,
) -> None:
    async with calling(tmp_path) as (_, _wires, client):
        nodes = nodes_of(client)
        assert await nodes.home_serves()
        nodes._rest(nodes.endpoints[0], NotTrusted("answer", "a lie"))
        assert not await nodes.home_serves()


async def test_what_has_arrived_and_was_not_read_yet_still_counts() -> None:
    line = Line()
    heart = Heart(line, 0.05, lambda: ANSWER_SECONDS)
    reading = asyncio.ensure_future(_read_soon(line))
    assert not await heart._nothing_unread()
    await reading
    assert await heart._nothing_unread()


async def _read_soon(line: Line) -> None:
    await asyncio.sleep(0)
    line.arrivals += 1
