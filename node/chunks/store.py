"""Sealed chunks on a node's disk: files named by their digests, and lists of names by their root.

Owns the files and their bounds. What nobody keeps yet lies in a pool of bounded size, for an hour,
at most half of it one bringer's; what is kept stays until it is dropped. Nothing here can be read
by its owner's name, and a file that changed on disk is as good as none. Survives kill -9: a file is
whole or absent, and what is kept is told by where its list lies. Calls block; a caller gives each a
thread. One at a time: the store locks itself.

    chunks/ab/HEX       a chunk
    pool/ROOT           names of chunks that somebody brought, not kept yet
    kept/ROOT           names of chunks that stand
"""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.chunks import (
    CHUNK_SEALED_BYTES_MAX,
    ChunkChanged,
    check_chunk,
    check_names,
)
from strongroom.node.chunks.shares import NOBODY, Shares
from strongroom.node.faults import NotFound, Overloaded, TooLarge
from strongroom.node.machine.durable_files import fsync_directory, make_directory, write_atomic

CHUNK_NAMES_MAX = 65_536
"""Chunks of one data set or result: 64 GiB."""
POOL_SECONDS = 3600.0
POOL_BYTES_MAX = 8 << 30
"""Half of it for one bringer alone (shares.py)."""
KEPT_BYTES_MAX = 64 << 30
LISTS_POOLED_MAX = 2_048
_RETRY_MS = 5_000


class ChunkStore:
    """The chunks of one node."""

    def __init__(
        self,
        folder: Path,
        *,
        pool_bytes_max: int = POOL_BYTES_MAX,
        kept_bytes_max: int = KEPT_BYTES_MAX,
    ) -> None:
        """Look at what lies in the folder.

        Raises:
            OSError: it cannot be read or made.
        """
        self._chunks, self._pool, self._kept = (
            folder / name for name in ("chunks", "pool", "kept")
        )
        for one in (folder, self._chunks, self._pool, self._kept):
            make_directory(one)
        self._kept_bytes_max = kept_bytes_max
        self._lock = threading.Lock()
        self._sizes: dict[bytes, int] = {}
        self._since: dict[bytes, float] = {}
        """Chunks and lists of the pool: when they came, by the files' own times."""
        self._lists: dict[bytes, tuple[bytes, ...]] = {}
        """Root → names, of what is kept."""
        self._pooled: dict[bytes, tuple[bytes, ...]] = {}
        self._uses: Counter[bytes] = Counter()
        """Chunk → how often it stands in what is kept."""
        self._bytes_kept = 0
        self._pool_shares, self._list_shares = Shares(pool_bytes_max), Shares(LISTS_POOLED_MAX)
        self._by: dict[bytes, str] = {}
        """Chunks of the pool: who brought them."""
        self._listed_by: dict[bytes, str] = {}
        self._read_all()

    # --- what is here -----------------------------------------------------------------------------

    @property
    def kept_roots(self) -> list[bytes]:
        """Roots whose chunks are kept."""
        with self._lock:
            return list(self._lists)

    @property
    def pooled_roots(self) -> list[bytes]:
        """Roots that somebody brought names of, and that are not kept yet."""
        with self._lock:
            return list(self._pooled)

    @property
    def bytes_kept(self) -> int:
        """Of chunks that are kept."""
        with self._lock:
            return self._bytes_kept

    @property
    def bytes_pooled(self) -> int:
        """Of chunks that nobody keeps yet."""
        with self._lock:
            return self._pool_shares.total

    def names(self, root: bytes) -> tuple[bytes, ...]:
        """Names of the chunks under a root.

        Raises:
            NotFound: nobody brought them here.
        """
        with self._lock:
            found = self._lists.get(root) or self._pooled.get(root)
        if found is None:
            raise NotFound("no list of chunks under this root here: ask another node")
        return found

    def missing(self, names: Sequence[bytes]) -> list[bytes]:
        """Which of these chunks are not here, in their order."""
        with self._lock:
            return [name for name in dict.fromkeys(names) if name not in self._sizes]

    def get(self, name: bytes) -> bytes:
        """A chunk.

        Raises:
            NotFound: it is not here, or was changed on disk, which is found now and forgotten.
            OSError: the disk does not answer.
        """
        try:
            sealed = self._path(name).read_bytes()
            check_chunk(sealed, name)
        except (FileNotFoundError, ChunkChanged):
            with self._lock:
                self._forget(name)
            raise NotFound("no such chunk here: ask another node") from None
        return sealed

    # --- what comes -------------------------------------------------------------------------------

    def put(self, name: bytes, sealed: bytes, now: float, by: str = NOBODY) -> None:
        """Take a chunk that somebody brings into the pool, or where it is lacking; one that is here
        is taken again at no cost.

        Raises:
            TooLarge: no chunk is so long.
            ChunkChanged: it is not of this name.
            Overloaded: the pool is full, or his part of it, or as much is kept as may be.
            OSError: the disk refused.
        """
        if len(sealed) > CHUNK_SEALED_BYTES_MAX:
            raise TooLarge(f"a chunk has at most {CHUNK_SEALED_BYTES_MAX} bytes")
        check_chunk(sealed, name)
        with self._lock:
            if name in self._sizes:
                if name not in self._uses:
                    self._since[name] = now
                return
            if name in self._uses:
                if self._bytes_kept + len(sealed) > self._kept_bytes_max:
                    raise Overloaded(
                        "this node has no room for more: ask another", retry_after_ms=_RETRY_MS
                    )
            elif not self._pool_shares.fits(by, len(sealed)):
                raise Overloaded(
                    "as many chunks wait here as may that no data set names yet: try again",
                    retry_after_ms=_RETRY_MS,
                )
            path = self._path(name)
            make_directory(path.parent)
            write_atomic(path, sealed)
            self._add(name, len(sealed), now, by)

    def put_names(self, root: bytes, names: Sequence[bytes], now: float, by: str = NOBODY) -> None:
        """Take the list of a root's chunks, whether they are here already or not.

        Raises:
            TooLarge: too many.
            ChunkChanged: they are not those of this root.
            Overloaded: too many lists wait.
            OSError: the disk refused.
        """
        if len(names) > CHUNK_NAMES_MAX:
            raise TooLarge(f"a data set has at most {CHUNK_NAMES_MAX} chunks: extend it, or cut it")
        check_names(names, root, len(names))
        with self._lock:
            if root in self._lists:
                return
            if root not in self._pooled and not self._list_shares.fits(by, 1):
                raise Overloaded(
                    "too many lists of chunks wait: try again", retry_after_ms=_RETRY_MS
                )
            write_atomic(self._pool / root.hex(), b"".join(names))
            self._add_list(root, tuple(names), now, by)

    # --- what stays -------------------------------------------------------------------------------

    def keep(self, root: bytes) -> bool:
        """Keep the chunks of a root from now on, those that are here and those that will come; is
        there room?

        Raises:
            NotFound: nobody brought their names.
            OSError: the disk refused.
        """
        with self._lock:
            if root in self._lists:
                return True
            names = self._pooled.get(root)
            if names is None:
                raise NotFound("no list of chunks under this root here: ask another node")
            more = sum(self._sizes.get(name, 0) for name in set(names) if name not in self._uses)
            if self._bytes_kept + more > self._kept_bytes_max:
                return False
            (self._pool / root.hex()).replace(self._kept / root.hex())
            fsync_directory(self._kept)  # a list that came back to the pool would be old there
            self._forget_list(root)
            self._lists[root] = names
            self._use(names, 1)
            return True

    def drop(self, root: bytes) -> None:
        """Keep a root's chunks no more, and delete those that stand nowhere else."""
        with self._lock:
            names = self._lists.pop(root, None)
            if names is None:
                return
            (self._kept / root.hex()).unlink(missing_ok=True)
            self._use(names, -1)
            for name in set(names):
                if name not in self._uses:
                    self._delete(name)

    def expire(self, now: float) -> int:
        """Delete what has lain in the pool for longer than POOL_SECONDS; how many chunks."""
        with self._lock:
            for root in [one for one in self._pooled if now - self._since[one] > POOL_SECONDS]:
                (self._pool / root.hex()).unlink(missing_ok=True)
                self._forget_list(root)
            old = [
                name
                for name in self._sizes
                if name not in self._uses and now - self._since.get(name, now) > POOL_SECONDS
            ]
            for name in old:
                self._delete(name)
            return len(old)

    # --- within -----------------------------------------------------------------------------------

    def _add(self, name: bytes, size: int, now: float, by: str = NOBODY) -> None:
        self._sizes[name], self._since[name] = size, now
        if name in self._uses:
            self._bytes_kept += size
        else:
            self._pool_add(name, size, by)

    def _forget(self, name: bytes) -> None:
        size = self._sizes.pop(name, 0)
        if name in self._uses:
            self._bytes_kept -= size
        else:
            self._pool_remove(name, size)
        self._since.pop(name, None)

    def _pool_add(self, name: bytes, size: int, by: str) -> None:
        self._pool_shares.take(by, size)
        self._by[name] = by

    def _pool_remove(self, name: bytes, size: int) -> None:
        self._pool_shares.give_back(self._by.pop(name, NOBODY), size)

    def _add_list(self, root: bytes, names: tuple[bytes, ...], now: float, by: str) -> None:
        if root not in self._pooled:
            self._list_shares.take(by, 1)
            self._listed_by[root] = by
        self._pooled[root], self._since[root] = names, now

    def _forget_list(self, root: bytes) -> None:
        self._list_shares.give_back(self._listed_by.pop(root, NOBODY), 1)
        del self._pooled[root]
        self._since.pop(root, None)

    def _use(self, names: Sequence[bytes], more: int) -> None:
        for name in names:
            before = name in self._uses
            self._uses[name] += more
            if self._uses[name] == 0:
                del self._uses[name]
            if before != (name in self._uses):
                size = self._sizes.get(name)
                if size is None:
                    continue
                if before:
                    self._bytes_kept -= size
                    self._pool_add(name, size, NOBODY)
                else:
                    self._pool_remove(name, size)
                    self._bytes_kept += size

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._chunks / text[:2] / text

    def _delete(self, name: bytes) -> None:
        self._path(name).unlink(missing_ok=True)
        self._forget(name)

    def _read_all(self) -> None:
        for folder in (self._kept, self._pool):
            for path in folder.iterdir():
                names = _names_in(path)
                if names is None:
                    path.unlink(missing_ok=True)
                elif folder == self._kept:
                    self._lists[bytes.fromhex(path.name)] = names
                else:
                    came = path.stat().st_mtime
                    self._add_list(bytes.fromhex(path.name), names, came, NOBODY)
        for names in self._lists.values():
            self._use(names, 1)
        for path in self._chunks.glob("??/*"):
            name = _digest_in(path.name)
            if name is None:
                path.unlink(missing_ok=True)  # what a crash left of a file that was being written
                continue
            found = path.stat()
            self._add(name, found.st_size, found.st_mtime)


def _digest_in(text: str) -> bytes | None:
    try:
        name = bytes.fromhex(text)
    except ValueError:
        return None
    return name if len(name) == DIGEST_SIZE and name.hex() == text else None


def _names_in(path: Path) -> tuple[bytes, ...] | None:
    """A list of names that was written; None: it is none any more."""
    root = _digest_in(path.name)
    if root is None:
        return None
    data = path.read_bytes()
    names = codec.split(data, DIGEST_SIZE)
    try:
        check_names(names, root, len(names))
    except ChunkChanged:
        return None
    return names
