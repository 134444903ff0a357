"""A call whose block had no room for it takes effect once, whoever lies about that (P2, P6)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.node.client.calls.test_pipeline import ALICE, FUNDS, balance, funded, pay
from tests.node.client.ledger import FakeNode, Service

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch, Height, Milliseconds, TransactionId
from strongroom.enclave.formats.envelope import CALL, transaction_id
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.formats.size_classes import RESULT_SIZES, pad
from strongroom.enclave.programs.runner import STEPS_MAX, Runner
from strongroom.node.client import Client, Done, ProgramFailed, Unreachable
from strongroom.node.client.calls import no_room, waiting
from strongroom.node.client.calls.in_flight import NO_ROOM_MAX
from strongroom.node.faults import NotYet
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Blob, Document

PROOF_SECONDS = 3.0


def broken_enclave(service: Service) -> Callable[[bytes, Place], Place]:
    """Seals `no room` for every call, with the session's own reply key."""
    executor: Any = service.orderer.chain.executor

    def lie(envelope: bytes, place: Place) -> Place:
        fields = read_envelope(envelope)
        sid, sequence = sha256(envelope).digest(), 0
        if fields[1] == CALL:
            sid, sequence = fields[3], fields[4]
        table = executor._tables.current
        session = table.find(sid)
        keys = session.keys or table.keys_of(sid, session)
        said = pad(codec.encode_value((False, ("no room", "full"), None)), RESULT_SIZES)
        prefix = executor._result_prefix
        return replace(place, result=keys.reply.seal(sequence, said, prefix + place.id))

    return lie


def crowd(monkeypatch: pytest.MonkeyPatch, is_full: Callable[[], bool]) -> None:
    """Blocks have no room for a program, as long as it is so."""
    begin = Runner.at

    def at(self: Runner, height: Height, time_ms: Milliseconds, epoch: Epoch) -> None:
        begin(self, height, time_ms, epoch)
        if is_full():
            self._steps = -STEPS_MAX  # nor for what its own bytes bring

    monkeypatch.setattr(Runner, "at", at)


def withhold(monkeypatch: pytest.MonkeyPatch, node: FakeNode) -> asyncio.Event:
    """This node has no receipt, ever; set once it was asked for one."""
    asked = asyncio.Event()

    def receipt(_id: TransactionId) -> Document:
        asked.set()
        raise NotYet("not anchored")

    monkeypatch.setattr(node, "receipt", receipt)
    return asked


def envelopes(service: Service) -> list[bytes]:
    """All different ones that any node was given, in the order of the nodes."""
    given = [one for node in service.nodes for frame in node.submitted for one in frame]
    return list(dict.fromkeys(given))


def full_once(service: Service) -> Callable[[], bool]:
    return lambda: len(envelopes(service)) < 2


async def balance_of(service: Service) -> int:
    """By a client that has no quarrel with any node."""
    async with Client.connect(service.directory, ALICE) as client:
        return await balance(client)


# --- lies -----------------------------------------------------------------------------------------


async def test_a_payment_of_which_one_broken_enclave_says_no_room_is_made_once(
    tmp_path: Path,
) -> None:
    """It executed it, and hopes for a second one."""
    async with funded(tmp_path) as (service, client):
        lie, left = broken_enclave(service), [1]

        def lie_once(envelope: bytes, place: Place) -> Place:
            return lie(envelope, place) if left and left.pop() else place

        service.orderer.doctor = lie_once
        done = await pay(client, 1)
        (only,) = envelopes(service)
        assert (done.id, done.result) == (transaction_id(only), {"balance": FUNDS - 1})
        assert client.node == "n1"
        assert await balance(client) == FUNDS - 1


async def test_a_payment_of_which_all_nodes_say_no_room_against_its_receipt_is_made_once(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (service, client):
        client._runtime.proofs._seconds_max = PROOF_SECONDS
        service.orderer.doctor = broken_enclave(service)
        with pytest.raises(Unreachable, match="may have taken effect") as caught:
            await pay(client, 1)
        (only,) = envelopes(service)
        assert caught.value.id == transaction_id(only)
        service.orderer.doctor = None
        assert await balance_of(service) == FUNDS - 1


async def test_a_liar_that_ordered_nothing_is_left_and_the_same_envelope_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_room, "PATIENCE_SECONDS", 0.05)
    async with funded(tmp_path) as (service, client):
        await pay(client, 1)
        service.nodes[0].swallow = True
        calls = [pay(client, 1) for _ in range(3)]
        while not service.nodes[0].swallowed:
            await asyncio.sleep(0)
        frame, lie = service.nodes[0].submitted[1], broken_enclave(service)
        places = [Place(transaction_id(one), Height(9), 0, 0, b"") for one in frame]
        told = [lie(one, place) for one, place in zip(frame, places, strict=True)]
        service.nodes[0].swallowed[0].set_result(told)
        done = await asyncio.gather(*calls)
        assert [one.id for one in done] == [transaction_id(one) for one in frame]
        assert [one.result["balance"] for one in done] == [FUNDS - 2 - n for n in range(3)]
        assert service.nodes[1].submitted[0] == frame


@pytest.mark.lies
async def test_where_a_duplicate_was_executed_the_word_of_one_liar_hides_no_result(
    tmp_path: Path,
) -> None:
    """All others tell what it came to, and the liar is asked first."""
    async with funded(tmp_path) as (service, client):
        lie, node = broken_enclave(service), service.nodes[0]
        service.orderer.honest_duplicates = True

        def lie_once(envelope: bytes, place: Place) -> Place:
            service.orderer.doctor = None
            told = lie(envelope, place)
            node.transaction_lies[place.id] = {
                **{"id": place.id, "status": "final", "code": 0, "refusal": None},
                **{"height": place.height, "index": place.index, "result": Blob(told.result)},
            }
            return told

        service.orderer.doctor = lie_once
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}
        assert len(envelopes(service)) == 1
        assert client.node == "n1"


async def test_the_node_after_a_liar_has_its_time_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its receipt gives the lie to the one before, not to itself."""
    async with funded(tmp_path) as (service, client):
        lie, node, looks = broken_enclave(service), service.nodes[1], list[bytes]()
        honest, node.swallow = node.receipt, True

        def receipt(id: TransactionId) -> Document:
            looks.append(id)
            if len(looks) == 3 and node.swallowed:
                node.swallowed[0].set_result([service.orderer.places[id]])
            elif len(looks) > 2:
                looks.pop()
            return honest(id)

        monkeypatch.setattr(node, "receipt", receipt)
        service.orderer.doctor = lie
        done = await pay(client, 1)
        assert (done.result, client.node) == ({"balance": FUNDS - 1}, "n1")
        assert len(envelopes(service)) == 1


@pytest.mark.lies
async def test_what_is_no_receipt_proves_nothing_and_its_node_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (service, client):
        crowd(monkeypatch, full_once(service))
        monkeypatch.setattr(service.nodes[0], "receipt", lambda _id: {"format": "no receipt"})
        assert (await pay(client, 1)).result == {"balance": FUNDS - 1}
        assert client.node == "n1"


async def test_the_receipt_of_another_transaction_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that was executed too, with another result."""
    async with funded(tmp_path) as (service, client):
        other, honest = await pay(client, 1), service.nodes[0].receipt
        crowd(monkeypatch, lambda: len(envelopes(service)) < 3)
        monkeypatch.setattr(service.nodes[0], "receipt", lambda _id: honest(other.id))
        assert (await pay(client, 1)).result == {"balance": FUNDS - 2}
        assert client.node == "n1"


# --- the truth ------------------------------------------------------------------------------------


async def test_a_payment_that_truly_had_no_room_is_sealed_anew_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (service, client):
        crowd(monkeypatch, full_once(service))
        done = await pay(client, 1)
        assert [transaction_id(one) for one in envelopes(service)][1:] == [done.id]
        assert client.node == "n0"
        assert await balance(client) == FUNDS - 1


async def test_a_call_that_never_has_room_ends_with_the_proven_place_of_its_last_envelope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (service, client):
        crowd(monkeypatch, lambda: True)
        with pytest.raises(ProgramFailed, match="no room") as caught:
            await pay(client, 1)
        fault, sent = caught.value, envelopes(service)
        assert len(sent) == NO_ROOM_MAX + 1
        assert fault.id == transaction_id(sent[-1])
        place = service.orderer.places[fault.id]
        assert (fault.height, fault.index) == (place.height, place.index)


async def test_without_a_receipt_the_fate_is_open_and_other_calls_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_room, "PATIENCE_SECONDS", 0.2)
    async with funded(tmp_path) as (service, client):
        client._runtime.proofs._seconds_max = PROOF_SECONDS
        crowd(monkeypatch, full_once(service))
        for node in service.nodes:
            withhold(monkeypatch, node)
        call = pay(client, 1)
        while not service.payments():
            await asyncio.sleep(0)
        others = await asyncio.gather(*(pay(client, 1) for _ in range(20)))
        assert [one.result["balance"] for one in others] == [FUNDS - 1 - n for n in range(20)]
        with pytest.raises(Unreachable, match="no receipt proves") as caught:
            await call
        assert caught.value.id == transaction_id(envelopes(service)[0])
        assert len(envelopes(service)) == 21
        assert not client._runtime.pipeline.busy
        assert (await pay(client, 1)).result == {"balance": FUNDS - 21}


async def test_when_the_node_dies_meanwhile_another_one_proves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funded(tmp_path) as (service, client):
        crowd(monkeypatch, full_once(service))
        asked = withhold(monkeypatch, service.nodes[0])
        call = pay(client, 1)
        await asked.wait()
        await service.stop(0)
        done: Done = await call
        first, second = envelopes(service)
        assert done.id == transaction_id(second)
        assert service.nodes[1].submitted == [[first], [second]]
        assert await balance(client) == FUNDS - 1


async def test_a_call_that_nobody_waits_for_is_not_sealed_anew_and_frees_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: not because the node is left, or the time is over."""
    monkeypatch.setattr(no_room, "PATIENCE_SECONDS", 10 * HANG_SECONDS)
    monkeypatch.setattr(waiting, "STALL_SECONDS_MIN", 10 * HANG_SECONDS)
    async with funded(tmp_path) as (service, client):
        client._runtime.proofs._seconds_max = 10 * HANG_SECONDS
        crowd(monkeypatch, full_once(service))
        asked = withhold(monkeypatch, service.nodes[0])
        call = pay(client, 1)
        await asked.wait()
        call.cancel()
        while client._runtime.pipeline.busy:
            await asyncio.sleep(0)
        assert len(envelopes(service)) == 1
