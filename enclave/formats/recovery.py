"""Recovery by k of n members: a member's recovery key, a generation of shares (VAULT §7;
T45, T5A).

Owns their bytes. It makes, seals and opens nothing (enclave/keys/recovery.py), and knows no ledger,
state or node. A share in the clear: recovery_share.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    ChainId,
    Digest,
    Epoch,
    PublicKey,
)
from strongroom.enclave.primitives import (
    CURVE_OVERHEAD,
    CURVE_POINT_SIZE,
    HYBRID_OVERHEAD,
    HYBRID_PUBLIC_SIZE,
    SECRET_SIZE,
    TAG_SIZE,
    check_hybrid,
    check_point,
)

VERSION = 1
SHARED_AMONG_MAX = 255
"""Members of one generation: coordinates of GF(2^8) other than 0."""
EPOCHS_COVERED_MAX = 4096
"""Epochs of which one generation holds the secrets: as many as an enclave keeps
(keys/sealing.py)."""
GENERATION_NUMBER_MAX = 2**32 - 1
SHARE_SIZE = 2 * SECRET_SIZE
"""Of a share, in the clear: its value, then its blinding."""
EPOCH_BOX_SIZE = 4 + SECRET_SIZE + TAG_SIZE
"""Of one epoch's sealed ledger secret: the count of its replacements (u32), the secret, the tag."""
SEED_BOX_SIZE = SECRET_SIZE + TAG_SIZE
SEALED_SHARE_SIZES = (
    SHARE_SIZE + HYBRID_OVERHEAD,
    SHARE_SIZE + CURVE_OVERHEAD + HYBRID_OVERHEAD,
)
"""Without and with a half of the recovery key in a token."""
GENERATION_BYTES_MAX = 640 * 1024


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """To what shares of one member are sealed."""

    hybrid: bytes
    """X-Wing public key, HYBRID_PUBLIC_SIZE bytes."""
    point: bytes = b""
    """Of P-256, uncompressed, when half of the key lies in a token; b"" otherwise."""

    def check(self) -> None:
        """Check that something can be sealed to it.

        Raises:
            NotCanonical: to one half of it, nothing can.
        """
        codec.sized(self.hybrid, HYBRID_PUBLIC_SIZE, name="recovery key")
        check_hybrid(self.hybrid)
        if self.point:
            codec.sized(self.point, CURVE_POINT_SIZE, name="recovery key's point")
            check_point(self.point)

    @property
    def digest(self) -> Digest:
        """Its name."""
        return labels.labelled_digest(labels.RECOVERY_KEY, self.hybrid + self.point)


@dataclass(frozen=True, slots=True)
class ShareHolder:
    """One member's place in a generation. Its coordinate is its place in the list, from 1."""

    member: PublicKey
    recovery_key: Digest
    """RecoveryKey.digest of the key to which its share is sealed."""
    commitment: Digest
    sealed: bytes
    """Of one of SEALED_SHARE_SIZES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Shares of one secret W, and the ledger secrets that W opens. Public: it tells nobody
    anything who has not k shares, or the ledger secret of its epoch."""

    chain: ChainId
    number: int
    """From 1; each that is published has a number of its own."""
    basis: Digest
    """For which members, keys and threshold it was made (governance/recovery.py)."""
    threshold: int
    """k."""
    first: Epoch
    """The oldest epoch whose ledger secret is in it."""
    epoch: Epoch
    """The newest one. Under its ledger secret the seed is sealed."""
    sealed_seed: bytes
    """From which W, the polynomials and the blindings follow: so that every validator's enclave,
    and nobody else, can check all that no member can."""
    sealed_secrets: bytes
    """EPOCH_BOX_SIZE bytes for each epoch from `first` to `epoch`."""
    holders: tuple[ShareHolder, ...]
    """Ascending by member's key."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        holders = tuple(
            (one.member, one.recovery_key, one.commitment, one.sealed) for one in self.holders
        )
        return codec.encode(
            (
                VERSION,
                self.chain,
                self.number,
                self.basis,
                self.threshold,
                self.first,
                self.epoch,
                self.sealed_seed,
                self.sealed_secrets,
                holders,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Generation":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a generation, or it contradicts itself.
        """
        version, chain, number, basis, threshold, first, epoch, seed, secrets, holders = (
            codec.fields(
                codec.decode(data, size_max=GENERATION_BYTES_MAX),
                *(int, bytes, int, bytes, int, int, int, bytes, bytes, tuple),
                name="generation",
            )
        )
        if version != VERSION:
            raise NotCanonical(f"a generation of version {version}, this code reads {VERSION}")
        found = tuple(
            _holder(one)
            for one in codec.listed(holders, name="holders", count_max=SHARED_AMONG_MAX)
        )
        keys = [one.member for one in found]
        if keys != sorted(set(keys)):
            raise NotCanonical("generation: holders not ascending, or one twice")
        codec.unsigned(threshold, name="threshold", value_max=len(found))
        codec.unsigned(number, name="number", value_max=GENERATION_NUMBER_MAX)
        codec.unsigned(first, name="first epoch", value_max=epoch)
        codec.unsigned(epoch, name="epoch", value_max=first + EPOCHS_COVERED_MAX - 1)
        if 0 in (threshold, number):
            raise NotCanonical("generation: number and threshold are from 1 on")
        return cls(
            chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            number=number,
            basis=Digest(codec.sized(basis, DIGEST_SIZE, name="basis")),
            threshold=threshold,
            first=Epoch(first),
            epoch=Epoch(epoch),
            sealed_seed=codec.sized(seed, SEED_BOX_SIZE, name="sealed seed"),
            sealed_secrets=codec.sized(
                secrets, (epoch - first + 1) * EPOCH_BOX_SIZE, name="sealed secrets"
            ),
            holders=found,
        )

    @property
    def digest(self) -> Digest:
        """Its name: over every byte of it."""
        return labels.labelled_digest(labels.RECOVERY_GENERATION, self.encode())

    @property
    def needed(self) -> int:
        """With so many acknowledgements it is active: one more than open it, if there are."""
        return min(len(self.holders), self.threshold + 1)

    def coordinate(self, member: bytes) -> int | None:
        """Where a member's share lies, from 1; None if it has none."""
        for at, one in enumerate(self.holders, 1):
            if one.member == member:
                return at
        return None

    def epoch_box(self, epoch: Epoch) -> bytes:
        """One epoch's sealed secret. Asking for one outside its range is our bug."""
        at = (epoch - self.first) * EPOCH_BOX_SIZE
        return self.sealed_secrets[at : at + EPOCH_BOX_SIZE]


def _holder(value: object) -> ShareHolder:
    member, key, commitment, sealed = codec.fields(value, *[bytes] * 4, name="holder of a share")
    if len(sealed) not in SEALED_SHARE_SIZES:
        raise NotCanonical("holder of a share: a sealed share of another size")
    return ShareHolder(
        PublicKey(codec.sized(member, KEY_SIZE, name="member")),
        Digest(codec.sized(key, DIGEST_SIZE, name="recovery key")),
        Digest(codec.sized(commitment, DIGEST_SIZE, name="commitment")),
        sealed,
    )
