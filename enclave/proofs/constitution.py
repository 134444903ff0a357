"""The constitution: what members agreed on before anything ran. Its hash is what genesis evidence
answers.

Owns its bytes. What it says of enclaves is the policy's (attestation/policy.py); what follows from
it, genesis.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.policy import Policy, named_key
from strongroom.enclave.primitives import digest

CONSTITUTION_BYTES_MAX = 1024 * 1024
CONSTITUTION_SALT_SIZE = 32
CONSTITUTION_ENTRIES_MAX = 1024
"""Of each list in a constitution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constitution:
    """What members agreed on before anything ran. Lists of names are ascending and distinct."""

    name: str
    salt: bytes
    """32 random bytes: two services with equal rules are two services."""
    created_ms: Milliseconds
    """When: the time at which the evidence of genesis is judged, and the time of block 0."""
    policy: Policy
    members: tuple[tuple[str, PublicKey], ...]
    """(name, Ed25519 key): who governs."""
    roles: tuple[tuple[str, str, Digest], ...]
    """(program, role, identity): SHA-256 of the public key of who has it."""
    programs: tuple[str, ...]
    """Names of the active programs; their code is part of the measurement."""
    limits: tuple[tuple[str, int], ...]
    """(name, value): bounds that governance may change."""

    def __post_init__(self) -> None:
        checked_name(self.name, name="service")
        codec.sized(self.salt, CONSTITUTION_SALT_SIZE, name="salt")
        lists: tuple[tuple[Sequence[object], str], ...] = (
            (tuple(name for name, _ in self.members), "members"),
            (self.roles, "roles"),
            (self.programs, "programs"),
            (tuple(name for name, _ in self.limits), "limits"),
        )
        for entries, name in lists:
            if len(entries) > CONSTITUTION_ENTRIES_MAX or list(entries) != sorted(set(entries)):  # type: ignore[type-var]
                raise NotCanonical(
                    f"constitution: {name} must be ascending, distinct, "
                    f"at most {CONSTITUTION_ENTRIES_MAX}"
                )
        if len({key for _, key in self.members}) != len(self.members):
            raise NotCanonical("constitution: two members have one key")

    @property
    def operators(self) -> tuple[tuple[str, PublicKey], ...]:
        """(name, key that signs deployment statements): who runs nodes. They stand in the policy,
        and only there."""
        return self.policy.operators

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes: the challenge that evidence of genesis answers."""
        return digest(self.encode())

    def limit(self, name: str, default: int) -> int:
        """A limit, or its default when the constitution is silent."""
        return dict(self.limits).get(name, default)

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        return codec.encode(
            (
                labels.CONSTITUTION,
                self.name,
                self.salt,
                self.created_ms,
                self.policy.to_wire(),
                self.members,
                self.roles,
                self.programs,
                self.limits,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Constitution":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a constitution.
        """
        shape = (bytes, str, bytes, int, tuple, tuple, tuple, tuple, tuple)
        value = codec.decode(data, size_max=CONSTITUTION_BYTES_MAX)
        label, name, salt, created, policy, members, roles, programs, limits = codec.fields(
            value, *shape, name="constitution"
        )
        if label != labels.CONSTITUTION:
            raise NotCanonical("constitution: another label")
        return cls(
            name=name,
            salt=salt,
            created_ms=Milliseconds(codec.unsigned(created, name="created")),
            policy=Policy.from_wire(policy),
            members=tuple(named_key(one, name="member") for one in _entries(members, "members")),
            roles=tuple(_role(one) for one in _entries(roles, "roles")),
            programs=tuple(
                checked_name(one, name="program") for one in _entries(programs, "programs")
            ),
            limits=tuple(_limit(one) for one in _entries(limits, "limits")),
        )


def _entries(value: object, name: str) -> Sequence[object]:
    return codec.listed(value, name=name, count_max=CONSTITUTION_ENTRIES_MAX)


def _role(value: object) -> tuple[str, str, Digest]:
    program, role, identity = codec.fields(value, str, str, bytes, name="role")
    return (
        checked_name(program, name="program"),
        checked_name(role, name="role"),
        Digest(codec.sized(identity, DIGEST_SIZE, name="identity")),
    )


def _limit(value: object) -> tuple[str, int]:
    name, bound = codec.fields(value, str, int, name="limit")
    return checked_name(name, name="limit"), codec.unsigned(bound, name="limit's value")
