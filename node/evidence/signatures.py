"""Public keys as certificates carry them (RFC 5280); how signatures are verified with them is
enclave/tokens/signatures.py."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from strongroom.node.evidence.reasons import Reason, refuse


def load_public_key(spki: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Read a DER SubjectPublicKeyInfo of an RSA or a NIST curve's key.

    Raises:
        AttestationError: ``algorithm``.
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        refuse(Reason.ALGORITHM, "the public key is not one that is read here")
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        refuse(Reason.ALGORITHM, "the public key is neither RSA nor elliptic")
    return key
