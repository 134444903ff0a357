"""What peers ask for: answered from what is stored, and not without end (T31, T34)."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.blocks import Batch, encode_payload
from strongroom.consensus.messages import Range, RangeRequest, decode_message, encode_message
from strongroom.consensus.types import ChainId, Digest, Height, SignerIndex
from strongroom.node.batches import BatchPool
from strongroom.node.inbox import RANGE_BYTES_PER_SECOND, Inbox
from strongroom.node.ledger.store import BlockStore
from strongroom.node.stored import StoredBlock

ASKER, OTHER = SignerIndex(1), SignerIndex(2)


@dataclass
class StandInLinks:
    """Keeps what is sent."""

    sent: list[tuple[SignerIndex, Range]] = field(default_factory=list)

    def send(self, to: SignerIndex, message: bytes) -> None:
        decoded = decode_message(message)
        assert isinstance(decoded, Range)
        self.sent.append((to, decoded))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    """Three blocks, the middle one without a certificate of its own."""
    opened = BlockStore.open(tmp_path, lambda _: ())
    payload = encode_payload([bytes(100_000)])
    digest = Digest(sha256(payload).digest())
    header = replace(samples.BATCH_HEADER, count=1, size=len(payload), payload_digest=digest)
    batch = Batch(header, payload, samples.signature(1))
    for height in range(1, 4):
        block = replace(samples.HEADER, height=Height(height))
        certificate = None if height == 2 else samples.certificate("finalize")
        opened.append_block(height, StoredBlock(block, certificate, (batch,)).encode())
    opened.sync()
    yield opened
    opened.close()


def inbox(store: BlockStore, links: StandInLinks) -> Inbox:
    loose: dict[str, Any] = {"links": links, "heads": None, "spawn_head_answer": None}
    chain = ChainId(samples.digest("chain"))
    return Inbox(chain=chain, members=samples.EPOCH, store=store, batches=BatchPool(), **loose)


def ask(made: Inbox, peer: SignerIndex, start: int) -> None:
    made.receive(peer, encode_message(RangeRequest(Height(start))))


async def test_a_range_ends_with_a_block_that_has_a_certificate_of_its_own(store: BlockStore) -> None:
    links = StandInLinks()
    ask(inbox(store, links), ASKER, 1)
    ((to, sent),) = links.sent
    assert (to, [header.height for header, _ in sent.blocks]) == (ASKER, [1, 2, 3])


async def test_T31_a_peer_that_asks_for_old_blocks_without_end_gets_them_at_a_pace(
    store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T31: a range is read, checked and packed: a member that only asks would leave time for nothing else."""
    links, clock = StandInLinks(), [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    made = inbox(store, links)
    for _ in range(1000):
        ask(made, ASKER, 1)
    ask(made, OTHER, 1)
    assert [to for to, _ in links.sent] == [ASKER, OTHER]
    clock[0] += 3 * 101_000 / RANGE_BYTES_PER_SECOND
    ask(made, ASKER, 1)
    assert [to for to, _ in links.sent] == [ASKER, OTHER, ASKER]
