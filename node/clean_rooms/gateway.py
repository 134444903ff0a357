"""A gateway: takes batches that devices signed, in order, each once, and hands them on to be sealed
(ROOMS §3; T64).

Owns the check at the owner's door, where a refusal still has words: the worker's failure has none.
Knows no key, no network and no ledger, but for how far the ledger says that each device has come.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.clean_rooms.batches import (
    READINGS_BYTES_MAX,
    Batch,
    BatchRefused,
    Counted,
    Move,
    SignedFor,
    read_batches,
)
from strongroom.enclave.primitives import SigningKey
from strongroom.node.clean_rooms.rows import RowsFile

SUFFIX = ".batches"
"""Of a file with batches of devices: one after the other, whosoever they are."""
_PART = 1 << 20
_FRAME_BYTES_MAX = READINGS_BYTES_MAX + 1024


class Gateway:
    """Batches on their way into one version of a data set."""

    def __init__(
        self, stream: SignedFor, devices: Mapping[bytes, int], *, anew: bool = False
    ) -> None:
        """Begin where the ledger stands.

        Args:
            stream: which data set it is.
            devices: those that may sign, with the counter of the newest batch that is in; 0: none.
            anew: a version that extends none: a device's batches may begin later than they did.
        """
        self._stream, self._devices = stream, set(devices)
        heads = {device: last for device, last in devices.items() if last}
        self._counted = Counted(() if anew else heads.items())
        self._moves: dict[bytes, Move] = {}

    def take(self, batch: Batch) -> bytes:
        """One batch, as it is sealed.

        Raises:
            BatchRefused: it is not the next one of a device of this data set.
        """
        device = batch.device
        if device not in self._devices:
            raise BatchRefused(
                "foreign-device", f"{device.hex()[:16]} is no device of this data set"
            )
        batch.check(self._stream)
        self._counted.take(device, batch.counter, batch.counter)
        first = self._moves[device].first if device in self._moves else batch.counter
        self._moves[device] = Move(device, first, batch.counter)
        return batch.encode()

    @property
    def moves(self) -> tuple[Move, ...]:
        """What the ledger is told of them."""
        return tuple(self._moves[device] for device in sorted(self._moves))


class BatchFile:
    """A file of batches, read as a `RowsFile` is."""

    left_out = ()

    def __init__(self, path: Path) -> None:
        self.path = path

    def stream(self) -> Iterator[bytes]:
        """Its bytes, part by part.

        Raises:
            OperatorFault: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                while part := file.read(_PART):
                    yield part
        except OSError as error:
            raise OperatorFault(f"cannot read {self.path}: {error.strerror}") from None


def batches_in(parts: Iterable[bytes]) -> Iterator[Batch]:
    """Batches of a stream of any length, one held at a time.

    Raises:
        BatchRefused: ``batch``: it holds something else.
    """
    held = bytearray()
    for part in parts:
        held += part
        while len(held) >= 4 and len(held) >= (size := 4 + int.from_bytes(held[:4], "big")):
            yield from read_batches(bytes(held[:size]))
            del held[:size]
        if len(held) > _FRAME_BYTES_MAX + _PART:
            raise BatchRefused("batch", "no batch of a device is so long: get it anew")
    yield from read_batches(bytes(held))


def sign_file(key: SigningKey, stream: SignedFor, counter: int, rows: RowsFile) -> Batch:
    """What a device does with its readings.

    Raises:
        BatchRefused: they are too many for one batch.
        ClientFault: as `RowsFile.stream`.
    """
    return Batch.sign(key, stream, counter, b"".join(rows.stream()))
