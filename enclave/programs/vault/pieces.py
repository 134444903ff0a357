"""The keys of a container's pieces: file by layer, segment or chunk (VAULT §3).

Owns one derivation, which the ledger, the room and the owner's tools share: whoever has the key of
a piece learns nothing of another's.
"""

from strongroom.consensus import codec, labels
from strongroom.enclave.primitives import Secret


def piece_key(key: bytes, owner: bytes, name: str, version: int, piece: int) -> bytes:
    """HKDF-SHA256 of the data key (32 bytes), with owner, name, version and piece, from 0."""
    info = codec.encode((owner, name, version, piece))
    return Secret(key).derive(labels.VAULT_PIECE, info).reveal()
