"""An operator's own node comes to a running service: a door is believed nothing that the pin does
not show."""

import shutil
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import make_cluster_genesis, strange_manufacturer
from tests.node.host.test_checking import Stoppable
from tests.node.membership.ceremony_world import (
    CODE,
    KILLS_MAX,
    Killed,
    Organisation,
    kill_at,
    organisation,
    run_in_process,
    world,
)

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.proofs.genesis import pin_of, verify_genesis
from strongroom.node import config as node_config
from strongroom.node import tls
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.cluster import arriving, publishing
from strongroom.node.cluster.arriving import arrive
from strongroom.node.config import Address
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.layout import SEALED_STATE
from strongroom.node.membership import ceremony_party
from strongroom.node.membership.ceremony_answers import FoundingFile
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.rpc import probe

DOOR = Address("127.0.0.2", 7400)


@pytest.fixture
async def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Organisation, str]:
    """A fifth organisation, and the pin of a service that runs; its door answers honestly."""
    run_in_process(monkeypatch, lambda _: CODE)
    made = await (await (await world(tmp_path)).accept()).make()
    genesis = FoundingFile.decode(made.founding).genesis
    cards = [one.card for one in made.organisations]
    answer(monkeypatch, genesis, [node(card) for card in cards])

    async def start(chip: Path, _log: Path) -> Stoppable:
        return Stoppable(Lifecycle(SimulatedChip.load(chip), CODE))

    monkeypatch.setattr(EnclaveClient, "start", start)
    monkeypatch.setattr(arriving, "_certificate", lambda _: cards[0].certificate)
    return await organisation(tmp_path, "bank5", 5), verify_genesis(genesis).pin


def node(card: Card) -> dict[str, Any]:
    endpoint = f"https://{card.rpc}"
    return {"name": card.node, "peer": card.peer, "endpoint": endpoint, "status": "validator"}


def answer(monkeypatch: pytest.MonkeyPatch, genesis: bytes, nodes: object) -> None:
    """What every door says."""
    said = {
        "service_info": {"genesis": b64encode(genesis).decode()},
        "service_nodes": nodes,
    }
    monkeypatch.setattr(probe, "ask", lambda _door, _context, method, **_: said[method])


async def test_a_newcomer_takes_the_genesis_of_its_pin_and_says_what_members_must_allow(
    newcomer: tuple[Organisation, str],
) -> None:
    one, pin = newcomer
    arrived = await arrive(one.party, door=DOOR, pin=pin)
    card = one.card
    assert arrived.changes == (
        f"allow_operator operator=bank5 key={card.operator_key.hex()}",
        f"allow_chip operator=bank5 chip={card.chip_id.hex()}",
    )
    config = node_config.load(one.layout.config)
    assert sorted(peer.name for peer in config.peers) == ["n1", "n2", "n3", "n4"]
    genesis = config.genesis.read_bytes()
    assert verify_genesis(genesis).pin == pin
    sealed = (one.layout.sealed / SEALED_STATE).read_bytes()
    Lifecycle(SimulatedChip.load(one.layout.chip), CODE).unseal(sealed, genesis)
    again = await arrive(one.party, door=DOOR, pin=pin)  # whoever lost what was printed
    assert (again.changes, again.peers) == (arrived.changes, config.peers)
    assert (one.layout.sealed / SEALED_STATE).read_bytes() == sealed
    one.layout.cluster.genesis.write_bytes(b"another")
    with pytest.raises(OperatorFault, match="has keys of a service already"):
        await arrive(one.party, door=DOOR, pin=pin)


async def test_whoever_was_killed_while_it_joined_joins_again(
    newcomer: tuple[Organisation, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, pin = newcomer
    modules = (arriving, publishing)
    before = tmp_path / "before"
    shutil.copytree(one.layout.cluster.directory, before)
    for at in range(KILLS_MAX):
        shutil.rmtree(one.layout.cluster.directory)
        shutil.copytree(before, one.layout.cluster.directory)
        with monkeypatch.context() as patched, suppress(Killed):
            kill_at(patched, modules, at)
            await arrive(one.party, door=DOOR, pin=pin)
            break
        await arrive(one.party, door=DOOR, pin=pin)
        config = node_config.load(one.layout.config)
        assert len(config.peers) == 4
        assert one.layout.cluster.service.exists()
        state = (one.layout.sealed / SEALED_STATE).read_bytes()
        genesis = one.layout.cluster.genesis.read_bytes()
        Lifecycle(SimulatedChip.load(one.layout.chip), CODE).unseal(state, genesis)
    assert 8 <= at < KILLS_MAX - 1


async def test_another_service_at_the_door_is_not_joined(
    newcomer: tuple[Organisation, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, pin = newcomer
    other = make_cluster_genesis(1)
    answer(monkeypatch, other.genesis, [])
    with pytest.raises(NotTrusted, match=pin_of(other.verified.chain)):
        await arrive(one.party, door=DOOR, pin=pin)
    with pytest.raises(ClientFault, match="this one was cut or mistyped"):
        await arrive(one.party, door=DOOR, pin=pin[:-1])
    for nothing in (b"", b"no genesis"):
        answer(monkeypatch, nothing, [])
        with pytest.raises(NotTrusted):
            await arrive(one.party, door=DOOR, pin=pin)
    assert not one.layout.cluster.genesis.exists()
    assert not one.layout.sealed.exists()


async def test_a_door_that_is_closed_is_unreachable(
    newcomer: tuple[Organisation, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, pin = newcomer

    def nobody(*_: object, **__: object) -> None:
        raise probe.NoAnswer(f"{DOOR}: connection refused")

    monkeypatch.setattr(probe, "ask", nobody)
    with pytest.raises(Unreachable, match="no node answers at 127"):
        await arrive(one.party, door=DOOR, pin=pin)


async def test_addresses_that_nobody_could_dial_are_left_out(
    newcomer: tuple[Organisation, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, pin = newcomer
    context = tls.dial_context()
    shown = probe.ask(DOOR, context, "service_nodes", seconds=1)
    data = b64decode(probe.ask(DOOR, context, "service_info", seconds=1)["genesis"])
    bad = [
        {**shown[0], "peer": "0.0.0.0:7410"},
        {**shown[1], "endpoint": "https://[::]:7400"},
        {**shown[2], "peer": None},
        None,
        {"name": "n9"},
    ]
    answer(monkeypatch, data, [*bad, shown[3]])
    arrived = await arrive(one.party, door=DOOR, pin=pin)
    assert [peer.name for peer in arrived.peers] == ["n4"]


async def test_a_name_that_is_taken_and_a_maker_that_is_unknown_are_refused(
    newcomer: tuple[Organisation, str], tmp_path: Path
) -> None:
    one, pin = newcomer
    twin = await organisation(tmp_path / "elsewhere", "bank6", 4)
    with pytest.raises(OperatorFault, match="a node n4 is there already"):
        await arrive(twin.party, door=DOOR, pin=pin)
    strange_manufacturer().make_chip().save(one.layout.chip)
    await ceremony_party.make_card(
        one.party,
        operator="bank5",
        member="bank5",
        region="zurich",
        country="",
        credential=one.card.credential,
    )
    with pytest.raises(OperatorFault, match="is none of this service's"):
        await arrive(one.party, door=DOOR, pin=pin)
