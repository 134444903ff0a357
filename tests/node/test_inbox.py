"""Whose message counts in this epoch, and what others are told (PROTOCOL R0, R16; §10 rows 12, 39)."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.events import Received
from strongroom.consensus.host_messages import EpochRequest
from strongroom.consensus.messages import Message, VoteMessage, decode_message, encode_message
from strongroom.consensus.statements import Vote
from strongroom.consensus.types import Epoch, PublicKey, SignerIndex
from strongroom.node.inbox import EARLY_MESSAGES_MAX, Inbox

EPOCH = samples.EPOCH.epoch
MEMBER = samples.EPOCH.validators[1].node_key
STRANGER = PublicKey(bytes(31) + b"s")


@dataclass
class StandInLinks:
    """Knows the epoch's members; keeps what is sent."""

    sent: list[tuple[PublicKey, Message]] = field(default_factory=list)

    def index_of(self, peer: PublicKey) -> SignerIndex | None:
        return samples.EPOCH.index_of(peer)

    def send_to(self, to: PublicKey, message: bytes) -> None:
        self.sent.append((to, decode_message(message)))


@dataclass
class StandInServing:
    """Keeps who is told of epochs."""

    told: list[tuple[PublicKey, Epoch]] = field(default_factory=list)

    def send_epochs(self, to: PublicKey, start: Epoch) -> None:
        self.told.append((to, start))


@dataclass
class StandInDriver:
    """Keeps what reaches the replica."""

    came: list[tuple[SignerIndex, object]] = field(default_factory=list)
    replica: Any = None

    def put_from_peer(self, sender: SignerIndex, event: object) -> None:
        self.came.append((sender, event))


@dataclass
class StandInEpochs:
    """Nothing later than the samples' epoch is known."""

    newest: Any = samples.EPOCH
    anchor: Any = samples.HEADER


@dataclass
class Bench:
    """An inbox among stand-ins."""

    inbox: Inbox
    links: StandInLinks
    serving: StandInServing
    driver: StandInDriver


@pytest.fixture
def bench() -> Bench:
    links, serving, driver = StandInLinks(), StandInServing(), StandInDriver()
    unused = dict.fromkeys(("office", "heads", "batches", "spawn_head_answer"))
    loose: dict[str, Any] = {"links": links, "serving": serving, "epochs": StandInEpochs(), **unused}
    inbox = Inbox(members=samples.EPOCH, faults=Counter(), **loose)
    loose["driver"] = driver
    inbox.driver = loose["driver"]
    return Bench(inbox, links, serving, driver)


def vote_of(epoch: int) -> VoteMessage:
    statement = replace(samples.STATEMENTS["nullify"], epoch=Epoch(epoch))
    return VoteMessage(Vote(statement, SignerIndex(1), samples.signature(1)))


async def test_only_members_of_the_epoch_reach_the_replica(bench: Bench) -> None:
    """Row 39: a removed validator votes on: its link stands, it is served, and its votes never count."""
    for sender in (STRANGER, MEMBER):
        bench.inbox.receive(sender, encode_message(vote_of(EPOCH)))
    assert bench.driver.came == [(SignerIndex(1), Received(SignerIndex(1), vote_of(EPOCH)))]


async def test_a_message_of_an_older_epoch_is_answered_with_how_the_next_one_was_opened(bench: Bench) -> None:
    """R0: below mine, answer EPOCH."""
    bench.inbox.receive(MEMBER, encode_message(vote_of(EPOCH - 1)))
    assert (bench.driver.came, bench.serving.told) == ([], [(MEMBER, EPOCH)])


async def test_a_message_of_the_next_epoch_waits_for_it_and_how_it_was_opened_is_asked_once(bench: Bench) -> None:
    """R0: above mine, EPOCH_REQ. Whoever is a moment behind misses no proposal of the new epoch."""
    for _ in range(3):
        bench.inbox.receive(MEMBER, encode_message(vote_of(EPOCH + 1)))
    assert bench.driver.came == []
    assert bench.links.sent == [(MEMBER, EpochRequest(Epoch(EPOCH + 1)))]
    assert list(bench.inbox.early) == [(MEMBER, vote_of(EPOCH + 1))] * 3


async def test_T31_messages_that_come_too_early_are_bounded(bench: Bench) -> None:
    for _ in range(2 * EARLY_MESSAGES_MAX):
        bench.inbox.receive(MEMBER, encode_message(vote_of(EPOCH + 1)))
    bench.inbox.receive(MEMBER, encode_message(vote_of(EPOCH + 2)))
    assert len(bench.inbox.early) == EARLY_MESSAGES_MAX
    assert all(message == vote_of(EPOCH + 1) for _, message in bench.inbox.early)
