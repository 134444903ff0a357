"""A customer's custodian beside the plant: the real judge of requests and its real door, over a
service in this process, with a keyed function in software in place of an HSM."""

import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from tests.enclave.chain import person
from tests.enclave.programs.vault.world import policy_of
from tests.node.custodian.release_world import SoftToken
from tests.node.rooms.world import DESIGN, World, world

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.split_key import KeyName, half_input
from strongroom.enclave.primitives import Secret
from strongroom.node.client.client import Client
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.handing import put_handed, sealing_keys
from strongroom.node.custodian.journal import Journal
from strongroom.node.custodian.ledger import ServiceLedger
from strongroom.node.custodian.releasing import Releaser
from strongroom.node.custodian.service import CustodianService
from strongroom.node.custodian.wrapping import piece_keys, put_split
from strongroom.node.rooms.custodians import Custodians
from strongroom.node.rooms.starting import announced, measured
from strongroom.node.vault.containers import seal_pieces
from strongroom.node.vault.cutting import cut_layers

CUSTOMER, CUSTODIAN = "Acme Toys", "member1"


class SoftHalves:
    """C as an HSM makes it, from a key in memory."""

    def __init__(self, key: bytes = b"key in the token") -> None:
        self.key = key
        self.away = False
        self.pieces: list[int | None] = []

    async def known(self) -> None:
        if self.away:
            raise TokenFault("no-token", "no token 'acme'", customer=CUSTOMER)

    async def half(self, key: KeyName, piece: int | None = None) -> Secret:
        await self.known()
        self.pieces.append(piece)
        return Secret(hmac.digest(self.key, half_input(key, piece), "sha256"))

    async def ping(self) -> None:
        await self.known()


class Custody:
    """One world, and its customer's custodian."""

    def __init__(self, world: World, halves: SoftHalves, service: CustodianService) -> None:
        self.world, self.halves, self.service = world, halves, service
        self.tokens = SoftToken()

    async def hsm_key(self, name: str, *, pieces: int = 0, **terms: Any) -> str:
        """A key of custody hsm for the world's program, its design sealed; how rooms name it."""
        version, source, sizes = await self._new(name, "hsm", pieces, terms)
        async with Client.connect(self.world.directory, "alice") as client:
            chain = client.service.chain
            keys = await sealing_keys(
                self.tokens,
                chain=chain,
                key=version,
                count=len(sizes),
                in_pieces=bool(pieces),
                customer=CUSTOMER,
            )
            target = source.with_suffix(".sealed")
            header = seal_pieces(source, target, keys=keys, chain=chain, key=version, sizes=sizes)
            await put_handed(client, name=name, digest=bytes(header.digest))
        return f"id:{version.owner.hex()}/{name}"

    async def _new(
        self,
        name: str,
        custody: str,
        pieces: int,
        terms: dict[str, Any],
        programs: Sequence[Path] = (),
    ) -> tuple[KeyVersion, Path, list[int]]:
        plant, owner = self.world, bytes(person("alice").id)
        codes = [measured(one).digest.hex() for one in programs or (plant.program,)]
        code = {"claim": "measurement", "in": codes}
        await plant.act(
            "alice",
            "new",
            name=name,
            policy=policy_of(code),
            custody=custody,
            custodian=f"id:{person(CUSTODIAN).id.hex()}",
            pieces=pieces,
            **terms,
        )
        source = plant.directory / f"{name}.gcode"
        source.write_text(DESIGN)
        version = KeyVersion(owner=owner, name=name, version=1)
        return version, source, cut_layers(source)

    async def key(
        self,
        name: str,
        secret: Secret,
        *,
        pieces: int = 0,
        programs: Sequence[Path] = (),
        **terms: Any,
    ) -> str:
        """A split key for the world's program, or for these, its design sealed; how rooms name
        it."""
        version, source, sizes = await self._new(name, "split", pieces, terms, programs)
        async with Client.connect(self.world.directory, "alice") as client:
            chain = client.service.chain
            keys = await piece_keys(
                secret,
                self.halves,
                chain=chain,
                key=version,
                count=len(sizes),
                in_pieces=bool(pieces),
            )
            target = source.with_suffix(".sealed")
            header = seal_pieces(source, target, keys=keys, chain=chain, key=version, sizes=sizes)
            await put_split(
                client, self.halves, name=name, data_key=secret, digest=bytes(header.digest)
            )
        return f"id:{version.owner.hex()}/{name}"

    def named(self, name: str) -> KeyName:
        """The first version of a key."""
        chain = self.world.service.orderer.chain.genesis.chain
        return KeyName(chain=chain, owner=person("alice").id, name=name, version=1)

    async def records(self, name: str) -> list[str]:
        found = await self.world.look("records", key=f"/{name}")
        return [one["what"] for one in found["records"]]


@asynccontextmanager
async def beside(
    directory: Path,
    halves: SoftHalves,
    tokens: SoftToken,
    answering: Callable[[str], str] = lambda url: url,
) -> AsyncIterator[tuple[CustodianService, Custodians]]:
    """A custodian beside a service, and the way of rooms' hosts to it.

    Args:
        directory: of the service.
        halves: what makes halves.
        tokens: what hands keys over.
        answering: the address that is announced, in place of the custodian's own.
    """
    folder = directory / "custodian"
    folder.mkdir()
    with Journal.open(folder) as journal:
        async with Client.connect(directory, CUSTODIAN) as client:
            releaser = Releaser(
                customer=CUSTOMER,
                ledger=ServiceLedger(client),
                halves=halves,
                keys=tokens,
                journal=journal,
                policy=None,
                per_minute=600,
            )
            service = CustodianService(releaser, cast(Device, halves))
            bound = await service.start("127.0.0.1", 0)
            address = answering(f"http://{bound}")
            await client.call("vault.announce", endpoint=address, customer=CUSTOMER)
            async with Custodians(partial(announced, directory, Identity.fresh())) as way:
                try:
                    yield service, way
                finally:
                    await service.close()


@asynccontextmanager
async def custody(
    directory: Path, monkeypatch: Any, answering: Callable[[str], str] = lambda url: url
) -> AsyncIterator[Custody]:
    """A plant with a custodian, up; `answering` as of `beside`."""
    async with world(directory, monkeypatch) as plant:
        halves, tokens = SoftHalves(), SoftToken()
        async with beside(directory, halves, tokens, answering) as (service, way):
            plant.custodians = way
            made = Custody(plant, halves, service)
            made.tokens = tokens
            yield made
