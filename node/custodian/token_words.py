"""What passes between the custodian and the process that holds the device: frames and facts.

Owns the form, for both ends. Nothing here imports PKCS#11.
"""

from dataclasses import dataclass
from enum import StrEnum

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical

TOKEN_FRAME_BYTES_MAX = 64 * 1024
LENGTH_BYTES = 4
HALF_SIZE = 32
KEY_ID_SIZE = 16
HALF_INPUT_BYTES_MAX = 1024
DATA_INPUT_SIZE = 32


class Form(StrEnum):
    """How the token makes a half; the key is of the kind that this needs."""

    HMAC = "hmac"
    """CKM_SHA256_HMAC with a generic secret of 32 bytes."""
    ECDH = "ecdh"
    """CKM_ECDH1_DERIVE with a key on P-256, for tokens without HMAC."""


class Ask(StrEnum):
    """What the process is asked for."""

    LOAD = "load"
    """Load the module, find the token."""
    OPEN = "open"
    """Log in."""
    PING = "ping"
    """Is the session alive?"""
    PROBE = "probe"
    """What can the token do?"""
    SHOW = "show"
    """Attributes of the one key of this id and label."""
    HALF = "half"
    """The keyed function of some bytes (HMAC), or of a point (ECDH)."""
    CREATE = "create"
    """Make the key, inside the token, for ever."""
    MAKE_DATA_KEY = "make-data-key"
    """Make the key of one version of custody `hsm`, inside the token."""
    SHOW_DATA_KEY = "show-data-key"
    """Attributes of that key."""
    HAND_OVER = "hand-over"
    """Wrap what is derived from it for the holder of a point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """Which device this is, by its own word."""

    label: str
    serial: str
    manufacturer: str
    model: str
    firmware: str
    library: str
    """Of the module, with its version."""

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.label,
            self.serial,
            self.manufacturer,
            self.model,
            self.firmware,
            self.library,
        )

    @classmethod
    def from_wire(cls, value: object) -> "TokenFacts":
        """Read fields of the codec.

        Raises:
            NotCanonical: other fields.
        """
        label, serial, manufacturer, model, firmware, library = codec.fields(
            value, *[str] * 6, name="token"
        )
        return cls(
            label=label,
            serial=serial,
            manufacturer=manufacturer,
            model=model,
            firmware=firmware,
            library=library,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What the token says of a key."""

    kind: str
    sensitive: bool
    """Its value is never shown in the clear."""
    extractable: bool
    """It may leave the token wrapped."""
    never_extractable: bool
    local: bool
    """Made inside this token."""

    @property
    def stays_inside(self) -> bool:
        """Can the token alone ever use it?"""
        return self.sensitive and not self.extractable

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.kind,
            self.sensitive,
            self.extractable,
            self.never_extractable,
            self.local,
        )

    @classmethod
    def from_wire(cls, value: object) -> "KeyFacts":
        """Read fields of the codec.

        Raises:
            NotCanonical: other fields.
        """
        kind, sensitive, extractable, never, local = codec.fields(
            value, str, *[bool] * 4, name="key"
        )
        return cls(
            kind=kind,
            sensitive=sensitive,
            extractable=extractable,
            never_extractable=never,
            local=local,
        )


def frame(value: codec.Wire) -> bytes:
    """A message with its length in front."""
    data = codec.encode(value)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def length_of(prefix: bytes) -> int:
    """Bytes that follow a prefix.

    Raises:
        NotCanonical: longer than a frame may be.
    """
    length = int.from_bytes(prefix, "big")
    if length > TOKEN_FRAME_BYTES_MAX:
        raise NotCanonical(f"a frame of {length} bytes: at most {TOKEN_FRAME_BYTES_MAX}")
    return length
