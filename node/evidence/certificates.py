"""X.509 certificates as they come from the field: read byte by byte, so that none is refused for a
harmless fault.

Some RA-TLS libraries write certificates that `cryptography` does not read (Gramine's names its
algorithm with a NULL). Owns a strict DER reader of just what such a certificate needs, and its
self-signature; chains.py is for all others.

Sources: ITU-T X.690 (DER), RFC 5280 §4.1, RFC 5758 (ECDSA), RFC 4055 (RSA).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from strongroom.enclave.tokens.signatures import RSA_BITS_MIN
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.signatures import load_public_key

CERTIFICATE_BYTES_MAX = 32 * 1024
EXTENSIONS_MAX = 32
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE = 0x0C, 0x17, 0x18, 0x30
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_V3 = bytes((INTEGER, 1, 2))

_ECDSA = bytes.fromhex("2a8648ce3d0403")
_RSA = bytes.fromhex("2a864886f70d0101")
_HASHES: Mapping[bytes, HashAlgorithm] = {
    _ECDSA + b"\x02": SHA256(),
    _ECDSA + b"\x03": SHA384(),
    _ECDSA + b"\x04": SHA512(),
    _RSA + b"\x0b": SHA256(),
    _RSA + b"\x0c": SHA384(),
    _RSA + b"\x0d": SHA512(),
}


def oid(dotted: str) -> bytes:
    """Content of the DER OBJECT IDENTIFIER of a dotted text."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(digits))
    return bytes(encoded)


BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE = (
    oid("2.5.29.19"),
    oid("2.5.29.15"),
    oid("2.5.29.37"),
)


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCertificate:
    """One certificate, its form checked, its signature not yet."""

    signed: bytes
    """TBSCertificate."""
    algorithm: bytes
    """Content of the OBJECT IDENTIFIER."""
    signature: bytes
    issuer: bytes
    subject: bytes
    begin: int
    end: int
    """First and last second of validity, Unix."""
    spki: bytes
    extensions: Mapping[bytes, Extension]

    @classmethod
    def parse(cls, der: bytes) -> "FieldCertificate":
        """Read one DER certificate, to the end.

        Raises:
            AttestationError: ``too-large``, ``certificate-form``.
        """
        signed, algorithm, signature = split_certificate(der)
        body = Reader(Reader(signed).only(SEQUENCE))
        demand(body.take(_VERSION) == _V3, Reason.CERTIFICATE_FORM, "certificate: not version 3")
        body.take(INTEGER)
        demand(
            body.raw(SEQUENCE) == algorithm,
            Reason.CERTIFICATE_FORM,
            "certificate: names two signature algorithms",
        )
        issuer, validity, subject = (
            body.raw(SEQUENCE),
            Reader(body.take(SEQUENCE)),
            body.raw(SEQUENCE),
        )
        spki, extensions = body.raw(SEQUENCE), Reader(body.take(_EXTENSIONS)).only(SEQUENCE)
        body.end()
        begin, end = _time(validity), _time(validity)
        validity.end()
        return cls(
            signed=signed,
            algorithm=_algorithm(algorithm),
            signature=signature,
            issuer=issuer,
            subject=subject,
            begin=begin,
            end=end,
            spki=spki,
            extensions=_extensions(extensions),
        )

    def check_self_signed(self) -> None:
        """Check the signature by the certificate's own key: whoever made it held that key.

        Raises:
            AttestationError: ``algorithm``, ``certificate-chain``, ``signature``.
        """
        demand(
            self.issuer == self.subject, Reason.CERTIFICATE_CHAIN, "certificate: not self-signed"
        )
        key, scheme = load_public_key(self.spki), _HASHES.get(self.algorithm)
        try:
            if (
                isinstance(key, ec.EllipticCurvePublicKey)
                and scheme
                and self.algorithm.startswith(_ECDSA)
            ):
                key.verify(self.signature, self.signed, ec.ECDSA(scheme))
            elif isinstance(key, rsa.RSAPublicKey) and scheme and self.algorithm.startswith(_RSA):
                demand(
                    key.key_size >= RSA_BITS_MIN, Reason.ALGORITHM, "certificate: RSA key too short"
                )
                key.verify(self.signature, self.signed, padding.PKCS1v15(), scheme)
            else:
                refuse(
                    Reason.ALGORITHM,
                    "certificate: signature algorithm does not fit its key, or is not allowed",
                )
        except (InvalidSignature, ValueError):
            refuse(Reason.SIGNATURE, "certificate: not signed by its own key")

    def extension(self, name: bytes) -> bytes:
        """Value of an extension that must be there.

        Raises:
            AttestationError: ``certificate-form``: missing; or another one is critical and unknown.
        """
        for other, extension in self.extensions.items():
            known = other in (name, BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE)
            demand(
                known or not extension.critical,
                Reason.CERTIFICATE_FORM,
                f"unknown critical extension {other.hex()}",
            )
        found = self.extensions.get(name)
        if found is None:
            refuse(
                Reason.CERTIFICATE_FORM, "certificate: the extension with the evidence is missing"
            )
        return found.value


def split_certificate(der: bytes) -> tuple[bytes, bytes, bytes]:
    """What is signed, AlgorithmIdentifier and signature of a certificate or CRL: what nobody signs
    is exact.

    Neither `cryptography` nor dcap-qvl looks at the number of unused bits of the signature, so that
    one certificate would have eight encodings.

    Raises:
        AttestationError: ``too-large``, ``certificate-form``.
    """
    demand(
        len(der) <= CERTIFICATE_BYTES_MAX,
        Reason.TOO_LARGE,
        f"certificate: over {CERTIFICATE_BYTES_MAX} bytes",
    )
    outer = Reader(Reader(der).only(SEQUENCE))
    signed, algorithm, signature = outer.raw(SEQUENCE), outer.raw(SEQUENCE), outer.take(BIT_STRING)
    outer.end()
    demand(
        signature[:1] == b"\x00",
        Reason.CERTIFICATE_FORM,
        "certificate: signature is no whole number of bytes",
    )
    return signed, algorithm, signature[1:]


class Reader:
    """DER elements in a row; each length in its shortest form."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def next_tag(self) -> int | None:
        """Tag of the next element, or None at the end."""
        return self._data[self._position] if self._position < len(self._data) else None

    def element(self, tag: int) -> tuple[bytes, bytes]:
        """The next element: all of its bytes, and its content.

        Raises:
            AttestationError: ``certificate-form``: another tag, or not DER.
        """
        data, start = self._data, self._position
        demand(
            start + 2 <= len(data) and data[start] == tag,
            Reason.CERTIFICATE_FORM,
            f"DER: no element {tag:#04x}",
        )
        size, content = data[start + 1], start + 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[content : content + width], "big")
            shortest = 0 < width <= 4 and size >= 0x80 and size >> 8 * (width - 1) > 0
            demand(shortest, Reason.CERTIFICATE_FORM, "DER: a length is not in its shortest form")
            content += width
        demand(
            content + size <= len(data),
            Reason.CERTIFICATE_FORM,
            "DER: an element ends after its data",
        )
        self._position = content + size
        return data[start : self._position], data[content : self._position]

    def take(self, tag: int) -> bytes:
        """Content of the next element."""
        return self.element(tag)[1]

    def raw(self, tag: int) -> bytes:
        """All bytes of the next element."""
        return self.element(tag)[0]

    def only(self, tag: int) -> bytes:
        """Content of the one element that is there."""
        content = self.take(tag)
        self.end()
        return content

    def end(self) -> None:
        """Check that nothing follows.

        Raises:
            AttestationError: ``certificate-form``.
        """
        demand(
            self._position == len(self._data),
            Reason.CERTIFICATE_FORM,
            "DER: bytes after the last element",
        )


def _algorithm(raw: bytes) -> bytes:
    """OBJECT IDENTIFIER of an AlgorithmIdentifier; a NULL may follow it, whether or not it
    should."""
    reader = Reader(Reader(raw).only(SEQUENCE))
    name = reader.take(OID)
    if reader.next_tag() is not None:
        demand(
            reader.take(NULL) == b"",
            Reason.CERTIFICATE_FORM,
            "certificate: parameters of the signature algorithm",
        )
        reader.end()
    return name


def _extensions(data: bytes) -> dict[bytes, Extension]:
    reader, found = Reader(data), dict[bytes, Extension]()
    while reader.next_tag() is not None:
        one = Reader(reader.take(SEQUENCE))
        name, critical = one.take(OID), False
        if one.next_tag() == BOOLEAN:
            demand(
                one.take(BOOLEAN) == b"\xff",
                Reason.CERTIFICATE_FORM,
                "DER: a default value is written out",
            )
            critical = True
        demand(name not in found, Reason.CERTIFICATE_FORM, f"extension {name.hex()} stands twice")
        found[name] = Extension(critical, one.take(OCTET_STRING))
        one.end()
        demand(
            len(found) <= EXTENSIONS_MAX,
            Reason.TOO_LARGE,
            f"certificate: over {EXTENSIONS_MAX} extensions",
        )
    return found


def _time(reader: Reader) -> int:
    general = reader.next_tag() == GENERALIZED_TIME
    text = reader.take(GENERALIZED_TIME if general else UTC_TIME).decode("ascii", "replace")
    whole = (
        len(text) == (15 if general else 13)
        and text[:-1].isdecimal()
        and text.isascii()
        and text.endswith("Z")
    )
    demand(whole, Reason.CERTIFICATE_FORM, "certificate: a time is not written as RFC 5280 has it")
    century = "" if general else ("19" if text[:2] >= "50" else "20")
    try:
        return int(
            datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
        )
    except ValueError:
        refuse(Reason.CERTIFICATE_FORM, "certificate: a time does not exist")
