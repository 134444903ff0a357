"""RA-TLS certificates in the interoperable form (CCC): a self-signed certificate that carries a
quote over its own key.

Owns the structure and the binding: certificate → key → claims → quote. The quote is dcap.py's.

| step | reasons, in order |
|---|---|
| certificate | encoding, too-large, certificate-form, algorithm, certificate-chain, signature |
| extension | certificate-form, malformed, encoding, profile |
| binding | claims, key-binding (claims → key), claims-binding (quote → claims) |
| quote | see dcap.py; no verdict without collateral, but for debug |
| time | not-yet-valid, expired (of the certificate itself) |
"""

from dataclasses import replace
from hashlib import sha256, sha384, sha512
from typing import Any

import cbor2

from strongroom.node.evidence import cbor, dcap
from strongroom.node.evidence.certificates import FieldCertificate, oid
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.quote import Quote
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import field, read_certificates
from strongroom.node.evidence.verdict import Verdict

KIND = "ra-tls"
EVIDENCE = oid("2.23.133.5.4.9")
"""tcg-dice-TaggedEvidence."""
QUOTE_TAG = 60000
KEY_CLAIM = "pubkey-hash"
_HASHES = {1: sha256, 7: sha384, 8: sha512}
"""IANA "Named Information Hash Algorithm"."""


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a certificate (`cert`; `collateral`, and `root` unless it is Intel's)."""
    given = read_certificates(piece.file("cert"))
    demand(len(given) == 1, Reason.CERTIFICATE_FORM, "expected one certificate")
    certificate = FieldCertificate.parse(given[0])
    certificate.check_self_signed()
    data, claims = _evidence(certificate.extension(EVIDENCE))
    read = _read_claims(claims)
    _check_key(read, certificate.spki)
    quote = Quote.parse(data)
    bound = quote.report_data == sha256(claims).digest() + bytes(32)
    demand(bound, Reason.CLAIMS_BINDING, "the quote was made for other claims")
    verdict = dcap.judge_quote(data, piece, demands)
    demands.check_window(certificate.begin, certificate.end, "certificate")
    names = sorted(name for name in read if name != KEY_CLAIM)
    key = sha256(certificate.spki).hexdigest()
    return replace(verdict, facts={**verdict.facts, "key": key, "claims": names})


def _evidence(value: bytes) -> tuple[bytes, bytes]:
    """Quote and encoded claims."""
    item = cbor.decode(value, "evidence")
    demand(
        isinstance(item, cbor2.CBORTag) and item.tag == QUOTE_TAG,
        Reason.PROFILE,
        "evidence: of another tag",
    )
    parts = item.value
    shaped = type(parts) is list and [type(part) for part in parts] == [bytes, bytes]
    demand(shaped, Reason.MALFORMED, "evidence: not [quote, claims]")
    return parts[0], parts[1]


def _read_claims(data: bytes) -> dict[str, Any]:
    claims = cbor.decode(data, "claims")
    shaped = type(claims) is dict and all(type(name) is str for name in claims)
    demand(
        shaped and all(type(value) is bytes for value in claims.values()),
        Reason.CLAIMS,
        "claims: no map of bytes",
    )
    return dict(claims)


def _check_key(claims: dict[str, Any], spki: bytes) -> None:
    """Check that the claims name the key of the certificate that carries them (T20)."""
    named = cbor.decode(field(claims, KEY_CLAIM, bytes, "claims"), KEY_CLAIM)
    shaped = type(named) is list and [type(part) for part in named] == [int, bytes]
    demand(shaped, Reason.CLAIMS, f"{KEY_CLAIM}: not [algorithm, digest]")
    hashed = _HASHES.get(named[0])
    if hashed is None:
        refuse(Reason.ALGORITHM, f"{KEY_CLAIM}: hash algorithm {named[0]}")
    bound = named[1] == hashed(spki).digest()
    demand(bound, Reason.KEY_BINDING, "the evidence was made for another key: stolen or relayed")
