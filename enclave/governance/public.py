"""Public transactions: never sealed, signed in the form of a COSE_Sign1 (RFC 9052 §4.2), in
canonical msgpack.

Owns their bytes, for whoever makes one (a member's client with the identity key, an enclave with
the node key) and for the enclave that reads it. What an action does is proposals.py's,
registry.py's, succession.py's.

    envelope   (1, 5, protected, payload, signature)
    protected  (-8, kid, action)
    payload    fields of the action
    signed     label ‖ 0 ‖ chain ‖ (protected, payload)

-8 is EdDSA (RFC 9053 §2.2), kid the signer's Ed25519 public key.

Evidence of an offence proves itself: its kid and signature are empty.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import (
    KEY_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    PublicKey,
    Signature,
)
from strongroom.enclave.governance.recovery_public import RECOVERY_SHAPES
from strongroom.enclave.primitives import digest, verify

VERSION, PUBLIC = 1, 5
"""Version and kind of the envelope (envelope.py)."""
EDDSA = -8

PROPOSE, BALLOT, WITHDRAW = "propose", "ballot", "withdraw"
PROPOSE_SEVERAL = "propose-several"
ATTEST, SYNCED, LEAVE, REFRESH = "attest", "synced", "leave", "refresh"
OFFER, READY, EVIDENCE = "offer", "ready", "evidence"
ASK, APPROVE, DENY, BEGIN = "ask", "approve", "deny", "begin"
ACT, FINISH, REVOKE_GRANT, REVIEW = "act", "finish", "revoke-grant", "review"
OBSERVE = "observe"

SHAPES: dict[str, tuple[type, ...]] = {
    PROPOSE: (bytes, str, tuple),
    PROPOSE_SEVERAL: (bytes, int, tuple),
    BALLOT: (str, bytes, bool),
    WITHDRAW: (str,),
    ATTEST: (bytes, str, str),
    SYNCED: (int, bytes, int, bytes),
    LEAVE: (),
    REFRESH: (int,),
    OFFER: (int, bytes, bytes, tuple),
    READY: (int, bytes, bytes, bytes),
    EVIDENCE: (bytes,),
    ASK: (bytes, tuple, tuple, str, int, int, str),
    APPROVE: (str, bytes),
    DENY: (str, bytes),
    BEGIN: (str, str, str, bytes),
    ACT: (str, str, bytes, bytes),
    FINISH: (str, str, str, str, bytes),
    REVOKE_GRANT: (str,),
    REVIEW: (str, bytes),
    OBSERVE: (str, tuple),
}
"""Types of each action's fields:

    propose   (nonce of 16 bytes, change, ((name, value), …))     by a member
    propose-several  (nonce of 16 bytes, milliseconds in which it must be decided or 0,
                      ((change, ((name, value), …)), …))          by a member
    ballot    (proposal id, proposal digest, yes)                 by a member
    withdraw  (proposal id)                                       by its proposer
    attest    (evidence, RPC address, peer address)               by the node key in the evidence
    synced    (executed height, history root, epoch e+1, wrap key for it)
    leave     ()
    refresh   (current epoch)
    offer     (epoch e+1, members digest, public key, ((node key, wrap), …))
    ready     (epoch, offer digest, vote key for that epoch, wrap key for the one after)
    evidence  (encoded evidence, consensus/equivocation.py)       by nobody
    ask       (nonce of 16 bytes, operations, nodes, reason, claim-by, duration, kind)
                                                                  by who acts for an operator
    approve   (grant id, digest of the ask)                       by a member
    deny      (grant id, digest of the ask)                       by a member
    begin     (grant id, operation, node, digest of parameters)   by the asker
    act       (grant id, operation, digest of parameters, digest of what it gave)
    finish    (grant id, operation, node, outcome, digest)        by the asker
    revoke-grant  (grant id)                                      by the asker or a member
    review    (grant id, digest of the ask)                       by a member
    observe   (issuer's URL, ((kid, algorithm, JWK), …))          what its host saw there

The others are signed by the node key too. Times are block time in Unix milliseconds, durations
milliseconds.
"""
GRANT_ACTIONS = frozenset({ASK, APPROVE, DENY, BEGIN, FINISH, REVOKE_GRANT, REVIEW})
"""What people say of privileged access."""
PROPOSAL_NONCE_SIZE = 16
PROPOSAL_ID_SIZE = 16
"""Bytes; written as 32 characters of hex."""


SHAPES |= RECOVERY_SHAPES


class Unsigned(ClientFault):
    """A public transaction whose signature is not its signer's, or was made for another chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTransaction:
    """A public transaction whose signature verified."""

    signer: PublicKey
    """b"" for evidence."""
    action: str
    fields: tuple[Any, ...]
    """Of the types of its row in SHAPES."""
    payload: bytes
    """The encoding of the fields."""


def sign_public(
    signer: PublicKey,
    sign: Callable[[bytes], Signature],
    chain: ChainId,
    action: str,
    fields: tuple[Any, ...],
) -> bytes:
    """The envelope of a public transaction.

    Args:
        signer: Ed25519 public key of the member's identity or of the node.
        sign: signs with the key of `signer`.
        chain: the ledger that it is meant for.
        action: a row of SHAPES.
        fields: of the types of that row.

    Raises:
        NotCanonical: no such action, or fields of other types.
    """
    codec.fields(fields, *_shape(action), name=action)
    protected, payload = codec.encode((EDDSA, signer, action)), codec.encode(fields)
    signature = sign(signed_bytes(chain, protected, payload))
    return codec.encode((VERSION, PUBLIC, protected, payload, signature))


def evidence_envelope(evidence: bytes) -> bytes:
    """The envelope that carries evidence of an offence (the encoding of consensus/equivocation.py)
    to the ledger."""
    return codec.encode(
        (VERSION, PUBLIC, codec.encode((EDDSA, b"", EVIDENCE)), codec.encode((evidence,)), b"")
    )


def signed_bytes(chain: ChainId, protected: bytes, payload: bytes) -> bytes:
    """What the signer signs."""
    return labels.bound(labels.PUBLIC_TRANSACTION, chain, codec.encode((protected, payload)))


def read_public(
    protected: bytes, payload: bytes, signature: bytes, chain: ChainId
) -> PublicTransaction:
    """Read and verify a public transaction.

    Raises:
        NotCanonical: not canonical, another algorithm, no such action, or fields of other types.
        Unsigned: the signature does not verify for this signer and chain.
    """
    signer, action = _header(protected)
    fields = codec.fields(codec.decode(payload), *_shape(action), name=action)
    if action == EVIDENCE:
        if signer or signature:
            raise NotCanonical("evidence is signed by nobody: it proves itself")
    else:
        codec.sized(signer, KEY_SIZE, name="signer")
        codec.sized(signature, SIGNATURE_SIZE, name="signature")
        if not verify(signer, signature, signed_bytes(chain, protected, payload)):
            raise Unsigned(
                f"{action}: the signature is not its signer's for this ledger: sign it again"
            )
    return PublicTransaction(
        signer=PublicKey(signer), action=action, fields=fields, payload=payload
    )


def action_of(protected: bytes) -> str:
    """Which row of SHAPES a public transaction is of; nothing else of it is looked at.

    Raises:
        NotCanonical: not canonical, another algorithm, or no such action.
    """
    _, action = _header(protected)
    _shape(action)
    return action


def proposal_id(signer: PublicKey, payload: bytes) -> str:
    """The id of a proposal: the first 16 bytes of SHA-256(signer ‖ payload), in hex."""
    return digest(signer + payload)[:PROPOSAL_ID_SIZE].hex()


def proposal_digest(change: str, arguments: tuple[tuple[str, Any], ...]) -> Digest:
    """What a ballot for one change is cast for."""
    return changes_digest(((change, arguments),))


def changes_digest(changes: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]) -> Digest:
    """What a ballot is cast for: labelled SHA-256 over one change and its arguments, or over the
    list of several (T43). The former begins with a text, the latter with a list."""
    covered: tuple[object, ...] = changes[0] if len(changes) == 1 else (changes,)
    return labels.labelled_digest(labels.PROPOSAL, codec.encode(covered))


def offer_digest(payload: bytes) -> Digest:
    """The name of an offer: labelled SHA-256 over its payload."""
    return labels.labelled_digest(labels.OFFER, payload)


def members_digest(epoch: Epoch, members: tuple[PublicKey, ...]) -> Digest:
    """The name of a due set: labelled SHA-256 over the epoch and the members' node keys,
    ascending."""
    return labels.labelled_digest(labels.MEMBERS, codec.encode((epoch, members)))


def _header(protected: bytes) -> tuple[bytes, str]:
    """Signer and action."""
    algorithm, signer, action = codec.fields(
        codec.decode(protected), int, bytes, str, name="protected header"
    )
    if algorithm != EDDSA:
        raise NotCanonical(f"protected header: algorithm {algorithm}, expected {EDDSA}")
    return signer, action


def _shape(action: str) -> tuple[type, ...]:
    shape = SHAPES.get(action)
    if shape is None:
        raise NotCanonical(f"no public action {action!r}: it is one of {', '.join(SHAPES)}")
    return shape
