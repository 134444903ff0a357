"""The constitution: what members agreed on before anything ran. Its hash is what genesis evidence
answers.

Owns its bytes. What it says of enclaves is the policy's (attestation/policy.py); what follows from
it, genesis.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.policy import Policy, named_key
from strongroom.enclave.primitives import digest

CONSTITUTION_BYTES_MAX = 1024 * 1024
CONSTITUTION_SALT_SIZE = 32
CONSTITUTION_ENTRIES_MAX = 1024
"""Of each list in a constitution."""
_AFFILIATIONS = "affiliations"


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
    affiliations: tuple[tuple[PublicKey, str], ...] = ()
    """(member's key, operator): for which operator a member acts, in privileged access; by key.
    Without any, the bytes are those of before there were some."""

    def __post_init__(self) -> None:
        checked_name(self.name, name="service")
        codec.sized(self.salt, CONSTITUTION_SALT_SIZE, name="salt")
        lists: tuple[tuple[Sequence[object], str], ...] = (
            (tuple(name for name, _ in self.members), "members"),
            (self.roles, "roles"),
            (self.programs, "programs"),
            (tuple(name for name, _ in self.limits), "limits"),
            (tuple(key for key, _ in self.affiliations), "affiliations"),
        )
        for entries, name in lists:
            if len(entries) > CONSTITUTION_ENTRIES_MAX or list(entries) != sorted(set(entries)):  # type: ignore[type-var]
                raise NotCanonical(
                    f"constitution: {name} must be ascending, distinct, "
                    f"at most {CONSTITUTION_ENTRIES_MAX}"
                )
        if len({key for _, key in self.members}) != len(self.members):
            raise NotCanonical("constitution: two members have one key")
        if not {key for key, _ in self.affiliations} <= {key for _, key in self.members}:
            raise NotCanonical("constitution: who acts for an operator must be a member")

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
        """Canonical bytes; the first field is the label, the last one is there once it is used."""
        later = ((_AFFILIATIONS, self.affiliations),) if self.affiliations else ()
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
                *((later,) if later else ()),
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
        if type(value) is not tuple:
            raise NotCanonical("constitution: expected a sequence")
        label, name, salt, created, policy, members, roles, programs, limits = codec.fields(
            value[: len(shape)], *shape, name="constitution"
        )
        if label != labels.CONSTITUTION:
            raise NotCanonical("constitution: another label")
        return cls(
            name=name,
            salt=salt,
            created_ms=Milliseconds(codec.unsigned(created, name="created")),
            policy=Policy.from_wire(policy),
            members=tuple(named_key(one, name="member") for one in _entries(members, "members")),
            roles=tuple(read_role(one) for one in _entries(roles, "roles")),
            programs=tuple(
                checked_name(one, name="program") for one in _entries(programs, "programs")
            ),
            limits=tuple(read_limit(one) for one in _entries(limits, "limits")),
            affiliations=_affiliations(value[len(shape) :]),
        )


def _entries(value: object, name: str) -> Sequence[object]:
    return codec.listed(value, name=name, count_max=CONSTITUTION_ENTRIES_MAX)


def _affiliations(later: tuple[object, ...]) -> tuple[tuple[PublicKey, str], ...]:
    """What stands after the limits: nothing, or affiliations, under their name."""
    if not later:
        return ()
    (parts,) = codec.fields(later, tuple, name="constitution")
    (part,) = codec.fields(parts, tuple, name="constitution's later part")
    word, entries = codec.fields(part, str, tuple, name="constitution's later part")
    if word != _AFFILIATIONS or not entries:
        raise NotCanonical("constitution: something that this version does not know")
    found = []
    for one in _entries(entries, _AFFILIATIONS):
        key, operator = codec.fields(one, bytes, str, name="affiliation")
        sized = codec.sized(key, KEY_SIZE, name="member's key")
        found.append((PublicKey(sized), checked_name(operator, name="operator")))
    return tuple(found)


def read_role(value: object) -> tuple[str, str, Digest]:
    """(program, role, identity). Raises NotCanonical."""
    program, role, identity = codec.fields(value, str, str, bytes, name="role")
    return (
        checked_name(program, name="program"),
        checked_name(role, name="role"),
        Digest(codec.sized(identity, DIGEST_SIZE, name="identity")),
    )


def read_limit(value: object) -> tuple[str, int]:
    """(name, bound). Raises NotCanonical."""
    name, bound = codec.fields(value, str, int, name="limit")
    return checked_name(name, name="limit"), codec.unsigned(bound, name="limit's value")
