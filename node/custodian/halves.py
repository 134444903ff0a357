"""C: the customer's half of a split key, as a function of (chain, key, version[, piece]).

Owns the two forms in which a token can compute it, and the check that the token's key is the one
that `custodian init` made. HMAC: C = HMAC-SHA256(key in the token, input). ECDH, for tokens without
HMAC: C = SHA-256(label ‖ x(d · P)), where d is the token's private key on P-256 and P the point
that the input leads to.
"""

from hashlib import sha256
from hmac import compare_digest

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus import labels
from strongroom.enclave.outside.split_key import KeyName, half_input
from strongroom.enclave.primitives import Secret
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.token_words import Form

CHECK_SIZE = 16
"""Bytes by which the token's key is known again."""
_CHECK_INPUT = labels.CUSTODIAN_HALF + b"\x00check"


class HalfKey:
    """The one key in the token of which halves are made."""

    def __init__(
        self, device: Device, *, form: Form, id: bytes, label: str, check: bytes = b""
    ) -> None:
        """Name it.

        Args:
            device: whose key it is.
            form: HMAC or ECDH.
            id: CKA_ID.
            label: CKA_LABEL.
            check: what `check_value` was when the key was made; nothing is compared when it is
                empty.
        """
        self._device, self._form, self._id, self._label = device, form, id, label
        self._check = check

    async def half(self, key: KeyName, piece: int | None = None) -> Secret:
        """C, 32 bytes.

        Raises:
            TokenFault: the device is away or cannot, or its key is another than at `init`.
        """
        await self.known()
        return await self._function(half_input(key, piece))

    async def known(self) -> None:
        """Check that the device is there, with the key that `init` made.

        Raises:
            TokenFault: as `half`.
        """
        if self._check and not compare_digest(await self.check_value(), self._check):
            raise TokenFault(
                "other-key",
                f"the key {self._label!r} in the HSM is another than at `custodian init` (rotated, "
                "or imported anew?): put the former back, or wrap every key anew and run "
                "`strongroom custodian init` in a new folder",
                customer=self._device.customer,
            )

    async def check_value(self) -> bytes:
        """What tells this key from every other one, and nothing of any half: CHECK_SIZE bytes.

        Raises:
            TokenFault: as `half`.
        """
        return sha256((await self._function(_CHECK_INPUT)).reveal()).digest()[:CHECK_SIZE]

    async def _function(self, data: bytes) -> Secret:
        if self._form is Form.HMAC:
            return await self._device.half(self._form, self._id, self._label, data)
        shared = await self._device.half(self._form, self._id, self._label, point_of(data))
        return Secret(sha256(labels.CUSTODIAN_POINT + b"\x00" + shared.reveal()).digest())


def point_of(data: bytes) -> bytes:
    """A point of P-256 whose discrete logarithm nobody knows: the first x = SHA-256(label ‖ i ‖
    data) that is on the curve, with even y. 65 bytes, uncompressed.

    The input is public, so its running time tells nothing. Half of all x are on the curve: 2^-256
    of all inputs end without a point.
    """
    for counter in range(256):
        x = sha256(labels.CUSTODIAN_POINT + bytes([counter]) + data).digest()
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x)
        except ValueError:
            continue
        return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raise AssertionError("no point in 256 tries")
