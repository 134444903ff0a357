"""How people write keys, leases, moments and durations.

Owns these forms: `NAME`, `NAME@VERSION`, `OWNER/NAME@VERSION`; `30s`, `10m`; ISO 8601. Whether such
a key exists, the ledger says.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING

from strongroom.consensus.errors import ClientFault, NotCanonical

if TYPE_CHECKING:
    from strongroom.enclave.outside.pieces import KeyVersion

_LABEL = re.compile(r"(?P<name>[^/@]+)(?:@(?P<version>[1-9][0-9]{0,8}))?")
_DURATION = re.compile(r"(?P<count>[0-9]{1,12}(?:\.[0-9]{1,3})?)(?P<unit>ms|s|m|h|d|)", re.ASCII)
_UNIT_MS = {"ms": 1, "": 1000, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_ID = re.compile(r"[0-9a-f]{32}")
DURATION_MS_MAX = 10 * 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key, as somebody named it."""

    owner: bytes
    """Identity, 32 bytes; nothing: whoever asks."""
    name: str
    version: int
    """0: the active one."""

    @property
    def account(self) -> tuple[bytes, str]:
        """As transactions and queries take it."""
        return self.owner, f"{self.name}@{self.version}" if self.version else self.name

    @property
    def base(self) -> tuple[bytes, str]:
        """The key with all its versions, as transactions and queries take it."""
        return self.owner, self.name

    def at(self, owner: bytes, version: int) -> "KeyVersion":
        """One of its versions."""

        from strongroom.enclave.outside.pieces import KeyVersion

        try:
            return KeyVersion(owner=owner, name=self.name, version=version)
        except NotCanonical as fault:
            raise ClientFault(f"{self.name!r}: {fault}") from None


def read_key(text: str, resolve: Callable[[str], bytes]) -> NamedKey:
    """A key from its text.

    Args:
        text: `NAME[@VERSION]` for one's own, `OWNER/NAME[@VERSION]` for another's.
        resolve: OWNER → identity; raises ClientFault for one that it does not know.

    Raises:
        ClientFault: it is none, or OWNER is unknown: never a key of one's own by that name.
    """
    owner, slash, label = text.rpartition("/")
    match = _LABEL.fullmatch(label)
    if match is None or (slash and not owner):
        raise ClientFault(
            f"{text!r} is no key: write NAME, NAME@VERSION or OWNER/NAME@VERSION, like bear@2"
        )
    version = int(match["version"] or 0)
    return NamedKey(resolve(owner) if slash else b"", match["name"], version)


def read_lease(text: str) -> bytes:
    """A lease, or a change, from its 32 hex digits.

    Raises:
        ClientFault: it is none.
    """
    if _ID.fullmatch(text) is None:
        raise ClientFault(
            f"{text!r}: an id has 32 lowercase hex digits, as `vault leases` shows it"
        )
    return bytes.fromhex(text)


def read_duration(text: str) -> int:
    """Milliseconds of `500ms`, `30s`, `10m`, `2h`, `7d`, or of seconds without a unit.

    Raises:
        ClientFault: it is none.
    """
    match = _DURATION.fullmatch(text)
    value = -1 if match is None else round(float(match["count"]) * _UNIT_MS[match["unit"]])
    if not 0 <= value <= DURATION_MS_MAX:
        raise ClientFault(f"{text!r} is no duration: write it like 500ms, 30s, 10m, 2h or 7d")
    return value


def from_now(duration_ms: int) -> int:
    """The moment so long from now, in milliseconds since the epoch; 0 for no time at all."""
    return int(time() * 1000) + duration_ms if duration_ms else 0


def read_moment(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 text; without a zone it is UTC; `0` or `open` for
    no bound.

    Raises:
        ClientFault: it is none.
    """
    if text in ("0", "open"):
        return 0
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        value = int(zoned.timestamp() * 1000)
    except (ValueError, OverflowError):
        value = -1
    if value <= 0:
        raise ClientFault(f"{text!r} is no moment: write it like 2026-12-24T18:00, in UTC, or open")
    return value
