"""A node that can link to too few validators looks round at front doors, and believes none of them
(PROTOCOL §6)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.succession import Succession, after_epochs
from tests.hang import HANG_SECONDS

from strongroom.consensus.types import Epoch, PublicKey
from strongroom.enclave.outside.epochs_shown import follow_epochs
from strongroom.enclave.proofs.genesis import epoch_chain
from strongroom.node.api.public_state import epoch_documents
from strongroom.node.client.errors import NotTrusted
from strongroom.node.config import Address, NodeConfig, Peer
from strongroom.node.membership import acquaintance
from strongroom.node.membership.acquaintance import Acquaintance
from strongroom.node.network.address_book import PeerBook
from strongroom.node.rpc import probe
from strongroom.node.rpc.jsonrpc import encode_json

OWN = PublicKey(bytes(32))
DOORS = (Address("127.0.0.1", 1), Address("127.0.0.1", 2))


class Street:
    """Two doors, and what each of them answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Callable[[str], Any]) -> None:
        self.chain: Succession = after_epochs(3)
        self.epochs = epoch_chain(self.chain.genesis)
        self.book = PeerBook(OWN)
        self.asked: list[tuple[Address, str]] = []
        self.refused: list[str] = []

        def ask(door: Address, _context: object, method: str, *_: object, seconds: float) -> Any:
            assert seconds > 0
            self.asked.append((door, method))
            answer = answers(method)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(probe, "ask", ask)
        monkeypatch.setattr(acquaintance, "LOOK_SECONDS", 0)
        monkeypatch.setattr(acquaintance, "ALONE_SECONDS", 0)
        peers = tuple(
            Peer(f"n{at}", Address("127.0.0.1", 9), rpc=door) for at, door in enumerate(DOORS)
        )
        anywhere = Path("/nowhere")
        config = NodeConfig(
            name="n9",
            directory=anywhere,
            genesis=anywhere,
            rpc=DOORS[0],
            peer=DOORS[0],
            peers=peers,
        )
        self.made = Acquaintance(
            config=config, epochs=self.epochs, book=self.book, follow=self._follow
        )

    async def _follow(self, ask: Callable[..., Awaitable[Any]]) -> None:
        try:
            await follow_epochs(ask, self.epochs)
        except NotTrusted as fault:
            self.refused.append(str(fault))

    def documents(self) -> Any:
        shown = epoch_documents(
            self.chain.genesis, self.chain.epochs, int(self.epochs.newest.epoch) + 1, None
        )
        return json.loads(encode_json(shown))


async def test_epochs_and_places_of_the_newest_validators_are_learned_at_any_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(method: str) -> Any:
        if method == "service_epochs":
            return street.documents()
        keys = [one.node_key.hex() for one in street.chain.description.validators]
        return [
            {"node_key": key, "name": f"m{at}", "peer": f"127.0.0.1:{at + 1}"}
            for at, key in enumerate(keys)
        ] + [{"node_key": (b"stranger" * 4).hex(), "name": "x", "peer": "127.0.0.1:7"}]

    street = Street(monkeypatch, answers)
    await street.made.look()
    assert street.epochs.newest.epoch == Epoch(3)
    assert set(street.book.addresses) == {
        one.node_key for one in street.chain.description.validators
    }


@pytest.mark.parametrize(
    "shown",
    [
        None,
        [],
        {},
        "text",
        [None, 5, "x", [], {}],
        [{"node_key": 5, "name": "x", "peer": "127.0.0.1:1"}],
        [{"node_key": "zz", "name": "x", "peer": "127.0.0.1:1"}],
        [{"node_key": "00" * 31, "name": "x", "peer": "127.0.0.1:1"}],
        [{"node_key": "00" * 32, "name": None, "peer": None}],
    ],
)
async def test_T31_whatever_a_door_shows_teaches_nothing_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, shown: Any
) -> None:
    street = Street(monkeypatch, lambda _: shown)
    await street.made.look()
    assert (street.epochs.newest.epoch, street.book.addresses) == (Epoch(0), {})


async def test_a_door_that_shows_another_succession_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(method: str) -> Any:
        return json.loads(encode_json(epoch_documents(other.genesis, other.epochs, 1, None)))

    other = Succession(make_cluster_genesis())
    other.commit()
    other.end_epoch()
    street = Street(monkeypatch, answers)
    await street.made.look()
    assert street.epochs.newest.epoch == Epoch(0)
    assert len(street.refused) == 1


async def test_doors_are_asked_in_turn_until_the_newest_ledger_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = Street(monkeypatch, lambda _: probe.NoAnswer("nobody"))
    await asyncio.wait_for(street.made.look_until(lambda: len(street.asked) >= 4), HANG_SECONDS)
    assert [door for door, _ in street.asked] == [*DOORS, *DOORS]


def test_an_answer_nested_beyond_all_measure_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_exchange", lambda *_: (200, b"[" * 200_000))
    with pytest.raises(probe.NoAnswer):
        probe.ask(DOORS[0], None, "service_nodes", seconds=1.0)  # type: ignore[arg-type]
