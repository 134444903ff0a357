"""One client, many callers: nothing that one of them does ends the calls of another."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.node.client.calls.test_connection import answering, connected
from tests.node.client.calls.test_pipeline import ALICE, BOB, FUNDS, balance, funded, pay
from tests.node.client.ledger import running

from strongroom.consensus.errors import ClientFault
from strongroom.node.client import Client, Done
from strongroom.node.client.calls import connection, waiting
from strongroom.node.client.errors import Disconnected
from strongroom.node.client.names import Names

LONE_SURROGATE = "a\ud800b"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("payments.transfer", {"to": BOB.id, "amount": 2**64}, "amount: integers"),
        ("payments.transfer", {"to": BOB.id, "amount": -(2**63) - 1}, "amount: integers"),
        (
            "payments.transfer",
            {"to": BOB.id, "amount": 1, "memo": LONE_SURROGATE},
            "memo: not Unicode",
        ),
        ("payments.transfer", {"to": (BOB.id, LONE_SURROGATE), "amount": 1}, "to: not Unicode"),
        ("payments.issue_many", {"issues": [[BOB.id, 1], [BOB.id, 2**200]]}, "issues: integers"),
    ],
)
async def test_an_argument_that_cannot_be_encoded_ends_nothing_but_its_own_call(
    tmp_path: Path, name: str, arguments: dict[str, Any], words: str
) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        others = [pay(client, 1) for _ in range(3)]
        for ask in (client.call, client.submit):
            with pytest.raises(ClientFault, match=words):
                await ask(name, **arguments)
        with pytest.raises(ClientFault, match=words):
            client.submit_call(name, **arguments)
        service.orderer.resume()
        assert [one.result["balance"] for one in await asyncio.gather(*others)] == [
            FUNDS - n for n in (1, 2, 3)
        ]
        assert await balance(client) == FUNDS - 3


async def test_texts_of_a_command_line_that_are_no_utf_8_are_refused_by_name(
    tmp_path: Path,
) -> None:
    async with running(tmp_path):
        names = Names(Client.connect(tmp_path, ALICE).service.keys)
        texts = {"to": "bob", "amount": "1", "memo": b"caf\xe9".decode(errors="surrogateescape")}
        with pytest.raises(ClientFault, match="memo: not Unicode"):
            names.transaction("payments.transfer", texts, texts=True)
        with pytest.raises(ClientFault, match="issues: not Unicode"):
            names.transaction("payments.issue_many", {"issues": '[["bob/\\ud800", 1]]'}, texts=True)


async def test_call_many_tells_a_bad_argument_at_its_place_and_goes_on(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        many = [{"to": BOB.id, "amount": amount} for amount in (5, 2**64, 7)]
        answers = [answer async for answer in client.call_many("payments.transfer", many)]
        assert [type(answer) is Done for answer in answers] == [True, False, True]
        assert isinstance(answers[1], ClientFault)
        assert await balance(client) == FUNDS - 12


@pytest.mark.parametrize("at_least", [2**64, -1, 2**63, "7", True])
async def test_a_height_that_is_none_is_refused_before_it_becomes_what_all_queries_demand(
    tmp_path: Path, at_least: Any
) -> None:
    async with funded(tmp_path) as (_, client):
        with pytest.raises(ClientFault, match="height"):
            await client.query("payments.balance", at_least=at_least)
        with pytest.raises(ClientFault, match="height"):
            client.height = at_least
        assert await balance(client) == FUNDS


async def test_a_parameter_that_cannot_be_encoded_ends_nothing_and_keeps_no_place(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (_, client):
        for wrong in (2**64, LONE_SURROGATE, object()):
            with pytest.raises(ClientFault, match="cannot be encoded"):
                await client.request("node_status", wrong=wrong)
        assert (await client.request("node_status"))["node"] == "n0"
        assert client._runtime.nodes.current is not None
        assert client._runtime.nodes.current._asked == {}


async def test_cancelled_calls_end_no_other_and_still_take_effect(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        futures = [pay(client, 1) for _ in range(6)]
        task = asyncio.create_task(client.call("payments.transfer", to=BOB.id, amount=1))
        while service.payments() < 7:
            await asyncio.sleep(0)
        task.cancel()
        for future in futures[::2]:
            future.cancel()
        service.orderer.resume()
        done = await asyncio.gather(*futures[1::2])
        assert [one.result["balance"] for one in done] == [FUNDS - n for n in (2, 4, 6)]
        assert await balance(client) == FUNDS - 7


async def test_questions_that_were_given_up_do_not_fill_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASKED_MAX", 5)
    async with funded(tmp_path) as (service, client):
        service.nodes[0].swallow = True
        for _ in range(12):
            one = asyncio.create_task(client.request("ledger_submit", envelope=b"x", wait="commit"))
            await asyncio.sleep(0.01)
            one.cancel()
        assert (await client.request("node_status"))["node"] in ("n0", "n1", "n2", "n3")


async def test_one_callers_many_questions_do_not_end_the_calls_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (_, client):
        monkeypatch.setattr(connection, "ASKED_MAX", 0)
        future = pay(client, 1)
        for _ in range(20):
            await asyncio.sleep(0)
        monkeypatch.setattr(connection, "ASKED_MAX", 100)
        assert (await future).result == {"balance": FUNDS - 1}


async def test_a_listener_that_raises_ends_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its standard error may be a pipe that nobody reads."""
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "WATCH_SECONDS", 0.05)
    told = asyncio.Event()

    def raising(_text: str) -> None:
        told.set()
        raise BrokenPipeError

    async with funded(tmp_path, on_waiting=raising) as (service, client):
        service.orderer.paused = True
        future = pay(client, 1)
        await told.wait()
        service.orderer.resume()
        assert (await future).result == {"balance": FUNDS - 1}


@pytest.mark.lies
@pytest.mark.parametrize("height", [float("inf"), "7", -1, 2**63, None, True])
async def test_a_place_that_is_none_makes_a_node_be_left_and_loses_no_call(
    tmp_path: Path, height: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: not because it stalls."""
    monkeypatch.setattr(waiting, "STALL_SECONDS_MIN", 10 * HANG_SECONDS)
    async with funded(tmp_path) as (service, client):
        lies = [height]

        def doctor(_envelope: bytes, place: Any) -> Any:
            return replace(place, height=lies.pop()) if lies else place

        service.orderer.doctor = doctor
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}
        assert client.node == "n1"


@pytest.mark.lies
async def test_a_status_that_is_no_document_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.node.client.calls.failback.EPOCH_SECONDS", 0.01)
    async with funded(tmp_path) as (service, client):
        asked = asyncio.Event()

        def lie() -> Any:
            asked.set()
            return ["no document"]

        monkeypatch.setattr(service.nodes[0], "node_status", lie)
        await asked.wait()
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}


async def test_a_subscription_number_that_is_none_ends_the_connection_only(tmp_path: Path) -> None:
    import msgpack

    frame = msgpack.packb({"jsonrpc": "2.0", "id": 1, "result": []})
    async with connected(tmp_path, answering(frame)) as one:
        with pytest.raises(Disconnected):
            await one.subscribe("blocks", 1)


async def test_a_bug_in_sealing_is_told_to_its_caller_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with funded(tmp_path) as (_, client):
        sealer, seal = client._runtime.pipeline.sealer, client._runtime.pipeline.sealer.seal
        wrong = pay(client, 5)

        def failing(entry: Any) -> None:
            if entry.future is wrong:
                raise ZeroDivisionError
            seal(entry)

        monkeypatch.setattr(sealer, "seal", failing)
        with (
            caplog.at_level(logging.WARNING),
            pytest.raises(ClientFault, match="ZeroDivisionError"),
        ):
            await wrong
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}


async def test_a_bug_in_the_loop_is_told_to_all_and_to_each_later_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        sent = pay(client, 1)
        while not service.payments():
            await asyncio.sleep(0)

        def broken() -> Any:
            raise ZeroDivisionError

        monkeypatch.setattr(client._runtime.pipeline, "_next_frame", broken)
        with pytest.raises(ClientFault, match="ZeroDivisionError"):
            await pay(client, 1)
        with pytest.raises(ClientFault, match="ZeroDivisionError") as caught:
            await sent
        assert caught.value.id is not None  # type: ignore[attr-defined]
        with pytest.raises(ClientFault, match="ZeroDivisionError"):
            pay(client, 1)
