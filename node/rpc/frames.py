"""WebSocket frames as bytes (RFC 6455 §5.2), for what many connections are told alike, and for
messages so long that they are sent in pieces.

Owns the header of a server's frame. Whether a connection takes it now is the connection's.
"""

from collections.abc import Iterator
from struct import pack

PIECE_BYTES = 32 * 1024
"""Of a message that is sent in pieces: what is encrypted and written between two turns of the event
loop."""
TEXT, BINARY, _CONTINUED = 1, 2, 0
_FINAL = 0x80


def pieces(text: bool, payload: bytes) -> Iterator[bytes]:
    """One message in several frames."""
    kind = TEXT if text else BINARY
    for at in range(0, len(payload), PIECE_BYTES):
        piece = payload[at : at + PIECE_BYTES]
        final = _FINAL if at + PIECE_BYTES >= len(payload) else 0
        yield _head(final | kind, len(piece)) + piece
        kind = _CONTINUED


def whole(text: bool, payload: bytes) -> bytes:
    """One message, in one frame where it is short."""
    if len(payload) <= PIECE_BYTES:
        return _head(_FINAL | (TEXT if text else BINARY), len(payload)) + payload
    return b"".join(pieces(text, payload))


def _head(first: int, size: int) -> bytes:
    return pack("!BB", first, size) if size < 126 else pack("!BBH", first, 126, size)
