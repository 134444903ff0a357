"""Attested COSE: a message signed by a key that an Azure confidential container made, with its
whole evidence inside.

The evidence stands in the protected header, so the signature covers it; the report commits to the
key.

| step | reasons, in order |
|---|---|
| message | too-large, malformed, encoding, header, critical-header, version, profile |
| signature | malformed, algorithm, signature (by the key in the header, worth nothing yet) |
| silicon | see snp.py |
| key | key-binding |
| endorsement | see uvm.py, at the time of the check; then measurement |

The key is bound if REPORT_DATA is its SHA-256 and 32 zero bytes, if that is also the kid, and if
certificates, where there are any, are of that key.
"""

from hashlib import sha256
from typing import Any

from strongroom.node.evidence import cbor, cose, snp, uvm
from strongroom.node.evidence.chains import read_chain
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import Reason, demand
from strongroom.node.evidence.strict import field, read_certificates
from strongroom.node.evidence.verdict import Verdict, good

KIND = "attested-cose"
VERSION = 0
ATTESTATION_TYPE = "SEV-SNP:ContainerPlat-AMD-UVM"
_FIELDS = {
    "attestation",
    "attestation_type",
    "cose_key",
    "snp_endorsements",
    "uvm_endorsements",
    "ver",
}
_OPTIONAL = {"svc_id"}


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a message (`cose`)."""
    message = cose.Sign1.parse(piece.file("cose"), "message", understood=demands.header_keys)
    attestation = _attestation(message, demands)
    key = field(attestation, "cose_key", dict, "attestation")
    public = cose.read_key(key)
    message.verify(public)
    report = field(attestation, "attestation", bytes, "attestation")
    certificates = read_certificates(field(attestation, "snp_endorsements", bytes, "attestation"))
    verified = snp.verify_chip_report(report, certificates, demands)
    name = sha256(cbor.encode(key)).digest()
    committed = verified.report.report_data == name + bytes(32)
    demand(committed, Reason.KEY_BINDING, "the report was made for another key: stolen or relayed")
    demand(
        message.header(cose.KEY_ID, bytes, "message") == name,
        Reason.KEY_BINDING,
        "the message names another key",
    )
    if cose.X5CHAIN in message.protected:
        certified = read_chain(message.header(cose.X5CHAIN, list, "message")).key
        demand(
            certified == public,
            Reason.KEY_BINDING,
            "the message brings a certificate of another key",
        )
    endorsement = uvm.read_endorsement(
        field(attestation, "uvm_endorsements", bytes, "attestation"), demands, in_force=True
    )
    endorsed = endorsement.measurement == verified.report.measurement
    demand(endorsed, Reason.MEASUREMENT, "the endorsement is of other code")
    return good("verified", {**snp.facts_of(verified), **uvm.facts_of(endorsement)})


def _attestation(message: cose.Sign1, demands: Demands) -> dict[str, Any]:
    """The one header that holds the evidence; it must be critical."""
    critical = message.protected.get(cose.CRITICAL, [])
    present = [label for label in demands.header_keys if label in message.protected]
    demand(len(present) == 1, Reason.HEADER, "the message has no attestation, or two")
    demand(critical == present, Reason.CRITICAL_HEADER, "the attestation is not marked critical")
    attestation: dict[str, Any] = message.header(present[0], dict, "message")
    demand(
        _FIELDS <= set(attestation) <= _FIELDS | _OPTIONAL,
        Reason.HEADER,
        "attestation: other fields",
    )
    demand(
        field(attestation, "ver", int, "attestation") == VERSION,
        Reason.VERSION,
        "attestation: unknown version",
    )
    demand(
        attestation["attestation_type"] == ATTESTATION_TYPE,
        Reason.PROFILE,
        "attestation: unknown type",
    )
    return attestation
