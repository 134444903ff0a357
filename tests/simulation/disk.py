"""A disk that keeps only what was synced: a crash drops or tears the rest.

Owns append-only files of framed records (length, CRC32, kind, payload). What lies behind the last
sync survives a crash up to a random byte, so the record there may be torn; a torn tail is cut when
the file is read.
"""

from random import Random
from struct import Struct
from zlib import crc32

_FRAME = Struct(">IIB")


class SimulatedFile:
    """One append-only file."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._synced = 0
        self.lies = False
        """True: `sync` does nothing; for planting the bug of a missing fsync."""

    def append(self, kind: int, payload: bytes) -> None:
        self._bytes += _FRAME.pack(len(payload), crc32(payload), kind) + payload

    def sync(self) -> None:
        if not self.lies:
            self._synced = len(self._bytes)

    def crash(self, random: Random) -> None:
        """Lose what was not synced, from a random byte on."""
        del self._bytes[random.randint(self._synced, len(self._bytes)) :]
        self._synced = len(self._bytes)

    def read(self) -> list[tuple[int, bytes]]:
        """All whole records; a torn tail is cut."""
        records, at = [], 0
        while at + _FRAME.size <= len(self._bytes):
            size, checksum, kind = _FRAME.unpack_from(self._bytes, at)
            payload = bytes(self._bytes[at + _FRAME.size : at + _FRAME.size + size])
            if len(payload) < size or crc32(payload) != checksum:
                break
            records.append((kind, payload))
            at += _FRAME.size + size
        del self._bytes[at:]
        self._synced = min(self._synced, at)
        return records

    def replace(self, records: list[tuple[int, bytes]]) -> None:
        """Rotate: the new contents are durable before the old ones go."""
        self._bytes = bytearray()
        for kind, payload in records:
            self.append(kind, payload)
        self._synced = len(self._bytes)

    def __len__(self) -> int:
        return len(self._bytes)


class Disk:
    """The files of one node; they survive its crashes."""

    def __init__(self) -> None:
        self.log = SimulatedFile()
        self.blocks = SimulatedFile()
        self.outcomes = SimulatedFile()
        self.log_lost = False
        """True: somebody deleted the log, and the key is still there."""

    def lose_log(self) -> None:
        """The log is gone, or another disk's: only its key's owner can notice."""
        self.log, self.log_lost = SimulatedFile(), True

    def crash(self, random: Random) -> None:
        for file in (self.log, self.blocks, self.outcomes):
            file.crash(random)
