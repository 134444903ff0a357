"""The owner's side of a split key: K wrapped under both halves, and the ledger's half put there.

Owns that L is drawn here, goes to the vault and nowhere else, and that C comes from the customer's
own HSM. K stays with its owner; what is stored is L in a vault box, and the wrapped key.
"""

from typing import Any

from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.split_key import KeyName, piece_under_half, wrap
from strongroom.enclave.primitives import Secret
from strongroom.node.client.client import Client
from strongroom.node.custodian.sources import Halves


async def put_split(
    client: Client, halves: Halves, *, name: str, data_key: Secret, digest: bytes = b""
) -> dict[str, Any]:
    """Give a new key of the client's identity its first version.

    Args:
        client: of the key's owner.
        halves: of the custodian that the key names.
        name: the key's.
        data_key: K.
        digest: of the container that is sealed under it; nothing if there is none yet.

    Raises:
        TokenFault: the HSM gives no half.
        ProgramFailed: the vault does not take it.
    """
    ledger, wrapped = await _wrapped(client, halves, name, 1, data_key)
    done = await client.call(
        "vault.put", key=name, secret=ledger.reveal(), wrapped=wrapped, digest=digest
    )
    return dict(done.result)


async def rotate_split(
    client: Client,
    halves: Halves,
    *,
    name: str,
    version: int,
    data_key: Secret,
    old_until_ms: int,
    digest: bytes = b"",
) -> dict[str, Any]:
    """Give a key its next version.

    Args:
        client: of the key's owner.
        halves: of the custodian that the key names.
        name: the key's.
        version: the one that is made: its newest and one.
        data_key: K of that version.
        old_until_ms: block time until which the one before may be opened still; 0: no longer.
        digest: of the container that is sealed under it; nothing if there is none yet.

    Raises:
        TokenFault: the HSM gives no half.
        ProgramFailed: the vault does not take it.
        ValueError: another version was made meanwhile; its wrapped key does not open: rotate again.
    """
    ledger, wrapped = await _wrapped(client, halves, name, version, data_key)
    done = await client.call(
        "vault.rotate",
        key=name,
        secret=ledger.reveal(),
        wrapped=wrapped,
        digest=digest,
        old_until_ms=old_until_ms,
    )
    if done.result.get("version") != version:
        raise ValueError(f"version {done.result.get('version')} was made, not {version}")
    return dict(done.result)


async def piece_keys(
    data_key: Secret,
    halves: Halves,
    *,
    chain: ChainId,
    key: KeyVersion,
    count: int,
    in_pieces: bool,
) -> list[Secret]:
    """The keys of all pieces of a container: of a key that is given whole, K's alone; of one that
    is given in pieces, with the HSM's half of that very piece, so that whoever has K opens none.

    Args:
        data_key: K.
        halves: of the custodian that the key names.
        chain: of the ledger that gives L.
        key: whose K it is.
        count: of pieces.
        in_pieces: is the key given so (its terms say it)?

    Raises:
        TokenFault: the HSM gives no half.
    """
    own = [key.piece_key(data_key, index) for index in range(count)]
    if not in_pieces:
        return own
    named = KeyName(chain=chain, owner=key.owner, name=key.name, version=key.version)
    return [
        piece_under_half(piece, named, index, await halves.half(named, index))
        for index, piece in enumerate(own)
    ]


async def _wrapped(
    client: Client, halves: Halves, name: str, version: int, data_key: Secret
) -> tuple[Secret, bytes]:
    """(L, wrapped K)."""
    key = KeyName(chain=client.service.chain, owner=client.identity.id, name=name, version=version)
    ledger = Secret.fresh()
    customer = await halves.half(key)
    return ledger, wrap(data_key, key, ledger=ledger, customer=customer)
