"""What passes between a room and a custodian: a challenge, a request, a sealed half or a refusal.

Owns the bytes. A room's host carries them and learns no half: the answer is sealed to the room's
own key, for one lease, one key and one challenge. Nothing in a request is believed here.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, NONCE_SIZE
from strongroom.enclave.attestation.evidence import EVIDENCE_BYTES_MAX
from strongroom.enclave.formats.vault_claims import CLAIM_BYTES_MAX
from strongroom.enclave.outside.split_key import KEY_PIECES_MAX, KeyName
from strongroom.enclave.primitives import HybridKey, Secret, hybrid_seal

VERSION = 1
REQUEST_BYTES_MAX = EVIDENCE_BYTES_MAX + CLAIM_BYTES_MAX + 4096
WHOLE = -1
"""In place of a piece's number: the half of the whole key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfRequest:
    """A room asks for a half."""

    nonce: bytes
    """The custodian's challenge, 32 bytes, which the evidence answers."""
    transaction: bytes
    """Id of the `vault.ask` that opened the lease."""
    claim: bytes
    """What that transaction claimed: the lease, its key and its holder."""
    blinding: bytes
    """Reveals that it did."""
    evidence: bytes
    """Of the room, over the nonce."""
    piece: int = WHOLE

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                VERSION,
                self.nonce,
                self.transaction,
                self.claim,
                self.blinding,
                self.evidence,
                self.piece,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "HalfRequest":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a request.
        """
        version, nonce, transaction, claim, blinding, evidence, piece = codec.fields(
            codec.decode(data, size_max=REQUEST_BYTES_MAX),
            int,
            *[bytes] * 5,
            int,
            name="request for a half",
        )
        if version != VERSION:
            raise NotCanonical(f"a request of version {version}, this custodian reads {VERSION}")
        if len(claim) > CLAIM_BYTES_MAX or not WHOLE <= piece <= KEY_PIECES_MAX:
            raise NotCanonical("request for a half: claim or piece out of range")
        return cls(
            nonce=codec.sized(nonce, NONCE_SIZE, name="nonce"),
            transaction=codec.sized(transaction, DIGEST_SIZE, name="transaction"),
            claim=claim,
            blinding=codec.sized(blinding, DIGEST_SIZE, name="blinding"),
            evidence=evidence,
            piece=piece,
        )


def seal_half(
    seal_key: bytes, half: Secret, *, key: KeyName, lease: bytes, nonce: bytes, piece: int
) -> bytes:
    """The half for one room: X-Wing to its key."""
    return hybrid_seal(seal_key, half.reveal(), _info(key, lease, nonce, piece))


def open_half(
    own: HybridKey, sealed: bytes, *, key: KeyName, lease: bytes, nonce: bytes, piece: int = WHOLE
) -> Secret:
    """The half, inside the room.

    Raises:
        DoesNotOpen: sealed to another room, or for another key, lease, challenge or piece.
    """
    return Secret(own.open(sealed, _info(key, lease, nonce, piece)))


def _info(key: KeyName, lease: bytes, nonce: bytes, piece: int) -> bytes:
    context = codec.encode((key.encode(), lease, nonce, piece))
    return labels.bound(labels.CUSTODIAN_ANSWER, key.chain, context)
