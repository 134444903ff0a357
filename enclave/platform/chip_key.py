"""A simulated chip's key: what signs its reports. On silicon it is derived from fuses, and no
software holds it.

Owns that private key alone. The authorities that vouch for it, and their certificates: issuing.py.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from strongroom.consensus.errors import OperatorFault


class ChipKey:
    """P-384 private key of a simulated chip."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = key.public_key()

    @classmethod
    def generate(cls) -> "ChipKey":
        """A fresh key."""
        return cls(ec.generate_private_key(ec.SECP384R1()))

    @classmethod
    def from_der(cls, data: bytes) -> "ChipKey":
        """Read what `to_der` wrote.

        Raises:
            OperatorFault: not a P-384 private key.
        """
        key = load_key(data)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(
            key.curve, ec.SECP384R1
        ):
            raise OperatorFault("the simulated chip's file holds no P-384 key; make a new one")
        return cls(key)

    def to_der(self) -> bytes:
        """PKCS #8, unencrypted: a simulation has no fuses."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> tuple[int, int]:
        """ECDSA with SHA-384: the integers r and s."""
        return decode_dss_signature(self._key.sign(message, ec.ECDSA(SHA384())))

    def __repr__(self) -> str:
        return "ChipKey(…)"


def load_key(data: bytes) -> object:
    """Read a private key of the simulated platform, PKCS #8.

    Raises:
        OperatorFault: damaged.
    """
    try:
        return load_der_private_key(data, password=None)
    except (ValueError, TypeError):
        raise OperatorFault(
            "a private key of the simulated platform is damaged; make a new platform"
        ) from None
