"""Ids of many transactions, with their codes, in little memory.

Owns the two strings of bytes and how one is cut out of them. Refuses to know whose they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.consensus.types import DIGEST_SIZE


class Digests(Sequence[bytes]):
    """Digests that stand one behind the other, each cut out when it is asked for."""

    def __init__(self, joined: bytes) -> None:
        self.joined = joined

    def __len__(self) -> int:
        return len(self.joined) // DIGEST_SIZE

    def __getitem__(self, position: Any) -> Any:
        at = range(len(self))[position]  # IndexError where there is none
        if isinstance(at, range):
            return [self[one] for one in at]
        return self.joined[at * DIGEST_SIZE : (at + 1) * DIGEST_SIZE]


@dataclass(frozen=True, slots=True)
class Ids(Sequence[tuple[bytes, int]]):
    """(id, code) of transactions, by position: two strings of bytes, for a segment has hundreds of
    thousands of them."""

    joined: bytes = b""
    """The ids, 32 bytes each."""
    codes: bytes = b""
    """One byte each; none when all are 0."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes, int]]) -> "Ids":
        """These."""
        known = list(pairs)
        codes = bytes(code for _, code in known)
        return cls(b"".join(id for id, _ in known), codes if any(codes) else b"")

    def __len__(self) -> int:
        return len(self.joined) // DIGEST_SIZE

    def __getitem__(self, position: Any) -> Any:
        at = range(len(self))[position]
        if isinstance(at, range):
            return [self[one] for one in at]
        return self.alone[at], self.codes[at] if self.codes else 0

    @property
    def alone(self) -> Digests:
        """Without their codes."""
        return Digests(self.joined)

    def piece(self, start: int, end: int) -> "Ids":
        """Those of some positions."""
        return Ids(self.joined[start * DIGEST_SIZE : end * DIGEST_SIZE], self.codes[start:end])

    @classmethod
    def joining(cls, parts: Sequence["Ids"]) -> "Ids":
        """These, one behind the other."""
        codes = [one.codes or bytes(len(one)) for one in parts]
        has_codes = any(one.codes for one in parts)
        return cls(b"".join(one.joined for one in parts), b"".join(codes) if has_codes else b"")
