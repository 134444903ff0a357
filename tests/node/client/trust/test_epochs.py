"""A client through the ends of epochs: sessions, refusals, queries and receipts; each call takes
effect once (P6)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import ISSUER, Service, running

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import Digest, Epoch
from strongroom.enclave.formats.envelope import OPENING, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.enclave.outside.trust import grace_in
from strongroom.node.client import Client, Done, Unreachable
from strongroom.node.client.calls import failback, requests, sealing
from strongroom.node.faults import NotReady
from strongroom.node.ledger.place import Place

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000_000


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 0.02)


@asynccontextmanager
async def funded(directory: Path, **options: Any) -> AsyncIterator[tuple[Service, Client]]:
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        async with Client.connect(directory, ALICE, first_endpoint=0, **options) as client:
            yield service, client


def pay(client: Client, amount: int = 1) -> "asyncio.Future[Done]":
    return client.submit_call("payments.transfer", to=BOB.id, amount=amount)


async def balance(client: Client) -> int:
    return int((await client.query("payments.balance")).value)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def epochs_of(service: Service) -> list[tuple[int, bool]]:
    """(epoch, opens a session) of every envelope that any node was given, in order."""
    envelopes = [
        envelope for node in service.nodes for frame in node.submitted for envelope in frame
    ]
    return [
        ((fields := read_envelope(envelope))[2], fields[1] == OPENING) for envelope in envelopes
    ]


async def test_a_session_goes_on_into_the_grace_and_is_replaced_in_its_first_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [0.0]
    monkeypatch.setattr(sealing, "monotonic", lambda: time.monotonic() + later[0])
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn(grace_ms=60_000)
        await until(lambda: client.epoch.epoch == 1)
        await pay(client)
        later[0] += 14.0
        await pay(client)
        later[0] += 17.0
        await pay(client)
        await pay(client)
        assert epochs_of(service) == [(0, True), (0, False), (0, False), (1, True), (1, False)]
        assert await balance(client) == FUNDS - 5


async def test_a_session_of_an_epoch_without_grace_is_replaced_at_once(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn(grace_ms=0)
        await until(lambda: client.epoch.epoch == 1)
        await pay(client)
        assert epochs_of(service) == [(0, True), (1, True)]


async def test_a_session_two_epochs_old_is_replaced_at_once(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn()
        service.orderer.turn()
        await until(lambda: client.epoch.epoch == 2)
        await pay(client)
        assert epochs_of(service) == [(0, True), (2, True)]


async def test_calls_that_met_the_end_of_their_grace_are_sealed_anew_and_take_effect_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: the client has not noticed the end of the epoch at all."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn(grace_ms=0)
        await asyncio.gather(*(pay(client, amount) for amount in (1, 2, 3)))
        assert await balance(client) == FUNDS - 7
        assert client.epoch.epoch == 1
        refused = [place.code for place in service.orderer.places.values() if place.code]
        assert refused == [Code.WRONG_EPOCH] * 3


async def test_an_opening_of_an_epoch_that_just_ended_is_refused_at_the_door_and_sealed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        service.orderer.turn()
        await asyncio.gather(*(pay(client, amount) for amount in (1, 2, 3)))
        assert await balance(client) == FUNDS - 6
        assert (1, True) in epochs_of(service)


async def test_what_was_executed_before_its_epoch_ended_is_found_and_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: the opening with its first call was executed; the answer was lost with the node, and the
    epoch ended."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        service.nodes[0].mute = True
        future = pay(client)
        await until(lambda: service.payments() == 1 and service.orderer.height > 2)
        service.orderer.turn(grace_ms=0)
        await service.stop(0)
        done = await future
        assert done.id == transaction_id(service.nodes[0].submitted[0][0])
        assert await balance(client) == FUNDS - 1


@pytest.mark.lies
async def test_one_nodes_word_that_the_epoch_is_over_seals_nothing_anew(tmp_path: Path) -> None:
    """P6: it keeps the envelope, hopes for a second one, and would order both."""
    async with funded(tmp_path) as (service, client):
        service.nodes[0].swallow = True
        future = pay(client)
        await until(lambda: bool(service.nodes[0].submitted))
        ((envelope,),) = service.nodes[0].submitted
        id = transaction_id(envelope)
        service.nodes[0].transaction_lies[id] = {
            "status": "unknown",
            "epoch": 7,
            "grace_over": True,
        }
        lie = Place(id, 1, 0, int(Code.WRONG_EPOCH), b"")  # type: ignore[arg-type]
        service.nodes[0].swallowed[0].set_result([lie])
        assert (await future).id == id
        assert service.nodes[1].submitted == [[envelope]]


async def test_an_envelope_that_came_too_early_is_not_sealed_anew(tmp_path: Path) -> None:
    """P6: ordered in the epoch before its own it was refused; its host can replay it once its epoch
    is there."""
    async with funded(tmp_path) as (service, client):
        service.orderer.refuse_once = {0: Code.WRONG_EPOCH}
        assert (await pay(client)).result == {"balance": FUNDS - 1}
        envelopes = {
            bytes(envelope)
            for node in service.nodes
            for frame in node.submitted
            for envelope in frame
        }
        assert len(envelopes) == 1


async def test_a_call_within_the_grace_is_not_sealed_anew_on_anyones_word(tmp_path: Path) -> None:
    """P6: in its grace a call can still be executed, whatever was said of it."""
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn(grace_ms=60_000)
        await until(lambda: client.epoch.epoch == 1)
        service.orderer.refuse_once = {1: Code.WRONG_EPOCH}
        assert (await pay(client)).result == {"balance": FUNDS - 2}
        assert epochs_of(service) == [(0, True), (0, False), (0, False)]


async def test_queries_are_sealed_to_the_newest_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        await pay(client)
        service.orderer.turn(grace_ms=0)
        service.orderer.turn(grace_ms=0)
        assert await balance(client) == FUNDS - 1
        assert client.epoch.epoch == 2


async def test_a_single_envelope_refused_at_the_door_is_sealed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        service.orderer.turn()
        id = await client.submit("payments.transfer", to=BOB.id, amount=1)
        await until(lambda: id in service.orderer.places)
        assert service.orderer.places[id].code == 0
        assert epochs_of(service) == [(1, True)]


async def test_a_single_envelope_that_a_node_may_have_taken_is_sealed_anew_once_its_epoch_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: one node gave no answer, the next one says that the epoch is over, and so do f+1."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        service.orderer.turn()
        service.nodes[0].stale = 0
        service.nodes[0].refuse = [NotReady("stopping")]
        await client.submit("payments.transfer", to=BOB.id, amount=1)
        assert service.payments() == 1


async def test_a_single_envelope_whose_epoch_only_one_node_calls_over_has_an_open_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    monkeypatch.setattr(requests, "CONFIRM_SECONDS", 0.0)
    async with funded(tmp_path) as (service, client):
        service.orderer.turn()
        service.nodes[0].stale = 0
        service.nodes[0].refuse = [NotReady("stopping")]
        opinions = client._runtime.nodes.opinions

        async def one(*args: Any, **kwargs: Any) -> Any:
            return (await opinions(*args, **kwargs))[1:2]

        monkeypatch.setattr(client._runtime.nodes, "opinions", one)
        with pytest.raises(Unreachable, match="may still be ordered") as caught:
            await client.submit("payments.transfer", to=BOB.id, amount=1)
        assert caught.value.id is not None
        assert service.payments() == 0


async def test_receipts_of_later_epochs_verify_against_the_same_pin(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        for epoch in range(3):
            done = await pay(client)
            receipt = await done.receipt()
            assert verify_receipt(receipt, client.service.pin).epoch == len(receipt.epochs) == epoch
            service.orderer.turn(grace_ms=0)
            await until(lambda: client.epoch.epoch == epoch + 1)  # noqa: B023


async def test_a_node_that_is_behind_is_passed_over_and_not_distrusted(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.turn()
        await until(lambda: client.epoch.epoch == 1)
        genuine = service.orderer.chain.genesis.description
        service.nodes[1].claims = {"epoch": Epoch(0), "epoch_key_digest": genuine.public_key_digest}
        await service.stop(0)
        await pay(client)
        assert client.node == "n2"
        service.nodes[1].claims = {}
        await service.stop(3)
        await service.stop(2)
        await pay(client)
        assert client.node == "n1"


async def test_a_door_that_is_behind_gets_the_same_envelope_from_another_node(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.turn(grace_ms=0)
        await until(lambda: client.epoch.epoch == 1)
        service.nodes[0].stale = 0
        assert (await pay(client)).result == {"balance": FUNDS - 1}
        assert epochs_of(service) == [(1, True)]
        assert client.node == "n1"


async def test_nodes_that_are_checked_at_once_after_a_turn_all_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: f+1 opinions are wanted just when an epoch has ended, and each node shows how."""
    monkeypatch.setattr(failback, "EPOCH_SECONDS", 1_000)
    async with funded(tmp_path) as (service, client):
        for turns in range(3):
            service.orderer.turn(grace_ms=0)
            assert len(await client._runtime.nodes.opinions("node_status")) == 4
            assert client.epoch.epoch == turns + 1
        known = client.epoch
        trust = client._runtime.trust
        trust.epoch = None
        assert len(await client._runtime.nodes.opinions("node_status")) == 4
        assert trust.epoch is not None
        assert trust.epoch.key == known.key
        first = trust.epoch
        assert len(await client._runtime.nodes.opinions("node_status")) == 4
        assert trust.epoch is first


def test_the_grace_that_a_node_tells_is_bounded() -> None:
    assert grace_in({"grace_ms": 5}) == 5
    assert grace_in({"grace_ms": 10**12}) == 3_600_000
    for shown in (None, {}, {"grace_ms": -1}, {"grace_ms": "5"}, {"grace_ms": True}):
        assert grace_in(shown) in (0, 1)


# --- what members allowed since genesis -----------------------------------------------------------


@pytest.mark.lies
async def test_a_validator_in_a_place_that_members_allowed_since_genesis_is_talked_to(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as service:
        policy = service.orderer.chain.cluster.constitution.policy
        for node in service.nodes:
            node.region = "us-east"
            node.policy = replace(policy, regions=("eu-west", "us-east"))
        async with Client.connect(tmp_path, ISSUER) as client:
            assert (await client.call("payments.issue", to=ISSUER.id, amount=5)).result == {
                "supply": 5
            }


@pytest.mark.lies
async def test_what_members_did_not_allow_and_roots_that_a_node_adds_are_refused(
    tmp_path: Path,
) -> None:
    """T23, T28: the node's word never widens roots."""
    async with running(tmp_path) as service:
        policy = service.orderer.chain.cluster.constitution.policy
        for node in service.nodes:
            node.region = "us-east"
        with pytest.raises(AttestationError) as caught:
            async with Client.connect(tmp_path, ISSUER, timeout=HANG_SECONDS):
                pass
        assert caught.value.reason == "region"
        for node in service.nodes:
            node.policy = replace(
                policy, regions=("eu-west", "us-east"), roots=(Digest(bytes(32)),)
            )
        async with Client.connect(tmp_path, ISSUER) as client:
            assert client.epoch.genesis.constitution.policy.roots == policy.roots


# --- home -----------------------------------------------------------------------------------------


async def test_a_client_returns_to_its_own_node_once_that_serves_again_and_loses_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failback, "HOME_SECONDS", 0.05)
    async with funded(tmp_path) as (service, client):
        await pay(client)
        await service.stop(0)
        await pay(client)
        assert client.node != "n0"
        calls = [pay(client) for _ in range(20)]
        await service.start(0)
        while client.node != "n0":
            calls.append(pay(client))
            await asyncio.sleep(0.002)
        calls.append(pay(client))
        await asyncio.gather(*calls)
        assert client.node == "n0"
        assert await balance(client) == FUNDS - 2 - len(calls)


async def test_a_client_does_not_return_to_a_node_that_does_not_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failback, "HOME_SECONDS", 0.02)
    async with funded(tmp_path) as (service, client):
        await service.stop(0)
        await pay(client)
        service.nodes[0].state = "syncing"
        await service.start(0)
        for _ in range(10):
            await pay(client)
            await asyncio.sleep(0.02)
        assert client.node != "n0"
