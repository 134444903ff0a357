"""Bytes that people pass around (PEM, base64, hex, JSON), read in one form only.

Owns the canonical forms: each text that is read stands for its value alone, so that evidence cannot
be changed without changing what was signed.
"""

import base64
import binascii
import json
import re
from typing import Any

from strongroom.node.evidence.certificates import split_certificate
from strongroom.node.evidence.reasons import Reason, demand, refuse

CERTIFICATES_MAX = 8
JSON_BYTES_MAX = 256 * 1024
PEM_LINE = 64

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"
_SEQUENCE = b"\x30"
_BLOCK = re.compile(_BEGIN + rb"\n([A-Za-z0-9+/=\n]+)\n" + _END + rb"(\n+|\Z)")


def read_certificates(data: bytes, *, gaps: bool = True) -> list[bytes]:
    """DER of each certificate of a PEM file, or of the one of a DER file.

    Lines end in LF or all in CRLF, are 64 characters long, and nothing stands outside the blocks.

    Args:
        data: the file.
        gaps: empty lines may follow a block, and the last line may be without an end.

    Raises:
        AttestationError: ``encoding``, ``too-large``, ``certificate-form``.
    """
    if not data.startswith(_BEGIN):
        demand(data[:1] == _SEQUENCE, Reason.ENCODING, "a certificate is neither PEM nor DER")
        split_certificate(data)
        return [data]
    if b"\r" in data:
        demand(
            data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n"),
            Reason.ENCODING,
            "PEM: mixed line ends",
        )
        data = data.replace(b"\r\n", b"\n")
    found, position = [], 0
    while position < len(data):
        block = _BLOCK.match(data, position)
        if block is None:
            refuse(Reason.ENCODING, f"PEM: no certificate block at byte {position}")
        found.append(_der(block[1]))
        split_certificate(found[-1])
        demand(
            gaps or len(block[2]) == 1,
            Reason.ENCODING,
            "PEM: empty lines, or no end of the last one",
        )
        demand(
            len(found) <= CERTIFICATES_MAX,
            Reason.TOO_LARGE,
            f"PEM: over {CERTIFICATES_MAX} certificates",
        )
        position = block.end()
    return found


def _der(body: bytes) -> bytes:
    lines = body.split(b"\n")
    whole = all(len(line) == PEM_LINE for line in lines[:-1]) and 0 < len(lines[-1]) <= PEM_LINE
    demand(whole, Reason.ENCODING, f"PEM: lines are not {PEM_LINE} characters long")
    return decode_base64(b"".join(lines).decode("ascii"))


def decode_base64(text: str) -> bytes:
    """Standard base64, padded.

    Raises:
        AttestationError: ``encoding``.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        refuse(Reason.ENCODING, "not base64")
    demand(
        base64.b64encode(data).decode("ascii") == text,
        Reason.ENCODING,
        "base64 in another than its canonical form",
    )
    return data


def decode_hex(text: object, what: str) -> bytes:
    """Lowercase hex.

    Raises:
        AttestationError: ``encoding``.
    """
    try:
        data = bytes.fromhex(text) if type(text) is str else None
    except ValueError:
        data = None
    if data is None or data.hex() != text:
        refuse(Reason.ENCODING, f"{what}: not lowercase hex")
    return data


def decode_json(data: bytes, what: str, *, size_max: int = JSON_BYTES_MAX) -> Any:
    """JSON in UTF-8; a doubled key, NaN and infinity are refused, and so is what nests too deep for
    the parser.

    Raises:
        AttestationError: ``too-large``, ``encoding``, ``malformed``.
    """
    demand(len(data) <= size_max, Reason.TOO_LARGE, f"{what}: over {size_max} bytes")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        refuse(Reason.MALFORMED, f"{what}: not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    demand(len(found) == len(pairs), Reason.ENCODING, "JSON: a key stands twice")
    return found


def _no_constant(name: str) -> Any:
    refuse(Reason.MALFORMED, f"JSON: {name} is no number")


def field(
    document: Any, name: str | int, kind: type, what: str, reason: Reason = Reason.CLAIMS
) -> Any:
    """One field of a JSON or CBOR map, of exactly this type.

    Raises:
        AttestationError: missing, or of another type.
    """
    value = document.get(name) if isinstance(document, dict) else None
    demand(type(value) is kind, reason, f"{what}: {name} is missing or not of type {kind.__name__}")
    return value


def instant(document: Any, name: str | int, what: str) -> int:
    """A NumericDate of whole Unix seconds.

    Raises:
        AttestationError: ``claims``.
    """
    value: int = field(document, name, int, what)
    demand(0 <= value < 1 << 40, Reason.CLAIMS, f"{what}: {name} is no time")
    return value
