"""One member's share in the clear, and how it is compared with what was committed to (VAULT §7;
T45, T5A).

Owns its bytes, the commitment to it, and by which name one that does not count is refused.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE, ChainId, Digest, PublicKey
from strongroom.enclave.formats.recovery import GENERATION_NUMBER_MAX, Generation
from strongroom.enclave.primitives import SECRET_SIZE, Secret

VERSION = 1
SHARE_BYTES_MAX = 1024


class ShareRefused(ClientFault):
    """One share does not count; the others do.

    Attributes:
        reason: ``share-of-another-chain``, ``share-of-an-older-generation``,
            ``share-of-another-generation``, ``share-of-no-member``, ``share-forged`` or
            ``share-twice``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """One member's share in the clear, hence no repr of its value."""

    chain: ChainId
    generation: Digest
    """Generation.digest."""
    number: int
    """Of the generation."""
    member: PublicKey
    value: Secret
    blinding: Secret
    """So that a commitment to a share that somebody guessed tells nothing."""

    def check(self, generation: Generation) -> int:
        """Compare with what was committed to; its coordinate.

        Raises:
            ShareRefused: it is of another chain or generation, of nobody who holds one, or not the
                one that was committed to.
        """
        if self.chain != generation.chain:
            raise ShareRefused("share-of-another-chain", "it opens another service's secrets")
        if self.number < generation.number:
            raise ShareRefused(
                "share-of-an-older-generation",
                f"it is of generation {self.number}, this is {generation.number}",
            )
        if (self.number, self.generation) != (generation.number, generation.digest):
            raise ShareRefused(
                "share-of-another-generation",
                f"it is of generation {self.number} of another digest or ledger",
            )
        at = generation.coordinate(self.member)
        if at is None:
            raise ShareRefused("share-of-no-member", "its member holds none in this generation")
        holder = generation.holders[at - 1]
        if holder.commitment != commitment_to(
            self.chain, self.number, at, self.value, self.blinding
        ):
            raise ShareRefused(
                "share-forged", f"it is not the one that member {self.member.hex()[:16]} was given"
            )
        return at

    def encode(self) -> bytes:
        """Canonical bytes, in the clear: only ever sealed."""
        return codec.encode(
            (
                VERSION,
                self.chain,
                self.generation,
                self.number,
                self.member,
                self.value.reveal(),
                self.blinding.reveal(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Share":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a share.
        """
        version, chain, generation, number, member, value, blinding = codec.fields(
            codec.decode(data, size_max=SHARE_BYTES_MAX),
            *(int, bytes, bytes, int, bytes, bytes, bytes),
            name="share",
        )
        if version != VERSION:
            raise NotCanonical(f"a share of version {version}, this code reads {VERSION}")
        return cls(
            ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            Digest(codec.sized(generation, DIGEST_SIZE, name="generation")),
            codec.unsigned(number, name="number", value_max=GENERATION_NUMBER_MAX),
            PublicKey(codec.sized(member, KEY_SIZE, name="member")),
            Secret(codec.sized(value, SECRET_SIZE, name="share")),
            Secret(codec.sized(blinding, SECRET_SIZE, name="blinding")),
        )

    def __repr__(self) -> str:
        return f"Share(number={self.number}, member={self.member.hex()[:16]}, …)"


def commitment_to(
    chain: ChainId, number: int, coordinate: int, value: Secret, blinding: Secret
) -> Digest:
    """What is published of a share beforehand."""
    place = codec.encode((number, coordinate, value.reveal(), blinding.reveal()))
    return labels.labelled_digest(labels.RECOVERY_COMMITMENT, chain + place)
