"""Envelopes: bytes, what they are bound to, strictness (T01, T08, T31)."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
    Signature,
    TransactionId,
)
from strongroom.enclave.formats.envelope import (
    CALL,
    ENVELOPE_BYTES_MAX,
    OPENING,
    QUERY,
    SESSION_QUERY,
    Call,
    Opening,
    Query,
    SignedQuery,
    head_of,
    opening_statement,
    query_statement,
    transaction_id,
)
from strongroom.enclave.formats.reading import (
    read_call,
    read_envelope,
    read_opening,
    read_query,
    read_signed_query,
)
from strongroom.enclave.formats.session_keys import SessionKeys
from strongroom.enclave.formats.size_classes import (
    CALL_BOXES,
    CALL_ENVELOPES,
    OPENING_ENVELOPES,
    OPENING_MESSAGES,
    TooLarge,
)
from strongroom.enclave.outside.client_sessions import ClientSession, Identity, seal_query
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret

CHAIN = ChainId(bytes(range(32)))
SECRET = Secret(bytes(range(32, 64)))
ALICE = Identity.from_seed(Secret(bytes(range(64, 96))))
EPOCH_KEY = HybridKey(Secret(bytes(range(96, 128))))
KEY_DIGEST = Digest(sha256(EPOCH_KEY.public).digest())
TRANSFER = Call("payments", bytes(32), "transfer", ((b"", "x"), 5, "", "hello"))


def session_of(call: Call | None = None, *, close: bool = False) -> tuple[ClientSession, bytes]:
    return ClientSession.open(EPOCH_KEY.public, CHAIN, Epoch(0), ALICE, call, close=close)


def digest_of(data: bytes) -> str:
    return sha256(data).hexdigest()[:16]


def test_golden_bytes_of_plaintexts() -> None:
    """Forms that clients of other versions depend on."""
    call = TRANSFER.encode()
    assert call.hex() == (
        "94a87061796d656e7473c420"
        + "00" * 32
        + "a87472616e73666572"
        + "9492c400a17805a0a568656c6c6f"
    )
    signature = Signature(bytes(64))
    opening = Opening(SECRET, PublicKey(bytes(32)), signature, call, True)
    assert digest_of(opening.encode()) == "e077f488d736a894"
    assert digest_of(Query(TRANSFER, Height(7), True).encode()) == "4f038395d874ffb5"
    assert (
        digest_of(SignedQuery(SECRET, PublicKey(bytes(32)), signature, b"q").encode())
        == "7e3067518c7d3e34"
    )
    assert (
        digest_of(opening_statement(CHAIN, Epoch(3), KEY_DIGEST, SECRET, call, False))
        == "0433c4d300a90f67"
    )
    assert (
        digest_of(query_statement(CHAIN, Epoch(3), KEY_DIGEST, SECRET, b"q")) == "6a45c9f590768139"
    )


def test_golden_bytes_of_a_call_and_its_keys() -> None:
    keys = SessionKeys(SECRET, CHAIN, Epoch(0), Digest(bytes(32)))
    session = ClientSession(keys, CHAIN, Epoch(0), Digest(bytes(32)))
    sequence, envelope = session.seal_call(TRANSFER)
    assert (sequence, len(envelope)) == (1, 233)
    assert envelope[:8].hex() == "96010100c4200000"
    assert digest_of(envelope) == "5672c700af197f87"
    assert keys.blinding(TransactionId(bytes(32))).hex()[:16] == "0ef52c41b1a75730"
    assert digest_of(keys.reply.seal(1, b"result", b"aad")) == "bb9680792f09cf11"


def test_each_kind_reads_back() -> None:
    session, opening = session_of(TRANSFER)
    _, call = session.seal_call(TRANSFER)
    _, asked = session.seal_query(Query(TRANSFER))
    _, alone = seal_query(EPOCH_KEY.public, CHAIN, Epoch(0), ALICE, Query(TRANSFER))
    kinds = [read_envelope(envelope)[1] for envelope in (call, opening, alone, asked)]
    assert kinds == [CALL, OPENING, QUERY, SESSION_QUERY]
    assert bytes(session.id) == transaction_id(opening)


@given(text=st.text(max_size=400))
def test_T08_whole_envelopes_have_few_sizes(text: str) -> None:
    call = Call("payments", bytes(32), "transfer", (text,))
    session, opening = session_of(call)
    _, envelope = session.seal_call(call)
    assert len(read_envelope(envelope)[5]) in CALL_BOXES
    assert len(read_envelope(opening)[3]) in OPENING_MESSAGES
    assert any(size - 64 < len(envelope) <= size for size in CALL_ENVELOPES)
    assert any(size - 64 < len(opening) <= size for size in OPENING_ENVELOPES)


def test_the_largest_call_fits_the_largest_envelope_and_no_more() -> None:
    session, _ = session_of()
    _, envelope = session.seal_call(Call("p", bytes(32), "t", (bytes(130_900),)))
    assert len(envelope) <= ENVELOPE_BYTES_MAX
    with pytest.raises(TooLarge):
        session.seal_call(Call("p", bytes(32), "t", (bytes(131_072),)))
    assert session.seal_call(TRANSFER)[0] == 2  # the refused one used no sequence number


def test_an_envelope_with_another_header_no_longer_opens() -> None:
    """T01: every public field is bound to the box, and so is the chain."""
    session, _opening = session_of()
    keys_of = session._keys
    _, envelope = session.seal_call(TRANSFER)
    _, kind, epoch, id, sequence, box = read_envelope(envelope)

    def opens(chain: ChainId, head: bytes, number: int = sequence) -> bool:
        try:
            keys_of.call.open(number, box, labels.bound(labels.SESSION_CALL, chain, head))
        except DoesNotOpen:
            return False
        return True

    assert opens(CHAIN, head_of(kind, epoch, len(box), id, sequence))
    assert not opens(ChainId(bytes(32)), head_of(kind, epoch, len(box), id, sequence))
    assert not opens(CHAIN, head_of(SESSION_QUERY, epoch, len(box), id, sequence))
    assert not opens(CHAIN, head_of(kind, Epoch(1), len(box), id, sequence))
    assert not opens(CHAIN, head_of(kind, epoch, len(box), bytes(32), sequence))
    assert not opens(CHAIN, head_of(kind, epoch, len(box), id, sequence + 1), sequence + 1)
    assert not opens(CHAIN, head_of(kind, epoch, len(box) * 2, id, sequence))


def test_keys_of_two_sessions_chains_and_epochs_differ_for_one_secret() -> None:
    """T01."""
    boxes = {
        SessionKeys(SECRET, chain, epoch, session).call.seal(1, b"", b"")
        for chain in (CHAIN, ChainId(bytes(32)))
        for epoch in (Epoch(0), Epoch(1))
        for session in (Digest(bytes(32)), KEY_DIGEST)
    }
    assert len(boxes) == 8


@given(st.binary(max_size=600))
@settings(max_examples=300)
def test_T31_arbitrary_bytes_are_refused_or_read_canonically(data: bytes) -> None:
    for read in (read_envelope, read_call, read_query, read_opening, read_signed_query):
        with pytest.raises(NotCanonical):
            read(data)


@given(data=st.data())
def test_T31_an_envelope_of_another_shape_is_refused(data: Any) -> None:
    _, envelope = session_of()[0].seal_call(TRANSFER)
    fields = list(codec.decode(envelope))
    position = data.draw(st.integers(0, 5))
    wrong = [
        [2, True, None],
        [0, 2, 3, 5, True],
        [-1, True, b""],
        [b"", bytes(31), 0],
        [-1, b"", None],
        [b"", bytes(193)],
    ]
    fields[position] = data.draw(st.sampled_from(wrong[position]))
    with pytest.raises(NotCanonical):
        read_envelope(codec.encode(tuple(fields)))
    for spoilt in (
        envelope + b"\x00",
        envelope[:-1],
        b"\xdc\x00\x06" + envelope[1:],
        bytes(ENVELOPE_BYTES_MAX + 1),
    ):
        with pytest.raises(NotCanonical):
            read_envelope(spoilt)


def test_T31_plaintexts_of_another_shape_are_refused() -> None:
    opening = (bytes(32), bytes(32), bytes(64), None, False)
    assert read_opening(codec.encode(opening)).first_call is None
    for position, wrong in [
        (0, bytes(31)),
        (1, bytes(33)),
        (2, bytes(63)),
        (3, 1),
        (3, ""),
        (4, 0),
        (4, None),
    ]:
        fields = [*opening[:position], wrong, *opening[position + 1 :]]
        with pytest.raises(NotCanonical):
            read_opening(codec.encode(fields))
    for query in ((b"", -1, False), (b"", True, False), (b"", 0, 0), (b"", 0), ("", 0, False)):
        with pytest.raises(NotCanonical):
            read_query(codec.encode(query))


def test_nothing_secret_has_a_repr() -> None:
    """T10."""
    session, _envelope = session_of(TRANSFER)
    key, _ = session.seal_query(Query(TRANSFER))
    opening = Opening(SECRET, ALICE.public, Signature(bytes(64)), None, False)
    shown = repr(
        (
            session,
            key,
            session._keys,
            opening,
            opening.secret,
            ALICE,
            ALICE.key,
            TRANSFER,
            Query(TRANSFER),
        )
    )
    assert SECRET.reveal().hex() not in shown
    assert str(SECRET.reveal()) not in shown
    assert "hello" not in shown


@given(
    epoch=st.integers(0, 2**64 - 1),
    sequence=st.one_of(st.integers(1, 2**64 - 1), st.sampled_from([127, 128, 255, 256, 65_536])),
    size=st.integers(0, 3_000),
)
def test_T01_the_head_of_a_call_is_the_canonical_one_whatever_its_session_keeps(
    epoch: int, sequence: int, size: int
) -> None:
    id = Digest(bytes(range(32)))
    keys = SessionKeys(Secret(bytes(32)), ChainId(bytes(32)), Epoch(epoch), id)
    session = ClientSession(keys, ChainId(bytes(32)), Epoch(epoch), id)
    session._next = sequence
    _, envelope = session.seal_call(Call("p", bytes(32), "o", ("x" * size,)))
    box = read_envelope(envelope)[5]
    assert envelope == head_of(CALL, Epoch(epoch), len(box), id, sequence) + box
    keys.call.open(
        sequence,
        box,
        labels.bound(labels.SESSION_CALL, ChainId(bytes(32)), b"") + envelope[: -len(box)],
    )


def test_a_call_shows_nothing_of_its_arguments() -> None:
    assert repr(Call("payments", bytes(32), "transfer", ("secret",))) == "Call(…)"
