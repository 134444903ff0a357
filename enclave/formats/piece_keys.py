"""The keys of a container's pieces: a file by layer, segment or chunk (VAULT §3).

Owns one derivation, which the ledger, the room and the owner's tools share: whoever has the key of
a piece learns nothing of another's.
"""

from strongroom.consensus import codec, labels
from strongroom.enclave.primitives import Secret


def piece_key(key: Secret, owner: bytes, name: str, version: int, piece: int) -> Secret:
    """HKDF-SHA256 of the data key (32 bytes), with owner, name, version and piece, from 0."""
    return key.derive(labels.VAULT_PIECE, codec.encode((owner, name, version, piece)))
