"""What hosts say beside the replicas (PROTOCOL §3): bounds, and of which epoch a message is
(R0)."""

import pytest
from tests.consensus.samples import EPOCH_ENTRY, MESSAGES

from strongroom.consensus import codec
from strongroom.consensus.bounds import ENVELOPE_BYTES_MAX, EVIDENCE_BYTES_MAX
from strongroom.consensus.epochs import ENTRIES_MAX, PUBLIC_KEY_SIZE
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.host_messages import (
    CHUNK_BYTES_MAX,
    CHUNKS_MAX,
    EPOCH,
    KEYS_CHALLENGE,
    KEYS_REQ,
    OUTCOMES,
    OUTCOMES_MAX,
    SNAP,
    SNAP_REQ,
    WRAPPED_BYTES_MAX,
    Keys,
    KeysProof,
    Outcomes,
    SnapshotChunk,
    Submit,
)
from strongroom.consensus.messages import Message, decode_message, encode_message
from strongroom.consensus.replica.admission import epoch_of
from strongroom.consensus.types import Height
from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX as SEALED_BYTES_MAX
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE


def test_sizes_are_those_of_what_they_carry() -> None:
    assert (ENVELOPE_BYTES_MAX, PUBLIC_KEY_SIZE) == (SEALED_BYTES_MAX, HYBRID_PUBLIC_SIZE)


@pytest.mark.parametrize(
    ("fits", "size_max"),
    [
        (lambda size: Submit(bytes(size)), ENVELOPE_BYTES_MAX),
        (lambda size: KeysProof(bytes(size)), EVIDENCE_BYTES_MAX),
        (lambda size: Keys(bytes(size)), WRAPPED_BYTES_MAX),
        (lambda size: SnapshotChunk(Height(1), 0, 1, bytes(size)), CHUNK_BYTES_MAX),
        (lambda size: Outcomes(Height(1), (b"",) * size), OUTCOMES_MAX),
    ],
)
def test_T31_each_has_a_bound_and_is_taken_up_to_it(fits: object, size_max: int) -> None:
    assert callable(fits)
    whole: Message = fits(size_max)
    assert decode_message(encode_message(whole)) == whole
    with pytest.raises(NotCanonical):
        decode_message(encode_message(fits(size_max + 1)))


@pytest.mark.parametrize(
    "fields",
    [
        (KEYS_REQ, 1),
        (KEYS_CHALLENGE, bytes(31)),
        (SNAP_REQ, 1, CHUNKS_MAX),
        (SNAP, 1, 4, 4, b"chunk"),
        (SNAP, 1, 0, 1, b""),
        (OUTCOMES, 1, (b"one", "two")),
        (OUTCOMES, -1, ()),
        (OUTCOMES, 0, (b"one",)),
        (EPOCH, (EPOCH_ENTRY.to_wire(),) * (ENTRIES_MAX + 1)),
        (EPOCH, (EPOCH_ENTRY.to_wire()[:3],)),
    ],
)
def test_what_is_not_exactly_of_its_shape_is_refused(fields: tuple[object, ...]) -> None:
    with pytest.raises(NotCanonical):
        decode_message(codec.encode(fields))


def test_R0_what_replicas_say_is_of_an_epoch_and_what_hosts_ask_of_none() -> None:
    of_none = {name for name, message in MESSAGES.items() if epoch_of(message) is None}
    assert {epoch_of(message) for name, message in MESSAGES.items() if name not in of_none} == {3}
    asked = {
        "EPOCH_REQ",
        "OUTCOME_REQ",
        "KEYS_REQ",
        "SNAP_REQ",
        "SUBMIT",
        "BATCH_REQ",
        "BLOCK_REQ",
        "RANGE_REQ",
        "HEAD_REQ",
    }
    given = {
        "EPOCH",
        "EPOCH of none",
        "OUTCOMES",
        "KEYS_CHALLENGE",
        "KEYS_PROOF",
        "KEYS",
        "SNAP",
        "RANGE",
        "HEAD",
    }
    assert of_none == asked | given
