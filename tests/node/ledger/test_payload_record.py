"""Payloads on disk: what envelopes begin with stands once, all of it comes back, and nothing else
is taken (T40)."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import Chain

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, Signature
from strongroom.enclave.proofs.block_data import SMALL_ENVELOPES_MAX
from strongroom.node.ledger import block_record
from strongroom.node.ledger.block_record import StoredBlock, id_at, ids_of
from strongroom.node.ledger.payload_record import HEAD_SIZE, envelope_at, pack, unpack

ENVELOPE = st.builds(
    lambda head, rest: head[:HEAD_SIZE] + rest,
    st.sampled_from([bytes(60), b"a" * HEAD_SIZE, b"b" * HEAD_SIZE, b"short"]),
    st.binary(max_size=40),
)


@given(envelopes=st.lists(ENVELOPE, min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_each_payload_comes_back_byte_for_byte_and_never_longer(envelopes: list[bytes]) -> None:
    payload = encode_payload(envelopes)
    stored = pack(payload, len(envelopes))
    assert unpack(stored, len(envelopes)) == payload
    assert sum(map(len, stored)) < len(payload) if type(stored) is tuple else stored == payload


@pytest.mark.parametrize("payload", [b"", b"\x00", bytes(300), codec.encode((b"a", 5)), b"\xc1"])
def test_a_payload_that_is_no_sequence_of_envelopes_stands_as_it_came(payload: bytes) -> None:
    assert pack(payload, 2) == payload
    assert unpack(payload, 2) == payload


def test_payments_in_one_session_take_35_bytes_less_each() -> None:
    chain = Chain()
    session, opening = chain.open("alice")
    call = chain.call("payments.transfer", to="bob", amount=1)
    envelopes = [session.seal_call(call)[1] for _ in range(200)]
    chain.commit(opening)
    chain.commit(*envelopes)
    block = StoredBlock(chain.blocks[1].header, None, chain.blocks[1].batches)
    data = block.encode()
    assert StoredBlock.decode(data) == block
    assert len(data) < sum(map(len, envelopes)) - 30 * len(envelopes)
    ids = [id_at(data, at) for at in range(201)]
    assert ids == [*(id for id, _ in chain.outcomes[1].ids_and_codes()), b""]


def batch_of(lane: int, payload: bytes, count: int) -> Batch:
    header = BatchHeader(
        epoch=Epoch(0),
        lane=Lane(lane),
        sequence=Sequence(0),
        previous=Digest(bytes(32)),
        count=count,
        size=len(payload),
        payload_digest=Digest(sha256(payload).digest()),
    )
    return Batch(header, payload, Signature(bytes(64)))


def mixed_block() -> bytes:
    """Batches that are packed, that stand as they came, that hold nothing, and that are void."""
    alike = [bytes((at % 3,)) * 60 + bytes((at,)) for at in range(50)]
    others = [sha256(bytes((at,))).digest() * 2 for at in range(9)]
    small = [b"x"] * (SMALL_ENVELOPES_MAX + 1)
    payloads = [
        (encode_payload(alike), 50),
        (encode_payload(small), len(small)),
        (encode_payload(others), 9),
        (b"\xc1", 4),
        (encode_payload(others), 8),
        (encode_payload(alike[::-1]), 50),
    ]
    batches = [batch_of(lane, *one) for lane, one in enumerate(payloads)]
    stored = [
        (one.header.to_wire(), pack(one.payload, one.header.count), one.signature)
        for one in batches
    ]
    assert [type(one[1]) for one in stored] == [tuple, bytes, bytes, bytes, bytes, tuple]
    return codec.encode((b"header", None, tuple(stored)))


def test_the_id_at_a_position_is_the_one_that_reading_all_gives() -> None:
    data = mixed_block()
    ids = ids_of(data)
    assert len(ids) == 50 + 9 + 50
    assert [id_at(data, at) for at in range(len(ids) + 1)] == [*ids, b""]


def test_T70_the_id_at_a_position_is_found_without_making_other_envelopes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for on the event loop, of blocks of megabytes."""
    data = mixed_block()
    last = ids_of(data)[-1]

    def refuse(*_: object) -> None:
        raise AssertionError("a whole block was decoded")

    monkeypatch.setattr(block_record, "unpack", refuse)
    monkeypatch.setattr(block_record, "_parts", refuse)
    assert id_at(data, 50 + 9 + 49) == last


@pytest.mark.parametrize("size", [0, 1, 9, 100, -1_000, -200])
def test_a_block_that_was_cut_has_no_id_at_its_end(size: int) -> None:
    data = mixed_block()
    with pytest.raises(NotCanonical):
        id_at(data[:size], 50 + 9 + 49)


PACKED = pack(encode_payload([bytes((at,)) * 2 + b"h" * 60 for at in (1, 1, 1, 2)]), 4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, b""),
        (0, bytes(HEAD_SIZE + 1)),
        (1, bytes(6)),
        (1, b"\x00\x09" * 4),
        (2, bytes(8)),
        (2, bytes(10)),
        (2, b"\x00\x40" * 4),
        (3, b""),
        (3, bytes(2_000)),
        (3, 5),
    ],
)
def test_what_is_no_packed_payload_is_refused(field: int, value: object) -> None:
    assert type(PACKED) is tuple
    changed = tuple(value if at == field else one for at, one in enumerate(PACKED))
    with pytest.raises(NotCanonical):
        unpack(changed, 4)
    if value != bytes(2_000):  # too long: the last envelope is there all the same
        with pytest.raises(NotCanonical):
            envelope_at(changed, 4, 3)
    for count in (3, 5):
        with pytest.raises(NotCanonical):
            unpack(PACKED, count)


def test_a_packed_payload_that_is_another_one_is_not_that_of_its_header() -> None:
    chain = Chain()
    session, opening = chain.open("alice")
    call = chain.call("payments.transfer", to="bob", amount=1)
    chain.commit(opening)
    chain.commit(*[session.seal_call(call)[1] for _ in range(9)])
    data = StoredBlock(chain.blocks[1].header, None, chain.blocks[1].batches).encode()
    for at in range(len(data) - 300, len(data) - 70, 13):
        with pytest.raises(NotCanonical):
            StoredBlock.decode(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
