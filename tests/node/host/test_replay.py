"""What the disk says at a start, to an enclave that may lack what it takes to believe it (PROTOCOL
§6)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import Chain
from tests.node.ledger.ledgers import UnreadForm

from strongroom.consensus.types import Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.node.enclave_client.refusals import Refusal, RefusalKind, refusal_of
from strongroom.node.host.replay import Replayed, read_history, replay
from strongroom.node.ledger.archive.faults import SegmentMissing
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.sync.snapshots import SnapshotFolder

BLOCKS = 5


class Lacks:
    """An enclave that refuses what it is to take over."""

    def __init__(self, kind: RefusalKind) -> None:
        self.kind = kind

    async def apply(self, *_: object) -> None:
        raise refusal_of(self.kind, "no secrets of epoch 0")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Chain, BlockStore, WriteAheadLog, SnapshotFolder]]:
    """Of a node that recorded everything that five blocks anchor."""
    chain = Chain()
    for _ in range(BLOCKS):
        chain.commit()
    store = BlockStore.open(tmp_path, UnreadForm())
    for made in chain.blocks:
        store.append_block(
            made.header.height,
            StoredBlock(made.header, chain.certificate(made.header), ()).encode(),
        )
    for outcome in chain.outcomes[: BLOCKS - 1]:
        leaf = outcome.history_leaf.hash
        store.append_outcome(outcome.height, outcome.encode(), (), leaf)
    store.sync()
    wal = WriteAheadLog.open(tmp_path / "wal")
    yield chain, store, wal, SnapshotFolder(tmp_path / "snapshots")
    wal.close()
    store.close()


def history_of(chain: Chain) -> HistoryTree:
    """Over what the folder holds."""
    history = HistoryTree(chain.genesis.header)
    for outcome in chain.outcomes[: BLOCKS - 1]:
        history.append(outcome.history_leaf)
    return history


@pytest.mark.parametrize("kept", ["all", "one is missing", "one is another", "none"])
def test_the_history_is_the_same_whatever_the_index_kept_of_it(
    folder: Any, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Leaves that come to the anchored root spare a restart the outcomes; others are not
    believed."""
    chain, store, _, _ = folder
    anchored = chain.blocks[-1].header.anchor.height
    assert 1 < anchored < BLOCKS
    read: list[int] = []
    leaves, decoded = store.leaves, store.decoded
    changes: dict[str, dict[int, bytes | None]] = {
        "all": {},
        "one is missing": {2: None},
        "one is another": {2: bytes(32)},
        "none": dict.fromkeys(range(1, BLOCKS)),
    }
    changed = changes[kept]

    def noted(kind: Kind, at: int, decode: Any) -> Any:
        read.extend([at] if kind == Kind.OUTCOME else [])
        return decoded(kind, at, decode)

    def kept_leaves(last: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < last:
            at = len(found) + 1
            one = changed[at] if at in changed else leaves(last)[at - 1]
            if one is None:
                break
            found.append(one)
        return found

    monkeypatch.setattr(store, "leaves", kept_leaves)
    monkeypatch.setattr(store, "decoded", noted)
    expected = history_of(chain)
    made = read_history(store, chain.genesis)
    assert (made.size, made.root()) == (expected.size, expected.root())
    assert read == list(range(anchored + 1 if kept == "all" else 1, BLOCKS))


async def begin(
    folder: tuple[Chain, BlockStore, WriteAheadLog, SnapshotFolder], enclave: Any
) -> Replayed:
    chain, store, wal, snapshots = folder
    history = history_of(chain)
    own = chain.genesis.validators[0].claims.node_key
    return await replay(store, wal, history, chain.epochs, snapshots, enclave, own)


async def test_a_joiner_that_is_started_again_before_it_was_given_keys_begins_and_follows(
    folder: Any,
) -> None:
    """It records what anchors prove without any key."""
    replayed = await begin(folder, Lacks(RefusalKind.KEYS_NEEDED))
    assert (replayed.applied, replayed.start.final.height) == (Height(0), Height(BLOCKS))


async def test_T40_a_start_without_snapshots_whose_archive_is_away_begins_and_follows(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the start; a follower waits for the archive, or for a peer's snapshot."""

    def away(_: int) -> bytes:
        raise SegmentMissing(Path("blocks-000000000001.log"), 1, 2, "cannot be read")

    monkeypatch.setattr(folder[1], "outcome", away)
    replayed = await begin(folder, Lacks(RefusalKind.OPERATOR_FAULT))
    assert (replayed.applied, replayed.start.final.height) == (Height(0), Height(BLOCKS))


async def test_what_an_enclave_refuses_for_another_reason_ends_the_start(folder: Any) -> None:
    with pytest.raises(Refusal):
        await begin(folder, Lacks(RefusalKind.OPERATOR_FAULT))
