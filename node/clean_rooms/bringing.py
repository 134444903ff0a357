"""An owner brings a data set: key, sealed chunks, ledger, in an order that survives any end.

Owns that order (ROOMS §3): the data key is durable first, then what will be sealed under it; chunks
lie at the nodes before the ledger hears of them; every step is looked for before it is done, so the
same command again goes on where it ended. Knows no terminal and no form of a file.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.batches import Move, SignedFor
from strongroom.enclave.outside.chunks import CHUNK_SEALED_BYTES_MAX, DataPlace
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import Secret
from strongroom.node import tls
from strongroom.node.clean_rooms.gateway import Gateway, batches_in
from strongroom.node.clean_rooms.sealed_rows import Journal, Rows, Segment
from strongroom.node.clean_rooms.transfer import NodeDoors, Progress, Stored
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.passphrases import Ask
from strongroom.node.client.trust.service import Service
from strongroom.node.vault.key_files import DataKeyFolder
from strongroom.node.vault.names import from_now

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client

LEDGER, HSM = "ledger", "hsm"
"""Custodies of a key: who keeps its secret."""
DOOR_SECONDS = 60.0
"""Without a byte from a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an owner wants to bring."""

    name: str
    key: str
    """Name of its key in the vault."""
    rows: Rows
    stream: Callable[[], Iterable[bytes]]
    """The same rows, read again."""
    terms: bytes
    """Data terms; nothing: as they stand."""
    policy: Callable[[], str]
    """Of a new key."""
    old_for_ms: int = 0
    """How long the version before opens, from its rotation on: chunks may take long before it."""
    passphrase: str = ""
    ask: Ask | None = None
    token: Callable[[KeyVersion], Awaitable[Secret]] | None = None
    """Of a key of custody `hsm`: the HSM that has it hands it over."""
    progress: Progress = lambda _: None
    signed: bool = False
    """The rows are batches that devices signed."""
    devices: tuple[bytes, ...] = ()
    """Public keys of devices of a new data set."""


@dataclass(slots=True)
class Brought:
    """What stands afterwards."""

    version: int
    key: KeyVersion
    stored: Stored | None
    """None: it stood before."""
    done: "Done | None" = None
    steps: list[str] = field(default_factory=list)


@asynccontextmanager
async def node_doors(service: Service) -> AsyncIterator[NodeDoors]:
    """The way to a service's chunks."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=DOOR_SECONDS)
    http = open_session(service.credential, timeout)
    try:
        yield NodeDoors(http, service.endpoints, tls.client_context(service.ca))
    finally:
        await close_session(http)


async def put(client: "Client", folder: DataKeyFolder, wish: Wish) -> Brought:
    """Bring all rows of a data set, as its next version under the next version of its key.

    Raises:
        ClientFault: the data set was withdrawn, or its key is kept elsewhere.
        OperatorFault: a file of the owner's cannot be read or written.
        NotStored: no node takes the chunks.
        ProgramFailed: the program refuses.
    """
    known = await _known(client, "vault.key", "no-key", key=(b"", wish.key))
    own = await _known(client, "rooms.data_set", "no-data", data=(b"", wish.name))
    _check(known, own, wish)
    filled, used = _versions(known), _key_version(own)
    here = _Here(client, folder, wish, _custody(known))
    if filled and filled == used and own is not None and here.stands(filled, own["version"]):
        return Brought(own["version"], here.key(filled), None, steps=["stands already"])
    data_version = 1 + (own["version"] if own else 0)
    segment = Segment(data_version, 0, wish.rows.digests)
    moves = await _moves(here, own, anew=True)
    begun = here.journal(filled).segments() if filled else []
    if here.custody != LEDGER:
        here.check_unused(known, used, begun, segment)
    waits = filled > used and begun == [segment]
    version = filled if waits or here.custody != LEDGER else filled + 1
    if known is None:
        await here.call("vault.new", name=wish.key, policy=wish.policy(), pieces=0)
    journal, key = here.journal(version), here.key(version)
    begun = journal.segments()
    if begun and begun != [segment]:
        journal.set_aside()
    if version == filled:  # The ledger has this very key: never another under its name.
        secret = await here.secret(key)
    else:
        secret = folder.load_or_fresh(key, passphrase=wish.passphrase, ask=wish.ask)
    journal.begin(segment)
    place = DataPlace(client.service.chain, client.identity.id, wish.name, data_version)
    async with node_doors(client.service) as doors:
        parts = wish.rows.again(wish.stream())
        stored = await doors.store(parts, secret, place, progress=wish.progress)
    given: dict[str, Any] = {"secret": secret.reveal(), "digest": bytes(stored.root)}
    if version > filled and version == 1:
        await here.call("vault.put", key=(b"", wish.key), **given)
    elif version > filled:
        until = {"old_until_ms": from_now(wish.old_for_ms)}
        await here.call("vault.rotate", key=(b"", wish.key), **given, **until)
    await _published(here, own)
    await here.add("rooms.add", stored, stored.size_class, moves)
    return Brought(data_version, key, stored, here.done, here.steps)


async def extend(client: "Client", folder: DataKeyFolder, wish: Wish) -> Brought:
    """Add rows to the newest version of a data set, under its own key: indexes go on.

    Raises:
        ClientFault: there is nothing to extend, or other rows were begun at this place.
        OperatorFault, NotStored, ProgramFailed: as of `put`.
    """
    known = await _known(client, "vault.key", "no-key", key=(b"", wish.key))
    own = await _known(client, "rooms.data_set", "no-data", data=(b"", wish.name))
    _check(known, own, wish)
    if own is None or not own["version"]:
        raise ClientFault(f"{wish.name} has no version yet: begin with `strongroom data put`")
    version, here = _key_version(own), _Here(client, folder, wish, _custody(known))
    if _versions(known) != version:
        raise ClientFault("its key was rotated since: bring all rows anew with `data put`")
    before = own["versions"][-1]
    journal, key = here.journal(version), here.key(version)
    secret = await here.secret(key)
    begun = journal.segments()
    if begun and begun[-1].version == own["version"] and begun[-1].holds(wish.rows):
        return Brought(own["version"], key, None, steps=["stands already"])
    moves = await _moves(here, own, anew=False)
    first, data_version = before["chunks"], own["version"] + 1
    journal.begin(Segment(data_version, first, wish.rows.digests))
    place = DataPlace(client.service.chain, client.identity.id, wish.name, data_version)
    async with node_doors(client.service) as doors:
        names = await doors.names(before["root"], first)
        stored = await doors.store(
            wish.rows.again(wish.stream()),
            secret,
            place,
            first=first,
            before=names,
            progress=wish.progress,
        )
    whole = stored.size + first * CHUNK_SEALED_BYTES_MAX
    await here.add("rooms.extend", stored, (whole - 1).bit_length(), moves)
    return Brought(data_version, key, stored, here.done, here.steps)


@dataclass(slots=True)
class _Here:
    """One owner, who brings one data set."""

    client: "Client"
    folder: DataKeyFolder
    wish: Wish
    custody: str
    """Of the key."""
    done: "Done | None" = None
    steps: list[str] = field(default_factory=list)

    def key(self, version: int) -> KeyVersion:
        return KeyVersion(owner=self.client.identity.id, name=self.wish.key, version=version)

    def journal(self, version: int) -> Journal:
        return Journal(self.folder, self.key(version))

    async def secret(self, key: KeyVersion) -> Secret:
        """A data key that the ledger knows, from wherever its custody keeps it.

        Raises:
            ClientFault: it is in an HSM that was not named, or the owner's folder has it not.
        """
        if self.custody != HSM:
            return self.folder.load(key, self.wish.ask)
        if self.wish.token is None:
            raise ClientFault(
                f"the key {key.name} stands in an HSM alone: run this beside it, with --custodian "
                "DIR and its PIN"
            )
        return await self.wish.token(key)

    def check_unused(self, known: Any, used: int, begun: list[Segment], segment: Segment) -> None:
        """Check that nothing but these rows was ever sealed under the newest version of a key that
        only its custodian makes.

        Raises:
            ClientFault: it is another's already, or has not its secret.
        """
        filled, name = _versions(known), self.wish.key
        turn = " --rotate" if filled else ""
        make = f"`strongroom custodian put {name} --owner NAME{turn}` makes its next version"
        if not filled:
            raise ClientFault(f"the key {name} has no secret yet: {make}")
        taken = any(one["version"] == filled and one["digest"] for one in known["versions"])
        if filled == used or taken or begun not in ([], [segment]):
            raise ClientFault(f"other data were sealed under {name}@{filled}: {make}")

    def stands(self, version: int, data_version: int) -> bool:
        """Are these rows all that the newest version holds?"""
        segments = self.journal(version).segments()
        return segments == [Segment(data_version, 0, self.wish.rows.digests)]

    async def call(self, name: str, /, **arguments: Any) -> None:
        self.done = await self.client.call(name, **arguments)
        self.steps.append(f"{name} at height {self.done.height}")

    async def add(
        self, name: str, /, stored: Stored, size_class: int, moves: tuple[Move, ...]
    ) -> None:
        signed: dict[str, Any] = {"batches": [tuple(one) for one in moves]} if moves else {}
        await self.call(
            name,
            **signed,
            name=self.wish.name,
            root=bytes(stored.root),
            chunks=stored.chunks,
            size_class=size_class,
        )


async def _moves(here: _Here, own: dict[str, Any] | None, *, anew: bool) -> tuple[Move, ...]:
    """Check batches that devices signed, before one of them leaves: what the ledger is told.

    Raises:
        BatchRefused: one is not the next of its device.
        ClientFault: the data set takes batches alone, and these are other rows.
    """
    wish, client = here.wish, here.client
    devices = dict.fromkeys(wish.devices, 0)
    if own is not None:
        found = (await client.query("rooms.devices", data=(b"", wish.name))).value
        devices |= {one["device"]: one["last"] for one in found if one["listed"]}
        if found and not wish.signed:
            raise ClientFault(f"{wish.name} takes signed batches alone: `strongroom data sign`")
    if not wish.signed:
        return ()
    stream = SignedFor(client.service.chain, client.identity.id, wish.name)
    gateway = Gateway(stream, devices, anew=anew)
    for batch in batches_in(wish.stream()):
        gateway.take(batch)
    return gateway.moves


async def _published(here: _Here, own: dict[str, Any] | None) -> None:
    """The data set, under these terms."""
    wish = here.wish
    if own is None:
        if not wish.terms:
            raise ClientFault(f"{wish.name} is new: name its terms with --terms FILE")
        await here.call("rooms.publish", name=wish.name, terms=wish.terms, key=(b"", wish.key))
    elif wish.terms and own["terms"] != wish.terms:
        await here.call("rooms.set_terms", name=wish.name, terms=wish.terms)
    if wish.devices:
        devices = sorted(set(wish.devices))
        await here.call("rooms.set_devices", name=wish.name, add=devices, remove=[])


async def _known(client: "Client", query: str, none: str, /, **arguments: Any) -> Any:
    """What a query says; None for its refusal that there is no such thing."""
    try:
        return (await client.query(query, **arguments)).value
    except ProgramFailed as fault:
        if fault.code == none:
            return None
        raise


def _check(known: Any, own: Any, wish: Wish) -> None:
    if own is not None and own["state"] != "active":
        raise ClientFault(f"{wish.name} was withdrawn for good: bring it under another name")
    if known is None:
        return
    if known["terms"]["pieces"]:
        raise ClientFault(f"the key {wish.key} is given in pieces: name another with --key")


def _custody(known: Any) -> str:
    return str(known["terms"]["custody"]) if known else LEDGER


def _versions(known: Any) -> int:
    """The newest version of a key that has its secret; 0: none."""
    return max((one["version"] for one in known["versions"]), default=0) if known else 0


def _key_version(own: Any) -> int:
    """The version of the key under which the newest rows are sealed; 0: none."""
    return own["versions"][-1]["key_version"] if own and own["versions"] else 0
