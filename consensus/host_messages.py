"""What hosts say to each other beside the replicas: epochs, keys, outcomes, snapshots, transactions
(PROTOCOL §3).

Owns their shapes and tags; messages.py is the way to bytes and back. A replica sees none of
these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.bounds import ENVELOPE_BYTES_MAX, EVIDENCE_BYTES_MAX
from strongroom.consensus.epochs import ENTRIES_MAX, EpochEntry
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import NONCE_SIZE, Epoch, Height

KEYS_REQ, KEYS = 8, 9
EPOCH_REQ, EPOCH, SNAP_REQ, SNAP, OUTCOME_REQ, OUTCOMES, SUBMIT, KEYS_CHALLENGE, KEYS_PROOF = range(
    17, 26
)
"""First field of a message."""
OUTCOMES_MAX = 64
"""Outcomes of one OUTCOMES message."""
WRAPPED_BYTES_MAX = 64 * 1024
"""Bytes of secrets, wrapped to a key of their asker."""
CHUNK_BYTES_MAX = 1024 * 1024
"""Bytes of one chunk of a snapshot."""
CHUNKS_MAX = 1 << 16
"""Chunks of one snapshot."""


@dataclass(frozen=True, slots=True)
class EpochRequest:
    """Asks for what opens the epochs from `start` on."""

    start: Epoch


@dataclass(frozen=True, slots=True)
class EpochMessage:
    """Consecutive entries of the chain of epochs, in order; empty if none is known."""

    entries: tuple[EpochEntry, ...]


@dataclass(frozen=True, slots=True)
class OutcomeRequest:
    """Asks for outcomes with write sets from a height on: for a node that catches up by write
    sets."""

    start: Height


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Encoded outcomes of consecutive heights from `start` on."""

    start: Height
    outcomes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Submit:
    """A transaction of a node that has no lane of its own: the receiver puts it into its lane."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class KeysRequest:
    """Asks for the secrets of which one is entitled: answered by a challenge (DESIGN §5)."""


@dataclass(frozen=True, slots=True)
class KeysChallenge:
    """The nonce that the asker's evidence must answer, made for it alone."""

    nonce: bytes
    """32 random bytes."""


@dataclass(frozen=True, slots=True)
class KeysProof:
    """Fresh evidence over the challenge, naming a one-time wrap key."""

    evidence: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets wrapped to the key that the proof names."""

    wrapped: bytes


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Asks for one chunk of the sealed state at an executed height."""

    height: Height
    chunk: int


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """One chunk; it counts only once its digest is found below a root that an anchor certifies."""

    height: Height
    chunk: int
    count: int
    """Chunks of the whole snapshot."""
    data: bytes


HostMessage = (
    EpochRequest
    | EpochMessage
    | OutcomeRequest
    | Outcomes
    | Submit
    | KeysRequest
    | KeysChallenge
    | KeysProof
    | Keys
    | SnapshotRequest
    | SnapshotChunk
)


def host_to_wire(message: object) -> tuple[object, ...]:
    """Tag and fields of one of these messages.

    Raises:
        TypeError: it is none of them.
    """
    match message:
        case EpochRequest(start):
            return (EPOCH_REQ, start)
        case EpochMessage(entries):
            return (EPOCH, tuple(entry.to_wire() for entry in entries))
        case OutcomeRequest(first):
            return (OUTCOME_REQ, first)
        case Outcomes(first, outcomes):
            return (OUTCOMES, first, outcomes)
        case Submit(envelope):
            return (SUBMIT, envelope)
        case SnapshotRequest(height, chunk):
            return (SNAP_REQ, height, chunk)
        case SnapshotChunk(height, chunk, count, data):
            return (SNAP, height, chunk, count, data)
        case _:
            return _keys_to_wire(message)


def _keys_to_wire(message: object) -> tuple[object, ...]:
    match message:
        case KeysRequest():
            return (KEYS_REQ,)
        case KeysChallenge(nonce):
            return (KEYS_CHALLENGE, nonce)
        case KeysProof(evidence):
            return (KEYS_PROOF, evidence)
        case Keys(wrapped):
            return (KEYS, wrapped)
        case _:
            raise TypeError(f"no wire form for {type(message).__name__}")


def _bounded(data: object, size_max: int, *, name: str) -> bytes:
    if type(data) is not bytes or not 0 < len(data) <= size_max:
        raise NotCanonical(f"{name}: expected 1..{size_max} bytes")
    return data


def _read_epoch_request(rest: tuple[Any, ...]) -> EpochRequest:
    (start,) = codec.fields(rest, int, name="epoch request")
    return EpochRequest(Epoch(codec.unsigned(start, name="start")))


def _read_epochs(rest: tuple[Any, ...]) -> EpochMessage:
    (entries,) = codec.fields(rest, tuple, name="epochs")
    listed = codec.listed(entries, name="entries", count_max=ENTRIES_MAX)
    return EpochMessage(tuple(EpochEntry.from_wire(entry) for entry in listed))


def _read_outcome_request(rest: tuple[Any, ...]) -> OutcomeRequest:
    (start,) = codec.fields(rest, int, name="outcome request")
    return OutcomeRequest(Height(codec.unsigned(start, name="start")))


def _read_outcomes(rest: tuple[Any, ...]) -> Outcomes:
    start, outcomes = codec.fields(rest, int, tuple, name="outcomes")
    listed = codec.listed(outcomes, name="outcomes", count_max=OUTCOMES_MAX)
    if any(type(outcome) is not bytes for outcome in listed):
        raise NotCanonical("outcomes: expected byte strings")
    if codec.unsigned(start, name="start") == 0:
        raise NotCanonical("outcomes: genesis has none")
    return Outcomes(Height(start), tuple(listed))


def _read_submit(rest: tuple[Any, ...]) -> Submit:
    (envelope,) = codec.fields(rest, bytes, name="submit")
    return Submit(_bounded(envelope, ENVELOPE_BYTES_MAX, name="envelope"))


def _read_keys_request(rest: tuple[Any, ...]) -> KeysRequest:
    codec.fields(rest, name="keys request")
    return KeysRequest()


def _read_keys_challenge(rest: tuple[Any, ...]) -> KeysChallenge:
    (nonce,) = codec.fields(rest, bytes, name="keys challenge")
    return KeysChallenge(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _read_keys_proof(rest: tuple[Any, ...]) -> KeysProof:
    (evidence,) = codec.fields(rest, bytes, name="keys proof")
    return KeysProof(_bounded(evidence, EVIDENCE_BYTES_MAX, name="evidence"))


def _read_keys(rest: tuple[Any, ...]) -> Keys:
    (wrapped,) = codec.fields(rest, bytes, name="keys")
    return Keys(_bounded(wrapped, WRAPPED_BYTES_MAX, name="wrapped secrets"))


def _read_snapshot_request(rest: tuple[Any, ...]) -> SnapshotRequest:
    height, chunk = codec.fields(rest, int, int, name="snapshot request")
    return SnapshotRequest(
        Height(codec.unsigned(height, name="height")),
        codec.unsigned(chunk, name="chunk", value_max=CHUNKS_MAX - 1),
    )


def _read_snapshot_chunk(rest: tuple[Any, ...]) -> SnapshotChunk:
    height, chunk, count, data = codec.fields(rest, int, int, int, bytes, name="snapshot chunk")
    number = codec.unsigned(chunk, name="chunk", value_max=CHUNKS_MAX - 1)
    if codec.unsigned(count, name="count", value_max=CHUNKS_MAX) <= number:
        raise NotCanonical("snapshot chunk: its number is not below their count")
    size_checked = _bounded(data, CHUNK_BYTES_MAX, name="chunk")
    return SnapshotChunk(Height(codec.unsigned(height, name="height")), number, count, size_checked)


HOST_READERS: dict[int, Callable[[tuple[Any, ...]], HostMessage]] = {
    EPOCH_REQ: _read_epoch_request,
    EPOCH: _read_epochs,
    OUTCOME_REQ: _read_outcome_request,
    OUTCOMES: _read_outcomes,
    SUBMIT: _read_submit,
    KEYS_REQ: _read_keys_request,
    KEYS_CHALLENGE: _read_keys_challenge,
    KEYS_PROOF: _read_keys_proof,
    KEYS: _read_keys,
    SNAP_REQ: _read_snapshot_request,
    SNAP: _read_snapshot_chunk,
}
"""Each reads the fields after its tag, and raises NotCanonical for what is not of its shape."""
