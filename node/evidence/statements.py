"""Statements that a did:x509 signs: COSE messages which bring their certificates with them.

Owns the two shapes of header that Microsoft's supply chain writes: issuer, feed and signing time as
text labels, or as CWT claims (RFC 9597). Endorsements of utility VMs (uvm.py) and transparent
statements (ccf_receipt.py) are such.

| step | reasons, in order |
|---|---|
| message | too-large, malformed, encoding, header, critical-header |
| issuer | header, issuer, feed |
| chain | header, certificate-form, algorithm, certificate-chain, root-unknown, extended-key-usage |
| signature | algorithm, signature |
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from strongroom.node.evidence import cose
from strongroom.node.evidence.chains import Chain, check_did, read_chain
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.reasons import Reason, demand
from strongroom.node.evidence.strict import field


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement whose signature by the demanded DID is verified; no time was looked at."""

    payload: bytes
    feed: str
    signed_at: int
    """Unix seconds, by the word of the signer."""
    chain: Chain
    svn: int | None
    """Security version of the feed, where the header has one."""


def verify_statement(message: cose.Sign1, demands: Demands, what: str) -> Statement:
    """Check issuer, feed, chain and signature of a statement.

    Raises:
        AttestationError: see the module's table.
    """
    issuer, feed, signed_at, svn = _origin(message, what)
    demand(issuer == demands.did, Reason.ISSUER, f"{what}: issued by {issuer!r}")
    demand(feed == demands.feed, Reason.FEED, f"{what}: of feed {feed!r}")
    chain = read_chain(message.header(cose.X5CHAIN, list, what))
    leaf = sha256(chain.certificates[0].public_bytes(Encoding.DER)).digest()
    demand(
        message.header(cose.X5T, list, what) == [cose.SHA_256, leaf],
        Reason.HEADER,
        f"{what}: x5t names another leaf",
    )
    check_did(issuer, chain)
    message.verify(chain.key)
    demand(message.payload is not None, Reason.MALFORMED, f"{what}: no payload")
    return Statement(
        payload=message.payload or b"", feed=feed, signed_at=signed_at, chain=chain, svn=svn
    )


def _origin(message: cose.Sign1, what: str) -> tuple[str, str, int, int | None]:
    """Issuer, feed, signing time and security version of either shape of header."""
    if cose.CWT_CLAIMS not in message.protected:
        signed_at = message.header("signingtime", datetime, what)
        return (
            message.header("iss", str, what),
            message.header("feed", str, what),
            _seconds(signed_at),
            None,
        )
    demand("iss" not in message.protected, Reason.HEADER, f"{what}: two issuers")
    claims: Any = message.header(cose.CWT_CLAIMS, dict, what)
    issuer = field(claims, cose.ISSUER, str, what, Reason.HEADER)
    subject = field(claims, cose.SUBJECT, str, what, Reason.HEADER)
    signed_at = field(claims, cose.ISSUED_AT, datetime, what, Reason.HEADER)
    return issuer, subject, _seconds(signed_at), field(claims, "svn", int, what, Reason.HEADER)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
