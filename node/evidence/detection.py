"""What kind of evidence is this file? Looked at from outside only; judging.py believes nothing that
is found here.

Owns the marks by which kinds are told apart, and the role that the file then has.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.report import REPORT_SIZE
from strongroom.node.evidence import cbor, cmw, cose, ra_tls, uvm
from strongroom.node.evidence.ccf_receipt import RECEIPTS
from strongroom.node.evidence.certificates import FieldCertificate
from strongroom.node.evidence.demands import HEADER_KEYS
from strongroom.node.evidence.jose import read_token
from strongroom.node.evidence.quote import ECDSA_P256
from strongroom.node.evidence.strict import decode_json, read_certificates

ROLES: Mapping[str, str] = {
    "sev-snp": "report",
    "dcap": "quote",
    "attested-cose": "cose",
    "uvm-endorsement": "endorsement",
    "ccf-receipt": "statement",
    "ra-tls": "cert",
    "maa-jwt": "token",
    "ear-jwt": "token",
    "eat": "token",
    "cmw": "cmw",
    "strongroom": "evidence",
}
"""Role of the one file that is evidence; all others are what it is judged with."""


def detect(data: bytes) -> tuple[str, str] | None:
    """Kind and role of a file, or None."""
    for look in (_own, _silicon, _certificate, _message, _token, _text):
        try:
            found = look(data)
        except (AttestationError, NotCanonical):
            continue
        if found is not None:
            return found if isinstance(found, tuple) else (found, ROLES[found])
    return None


def _own(data: bytes) -> str | None:
    Evidence.decode(data)
    return "strongroom"


def _silicon(data: bytes) -> str | None:
    if len(data) == REPORT_SIZE:
        return "sev-snp"
    version, key_type = (int.from_bytes(data[place : place + 2], "little") for place in (0, 2))
    return "dcap" if version in (3, 4, 5) and key_type == ECDSA_P256 else None


def _certificate(data: bytes) -> str | tuple[str, str] | None:
    extensions = FieldCertificate.parse(read_certificates(data)[0]).extensions
    if ra_tls.EVIDENCE in extensions:
        return "ra-tls"
    return ("cmw", "cert") if cmw.EXTENSION in extensions else None


def _message(data: bytes) -> str | None:
    item: Any = cbor.decode(data, "message")
    if getattr(item, "tag", None) != cose.SIGN1_TAG:
        return "cmw"
    message = cose.Sign1.parse(
        data, "message", understood=HEADER_KEYS, unsigned=(RECEIPTS, uvm.TIMESTAMP)
    )
    if any(label in message.protected for label in HEADER_KEYS):
        return "attested-cose"
    return "ccf-receipt" if RECEIPTS in message.unprotected else "uvm-endorsement"


def _token(data: bytes) -> str | None:
    claims = read_token(data, types=("JWT", "eat+jwt")).claims
    if "x-ms-ver" in claims:
        return "maa-jwt"
    return "ear-jwt" if "ear.verifier-id" in claims else "eat"


def _text(data: bytes) -> str | None:
    document = decode_json(data, "text")
    entries = list(document.values()) if isinstance(document, dict) else []
    if type(document) is list or any(type(entry) is list for entry in entries):
        return "cmw"
    return "eat" if entries else None
