"""The driver's one duty: each effect before the next, over a real log, and one fsync a turn."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.consensus import samples
from tests.hang import HANG_SECONDS

from strongroom.consensus.messages import BatchMessage, Message, VoteMessage, decode_message
from strongroom.consensus.replica.events import Cast, Now
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import PublicKey, Signature, SignerIndex
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.ordering.driver import TURN_EVENTS_MAX, Driver, Hands
from strongroom.node.ordering.effects import (
    Append,
    Effect,
    Fault,
    ReplaceLog,
    Sign,
    StoreNow,
    Sync,
    Tell,
)
from strongroom.node.ordering.event_queue import EventQueue
from strongroom.node.ordering.events import Heard, ParticipantEvent

PEER = samples.EPOCH.validators[1].node_key
EVENT = Heard(PEER, BatchMessage(samples.BATCH))


@dataclass
class StandInState:
    """Of a replica, as far as a lane rests on it."""

    throttled: bool = False
    ended: bool = False
    candidate_at: float = 0.0


@dataclass
class StandInReplica:
    """Has a state."""

    state: StandInState = field(default_factory=StandInState)


@dataclass
class StandInParticipant:
    """Wants done what the test wants done."""

    effects: list[Effect] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    has_lane: bool = False
    is_hungry: bool = False
    lane_is_full: bool = False
    at: float | None = None
    """Its deadline."""
    replica: StandInReplica = field(default_factory=StandInReplica)

    def step(self, events: Sequence[ParticipantEvent], _: Now) -> list[Effect]:
        self.turns.append(len(events))
        return self.effects

    def signed(self, casts: Sequence[Cast], signatures: Sequence[Signature]) -> list[Effect]:
        pairs = zip(casts, signatures, strict=True)
        return [
            Tell(None, VoteMessage(Vote(cast.statement, SignerIndex(0), made)))
            for cast, made in pairs
        ]

    def deadline(self) -> float | None:
        return self.at


@dataclass
class Sent:
    """What went out over the links."""

    to_all: list[Message] = field(default_factory=list)
    to_one: list[tuple[PublicKey, Message]] = field(default_factory=list)
    on_send: Callable[[], None] = lambda: None

    def broadcast(self, message: bytes) -> None:
        self.on_send()
        self.to_all.append(decode_message(message))

    def send_to(self, to: PublicKey, message: bytes) -> None:
        self.on_send()
        self.to_one.append((to, decode_message(message)))


class StandInEnclave:
    """Signs whatever it is asked to."""

    def __init__(self) -> None:
        self.on_cast: Callable[[], None] = lambda: None

    async def cast(self, statements: list[Statement]) -> list[Signature]:
        self.on_cast()
        return [samples.signature(0) for _ in statements]


class StandInPipeline:
    """Notes when it must record what waits."""

    def __init__(self) -> None:
        class Behind:
            def is_set(self) -> bool:
                return False

        self.behind, self.recorded = Behind(), 0
        self.on_behind: Callable[[], None] = lambda: None
        self.on_record: Callable[[], None] = lambda: None

    def record(self) -> None:
        self.on_record()


@dataclass
class Bench:
    """A driver among stand-ins, over a real log."""

    driver: Driver
    events: EventQueue
    wal: WriteAheadLog
    participant: StandInParticipant
    sent: Sent
    enclave: StandInEnclave
    pipeline: StandInPipeline
    faults: list[tuple[PublicKey, str]]
    looks: list[int]
    """One for each time that the mempool is asked to look again."""

    async def turn(self, *effects: Effect) -> None:
        self.participant.effects = list(effects)
        await self.driver._turn()


def bench(folder: Path) -> Bench:
    wal, participant, sent = WriteAheadLog.open(folder), StandInParticipant(), Sent()
    enclave, pipeline, faults = StandInEnclave(), StandInPipeline(), list[tuple[PublicKey, str]]()
    unused = dict.fromkeys(("store", "on_alarm", "on_evidence", "on_epochs", "on_epoch"))
    looks = list[int]()
    loose: dict[str, Any] = {
        "mempool": SimpleNamespace(look=lambda: looks.append(1)),
        "wal": wal,
        "links": sent,
        "enclave": enclave,
        "pipeline": pipeline,
        **unused,
    }
    hands = Hands(on_fault=lambda peer, reason: faults.append((peer, reason)), **loose)
    standing: Any = participant
    events = EventQueue()
    return Bench(
        Driver(standing, events, hands),
        events,
        wal,
        participant,
        sent,
        enclave,
        pipeline,
        faults,
        looks,
    )


def durable(folder: Path) -> list[int]:
    """Kinds of the records that a restart would find now."""
    return [kind for kind, _ in WriteAheadLog.open(folder).replay()]


async def test_what_was_appended_is_durable_before_it_is_signed_and_before_anything_is_said(
    tmp_path: Path,
) -> None:
    """PROTOCOL §5, §9: else a restart could contradict what peers have heard."""
    made = bench(tmp_path)
    seen: list[tuple[str, list[int]]] = []
    made.sent.on_send = lambda: seen.append(("sent", durable(tmp_path)))
    made.enclave.on_cast = lambda: seen.append(("signed", durable(tmp_path)))
    cast = Cast(samples.STATEMENTS["notarize"])
    batch = BatchMessage(samples.BATCH)
    await made.turn(Append(7, b"one"), Append(8, b"two"), Sync(), Sign((cast,)), Tell(PEER, batch))
    assert seen == [("signed", [7, 8]), ("sent", [7, 8]), ("sent", [7, 8])]
    assert [type(message) for message in made.sent.to_all] == [VoteMessage]
    assert made.sent.to_one == [(PEER, batch)]


async def test_final_blocks_are_in_the_block_store_before_the_log_forgets_them(
    tmp_path: Path,
) -> None:
    made = bench(tmp_path)
    seen: list[list[int]] = []
    made.pipeline.on_record = lambda: seen.append(durable(tmp_path))
    await made.turn(Append(7, b"one"), Sync(), StoreNow(), ReplaceLog(((9, b"carried"),)))
    assert (seen, durable(tmp_path)) == ([[7]], [9])


async def test_many_events_share_one_turn_and_one_fsync(tmp_path: Path) -> None:
    made = bench(tmp_path)
    syncs: list[int] = []
    sync = made.wal.sync

    def counted() -> None:
        syncs.append(1)
        sync()

    made.wal.sync = counted  # type: ignore[method-assign]
    for _ in range(TURN_EVENTS_MAX + 1):
        made.events.put(EVENT)
    await made.turn(Append(7, b"one"), Sync())
    assert (made.participant.turns, syncs) == ([TURN_EVENTS_MAX], [1])


async def test_only_faults_that_no_honest_node_makes_are_counted(tmp_path: Path) -> None:
    made = bench(tmp_path)
    await made.turn(Fault(PEER, "forged"), Fault(PEER, "late", counts=False))
    assert made.faults == [(PEER, "forged")]


async def test_a_batch_that_waits_looks_again_once_a_proposal_is_here(tmp_path: Path) -> None:
    """When the next view may begin is known then, and was guessed before."""
    made = bench(tmp_path)
    await made.turn()
    assert not made.looks
    made.participant.replica.state = StandInState(candidate_at=7.0)
    await made.turn()
    await made.turn()
    assert len(made.looks) == 1


async def test_every_effect_has_an_act(tmp_path: Path) -> None:
    """What a participant wants done is done, or the loop ends: nothing is passed over."""
    from strongroom.node.ordering import effects

    made = bench(tmp_path)
    asked = {effects.Sign, effects.SignAgain, effects.Recall, effects.Forget, effects.ShowEpochs}
    assert set(effects.Effect.__args__) == asked | set(made.driver._acts)


def test_no_batch_is_made_where_no_block_of_this_epoch_would_order_it(tmp_path: Path) -> None:
    """A log that was lost hides what its lane holds beyond the end: the same place again is a
    fork, and peers that are behind accuse an honest node (R15)."""
    made = bench(tmp_path)
    made.participant.has_lane = True
    assert not made.driver.throttled
    made.participant.replica.state = StandInState(ended=True)
    assert made.driver.throttled
    made.participant.replica.state = StandInState(throttled=True)
    assert made.driver.throttled


async def test_a_deadline_that_was_put_off_makes_a_turn_when_it_comes_and_none_before(
    tmp_path: Path,
) -> None:
    """A timer that fires earlier stays: most deadlines are put off, and each timer costs."""
    made = bench(tmp_path)
    made.participant.at = time.monotonic() + 0.01
    made.driver._arm_timer()
    made.participant.at = later = time.monotonic() + 0.05
    made.driver._arm_timer()
    async with asyncio.timeout(HANG_SECONDS):
        await made.events.came.wait()
    assert time.monotonic() >= later


async def test_a_nearer_deadline_does_not_wait_for_the_farther_one(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.participant.at = time.monotonic() + 10 * HANG_SECONDS
    made.driver._arm_timer()
    made.participant.at = time.monotonic()
    made.driver._arm_timer()
    async with asyncio.timeout(HANG_SECONDS):
        await made.events.came.wait()
