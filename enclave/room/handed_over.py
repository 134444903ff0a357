"""Keys of custody `hsm`: the customer's token hands them over to this room, for this lease
(VAULT §2; T55).

Owns the room's point of each request, and the only copies of keys that the room keeps. The ledger
gives nothing but the lease; of a key in pieces the token hands over one at a time, each derived by
itself, and never the whole.
"""

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.half_request import WHOLE
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    TokenKeyRequest,
    handover_context,
    open_token_key,
)
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.halves import Custodian, KeptKeys
from strongroom.enclave.room.leases import HeldKey, LeaseKeeper
from strongroom.enclave.room.ledger import Executed


class HandedKey(KeptKeys):
    """One such key in one lease."""

    def __init__(self, custodian: Custodian, keeper: LeaseKeeper, _asked: Executed) -> None:
        super().__init__(custodian, keeper)

    async def open(self) -> None:
        """The key, or that of the first piece.

        Raises:
            Refused: the custodian does not give it.
            LeaseEnded: the lease is over meanwhile.
        """
        if self._keeper.pieces:
            self._given.append(HeldKey((await self._get(0)).reveal()))
        else:
            self._whole = HeldKey((await self._get(WHOLE)).reveal())

    async def piece_key(self, index: int) -> Secret:
        """Key of one piece; the ledger counts it before the token hands it over.

        Raises:
            Refused: ``custodian-away``, ``busy``, ``ledger`` or ``rate``: the lease goes on.
            LeaseEnded: it is over.
        """
        pieces = self._keeper.pieces
        if not pieces:
            return self._keeper.key.piece_key(self.whole(), index)
        if not 0 <= index < pieces:
            raise ClientFault(f"this lease gives {pieces} pieces, and no piece {index}")
        async with self._one:
            while index >= len(self._given):
                given = await self._custodian.for_piece(len(self._given), self._get)
                self._given.append(HeldKey(given.reveal()))
        self._keeper.check()
        return self._given[index].secret()

    async def _get(self, piece: int) -> Secret:
        """What the token hands over for one piece, or the whole."""
        handover, custodian = HandoverKey(), self._custodian
        key, boot = custodian.key, custodian.boot

        def request(nonce: bytes) -> bytes:
            shown = custodian.shown(nonce, piece)
            signed = TokenKeyRequest.signed(
                shown, handover.point, chain=key.chain, session=boot.identity.key
            )
            return signed.encode()

        def opened(sealed: bytes, nonce: bytes) -> Secret:
            context = handover_context(
                key, lease=custodian.lease.lease, nonce=nonce, piece=piece, point=handover.point
            )
            return open_token_key(boot.seal_key, handover, sealed, context=context, chain=key.chain)

        return await custodian.ask("custodian_key", request, opened)

    def __repr__(self) -> str:
        return "HandedKey(…)"
