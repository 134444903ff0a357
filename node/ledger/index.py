"""Where a block, an outcome or a transaction stands: LMDB in `index/`, rebuilt from the segments
when lost (DESIGN §8).

It is never synced: after a crash of the process the kernel still has every commit; after a crash of
the machine nothing of it is believed but the checkpoint beside it (index_files.py,
index_checkpoint.py). Owns the growth of the map, and what is written in one transaction. Refuses to
know segments and payloads: see segments.py, store.py.
"""

import errno
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import structlog

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.node.ledger import index_files
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.index_checkpoint import (
    checkpoint_file,
    drop_checkpoint,
    remove_draft,
    restore_checkpoint,
    write_checkpoint,
)
from strongroom.node.ledger.index_files import checksum_of, index_data, is_believed, trust_file
from strongroom.node.ledger.segments import Heights, Kind, Location
from strongroom.node.ledger.sorted_runs import RunDamaged
from strongroom.node.ledger.transaction_table import (
    CANDIDATES_MAX,
    EXECUTED,
    FOUND,
    Places,
    TransactionTable,
)
from strongroom.node.machine.durable_files import (
    DiskFault,
    disk_faults,
    make_directory,
    write_atomic,
)

log = structlog.get_logger()

MAP_SIZE = 256 * 1024 * 1024
"""Bytes of the map at first; it doubles when it is full."""
MAP_DOUBLINGS_MAX = 24
FREE_BYTES_MIN = 64 * 1024 * 1024
"""Disk space without which nothing is written: on a full disk a write into the map would kill the
process."""
PAGES_BYTES_MAX = 8 * 1024
"""New pages that one transaction id may need, in bytes."""
MERGE_STEPS = 64
"""Of merges, in each transaction that does nothing else: some 4 MB."""

HASHES, TREE = b"HASH", b"TREE"
"""Databases, beside one for the places of each Kind, and those of transaction_table.py."""
DATABASES_MAX = 6
HEIGHT = struct.Struct(">Q")
LOCATION = struct.Struct(">QQI")
_DISK = (lmdb.DiskError, lmdb.MemoryError, lmdb.ReadonlyError, lmdb.LockError, lmdb.MapResizedError)
"""What the system refuses; whatever else LMDB finds wrong stands in the pages."""


class IndexDamaged(DiskFault):
    """Its pages are not what was written: the next opening rebuilds it from the segments."""

    def __init__(self, path: Path, reason: str) -> None:
        OperatorFault.__init__(
            self, f"{path}: the index is damaged ({reason}): restart, it is rebuilt from the ledger"
        )


class IndexClosed(DiskFault):
    """Asked after its end: nothing is wrong with it."""

    def __init__(self, path: Path) -> None:
        OperatorFault.__init__(self, f"{path}: the node is stopping: ask again once it runs")


class Index:
    """The index of one block store. One thread may write while others read."""

    def __init__(self, directory: Path, map_size: int = MAP_SIZE) -> None:
        """Open it; one that is lost, damaged or left by another boot is begun anew, with its
        checkpoint or empty: lost until `trust`.

        Raises:
            DiskFault: the disk refused.
        """
        self.directory = directory
        self._directory, self._map_size, self._map_lock = directory, map_size, threading.RLock()
        self._is_closed = self._is_wrong = False
        self._checkpointing, self._copying = threading.Lock(), threading.Lock()
        """Held while a checkpoint is made; while its pages are copied: then the map neither grows
        nor goes."""
        self.on_damage: Callable[[OperatorFault], None] = lambda _: None
        """Told of damage before it is raised: whoever reads may answer for less than the node."""
        make_directory(directory)
        remove_draft(directory)
        if is_believed(directory):
            self.trust()
        else:
            trust_file(directory).unlink(missing_ok=True)
            index_files.remove_index(directory)
            with disk_faults(directory):
                restore_checkpoint(directory, index_data(directory))
        try:
            self._connect()
        except DiskFault:
            drop_checkpoint(directory)
            index_files.remove_index(directory)
            self._connect()

    def trust(self) -> None:
        """Say that it agrees with the segments, for as long as this boot lasts."""
        write_atomic(trust_file(self._directory), index_files.this_boot())
        self._is_wrong = False

    def distrust(self) -> None:
        """Have the next opening rebuild it of the segments: what was copied of it may be wrong
        too."""
        self._is_wrong = True  # before the file goes: a copy may be about to come
        trust_file(self._directory).unlink(missing_ok=True)
        drop_checkpoint(self._directory)

    def clear(self) -> None:
        """Begin anew, empty; it counts as lost until `trust`."""
        self.distrust()
        with self._checkpointing:  # what is copied is dropped before another one is trusted
            self._environment.close()
        index_files.remove_index(self._directory)
        self._connect()

    @property
    def size(self) -> int:
        """Bytes of its file that are in use, free pages among them."""
        info, stat = self._environment.info(), self._environment.stat()
        return int((info["last_pgno"] + 1) * stat["psize"])

    @property
    def checkpoint_ns(self) -> int:
        """When the newest checkpoint was made, nanoseconds since 1970; 0: there is none."""
        try:
            return checkpoint_file(self._directory).stat().st_mtime_ns
        except OSError:
            return 0

    def checkpoint(self) -> None:
        """Have the next opening after a crash of the machine begin with what stands here now; in
        any thread, beside all others. Without it that opening takes longer, so a disk that refuses
        is told to the log alone."""
        with self._checkpointing:
            if self._is_closed or self._is_wrong:
                return
            try:
                disk = os.statvfs(self._directory)
                if disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN + self.size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                write_checkpoint(self._copy, self._directory)
            except (OSError, lmdb.Error) as error:
                log.warning("ledger.no_checkpoint", reason=str(error))
            if self._is_wrong:  # found while it was copied
                drop_checkpoint(self._directory)

    def _copy(self, descriptor: int) -> None:
        with self._copying:
            if self._is_closed:
                raise OSError(errno.ECANCELED, "the node is stopping")
            self._environment.copyfd(descriptor, compact=True)

    def newest(self) -> Heights:
        """The newest block and outcome that are indexed."""
        return Heights(self._last(Kind.BLOCK), self._last(Kind.OUTCOME))

    def place(self, kind: Kind, height: int) -> Location | None:
        """Where a block or outcome stands."""
        value = self._get(self._places[kind], HEIGHT.pack(height))
        with self._faults():
            return Location(*LOCATION.unpack(value)) if value is not None else None

    def places_of(self, identifier: bytes) -> Places:
        """Where a transaction may count, by its id (32 bytes; nothing is found under anything
        else)."""
        found = self._places_of(identifier, CANDIDATES_MAX)
        if len(found.candidates) < CANDIDATES_MAX:
            return found
        return replace(found, all=partial(self._places_of, identifier, None))

    def _places_of(self, identifier: bytes, most: int | None) -> Places:
        with self._map_lock, self._faults(), self._environment.begin(buffers=True) as reading:
            return self._transactions.places_of(reading, identifier, most)

    def find_block(self, hash: bytes) -> int | None:
        """Height of the block whose header has this digest (32 bytes; nothing is found under
        anything else)."""
        if len(hash) != DIGEST_SIZE:
            return None
        value = self._get(self._hashes, hash)
        with self._faults():
            return int(HEIGHT.unpack(value)[0]) if value is not None else None

    def column(self, height: int) -> bytes | None:
        """The column that an outcome's height has in the history; None: not known here. It has no
        checksum: it is right if it leads to an anchor."""
        return self._get(self._tree, HEIGHT.pack(height))

    def write(self, entries: Entries) -> None:
        """Add entries, all or none; heights come in ascending order, so that the first refusal of
        an id is kept.

        Raises:
            DiskFault: the disk refused.
        """
        executed, refused = _found(entries)

        def put(transaction: lmdb.Transaction) -> None:
            for kind, places in entries.places.items():
                for height, at in places.items():
                    place = LOCATION.pack(at.segment, at.offset, at.size)
                    transaction.put(HEIGHT.pack(height), place, db=self._places[kind])
            for hash, height in entries.hashes.items():
                transaction.put(hash, HEIGHT.pack(height), db=self._hashes)
            for height, column in entries.columns.items():
                transaction.put(HEIGHT.pack(height), column, db=self._tree)
            self._transactions.put(transaction, executed, refused)

        self._growing(
            put,
            FREE_BYTES_MIN
            + PAGES_BYTES_MAX
            * (len(executed) + len(refused) + len(entries.hashes) + len(entries.columns)),
        )
        self._transactions.written()

    def merge_all(self) -> None:
        """Merge what is due, in as many transactions as that takes: behind a rebuild, never on the
        event loop.

        Raises:
            DiskFault: the disk refused.
        """
        is_due = True

        def put(transaction: lmdb.Transaction) -> None:
            nonlocal is_due
            is_due = self._transactions.go_on(transaction, MERGE_STEPS)

        while is_due:
            self._growing(put, FREE_BYTES_MIN)

    def close(self) -> None:
        """Write it out; if it was trusted, the next opening believes it as long as its checksum
        holds."""
        self._is_closed = True
        with self._copying, self._map_lock:  # a thread may read, or copy
            used = self.size
            self._environment.close()
        with index_data(self._directory).open("rb+") as file:
            file.truncate(used)
            os.fsync(file.fileno())
        if trust_file(self._directory).exists():
            write_atomic(trust_file(self._directory), checksum_of(self._directory))

    def _connect(self) -> None:
        with self._faults():
            self._environment = lmdb.open(
                str(self._directory),
                map_size=self._map_size,
                max_dbs=DATABASES_MAX,
                sync=False,
                writemap=True,
                readahead=False,
            )
            self._places = {kind: self._environment.open_db(kind.name.encode()) for kind in Kind}
            self._transactions = TransactionTable(self._environment)
            self._hashes = self._environment.open_db(HASHES)
            self._tree = self._environment.open_db(TREE)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (lmdb.Error, struct.error, RunDamaged) as error:
            if self._is_closed:
                raise IndexClosed(self._directory) from error
            self.distrust()
            if type(error) is lmdb.Error or isinstance(error, _DISK):
                raise DiskFault(self._directory, str(error)) from error
            damage = IndexDamaged(self._directory, str(error))
            self.on_damage(damage)
            raise damage from error

    def _get(self, database: Any, key: bytes) -> bytes | None:
        with self._faults(), self._map_lock, self._environment.begin(db=database) as reading:
            value: bytes | None = reading.get(key)
            return value

    def _last(self, kind: Kind) -> int:
        with self._faults(), self._map_lock, self._environment.begin() as reading:
            cursor = reading.cursor(self._places[kind])
            return int(HEIGHT.unpack(cursor.key())[0]) if cursor.last() else 0

    def _growing(self, put: Callable[[lmdb.Transaction], None], free_bytes_min: int) -> None:
        """Run one write transaction; if the map is full, double it and run it again."""
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize < free_bytes_min:
            raise DiskFault(
                self._directory, f"less than {free_bytes_min >> 20} MiB are free", full=True
            )
        for _ in range(MAP_DOUBLINGS_MAX):
            with self._faults():
                try:
                    with self._environment.begin(write=True) as transaction:
                        put(transaction)
                    return
                except lmdb.MapFullError:
                    with self._copying, self._map_lock:
                        self._environment.set_mapsize(2 * self._environment.info()["map_size"])
        raise DiskFault(self._directory, "the map cannot grow further")


def _found(entries: Entries) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """(id, where it counts) of what was executed, and of what was refused."""
    executed: list[tuple[bytes, bytes]] = []
    refused: list[tuple[bytes, bytes]] = []
    for identifier, found in entries.transactions.items():
        (executed if found[2] == EXECUTED else refused).append((identifier, FOUND.pack(*found)))
    return executed, refused
