"""Queries, receipts, single envelopes, blocks: what can be checked is checked, what fails is asked
elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.node.client.ledger import Service, running
from tests.waiting import so

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.formats.envelope import OPENING, QUERY, SESSION_QUERY, Query
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.node.client import Client, NotTrusted, ProgramFailed, Unreachable
from strongroom.node.client.calls import waiting
from strongroom.node.client.calls.waiting import receipt_pauses
from strongroom.node.faults import NotFound, NotReady, NotYet, Refused
from strongroom.node.rpc.limits import RpcLimits

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000


@asynccontextmanager
async def funded(directory: Path, **options: Any) -> AsyncIterator[tuple[Service, Client]]:
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        async with Client.connect(directory, ALICE, first_endpoint=0, **options) as client:
            yield service, client


# --- queries --------------------------------------------------------------------------------------


async def test_a_query_names_height_root_and_node(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        answer = await client.query("payments.balance")
        executor = service.orderer.chain.executor
        assert (answer.value, answer.height, answer.root, answer.node) == (
            FUNDS,
            executor.height,
            executor.root,
            "n0",
        )


async def test_a_query_stands_alone_until_a_session_stands_and_then_goes_in_it(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (service, client):
        service.nodes[0].queries.clear()
        await client.query("payments.balance")
        await client.call("payments.transfer", to=BOB.id, amount=1)
        await client.query("payments.balance")
        assert [read_envelope(envelope)[1] for envelope in service.nodes[0].queries] == [
            QUERY,
            SESSION_QUERY,
        ]


async def test_a_query_whose_session_a_node_does_not_know_is_asked_alone(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await client.call("payments.transfer", to=BOB.id, amount=1)
        service.nodes[0].forgets_sessions = True
        assert (await client.query("payments.balance")).value == FUNDS - 1


async def test_a_query_demands_at_least_what_the_client_has_seen(tmp_path: Path) -> None:
    """T06."""
    async with funded(tmp_path) as (service, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        assert client.height == done.height
        old = service.orderer.chain.new_executor()
        service.nodes[0].executor = old
        assert (await client.query("payments.balance")).value == FUNDS - 1
        assert client.node == "n1"


async def test_an_answer_from_below_the_demanded_height_is_refused(tmp_path: Path) -> None:
    """T06: an enclave would not give it; the client checks all the same."""
    async with funded(tmp_path) as (service, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        questions = client._runtime.requests
        genuine = questions._seal

        def without_demand(query: Query, *, alone: bool) -> Any:
            return genuine(Query(query.call), alone=True)

        questions._seal = without_demand  # type: ignore[method-assign]
        service.nodes[0].executor = service.orderer.chain.new_executor()
        with pytest.raises(NotTrusted) as caught:
            await client.query("payments.balance", at_least=done.height)
        assert caught.value.reason == "answer"


async def test_an_answer_to_another_query_is_refused(tmp_path: Path) -> None:
    """T07."""
    async with funded(tmp_path) as (service, client):
        service.nodes[0].query_answer = await service.nodes[1].answer_for(BOB)
        with pytest.raises(NotTrusted) as caught:
            await client.query("payments.balance")
        assert caught.value.reason == "answer"


async def test_a_height_that_no_node_has_is_not_yet(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        with pytest.raises(NotYet):
            await client.query("payments.balance", at_least=1_000)


async def test_a_height_that_no_node_has_is_told_after_the_first_node_has_waited_for_it(
    tmp_path: Path,
) -> None:
    """Each waits ten seconds: asking one after the other would outlast a caller's time."""
    async with funded(tmp_path) as (service, client):
        with pytest.raises(NotYet):
            await client.query("payments.balance", at_least=99_999)
        assert sum(len(node.queries) for node in service.nodes) == 1


async def test_when_the_time_is_over_before_that_the_height_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.0)
    told: list[str] = []
    async with funded(tmp_path, timeout=2.0, on_waiting=told.append) as (service, client):

        async def wait(_envelope: bytes) -> Any:
            await asyncio.Event().wait()

        for node in service.nodes:
            monkeypatch.setattr(node, "query", wait)
        with pytest.raises(NotYet, match=f"nodes have executed {service.orderer.height}: ask"):
            await client.query("payments.balance", at_least=99_999)
        with pytest.raises(Unreachable):
            await client.query("payments.balance", at_least=service.orderer.height)


async def test_a_programs_refusal_of_a_query_is_an_error_with_its_code(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        with pytest.raises(ProgramFailed) as caught:
            await client.query("payments.balance", account=f"id:{BOB.id.hex()}")
        assert caught.value.code == "not the owner"


# --- receipts -------------------------------------------------------------------------------------


async def test_a_receipt_is_verified_against_the_pin_and_names_this_result(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        verified = verify_receipt(await done.receipt(), client.service.pin)
        assert (verified.id, verified.height, verified.index) == (done.id, done.height, done.index)
        assert (await client.receipt(done.id)).leaf.id == done.id


async def test_a_place_that_no_quorum_certified_is_found_out_by_the_receipt(tmp_path: Path) -> None:
    """P2, P7."""
    async with funded(tmp_path) as (service, client):
        service.orderer.doctor = lambda _, place: replace(place, height=Height(place.height + 1))
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        with pytest.raises(ReceiptInvalid):
            await done.receipt()


async def test_a_receipt_of_another_transaction_is_refused(tmp_path: Path) -> None:
    """P7."""
    async with funded(tmp_path) as (service, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        other = await client.call("payments.transfer", to=BOB.id, amount=1)
        genuine = service.nodes[0].receipt
        service.nodes[0].receipt = lambda id: genuine(other.id)  # type: ignore[method-assign]
        with pytest.raises(ReceiptInvalid):
            await done.receipt()
        with pytest.raises(ReceiptInvalid):
            await client.receipt(done.id)


async def test_a_receipt_with_another_blocks_certificate_is_refused(tmp_path: Path) -> None:
    """P7, T33."""
    async with funded(tmp_path) as (service, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        other = await client.call("payments.transfer", to=BOB.id, amount=1)
        genuine = service.nodes[0].receipt
        forged = genuine(done.id) | {"certificate": genuine(other.id)["certificate"]}
        service.nodes[0].receipt = lambda id: forged  # type: ignore[method-assign]
        with pytest.raises(ReceiptInvalid):
            await done.receipt()


async def test_a_receipt_is_looked_for_soon_then_more_seldom_until_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def noted() -> Iterator[float]:
        for pause in receipt_pauses():
            waited.append(pause)
            yield 0.0

    monkeypatch.setattr("strongroom.node.client.calls.waiting.receipt_pauses", noted)
    async with funded(tmp_path) as (service, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        genuine, early = (
            service.nodes[0].receipt,
            [NotYet("not anchored"), NotFound("not here yet")] * 3,
        )

        def after_six_looks(id: TransactionId) -> Any:
            if early:
                raise early.pop()
            return genuine(id)

        service.nodes[0].receipt = after_six_looks  # type: ignore[method-assign]
        assert (await done.receipt()).leaf.id == done.id
    assert waited == [0.025, 0.05, 0.1, 0.2, 0.2, 0.2]


async def test_a_receipt_of_nothing_is_not_found(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        with pytest.raises(NotFound):
            await client.receipt(bytes(32))


# --- single envelopes -----------------------------------------------------------------------------


async def test_a_submitted_call_is_found_later_by_its_id(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        id = await client.submit("payments.transfer", to=BOB.id, amount=3)
        while id not in service.orderer.places:
            await asyncio.sleep(0)
        (envelope,) = service.nodes[0].submitted[0]
        assert read_envelope(envelope)[1] == OPENING
        found = await client.query("system.result", id=id)
        assert found.value["result"] == {"balance": FUNDS - 3}


async def test_one_nodes_refusal_of_a_submission_is_not_the_services(tmp_path: Path) -> None:
    """P6: a liar does not make anyone believe that a good transaction was refused."""
    async with funded(tmp_path) as (service, client):
        service.nodes[0].refuse = [Refused("too poor", reason="policy")]
        id = await client.submit("payments.transfer", to=BOB.id, amount=3)
        await so(lambda: id in service.orderer.places, "another node had it ordered", pause=0)
        assert service.payments(1) == 1


async def test_what_an_honest_node_refuses_too_is_told_as_refused(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        for node in service.nodes:
            node.refuse = [Refused("too poor", reason="policy")] * 9
        with pytest.raises(Refused, match="too poor"):
            await client.submit("payments.transfer", to=BOB.id, amount=3)
        assert sorted(len(node.refuse) for node in service.nodes) == [8, 8, 9, 9]


async def test_after_a_node_that_gave_no_answer_a_refusal_is_of_open_fate(tmp_path: Path) -> None:
    """P6: it may have taken it."""
    async with funded(tmp_path) as (service, client):
        service.nodes[0].refuse = [NotReady("stopping")]
        for node in service.nodes[1:]:
            node.refuse = [Refused("too poor", reason="policy")] * 9
        with pytest.raises(Unreachable, match="may still be ordered") as caught:
            await client.submit("payments.transfer", to=BOB.id, amount=3)
        assert caught.value.id is not None


async def test_a_submission_that_was_sent_keeps_its_id_when_no_node_verifies_any_more(
    tmp_path: Path,
) -> None:
    """P6: the first one may have taken it."""
    async with funded(tmp_path, spare=False) as (service, client):
        for node in service.nodes:
            node.evidence_nonce = bytes(32)
        service.nodes[0].refuse = [NotReady("stopping")]
        with pytest.raises(Unreachable, match="may still be ordered") as caught:
            await client.submit("payments.transfer", to=BOB.id, amount=3)
        assert caught.value.id is not None


# --- blocks ---------------------------------------------------------------------------------------


async def _heights(client: Client, count: int, after: int | None) -> list[int]:
    heights: list[int] = []
    async with aclosing(client.blocks(after)) as blocks:
        async for block in blocks:
            heights.append(block["height"])
            if len(heights) == count:
                break
    return heights


async def test_blocks_come_in_order_from_a_height_on(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        for _ in range(3):
            await client.call("payments.transfer", to=BOB.id, amount=1)
        assert await _heights(client, 6, after=1) == [2, 3, 4, 5, 6, 7]


async def test_blocks_follow_the_chain_as_it_grows(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        following = asyncio.create_task(_heights(client, 2, after=None))
        while not following.done():
            await client.call("payments.transfer", to=BOB.id, amount=1)
        first, second = following.result()
        assert second == first + 1


async def test_what_a_slow_reader_missed_is_fetched(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        for index in range(4):
            service.limits = RpcLimits(subscription_behind_max=2, shutdown_seconds_max=0.2)
            await service.stop(index)
            await service.start(index)
        for _ in range(5):
            await client.call("payments.transfer", to=BOB.id, amount=1)
        assert await _heights(client, 11, after=0) == list(range(1, 12))


async def test_blocks_go_on_at_another_node_without_a_gap(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await client.call("payments.transfer", to=BOB.id, amount=1)
        heights = []
        async with aclosing(client.blocks(after=0)) as blocks:
            async for block in blocks:
                heights.append(block["height"])
                if len(heights) == 2:
                    await service.stop(0)
                    await client.call("payments.transfer", to=BOB.id, amount=1)
                if len(heights) == 5:
                    break
        assert heights == [1, 2, 3, 4, 5]


async def test_a_block_that_does_not_follow_the_one_before_is_refused(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await client.call("payments.transfer", to=BOB.id, amount=1)
        genuine = service.nodes[0].block_reading
        service.nodes[0].block_reading = _with_header(genuine, genuine(1)()["header"])  # type: ignore[method-assign]
        assert await _heights(client, 3, after=0) == [1, 2, 3]
        assert client.node == "n1"


def _with_header(genuine: Callable[..., Callable[[], dict[str, Any]]], header: bytes) -> Any:
    def reading(
        height_or_hash: int | bytes, *, transactions: bool = True
    ) -> Callable[[], dict[str, Any]]:
        describe = genuine(height_or_hash, transactions=transactions)
        return lambda: {**describe(), "header": header}

    return reading


# --- whom a height is asked of --------------------------------------------------------------------


def _entered(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Endpoints that are connected to from now on."""
    doors, seen = client._runtime.nodes._doors, list[str]()
    enter = doors.enter

    async def noting(endpoint: str, patience: float) -> Any:
        seen.append(endpoint)
        return await enter(endpoint, patience)

    monkeypatch.setattr(doors, "enter", noting)
    return seen


async def test_f_nodes_beside_the_one_that_is_talked_to_confirm_a_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T06: two of four agree; nobody else is connected to."""
    async with funded(tmp_path, spare=False) as (_, client):
        await client.call("payments.transfer", to=BOB.id, amount=1)
        entered = _entered(client, monkeypatch)
        assert await client.proven_height() == client.height > 0
        assert len(entered) == 1


@pytest.mark.lies
async def test_all_are_asked_where_few_do_not_confirm_a_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T06: the node that named it says so again; the other one of the first two does not."""
    async with funded(tmp_path, spare=False) as (service, client):
        service.orderer.doctor = lambda _, place: replace(place, height=Height(10**9))
        done = await client.call("payments.transfer", to=BOB.id, amount=1)
        service.nodes[0].transaction_lies[done.id] = {"status": "final", "height": 10**9}
        entered = _entered(client, monkeypatch)
        assert await client.proven_height() == service.orderer.height - 1
        assert len(entered) == 3


async def test_who_is_no_validator_of_the_newest_epoch_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: an epoch begins while nodes are asked, and the one that is talked to is not in it."""
    async with funded(tmp_path, spare=False) as (_, client):
        nodes, current = client._runtime.nodes, client._runtime.nodes.current
        assert current is not None
        assert len(await nodes.opinions("node_status")) == 4
        ask = current.ask

        async def and_turn(method: str, **params: Any) -> Any:
            said = await ask(method, **params)
            gone.add(key)
            return said

        key, gone = current.node_key, set[bytes]()
        known = nodes._is_validator
        monkeypatch.setattr(current, "ask", and_turn)
        monkeypatch.setattr(nodes, "_is_validator", lambda one: one not in gone and known(one))
        assert len(await nodes.opinions("node_status")) == 3
