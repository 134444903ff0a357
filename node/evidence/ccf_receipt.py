"""Transparent statements: a signed statement with the receipt of a CCF ledger that holds it
(SCITT).

The receipt (draft-birkholz-cose-receipts-ccf-profile) is a COSE message over the root of a Merkle
tree, which it does not carry: the path in its proof must lead from this statement to exactly the
root that is signed.

| step | reasons, in order |
|---|---|
| statement's form | too-large, malformed, encoding, header, critical-header |
| receipt's form | the same, version (of the tree) |
| ledger's key | certificate-form, algorithm, key-unknown, issuer |
| proof | malformed, length, transaction, payload-binding |
| receipt's signature | algorithm, signature |
| time | not-yet-valid; then not-yet-valid, expired (of the ledger's certificates) |
| statement | see statements.py; not-yet-valid, expired (at the receipt's time) |
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.node.evidence import cbor, chains, cose
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.signatures import load_public_key
from strongroom.node.evidence.statements import verify_statement
from strongroom.node.evidence.strict import decode_base64, decode_json, field, instant
from strongroom.node.evidence.verdict import Fact, Verdict, good

KIND = "ccf-receipt"
RECEIPTS = 394
PROOFS = 396
INCLUSION = -1
TREE = 395
CCF_TREE = 2
RECEIPTS_MAX = 8
PATH_MAX = 64
SERVICES_MAX = 64
EVIDENCE_BYTES_MAX = 1024
_SERVICE = {"serviceCertificate", "serviceId", "signatureAlgorithm", "treeAlgorithm"}
_SERVICE_ALGORITHMS = ("ES256", "ES384")
"""What the list says; the algorithm is the one that fits the certified key."""
_HASH_SIZE = 32
_EVIDENCE = re.compile(r"ce:(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18}):[0-9a-f]{64}\Z")
_TRANSACTION = re.compile(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})\Z")


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a transparent statement (`statement`) under the ledger's certificates (`keys`)."""
    message = cose.Sign1.parse(piece.file("statement"), "statement", unsigned=(RECEIPTS,))
    receipts = message.unprotected.get(RECEIPTS)
    if type(receipts) is not list or not 0 < len(receipts) <= RECEIPTS_MAX:
        refuse(Reason.HEADER, f"statement: expected 1..{RECEIPTS_MAX} receipts")
    services = _services(piece.file("keys"))
    digest = _digest_without_receipts(message)
    facts: dict[str, Fact] = {"claim_digest": digest.hex()}
    times = []
    for receipt in receipts:
        issued, said = _check_receipt(receipt, digest, services, demands)
        facts.update(said)
        times.append(issued)
    statement = verify_statement(message, demands, "statement")
    for issued in times:
        if demands.time is not None:
            demands.check_window(issued, demands.time, "receipt")
            statement.chain.check_time(replace(demands, time=issued))
    facts.update({"feed": statement.feed, "signed_at": statement.signed_at})
    return good("verified", facts)


def _digest_without_receipts(message: cose.Sign1) -> bytes:
    """SHA-256 of the statement as it was registered: with an empty unprotected header."""
    bare: list[Any] = [message.raw_protected, {}, message.payload, message.signature]
    return sha256(cbor.encode(cbor2.CBORTag(cose.SIGN1_TAG, bare))).digest()


def _services(data: bytes) -> dict[bytes, list[x509.Certificate]]:
    """The ledger's certificates by the name of their key: hex SHA-256 of its SubjectPublicKeyInfo,
    in ASCII."""
    entries = field(decode_json(data, "keys"), "parameters", list, "keys")
    demand(0 < len(entries) <= SERVICES_MAX, Reason.TOO_LARGE, f"keys: expected 1..{SERVICES_MAX}")
    found: dict[bytes, list[x509.Certificate]] = {}
    for entry in entries:
        demand(
            isinstance(entry, dict) and set(entry) == _SERVICE,
            Reason.MALFORMED,
            "keys: other fields",
        )
        demand(
            entry["signatureAlgorithm"] in _SERVICE_ALGORITHMS,
            Reason.ALGORITHM,
            "keys: signature algorithm",
        )
        demand(
            field(entry, "treeAlgorithm", str, "keys") == "CCF",
            Reason.VERSION,
            "keys: of another tree",
        )
        der = decode_base64(field(entry, "serviceCertificate", str, "keys"))
        demand(
            field(entry, "serviceId", str, "keys") == sha256(der).hexdigest(),
            Reason.CERTIFICATE_FORM,
            "keys: id",
        )
        certificate = chains.load(der)
        found.setdefault(chains.key_digest(certificate).hex().encode("ascii"), []).append(
            certificate
        )
    return found


def _check_receipt(
    data: Any, digest: bytes, services: dict[bytes, list[x509.Certificate]], demands: Demands
) -> tuple[int, dict[str, Fact]]:
    """Check one receipt; returns the second at which it was issued, and what it says."""
    demand(type(data) is bytes, Reason.MALFORMED, "receipt: not a byte string")
    receipt = cose.Sign1.parse(data, "receipt", unsigned=(PROOFS,))
    demand(
        receipt.header(TREE, int, "receipt") == CCF_TREE, Reason.VERSION, "receipt: of another tree"
    )
    name = receipt.header(cose.KEY_ID, bytes, "receipt")
    certificates = services.get(name)
    if certificates is None:
        refuse(Reason.KEY_UNKNOWN, f"receipt: no ledger's key is called {name!r}")
    for certificate in certificates:
        chains.check_issued(certificate, certificate)
    claims = receipt.header(cose.CWT_CLAIMS, dict, "receipt")
    issuer = field(claims, cose.ISSUER, str, "receipt", Reason.HEADER)
    demand(demands.issuer in (None, issuer), Reason.ISSUER, f"receipt: issued by {issuer!r}")
    transaction = field(
        receipt.header("ccf.v1", dict, "receipt"), "txid", str, "receipt", Reason.HEADER
    )
    root = _root(_proof(receipt), digest, transaction)
    receipt.verify(load_public_key(_spki(certificates[0])), detached=root)
    issued = instant(claims, cose.ISSUED_AT, "receipt")
    _check_ledger_certificates(certificates, issued, demands)
    return issued, {
        "ledger": issuer,
        "transaction": transaction,
        "key": name.decode("ascii"),
        "issued_at": issued,
    }


def _check_ledger_certificates(
    certificates: Sequence[x509.Certificate], issued: int, demands: Demands
) -> None:
    """Check that the ledger's key was certified when the receipt was issued; needs no clock."""
    if any(begin <= issued <= end for begin, end in map(chains.window, certificates)):
        return
    begin = min(chains.window(certificate)[0] for certificate in certificates)
    reason = Reason.NOT_YET_VALID if issued < begin else Reason.EXPIRED
    refuse(
        reason, f"receipt: issued at {issued}, when no certificate of the ledger's key was valid"
    )


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _proof(receipt: cose.Sign1) -> dict[Any, Any]:
    """The one inclusion proof."""
    proofs = field(receipt.unprotected, PROOFS, dict, "receipt", Reason.HEADER)
    demand(set(proofs) == {INCLUSION}, Reason.HEADER, "receipt: proofs of another kind")
    inclusion = proofs[INCLUSION]
    single = type(inclusion) is list and len(inclusion) == 1 and type(inclusion[0]) is bytes
    demand(single, Reason.MALFORMED, "receipt: expected one inclusion proof")
    proof = cbor.decode(inclusion[0], "proof")
    demand(type(proof) is dict and set(proof) == {1, 2}, Reason.MALFORMED, "proof: other fields")
    return dict(proof)


def _root(proof: dict[Any, Any], digest: bytes, transaction: str) -> bytes:
    """Fold the path from the leaf; the leaf must hold this statement's digest."""
    leaf, path = proof[1], proof[2]
    shaped = type(leaf) is list and [type(part) for part in leaf] == [bytes, str, bytes]
    demand(shaped and type(path) is list, Reason.MALFORMED, "proof: leaf or path of wrong types")
    demand(len(path) <= PATH_MAX, Reason.TOO_LARGE, f"proof: path over {PATH_MAX}")
    internal, evidence, data = leaf
    demand(
        len(internal) == len(data) == _HASH_SIZE,
        Reason.LENGTH,
        "proof: a hash is not 32 bytes long",
    )
    _check_transaction(evidence, transaction)
    demand(data == digest, Reason.PAYLOAD_BINDING, "the receipt is of another statement")
    root = sha256(internal + sha256(evidence.encode("utf-8")).digest() + data).digest()
    for step in path:
        shaped = type(step) is list and [type(part) for part in step] == [bool, bytes]
        demand(shaped, Reason.MALFORMED, "proof: a step is not [left, hash]")
        left, sibling = step
        demand(len(sibling) == _HASH_SIZE, Reason.LENGTH, "proof: a hash is not 32 bytes long")
        root = sha256(sibling + root if left else root + sibling).digest()
    return root


def _check_transaction(evidence: str, transaction: str) -> None:
    """Check that the signature transaction is not older than the one that it covers."""
    covered = _EVIDENCE.match(evidence) if len(evidence) <= EVIDENCE_BYTES_MAX else None
    signing = _TRANSACTION.match(transaction)
    if covered is None or signing is None:
        refuse(Reason.TRANSACTION, "proof: commit evidence or transaction id of another form")
    earlier = tuple(map(int, covered.groups())), tuple(map(int, signing.groups()))
    demand(
        earlier[0] <= earlier[1],
        Reason.TRANSACTION,
        "proof: the covered transaction is the later one",
    )
