"""Chunks on a node's disk: bounded, by digest, kept while they stand (T67)."""

from pathlib import Path
from random import Random

import pytest

from strongroom.enclave.outside.chunks import ChunkChanged, chunk_name, chunks_root
from strongroom.node.chunks.store import LISTS_POOLED_MAX, POOL_SECONDS, ChunkStore
from strongroom.node.faults import NotFound, Overloaded, TooLarge

CHUNKS = [bytes([at]) * (100 + at) for at in range(4)]
NAMES = [chunk_name(one) for one in CHUNKS]
ROOT = bytes(chunks_root(NAMES))


def filled(store: ChunkStore, now: float = 1.0) -> ChunkStore:
    for name, chunk in zip(NAMES, CHUNKS, strict=True):
        store.put(name, chunk, now)
    store.put_names(ROOT, NAMES, now)
    return store


def test_what_was_put_is_found_by_its_name(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    assert store.missing(NAMES) == NAMES
    filled(store)
    assert store.missing([*NAMES, bytes(32), NAMES[0]]) == [bytes(32)]
    assert [store.get(name) for name in NAMES] == CHUNKS
    assert list(store.names(ROOT)) == NAMES
    for absent in (bytes(32), b"../../etc/passwd".ljust(32)):
        with pytest.raises(NotFound):
            store.get(absent)
        with pytest.raises(NotFound):
            store.names(absent)


def test_a_chunk_of_another_name_a_list_of_another_root_or_too_much_is_refused(
    tmp_path: Path,
) -> None:
    store = ChunkStore(tmp_path)
    with pytest.raises(ChunkChanged):
        store.put(NAMES[0], CHUNKS[1], 1.0)
    with pytest.raises(ChunkChanged):
        store.put_names(ROOT, NAMES[::-1], 1.0)
    with pytest.raises(TooLarge):
        store.put(NAMES[0], bytes(2 << 20), 1.0)
    with pytest.raises(TooLarge):
        store.put_names(ROOT, [bytes(32)] * 65_537, 1.0)
    assert (store.bytes_pooled, store.pooled_roots) == (0, [])


def test_T67_the_pool_is_bounded_and_what_is_kept_does_not_fill_it(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path, pool_bytes_max=sum(map(len, CHUNKS)) + 50))
    more = b"x" * 100
    with pytest.raises(Overloaded):
        store.put(chunk_name(more), more, 1.0)
    assert store.keep(ROOT)
    assert (store.bytes_pooled, store.bytes_kept) == (0, sum(map(len, CHUNKS)))
    store.put(chunk_name(more), more, 1.0)


def test_T67_what_nobody_keeps_goes_after_an_hour_and_no_sooner(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path))
    stray = b"stray" * 9
    store.put(chunk_name(stray), stray, 1.0)
    assert store.keep(ROOT)
    assert store.expire(POOL_SECONDS) == 0
    store.put(chunk_name(stray), stray, 10.0)  # brought again: it waits anew
    assert store.expire(POOL_SECONDS + 5) == 0
    assert store.expire(POOL_SECONDS + 11) == 1
    assert store.missing([chunk_name(stray)])
    assert not store.missing(NAMES)


def test_what_is_dropped_goes_but_for_what_stands_elsewhere(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path))
    other = NAMES[:2]
    other_root = bytes(chunks_root(other))
    store.put_names(other_root, other, 1.0)
    assert store.keep(ROOT)
    assert store.keep(other_root)
    store.drop(ROOT)
    assert store.missing(NAMES) == NAMES[2:]
    store.drop(other_root)
    store.drop(other_root)
    assert store.missing(NAMES) == NAMES
    assert not list((tmp_path / "chunks").glob("??/*"))


def test_it_is_as_it_was_after_a_crash(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path))
    assert store.keep(ROOT)
    stray = b"stray" * 9
    store.put(chunk_name(stray), stray, 1.0)
    (tmp_path / "chunks" / NAMES[0].hex()[:2] / "half-written.tmp").write_bytes(b"x")
    (tmp_path / "kept" / ("11" * 32)).write_bytes(bytes(32))
    again = ChunkStore(tmp_path)
    assert (again.kept_roots, again.pooled_roots) == ([ROOT], [])
    assert [again.get(name) for name in NAMES] == CHUNKS
    assert again.bytes_pooled == len(stray)
    assert not (tmp_path / "kept" / ("11" * 32)).exists()


def test_a_file_that_changed_on_disk_is_as_good_as_none(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path))
    path = tmp_path / "chunks" / NAMES[1].hex()[:2] / NAMES[1].hex()
    path.write_bytes(b"y" + CHUNKS[1][1:])
    with pytest.raises(NotFound):
        store.get(NAMES[1])
    assert store.missing(NAMES) == [NAMES[1]]
    store.put(NAMES[1], CHUNKS[1], 2.0)
    assert store.get(NAMES[1]) == CHUNKS[1]


def test_what_is_kept_and_was_lost_is_taken_back_though_the_pool_is_full(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path, pool_bytes_max=sum(map(len, CHUNKS))))
    assert store.keep(ROOT)
    (tmp_path / "chunks" / NAMES[1].hex()[:2] / NAMES[1].hex()).unlink()
    with pytest.raises(NotFound):
        store.get(NAMES[1])
    full = bytes(sum(map(len, CHUNKS)))
    store.put(chunk_name(full), full, 1.0)
    store.put(NAMES[1], CHUNKS[1], 1.0)
    assert not store.missing(NAMES)


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    store = filled(ChunkStore(tmp_path, kept_bytes_max=sum(map(len, CHUNKS)) - 1))
    assert not store.keep(ROOT)
    assert store.pooled_roots == [ROOT]


def test_T67_lists_are_bounded_too(tmp_path: Path) -> None:
    """The one who brings all he may leaves room for others, down to the last place."""
    store, chance = ChunkStore(tmp_path), Random(1)
    for who, share in (("loud", LISTS_POOLED_MAX // 2), ("other", LISTS_POOLED_MAX // 4)):
        for _ in range(share):
            names = [chance.randbytes(32)]
            store.put_names(bytes(chunks_root(names)), names, 1.0, who)
        with pytest.raises(Overloaded):
            store.put_names(ROOT, NAMES, 1.0, who)
    store.put_names(ROOT, NAMES, 1.0, "third")
    store.expire(POOL_SECONDS + 2)
    store.put_names(ROOT, NAMES, 1.0, "loud")


def test_T67_nobody_fills_the_pool_for_others(tmp_path: Path) -> None:
    store, chance = ChunkStore(tmp_path, pool_bytes_max=1_200), Random(2)

    def until_full(who: str) -> list[bytes]:
        brought: list[bytes] = []
        while True:
            chunk = chance.randbytes(100)
            try:
                store.put(chunk_name(chunk), chunk, 1.0, who)
            except Overloaded:
                return brought
            brought.append(chunk_name(chunk))

    loud = until_full("loud")
    assert (len(loud), len(until_full("other")), len(until_full("third"))) == (6, 3, 1)
    store.put_names(bytes(chunks_root(loud)), loud, 1.0, "loud")
    assert store.keep(bytes(chunks_root(loud)))
    assert len(until_full("loud")) == 4, "what is kept is of the pool no more"
    again = ChunkStore(tmp_path, pool_bytes_max=1_200)
    assert again.bytes_pooled == store.bytes_pooled, "whose it was, nobody knows: it counts"


def test_T67_a_list_that_is_kept_is_no_way_around_the_room_for_what_is_kept(
    tmp_path: Path,
) -> None:
    """Its names come first and its chunks later: they are counted then."""
    store = ChunkStore(tmp_path, kept_bytes_max=sum(map(len, CHUNKS)) - 1)
    store.put_names(ROOT, NAMES, 1.0)
    assert store.keep(ROOT)
    for name, chunk in zip(NAMES[:-1], CHUNKS[:-1], strict=True):
        store.put(name, chunk, 1.0)
    with pytest.raises(Overloaded):
        store.put(NAMES[-1], CHUNKS[-1], 1.0)
    assert store.missing(NAMES) == [NAMES[-1]]


def test_a_disk_that_does_not_answer_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(ChunkStore(tmp_path))

    def busy(_: Path) -> bytes:
        raise OSError(24, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", busy)
        with pytest.raises(OSError, match="too many"):
            store.get(NAMES[0])
    assert store.get(NAMES[0]) == CHUNKS[0]
    assert not store.missing(NAMES)


def test_bytes_are_counted_right_whatever_happens(tmp_path: Path) -> None:
    """Against the files themselves, after each of many random steps."""
    chance, store, now = Random(5), ChunkStore(tmp_path), 1.0
    parts = [chance.randbytes(chance.randrange(1, 60)) for _ in range(12)]
    lists = [chance.sample(parts, 3) for _ in range(6)]
    roots = {bytes(chunks_root(list(map(chunk_name, one)))): one for one in lists}
    for _ in range(400):
        now += chance.choice((1.0, 1.0, 1.0, 900.0))
        part, root = chance.choice(parts), chance.choice(list(roots))
        match chance.randrange(6):
            case 0 | 1:
                store.put(chunk_name(part), part, now)
            case 2:
                store.put_names(root, list(map(chunk_name, roots[root])), now)
            case 3 if root in store.pooled_roots:
                store.keep(root)
            case 4:
                store.drop(root)
            case _:
                store.expire(now)
        files = {path.name: path.stat().st_size for path in tmp_path.glob("chunks/??/*")}
        kept = {chunk_name(one).hex() for root in store.kept_roots for one in roots[root]}
        assert store.bytes_kept == sum(files[name] for name in kept & files.keys())
        assert store.bytes_pooled == sum(files[name] for name in files.keys() - kept)
