"""Half of a member's recovery key in a token of its own (VAULT §7): made there, and used there to
open what was sealed to it.

Owns what is asked of the token, which is its ECDH alone, and the rest of HPKE around it (RFC 9180
§4.1, §5.1). Knows no ledger. The other half lies in a file (node/client/recovery_keys.py): who has
one of the two opens nothing.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.keys.recovery import OpenInToken
from strongroom.enclave.primitives import CURVE_POINT_SIZE, DoesNotOpen, check_point
from strongroom.node.client.recovery_keys import TokenHalf
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.token_words import KEY_ID_SIZE, Form

LABEL = "strongroom-recovery"
"""Of the keys that are made; their ids differ."""
_KEM = b"KEM" + (0x0010).to_bytes(2, "big")
_SUITE = b"HPKE" + b"".join(one.to_bytes(2, "big") for one in (0x0010, 0x0001, 0x0002))
"""DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: that of `primitives.curve_seal`."""
_EVEN, _PREFIX_SIZE = b"\x02", 1
_GENERATOR = (
    ec.derive_private_key(1, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)


async def make_half(
    *,
    owner: str,
    module: str,
    token: str,
    serial: str,
    environment: Mapping[str, str],
    pin: Pin,
) -> TokenHalf:
    """Make a key inside a token that never leaves it, and learn its point.

    Args:
        owner: whose token it is; stands in every error.
        module: path of the PKCS#11 module.
        token: its label.
        serial: its serial number, where two tokens have one label.
        environment: variables that the module wants.
        pin: of the token's user.

    Raises:
        TokenFault: the token is away, or cannot.
    """
    device = Device(
        customer=owner,
        module=module,
        token=token,
        serial=serial,
        pin=pin,
        environment=environment,
    )
    id = secrets.token_bytes(KEY_ID_SIZE)
    async with device:
        await device.create(Form.ECDH, id, LABEL)
        x = await device.half(Form.ECDH, id, LABEL, _GENERATOR)
        found = serial if device.facts is None else device.facts.serial
    # ECDH gives x alone, and the same for d and -d: either y makes a point that this key opens.
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _EVEN + x.reveal())
    return TokenHalf(
        module=module,
        token=token,
        serial=found,
        label=LABEL,
        id=id,
        point=point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        environment=tuple(sorted(environment.items())),
    )


def opener(half: TokenHalf, pin: Callable[[], Pin], owner: str) -> OpenInToken:
    """What opens with this half; to be called where no event loop runs.

    Args:
        half: where it lies.
        pin: gets the PIN of the token's user, when something is to be opened.
        owner: whose token it is; stands in every error.
    """

    def open_in_token(sealed: bytes, info: bytes) -> bytes:
        return asyncio.run(_open(half, pin(), owner, sealed, info))

    return open_in_token


async def _open(half: TokenHalf, pin: Pin, owner: str, sealed: bytes, info: bytes) -> bytes:
    """Raises TokenFault, which says nothing of what was sealed, and DoesNotOpen, which does."""
    sent, box = sealed[:CURVE_POINT_SIZE], sealed[CURVE_POINT_SIZE:]
    try:
        check_point(sent)
    except NotCanonical:
        raise DoesNotOpen("sealed with a point that is none") from None
    device = Device(
        customer=owner,
        module=half.module,
        token=half.token,
        serial=half.serial,
        pin=pin,
        environment=dict(half.environment),
    )
    async with device:
        own = await device.half(Form.ECDH, half.id, half.label, _GENERATOR)
        if not compare_digest(own.reveal(), half.point[_PREFIX_SIZE : _PREFIX_SIZE + 32]):
            raise TokenFault(
                "other-key",
                f"the key {half.label!r} with id {half.id.hex()} in the token is another than the "
                "published one: put the former back, or publish another with `strongroom recover "
                "key --new`",
                customer=owner,
            )
        shared = await device.half(Form.ECDH, half.id, half.label, sent)
    return _opened(shared.reveal(), sent, half.point, box, info)


def _opened(shared: bytes, sent: bytes, point: bytes, box: bytes, info: bytes) -> bytes:
    """HPKE in base mode, from the result of ECDH on.

    Raises:
        DoesNotOpen: sealed to another key, for something else, or changed.
    """
    given = _expand(_KEM, _extract(_KEM, b"", b"eae_prk", shared), b"shared_secret", sent + point)
    hashes = _extract(_SUITE, b"", b"psk_id_hash", b""), _extract(_SUITE, b"", b"info_hash", info)
    context = b"\x00" + b"".join(hashes)
    secret = _extract(_SUITE, given, b"secret", b"")
    key, nonce = (
        _expand(_SUITE, secret, b"key", context),
        _expand(_SUITE, secret, b"base_nonce", context, 12),
    )
    try:
        return AESGCM(key).decrypt(nonce, box, b"")
    except (InvalidTag, ValueError):
        raise DoesNotOpen("the half in the token does not open this") from None


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    """LabeledExtract."""
    return hmac_digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, sha256)


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int = 32) -> bytes:
    """LabeledExpand, of one block at most."""
    text = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac_digest(key, text + b"\x01", sha256)[:size]
