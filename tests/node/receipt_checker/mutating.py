"""Receipts changed at random, from a seed: at the level of values, msgpack, DER, base64 and JSON.

Owns the changes; where in a service they are made, and what is signed over them, services.py.
"""

import json
from base64 import b64decode, b64encode
from functools import cache
from random import Random
from struct import pack
from typing import Any

from tests.node.receipt_checker.certificate_parts import (
    BITS,
    LONG_OID,
    OCTETS,
    SURNAME,
    UNIQUE,
    UNIT,
    UTF8,
    WIDE,
    attribute,
    content,
    element,
    elements,
    span,
)
from tests.node.receipt_checker.services import Forged, receipt

from strongroom.consensus import codec

INTEGERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    127,
    128,
    255,
    256,
    2**16,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -1,
    -33,
)
TEXTS = ("", "a b", "\x07", "e\u0301", "é", "漢", "\U00020000", "x" * 65, "ﬁ", "\u200b", "zz", "n0")
BLOBS = (b"", bytes(32), bytes(64), b"\xff" * 32)
KINDS = (("plain", 1), ("plain", 1), ("epochs", 1), ("recovered", 1), ("epochs", 4), ("plain", 4))
CERTIFICATES = ("vek", "ask", "ark")


# --- values and msgpack ---


def changed_value(random: Random, value: Any) -> Any:
    """A value in which one thing is another."""
    if type(value) is tuple and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return (*value[:at], changed_value(random, value[at]), *value[at + 1 :])
    return _other(random, value)


def _other(random: Random, value: Any) -> Any:
    if random.random() < 0.08:
        return random.choice((None, True, False, 1, 1.5, b"x", "x", (), (1,)))
    if type(value) is tuple:
        return _other_list(random, value)
    if type(value) is bytes:
        return changed_bytes(random, value)
    if type(value) is bool:
        return not value
    if type(value) is int:
        return random.choice((value + 1, value - 1, random.choice(INTEGERS), float(value)))
    if type(value) is str:
        return random.choice((value + "x", value[:-1], value.upper(), random.choice(TEXTS)))
    return 0


def _other_list(random: Random, value: tuple[Any, ...]) -> tuple[Any, ...]:
    at = random.randrange(len(value) + 1)
    some = value[at : at + 1]
    return random.choice(
        (
            value[:at] + value[at + 1 :],
            value[:at] + some + value[at:],
            value[::-1],
            (),
            (*value, random.choice((0, b"", "x", ()))),
            value[1:] + value[:1],
            (value,),
        )
    )


def changed_bytes(random: Random, data: bytes) -> bytes:
    """Bytes of which some are others."""
    if not data or random.random() < 0.05:
        return random.choice(BLOBS)
    at, size = random.randrange(len(data)), random.randrange(1, 9)
    flipped = bytearray(data)
    flipped[at] ^= 1 << random.randrange(8)
    other = bytearray(data)
    other[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return random.choice(
        (
            bytes(flipped),
            bytes(flipped),
            bytes(other),
            data[:at],
            data[:at] + data[at + size :],
            data[:at] + data[at : at + size] + data[at:],
            data + b"\x00",
            random.randbytes(len(data)),
            bytes(len(data)),
        )
    )


def long_form(random: Random, value: Any) -> bytes:
    """An encoding of which one item stands in a longer form than it needs."""
    return long_form_at(value, random.randrange(_items(value)))


def long_form_at(value: Any, number: int) -> bytes:
    """The same, of the item of this number, counted from the outside in."""
    return _encode_long(value, [number])


def _items(value: Any) -> int:
    return 1 + sum(map(_items, value)) if type(value) is tuple else 1


def _encode_long(value: Any, left: list[int]) -> bytes:
    here, left[0] = left[0] == 0, left[0] - 1
    if type(value) is tuple:
        head = b"\xdd" + len(value).to_bytes(4, "big") if here else codec.encode(((),) * len(value))
        head = head[: len(head) - (0 if here else len(value))]
        return head + b"".join(_encode_long(one, left) for one in value)
    if not here or value is None or type(value) is bool:
        return bytes(codec.encode(value))
    if type(value) is int:
        return pack(">Bq", 0xD3, value) if value < 2**63 else bytes(codec.encode(value))
    data = value.encode() if type(value) is str else value
    return (b"\xdb" if type(value) is str else b"\xc6") + len(data).to_bytes(4, "big") + data


# --- DER ---


def changed_der(random: Random, der: bytes) -> bytes:
    """DER of which one element is another, with lengths that fit."""
    if random.random() < 0.1:
        return changed_bytes(random, der)
    places = list(_elements(der, 0, len(der), ()))
    path = random.choice(places)
    return _rebuilt(random, der, path)


def _elements(der: bytes, at: int, end: int, path: tuple[int, ...]) -> Any:
    number = 0
    while at < end:
        body, after = span(der, at)
        yield (*path, number)
        if der[at] & 0x20:
            yield from _elements(der, body, after, (*path, number))
        at, number = after, number + 1


def _rebuilt(random: Random, der: bytes, path: tuple[int, ...]) -> bytes:
    at, parts, number = 0, list[bytes](), 0
    while at < len(der):
        body, after = span(der, at)
        whole = der[at:after]
        if number == path[0]:
            if len(path) > 1:
                whole = element(der[at], _rebuilt(random, der[body:after], path[1:]))
            else:
                whole = _changed_element(random, der[at], der[body:after])
        parts.append(whole)
        at, number = after, number + 1
    if len(path) == 1 and random.random() < 0.1:
        random.shuffle(parts)
    return b"".join(parts)


def _changed_element(random: Random, tag: int, body: bytes) -> bytes:
    whole = element(tag, body)
    tags = (0x01, 0x02, 0x03, 0x04, 0x05, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x1E, 0x30, 0xA0, 0x80)
    long = bytes((tag, 0x83)) + len(body).to_bytes(3, "big") + body
    other = element(tag, changed_bytes(random, body))
    return random.choice(
        (b"", whole + whole, element(random.choice(tags), body), long, other, other, other)
    )


OIDS = (*[UNIT] * 4, SURNAME, UNIQUE, b"\x55\x04\x06", b"\x2a\x03", LONG_OID[:-1], LONG_OID)
STRING_TAGS = (*[UTF8] * 12, 19, 19, 22, 22, OCTETS, BITS, WIDE, 28, 20, 18, 26, 23, 21, 2)
STRINGS = (
    b"x",
    b"x",
    b"xyz",
    b"",
    b"\x00x",
    b"\x00\x00\x00x",
    b"\xc3\xa9",
    b"\xe9",
    b"12",
    b"\x00",
)


def changed_name(random: Random, name: bytes) -> bytes:
    """A certificate's name, DER, with further attributes, or changed in its DER."""
    if random.random() < 0.3:
        return changed_der(random, name)
    parts = elements(content(name))
    for _ in range(random.choice((1, 1, 2))):
        made = [_attribute(random) for _ in range(random.choice((0, 1, 1, 2, 2, 3)))]
        if made and random.random() < 0.4:
            oid, value = elements(content(made[0]))
            other = element(random.choice(STRING_TAGS), content(value))
            made.append(element(0x30, oid, random.choice((value, other))))
        own = made if random.random() < 0.1 else sorted(made)
        parts.insert(random.randrange(len(parts) + 1), element(0x31, *own))
    return element(0x30, *parts)


def _attribute(random: Random) -> bytes:
    return attribute(random.choice(OIDS), random.choice(STRING_TAGS), random.choice(STRINGS))


# --- JSON and base64 ---


def changed_base64(random: Random, text: str) -> str:
    """A base64 text that is written otherwise, or stands for something else."""
    at = random.randrange(len(text) + 1)
    spare = text.rstrip("=")
    return random.choice(
        (
            text[:at] + "\n" + text[at:],
            text.replace("+", "-").replace("/", "_"),
            text.rstrip("="),
            text + "=",
            text + "====",
            text[:at] + "=" + text[at + 1 :],
            text[:at],
            text[:at] + "é" + text[at:],
            spare[:-1] + chr(ord(spare[-1]) ^ 1) + text[len(spare) :],
            b64encode(changed_bytes(random, b64decode(text))).decode(),
            b64encode(_changed_packed(random, b64decode(text))).decode(),
        )
    )


def _changed_packed(random: Random, data: bytes) -> bytes:
    value = codec.decode(data)
    if random.random() < 0.3:
        return long_form(random, value)
    return bytes(codec.encode(changed_value(random, value)))


NUMBERS: tuple[Any, ...] = (0, 1, 2, -1, 2**31, 2**32, 2**53 + 1, 2**64 - 1, 2**64, 1.0, True, None)


def changed_document(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """A document of which one field is another, more or less."""
    name = random.choice(list(document))
    value = document[name]
    if random.random() < 0.1:
        return {key: one for key, one in document.items() if key != name}
    if random.random() < 0.05:
        return {**document, random.choice(("more", "epochs", "Format", "é")): []}
    if name in ("genesis", "anchor", "certificate"):
        return {**document, name: changed_base64(random, value)}
    if name == "epochs" and type(value) is list and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return {
            **document,
            name: [*value[:at], changed_base64(random, value[at]), *value[at + 1 :]],
        }
    return {**document, name: _other_field(random, value)}


def _other_field(random: Random, value: Any) -> Any:
    if type(value) is list:
        other = list(_other_list(random, tuple(value)))
        return random.choice((other, other, [*value[:-1], "0" * 64], {}, "x", None))
    if type(value) is str:
        at = random.randrange(len(value) + 1)
        return random.choice(
            (
                value.upper(),
                value[:-1],
                value + "0",
                "0" * 64,
                value[:at] + "f" + value[at + 1 :],
                5,
            )
        )
    return random.choice((value + 1, value - 1, float(value), str(value), *NUMBERS))


def changed_text(random: Random, text: bytes) -> bytes:
    """JSON that is written otherwise: some of it still a receipt."""
    plain = text.decode()
    at = random.randrange(len(plain) + 1)
    field = random.choice(("height", "index", "count", "version", "code"))
    value = json.loads(plain)[field]
    stands = f'"{field}": {value}'
    numbers = (f"{value}.0", f"{value}e0", f"{value}E+0", f"0{value}", f"-{value}", f"{value}.")
    others = ("-0", "1" * 25, "NaN", "Infinity", "-Infinity", "tru", "nul", "[", "{}")
    digits = random.choice((*numbers, *others, f"+{value}", f'"{value}"'))
    return random.choice(
        (
            lambda: plain[:at].encode(),
            lambda: plain.rstrip()[: -random.randrange(1, 40)].encode(),
            lambda: (
                plain.encode() + random.choice((b" \n", b"x", b"\xc2\xa0", b"\x00", b"{}", b","))
            ),
            lambda: plain.replace(stands, f'"{field}": {digits}').encode(),
            lambda: plain.replace(stands, f"{stands}, {stands}").encode(),
            lambda: plain.replace(f'"{field}"', f'"\\u{ord(field[0]):04x}{field[1:]}"').encode(),
            lambda: b"\xef\xbb\xbf" + text,
            lambda: plain.encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig"))),
            lambda: changed_bytes(random, text),
            lambda: (
                plain[:at] + random.choice('"\\{}[],: \t\u00a0\u2003\x01') + plain[at:]
            ).encode(),
            lambda: json.dumps(json.loads(plain), separators=(",", ":")).encode(),
            lambda: json.dumps(dict(reversed(json.loads(plain).items()))).encode(),
            lambda: plain.replace("}", ',"x":' + "[" * random.choice((3, 31, 32, 999))).encode(),
            lambda: (plain[:-3] + ', "x": ' + "[" * 30 + "]" * 30 + "}").encode(),
        )
    )()


def changed_pin(random: Random, pin: str) -> str:
    """A pin that is another, or none."""
    at = random.randrange(len(pin))
    other = pin[:at] + random.choice("abcz27018-A") + pin[at + 1 :]
    wrong = (other, other, pin[:-1], pin + "a", "", pin.upper(), " " + pin, pin + "\n")
    return random.choice((*wrong, "sr1-" + "a" * 52, pin[:-1] + "b"))


# --- cases ---


@cache
def layers(kind: str, validators: int) -> tuple[tuple[str, int], ...]:
    """Every layer of such a service, and how often it is made."""
    seen: dict[str, int] = {}

    def note(layer: str, value: Any) -> Any:
        seen[layer] = seen.get(layer, 0) + 1
        return value

    receipt(note, kind=kind, validators=validators)
    return tuple(seen.items())


def changed_layer(random: Random, layer: str, value: Any) -> Any:
    """What a layer is after a change."""
    if layer == "text":
        return changed_text(random, value)
    if layer == "document":
        return changed_document(random, value)
    if layer == "pin":
        return changed_pin(random, value)
    if layer in CERTIFICATES:
        return changed_der(random, value)
    if type(value) is bytes:
        return changed_bytes(random, value)
    return changed_value(random, value)


def case(seed: int) -> tuple[str, Forged]:
    """The receipt of a seed, and what was done to it."""
    random = Random(seed)
    kind, validators = random.choice(KINDS)
    known = layers(kind, validators)
    chosen, times = random.choice(known)
    turn = random.randrange(times)
    begun = [0]

    def change(layer: str, value: Any) -> Any:
        if layer != chosen:
            return value
        begun[0] += 1
        return changed_layer(random, layer, value) if begun[0] == turn + 1 else value

    name = f"{seed}: {kind} of {validators}, {chosen}"
    try:
        return name, receipt(change, validators=validators, kind=kind)
    except Exception:
        # A change that even its forger cannot go on from: another one, of the finished receipt.
        return name, _broken(random, kind, validators)


def _broken(random: Random, kind: str, validators: int) -> Forged:
    whole = receipt(kind=kind, validators=validators)
    document = changed_document(random, json.loads(whole.text))
    return Forged(json.dumps(document, default=bytes.hex).encode(), whole.pin)
