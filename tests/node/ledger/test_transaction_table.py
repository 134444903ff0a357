"""Where transactions stand: found alike by their ids and in runs, after each step from one to the
other; what begins alike is told apart by the ledger, and a wrong index is never believed (T40)."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from shutil import copytree

import lmdb
import pytest
from tests.node.ledger.ledgers import PlainForm

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import TransactionId
from strongroom.node.api.places import PlaceDesk
from strongroom.node.ledger import index as index_module
from strongroom.node.ledger import recovery, run_levels, sorted_runs, transaction_table
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.index import Index, IndexClosed, IndexDamaged
from strongroom.node.ledger.index_view import IndexView, NoIndex
from strongroom.node.ledger.run_levels import FAN, State, Table
from strongroom.node.ledger.segments import Kind, Location
from strongroom.node.ledger.sorted_runs import (
    PREFIX_SIZE,
    before_of,
    entries_of,
    entry_of,
    first_alike,
    pieces,
)
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.transaction_table import CANDIDATES_MAX, Found
from strongroom.node.mempool.waiters import Waiters

PER_BLOCK = 40


@pytest.fixture(autouse=True)
def _small_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction_table, "RUN_ENTRIES_MIN", 100)
    monkeypatch.setattr(sorted_runs, "PIECE_ENTRIES_MAX", 13)
    monkeypatch.setattr(run_levels, "PIECE_ENTRIES_MAX", 13)
    monkeypatch.setattr(run_levels, "LEVEL_ENTRIES_MIN", 100)
    monkeypatch.setattr(run_levels, "STEP_ENTRIES", 150)


def ids_of(height: int) -> list[tuple[bytes, int]]:
    """All codes but 12, which counts nowhere."""
    return [
        (sha256(b"%d/%d" % (height, at)).digest(), (0, 0, 0, 1, 4)[at % 5])
        for at in range(PER_BLOCK)
    ]


def payload(ids: list[tuple[bytes, int]]) -> bytes:
    return b"".join(id + bytes((code,)) for id, code in ids)


def add(store: BlockStore, height: int, ids: list[tuple[bytes, int]]) -> None:
    store.append_block(height, payload(ids))
    store.append_outcome(height, payload(ids), ids)
    store.sync()


def filled(directory: Path, heights: int) -> BlockStore:
    store = BlockStore.open(directory, PlainForm())
    for height in range(1, heights + 1):
        add(store, height, ids_of(height))
    return store


def pieces_in(directory: Path) -> tuple[Table, list[tuple[bytes, bytes]]]:
    """Which runs a closed store has; keys and bytes of all their pieces."""
    with closing(lmdb.open(str(directory / "index"), max_dbs=6)) as environment:
        runs = environment.open_db(b"RUN")
        with environment.begin(db=runs) as reading:
            (_, table), *pieces = [(bytes(key), bytes(value)) for key, value in reading.cursor()]
            return Table.decode(table), pieces


def put_piece(directory: Path, key: bytes, value: bytes) -> None:
    """Change a piece of a closed store, and have it believed."""
    with closing(lmdb.open(str(directory / "index"), max_dbs=6, map_size=1 << 28)) as environment:
        runs = environment.open_db(b"RUN")
        with environment.begin(db=runs, write=True) as writing:
            writing.put(key, value)
    believe(directory)


def piece_with(directory: Path, id: bytes) -> tuple[bytes, bytes]:
    """The piece in which an id stands."""
    _, pieces = pieces_in(directory)
    return next(one for one in pieces if first_alike(one[1], id[:PREFIX_SIZE]) >= 0)


def believe(directory: Path) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    (directory / "index" / "believed").write_bytes(boot)


def check(store: BlockStore, heights: int) -> None:
    for height in range(1, heights + 1):
        for position, (id, code) in enumerate(ids_of(height)):
            assert store.find_transaction(id) == Found(height, position, code)
    for absent in range(50):
        assert store.find_transaction(sha256(b"absent %d" % absent).digest()) is None


def test_each_transaction_is_found_whatever_it_has_become_part_of(tmp_path: Path) -> None:
    store = BlockStore.open(tmp_path, PlainForm())
    for height in range(1, 121):
        add(store, height, ids_of(height))
        if height % 40 == 0:
            check(store, height)
    store.close()
    table, _ = pieces_in(tmp_path)
    assert 1 < len(table.runs) < 20, "many became one"
    assert max(run.count for run in table.runs) > 1_600
    with closing(BlockStore.open(tmp_path, PlainForm())) as again:
        check(again, 120)
    (tmp_path / "index" / "believed").unlink()
    with closing(BlockStore.open(tmp_path, PlainForm())) as rebuilt:
        check(rebuilt, 120)


def test_T70_a_rebuilt_index_has_few_runs_and_no_merge_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its writes left."""
    monkeypatch.setattr(recovery, "UNINDEXED_MAX", 100)
    monkeypatch.setattr(index_module, "MERGE_STEPS", 2)
    monkeypatch.setattr(run_levels, "STEPS_MIN", 0)
    monkeypatch.setattr(run_levels, "SLACK", 0)
    filled(tmp_path, 120).close()
    (tmp_path / "index" / "believed").unlink()
    with closing(BlockStore.open(tmp_path, PlainForm())) as rebuilt:
        check(rebuilt, 120)
    table, _ = pieces_in(tmp_path)
    assert table.highest > 0
    assert all(one.state is State.WHOLE for one in table.runs)
    assert all(len(table.of(level, State.WHOLE)) < FAN for level in range(table.highest + 1))


def test_whoever_reads_beside_the_node_finds_the_same(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "node", 60)):
        copytree(tmp_path / "node" / "index", tmp_path / "index")
    with IndexView(tmp_path / "index") as view:
        for height in range(1, 61):
            for position, (id, code) in enumerate(ids_of(height)):
                assert view.find_transaction(id) == Found(height, position, code)
        assert view.find_transaction(bytes(32)) is None
        assert view.find_transaction(b"short") is None


A = sha256(b"a").digest()


@pytest.mark.parametrize("between", [0, 1, 3, 20, 90])
def test_executed_counts_before_refused_and_the_first_refusal_before_others_over_all_runs(
    tmp_path: Path, between: int
) -> None:
    heights = iter(range(1, 1_000))
    store = BlockStore.open(tmp_path, PlainForm())

    def pause() -> None:
        for height in (next(heights) for _ in range(between)):
            add(store, height, ids_of(height))

    pause()
    first = next(heights)
    add(store, first, [(A, 4)])
    pause()
    add(store, next(heights), [(A, 1)])
    assert store.find_transaction(A) == Found(first, 0, 4)
    pause()
    executed = next(heights)
    add(store, executed, [(A, 0)])
    pause()
    add(store, next(heights), [(A, 1)])
    pause()
    assert store.find_transaction(A) == Found(executed, 0, 0)
    store.close()


def test_of_many_that_begin_alike_the_last_is_found_too(tmp_path: Path) -> None:
    """More than one look on the event loop gives."""
    count = 3 * CANDIDATES_MAX
    alike = [b"\x42" * 7 + sha256(b"%d" % at).digest()[:25] for at in range(count)]
    with closing(BlockStore.open(tmp_path, PlainForm())) as store:
        for height, id in enumerate(alike, start=1):
            add(store, height, [*ids_of(height), (id, 3)])
        for height, id in enumerate(alike, start=1):
            assert store.find_transaction(id) == Found(height, PER_BLOCK, 3)
        assert store.find_transaction(b"\x42" * 7 + bytes(25)) is None


def test_ids_that_begin_alike_are_never_taken_for_one_another(tmp_path: Path) -> None:
    """2^28 envelopes make two of them."""
    alike = [(b"\x42" * 7 + sha256(b"%d" % at).digest()[:25], (0, 3)[at % 2]) for at in range(6)]
    store = BlockStore.open(tmp_path, PlainForm())
    for height in range(1, 61):
        mine = [alike[height // 10 - 1]] if height % 10 == 0 else []
        add(store, height, [*ids_of(height), *mine])
    for number, (id, code) in enumerate(alike, start=1):
        assert store.find_transaction(id) == Found(10 * number, PER_BLOCK, code)
    assert store.find_transaction(b"\x42" * 7 + bytes(25)) is None
    check(store, 60)
    store.close()


@pytest.mark.parametrize("first", [0, 4])
def test_T70_replays_of_an_id_cost_no_block_read_each(tmp_path: Path, first: int) -> None:
    """Whoever orders what is known again makes no find of it slower; only others that begin alike
    do."""
    blocks: list[int] = []

    class CountedForm(PlainForm):
        def id_at(self, block: bytes, position: int) -> bytes:
            height = int.from_bytes(block[:8], "big")
            blocks.append(height)
            return A if position == PER_BLOCK else ids_of(height)[position][0]

    store = BlockStore.open(tmp_path, CountedForm())
    for height in range(1, 101):
        ids = [*ids_of(height), (A, first if height == 1 else 1)]
        store.append_block(height, height.to_bytes(8, "big"))
        store.append_outcome(height, payload(ids), ids)
        store.sync()
    blocks.clear()
    assert store.find_transaction(A) == Found(1, PER_BLOCK, first)
    assert blocks == [1]
    store.close()


def test_T70_whether_an_id_may_be_executed_is_known_without_a_block(tmp_path: Path) -> None:
    class NeverForm(PlainForm):
        def id_at(self, block: bytes, position: int) -> bytes:
            raise AssertionError("a block was read")

    store = BlockStore.open(tmp_path, NeverForm())
    for height in range(1, 61):
        add(store, height, ids_of(height))
        if height % 20 == 0:
            for one in range(1, height + 1):
                for id, code in ids_of(one):
                    assert store.may_be_executed(id) == (code == 0)
    assert not any(store.may_be_executed(sha256(b"absent %d" % at).digest()) for at in range(50))
    store.append_block(61, b"block")
    store.append_outcome(61, payload([(A, 0)]), [(A, 0)])
    assert store.may_be_executed(A), "also before it is durable"
    store.close()


def wrong_pieces(piece: bytes) -> Iterator[bytes]:
    yield piece[:-1]
    yield piece[:-16]
    yield piece[:12]
    yield b""
    yield piece[:100] + bytes((piece[100] ^ 1,)) + piece[101:]


def find_damage(folder: Path, id: bytes, words: str) -> None:
    """A find meets damage of the index, and the node is told, whoever it was that looked: whoever
    asked may answer for less than the node. The next opening makes it anew."""
    store = BlockStore.open(folder, PlainForm())
    told: list[OperatorFault] = []
    store.on_damage = told.append
    with pytest.raises(IndexDamaged, match=words) as damage:
        store.find_transaction(id)
    assert told == [damage.value]
    store.close()
    with closing(BlockStore.open(folder, PlainForm())) as rebuilt:
        check(rebuilt, 60)


@pytest.mark.parametrize("number", range(5))
def test_a_piece_that_was_cut_or_changed_is_rebuilt_from_the_ledger(
    tmp_path: Path, number: int
) -> None:
    filled(tmp_path, 60).close()
    id = ids_of(1)[0][0]
    key, piece = piece_with(tmp_path, id)
    put_piece(tmp_path, key, list(wrong_pieces(piece))[number])
    with IndexView(tmp_path / "index") as view, pytest.raises(NoIndex):
        view.find_transaction(id)
    find_damage(tmp_path, id, "restart")


def spoil(store: BlockStore) -> None:
    """Change a byte in each piece of an open store."""
    environment = store._index._environment
    runs = environment.open_db(b"RUN")
    with environment.begin(write=True, db=runs) as writing:
        for key, piece in list(writing.cursor()):
            if bytes(key) != bytes(4):
                writing.put(bytes(key), bytes((piece[0] ^ 1,)) + piece[1:])


async def test_T40_damage_that_a_call_or_a_thread_finds_is_told_to_the_node(tmp_path: Path) -> None:
    """Its client learns of an internal error alone."""
    alike = [b"\x42" * 7 + sha256(b"%d" % at).digest()[:25] for at in range(2 * CANDIDATES_MAX)]
    told: list[OperatorFault] = []
    with closing(BlockStore.open(tmp_path, PlainForm())) as store:
        for height, id in enumerate(alike, start=1):
            add(store, height, [*ids_of(height), (id, 3)])
        store.on_damage = told.append
        absent = TransactionId(b"\x42" * 7 + bytes(25))
        answers = Waiters(PlaceDesk(store).find)
        answered = answers.expect([absent])
        answers.settle(len(alike) + 1, [(absent, 1)], lambda _: None)
        spoil(store)
        with pytest.raises(IndexDamaged) as damage:
            await answered
        assert told == [damage.value], "a thread looked"
        for looks in (store.finding, store.may_be_executed):
            told.clear()
            with pytest.raises(IndexDamaged) as damage:
                looks(absent)
            assert told == [damage.value], "as a call does, on the event loop"
    told.clear()
    with pytest.raises(IndexClosed):
        store.finding(absent)
    assert told == [], "an end is no damage"


@pytest.mark.parametrize("to", [(2, 0), (1, 1), (60, 3), (61, 0), (1, PER_BLOCK), (1, 1 << 20)])
def test_a_piece_whose_entry_names_another_place_is_never_believed_and_rebuilt(
    tmp_path: Path, to: tuple[int, int]
) -> None:
    """Its checksum holds: whoever wrote it made that too."""
    filled(tmp_path, 60).close()
    id = ids_of(1)[0][0]
    key, piece = piece_with(tmp_path, id)
    others = [one for one in entries_of(piece) if not one.startswith(id[:PREFIX_SIZE])]
    entries = sorted([entry_of(id, *to, 0), *others])
    ((_, wrong),) = pieces(int.from_bytes(key[:4], "big"), before_of(piece), entries)
    put_piece(tmp_path, key, wrong)
    find_damage(tmp_path, id, "begins otherwise")


def test_an_index_does_not_grow_with_what_it_moved(tmp_path: Path) -> None:
    """Pages of what became a run are used again."""
    index = Index(tmp_path / "index")
    sizes = []
    for height in range(1, 3_001):
        entries = Entries()
        entries.add(Kind.BLOCK, height, Location(1, height, 1))
        entries.add(Kind.OUTCOME, height, Location(1, height, 1), ids_of(height))
        index.write(entries)
        if height % 1_000 == 0:
            sizes.append((tmp_path / "index" / "data.mdb").stat().st_blocks * 512)
    index.close()
    transactions = PER_BLOCK * 2_000
    assert sizes[2] - sizes[0] < 40 * transactions, sizes
