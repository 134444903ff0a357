"""The owner's side of a key of custody `hsm`: made inside the token, handed over to whoever seals.

Owns that the vault gets no secret of it. Whoever seals takes the data key as a room does, by a
P-256 key pair of its own, and keeps it nowhere: to open the file again it asks the token again.
"""

from typing import Any

from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.half_request import WHOLE
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.outside.token_key import HandoverKey, handover_context
from strongroom.enclave.primitives import DoesNotOpen, Secret, random_bytes
from strongroom.node.client.client import Client
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.sources import HandedOver

NO_LEASE = b""
"""In place of a lease's id: no room's request can name it."""


async def sealing_keys(
    keys: HandedOver,
    *,
    chain: ChainId,
    key: KeyVersion,
    count: int,
    in_pieces: bool,
    customer: str,
) -> list[Secret]:
    """The keys of all pieces of a container, from the token.

    Args:
        keys: of the custodian that the key names.
        chain: of the ledger that gives leases.
        key: which version; it is made.
        count: of pieces.
        in_pieces: is the key given so (its terms say it)?
        customer: whose device it is, for errors.

    Raises:
        TokenFault: the HSM hands nothing over.
    """
    if in_pieces:
        named = _named(chain, key)
        return [await _taken(keys, named, index, customer) for index in range(count)]
    whole = await data_key(keys, chain=chain, key=key, customer=customer)
    return [key.piece_key(whole, index) for index in range(count)]


async def data_key(keys: HandedOver, *, chain: ChainId, key: KeyVersion, customer: str) -> Secret:
    """The key of a data set or a container that is given whole, from the token; arguments as of
    `sealing_keys`.

    Raises:
        TokenFault: the HSM hands nothing over.
    """
    return await _taken(keys, _named(chain, key), WHOLE, customer)


async def put_handed(client: Client, *, name: str, digest: bytes = b"") -> dict[str, Any]:
    """Make the first version of a key active, whose secret stands in the token alone.

    Raises:
        ProgramFailed: the vault does not take it.
    """
    done = await client.call("vault.put", key=name, secret=b"", digest=digest)
    return dict(done.result)


async def rotate_handed(
    client: Client, *, name: str, version: int, old_until_ms: int, digest: bytes = b""
) -> dict[str, Any]:
    """Make a key's next version active.

    Raises:
        ProgramFailed: the vault does not take it.
        ValueError: another version was made meanwhile, which the token has not: rotate again.
    """
    done = await client.call(
        "vault.rotate", key=name, secret=b"", digest=digest, old_until_ms=old_until_ms
    )
    if done.result.get("version") != version:
        raise ValueError(f"version {done.result.get('version')} was made, not {version}")
    return dict(done.result)


def _named(chain: ChainId, key: KeyVersion) -> KeyName:
    return KeyName(chain=chain, owner=key.owner, name=key.name, version=key.version)


async def _taken(keys: HandedOver, key: KeyName, piece: int, customer: str) -> Secret:
    """One key, as a room takes it."""
    handover, nonce = HandoverKey(), random_bytes(32)
    context = handover_context(key, lease=NO_LEASE, nonce=nonce, piece=piece, point=handover.point)
    own, wrapped = await keys.hand_over(key, piece, point=handover.point, context=context)
    try:
        return handover.open(own, wrapped, context)
    except DoesNotOpen:
        raise TokenFault(
            "device", "what the HSM handed over does not open", customer=customer
        ) from None
