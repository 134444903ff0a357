"""Labels, quorums and codec: what exists is valid, what is not canonical is refused (T31, T34)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.consensus.samples import BATCH_HEADER, MESSAGES, RECORDS, VOTE, certificate

from strongroom.consensus import labels
from strongroom.consensus.batches import BatchHeader, decode_payload, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip
from strongroom.consensus.codec import DEPTH_MAX, Wire, decode, decode_fields, encode, fields
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import (
    CertificateMessage,
    CertificateRequest,
    Justify,
    VoteMessage,
    certified_statement,
    decode_message,
    encode_message,
)
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.replica.records import RecordKind, decode_record, encode_record
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Signature, SignerIndex, View

u64 = st.integers(0, 2**64 - 1)
digests = st.binary(min_size=32, max_size=32).map(Digest)
signatures = st.binary(min_size=64, max_size=64).map(Signature)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    kind = draw(st.sampled_from(Kind))
    digest = (
        NO_DIGEST
        if kind is Kind.NULLIFY
        else draw(digests.filter(lambda value: value != NO_DIGEST))
    )
    return Statement(kind, draw(u64), draw(st.integers(1, 2**64 - 1)), digest)  # type: ignore[arg-type]


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    signers = sorted(draw(st.sets(st.integers(0, 255), min_size=1, max_size=12)))
    return Certificate(draw(statements()), tuple(signers), tuple(draw(signatures) for _ in signers))  # type: ignore[arg-type]


votes = st.builds(Vote, statements(), st.integers(0, 255), signatures)
tips = st.builds(LaneTip, u64, digests)
headers = st.builds(
    Header,
    chain=digests,
    epoch=u64,
    view=u64,
    height=u64,
    parent=digests,
    proposer=st.integers(0, 255),
    time_ms=u64,
    cut=st.lists(tips, max_size=5).map(tuple),
    batch_count=u64,
    batch_bytes=u64,
    anchor=st.builds(Anchor, u64, digests),
    next_epoch=digests,
)


def test_no_label_is_a_prefix_of_another() -> None:
    all_labels = [
        value for name, value in vars(labels).items() if name.isupper() and isinstance(value, bytes)
    ]
    all_labels = [label for label in all_labels if label != b"strongroom/1/"]
    assert len(all_labels) > 25
    for one in all_labels:
        assert one.startswith(b"strongroom/1/")
        assert [other for other in all_labels if other.startswith(one)] == [one]


@pytest.mark.parametrize(
    ("n", "f", "q", "b"),
    [
        (1, 0, 1, 1),
        (2, 0, 2, 1),
        (3, 0, 2, 2),
        (4, 1, 3, 2),
        (5, 1, 4, 2),
        (6, 1, 4, 3),
        (7, 2, 5, 3),
        (10, 3, 7, 4),
        (30, 9, 20, 11),
    ],
)
def test_the_quorum_table_of_section_1(n: int, f: int, q: int, b: int) -> None:
    quorum = Quorum(n)
    assert (quorum.faults, quorum.size, quorum.blocking) == (f, q, b)


@given(st.integers(1, 256))
def test_two_quorums_share_an_honest_member_and_the_honest_are_one(n: int) -> None:
    quorum = Quorum(n)
    assert 2 * quorum.size - n > quorum.faults
    assert n - quorum.faults >= quorum.size
    assert quorum.blocking > quorum.faults


@given(headers)
def test_headers_round_trip(header: Header) -> None:
    assert Header.decode(header.encoded) == header


@given(votes)
def test_votes_round_trip(vote: Vote) -> None:
    assert decode_message(encode_message(VoteMessage(vote))) == VoteMessage(vote)


@given(certificates(), st.lists(votes, max_size=3))
def test_certificates_round_trip(held: Certificate, said: list[Vote]) -> None:
    message = Justify(held.statement.epoch, held.view, (held,), tuple(said))
    assert decode_message(encode_message(message)) == message


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_T31_a_message_with_one_byte_changed_is_refused_or_another_value(
    name: str, data: st.DataObject
) -> None:
    genuine = encode_message(MESSAGES[name])
    at = data.draw(st.integers(0, len(genuine) - 1))
    changed = genuine[:at] + bytes((data.draw(st.integers(0, 255)),)) + genuine[at + 1 :]
    try:
        message = decode_message(changed)
    except NotCanonical:
        return
    assert encode_message(message) == changed, "whatever is accepted has these bytes and no others"


@given(st.binary(max_size=200))
def test_T31_garbage_is_refused_with_the_one_error(data: bytes) -> None:
    try:
        message = decode_message(data)
    except NotCanonical:
        return
    assert encode_message(message) == data


@given(st.sampled_from(sorted(RECORDS)), st.data())
def test_a_record_with_one_byte_changed_is_refused_or_another_value(
    name: str, data: st.DataObject
) -> None:
    kind, genuine = encode_record(RECORDS[name])
    at = data.draw(st.integers(0, len(genuine) - 1))
    changed = genuine[:at] + bytes((data.draw(st.integers(0, 255)),)) + genuine[at + 1 :]
    try:
        record = decode_record(kind, changed)
    except NotCanonical:
        return
    assert encode_record(record) == (kind, changed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0\xc0",  # trailing bytes
        b"\xcc\x05",  # 5 in a longer form
        b"\xd9\x01a",  # a short string in a longer form
        b"\xdc\x00\x01\xc0",  # a short sequence in a longer form
        b"\x81\xa1a\x01",  # a map
        b"\xd4\x05\x00",  # an extension
        b"\x92\x01",  # cut short
        b"\xc1",  # never used
        b"\x91" * 2000,  # nested without end
    ],
)
def test_T31_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        decode(data)


SHAPES = {2: (int, bytes), 3: (int, str, bool), 5: (int, int, int, bytes, bytes)}
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(), st.binary(max_size=300)
)


@pytest.mark.parametrize("filling", [b"", b"\x00" * 600, b"\x91" * 600])
def test_T27_sequences_nest_as_deep_as_is_allowed_and_no_deeper(filling: bytes) -> None:
    """Whether bytes are counted or values looked at, whatever stands beside them."""

    def nested(depth: int) -> bytes:
        value: Wire = (filling,)
        for _ in range(depth - 1):
            value = (filling, value)
        return encode(value)

    assert encode(decode(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    for depth in (DEPTH_MAX + 1, 400):
        with pytest.raises(NotCanonical, match="sequences within sequences"):
            decode(nested(depth))


def test_T27_many_sequences_beside_each_other_are_not_deep() -> None:
    for data in (encode(((),) * 100), encode((((),),) * 1000)):
        assert encode(decode(data)) == data


def fields_otherwise(data: bytes) -> Wire:
    """What `decode_fields` says, by `decode` and `fields`."""
    value = decode(data)
    if type(value) is not tuple or len(value) not in SHAPES:
        raise NotCanonical("of no known shape")
    return fields(value, *SHAPES[len(value)], name="record")


@given(
    st.one_of(
        st.lists(st.one_of(scalars, st.lists(scalars, max_size=2).map(tuple)), max_size=6)
        .map(tuple)
        .map(encode),
        st.tuples(u64, st.binary(max_size=300)).map(encode),
        st.tuples(u64, u64, u64, digests, signatures).map(encode),
        st.tuples(st.just(b"\x92\xcd\x00\xff\xc4\x01"), st.binary(max_size=2)).map(b"".join),
        st.binary(max_size=40),
    )
)
def test_T31_fields_decoded_at_once_are_those_that_are_checked_one_by_one(data: bytes) -> None:
    try:
        expected = fields_otherwise(data)
    except NotCanonical:
        with pytest.raises(NotCanonical):
            decode_fields(data, frozenset(SHAPES.values()), name="record")
    else:
        assert decode_fields(data, frozenset(SHAPES.values()), name="record") == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\x92\x05\xc4\x00\xc0",  # trailing bytes
        b"\x92\xcc\x05\xc4\x00",  # 5 in a longer form
        b"\x92\x05\xc5\x00\x00",  # no bytes in a longer form
        b"\xdc\x00\x02\x05\xc4\x00",  # a short sequence in a longer form
        b"\x92\xc3\xc4\x00",  # true for a number
        b"\x92\x05\x90",  # a sequence for bytes
        b"\x91" * 2000,
        b"\x80",
    ],
)
def test_T31_bytes_that_are_no_canonical_fields_are_refused(data: bytes) -> None:
    assert decode_fields(b"\x92\x05\xc4\x00", frozenset(SHAPES.values()), name="record") == (5, b"")
    with pytest.raises(NotCanonical):
        decode_fields(data, frozenset(SHAPES.values()), name="record")


def test_T31_trailing_and_missing_bytes_are_refused_in_every_message() -> None:
    for message in MESSAGES.values():
        data = encode_message(message)
        for wrong in (data + b"\xc0", data[:-1], b"\x00" + data):
            with pytest.raises(NotCanonical):
                decode_message(wrong)


def test_T33_a_certificate_with_padding_double_or_unordered_signers_is_refused() -> None:
    kind, epoch, view, digest, bitmap, joined = certificate("nullify").to_wire()
    assert isinstance(bitmap, bytes)
    assert isinstance(joined, bytes)
    for wrong in (b"\x00" + bitmap, b"", bytes(33)):
        with pytest.raises(NotCanonical):
            Certificate.from_wire((kind, epoch, view, digest, wrong, joined))
    with pytest.raises(NotCanonical):
        Certificate.from_wire((kind, epoch, view, digest, bitmap, joined + bytes(64)))
    for signers in ((1, 1), (2, 1)):
        with pytest.raises(NotCanonical):
            Certificate(VOTE.statement, tuple(map(SignerIndex, signers)), (VOTE.signature,) * 2)


def test_a_statement_has_a_digest_unless_it_nullifies() -> None:
    for kind, digest in (
        (Kind.NULLIFY, VOTE.statement.digest),
        (Kind.NOTARIZE, NO_DIGEST),
        (Kind.FINALIZE, NO_DIGEST),
    ):
        with pytest.raises(NotCanonical):
            Statement(kind, VOTE.statement.epoch, VOTE.statement.view, digest)
    with pytest.raises(NotCanonical):
        Statement(Kind.NULLIFY, VOTE.statement.epoch, 0, NO_DIGEST)  # type: ignore[arg-type]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=9))
def test_payloads_round_trip_and_their_count_is_checked(envelopes: list[bytes]) -> None:
    payload = encode_payload(envelopes)
    assert decode_payload(payload, len(envelopes)) == tuple(envelopes)
    with pytest.raises(NotCanonical):
        decode_payload(payload, len(envelopes) + 1)


def test_types_are_exact() -> None:
    wire = list(BATCH_HEADER.to_wire())
    for at, wrong in ((0, True), (1, 256), (2, -1), (3, b"short"), (4, 0), (5, 2**21), (6, "text")):
        with pytest.raises(NotCanonical):
            BatchHeader.from_wire((*wire[:at], wrong, *wire[at + 1 :]))
    with pytest.raises(NotCanonical):
        Justification.from_wire((None,))
    with pytest.raises(NotCanonical):
        decode_record(RecordKind.CAST, encode((1, 0, 1)))


def test_a_certificate_message_tells_its_statement_before_its_signatures_are_read() -> None:
    certificate = Certificate(
        Statement(Kind.FINALIZE, Epoch(3), View(70_000), Digest(b"\xab" * 32)),
        (SignerIndex(0),),
        (Signature(bytes(64)),),
    )
    data = encode_message(CertificateMessage(certificate))
    assert certified_statement(data) == (3, 3, 70_000, b"\xab" * 32)
    assert certified_statement(encode_message(CertificateRequest(Epoch(1), View(2)))) is None
    assert certified_statement(b"") is None
    with pytest.raises(NotCanonical):
        certified_statement(data + b"\x00")


@pytest.mark.parametrize(
    ("depth", "taken"),
    [(1, True), (32, True), (33, False), (600, False), (1024, False), (5000, False)],
)
def test_T27_depth_is_bounded_by_a_rule_of_ours_not_by_a_library_or_a_stack(
    depth: int, taken: bool
) -> None:
    data = b"\x91" * (depth - 1) + b"\x90"
    if taken:
        assert encode(decode(data)) == data
    else:
        with pytest.raises(NotCanonical):
            decode(data)


def test_T27_width_is_not_depth() -> None:
    value = tuple((number, (b"", ((),))) for number in range(1000))
    assert decode(encode(value)) == value
