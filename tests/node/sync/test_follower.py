"""Carrying out how a node catches up: nothing that a peer says reaches the enclave before an anchor
proves it (T34).

What is decided, and when, is tests/node/test_catch_up.py's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.chain import Chain
from tests.node.ledger.ledgers import UnreadForm

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.host_messages import OutcomeRequest, Outcomes
from strongroom.consensus.messages import decode_message
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.enclave_client.refusals import RefusalKind, refusal_of
from strongroom.node.ledger.archive.faults import SegmentMissing
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.sync import follower as followers
from strongroom.node.sync.catch_up_events import MoreToRead, OutcomesCame, Tick
from strongroom.node.sync.follower import Follower
from strongroom.node.sync.serving import Serving

PEER, OTHER = (PublicKey(bytes(31) + name) for name in (b"p", b"q"))
LOOKS_MAX = 2_000


@dataclass
class StandInEnclave:
    """Cannot execute; applies what it is given, and is of no more use once it is given something
    else."""

    chain: Chain
    applied: list[Height] = field(default_factory=list)
    confirmed: list[Height] = field(default_factory=list)
    refuses: RefusalKind | None = None

    async def status(self) -> Any:
        @dataclass
        class Status:
            executed: int

        return Status(len(self.applied))

    async def apply(self, headers: list[Header], outcomes: list[bytes]) -> None:
        if self.refuses is not None:
            raise refusal_of(self.refuses, "no such key")
        for header, data in zip(headers, outcomes, strict=True):
            assert data == self.chain.outcomes[header.height - 1].encode()
            self.applied.append(header.height)

    async def confirm(self, headers: list[Header], _certificate: Certificate) -> None:
        assert headers[-1].anchor.height == len(self.applied)
        self.confirmed.append(headers[-1].height)


@dataclass
class StandInPipeline:
    """Behind, from genesis on."""

    store: BlockStore
    history: HistoryTree
    behind: asyncio.Event = field(default_factory=asyncio.Event)
    reached: Height = field(default_factory=lambda: Height(0))

    async def execute(self, *_: object) -> None:
        raise refusal_of(RefusalKind.KEYS_NEEDED, "no such secret")

    async def record_outcomes(
        self, headers: list[Header], encoded: list[bytes], outcomes: list[Outcome], *, ahead: bool
    ) -> None:
        assert ahead
        for header, data, outcome in zip(headers, encoded, outcomes, strict=True):
            self.store.append_outcome(header.height, data, outcome.ids_and_codes())
            self.history.append(outcome.history_leaf)

    async def reach(self, height: Height) -> None:
        self.reached = height


@dataclass
class StandInLinks:
    """Two linked nodes; keeps what they are asked."""

    links: dict[PublicKey, object] = field(default_factory=lambda: {PEER: None, OTHER: None})
    asked: list[tuple[PublicKey, object]] = field(default_factory=list)

    def send_to(self, to: PublicKey, message: bytes) -> None:
        self.asked.append((to, decode_message(message)))


@dataclass
class Bench:
    """A follower at work among stand-ins, on a real chain of five blocks."""

    chain: Chain
    follower: Follower
    enclave: StandInEnclave
    pipeline: StandInPipeline
    links: StandInLinks
    task: asyncio.Task[None]
    faults: list[PublicKey]

    async def until(self, holds: Callable[[], object]) -> None:
        """Look again and again, with the loop's other work between."""
        for _ in range(LOOKS_MAX):
            if self.task.done():
                self.task.result()
            if holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(
            f"does not come: asked {self.links.asked}, applied {self.enclave.applied}"
        )

    @property
    def anchored(self) -> Height:
        return self.chain.blocks[-1].header.anchor.height

    def answer(self, outcomes: list[bytes], start: int = 1) -> None:
        """Whoever was asked last gives these."""
        self.follower.receive(self.links.asked[-1][0], Outcomes(Height(start), tuple(outcomes)))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    chain = Chain()
    for _ in range(5):
        chain.commit()
    store = BlockStore.open(tmp_path, UnreadForm())
    for made in chain.blocks:
        store.append_block(
            made.header.height,
            StoredBlock(made.header, chain.certificate(made.header), ()).encode(),
        )
    store.sync()
    history = HistoryTree(chain.genesis.header)
    enclave, pipeline, links = (
        StandInEnclave(chain),
        StandInPipeline(store, history),
        StandInLinks(),
    )
    faults: list[PublicKey] = []
    loose: dict[str, Any] = {
        "enclave": enclave,
        "pipeline": pipeline,
        "links": links,
        "seeker": None,
    }
    follower = Follower(store=store, history=history, on_fault=faults.append, **loose)
    pipeline.behind.set()
    task = asyncio.create_task(follower.run())
    yield Bench(chain, follower, enclave, pipeline, links, task, faults)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


def outcomes_of(chain: Chain) -> list[bytes]:
    return [outcome.encode() for outcome in chain.outcomes]


async def test_outcomes_are_applied_up_to_the_newest_anchor_and_confirmed_by_the_block_that_has_it(
    bench: Bench,
) -> None:
    await bench.until(lambda: bench.links.asked)
    assert bench.links.asked == [(PEER, OutcomeRequest(Height(1)))]
    bench.answer(outcomes_of(bench.chain))
    await bench.until(lambda: bench.enclave.confirmed)
    assert bench.anchored > 0
    assert (bench.enclave.applied, bench.enclave.confirmed) == (
        list(range(1, bench.anchored + 1)),
        [5],
    )
    assert bench.pipeline.reached == bench.anchored


def false_write_set(outcome: Outcome) -> bytes:
    return replace(outcome, write_set=bytes(len(outcome.write_set))).encode()


def false_wish(outcome: Outcome) -> bytes:
    """No root covers it: the header that anchors the height says what was wished there."""
    wish = codec.encode((replace_epoch(outcome), b"key"))
    return replace(outcome, wish=wish).encode()


def replace_epoch(_: Outcome) -> bytes:
    return b"no description of an epoch"


def other_block(outcome: Outcome) -> bytes:
    return replace(outcome, block=type(outcome.block)(bytes(32))).encode()


def unreadable(_: Outcome) -> bytes:
    return b"\xc1 is nothing"


@pytest.mark.parametrize("forge", [false_write_set, false_wish, other_block, unreadable])
async def test_T34_a_forged_outcome_never_reaches_the_enclave_and_its_sender_is_named(
    bench: Bench, forge: Callable[[Outcome], bytes]
) -> None:
    """T34: APPLY or CONFIRM would refuse it, and the process with it would be of no more use."""
    good = outcomes_of(bench.chain)
    await bench.until(lambda: bench.links.asked)
    bench.answer([good[0], forge(bench.chain.outcomes[1]), *good[2:]])
    await bench.until(lambda: bench.links.asked[-1][0] == OTHER)
    assert bench.faults == [PEER]
    assert bench.enclave.applied in ([], [1])
    request = bench.links.asked[-1][1]
    assert isinstance(request, OutcomeRequest)
    bench.answer(good[request.start - 1 :], request.start)
    await bench.until(lambda: bench.pipeline.reached == bench.anchored)
    assert bench.enclave.applied == list(range(1, bench.anchored + 1))


async def test_T34_whoever_was_not_asked_is_not_listened_to(bench: Bench) -> None:
    """T34: one that speaks unasked, always first, would keep everybody else from being heard."""
    await bench.until(lambda: bench.links.asked)
    asked = bench.links.asked[-1][0]
    liar = OTHER if asked == PEER else PEER
    bench.follower.receive(liar, Outcomes(Height(1), (false_write_set(bench.chain.outcomes[0]),)))
    bench.answer(outcomes_of(bench.chain))
    await bench.until(lambda: bench.enclave.confirmed)
    assert bench.faults == []


async def test_T31_an_answer_that_begins_at_genesis_ends_nobody(bench: Bench) -> None:
    """T31: no outcome is of height 0, and no block of it is stored: that was told as a damaged
    ledger folder."""
    await bench.until(lambda: bench.links.asked)
    bench.answer(outcomes_of(bench.chain), 0)
    await bench.until(lambda: len(bench.links.asked) > 1)
    request = bench.links.asked[-1][1]
    assert isinstance(request, OutcomeRequest)
    bench.answer(outcomes_of(bench.chain)[request.start - 1 :], request.start)
    await bench.until(lambda: bench.pipeline.reached == bench.anchored)


async def test_T31_no_peer_makes_this_node_read_its_archive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T31: an answer from height 1 on, which nobody asked for, halted whoever had its archive
    away."""
    await bench.until(lambda: bench.links.asked)
    store = bench.pipeline.store
    away = SegmentMissing(Path("blocks-000000000001.log"), 1, 2, "cannot be read")
    decoded = store.decoded

    def archived(kind: Kind, height: int, decode: Any) -> Any:
        if height <= 2:
            read.append(height)
            raise away
        return decoded(kind, height, decode)

    follower, good = bench.follower, outcomes_of(bench.chain)
    answer = Outcomes(Height(1), tuple(good))
    wanted, read = list[int](), list[int]()
    monkeypatch.setattr(store, "decoded", archived)
    monkeypatch.setattr(store.archived, "holds", lambda _, height: height <= 2)
    monkeypatch.setattr(store.archived, "_of", lambda _, height: SimpleNamespace(first=1))
    store.archived.on_wanted = wanted.append
    assert follower._chain.decode(PEER, answer, Height(3)).outcomes == ()
    assert wanted == []
    assert follower._chain.decode(PEER, answer, Height(1)).outcomes == ()
    assert wanted == [1], "asked for: it is recalled"
    assert read == [], "not on the event loop"
    store.archived.recalled.add(1, Path("gone"))
    assert follower._chain.decode(PEER, answer, Height(1)).outcomes == ()
    rest = Outcomes(Height(3), tuple(good[2:]))
    assert len(follower._chain.decode(PEER, rest, Height(3)).outcomes) == len(good[2:])
    monkeypatch.undo()


async def test_T31_outcomes_that_cannot_be_read_again_are_not_served(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that was recalled makes room for another between two looks."""
    store, links = bench.pipeline.store, StandInLinks()

    def gone(height: int) -> bytes:
        raise SegmentMissing(Path("blocks-000000000001.log"), 1, 2, "cannot be read")

    monkeypatch.setattr(type(store), "newest_outcome", property(lambda _: 5))
    monkeypatch.setattr(store, "outcome", gone)
    loose: Any = links
    Serving(store=store, links=loose).send_outcomes(PEER, Height(1))
    monkeypatch.undo()
    assert links.asked == []


async def test_T40_an_archive_that_is_away_is_waited_for_with_an_alarm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the node: one without snapshots, whose enclave needs what it archived."""
    monkeypatch.setattr(followers, "RETRY_SECONDS", 0.0)
    bench.enclave.refuses = RefusalKind.KEYS_NEEDED
    await bench.until(lambda: bench.links.asked)
    bench.answer(outcomes_of(bench.chain))
    store, tries = bench.pipeline.store, list[int]()
    await bench.until(lambda: store.newest_outcome >= bench.anchored)

    def away(height: int) -> bytes | None:
        tries.append(height)
        raise SegmentMissing(Path("blocks-000000000001.log"), 1, 2, "cannot be read")

    monkeypatch.setattr(store, "outcome", away)
    bench.enclave.refuses = None
    await bench.until(lambda: len(tries) > 2)
    assert "until it has what it archived" in bench.follower.alarm
    assert "mount the archive" in bench.follower.alarm
    assert bench.enclave.applied == []
    monkeypatch.delattr(store, "outcome")
    await bench.until(lambda: bench.enclave.confirmed)
    assert bench.enclave.applied == list(range(1, bench.anchored + 1))
    await bench.until(lambda: not bench.follower.alarm)


async def test_keys_that_are_missing_are_waited_for(bench: Bench) -> None:
    bench.enclave.refuses = RefusalKind.KEYS_NEEDED
    await bench.until(lambda: bench.links.asked)
    bench.answer(outcomes_of(bench.chain))
    await bench.until(lambda: bench.pipeline.store.newest_outcome == bench.anchored)
    assert bench.enclave.applied == []
    bench.enclave.refuses = None
    await bench.until(lambda: bench.enclave.confirmed)


async def test_what_the_enclave_refuses_for_good_is_the_operators(bench: Bench) -> None:
    bench.enclave.refuses = RefusalKind.OPERATOR_FAULT
    await bench.until(lambda: bench.links.asked)
    bench.answer(outcomes_of(bench.chain))
    with pytest.raises(OperatorFault, match="restore the ledger folder"):
        await bench.until(lambda: False)


async def test_an_answer_that_comes_while_the_enclave_works_is_not_late(bench: Bench) -> None:
    """Its work may take longer than a peer has for an answer."""
    await bench.until(lambda: bench.links.asked)
    follower = bench.follower
    follower._ticked_at -= 1_000.0
    follower._events.append(MoreToRead())
    bench.answer(outcomes_of(bench.chain))
    assert isinstance(await follower._next_event(), OutcomesCame)
    assert isinstance(await follower._next_event(), Tick)
