"""Who may recover a dead service, and how many of them must agree (VAULT §7; T45).

Owns these rules as the state has them at one height, and the digest by which a history leaf binds
them. Who came to be a member, and whose shares are in force, governance says.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE, Digest, PublicKey

RECOVERY_MEMBERS_MAX = 255
RECOVERY_NAME_BYTES_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRules:
    """Who may recover the service, and how many of them must agree; as the state has it at one
    height."""

    generation: int
    """Of the shares, from 1."""
    threshold: int
    """k."""
    members: tuple[tuple[str, PublicKey], ...]
    """(name, Ed25519 key) of every member that holds a share, ascending by name."""
    shares: Digest
    """Over what the state says of this generation's shares."""
    policy: Digest
    """SHA-256 of the policy by which enclaves are judged, encoded."""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.members]
        if not names or len(names) > RECOVERY_MEMBERS_MAX or names != sorted(set(names)):
            raise NotCanonical(
                f"recovery rules: expected 1..{RECOVERY_MEMBERS_MAX} members, ascending by name"
            )
        if len({key for _, key in self.members}) != len(names):
            raise NotCanonical("recovery rules: two members have one key")
        if not 1 <= self.threshold <= len(names):
            raise NotCanonical(f"recovery rules: {self.threshold} of {len(names)} members")

    def name_of(self, key: PublicKey) -> str | None:
        """The member with this key; None: none of them."""
        return next((name for name, held in self.members if held == key), None)

    @property
    def digest(self) -> Digest:
        """What a history leaf binds."""
        return labels.labelled_digest(labels.RECOVERY_RULES, codec.encode(self.to_wire()))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (self.generation, self.threshold, self.members, self.shares, self.policy)

    @classmethod
    def from_wire(cls, value: object) -> "RecoveryRules":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        generation, threshold, members, shares, policy = codec.fields(
            value, int, int, tuple, bytes, bytes, name="recovery rules"
        )
        listed = codec.listed(members, name="members", count_max=RECOVERY_MEMBERS_MAX)
        return cls(
            generation=codec.unsigned(generation, name="generation"),
            threshold=codec.unsigned(threshold, name="threshold"),
            members=tuple(_member(one) for one in listed),
            shares=Digest(codec.sized(shares, DIGEST_SIZE, name="shares")),
            policy=Digest(codec.sized(policy, DIGEST_SIZE, name="policy")),
        )


def _member(value: object) -> tuple[str, PublicKey]:
    name, key = codec.fields(value, str, bytes, name="member")
    if not 0 < len(name.encode()) <= RECOVERY_NAME_BYTES_MAX:
        raise NotCanonical(f"member: a name has 1..{RECOVERY_NAME_BYTES_MAX} bytes")
    return name, PublicKey(codec.sized(key, KEY_SIZE, name="member's key"))
