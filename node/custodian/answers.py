"""What a custodian answers with: a half (custody `split`), or a key that the token hands over
(`hsm`).

Owns how each is read, checked against the room, made and sealed. When it may be made is
releasing.py's.
"""

from typing import Protocol

from strongroom.consensus.types import ChainId
from strongroom.enclave.attestation.room_evidence import VerifiedRoom
from strongroom.enclave.outside.half_request import WHOLE, HalfRequest, seal_half
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.outside.token_key import (
    TokenKeyRequest,
    handover_context,
    seal_token_key,
)
from strongroom.node.custodian.errors import HalfRefused
from strongroom.node.custodian.sources import Halves, HandedOver

SPLIT, HSM = "split", "hsm"


class Asked(Protocol):
    """One request of a room."""

    @property
    def custody(self) -> str:
        """Of the key that it may be for."""

    @property
    def shown(self) -> HalfRequest:
        """What the room shows."""

    def check_piece(self, pieces: int) -> None:
        """Raises HalfRefused: a key of so many pieces has not what is asked for."""

    def check_room(self, room: VerifiedRoom, chain: ChainId) -> None:
        """Raises HalfRefused: the room whose evidence this is did not ask so."""

    async def known(self, key: KeyName) -> None:
        """Raises TokenFault: the device is away, or the key in it is not as it must be."""

    async def make(self, key: KeyName, lease: bytes, room: VerifiedRoom) -> bytes:
        """The sealed answer; raises TokenFault."""


class HalfAsked:
    """A room asks for the customer's half."""

    custody = SPLIT

    def __init__(self, data: bytes, halves: Halves) -> None:
        """Raises NotCanonical."""
        self.shown, self._halves = HalfRequest.decode(data), halves

    def check_piece(self, pieces: int) -> None:
        """A half is of the whole, or of a piece that there is."""
        if self.shown.piece != WHOLE and self.shown.piece >= pieces:
            raise HalfRefused("lease", f"the key has {pieces} pieces")

    def check_room(self, _room: VerifiedRoom, _chain: ChainId) -> None:
        """What is sealed to its seal key needs no more."""

    async def known(self, _key: KeyName) -> None:
        """The key of `init`."""
        await self._halves.known()

    async def make(self, key: KeyName, lease: bytes, room: VerifiedRoom) -> bytes:
        """C, sealed."""
        shown = self.shown
        half = await self._halves.half(key, None if shown.piece == WHOLE else shown.piece)
        seal_key = room.claims.seal_key
        return seal_half(seal_key, half, key=key, lease=lease, nonce=shown.nonce, piece=shown.piece)


class KeyAsked:
    """A room asks for a key that stays in the token, but for it."""

    custody = HSM

    def __init__(self, data: bytes, keys: HandedOver) -> None:
        """Raises NotCanonical."""
        self._asked = TokenKeyRequest.decode(data)
        self.shown, self._keys = self._asked.shown, keys

    def check_piece(self, pieces: int) -> None:
        """The whole key goes to leases without pieces alone: it would open what is revoked next."""
        piece = self.shown.piece
        if pieces and not 0 <= piece < pieces:
            raise HalfRefused(
                "lease", f"the key is given in {pieces} pieces: ask for one, from 0 on"
            )
        if not pieces and piece != WHOLE:
            raise HalfRefused("lease", "the key has no pieces: ask for it whole")

    def check_room(self, room: VerifiedRoom, chain: ChainId) -> None:
        """The point is that of the room whose evidence this is: its session key signed it."""
        if not self._asked.is_by(room.claims.session_key, chain):
            raise HalfRefused(
                "evidence", "the room's session key did not sign for this point and request"
            )

    async def known(self, key: KeyName) -> None:
        """The key of this version."""
        await self._keys.known(key)

    async def make(self, key: KeyName, lease: bytes, room: VerifiedRoom) -> bytes:
        """What the token wrapped for the room's point, sealed."""
        shown, point = self.shown, self._asked.point
        context = handover_context(
            key, lease=lease, nonce=shown.nonce, piece=shown.piece, point=point
        )
        own, wrapped = await self._keys.hand_over(key, shown.piece, point=point, context=context)
        return seal_token_key(room.claims.seal_key, own, wrapped, context, key.chain)
