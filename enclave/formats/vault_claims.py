"""What transactions of the vault claim, for whoever is shown their receipts: a lease, a unit that
was made, a half or key that a custodian released.

Owns these bytes, which the vault writes; rooms, custodians and auditors write them again to check a
receipt.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE

CLAIM_BYTES_MAX = 4 * 1024
LEASE_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseStatement:
    """What the claim of a `vault.ask` says: which lease of which key is whose."""

    owner: bytes
    name: str
    version: int
    lease: bytes
    session: bytes
    """SHA-256 of the room's session key."""
    chip: bytes
    """SHA-256 of its chip's id."""
    room: str
    boot: int
    until_ms: int
    """Block time, when the lease was opened; every beat moves it on."""
    pieces: int
    custody: str

    def encode(self) -> bytes:
        """The claim."""
        key = (self.owner, self.name, self.version, self.lease)
        holder = (self.session, self.chip, self.room, self.boot)
        terms = (self.until_ms, self.pieces, self.custody)
        return codec.encode((labels.VAULT_LEASE, *key, *holder, *terms))

    @classmethod
    def decode(cls, claim: bytes) -> "LeaseStatement":
        """Read a claim.

        Raises:
            NotCanonical: it is no lease's.
        """
        label, owner, name, version, lease, session, chip, room, boot, until, pieces, custody = (
            codec.fields(
                codec.decode(claim, size_max=CLAIM_BYTES_MAX),
                *(bytes, bytes, str, int, bytes, bytes, bytes, str, int, int, int, str),
                name="lease",
            )
        )
        if label != labels.VAULT_LEASE:
            raise NotCanonical("the claim of another operation")
        return cls(
            owner=codec.sized(owner, DIGEST_SIZE, name="owner"),
            name=name,
            version=codec.unsigned(version, name="version"),
            lease=codec.sized(lease, LEASE_SIZE, name="lease"),
            session=codec.sized(session, DIGEST_SIZE, name="session"),
            chip=codec.sized(chip, DIGEST_SIZE, name="chip"),
            room=room,
            boot=codec.unsigned(boot, name="boot"),
            until_ms=codec.unsigned(until, name="until"),
            pieces=codec.unsigned(pieces, name="pieces"),
            custody=custody,
        )


def unit_claim(
    owner: bytes, name: str, version: int, lease: bytes, *, unit: int, digest: bytes, time_ms: int
) -> bytes:
    """What a `vault.use` claims: one unit was made under a lease, at this block time."""
    place = (owner, name, version, lease)
    return codec.encode((labels.VAULT_UNIT, *place, unit, digest, time_ms))


def release_claim(
    owner: bytes,
    name: str,
    version: int,
    lease: bytes,
    *,
    digest: bytes,
    time_ms: int,
    region: str,
    country: str,
) -> bytes:
    """What a `vault.release` of a lease claims: to a room in this region, which lies in this
    country by the members' table."""
    place = (owner, name, version, lease)
    return codec.encode((labels.VAULT_RELEASE, *place, digest, time_ms, region, country))
