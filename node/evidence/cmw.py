"""Conceptual Message Wrappers (RATS): what kind of evidence is in there? Read only; a wrapper
proves nothing.

Owns the forms of draft-ietf-rats-msg-wrap: record and collection, in JSON and CBOR, tagged CBOR,
and the extension of a certificate (id-pe-cmw) that carries one of them.

| step | reasons, in order |
|---|---|
| certificate, if one | encoding, too-large, certificate-form; not-yet-valid, expired |
| wrapper | malformed, encoding, too-large, claims |

A certificate's signature is not looked at.
"""

import re
from typing import Any

import cbor2

from strongroom.enclave.tokens.jose import decode_base64url
from strongroom.node.evidence import cbor, chains
from strongroom.node.evidence.certificates import (
    OCTET_STRING,
    UTF8_STRING,
    FieldCertificate,
    Reader,
    oid,
)
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import decode_json, read_certificates
from strongroom.node.evidence.verdict import Verdict, good

KIND = "cmw"
EXTENSION = oid("1.3.6.1.5.5.7.1.35")
COLLECTION_TYPE = "__cmwc_t"
FORMAT_MAX = 0xFFFF
"""CoAP content formats."""
FORMAT_TAG = 0x63740101
"""Content format 0 as a tag (RFC 9277 §4.3): each 255 formats take 256 tags."""
INDICATORS_MAX = 0x0F
"""reference values, endorsements, evidence, attestation results: bits 0-3."""
ENTRIES_MAX = 64
DEPTH_MAX = 4
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:; ?[!-~]{1,256})*\Z"
)
_TYPE_NAME = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:[!-~]+|[0-2](?:\.(?:0|[1-9][0-9]*))+)\Z")
"""A URI, or an OID in dotted form."""


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a wrapper (`cmw`), or for the one in a certificate (`cert`)."""
    if "cert" in piece.files:
        form, wrapped, types = _in_certificate(piece.files["cert"], demands)
    else:
        form, wrapped = _read(piece.file("cmw"))
        types = _types(wrapped, form, 0)
    return good("parsed-only", {"form": form, "types": types})


def _in_certificate(data: bytes, demands: Demands) -> tuple[str, Any, list[str]]:
    given = read_certificates(data)
    demand(len(given) == 1, Reason.CERTIFICATE_FORM, "expected one certificate")
    certificate = FieldCertificate.parse(given[0])
    chains.load(given[0])
    demands.check_window(certificate.begin, certificate.end, "certificate")
    value = Reader(certificate.extension(EXTENSION))
    if value.next_tag() == UTF8_STRING:
        form, wrapped = "JSON", decode_json(value.only(UTF8_STRING), "CMW")
    else:
        form, wrapped = "CBOR", cbor.decode(value.only(OCTET_STRING), "CMW")
    return form, wrapped, _types(wrapped, form, 0)


def _read(data: bytes) -> tuple[str, Any]:
    if data.lstrip()[:1] in (b"{", b"["):
        return "JSON", decode_json(data, "CMW")
    return "CBOR", cbor.decode(data, "CMW")


def _types(item: Any, form: str, depth: int) -> list[str]:
    """Media types or content formats of what is wrapped."""
    demand(depth < DEPTH_MAX, Reason.TOO_LARGE, f"CMW: nests over {DEPTH_MAX}")
    if type(item) is list:
        return [_record(item, form)]
    if form == "CBOR" and isinstance(item, cbor2.CBORTag):
        demand(
            type(item.value) is bytes, Reason.CLAIMS, "CMW: a tag around something else than bytes"
        )
        return [f"content format {_content_format(item.tag)}"]
    if type(item) is not dict:
        refuse(Reason.MALFORMED, "CMW: neither record, collection nor tag")
    return _collection(item, form, depth)


def _collection(item: dict[Any, Any], form: str, depth: int) -> list[str]:
    name = item.get(COLLECTION_TYPE)
    named = COLLECTION_TYPE not in item or (
        type(name) is str and _TYPE_NAME.match(name) is not None
    )
    demand(named, Reason.CLAIMS, "CMW: the collection's type is neither URI nor OID")
    entries = {label: entry for label, entry in item.items() if label != COLLECTION_TYPE}
    demand(
        0 < len(entries) <= ENTRIES_MAX, Reason.CLAIMS, f"CMW: expected 1..{ENTRIES_MAX} entries"
    )
    kinds = {type(label) for label in entries}
    demand(
        kinds <= ({str} if form == "JSON" else {str, int}),
        Reason.CLAIMS,
        "CMW: a label of another type",
    )
    return [kind for entry in entries.values() for kind in _types(entry, form, depth + 1)]


def _record(item: list[Any], form: str) -> str:
    demand(
        len(item) in (2, 3),
        Reason.CLAIMS,
        "CMW: a record has a type, a value and perhaps an indicator",
    )
    kind, value = item[0], item[1]
    if form == "JSON":
        demand(type(value) is str, Reason.CLAIMS, "CMW: the value is no text")
        decode_base64url(value)
    else:
        demand(type(value) is bytes, Reason.CLAIMS, "CMW: the value is no byte string")
    if len(item) == 3:
        bits = type(item[2]) is int and 0 < item[2] <= INDICATORS_MAX
        demand(bits, Reason.CLAIMS, "CMW: unknown indicators")
    if type(kind) is int and form == "CBOR":
        demand(0 <= kind <= FORMAT_MAX, Reason.CLAIMS, f"CMW: content format {kind}")
        return f"content format {kind}"
    demand(
        type(kind) is str and _MEDIA_TYPE.match(kind) is not None,
        Reason.CLAIMS,
        "CMW: no media type",
    )
    return str(kind)


def _content_format(tag: int) -> int:
    block, place = divmod(tag - FORMAT_TAG, 256)
    found = block * 255 + place
    known = block >= 0 and place < 255 and found <= FORMAT_MAX
    demand(known, Reason.CLAIMS, f"CMW: tag {tag} is no content format")
    return found
