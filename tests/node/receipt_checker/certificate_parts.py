"""Parts of certificates: DER taken apart and put together, and receipts whose certificates have
other names, keys or extensions under the manufacturer's own signatures."""

from collections.abc import Callable, Iterable
from typing import Any

SERIAL, ISSUER, SUBJECT, KEY, EXTENSIONS = 1, 3, 5, 6, 7
"""Places in what is signed of a certificate, version 3 (RFC 5280 §4.1)."""
Turn = Callable[[bytes], bytes]
Change = Callable[[str, Any], Any]
NAMED_IN = {
    "root": (("ark", ISSUER), ("ark", SUBJECT), ("ask", ISSUER)),
    "intermediate": (("ask", SUBJECT), ("vek", ISSUER)),
    "chip key": (("vek", SUBJECT),),
}
"""Where each one's name stands."""
UNIT, SURNAME, UNIQUE = b"\x55\x04\x0b", b"\x55\x04\x04", b"\x55\x04\x2d"
UTF8, PRINTABLE, OCTETS, BITS, WIDE = 12, 19, 4, 3, 30
RSA = bytes.fromhex("06092a864886f70d010101")
PSS = bytes.fromhex("06092a864886f70d01010a")
ELLIPTIC, P384 = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06052b81040022")
NULL = b"\x05\x00"
CURVE_B = bytes.fromhex(
    "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe814112"
    "0314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef"
)
CURVE_BASE = bytes.fromhex(
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98"
    "59f741e082542a385502f25dbf55296c3a545e3872760ab7"
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c"
    "e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
)
CURVE_ORDER = bytes.fromhex(
    "00"
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
)
"""Of P-384: FIPS 186-4, D.1.2.4."""


def span(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at this place begins and ends."""
    size, body = der[at + 1], at + 2
    if size >= 0x80:
        width = size - 0x80
        size, body = int.from_bytes(der[body : body + width], "big"), body + width
    return body, body + size


def element(tag: int, *parts: bytes) -> bytes:
    """An element in its shortest form."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(size))) + size + body


def elements(body: bytes) -> list[bytes]:
    """The elements that stand one after the other."""
    found, at = [], 0
    while at < len(body):
        _, after = span(body, at)
        found.append(body[at:after])
        at = after
    return found


def content(whole: bytes) -> bytes:
    """What is inside an element."""
    return whole[slice(*span(whole, 0))]


def with_part(tbs: bytes, place: int, turn: Turn) -> bytes:
    """What is signed of a certificate, with the part at this place turned into another."""
    parts = elements(content(tbs))
    parts[place] = turn(parts[place])
    return element(tbs[0], *parts)


def part(layer: str, place: int, turn: Turn) -> Change:
    """A change of one part of one certificate."""
    return lambda own, value: with_part(value, place, turn) if own == layer else value


def renamed(who: str, turn: Turn) -> Change:
    """A change of one's name, wherever it stands: issuer and subject fit."""

    def change(layer: str, value: Any) -> Any:
        for own, place in NAMED_IN[who]:
            if own == layer:
                value = with_part(value, place, turn)
        return value

    return change


def more(*sets: bytes) -> Turn:
    """A name, or extensions, with more at the end."""

    def turn(whole: bytes) -> bytes:
        if whole[0] == 0x30:
            return element(0x30, content(whole), *sets)
        return element(whole[0], element(0x30, content(content(whole)), *sets))

    return turn


def attribute(oid: bytes, tag: int, text: bytes) -> bytes:
    """One attribute of a name; `oid` is encoded, without tag and length."""
    return element(0x30, element(6, oid), element(tag, text))


def together(*attributes: bytes) -> bytes:
    """Attributes that stand together, in the order of DER."""
    return element(0x31, *sorted(attributes))


def extension(oid: bytes, value: bytes) -> bytes:
    """One that is not critical."""
    return element(0x30, element(6, oid), element(4, value))


def points(address: bytes) -> bytes:
    """Where a list of revoked certificates is: at this URI."""
    name = element(0xA0, element(0xA0, element(0x86, address)))
    return extension(b"\x55\x1d\x1f", element(0x30, element(0x30, name)))


def algorithm(*parts: bytes) -> Turn:
    """A key under another algorithm, or the same one written otherwise."""
    return lambda whole: element(0x30, element(0x30, *parts), elements(content(whole))[1])


def compressed(whole: bytes) -> bytes:
    """A key on P-384 as one coordinate and a bit."""
    own, bits = elements(content(whole))
    point = content(bits)[1:]
    return element(0x30, own, element(3, b"\x00", bytes((2 + (point[-1] & 1),)), point[1:49]))


def explicit() -> bytes:
    """P-384 by its parameters (SEC 1 §C.2) in place of its name."""
    prime = 2**384 - 2**128 - 2**96 + 2**32 - 1
    one = element(2, b"\x01")
    field = element(
        0x30, bytes.fromhex("06072a8648ce3d0101"), element(2, prime.to_bytes(49, "big"))
    )
    curve = element(0x30, element(4, (prime - 3).to_bytes(48, "big")), element(4, CURVE_B))
    base = element(4, b"\x04", CURVE_BASE)
    return element(0x30, one, field, curve, base, element(2, CURVE_ORDER), one)


LONG_OID = b"\x2a" + b"\x01" * 63
"""An object identifier of 64 bytes; 63 are read."""
FORGED_SETS = {
    "an empty set": element(0x31),
    "an attribute twice in a set": together(*[attribute(UNIT, UTF8, b"x")] * 2),
    "an attribute twice in a set, as two types": together(
        attribute(UNIT, UTF8, b"x"), attribute(UNIT, PRINTABLE, b"x")
    ),
    "an attribute twice in a set, once in UTF-16": together(
        attribute(UNIT, UTF8, b"x"), attribute(UNIT, WIDE, b"\x00x")
    ),
    "an attribute twice in a set, once as octets": together(
        attribute(UNIT, UTF8, b"x"), attribute(UNIT, OCTETS, b"x")
    ),
    "bits twice in a set": together(*[attribute(UNIQUE, BITS, b"\x00x")] * 2),
    "an object identifier of 64 bytes": together(attribute(LONG_OID, UTF8, b"x")),
}
GOOD_SETS = {
    "two values of one attribute in a set": together(
        attribute(UNIT, UTF8, b"x"), attribute(UNIT, UTF8, b"y")
    ),
    "one value of two attributes in a set": together(
        attribute(UNIT, UTF8, b"x"), attribute(SURNAME, UTF8, b"x")
    ),
    "one value in two sets": together(attribute(UNIT, UTF8, b"x")) * 2,
    "bits, and others": together(
        attribute(UNIQUE, BITS, b"\x00x"), attribute(UNIQUE, BITS, b"\x00y")
    ),
    "an object identifier of 63 bytes": together(attribute(LONG_OID[:-1], UTF8, b"x")),
}
FORGED_PARTS: dict[str, tuple[str, int, Turn]] = {
    "root: a key for PSS alone": ("ark", KEY, algorithm(PSS)),
    "intermediate: a key for PSS alone": ("ask", KEY, algorithm(PSS)),
    "intermediate: a key for PSS, with parameters": ("ask", KEY, algorithm(PSS, b"\x30\x00")),
    "intermediate: a key without NULL": ("ask", KEY, algorithm(RSA)),
    "chip key: P-384 by its parameters": ("vek", KEY, algorithm(ELLIPTIC, explicit())),
    "chip key: a point in short form": ("vek", KEY, compressed),
    "chip key: a revocation point beyond ASCII": (
        "vek",
        EXTENSIONS,
        more(points("http://é".encode())),
    ),
    "chip key: an extension of 64 bytes of name": (
        "vek",
        EXTENSIONS,
        more(extension(LONG_OID, b"x")),
    ),
}
GOOD_PARTS: dict[str, tuple[str, int, Turn]] = {
    "chip key: a key written anew": ("vek", KEY, algorithm(ELLIPTIC, P384)),
    "intermediate: a key written anew": ("ask", KEY, algorithm(RSA, NULL)),
    "intermediate: another serial number": ("ask", SERIAL, lambda _own: element(2, b"\x7f")),
    "chip key: a revocation point": ("vek", EXTENSIONS, more(points(b"http://localhost"))),
    "chip key: an extension of 63 bytes of name": (
        "vek",
        EXTENSIONS,
        more(extension(LONG_OID[:-1], b"x")),
    ),
}


def certificate_changes() -> Iterable[tuple[str, Change, str]]:
    """Name, change and verdict of each."""
    for verdict, sets, places in (
        ("forged", FORGED_SETS, FORGED_PARTS),
        ("valid", GOOD_SETS, GOOD_PARTS),
    ):
        for name, own in sets.items():
            for who in NAMED_IN:
                yield f"name of {who}: {name}", renamed(who, more(own)), verdict
        for name, (layer, place, turn) in places.items():
            yield name, part(layer, place, turn), verdict
