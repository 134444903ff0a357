"""Batches of readings that devices sign: their bytes, and the chain over all that a version holds
(ROOMS §3; T64).

Owns what a device signs, and the check that batches are those that the ledger was told of: none
twice, in another order, left out, another device's or another data set's. Pure: gateways and
workers do it alike. What is in a batch, nobody reads here.

    signed = label ‖ chain ‖ (owner, data set, counter, SHA-256 of the readings)
    chain  = H(chain of the version that this one extends ‖ (device, first, last) of each device)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.primitives import SigningKey, verify

READINGS_BYTES_MAX = 1 << 20
"""Of a batch's readings."""
MOVES_MAX = 256
"""Devices of one data set, and therefore of one extension."""
COUNTER_MAX = 2**53
_LENGTH = 4
"""Bytes before each batch, which say how long it is."""
_SIGNED_BYTES_MAX = READINGS_BYTES_MAX + 256


class BatchRefused(ClientFault):
    """A batch is not the next one of a device of this data set."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """foreign-device, foreign-batch, replayed, gap or batch."""


class Move(NamedTuple):
    """How far a version takes one device: batches `first` to `last` of it are in."""

    device: bytes
    """Its public key."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SignedFor:
    """The data set that devices sign for."""

    chain: ChainId
    owner: bytes
    name: str

    def signed_bytes(self, counter: int, readings: bytes) -> bytes:
        """What a device signs."""
        told = codec.encode((self.owner, self.name, counter, sha256(readings).digest()))
        return labels.bound(labels.DEVICE_BATCH, self.chain, told)


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """Readings of one device, signed. Its counter begins where it likes, and grows by one."""

    device: bytes
    counter: int
    readings: bytes
    """An Arrow IPC stream."""
    signature: bytes

    @classmethod
    def sign(cls, key: SigningKey, stream: SignedFor, counter: int, readings: bytes) -> "Batch":
        """Made by the device itself.

        Raises:
            BatchRefused: too long.
        """
        if len(readings) > READINGS_BYTES_MAX:
            raise BatchRefused("batch", f"a batch has at most {READINGS_BYTES_MAX} bytes: sign two")
        signature = key.sign(stream.signed_bytes(counter, readings))
        return cls(key.public, counter, readings, signature)

    def encode(self) -> bytes:
        """With its length before it: such bytes may follow each other."""
        data = codec.encode((self.device, self.counter, self.readings, self.signature))
        return len(data).to_bytes(_LENGTH, "big") + data

    def check(self, stream: SignedFor) -> None:
        """Check that its device signed it, for this data set.

        Raises:
            BatchRefused: ``foreign-batch``.
        """
        if not verify(
            self.device, self.signature, stream.signed_bytes(self.counter, self.readings)
        ):
            raise BatchRefused(
                "foreign-batch",
                f"batch {self.counter} was not signed by its device for this data set",
            )


def read_batches(data: bytes) -> Iterator[Batch]:
    """The batches of a segment or a file.

    Raises:
        BatchRefused: ``batch``: it holds something else.
    """
    view, at = memoryview(data), 0
    while at < len(view):
        size = int.from_bytes(view[at : at + _LENGTH], "big")
        begin, at = at + _LENGTH, at + _LENGTH + size
        if at > len(view):
            raise BatchRefused("batch", "a batch was cut short: get it anew from its device")
        try:
            value = codec.decode(bytes(view[begin:at]), size_max=_SIGNED_BYTES_MAX)
            device, counter, readings, signature = codec.fields(
                value, bytes, int, bytes, bytes, name="batch"
            )
            codec.unsigned(counter, name="counter", value_max=COUNTER_MAX)
        except NotCanonical as error:
            raise BatchRefused("batch", f"no batch of a device: {error}") from None
        yield Batch(device, counter, readings, signature)


class Counted:
    """How far each device has come: the one rule about counters, for ledger, gateway and worker."""

    def __init__(self, heads: Iterable[tuple[bytes, int]] = ()) -> None:
        self._heads = dict(heads)

    def take(self, device: bytes, first: int, last: int) -> None:
        """Batches `first` to `last` of a device come next; a new device begins where it likes.

        Raises:
            BatchRefused: ``replayed`` or ``gap``.
        """
        head = self._heads.get(device)
        if head is not None and first <= head:
            raise BatchRefused(
                "replayed", f"batch {first} of device {device.hex()[:16]} came before: {head} is in"
            )
        if head is not None and first > head + 1:
            raise BatchRefused(
                "gap",
                f"batch {head + 1} of device {device.hex()[:16]} is missing before batch {first}",
            )
        self._heads[device] = last


def moves_of(batches: Sequence[tuple[bytes, int]]) -> tuple[Move, ...]:
    """What a segment does to each device, from (device, counter) of its batches in their order."""
    counted, first = Counted(), dict[bytes, int]()
    last: dict[bytes, int] = {}
    for device, counter in batches:
        counted.take(device, counter, counter)
        first.setdefault(device, counter)
        last[device] = counter
    return tuple(Move(device, first[device], last[device]) for device in sorted(first))


def chained(before: bytes, moves: Sequence[Move]) -> Digest:
    """What stands for all batches of a version, on the ledger.

    Args:
        before: of the version that it extends; nothing of the first one.
        moves: of its own segment, by device, ascending.
    """
    told = codec.encode((before, tuple(tuple(one) for one in moves)))
    return labels.labelled_digest(labels.DEVICE_BATCHES, told)


def checked_rows(segments: Sequence[bytes], stream: SignedFor, told: bytes) -> list[bytes]:
    """The readings of all segments of a version, once every batch is found to be in its place.

    Args:
        segments: as they were sealed, the oldest first.
        stream: which data set it is.
        told: the chain over its batches that stands on the ledger.

    Raises:
        BatchRefused: they are not those that the ledger was told of.
    """
    rows, heads, digest = list[bytes](), Counted(), b""
    for segment in segments:
        seen = list[tuple[bytes, int]]()
        for batch in read_batches(segment):
            batch.check(stream)
            heads.take(batch.device, batch.counter, batch.counter)
            seen.append((batch.device, batch.counter))
            rows.append(batch.readings)
        digest = bytes(chained(digest, moves_of(seen)))
    if digest != told:
        raise BatchRefused("foreign-batch", "these are not the batches that the ledger was told of")
    return rows
