"""Boots: how often this room was started on this chip, and the evidence of this start.

Owns the counter, sealed to the chip, and the two keys that are made at each start and never leave:
the session's and the seal key. An old counter opens as well as the newest one: that two rooms run,
or one from an old disk, shows on the ledger, where equal or lower boots of another session are
frozen (T53).
"""

from collections.abc import Callable
from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import ChainId, Digest, Height, PublicKey, Signature
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.report import MEASUREMENT_SIZE
from strongroom.enclave.attestation.room_claims import (
    RoomClaims,
    RoomEvidence,
    room_deployment_bytes,
    room_host_data,
)
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.platform.chip import Endorsements, SimulatedChip
from strongroom.enclave.platform.sealed_files import seal, unseal
from strongroom.enclave.primitives import HybridKey, Secret, verify

PURPOSE = b"boots-of-room"
ANY_CODE = bytes(MEASUREMENT_SIZE)
"""The key request leaves the measurement out (56860, MSG_KEY_REQ, GUEST_FIELD_SELECT): a new
program on this chip goes on counting. Nothing secret is sealed under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which room this is, on whose word."""

    chain: ChainId
    room: str
    program: str
    region: str
    operator: str
    operator_key: PublicKey
    operator_signature: Signature


@dataclass(frozen=True, slots=True, repr=False)
class BoundChip:
    """A chip as one room has it: it attests that room's measurement, whatever it is asked to."""

    chip_id: bytes
    endorsements: Endorsements
    measurement: bytes
    """48 bytes."""
    attest: Callable[[bytes, bytes], bytes]
    """Report over (report data, host data)."""
    secret: Secret
    """Under which the counter is sealed."""


def bind_chip(chip: SimulatedChip, measurement: bytes) -> BoundChip:
    """Bind a chip to a measurement, before any code of the program runs: what that code does to our
    modules later changes neither the digest nor which function signs it."""
    sign = chip.attest

    def attest(report_data: bytes, host_data: bytes) -> bytes:
        return sign(report_data, measurement=measurement, host_data=host_data)

    secret = chip.sealing_secret(ANY_CODE)
    return BoundChip(chip.chip_id, chip.endorsements, measurement, attest, secret)


class Boot:
    """One start of a room."""

    def __init__(self, place: Place, chip: BoundChip, sealed: bytes) -> None:
        """Count one start more.

        Args:
            place: which room.
            chip: that it runs on, bound to its code.
            sealed: what `sealed` gave at the start before; nothing at the first.

        Raises:
            OperatorFault: the state is another room's, another chip's or damaged, or the operator
                did not sign for this room.
        """
        self._chip, self._place = chip, place
        self.identity = Identity.fresh()
        self.seal_key = HybridKey(Secret.fresh())
        self.number = 1 + (self._read(sealed) if sealed else 0)
        self._deployment = Deployment(
            name=place.room,
            operator=place.operator,
            chip_id=chip.chip_id,
            measurement=chip.measurement,
            region=place.region,
        ).encode()
        signed = room_deployment_bytes(self._deployment, place.chain)
        if not verify(place.operator_key, place.operator_signature, signed):
            raise OperatorFault(
                f"operator {place.operator} did not sign for this room: its name, region, chip, "
                "chain or code is another one; start it with the operator's key"
            )

    @property
    def place(self) -> Place:
        """Which room this is."""
        return self._place

    @property
    def chip_id(self) -> bytes:
        """Of the chip that it runs on."""
        return self._chip.chip_id

    def sealed(self) -> bytes:
        """The counter as it stands now, for the next start."""
        place = self._place
        return seal(
            self._chip.secret, PURPOSE, codec.encode((place.chain, place.room, self.number))
        )

    def evidence(self, height: Height, nonce: Digest) -> bytes:
        """Evidence over the block at a height, or over another's challenge; encoded."""
        place, own = self._place, self._chip.endorsements
        claims = RoomClaims(
            chain=place.chain,
            room=place.room,
            program=place.program,
            session_key=self.identity.public,
            seal_key=self.seal_key.public,
            boot=self.number,
            nonce=nonce,
            height=height,
            region=place.region,
            operator=place.operator,
            operator_key=place.operator_key,
        )
        report = self._chip.attest(claims.report_data, room_host_data(self._deployment))
        return RoomEvidence(
            report=report,
            vek=own.vek,
            ask=own.ask,
            ark=own.ark,
            claims=claims.encode(),
            deployment=self._deployment,
            operator_signature=place.operator_signature,
        ).encode()

    def _read(self, sealed: bytes) -> int:
        data = unseal(self._chip.secret, PURPOSE, sealed)
        try:
            chain, room, number = codec.fields(
                codec.decode(data), bytes, str, int, name="boots of a room"
            )
            codec.unsigned(number, name="boot", value_max=2**53)
        except NotCanonical as error:
            raise OperatorFault(f"the room's state cannot be read by this code: {error}") from None
        if (chain, room) != (self._place.chain, self._place.room):
            raise OperatorFault(
                f"the state is that of room {room} on another chain or of another name: "
                "name the folder of this room"
            )
        return int(number)

    def __repr__(self) -> str:
        return f"Boot({self._place.room}, {self.number})"
