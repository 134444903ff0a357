"""Data keys of custody `hsm`: which object in the token is which key, and its handing over.

Owns the names of these objects. What they wrap is never seen here: the answer opens in one room.
"""

from strongroom.enclave.outside.split_key import WRAPPED_SIZE, KeyName
from strongroom.enclave.outside.token_key import is_point, key_id, key_input
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.token_words import KeyFacts


class TokenKeys:
    """Those of one device."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def known(self, key: KeyName) -> KeyFacts:
        """What the token tells of the one object of this version.

        Raises:
            TokenFault: the device is away or cannot; there is no such object, or two; it may leave
                the token.
        """
        return await self._device.show_data_key(key_id(key), label_of(key))

    async def make(self, key: KeyName) -> KeyFacts:
        """Make it inside the token, unless an attempt before has.

        Raises:
            TokenFault: as `known`.
        """
        try:
            return await self.known(key)
        except TokenFault as fault:
            if fault.code != "no-key":
                raise
        return await self._device.make_data_key(key_id(key), label_of(key))

    async def hand_over(
        self, key: KeyName, piece: int, *, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        """(the token's point, the wrapped key), for the holder of a point.

        Args:
            key: which version.
            piece: whose key; WHOLE: the data key.
            point: on P-256, whose holder opens it.
            context: `handover_context`.

        Raises:
            TokenFault: as `known`.
        """
        own, wrapped = await self._device.hand_over(
            key_id(key),
            label_of(key),
            data=key_input(key, piece),
            point=point,
            context=context,
        )
        if not is_point(own) or len(wrapped) != WRAPPED_SIZE:
            raise TokenFault(
                "device",
                "the device answered with something that is no key",
                customer=self._device.customer,
            )
        return own, wrapped


def label_of(key: KeyName) -> str:
    """CKA_LABEL of the key of one version."""
    return f"strongroom {key.name}@{key.version}"
