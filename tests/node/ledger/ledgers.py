"""Small ledgers for the tests of the block store."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.transaction_table import Found

SMALL = 1500
"""Bytes of a segment, so that a few blocks fill some."""
MAP_SIZE = 1024 * 1024
_ID_SIZE = 32


def block(height: int) -> bytes:
    """Looks random, as sealed bytes do; begins with what its outcome tells."""
    told = outcome(height)
    return (
        told
        + b"".join(
            sha256(b"block %d %d" % (height, part)).digest() for part in range(height % 13 + 4)
        )[len(told) :]
    )


def identifiers(height: int) -> list[tuple[bytes, int]]:
    return [
        (sha256(b"transaction %d %d" % (height, number)).digest(), number % 3)
        for number in range(height % 4 + 1)
    ]


def outcome(height: int) -> bytes:
    return b"".join(identifier + bytes((code,)) for identifier, code in identifiers(height))


def transactions_of(payload: bytes) -> Iterator[tuple[bytes, int]]:
    for start in range(0, len(payload), _ID_SIZE + 1):
        yield payload[start : start + _ID_SIZE], payload[start + _ID_SIZE]


class PlainForm:
    """Payloads are kept as they are; a payload with ids is (id, code) after (id, code), a block's
    as an outcome's."""

    def hash_of(self, kind: Kind, payload: bytes) -> bytes:
        return b"" if kind == Kind.BLOCK else sha256(payload).digest()

    def record_of(self, outcome: bytes) -> bytes:
        return outcome

    def whole_of(self, record: bytes, block: bytes, ids: Sequence[bytes]) -> bytes:
        return record

    def ids_of(self, block: bytes) -> Sequence[bytes]:
        return ()

    def id_at(self, block: bytes, position: int) -> bytes:
        start = position * (_ID_SIZE + 1)
        return block[start : start + _ID_SIZE]

    def transactions_of(self, outcome: bytes) -> Iterable[tuple[bytes, int]]:
        return transactions_of(outcome)


class UnreadForm(PlainForm):
    """Nothing in a payload is looked at."""

    def transactions_of(self, outcome: bytes) -> Iterable[tuple[bytes, int]]:
        return ()


def opened(directory: Path) -> BlockStore:
    return BlockStore.open(directory, PlainForm(), segment_bytes_max=SMALL, map_size=MAP_SIZE)


def filled(directory: Path, count: int) -> BlockStore:
    """`count` blocks; each outcome one block later, the last ones at the end; each step synced."""
    store = opened(directory)
    for height in range(1, count + 1):
        store.append_block(height, block(height))
        if height > 1:
            store.append_outcome(height - 1, outcome(height - 1), identifiers(height - 1))
        store.sync()
    store.append_outcome(count, outcome(count), identifiers(count))
    store.sync()
    return store


def check(store: BlockStore, blocks: int, outcomes: int) -> None:
    """Everything up to these heights is there and right, transactions too, and nothing above."""
    assert (store.newest_block, store.newest_outcome) == (blocks, outcomes)
    assert [store.block(height) for height in range(1, blocks + 2)] == [
        *(block(height) for height in range(1, blocks + 1)),
        None,
    ]
    assert [store.outcome(height) for height in range(1, outcomes + 2)] == [
        *(outcome(height) for height in range(1, outcomes + 1)),
        None,
    ]
    for height in range(1, outcomes + 2):
        for position, (identifier, code) in enumerate(identifiers(height)):
            expected = Found(height, position, code) if height <= outcomes else None
            assert store.find_transaction(identifier) == expected
