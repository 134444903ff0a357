"""What the disk says at a start, to an enclave that may lack what it takes to believe it (PROTOCOL
§6)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.enclave.chain import Chain

from strongroom.consensus.types import Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.node.enclave_client.refusals import Refusal, RefusalKind, refusal_of
from strongroom.node.host.replay import Replayed, read_history, replay
from strongroom.node.ledger.archive.faults import ContentsDamaged, SegmentMissing
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.history_columns import HistoryColumns
from strongroom.node.ledger.index import IndexDamaged
from strongroom.node.ledger.ledger_form import LedgerForm
from strongroom.node.ledger.segments import Heights, Kind
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
    store = BlockStore.open(tmp_path, LedgerForm())
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


def change_column(store: BlockStore, height: int, made: Callable[[bytes], bytes]) -> None:
    """Change what the index kept of a height; `made` makes it of what was."""
    entries = Entries()
    entries.columns[height] = made(store._index.column(height) or b"")
    store._index.write(entries)


def counted(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Heights whose outcomes are read from now on, in a list that grows."""
    read: list[int] = []
    decoded = store.decoded

    def noted(kind: Kind, at: int, decode: Any) -> Any:
        read.extend([at] if kind == Kind.OUTCOME else [])
        return decoded(kind, at, decode)

    monkeypatch.setattr(store, "decoded", noted)
    return read


def test_a_start_reads_no_outcome_that_an_anchor_covers(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, store, _, _ = folder
    anchored = chain.blocks[-1].header.anchor.height
    assert 1 < anchored < BLOCKS
    read, expected = counted(store, monkeypatch), history_of(chain)
    made = read_history(store, chain.genesis)
    assert (made.size, made.root()) == (expected.size, expected.root())
    assert read == list(range(anchored + 1, BLOCKS))
    sizes = range(1, made.size + 1)
    assert [made.root(size) for size in sizes] == [expected.root(size) for size in sizes]
    assert [made.path(Height(at), made.size) for at in range(made.size)] == [
        expected.path(Height(at), made.size) for at in range(made.size)
    ]


@pytest.mark.parametrize(
    ("height", "made"),
    [(4, lambda _: bytes(32)), (3, lambda kept: kept[:32] + bytes(32)), (3, lambda _: b"")],
    ids=["a leaf", "a subtree", "none"],
)
def test_kept_subtrees_that_do_not_come_to_the_anchored_root_are_made_anew(
    folder: Any, height: int, made: Callable[[bytes], bytes]
) -> None:
    """By the start itself, and for the next one too."""
    chain, store, _, _ = folder
    change_column(store, height, made)
    expected = history_of(chain)
    with capture_logs() as logs:
        history = read_history(store, chain.genesis)
    assert [line["event"] for line in logs if line["event"].startswith("replay")] == [
        "replay.history_anew"
    ]
    assert history.root() == expected.root()
    with capture_logs() as logs:
        assert read_history(store, chain.genesis).root() == expected.root()
    assert logs == []


def test_T40_contents_that_make_another_history_are_named_and_no_archive_is_read_for_it(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, store, _, _ = folder
    change_column(store, 4, lambda _: bytes(32))
    monkeypatch.setattr(store, "rebuild_index", lambda: None)  # contents say the same again
    monkeypatch.setattr(type(store.archived), "base", Heights(2, 2))
    read = counted(store, monkeypatch)
    with pytest.raises(ContentsDamaged, match=r"not the anchored one.*archive's blocks-"):
        read_history(store, chain.genesis)
    assert min(read, default=3) > 2


def test_no_column_is_made_with_a_subtree_above_the_anchor_that_is_another(folder: Any) -> None:
    """Leaves above it come of outcomes, so that the root is right; what the index goes on with must
    be that too."""
    chain, store, _, _ = folder
    above, newest = chain.outcomes[BLOCKS - 1], BLOCKS
    store.append_outcome(newest, above.encode(), (), above.history_leaf.hash)
    store.sync()
    assert chain.blocks[-1].header.anchor.height < newest
    columns = HistoryColumns(newest, store._pending._column)
    columns.append(bytes(32))
    store._pending.go_on(columns)
    with capture_logs() as logs:
        history = read_history(store, chain.genesis)
    assert logs[0]["event"] == "replay.history_anew"
    assert history.frontier(history.size).peaks[1:] == store.peaks


def test_a_subtree_that_was_changed_below_the_edge_is_found_by_whoever_reads_it(
    folder: Any,
) -> None:
    """The start does not look there: the read does, ends the node, and the next opening rebuilds
    the index (T40)."""
    chain, store, _, _ = folder
    for _ in range(8):
        chain.commit()
    for made in chain.blocks[BLOCKS:]:
        certificate = chain.certificate(made.header)
        store.append_block(made.header.height, StoredBlock(made.header, certificate, ()).encode())
    for one in chain.outcomes[BLOCKS - 1 : -1]:
        store.append_outcome(one.height, one.encode(), (), one.history_leaf.hash)
    store.sync()
    change_column(store, 5, lambda kept: bytes(32) + kept[32:])
    told: list[Exception] = []
    store.on_damage = told.append
    history = read_history(store, chain.genesis)
    with pytest.raises(IndexDamaged, match=r"has other parts.*restart, it is rebuilt"):
        history.path(Height(4), history.size)
    assert len(told) == 1
    assert not (store._index.directory / "believed").exists(), "the next opening rebuilds it"


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
