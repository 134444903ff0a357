"""What a room says of itself and brings along: its session, its seal key, its boot, its operator.

Owns the bytes of a room's claims, of its evidence and of its operator's statement. Nothing in them
is believed yet: room_evidence.py judges. Each of the three has a label of its own, so that what a
node made proves no room, and what a room made no node.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    NONCE_SIZE,
    ChainId,
    Digest,
    Height,
    PublicKey,
    Signature,
)
from strongroom.enclave.attestation.claims import CLAIMS_BYTES_MAX, checked_name
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.evidence import SevSnpEvidence
from strongroom.enclave.attestation.report import REPORT_DATA_SIZE
from strongroom.enclave.primitives import SigningKey, check_hybrid

ROOM_PROFILE = "strongroom-room-1"
"""Which claims these are, in which order: the first field of their bytes."""


def room_report_data(claims: bytes) -> bytes:
    """The 64 bytes of REPORT_DATA for a room's encoded claims: SHA-256 under the rooms' label, then
    32 zero bytes."""
    return labels.labelled_digest(labels.ROOM_CLAIMS, claims).ljust(REPORT_DATA_SIZE, b"\x00")


def room_host_data(statement: bytes) -> Digest:
    """The 32 bytes of HOST_DATA under which a room is launched: SHA-256 of its operator's
    statement, under the rooms' label."""
    return labels.labelled_digest(labels.ROOM_DEPLOYMENT, statement)


def room_statement(chain: ChainId, said: bytes) -> bytes:
    """What a room's session signs when its program says something that others must be able to
    check: beside the room's evidence, which names the session's key."""
    return labels.bound(labels.ROOM_STATEMENT, chain, said)


def room_deployment_bytes(statement: bytes, chain: ChainId) -> bytes:
    """What a room's operator signs: one statement for one chain."""
    return labels.bound(labels.ROOM_DEPLOYMENT, chain, statement)


def sign_room_deployment(deployment: Deployment, chain: ChainId, key: SigningKey) -> Signature:
    """The operator's word that this room, chip, code and region are his."""
    return key.sign(room_deployment_bytes(deployment.encode(), chain))


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomClaims:
    """One room's claims, at one boot, over one recent block."""

    chain: ChainId
    room: str
    """Its name, of its operator's choice."""
    program: str
    """Name of the measured program that it runs."""
    session_key: PublicKey
    """Ed25519; signs its openings on the ledger, and never leaves it."""
    seal_key: bytes
    """X-Wing public key, 1216 bytes: what is sealed to it opens in this boot of this room alone."""
    boot: int
    """Counts the starts of this room on this chip from 1."""
    nonce: bytes
    """Digest of the block at `height`, 32 bytes, or a custodian's own challenge: the evidence is
    not older than it."""
    height: Height
    region: str
    """Where it runs, by the word of its operator."""
    operator: str
    """The name that its operator gives himself; a governed one if the service holds `operator_key`
    under it."""
    operator_key: PublicKey
    """Ed25519; signed the deployment statement."""

    def __post_init__(self) -> None:
        for key, size, name in (
            (self.chain, DIGEST_SIZE, "chain"),
            (self.session_key, KEY_SIZE, "session key"),
            (self.nonce, NONCE_SIZE, "nonce"),
            (self.operator_key, KEY_SIZE, "operator's key"),
        ):
            codec.sized(key, size, name=name)
        for value, name in (
            (self.room, "room"),
            (self.program, "program"),
            (self.region, "region"),
            (self.operator, "operator"),
        ):
            checked_name(value, name=name)
        check_hybrid(self.seal_key)
        if self.boot < 1:
            raise NotCanonical("boot: counts from 1")

    @property
    def report_data(self) -> bytes:
        """The 64 bytes of REPORT_DATA that commit to these claims."""
        return room_report_data(self.encode())

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                ROOM_PROFILE,
                self.chain,
                self.room,
                self.program,
                self.session_key,
                self.seal_key,
                self.boot,
                self.nonce,
                self.height,
                self.region,
                self.operator,
                self.operator_key,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "RoomClaims":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a room's claims.
        """
        shape = (str, bytes, str, str, bytes, bytes, int, bytes, int, str, str, bytes)
        value = codec.decode(data, size_max=CLAIMS_BYTES_MAX)
        profile, chain, room, program, session, seal, boot, nonce, height, region, operator, key = (
            codec.fields(value, *shape, name="room's claims")
        )
        if profile != ROOM_PROFILE:
            raise NotCanonical(f"room's claims: expected profile {ROOM_PROFILE}")
        return cls(
            chain=ChainId(chain),
            room=room,
            program=program,
            session_key=PublicKey(session),
            seal_key=seal,
            boot=codec.unsigned(boot, name="boot"),
            nonce=nonce,
            height=Height(codec.unsigned(height, name="height")),
            region=region,
            operator=operator,
            operator_key=PublicKey(key),
        )


class RoomEvidence(SevSnpEvidence):
    """A room's; `claims` are RoomClaims, whose `operator_key` signs chain and deployment."""

    __slots__ = ()
    LABEL = labels.ROOM_EVIDENCE
    NAME = "room's evidence"
