"""Who votes in an epoch, and in which order (PROTOCOL §1)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.types import KEY_SIZE, Digest, Epoch, PublicKey, SignerIndex

VALIDATORS_MAX = 256
PUBLIC_KEY_SIZE = 1184 + 32
"""Bytes of an epoch's hybrid public key: ML-KEM-768 (FIPS 203), then X25519 (RFC 7748)."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) → does it verify? Injected, so that this package holds no
cryptography."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """One member of the quorum."""

    node_key: PublicKey
    """Lasts as long as the node; signs batches, STATUS, heads."""
    vote_key: PublicKey
    """Made for one epoch; signs consensus statements only."""


@dataclass(frozen=True, kw_only=True)
class EpochDescription:
    """One validator set and the public key of its service secret."""

    epoch: Epoch
    validators: tuple[Validator, ...]
    """In ascending order of node key; a validator's index here is its lane and its signer index."""
    public_key_digest: Digest
    """SHA-256 of the epoch's hybrid public key, to which clients seal."""
    digest: Digest = field(init=False)
    """Named by a terminal header's `next_epoch`."""

    def __post_init__(self) -> None:
        keys = [validator.node_key for validator in self.validators]
        if not keys or len(keys) > VALIDATORS_MAX or keys != sorted(set(keys)):
            raise NotCanonical(
                f"validators: expected 1..{VALIDATORS_MAX} distinct ones in order of node key"
            )
        if len({validator.vote_key for validator in self.validators}) != len(keys):
            raise NotCanonical("validators: a vote key stands twice")
        object.__setattr__(self, "digest", labels.labelled_digest(labels.EPOCH, self.encode()))

    @property
    def quorum(self) -> Quorum:
        """The sizes that follow from the number of validators."""
        return Quorum(len(self.validators))

    def index_of(self, node_key: PublicKey) -> SignerIndex | None:
        """The index of the member with this node key, if it is one."""
        for index, validator in enumerate(self.validators):
            if validator.node_key == node_key:
                return SignerIndex(index)
        return None

    def encode(self) -> bytes:
        """Canonical bytes."""
        members = tuple((v.node_key, v.vote_key) for v in self.validators)
        return codec.encode((self.epoch, members, self.public_key_digest))

    @classmethod
    def decode(cls, data: bytes) -> "EpochDescription":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of an epoch description.
        """
        epoch, members, digest = codec.fields(
            codec.decode(data), int, tuple, bytes, name="epoch description"
        )
        validators = []
        for member in codec.listed(members, name="validators", count_max=VALIDATORS_MAX):
            node_key, vote_key = codec.fields(member, bytes, bytes, name="validator")
            validators.append(
                Validator(
                    node_key=PublicKey(codec.sized(node_key, KEY_SIZE, name="node key")),
                    vote_key=PublicKey(codec.sized(vote_key, KEY_SIZE, name="vote key")),
                )
            )
        return cls(
            epoch=Epoch(codec.unsigned(epoch, name="epoch")),
            validators=tuple(validators),
            public_key_digest=Digest(codec.sized(digest, 32, name="public key digest")),
        )
