"""The index of a block store as somebody reads it who is not its node: nothing is written, no lock
is taken, and a node may change its pages meanwhile.

So nothing of it is believed: it says where to look, and whoever looks checks what stands there.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb

from strongroom.consensus.types import DIGEST_SIZE
from strongroom.node.ledger.history_columns import subtree_in
from strongroom.node.ledger.index import DATABASES_MAX, HASHES, HEIGHT, LOCATION, TREE
from strongroom.node.ledger.segments import Heights, Kind, Location
from strongroom.node.ledger.sorted_runs import RunDamaged
from strongroom.node.ledger.transaction_table import Found, TransactionTable


class NoIndex(Exception):
    """There is none, or its pages are not what an index has."""


class IndexView:
    """One folder's index: `with IndexView(folder) as view`."""

    def __init__(self, directory: Path) -> None:
        """Open it.

        Raises:
            NoIndex: there is none.
        """
        if not (directory / "data.mdb").is_file():
            raise NoIndex(f"no index in {directory}")
        with _faults():
            self._environment = lmdb.open(
                str(directory),
                readonly=True,
                lock=False,
                create=False,
                max_dbs=DATABASES_MAX,
                readahead=False,
            )
            self._databases = {
                name: self._environment.open_db(name, create=False)
                for name in (
                    *(kind.name.encode() for kind in Kind),
                    TREE,
                    HASHES,
                )
            }
            self._transactions = TransactionTable(self._environment, create=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._environment.close()

    def newest(self) -> Heights:
        """The newest block and outcome that it knows."""
        return Heights(self._last(Kind.BLOCK), self._last(Kind.OUTCOME))

    def place(self, kind: Kind, height: int) -> Location | None:
        """Where a block or outcome stands, by its word."""
        value = self._get(kind.name.encode(), HEIGHT.pack(height))
        with _faults():
            return None if value is None else Location(*LOCATION.unpack(value))

    def find_transaction(
        self, identifier: bytes, stands: Callable[[Found], bool] = lambda _: True
    ) -> Found | None:
        """Where a transaction counts, by its word; `stands`: whether it does at a place."""
        with _faults(), self._environment.begin(buffers=True) as reading:
            places = self._transactions.places_of(reading, identifier)
        return places.best(stands)

    def find_block(self, hash: bytes) -> int | None:
        """Height of a block, by its word."""
        value = self._get(HASHES, hash) if len(hash) == DIGEST_SIZE else None
        with _faults():
            return None if value is None else int(HEIGHT.unpack(value)[0])

    def subtree(self, level: int, index: int) -> bytes | None:
        """Root of a complete subtree of the history, by its word; None if it has none."""
        return subtree_in(lambda height: self._get(TREE, HEIGHT.pack(height)), level, index)

    def _get(self, name: bytes, key: bytes) -> bytes | None:
        with _faults(), self._environment.begin(db=self._databases[name]) as reading:
            value: bytes | None = reading.get(key)
            return value

    def _last(self, kind: Kind) -> int:
        database: Any = self._databases[kind.name.encode()]
        with _faults(), self._environment.begin(db=database) as reading:
            cursor = reading.cursor()
            return int(HEIGHT.unpack(cursor.key())[0]) if cursor.last() else 0


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, struct.error, RunDamaged, OSError) as error:
        raise NoIndex(f"the index cannot be read: {error}") from error
