"""COSE_Sign1 messages (RFC 9052 §4.2): one signer, headers where they belong, a signature over
exactly the right bytes.

Owns the structure of the message. Which key signs, and what the payload means, the callers know. No
library of the project's list reads COSE; the structure is four fields.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import cbor2

from strongroom.enclave.tokens.signatures import (
    ES256,
    ES384,
    ES512,
    PS256,
    PS384,
    PS512,
    PublicKey,
    Scheme,
    elliptic_key,
    verify,
)
from strongroom.node.evidence import cbor
from strongroom.node.evidence.reasons import Reason, demand, refuse

SIGN1_TAG = 18
ALGORITHM = 1
CRITICAL = 2
CONTENT_TYPE = 3
KEY_ID = 4
CWT_CLAIMS = 15
"""RFC 9597: issuer 1, subject 2, issued at 6."""
X5CHAIN = 33
X5T = 34
ISSUER, SUBJECT, ISSUED_AT = 1, 2, 6
SHA_256 = -16

SCHEMES: Mapping[int, Scheme] = {
    -7: ES256,
    -35: ES384,
    -36: ES512,
    -37: PS256,
    -38: PS384,
    -39: PS512,
}
_KEY_TYPE, _EC2, _CURVE, _X, _Y = 1, 2, -1, -2, -3
_CURVES = {1: ES256.curve, 2: ES384.curve, 3: ES512.curve}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """One message, its form checked, its signature not yet."""

    raw_protected: bytes
    protected: Mapping[int | str, Any]
    unprotected: Mapping[int | str, Any]
    payload: bytes | None
    """None: detached."""
    signature: bytes

    @classmethod
    def parse(
        cls,
        data: bytes,
        what: str,
        *,
        understood: Collection[int | str] = (),
        unsigned: Collection[Any] = (),
    ) -> "Sign1":
        """Read a tagged message.

        Args:
            data: its bytes.
            what: its name in refusals.
            understood: labels that may be critical.
            unsigned: labels that may stand in the unprotected header.

        Raises:
            AttestationError: ``malformed``, ``encoding``, ``header``, ``critical-header``.
        """
        item = cbor.decode(data, what)
        demand(
            isinstance(item, cbor2.CBORTag) and item.tag == SIGN1_TAG,
            Reason.MALFORMED,
            f"{what}: no COSE_Sign1",
        )
        parts = item.value
        demand(
            type(parts) is list and len(parts) == 4, Reason.MALFORMED, f"{what}: not four fields"
        )
        raw, unprotected, payload, signature = parts
        shaped = type(raw) is bytes and type(unprotected) is dict and type(signature) is bytes
        demand(
            shaped and type(payload) in (bytes, type(None)),
            Reason.MALFORMED,
            f"{what}: fields of wrong types",
        )
        protected = cbor.decode(raw, f"{what}'s protected header")
        demand(type(protected) is dict, Reason.MALFORMED, f"{what}: the protected header is no map")
        for label in unprotected:
            demand(
                label in unsigned and label not in protected,
                Reason.HEADER,
                f"{what}: {label!r} is not signed",
            )
        _check_critical(protected, understood, what)
        return cls(
            raw_protected=raw,
            protected=protected,
            unprotected=unprotected,
            payload=payload,
            signature=signature,
        )

    def verify(self, key: PublicKey, *, detached: bytes | None = None) -> None:
        """Check the signature over the payload, or over one that is not in the message.

        Raises:
            AttestationError: ``malformed``, ``algorithm``, ``signature``.
        """
        payload = self.payload if detached is None else detached
        if payload is None or (detached is not None and self.payload is not None):
            refuse(Reason.MALFORMED, "COSE: the payload is detached, or should be")
        algorithm = self.protected.get(ALGORITHM)
        scheme = SCHEMES.get(algorithm) if type(algorithm) is int else None
        if scheme is None:
            refuse(Reason.ALGORITHM, f"COSE: algorithm {algorithm!r} is not allowed")
        signed = cbor.encode(["Signature1", self.raw_protected, b"", payload])
        verify(scheme, key, self.signature, signed)

    def header(self, label: int | str, kind: type, what: str) -> Any:
        """One protected header, of exactly this type.

        Raises:
            AttestationError: ``header``.
        """
        value = self.protected.get(label)
        demand(
            type(value) is kind,
            Reason.HEADER,
            f"{what}: header {label!r} is missing or not {kind.__name__}",
        )
        return value


def _check_critical(protected: Mapping[Any, Any], understood: Collection[Any], what: str) -> None:
    """RFC 9052 §3.1: a list, not empty, of labels that are there and understood."""
    if CRITICAL not in protected:
        return
    critical = protected[CRITICAL]
    demand(
        type(critical) is list and len(critical) > 0,
        Reason.CRITICAL_HEADER,
        f"{what}: no list of critical labels",
    )
    for label in critical:
        demand(
            type(label) in (int, str) and label in protected,
            Reason.CRITICAL_HEADER,
            f"{what}: {label!r} is absent",
        )
        demand(
            label in understood,
            Reason.CRITICAL_HEADER,
            f"{what}: {label!r} must be understood, and is not",
        )


def read_key(key: Any) -> PublicKey:
    """A COSE_Key of two coordinates (RFC 9053 §7.1.1) with no field beyond them.

    Raises:
        AttestationError: ``malformed``.
    """
    demand(
        type(key) is dict and set(key) == {_KEY_TYPE, _CURVE, _X, _Y},
        Reason.MALFORMED,
        "COSE key: other fields",
    )
    curve = _CURVES.get(key[_CURVE]) if type(key[_CURVE]) is int else None
    if (
        key[_KEY_TYPE] != _EC2
        or curve is None
        or type(key[_X]) is not bytes
        or type(key[_Y]) is not bytes
    ):
        refuse(Reason.MALFORMED, "COSE key: not a key of P-256, P-384 or P-521")
    return elliptic_key(curve, key[_X], key[_Y])
