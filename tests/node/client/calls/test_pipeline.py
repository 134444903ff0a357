"""Many calls under way: order, window, and that each takes effect once whatever nodes do (P6)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import Service, running

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import Epoch, Height, Milliseconds
from strongroom.enclave.formats.envelope import CALL, OPENING, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.programs.runner import Runner
from strongroom.enclave.sessions.sessions import WINDOW
from strongroom.node.client import Client, Done, ProgramFailed, TransactionRefused, Unreachable
from strongroom.node.client.calls import refusals, waiting
from strongroom.node.client.calls.in_flight import NO_ROOM_MAX
from strongroom.node.faults import NotReady, Overloaded
from strongroom.node.ledger.place import Place

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000_000


@asynccontextmanager
async def funded(
    directory: Path, identity: Identity = ALICE, **options: Any
) -> AsyncIterator[tuple[Service, Client]]:
    """Alice has FUNDS, and a client at n0."""
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        async with Client.connect(directory, identity, first_endpoint=0, **options) as client:
            yield service, client


def pay(client: Client, amount: int) -> "asyncio.Future[Done]":
    return client.submit_call("payments.transfer", to=BOB.id, amount=amount)


async def balance(client: Client) -> int:
    return int((await client.query("payments.balance")).value)


def sequences(service: Service, node: int = 0) -> list[list[int]]:
    """Sequence numbers of the calls in each frame that a node was given; an opening counts as 0."""
    return [
        [
            0 if (fields := read_envelope(envelope))[1] == OPENING else fields[4]
            for envelope in frame
        ]
        for frame in service.nodes[node].submitted
    ]


# --- frames, order, window ------------------------------------------------------------------------


async def test_calls_of_one_turn_leave_in_one_frame_in_order(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        done = await asyncio.gather(*(pay(client, 1) for _ in range(50)))
        assert sequences(service) == [list(range(50))]
        assert [one.result["balance"] for one in done] == [FUNDS - 1 - n for n in range(50)]


async def test_the_opening_carries_the_first_call(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        await pay(client, 1)
        kinds = [
            read_envelope(envelope)[1] for frame in service.nodes[0].submitted for envelope in frame
        ]
        assert kinds == [OPENING, CALL]


async def test_a_one_shot_client_opens_and_closes_a_session_with_each_call(tmp_path: Path) -> None:
    async with funded(tmp_path, one_shot=True) as (service, client):
        await asyncio.gather(pay(client, 1), pay(client, 2))
        kinds = [
            read_envelope(envelope)[1] for frame in service.nodes[0].submitted for envelope in frame
        ]
        assert kinds == [OPENING, OPENING]
        assert await balance(client) == FUNDS - 3


async def test_newest_minus_oldest_unanswered_stays_below_the_window(tmp_path: Path) -> None:
    """T07: beyond the window the enclave could not tell a late call from a replay."""
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        futures = [pay(client, 1) for _ in range(WINDOW + 500)]
        while service.payments() < WINDOW:
            await asyncio.sleep(0)
        await client.request("node_status")
        sent = [sequence for frame in sequences(service) for sequence in frame]
        assert sent == list(range(WINDOW))
        service.orderer.resume()
        done = await asyncio.gather(*futures)
        assert [one.result["balance"] for one in done] == [
            FUNDS - 1 - n for n in range(WINDOW + 500)
        ]


async def test_call_many_answers_in_order_with_errors_as_values(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        amounts = [5, FUNDS, -1, 7]
        answers = [
            answer async for answer in client.call_many("payments.transfer", _to_bob(amounts))
        ]
        assert [isinstance(answer, Done) for answer in answers] == [True, False, False, True]
        assert isinstance(answers[1], ProgramFailed)
        assert answers[1].code == "insufficient"
        assert answers[1].id is not None


def _to_bob(amounts: list[int]) -> list[dict[str, Any]]:
    return [{"to": BOB.id, "amount": amount} for amount in amounts]


async def test_wrong_arguments_are_refused_locally_and_nothing_is_sent(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        for name, arguments in (
            ("payments.transfer", {"to": BOB.id}),
            ("payments.transfer", {"to": BOB.id, "amount": "five"}),
            ("payments.transfer", {"to": "nobody-here", "amount": 5, "surprise": 1}),
            ("payments.nonsense", {}),
            ("payments.balance", {}),
            ("nonsense", {}),
        ):
            with pytest.raises(ClientFault):
                await client.call(name, **arguments)
        assert service.payments() == 0


# --- nodes that fail ------------------------------------------------------------------------------


async def test_when_a_node_dies_the_same_envelopes_go_through_another_and_take_effect_once(
    tmp_path: Path,
) -> None:
    """P6."""
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        service.nodes[0].swallow = True
        futures = [pay(client, 1) for _ in range(20)]
        while service.payments(0) < 21:
            await asyncio.sleep(0)
        lost = service.nodes[0].submitted[1]
        await service.stop(0)
        done = await asyncio.gather(*futures)
        assert service.nodes[1].submitted == [lost]
        assert [one.result["balance"] for one in done] == [FUNDS - 2 - n for n in range(20)]


@pytest.mark.parametrize(
    "honest_duplicates", [False, True], ids=["placed", "refused as duplicates"]
)
async def test_what_a_dead_node_had_ordered_is_found_and_not_done_again(
    tmp_path: Path, honest_duplicates: bool
) -> None:
    """P6, T07."""
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        service.nodes[0].mute = True
        service.orderer.honest_duplicates = honest_duplicates
        futures = [pay(client, 1) for _ in range(5)]
        while service.orderer.given < 6:
            await asyncio.sleep(0)
        await service.stop(0)
        done = await asyncio.gather(*futures)
        assert [one.result["balance"] for one in done] == [FUNDS - 2 - n for n in range(5)]
        assert await balance(client) == FUNDS - 6


async def test_a_node_that_is_not_ready_is_left_for_another(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.nodes[0].refuse = [NotReady("syncing")]
        await pay(client, 1)
        assert (service.payments(0), service.payments(1)) == (0, 1)


async def test_overload_keeps_the_order_of_a_session(tmp_path: Path) -> None:
    """Frames behind a refused one are refused with it, and all go again in order."""
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        service.nodes[0].refuse = [Overloaded("full", retry_after_ms=20)] * 2
        futures = []
        for _ in range(10):
            futures += [pay(client, 1) for _ in range(3)]
            await asyncio.sleep(0)
        done = await asyncio.gather(*futures)
        assert [one.result["balance"] for one in done] == [FUNDS - 2 - n for n in range(30)]
        assert [number for frame in sequences(service) for number in frame] == list(range(31))
        assert service.payments(1) == 0


async def test_a_node_that_stays_overloaded_is_left_for_another(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.nodes[0].refuse = [Overloaded("full", retry_after_ms=5)] * 50
        await pay(client, 1)
        assert service.payments(1) == 1


async def test_a_node_whose_result_does_not_open_is_left_and_the_call_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: not because it stalls."""
    monkeypatch.setattr(waiting, "STALL_SECONDS_MIN", 10 * HANG_SECONDS)
    async with funded(tmp_path) as (service, client):
        service.orderer.doctor = _once(
            lambda place: replace(place, result=bytes(len(place.result)))
        )
        done = await pay(client, 1)
        assert done.result == {"balance": FUNDS - 1}
        assert client.node == "n1"


async def test_a_node_that_answers_for_another_envelope_is_left(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.doctor = _once(lambda place: replace(place, id=bytes(32)))
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}
        assert client.node == "n1"


def _once(change: Any) -> Any:
    """Change the first answer only."""
    left = [change]

    def doctor(_envelope: bytes, place: Place) -> Place:
        changed: Place = left.pop()(place) if left else place
        return changed

    return doctor


# --- refusals -------------------------------------------------------------------------------------


async def test_after_unknown_session_the_same_envelope_goes_again(tmp_path: Path) -> None:
    """P6: a host can replay a refused envelope once the opening stands; a second envelope would
    then be a second payment."""
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        service.orderer.refuse_once = {1: Code.UNKNOWN_SESSION}
        assert (await pay(client, 1)).result == {"balance": FUNDS - 2}
        assert service.nodes[0].submitted[1] == service.nodes[0].submitted[2]


@pytest.mark.parametrize("code", [Code.DOES_NOT_OPEN, Code.OUTSIDE_WINDOW])
async def test_a_refusal_that_can_never_turn_is_sealed_anew(tmp_path: Path, code: Code) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.refuse_once = {0: code}
        done = await asyncio.gather(pay(client, 1), pay(client, 2))
        assert {one.result["balance"] for one in done} <= {FUNDS - 1, FUNDS - 2, FUNDS - 3}
        assert await balance(client) == FUNDS - 3
        assert service.orderer.places[_id(service, 0)].code == code


@pytest.mark.lies
async def test_one_nodes_word_for_a_refusal_seals_nothing_anew(tmp_path: Path) -> None:
    """P6: the node executed it, says that it never can be, and hopes for a second payment."""
    async with funded(tmp_path) as (service, client):
        service.orderer.doctor = _once(
            lambda place: replace(place, code=int(Code.WRONG_EPOCH), result=b"")
        )
        id = None

        def lie(node: int) -> None:
            service.nodes[node].transaction_lies[id or b""] = {
                "status": "final",
                "refusal": "wrong epoch",
                "code": 5,
            }

        future = pay(client, 1)
        while not service.nodes[0].submitted:
            await asyncio.sleep(0)
        id = _id(service, 0)
        lie(0)
        done = await future
        assert done.id == id
        assert done.result == {"balance": FUNDS - 1}
        assert await balance(client) == FUNDS - 1


@pytest.mark.lies
async def test_a_refusal_that_no_other_node_confirms_ends_in_the_same_envelope_elsewhere(
    tmp_path: Path,
) -> None:
    """P6."""
    async with funded(tmp_path) as (service, client):
        service.nodes[0].swallow = True
        future = pay(client, 1)
        while not service.nodes[0].submitted:
            await asyncio.sleep(0)
        (envelope,) = service.nodes[0].submitted[0]
        lie = Place(_id(service, 0), 1, 0, int(Code.WRONG_EPOCH), b"")  # type: ignore[arg-type]
        service.nodes[0].transaction_lies[lie.id] = {
            "status": "final",
            "refusal": "wrong epoch",
            "code": 5,
        }
        service.nodes[0].swallowed[0].set_result([lie])
        assert (await future).id == lie.id
        assert service.nodes[1].submitted == [[envelope]]


@pytest.mark.lies
@pytest.mark.parametrize("code", [code for code in Code if code is not Code.EXECUTED])
async def test_one_nodes_word_tells_no_payment_that_was_made_as_refused(
    tmp_path: Path, code: Code
) -> None:
    """P6: n0 executed it, and says of it whatever a node can say."""
    async with funded(tmp_path) as (service, client):
        service.orderer.doctor = _once(lambda place: replace(place, code=int(code), result=b""))
        future = pay(client, 1)
        while not service.nodes[0].submitted:
            await asyncio.sleep(0)
        id = _id(service, 0)
        lie = {"status": "final", "refusal": code.text, "code": int(code), "height": 1, "index": 0}
        service.nodes[0].transaction_lies[id] = lie
        done = await future
        assert (done.id, done.result) == (id, {"balance": FUNDS - 1})
        assert await balance(client) == FUNDS - 1


@pytest.mark.lies
async def test_what_only_a_liar_refuses_again_and_again_has_an_open_fate_and_an_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "RETRY_SECONDS", 0.0)
    async with funded(tmp_path) as (service, client):
        for index in (1, 2, 3):
            await service.stop(index)
        service.orderer.doctor = lambda _, place: replace(
            place, code=int(Code.UNKNOWN_SESSION), result=b""
        )
        service.nodes[0].transaction_lies = AnyKey(
            {"status": "unknown", "epoch": 0, "grace_over": False}
        )
        with pytest.raises(Unreachable, match="may still be ordered") as caught:
            await pay(client, 1)
        assert caught.value.id == _id(service, 0)


class AnyKey(dict[bytes, Any]):
    """Says the same of every transaction."""

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__()
        self._value = value

    def __contains__(self, _key: object) -> bool:
        return True

    def __getitem__(self, _key: bytes) -> dict[str, Any]:
        return self._value


@pytest.mark.parametrize("full", [2, 10**6])
async def test_a_call_for_which_its_block_has_no_room_is_sealed_anew_a_bounded_number_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    """T11: what others do in a block must not be the end of a call; nothing was changed, the
    service itself says so."""
    begin = Runner.at

    async with funded(tmp_path) as (service, client):

        def in_a_full_block(
            self: Runner, height: Height, time_ms: Milliseconds, epoch: Epoch
        ) -> None:
            begin(self, height, time_ms, epoch)
            if len(service.nodes[0].submitted) <= full:
                self._steps = 0

        monkeypatch.setattr(Runner, "at", in_a_full_block)
        accounts = [f"{number:x}" for number in range(300)]
        call = client.submit_call("payments.open_many", accounts=accounts)
        if full == 2:
            assert (await call).result == {"opened": 300}
            assert sequences(service) == [[0], [1], [2]]
        else:
            with pytest.raises(ProgramFailed, match="no room"):
                await call
            assert sequences(service) == [[number] for number in range(NO_ROOM_MAX + 1)]


async def test_a_refusal_that_stands_is_the_callers_to_know(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.refuse_once = {0: Code.SESSIONS_FULL}
        with pytest.raises(TransactionRefused) as caught:
            await pay(client, 1)
        assert caught.value.reason == "sessions full"
        assert caught.value.id == _id(service, 0)


def _id(service: Service, position: int, node: int = 0) -> Any:
    return transaction_id(
        [envelope for frame in service.nodes[node].submitted for envelope in frame][position]
    )


# --- waiting --------------------------------------------------------------------------------------


async def test_without_a_quorum_a_call_says_so_waits_and_succeeds_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.1)
    monkeypatch.setattr(waiting, "WATCH_SECONDS", 0.05)
    told = asyncio.Event()
    words = []

    def on_waiting(text: str) -> None:
        words.append(text)
        told.set()

    async with funded(tmp_path, on_waiting=on_waiting) as (service, client):
        service.orderer.paused = True
        await service.stop(2)
        await service.stop(3)
        future = pay(client, 1)
        await told.wait()
        assert words == ["no quorum (2 of 4 answer, 3 needed), waiting"]
        service.orderer.resume()
        assert (await future).result == {"balance": FUNDS - 1}


async def test_connecting_without_a_quorum_says_so_and_waits_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.1)
    async with running(tmp_path) as service:
        service.fund(ALICE, FUNDS)
        for node in service.nodes:
            node.head_members = [0, 1]
        await service.stop(2)
        await service.stop(3)

        def on_waiting(text: str) -> None:
            assert text == "no quorum (2 of 4 answer, 3 needed), waiting"
            for node in service.nodes:
                node.head_members = [0, 1, 2]

        async with Client.connect(tmp_path, ALICE, on_waiting=on_waiting) as client:
            assert (await pay(client, 1)).result == {"balance": FUNDS - 1}


async def test_on_expiry_the_call_is_unreachable_with_the_id_to_ask_for_later(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        patience, calls = client._runtime.timeout, 0
        for seconds in (1.0, 10.0, 100.0):  # until one was sent before its time was over
            client._runtime.timeout, calls = seconds, calls + 1
            with pytest.raises(Unreachable) as caught:
                await client.call("payments.transfer", to=BOB.id, amount=1)
            if caught.value.id is not None:
                break
        client._runtime.timeout = patience
        assert caught.value.id == _id(service, calls - 1)
        service.orderer.resume()
        assert await balance(client) == FUNDS - calls


async def test_a_node_that_answers_nothing_is_left_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "STALL_SECONDS_MIN", 0.1)
    async with funded(tmp_path) as (service, client):
        service.nodes[0].swallow = True
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}
        assert service.nodes[0].submitted == service.nodes[1].submitted


async def test_a_closed_client_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(tmp_path))
        service.fund(ALICE, FUNDS)
        service.orderer.paused = True
        async with Client.connect(tmp_path, ALICE) as client:
            futures = [pay(client, 1) for _ in range(3)]
            while not service.payments():
                await asyncio.sleep(0)
        for future in futures:
            with pytest.raises(Unreachable):
                await future


async def test_an_error_of_the_callers_own_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with funded(tmp_path):
            raise ZeroDivisionError
