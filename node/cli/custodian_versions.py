"""What `strongroom custodian put` makes: one version of a key, under both halves or in the token.

Owns the order of the steps at the HSM and at the ledger; what stops them loses no key, and the same
command may be given again. Wrapping: node/custodian/wrapping.py; in the token: handing.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.outside.pieces import Header, KeyVersion
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.primitives import Secret
from strongroom.node.cli.common import ask_passphrase
from strongroom.node.client.client import Client
from strongroom.node.custodian.answers import HSM, SPLIT
from strongroom.node.custodian.halves import HalfKey
from strongroom.node.custodian.handing import put_handed, rotate_handed, sealing_keys
from strongroom.node.custodian.token_keys import TokenKeys
from strongroom.node.custodian.wrapping import piece_keys, put_split, rotate_split
from strongroom.node.vault.key_files import DataKeyFolder
from strongroom.node.vault.sealing import Plan, cut_for, prepare, write, write_container


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of one call."""

    name: str
    owner: str
    digest: bytes
    plan: Plan | None
    for_import: bool
    rotate: bool
    old_until_ms: int
    timeout: float

    def check(self, known: dict[str, Any], custodian: str) -> None:
        """Can this command do it, for this key, at this HSM?

        Args:
            known: what the ledger says of the key.
            custodian: identity of the one whose HSM it is, as ``id:HEX``.

        Raises:
            ClientFault: no, and what can.
        """
        custody, state = known["terms"]["custody"], known["state"]
        verb = "rotate" if self.rotate else "put"
        if custody not in (SPLIT, HSM):
            raise ClientFault(
                f"the key's custody is {custody}: no HSM has a part in it; give it its secret with "
                f"`strongroom vault {verb} {self.name} FILE --as {self.owner}`"
            )
        if known["terms"]["custodian"] != custodian:
            raise ClientFault(
                f"the key's custodian is {known['terms']['custodian']}, and this folder's is "
                f"{custodian}: run the command beside that one's HSM (--dir), or name this one: "
                f"`strongroom vault change {self.name} --custodian {custodian} --as {self.owner}`"
            )
        if custody == HSM and self.for_import:
            raise ClientFault(
                "the key's custody is hsm: its key is made in the HSM, and none is imported; leave "
                "out --for-import, or make a key with `strongroom vault new --custody split`"
            )
        if not self.rotate and state != "draft":
            raise ClientFault(
                f"the key is {state}: it has its secret; give it the next version with --rotate"
            )
        if self.rotate and state == "draft":
            raise ClientFault("the key has no version yet: leave out --rotate")


@dataclass(frozen=True, slots=True)
class Making:
    """One version of one key, at its HSM."""

    asked: Asked
    client: Client
    named: KeyVersion
    pieces: int
    """Of its terms."""
    customer: str

    async def in_token(self, tokens: TokenKeys) -> dict[str, Any]:
        """Custody hsm: made in the token, unless an attempt before has; then known to the vault."""
        asked, named, chain = self.asked, self.named, self.client.service.chain
        key = KeyName(chain=chain, owner=named.owner, name=named.name, version=named.version)
        sizes = [] if asked.plan is None else cut_for(asked.plan, self.pieces)
        await tokens.make(key)
        facts: dict[str, Any] = {"data_key": ""}
        digest = asked.digest
        if asked.plan is not None:
            own = await sealing_keys(
                tokens,
                chain=chain,
                key=named,
                count=len(sizes),
                in_pieces=bool(self.pieces),
                customer=self.customer,
            )
            header = write_container(asked.plan, chain, named, sizes, own)
            digest = bytes(header.digest)
            facts |= _facts(asked.plan, header)
        if asked.rotate:
            done = await rotate_handed(
                self.client,
                name=named.name,
                version=named.version,
                old_until_ms=asked.old_until_ms,
                digest=digest,
            )
        else:
            done = await put_handed(self.client, name=named.name, digest=digest)
        return {**done, **facts}

    async def under_halves(self, halves: HalfKey, folder: Path) -> dict[str, Any]:
        """Custody split: K is its owner's, wrapped under the HSM's half and a fresh L."""
        asked, named = self.asked, self.named
        keys = DataKeyFolder(folder, self.client.service.chain)
        facts: dict[str, Any] = {"data_key": "" if asked.for_import else str(keys.path(named))}
        digest = asked.digest
        if asked.for_import:
            data_key = Secret.fresh()
        elif asked.plan is None:
            data_key = keys.load_or_fresh(named, ask=ask_passphrase)
        else:
            data_key, header = await _sealed(asked.plan, keys, named, halves, self.pieces)
            digest = bytes(header.digest)
            facts |= _facts(asked.plan, header)
        if asked.rotate:
            done = await rotate_split(
                self.client,
                halves,
                name=named.name,
                version=named.version,
                data_key=data_key,
                old_until_ms=asked.old_until_ms,
                digest=digest,
            )
        else:
            done = await put_split(
                self.client, halves, name=named.name, data_key=data_key, digest=digest
            )
        return {**done, **facts}


def _facts(plan: Plan, header: Header) -> dict[str, Any]:
    """What the answer says of a container."""
    return {
        "container": str(plan.target),
        "digest": header.digest.hex(),
        "pieces": len(header.pieces),
    }


async def _sealed(
    plan: Plan, keys: DataKeyFolder, key: KeyVersion, halves: HalfKey, pieces: int
) -> tuple[Secret, Header]:
    """The file in its container; (K, header)."""
    prepared = prepare(plan, keys, key, pieces)
    own = await piece_keys(
        prepared.secret,
        halves,
        chain=keys.chain,
        key=key,
        count=len(prepared.sizes),
        in_pieces=bool(pieces),
    )
    sealed = write(plan, keys, key, prepared, own)
    return sealed.secret, sealed.header
