"""An index made anew of archived contents knows of refusals what the index before it knew (T40).

Blocks tell the ids here, and outcomes lag behind them, so that the outcomes of a segment's last
blocks stand in the next one: contents hold the ids of those blocks, without codes.
"""

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.node.ledger.ledgers import PlainForm

from strongroom.node.ledger.archive.folder import ArchiveFolder
from strongroom.node.ledger.archive.where import Where
from strongroom.node.ledger.moving import archive_segment, remove_segment
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore

HEIGHTS, LAG, SEGMENT_BYTES = 60, 3, 4096
SIZE = 32
REFUSED, DUPLICATE = 7, 3
REPLAYED = sha256(b"executed at 1, replayed in each block above").digest()


def pairs_at(height: int) -> list[tuple[bytes, int]]:
    """(id, code) of a block's transactions, one of them refused, one of them a replay."""
    pairs = [(sha256(b"%d/%d" % (height, number)).digest(), 0) for number in range(10)]
    pairs.append((refused_at(height), REFUSED))
    pairs.append((REPLAYED, DUPLICATE if height > 1 else 0))
    return pairs


def refused_at(height: int) -> bytes:
    return sha256(b"refused %d" % height).digest()


def ids_of(block: bytes) -> list[bytes]:
    return [block[at : at + SIZE] for at in range(0, len(block), SIZE)]


class TellingForm(PlainForm):
    """Blocks tell ids; outcomes do as well."""

    def hash_of(self, kind: Kind, payload: bytes) -> bytes:
        return sha256(payload).digest()

    def ids_of(self, block: bytes) -> Sequence[bytes]:
        return ids_of(block)

    def id_at(self, block: bytes, position: int) -> bytes:
        return block[position * SIZE : (position + 1) * SIZE]


def opened(home: Path) -> BlockStore:
    return BlockStore.open(home, TellingForm(), segment_bytes_max=SEGMENT_BYTES)


def fill(store: BlockStore) -> None:
    for height in range(1, HEIGHTS + 1):
        store.append_block(height, b"".join(id for id, _ in pairs_at(height)))
        if (done := height - LAG) > 0:
            pairs = pairs_at(done)
            store.append_outcome(done, b"".join(id + bytes((code,)) for id, code in pairs), pairs)
        store.sync()


def archive_all(store: BlockStore, home: Path, directory: Path) -> int:
    """How many segments went."""
    count = 0
    with ArchiveFolder.open(directory, id="", chain="aa", node="n0", home=home) as taken:
        store.archived.keep_where(Where(taken.manifest.id, directory))
        while (found := store.closed_below(HEIGHTS - LAG)) is not None:
            first, _, path = found
            store.let_go(archive_segment(store, taken, path, first, ()))
            remove_segment(path)
            count += 1
    return count


def test_T40_a_refusal_stays_one_when_the_index_is_made_of_contents(tmp_path: Path) -> None:
    home, directory = tmp_path / "n0", tmp_path / "archive"
    directory.mkdir()
    asked = [REPLAYED, *map(refused_at, range(1, HEIGHTS - LAG + 1))]
    store = opened(home)
    fill(store)
    before = list(map(store.find_transaction, asked))
    assert archive_all(store, home, directory) > 1
    assert list(map(store.find_transaction, asked)) == before
    store.close()
    shutil.rmtree(home / "index")
    directory.rename(tmp_path / "away")
    again = opened(home)
    assert list(map(again.find_transaction, asked)) == before
    assert before[0] is not None
    assert (before[0].height, before[0].code) == (1, 0)
    again.close()
