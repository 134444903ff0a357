"""Catching up by outcomes: nothing that a peer says reaches the enclave before an anchor proves it (T34)."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import Chain

from strongroom.consensus.blocks import Header
from strongroom.consensus.host_messages import OutcomeRequest, Outcomes
from strongroom.consensus.messages import decode_message
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.requests import Refusal
from strongroom.node.follower import Follower
from strongroom.node.ledger.store import BlockStore
from strongroom.node.stored import StoredBlock

PEER = PublicKey(bytes(31) + b"p")


@dataclass
class StandInEnclave:
    """Cannot execute; applies what it is given."""

    applied: list[Height] = field(default_factory=list)
    confirmed: list[Height] = field(default_factory=list)

    async def status(self) -> Any:
        @dataclass
        class Status:
            executed: int

        return Status(len(self.applied))

    async def apply(self, headers: list[Header], _outcomes: list[bytes]) -> None:
        self.applied += [header.height for header in headers]

    async def confirm(self, headers: list[Header], _certificate: Certificate) -> None:
        self.confirmed.append(headers[-1].height)


@dataclass
class StandInPipeline:
    """Behind, from genesis on."""

    store: BlockStore
    behind: asyncio.Event = field(default_factory=asyncio.Event)
    reached: Height = field(default_factory=lambda: Height(0))

    async def execute(self, *_: object) -> None:
        raise Refusal("KeysNeeded", "", "no such secret")

    async def record_outcomes(self, headers: list[Header], encoded: list[bytes], outcomes: list[Outcome]) -> None:
        for header, data, outcome in zip(headers, encoded, outcomes, strict=True):
            self.store.append_outcome(header.height, data, outcome.ids_and_codes())
            self.reached = header.height


@dataclass
class StandInLinks:
    """One linked node; keeps what it is asked."""

    links: dict[PublicKey, object] = field(default_factory=lambda: {PEER: None})
    asked: list[object] = field(default_factory=list)

    def send_to(self, _to: PublicKey, message: bytes) -> None:
        self.asked.append(decode_message(message))


class NoSnapshots:
    """Nobody offers a snapshot."""

    is_on = False

    def ask(self) -> None:
        """Nothing to ask for."""


@dataclass
class Bench:
    """A follower among stand-ins, on a real chain of five blocks."""

    chain: Chain
    follower: Follower
    enclave: StandInEnclave
    pipeline: StandInPipeline
    links: StandInLinks


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    chain = Chain()
    for _ in range(5):
        chain.commit()
    store = BlockStore.open(tmp_path, lambda _: ())
    for made in chain.blocks:
        store.append_block(made.header.height, StoredBlock(made.header, chain.certificate(made.header), ()).encode())
    store.sync()
    enclave, pipeline, links = StandInEnclave(), StandInPipeline(store), StandInLinks()
    pipeline.behind.set()
    loose: dict[str, Any] = {"enclave": enclave, "pipeline": pipeline, "links": links, "seeker": NoSnapshots()}
    yield Bench(chain, Follower(genesis=chain.genesis.header, store=store, **loose), enclave, pipeline, links)
    store.close()


def outcomes_of(chain: Chain) -> list[bytes]:
    return [outcome.encode() for outcome in chain.outcomes]


async def test_outcomes_are_applied_up_to_the_newest_anchor_and_confirmed_by_the_block_that_has_it(
    bench: Bench,
) -> None:
    assert not await bench.follower._advance()
    assert bench.links.asked == [OutcomeRequest(Height(1))]
    bench.follower.take(PEER, Outcomes(Height(1), tuple(outcomes_of(bench.chain))))
    anchored = bench.chain.blocks[-1].header.anchor.height
    assert anchored > 0
    assert await bench.follower._advance()
    assert (bench.enclave.applied, bench.enclave.confirmed) == (list(range(1, anchored + 1)), [5])
    assert bench.pipeline.reached == anchored


async def test_T34_a_forged_outcome_never_reaches_the_enclave_and_another_peer_is_asked(bench: Bench) -> None:
    """T34: CONFIRM would refuse it, and the process with it would be of no more use."""
    good = outcomes_of(bench.chain)
    forged = bench.chain.outcomes[1]
    lie = Outcome.decode(forged.encode())
    object.__setattr__(lie, "write_set", bytes(len(lie.write_set)))
    bench.follower.take(PEER, Outcomes(Height(1), (good[0], lie.encode(), *good[2:])))
    assert not await bench.follower._advance()
    assert (bench.enclave.applied, bench.links.asked) == ([], [OutcomeRequest(Height(1))])
    bench.follower.take(PEER, Outcomes(Height(1), tuple(good)))
    assert await bench.follower._advance()
    assert bench.enclave.applied == list(range(1, bench.pipeline.reached + 1))
