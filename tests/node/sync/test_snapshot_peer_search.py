"""Whether to wait for a peer's snapshot, and how long: no liar keeps a newcomer waiting (T34)."""

import pytest

from strongroom.consensus.types import Height, PublicKey
from strongroom.node.sync.snapshot_peer_search import (
    ANSWER_SECONDS,
    CHUNK_SECONDS,
    LAST_CHUNK_SECONDS,
    LAST_SECONDS,
    WHOLE_SECONDS,
    ChunkCame,
    DropSnapshot,
    FetchSnapshot,
    SnapshotSearch,
)

SLOW, OTHER = (PublicKey(bytes(31) + name) for name in (b"p", b"q"))


def fetch(linked: tuple[PublicKey, ...], pause: float, chunks: int) -> list[object]:
    """What is decided while the first peer sends a chunk after each pause."""
    search, now, effects = SnapshotSearch(), 1.0, list[object]()
    search.see(linked)
    for _ in range(chunks):
        effects += search.decide(now, Height(100), Height(0))
        now += pause
        search.note(ChunkCame(), now)
    return [effect for effect in effects if isinstance(effect, DropSnapshot | FetchSnapshot)]


def test_T34_a_peer_that_sends_each_chunk_at_the_last_moment_gives_way_to_the_next() -> None:
    pause = ANSWER_SECONDS - 0.1
    chunks = int(WHOLE_SECONDS / (pause - CHUNK_SECONDS)) + 3
    first, dropped, then = fetch((SLOW, OTHER), pause, chunks)
    assert first == FetchSnapshot(SLOW)
    assert isinstance(dropped, DropSnapshot)
    assert then == FetchSnapshot(OTHER)


def test_T34_the_last_that_can_be_asked_gives_way_to_genesis() -> None:
    """T34: 8,192 chunks, each at the last moment, took a newcomer seven hours and 8 GiB of disk."""
    pause = ANSWER_SECONDS - 0.1
    chunks = int(LAST_SECONDS / (pause - LAST_CHUNK_SECONDS)) + 3
    first, dropped = fetch((SLOW,), pause, chunks)
    assert first == FetchSnapshot(SLOW)
    assert isinstance(dropped, DropSnapshot)
    assert chunks * pause < 2 * LAST_SECONDS
    assert fetch((SLOW,), LAST_CHUNK_SECONDS, 8_192) == [FetchSnapshot(SLOW)]


@pytest.mark.parametrize(
    ("linked", "pause"), [((SLOW,), ANSWER_SECONDS - 0.1), ((SLOW, OTHER), CHUNK_SECONDS)]
)
def test_whoever_is_alone_or_sends_steadily_is_waited_for(
    linked: tuple[PublicKey, ...], pause: float
) -> None:
    assert fetch(linked, pause, 900) == [FetchSnapshot(SLOW)]
