"""The proposal of a founding: all cards and the terms; the constitution follows from it, and only
from it (DESIGN §5, Genesis).

Owns its fields and bytes. Whether a service can begin with them: ceremony_proposal.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest, Milliseconds, PublicKey
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.policy import named_key
from strongroom.enclave.proofs.constitution import CONSTITUTION_SALT_SIZE, read_limit, read_role
from strongroom.node.membership.ceremony_cards import CARD_BYTES_MAX
from strongroom.node.membership.ceremony_signed import CEREMONY_VERSION, bounded, listed

PROPOSAL_BYTES_MAX = VALIDATORS_MAX * CARD_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to be founded; nobody signs it alone. Lists are ascending and distinct."""

    name: str
    salt: bytes
    created_ms: Milliseconds
    cards: tuple[bytes, ...]
    """The encoding of each card, ascending by operator."""
    members: tuple[tuple[str, PublicKey], ...]
    """Members that run no node; they sign nothing here."""
    roles: tuple[tuple[str, str, Digest], ...]
    programs: tuple[str, ...]
    limits: tuple[tuple[str, int], ...]
    max_age_ms: Milliseconds
    """How long evidence over a recent block counts."""

    LABEL: ClassVar[bytes] = labels.CEREMONY_PROPOSAL
    NAME: ClassVar[str] = "proposal"
    BYTES_MAX: ClassVar[int] = PROPOSAL_BYTES_MAX

    @property
    def digest(self) -> Digest:
        """SHA-256 under the label: what every later file names, and people compare."""
        return labels.labelled_digest(self.LABEL, self.encode())

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        return codec.encode(
            (
                self.LABEL,
                CEREMONY_VERSION,
                self.name,
                self.salt,
                self.created_ms,
                self.cards,
                self.members,
                self.roles,
                self.programs,
                self.limits,
                self.max_age_ms,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Proposal":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a proposal.
        """
        value = codec.decode(data, size_max=cls.BYTES_MAX)
        shape = (bytes, int, str, bytes, int, tuple, tuple, tuple, tuple, tuple, int)
        label, version, name, salt, created, cards, members, roles, programs, limits, age = (
            codec.fields(value, *shape, name=cls.NAME)
        )
        if label != cls.LABEL or version != CEREMONY_VERSION:
            raise NotCanonical("proposal: another file, or another version")
        return cls(
            name=checked_name(name, name="service"),
            salt=codec.sized(salt, CONSTITUTION_SALT_SIZE, name="salt"),
            created_ms=Milliseconds(codec.unsigned(created, name="created")),
            cards=listed(cards, "cards", lambda one: bounded(one, CARD_BYTES_MAX)),
            members=listed(members, "members", lambda one: named_key(one, name="member")),
            roles=listed(roles, "roles", read_role),
            programs=listed(programs, "programs", lambda one: checked_name(one, name="program")),
            limits=listed(limits, "limits", read_limit),
            max_age_ms=Milliseconds(codec.unsigned(age, name="age")),
        )
