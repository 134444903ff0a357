"""A client that nodes let in only with a credential: it learns so at once, and nothing of it is
ordered by whoever says otherwise (P6)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.node.client.ledger import Service, running

from strongroom.node.client import Client, Done, NoCredential
from strongroom.node.client.calls.letting_in import LettingIn
from strongroom.node.credentials import Credential
from strongroom.node.faults import Refused
from strongroom.node.layout import ClusterLayout
from strongroom.node.organisations import DoorPolicy, Organisation
from strongroom.node.rpc.door import REASON, Door
from strongroom.node.terminal.exits import ExitCode, exit_code_of

ALICE, BOB = person("alice"), person("bob")
PAYMENT = {"to": BOB.id, "amount": 1}
NEVER = 45
"""Seconds: who waits so long for an answer has found no door shut."""


def shut() -> Door:
    return Door(DoorPolicy())


@asynccontextmanager
async def at_doors(
    directory: Path, *doors: int, credential: bool = False
) -> AsyncIterator[tuple[Service, Client]]:
    """A client of which the nodes `doors` take nothing; all others are open."""
    if credential:
        Credential.fresh().save(ClusterLayout(directory).credential)
    async with running(directory) as service:
        for index in doors:
            await service.stop(index)
            service.doors[index] = shut()
            await service.start(index)
        service.fund(ALICE, 100)
        async with Client.connect(directory, ALICE, first_endpoint=0, timeout=NEVER) as client:
            yield service, client


ASKED: dict[str, Any] = {
    "call": lambda client: client.call("payments.transfer", **PAYMENT),
    "submit": lambda client: client.submit("payments.transfer", **PAYMENT),
    "query": lambda client: client.query("payments.balance"),
    "governance": lambda client: client.request("governance_submit", envelope=b"one"),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_where_all_doors_are_shut_it_ends_at_once_and_nothing_was_sent(
    tmp_path: Path, asked: str
) -> None:
    async with at_doors(tmp_path, 0, 1, 2, 3) as (service, client):
        for _ in range(2):  # a second time as well
            with pytest.raises(NoCredential, match="file `credential`") as caught:
                await ASKED[asked](client)
            assert caught.value.id is None
            assert exit_code_of(caught.value) is ExitCode.USAGE
        assert service.payments() == 0


async def test_all_calls_that_wait_end_then_and_a_later_one_tries_again(tmp_path: Path) -> None:
    async with at_doors(tmp_path, 0, 1, 2, 3) as (service, client):
        many = [client.submit_call("payments.transfer", **PAYMENT) for _ in range(5)]
        for one in many:
            with pytest.raises(NoCredential):
                await one
        await service.stop(2)
        service.doors[2] = Door(DoorPolicy(open=True))
        await service.start(2)
        assert isinstance(await client.call("payments.transfer", **PAYMENT), Done)
        assert service.payments() == 1


@pytest.mark.parametrize("asked", [one for one in ASKED if one != "governance"])
async def test_where_one_door_is_open_it_goes_through_that_one(tmp_path: Path, asked: str) -> None:
    async with at_doors(tmp_path, 0, 1, 3) as (service, client):
        await ASKED[asked](client)
        assert client.node == "n2"
        assert service.payments() == (asked != "query")


@pytest.mark.parametrize("asked", ["call", "submit"])
async def test_a_credential_that_no_node_knows_is_told_as_that(tmp_path: Path, asked: str) -> None:
    """With the id: whoever refused it had seen it."""
    async with at_doors(tmp_path, 0, 1, 2, 3, credential=True) as (_, client):
        with pytest.raises(NoCredential, match="no node knows") as caught:
            await ASKED[asked](client)
        assert caught.value.id is not None


async def test_a_credential_that_they_know_opens_the_doors(tmp_path: Path) -> None:
    one = Credential.fresh()
    one.save(ClusterLayout(tmp_path).credential)
    async with running(tmp_path) as service:
        policy = DoorPolicy(organisations=(Organisation(name="bank", digest=one.digest),))
        for index in range(4):
            await service.stop(index)
            service.doors[index] = Door(policy)
            await service.start(index)
        service.fund(ALICE, 100)
        async with Client.connect(tmp_path, ALICE) as client:
            assert isinstance(await client.call("payments.transfer", **PAYMENT), Done)


def test_one_liar_that_says_so_of_every_door_shuts_its_own_alone() -> None:
    letting_in = LettingIn(["a", "b"], credential=True)
    fault = Refused("no", reason=REASON)
    assert letting_in.shut("a", fault) is None
    assert letting_in.shut("a", fault) is None
    assert letting_in.shut("b", Refused("no", reason="unknown session")) is None
    letting_in.taken()
    assert letting_in.shut("b", fault) is None
    assert letting_in.shut("a", fault) is not None
