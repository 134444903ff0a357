"""What is left on a host's disk: sealed to a chip, so that no other can open it.

Owns the sealed form. The secret comes from the platform (SimulatedChip.sealing_secret); a file from
an older moment opens as well: what may still be done with it is decided elsewhere (T05, T53).
"""

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.enclave.primitives import DoesNotOpen, Secret, SequenceBox, random_bytes

FORMAT_VERSION = 1
"""Of the sealed file."""
SEALING_SALT_SIZE = 32
SEALED_BYTES_MAX = 1024 * 1024


def seal(secret: Secret, purpose: bytes, data: bytes) -> bytes:
    """Seal bytes under a fresh key: HKDF of the platform's secret, the purpose and 32 random bytes
    that are sent along."""
    salt = random_bytes(SEALING_SALT_SIZE)
    box = SequenceBox(_key(secret, purpose, salt)).seal(
        0, data, labels.SEALED_STATE + b"\x00" + purpose
    )
    return codec.encode((FORMAT_VERSION, salt, box))


def unseal(secret: Secret, purpose: bytes, sealed: bytes) -> bytes:
    """Open what `seal` sealed.

    Raises:
        OperatorFault: damaged, or sealed by another chip, another measurement, or for another
            purpose.
    """
    try:
        version, salt, box = codec.fields(
            codec.decode(sealed, size_max=SEALED_BYTES_MAX), int, bytes, bytes, name="sealed file"
        )
        codec.sized(salt, SEALING_SALT_SIZE, name="salt")
    except NotCanonical as error:
        raise OperatorFault(
            f"the sealed file is damaged ({error}): restore it, or let the node join anew"
        ) from None
    if version != FORMAT_VERSION:
        raise OperatorFault(
            f"the sealed file has version {version}, this code reads {FORMAT_VERSION}"
        )
    try:
        return SequenceBox(_key(secret, purpose, salt)).open(
            0, box, labels.SEALED_STATE + b"\x00" + purpose
        )
    except DoesNotOpen:
        raise OperatorFault(
            "sealed by another platform or another measurement, or damaged: start the enclave with "
            "the chip and the code that sealed it, or let the node join anew"
        ) from None


def _key(secret: Secret, purpose: bytes, salt: bytes) -> Secret:
    return secret.derive(labels.SEALED_STATE, purpose + b"\x00" + salt)
