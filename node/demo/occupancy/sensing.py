"""Devices and gateways of the occupancy scenario: hubs that sign, owners who collect and bring.

Owns how readings become signed batches and files of them, and one gateway that lies.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.batches import Batch, SignedFor
from strongroom.enclave.outside.chunks import DataPlace
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import SigningKey
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.node.clean_rooms.bringing import Brought, Wish, extend, node_doors, put
from strongroom.node.clean_rooms.gateway import SUFFIX, BatchFile
from strongroom.node.clean_rooms.sealed_rows import Rows
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.occupancy.world import Hub, Reading
from strongroom.node.rooms.data_terms import read_terms_file, workers_policy
from strongroom.node.vault.key_files import DataKeyFolder

DIGITS = 17


class Device:
    """A hub with its own key, which counts what it signs."""

    def __init__(
        self, hub: Hub, chain: ChainId, owner: bytes, data: str, key: SigningKey | None = None
    ) -> None:
        self.hub, self.key = hub, key or Identity.fresh().key
        self._stream = SignedFor(chain, owner, data)
        self._counter = 0

    @property
    def public(self) -> bytes:
        """By which its owner lists it."""
        return bytes(self.key.public)

    def sign(self, readings: Sequence[Reading]) -> Batch:
        """The next batch."""
        self._counter += 1
        return Batch.sign(self.key, self._stream, self._counter, arrow_of(readings))


def arrow_of(readings: Sequence[Reading]) -> bytes:
    """Readings as an Arrow stream, as devices write it."""
    table = Table.of(
        {
            "time": [row.time for row in readings],
            "occupied": [row.occupied for row in readings],
            "zone": [row.zone for row in readings],
            "device": [row.desk for row in readings],
        }
    )
    return tables.write(table, tables.kinds_of(table), DIGITS)


class Site:
    """An owner's gateway: collects batches of its devices in a file, and brings them."""

    def __init__(self, party: Party, data: str) -> None:
        self.party, self.data, self._files = party, data, 0
        self._keys = DataKeyFolder(party.folder.vault(party.name), party.client.service.chain)

    def file_of(self, batches: Sequence[Batch]) -> Path:
        """A file of batches on the owner's desk."""
        self._files += 1
        path = self.party.desk / f"{self.data}-{self._files}{SUFFIX}"
        path.write_bytes(b"".join(one.encode() for one in batches))
        return path

    async def bring(
        self, batches: Sequence[Batch], terms: str, devices: Sequence[Device]
    ) -> Brought:
        """`strongroom data put FILE.batches --terms … --device …`; errors as of `bringing.put`."""
        path = self.party.desk / f"{self.data}.terms.toml"
        path.write_text(terms)
        read, _ = read_terms_file(path, self.party.resolve)
        public = tuple(one.public for one in devices)
        wish = self._wish(batches, terms=read.encode(), devices=public)
        return await put(self.party.client, self._keys, wish)

    async def extend(self, batches: Sequence[Batch]) -> Brought:
        """`strongroom data extend FILE.batches`; errors as of `bringing.extend`."""
        return await extend(self.party.client, self._keys, self._wish(batches))

    async def agree(self, terms: str) -> None:
        """Other terms from now on."""
        path = self.party.desk / f"{self.data}.terms.toml"
        path.write_text(terms)
        read, _ = read_terms_file(path, self.party.resolve)
        await self.party.call("rooms.set_terms", name=self.data, terms=read.encode())

    async def tell(self, moves: Sequence[tuple[bytes, int, int]]) -> Any:
        """Tell the ledger of batches without asking oneself: it judges alone."""
        before = (await self.shown())["versions"][-1]
        return await self.party.call(
            "rooms.extend",
            name=self.data,
            root=before["root"],
            chunks=before["chunks"] + 1,
            size_class=before["size_class"],
            batches=list(moves),
        )

    async def lie(self, batches: Sequence[Batch], moves: Sequence[tuple[bytes, int, int]]) -> None:
        """Seal these batches, and tell the ledger of others: a gateway with another program."""
        client, shown = self.party.client, await self.shown()
        before = shown["versions"][-1]
        key = KeyVersion(owner=self.party.id, name=self.data, version=before["key_version"])
        secret = self._keys.load(key)
        place = DataPlace(client.service.chain, self.party.id, self.data, shown["version"] + 1)
        async with node_doors(client.service) as doors:
            names = await doors.names(before["root"], before["chunks"])
            stored = await doors.store(
                [b"".join(one.encode() for one in batches)],
                secret,
                place,
                first=before["chunks"],
                before=names,
            )
        await self.party.call(
            "rooms.extend",
            name=self.data,
            root=bytes(stored.root),
            chunks=stored.chunks,
            size_class=before["size_class"] + 1,
            batches=list(moves),
        )

    async def shown(self) -> dict[str, Any]:
        """What the ledger says of the data set."""
        told: dict[str, Any] = await self.party.ask("rooms.data_set", data=(b"", self.data))
        return told

    def secrets(self, version: int) -> list[str]:
        """The data key of a version, in hex, as it lies on the owner's desk."""
        folder = self.party.folder.vault(self.party.name)
        return [json.loads((folder / f"{self.data}@{version}.json").read_text())["secret"]]

    def _wish(self, batches: Sequence[Batch], **more: Any) -> Wish:
        file = BatchFile(self.file_of(batches))
        return Wish(
            name=self.data,
            key=self.data,
            rows=Rows.of(file.stream()),
            stream=file.stream,
            policy=workers_policy,
            signed=True,
            **({"terms": b""} | more),
        )
