"""A block store ends earlier, and what it was stays aside (VAULT §7)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.node.ledger.ledgers import UnreadForm

from strongroom.consensus.errors import InvariantBroken
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.shortening import go_on_shortening, shorten
from strongroom.node.ledger.store import BlockStore

SEGMENT_BYTES = 400
"""Of a file: three blocks or so."""
WRITTEN = ("b1", "b2", "o1", "b3", "b4", "o2", "o3", "b5", "b6", "b7", "o4", "b8", "o5", "b9", "o6")


@contextmanager
def opened(directory: Path) -> Iterator[BlockStore]:
    store = BlockStore.open(directory, UnreadForm(), segment_bytes_max=SEGMENT_BYTES)
    yield store
    store.close()


def payload(word: str) -> bytes:
    return word.encode() * 50


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "n0"
    with opened(folder) as store:
        for word in WRITTEN:
            height = int(word[1:])
            if word[0] == "b":
                store.append_block(height, payload(word))
            else:
                store.append_outcome(height, payload(word), ())
            store.sync()
    assert len(list((folder / "ledger").iterdir())) > 2
    return folder


@pytest.mark.parametrize(
    ("block", "outcome"), [(9, 6), (9, 3), (8, 5), (7, 2), (7, 6), (4, 1), (3, 3), (1, 0)]
)
def test_what_stays_is_as_it_was_and_the_store_goes_on(
    directory: Path, tmp_path: Path, block: int, outcome: int
) -> None:
    aside, before = tmp_path / "recovery" / "before", files(directory / "ledger")
    shorten(directory, aside, block=block, outcome=outcome)
    assert files(aside / "ledger") == before
    with opened(directory) as store:
        assert (store.newest_block, store.newest_outcome) == (block, outcome)
        assert [store.block(at) for at in range(1, block + 1)] == [
            payload(f"b{at}") for at in range(1, block + 1)
        ]
        assert [store.outcome(at) for at in range(1, outcome + 1)] == [
            payload(f"o{at}") for at in range(1, outcome + 1)
        ]
        store.append_block(block + 1, b"another")
        store.append_outcome(outcome + 1, b"another", ())
    with opened(directory) as store:
        assert store.block(block + 1) == store.outcome(outcome + 1) == b"another"
    assert files(aside / "ledger") == before


def test_between_the_two_moves_it_goes_on_and_else_nothing_is_touched(
    directory: Path, tmp_path: Path
) -> None:
    aside = tmp_path / "recovery" / "before"
    go_on_shortening(directory, aside)
    assert not aside.exists()
    shorten(directory, aside, block=4, outcome=1)
    (directory / "ledger").rename(aside.with_name("shorter"))
    go_on_shortening(directory, aside)
    with opened(directory) as store:
        assert (store.newest_block, store.newest_outcome) == (4, 1)


def test_a_damaged_one_stays_where_it_is(directory: Path, tmp_path: Path) -> None:
    path = min((directory / "ledger").iterdir())
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptRecord):
        shorten(directory, tmp_path / "before", block=4, outcome=1)
    assert path.read_bytes() == bytes(data)
    with pytest.raises(InvariantBroken):
        shorten(directory, tmp_path / "before", block=1, outcome=2)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
