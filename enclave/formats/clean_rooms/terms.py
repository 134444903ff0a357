"""The terms of a clean room: who takes part as what, whose consent a contract needs, where it may
run and by how many (ROOMS §2; T60).

Owns their bytes and bounds. Every party joins over the digest of these bytes, so nothing in them
changes later. Knows no state.
"""

from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.formats.clean_rooms.fields import (
    agreement_in,
    identity_in,
    line_in,
    name_in,
    set_in,
    whole,
)

TERMS_BYTES_MAX = 16 * 1024
PARTIES_MAX = 32
ROLES = ("analyst", "auditor", "owner", "recipient")
"""analyst: proposes and runs; auditor: sees every event; owner: brings data; recipient: may be
given results."""
REGIONS_MAX = 16


@dataclass(frozen=True, slots=True)
class RoomTerms:
    """What all parties of one clean room joined."""

    name: str
    purpose: str
    """A line for people."""
    parties: tuple[tuple[bytes, tuple[str, ...]], ...]
    """(identity, roles), ascending."""
    votes: int
    """Consents of parties that a reviewed contract needs beside each owner of an input."""
    regulator: bytes
    """A party whose consent it needs too; nothing: none."""
    regions: tuple[str, ...]
    """Where its jobs may run, by the word of operators. None named: nowhere."""
    executors: int
    """Workers that run each job, of as many operators."""
    agreement: int
    """How many of them must report the same result."""
    people_from: tuple[str, ...] = ()
    """Regions or countries from which its parties may act and read; left out: from everywhere."""

    def __post_init__(self) -> None:
        name_in(self.name, "name")
        line_in(self.purpose, "purpose")
        set_in(self.parties, "parties", PARTIES_MAX, _party)
        if not any("owner" in roles for _, roles in self.parties):
            raise NotCanonical("parties: one of them owns data")
        whole(self.votes, "votes", 0, len(self.parties))
        if self.regulator and self.regulator not in self.identities:
            raise NotCanonical("regulator: one of the parties")
        set_in(self.regions, "regions", REGIONS_MAX, name_in)
        agreement_in(self.executors, self.agreement)
        set_in(self.people_from, "people_from", REGIONS_MAX, name_in)

    @property
    def identities(self) -> tuple[bytes, ...]:
        """Who takes part, ascending."""
        return tuple(identity for identity, _ in self.parties)

    def roles_of(self, identity: bytes) -> tuple[str, ...]:
        """What a party may do; nothing for a stranger."""
        for party, roles in self.parties:
            if party == identity:
                return roles
        return ()

    def encode(self) -> bytes:
        """Canonical bytes. Where people are stands there only when the room asks for it: other
        terms keep their bytes, and their rooms' ids."""
        fields = (
            self.name,
            self.purpose,
            self.parties,
            self.votes,
            self.regulator,
            self.regions,
            self.executors,
            self.agreement,
        )
        return codec.encode((*fields, self.people_from) if self.people_from else fields)

    @classmethod
    def decode(cls, data: bytes) -> "RoomTerms":
        """Read canonical bytes.

        Raises:
            NotCanonical: they are no terms.
        """
        shape: tuple[type, ...] = (str, str, tuple, int, bytes, tuple, int, int)
        value = codec.decode(data, size_max=TERMS_BYTES_MAX)
        placed = type(value) is tuple and len(value) > len(shape)
        read = codec.fields(value, *shape, *((tuple,) if placed else ()), name="terms")
        if placed and not read[-1]:
            raise NotCanonical("terms: an empty list of places is left out")
        return cls(*read)

    def id(self, chain: ChainId) -> Digest:
        """The clean room that has these terms on this chain."""
        return labels.labelled_digest(labels.CLEAN_ROOM, chain + self.encode())


def _party(value: Any, what: str) -> tuple[bytes, tuple[str, ...]]:
    identity, roles = codec.fields(value, bytes, tuple, name=what)
    if not roles:
        raise NotCanonical(f"{what}: each has a role")
    return identity_in(identity, what), set_in(roles, "roles", len(ROLES), _role)


def _role(value: Any, what: str) -> str:
    if value not in ROLES:
        raise NotCanonical(f"{what}: of {', '.join(ROLES)}")
    return str(value)
