"""Outcome, leaf, history leaf and write set: golden bytes, strict reading."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from strongroom.consensus import codec
from strongroom.consensus.blocks import genesis_header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    TransactionId,
)
from strongroom.enclave.formats.history import HistoryLeaf, HistoryTree, genesis_leaf
from strongroom.enclave.formats.outcome import (
    LEAF_SIZE,
    Code,
    Leaf,
    Outcome,
    claim_digest,
    outcome_root,
)
from strongroom.enclave.formats.write_set import WriteSet, WriteSetBox
from strongroom.enclave.primitives import DeterministicBox, DoesNotOpen, Secret

IDS = tuple(bytes((number,)) * 32 for number in (1, 2, 3))
OUTCOME = Outcome(
    height=Height(7),
    block=Digest(b"b" * 32),
    ids=b"".join(IDS),
    codes=bytes((0, 1, 0)),
    results=(b"sealed one", b"", b"sealed three"),
    claims=((2, b"c" * 32),),
    write_set=b"sealed write set",
)
WRITE_SET = WriteSet(
    (("payments", "totals", ("supply",), (5,)),),
    ((bytes(32), bytes(32), bytes(32), None),),
    ((bytes(32), 5, b"\x01"),),
    ((bytes(32), 6, b"\x03"),),
    ((bytes(32), ((0, b"plaintext"),)),),
)
BOX = WriteSetBox(ChainId(bytes(32)), Epoch(0), DeterministicBox(Secret(bytes(32))))


def digest_of(data: bytes) -> str:
    return sha256(data).hexdigest()[:16]


def test_codes_are_fixed() -> None:
    assert [(int(code), code.text) for code in Code] == [
        (0, "executed"),
        (1, "duplicate"),
        (2, "outside the window"),
        (3, "unknown session"),
        (4, "does not open"),
        (5, "wrong epoch"),
        (6, "malformed"),
        (7, "sessions full"),
        (8, "refused"),
        (9, "internal"),
        (10, "not admitted"),
        (11, "too many sessions"),
        (12, "no room"),
        (13, "lost"),
    ]


def test_golden_bytes() -> None:
    assert digest_of(OUTCOME.encode()) == "3fea1ac7a095aef2"
    assert OUTCOME.root.hex()[:16] == "afb484cb0b97b76a"
    assert OUTCOME.leaf_at(2).hash.hex()[:16] == "cab3246133073cef"
    assert digest_of(OUTCOME.history_leaf.encode()) == "9fe70c51b410983d"
    assert OUTCOME.history_leaf.hash.hex()[:16] == "22e4520e625cf4f8"
    assert claim_digest(b"b" * 32, b"claim").hex()[:16] == "e5a2d29a534f5c9c"
    sealed = BOX.seal(WRITE_SET, Height(7), Digest(bytes(32)), Digest(bytes(32)))
    assert len(sealed) == 1024 + 16
    assert digest_of(sealed) == "dbbbbb9700fea22f"


def test_golden_layout_of_a_leaf() -> None:
    leaf = Leaf(TransactionId(b"i" * 32), Code.EXECUTED, Digest(b"r" * 32), Digest(b"c" * 32))
    assert leaf.encode() == b"i" * 32 + b"\x00" + b"r" * 32 + b"c" * 32
    assert len(leaf.encode()) == LEAF_SIZE == 97
    assert Leaf.decode(leaf.encode()) == leaf
    assert leaf.hash == sha256(b"\x00strongroom/1/leaf\x00" + leaf.encode()).digest()
    for wrong in (leaf.encode()[:-1], leaf.encode() + b"\x00", b"i" * 32 + b"\x0d" + bytes(64)):
        with pytest.raises(NotCanonical):
            Leaf.decode(wrong)


def test_golden_layout_of_a_history_leaf() -> None:
    leaf = HistoryLeaf(Height(258), *(Digest(bytes((number,)) * 32) for number in range(4)))
    expected = (
        b"strongroom/1/history\x00"
        + bytes.fromhex("0000000000000102")
        + b"".join(bytes((number,)) * 32 for number in range(4))
    )
    assert leaf.encode() == expected


def test_what_is_encoded_decodes_to_the_same() -> None:
    read = Outcome.decode(OUTCOME.encode())
    assert read == OUTCOME
    assert read.root == OUTCOME.root
    assert read.ids_and_codes() == list(zip(IDS, (0, 1, 0), strict=True))
    assert [read.result_at(position) for position in range(3)] == list(OUTCOME.results)
    assert (read.position_of(IDS[2]), read.position_of(IDS[1]), read.position_of(bytes(32))) == (
        2,
        None,
        None,
    )
    assert read.leaf_at(1) == Leaf(TransactionId(IDS[1]), Code.DUPLICATE, NO_DIGEST, NO_DIGEST)
    assert read.leaf_at(2).claim_digest == b"c" * 32


def test_the_history_leaf_binds_the_wish() -> None:
    """Whoever serves outcomes to a newcomer may neither add, leave out nor change what the state
    wishes."""
    wishes = [b"", b"a", b"b", b"\x00"]
    leaves = {replace(OUTCOME, wish=wish).history_leaf.hash for wish in wishes}
    assert len(leaves) == len(wishes)
    assert (
        replace(OUTCOME, wish=b"").history_leaf.write_set_digest
        == sha256(OUTCOME.write_set).digest()
    )


def test_the_root_binds_the_number_of_leaves() -> None:
    """Without it, one path could prove two positions in trees of two sizes."""
    assert outcome_root(3, NO_DIGEST) != outcome_root(4, NO_DIGEST)


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": b"".join(IDS[:2])},
        {"codes": bytes((0, 8, 0))},
        {"codes": bytes((0, 13, 0))},
        {"codes": bytes((0, 255, 0))},
        {"codes": bytes((0, 0, 0))},
        {"codes": bytes((1, 1, 0))},
        {"results": (b"x", b"")},
        {"results": (b"x", None, b"y")},
        {"results": (b"x", "", b"y")},
        {"claims": ((1, b"c" * 32),)},
        {"claims": ((3, b"c" * 32),)},
        {"claims": ((2, bytes(32)),)},
        {"claims": ((2, b"c" * 31),)},
        {"claims": ((2, b"c" * 32), (0, b"c" * 32))},
        {"claims": ((2, b"c" * 32), (2, b"c" * 32))},
        {"height": -1},
        {"block": bytes(31)},
        {"snapshot_root": bytes(31)},
    ],
)
def test_T31_an_outcome_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        Outcome.decode(replace(OUTCOME, **changes).encode())
    fields = list(codec.decode(OUTCOME.encode()))
    with pytest.raises(NotCanonical):
        Outcome.decode(codec.encode((4, *fields[1:])))
    with pytest.raises(NotCanonical):
        Outcome.decode(codec.encode(tuple(fields[:-1])))


def test_a_write_set_opens_at_its_place_only() -> None:
    at = (Height(7), Digest(b"b" * 32), Digest(b"r" * 32))
    sealed = BOX.seal(WRITE_SET, *at)
    opened = BOX.open(sealed, *at)
    assert (opened.changes, opened.opened, opened.windows, opened.results) == (
        WRITE_SET.changes,
        WRITE_SET.opened,
        WRITE_SET.windows,
        WRITE_SET.results,
    )
    assert opened.result_of(0) == (bytes(32), b"plaintext")
    assert opened.result_of(1) is None
    other_chain = replace(BOX, chain=ChainId(b"x" * 32))
    other_epoch = replace(BOX, epoch=Epoch(1))
    for box, place in [
        (BOX, (Height(8), at[1], at[2])),
        (BOX, (at[0], Digest(bytes(32)), at[2])),
        (BOX, (at[0], at[1], Digest(bytes(32)))),
        (other_chain, at),
        (other_epoch, at),
    ]:
        with pytest.raises(DoesNotOpen):
            box.open(sealed, *place)


def test_the_history_begins_with_genesis_and_proves_every_height() -> None:
    header = genesis_header(
        chain=ChainId(bytes(32)), description=NO_DIGEST, time_ms=Milliseconds(1)
    )
    tree = HistoryTree(header)
    assert (tree.size, tree.root()) == (1, genesis_leaf(header).hash)
    tree.append(replace(OUTCOME, height=Height(1)).history_leaf)
    assert tree.size == 2
    assert tree.path(Height(0), 2) == (replace(OUTCOME, height=Height(1)).history_leaf.hash,)
    assert tree.consistency(1, 2)
