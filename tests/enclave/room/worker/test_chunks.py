"""A worker's chunks through a host that may do what it likes: nothing but what the ledger's root
stands for is opened, and every chunk is asked for, in order (T64, T67)."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.chunks import (
    CONTENT_BYTES_MAX,
    ChunkChanged,
    ChunkSealer,
    DataPlace,
    chunk_name,
    chunks_root,
)
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.turns import Turns, Waiting
from strongroom.enclave.room.worker.chunks import RESULT_BYTES_MIN, Chunks
from strongroom.enclave.room.worker.link import TooLate

KEY = Secret(bytes(range(32)))
CHAIN = ChainId(bytes(32))
PLACE = DataPlace(CHAIN, bytes([1]) * 32, "rows", 1)
TIME = 60.0
DATA = bytes(range(256)) * (3 * 4096)


class Host:
    """Keeps chunks and lists; lies as a test says."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.lie: Callable[[str, int, Any], Any] = lambda _method, _turn, answer: answer

    def begin(self, method: str, **params: bytes) -> Waiting[Any]:
        waiting: Waiting[Any] = Waiting()
        if method in ("put_chunk", "put_names"):
            name = params.get("name") or params["root"]
            self.kept[name] = params.get("sealed") or params["names"]
            answer: Any = None
        else:
            name = params.get("name") or params["root"]
            self.asked.append(name)
            answer = self.kept.get(name)
        answer = self.lie(method, len(self.asked), answer)
        if isinstance(answer, Exception):
            waiting.fail(answer)
        else:
            waiting.set(answer)
        return waiting

    def keep(self, data: bytes, place: DataPlace = PLACE, first: int = 0) -> list[bytes]:
        sealer = ChunkSealer(KEY, place, first)
        sealed = [*sealer.feed(data), sealer.finish()]
        names = [chunk_name(one) for one in sealed]
        self.kept |= dict(zip(names, sealed, strict=True))
        self.kept[chunks_root(names)] = b"".join(names)
        return names


class Clock:
    """Goes on when somebody looks."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def look(self) -> None:
        self.time += 0.1


def done(host: Host, work: Callable[[Chunks], Any]) -> Any:
    clock = Clock()
    turns = Turns(clock.now)
    return turns.run(turns.spawn(work(Chunks(host, turns, TIME))), clock.look)  # type: ignore[arg-type]


def read(host: Host, names: list[bytes], place: DataPlace = PLACE, first: int = 0) -> bytes:
    async def work(chunks: Chunks) -> bytes:
        return b"".join([part async for part in chunks.read(names, KEY, place, first)])

    data: bytes = done(host, work)
    return data


def test_T67_every_chunk_is_asked_for_in_order() -> None:
    host = Host()
    names = host.keep(DATA)
    assert len(names) == 1 + len(DATA) // CONTENT_BYTES_MAX
    assert read(host, names) == DATA
    assert host.asked == names


def test_T64_another_chunk_is_asked_for_again_until_it_is_the_one() -> None:
    host = Host()
    names = host.keep(DATA)
    wrong = [b"other", 7, HostFailed(0, "away"), host.kept[names[1]]]
    host.lie = lambda _method, turn, answer: wrong[turn - 1] if turn <= len(wrong) else answer
    assert read(host, names) == DATA


def test_T64_a_host_that_gives_nothing_only_delays() -> None:
    host = Host()
    names = host.keep(DATA)
    host.lie = lambda _method, _turn, _answer: HostFailed(0, "away")
    with pytest.raises(TooLate):
        read(host, names)


@pytest.mark.parametrize(
    ("place", "first"),
    [
        (DataPlace(CHAIN, bytes([1]) * 32, "rows", 2), 0),
        (DataPlace(CHAIN, bytes([2]) * 32, "rows", 1), 0),
        (DataPlace(CHAIN, bytes([1]) * 32, "others", 1), 0),
        (DataPlace(ChainId(bytes([1]) * 32), bytes([1]) * 32, "rows", 1), 0),
        (PLACE, 1),
    ],
)
def test_T64_chunks_of_another_place_open_nothing(place: DataPlace, first: int) -> None:
    host = Host()
    with pytest.raises(ChunkChanged):
        read(host, host.keep(DATA), place, first)


def test_T64_a_list_that_is_cut_moved_or_anothers_is_none() -> None:
    host = Host()
    names = host.keep(DATA)
    root = chunks_root(names)
    lists = [names[:-1], names[::-1], [*names, names[0]]]
    lies = [b"".join(one) for one in lists]
    host.lie = lambda _method, turn, answer: lies[turn - 1] if turn <= len(lies) else answer

    async def work(chunks: Chunks) -> list[bytes]:
        return await chunks.names(root, len(names))

    assert done(host, work) == names
    host.lie = lambda _method, _turn, _answer: lies[0]
    with pytest.raises(TooLate):
        done(host, work)


def test_T65_a_result_is_sealed_to_the_same_bytes_and_kept_before_its_list() -> None:
    stored, orders = [], []
    for _ in range(2):
        host, order = Host(), list[str]()

        def note(method: str, _turn: int, answer: Any, order: list[str] = order) -> Any:
            order.append(method)
            return HostFailed(0, "full") if len(order) == 1 else answer

        host.lie = note

        async def work(chunks: Chunks) -> tuple[bytes, int, int]:
            return await chunks.store(DATA, KEY, PLACE)

        stored.append(done(host, work))
        orders.append(order)
        root, count, size_class = stored[-1]
        names = [host.kept[root][at : at + 32] for at in range(0, 32 * count, 32)]
        sealed = sum(len(host.kept[name]) for name in names)
        assert 2 ** (size_class - 1) < sealed <= 2**size_class
        assert read(host, names) == DATA
    assert stored[0] == stored[1]
    assert orders[0] == ["put_chunk"] * 5 + ["put_names"] + ["chunk"] * 4


def test_T63_a_host_does_not_see_how_long_a_small_result_is() -> None:
    """A result of other rows is as long: the same calls, of the same sizes."""
    seen = []
    for length in (0, 1, 1_000, 1_100, 30_000, RESULT_BYTES_MIN - 1):
        host = Host()

        async def work(chunks: Chunks, data: bytes = bytes(length)) -> tuple[bytes, int, int]:
            return await chunks.store(data, KEY, PLACE)

        _, count, size_class = done(host, work)
        seen.append((count, size_class, sorted(map(len, host.kept.values()))))
    assert all(one == seen[0] for one in seen)
