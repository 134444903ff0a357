"""Sealed chunks: nothing dropped, moved, changed or of another place opens (T64)."""

from random import Random

import pytest

from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.size_classes import pad_write_set
from strongroom.enclave.outside.chunks import (
    CONTENT_BYTES_MAX,
    ChunkChanged,
    ChunkOpener,
    ChunkSealer,
    DataPlace,
    check_chunk,
    check_names,
    chunk_name,
    chunks_root,
)
from strongroom.enclave.primitives import Secret, SequenceBox

KEY = Secret(bytes(range(32)))
PLACE = DataPlace(ChainId(bytes(32)), bytes([1]) * 32, "transfers", 1)
FULL = CONTENT_BYTES_MAX


def sealed(data: bytes, *cuts: int, first: int = 0) -> list[bytes]:
    sealer, begin = ChunkSealer(KEY, PLACE, first), 0
    chunks: list[bytes] = []
    for end in (*cuts, len(data)):
        chunks += sealer.feed(data[begin:end])
        begin = end
    return [*chunks, sealer.finish()]


def opened(chunks: list[bytes], place: DataPlace = PLACE, first: int = 0) -> bytes:
    opener, last = ChunkOpener(KEY, place, first), len(chunks) - 1
    return b"".join(opener.open(one, last=at == last) for at, one in enumerate(chunks))


@pytest.mark.parametrize(
    "size", [0, 1, 1023, 1024, FULL - 1, FULL, FULL + 1, 2 * FULL, 2 * FULL + 5]
)
def test_what_was_sealed_comes_out_however_it_was_fed(size: int) -> None:
    data = Random(size).randbytes(size)
    whole = sealed(data)
    assert len(whole) == max(1, -(-size // FULL))
    assert opened(whole) == data
    chance = Random(size + 1)
    cuts = sorted(chance.randrange(size + 1) for _ in range(5))
    assert sealed(data, *cuts) == whole


def test_lengths_say_little() -> None:
    assert len({len(sealed(bytes(size))[0]) for size in range(1000)}) == 1
    assert len({len(sealed(bytes(size))[0]) for size in range(40_000, 48_000)}) <= 2


DATA = Random(1).randbytes(2 * FULL + 99)


def changed() -> dict[str, list[bytes]]:
    good = sealed(DATA)
    flipped = bytes([good[1][0] ^ 1]) + good[1][1:]
    return {
        "dropped": [good[0], good[2]],
        "last dropped": good[:2],
        "swapped": [good[1], good[0], good[2]],
        "doubled": [good[0], good[0], good[2]],
        "flipped": [good[0], flipped, good[2]],
        "cut": [good[0], good[1][:-1], good[2]],
        "longer": [good[0], good[1] + b"\x00", good[2]],
        "empty": [good[0], b"", good[2]],
        "of another stream": [sealed(DATA[::-1])[0], *sealed(DATA, first=1)[1:]],
    }


@pytest.mark.parametrize("how", list(changed()))
def test_T64_what_was_changed_does_not_open(how: str) -> None:
    with pytest.raises(ChunkChanged):
        opened(changed()[how])


def test_T64_a_chunk_that_others_follow_is_full() -> None:
    """Whoever has the key could seal it otherwise, and hide rows from those who count chunks."""
    short = SequenceBox(KEY).seal(0, pad_write_set(b"rows"), PLACE.aad(0, False))
    with pytest.raises(ChunkChanged, match="cut short"):
        ChunkOpener(KEY, PLACE).open(short, last=False)


@pytest.mark.parametrize(
    "place",
    [
        DataPlace(ChainId(bytes([1]) * 32), PLACE.owner, PLACE.name, 1),
        DataPlace(PLACE.chain, bytes(32), PLACE.name, 1),
        DataPlace(PLACE.chain, PLACE.owner, "others", 1),
        DataPlace(PLACE.chain, PLACE.owner, PLACE.name, 2),
    ],
)
def test_T64_a_chunk_opens_at_its_own_place_alone(place: DataPlace) -> None:
    chunks = sealed(b"rows")
    assert opened(chunks) == b"rows"
    with pytest.raises(ChunkChanged):
        opened(chunks, place)
    with pytest.raises(ChunkChanged):
        opened(chunks, first=1)


def test_T64_the_root_stands_for_all_names_in_their_order() -> None:
    names = [chunk_name(one) for one in sealed(DATA)]
    root = chunks_root(names)
    check_names(names, root, 3)
    for count in (2, 4):
        with pytest.raises(ChunkChanged):
            check_names(names, root, count)
    for wrong in (names[:2], names[::-1], [*names, names[2]], [bytes(32), *names[1:]]):
        with pytest.raises(ChunkChanged):
            check_names(wrong, root, 3)
        with pytest.raises(ChunkChanged):
            check_names(wrong, root, len(wrong))
    check_chunk(sealed(DATA)[0], names[0])
    with pytest.raises(ChunkChanged):
        check_chunk(sealed(DATA)[1], names[0])
