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
from strongroom.consensus.messages import Range, decode_message
from strongroom.consensus.types import Digest, Epoch, Height, PublicKey
from strongroom.node.batches import BatchPool
from strongroom.node.ledger.store import BlockStore
from strongroom.node.serving import RANGE_BYTES_PER_SECOND, Serving
from strongroom.node.stored import StoredBlock

ASKER, OTHER = (validator.node_key for validator in samples.EPOCH.validators[1:3])


@dataclass
class StandInLinks:
    """Keeps what is sent."""

    sent: list[tuple[PublicKey, Range]] = field(default_factory=list)

    def send_to(self, to: PublicKey, message: bytes) -> None:
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


def serving(store: BlockStore, links: StandInLinks) -> Serving:
    loose: dict[str, Any] = {"links": links, "epochs": None}
    return Serving(store=store, batches=BatchPool(), **loose)


def ask(made: Serving, peer: PublicKey, start: int) -> None:
    made.send_range(peer, Height(start))


async def test_a_range_ends_with_a_block_that_has_a_certificate_of_its_own(store: BlockStore) -> None:
    links = StandInLinks()
    ask(serving(store, links), ASKER, 1)
    ((to, sent),) = links.sent
    assert (to, [header.height for header, _ in sent.blocks]) == (ASKER, [1, 2, 3])


async def test_T31_a_peer_that_asks_for_old_blocks_without_end_gets_them_at_a_pace(
    store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T31: a range is read, checked and packed: a member that only asks would leave time for nothing else."""
    links, clock = StandInLinks(), [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    made = serving(store, links)
    for _ in range(1000):
        ask(made, ASKER, 1)
    ask(made, OTHER, 1)
    assert [to for to, _ in links.sent] == [ASKER, OTHER]
    clock[0] += 3 * 101_000 / RANGE_BYTES_PER_SECOND
    ask(made, ASKER, 1)
    assert [to for to, _ in links.sent] == [ASKER, OTHER, ASKER]


async def test_T34_a_range_never_crosses_the_end_of_an_epoch(store: BlockStore) -> None:
    """R16: its certificate is of one epoch's quorum, and proves nothing of blocks of another."""
    for height in range(4, 6):
        block = replace(samples.HEADER, height=Height(height), epoch=Epoch(samples.HEADER.epoch + 1))
        store.append_block(height, StoredBlock(block, samples.certificate("finalize"), ()).encode())
    store.sync()
    links = StandInLinks()
    made = serving(store, links)
    ask(made, ASKER, 2)
    ask(made, OTHER, 4)
    assert [[header.height for header, _ in sent.blocks] for _, sent in links.sent] == [[2, 3], [4, 5]]
