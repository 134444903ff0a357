"""Keys of custody `hsm`: the customer's token hands them over to this room, for this lease
(VAULT §2; T55).

Owns the room's point of each request, and the only copies of keys that the room keeps. The ledger
gives nothing but the lease; of a key in pieces the token hands over one at a time, each derived by
itself, and never the whole.
"""

from strongroom.enclave.outside.half_request import WHOLE
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    TokenKeyRequest,
    handover_context,
    open_token_key,
)
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.halves import KeptKeys
from strongroom.enclave.room.leases import HeldKey


class HandedKey(KeptKeys):
    """One such key in one lease."""

    async def open(self) -> None:
        """The key, or that of the first piece."""
        if self._keeper.pieces:
            self._given.append(HeldKey((await self._piece(0)).reveal()))
        else:
            self._whole = HeldKey((await self._piece(WHOLE)).reveal())

    async def _piece(self, index: int) -> Secret:
        """What the token hands over for one piece, or (WHOLE) the whole."""
        handover, custodian = HandoverKey(), self._custodian
        key, boot = custodian.key, custodian.boot

        def request(nonce: bytes) -> bytes:
            shown = custodian.shown(nonce, index)
            signed = TokenKeyRequest.signed(
                shown, handover.point, chain=key.chain, session=boot.identity.key
            )
            return signed.encode()

        def opened(sealed: bytes, nonce: bytes) -> Secret:
            context = handover_context(
                key, lease=custodian.lease.lease, nonce=nonce, piece=index, point=handover.point
            )
            return open_token_key(boot.seal_key, handover, sealed, context=context, chain=key.chain)

        return await custodian.ask("custodian_key", request, opened)

    def __repr__(self) -> str:
        return "HandedKey(…)"
