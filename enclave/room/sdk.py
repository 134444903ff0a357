"""What a room's program works with: open a key, get pieces, reserve, report a unit, end.

    async def program(room: Room) -> None:
        lease = await room.open(room.parameters["key"], "print")
        design = await room.container(room.parameters["container"])
        layer = await lease.open_piece(design, 0)

Beats run by themselves, as long as the program awaits something at least every few seconds
(`room.rest()`). When a lease is refused or silence outlasts it, its keys are wiped and `LeaseEnded`
is raised in the program, wherever it waits: let it pass, and the room ends with all it holds.
"""

from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from strongroom.consensus.blocks import Header as BlockHeader
from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.attestation.room_claims import room_statement
from strongroom.enclave.formats.vault_claims import unit_claim
from strongroom.enclave.outside.pieces import LENGTH_SIZE, Header, KeyVersion, header_size
from strongroom.enclave.outside.pieces import open_piece as open_box
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.asking import BUSY, VAULT, ask, read_key
from strongroom.enclave.room.boots import Boot
from strongroom.enclave.room.halves import SplitKey
from strongroom.enclave.room.host import Host
from strongroom.enclave.room.leases import ASK_SECONDS, ENDED, LEDGER, LeaseKeeper, Opened
from strongroom.enclave.room.leases import LeaseEnded as LeaseEnded
from strongroom.enclave.room.ledger import Executed, Ledger
from strongroom.enclave.room.ledger import Refused as Refused
from strongroom.enclave.room.opening import opened_by
from strongroom.enclave.room.turns import Task, Turns

T = TypeVar("T")
LEASES_MAX = 16
STOPPED = "stopped"
"""Code with which a room ends whose host asked for it."""
BUSY_SECONDS = 2.0
"""Between two asks for a key whose machine is busy."""


class Stopped(ClientFault):
    """The host asks the room to end: raised once, wherever the program waits. One that lets it pass
    has its leases ended, with everything reserved counted as used."""


@dataclass(frozen=True, slots=True)
class Container:
    """A sealed file among those that the host offers; its header was checked against the chain."""

    file: str
    header: Header

    @property
    def pieces(self) -> int:
        """How many."""
        return len(self.header.pieces)


class Lease:
    """A key that may be used for now."""

    def __init__(self, keeper: LeaseKeeper, host: Host) -> None:
        self._keeper, self._host = keeper, host

    @property
    def left(self) -> int:
        """Units that are reserved and not yet used."""
        return self._keeper.reserved - self._keeper.used

    async def piece(self, index: int) -> Secret:
        """Key of one piece; it goes blank when the lease is over.

        Raises:
            LeaseEnded: the ledger refuses, or is silent: nothing more opens.
        """
        return await self._keeper.piece_key(index)

    async def data_key(self) -> Secret:
        """The data key itself, of a key that is given whole; it goes blank with the lease.

        Raises:
            LeaseEnded: the lease is over.
            ClientFault: the key is given in pieces.
        """
        return self._keeper.whole_key()

    async def open_piece(self, container: Container, index: int) -> bytes:
        """Plaintext of one piece of a container under this key.

        Raises:
            LeaseEnded: as of `piece`.
            ClientFault: the container is another key's, not the one that the ledger knows under
                this key, or was changed.
            Refused: the key's custodian is away; the lease goes on.
        """
        header = container.header
        header.check(header.chain, self._keeper.key, self._keeper.digest)
        box = await self._host.read(
            container.file, header.offsets[index], header.pieces[index].size
        )
        return open_box(header, index, await self.piece(index), box)

    async def reserve(self, units: int) -> int:
        """Reserve units before they are made; how many are reserved and unused now.

        Raises:
            Refused: ``quantity`` or ``allotment``; the lease goes on without them.
            LeaseEnded: it is over.
        """
        await self._keeper.beat(reserve=units)
        return self.left

    async def report(self, unit: int, digest: bytes) -> None:
        """Report one unit that was made, in order from 1: its receipt shows it to anyone, offline.

        Raises:
            Refused: it was not reserved.
            LeaseEnded: the lease is over.
        """
        keeper = self._keeper
        done = await keeper.use(unit, digest)
        claim = b""
        try:
            shown = await self._host.ask("ledger_header", height=done.height)
            time_ms = BlockHeader.decode(shown["header"]).time_ms
            place = (keeper.key.owner, keeper.key.name, keeper.key.version, keeper.id)
            claim = unit_claim(*place, unit=unit, digest=digest, time_ms=int(time_ms))
        except (ClientFault, KeyError, TypeError):
            pass  # the unit stands; only the words to show with its receipt are missing
        self._host.tell("unit", unit=unit, id=done.id, claim=claim, blinding=done.blinding)

    async def end(self) -> int:
        """End the lease; how many reserved units came back.

        Raises:
            LeaseEnded: it was over before.
        """
        return await self._keeper.end()


class Room:
    """One start of a room, as its program sees it."""

    def __init__(
        self,
        name: str,
        chain: ChainId,
        parameters: Mapping[str, str],
        *,
        boot: Boot,
        host: Host,
        ledger: Ledger,
        turns: Turns,
    ) -> None:
        self.name = name
        self.parameters = parameters
        """What the host was started with, unchecked: which key, which file, how many."""
        self.ledger, self.host, self.turns, self.boot = ledger, host, turns, boot
        """What it is made of, for a program of ours that asks the ledger for more than a key."""
        self._chain = chain
        self._keepers: list[LeaseKeeper] = []
        self.task: Task | None = None
        """The program's."""

    async def open(self, key: str, purpose: str, *, patience: float = 0.0) -> Lease:
        """Ask for a key, with fresh evidence of this room.

        Args:
            key: ``id:HEX/name`` or ``id:HEX/name@version``.
            purpose: one line, for the key's records.
            patience: seconds to ask again for while this machine is busy: after a crash, until the
                lease of the start before has lapsed.

        Raises:
            Refused: the first condition that does not hold, with the next step.
            Silent: no answer in time.
        """
        until = self.turns.now() + patience
        while True:
            try:
                keeper, asked = await self._ask(key, purpose)
                break
            except Refused as refused:
                if refused.code != BUSY or self.turns.now() + BUSY_SECONDS > until:
                    raise
            await self.rest(BUSY_SECONDS)
        await self._ended_unless(keeper, self._open(keeper, asked))
        return Lease(keeper, self.host)

    async def rewrap(self, key: str, purpose: str, data_key: Secret) -> tuple[int, bytes]:
        """Wrap another data key under both halves of a split key, for the key's owner to put in
        place of the one that it has; needs a lease of its own, which is ended.

        Returns:
            The version of the key, and the wrapped key: no secret, it opens in rooms alone.

        Raises:
            Refused: as `open`; ``custody``: it is no split key.
            Silent: no answer in time.
        """
        keeper, asked = await self._ask(key, purpose)
        wrapped = await self._ended_unless(keeper, self._rewrapped(keeper, asked, data_key))
        await keeper.end()
        return keeper.key.version, wrapped

    async def _ask(self, key: str, purpose: str) -> tuple[LeaseKeeper, Executed]:
        """A lease, nothing opened yet."""
        owner, label = read_key(key)
        if len(self._keepers) >= LEASES_MAX:
            raise ClientFault(f"a room opens {LEASES_MAX} leases in one life: start it anew")
        evidence = await self.evidence()
        until = self.turns.now() + ASK_SECONDS
        asked, sent = await ask(
            self.ledger,
            self.turns,
            (owner, label),
            *(purpose, evidence, self.name),
            chip=self.boot.chip_digest,
            received=tuple(keeper.id for keeper in self._keepers),
            until=until,
        )
        told = await self.ledger.query(
            VAULT, "lease", asked.value["lease"], at_least=asked.height, until=until
        )
        version = KeyVersion(
            owner=owner, name=label.partition("@")[0], version=asked.value["version"]
        )
        keeper = LeaseKeeper(
            self.ledger,
            self.turns,
            self.evidence,
            version,
            asked,
            sent=sent,
            opened_ms=told["opened_ms"],
        )
        self.keep(keeper)
        self.tell("lease", id=keeper.id, key=key, asked=asked.id, units=keeper.reserved)
        return keeper, asked

    def keep(self, keeper: LeaseKeeper) -> None:
        """Beat for a lease until it is over; its end interrupts the program."""
        keeper.on_end = self._interrupt
        self._keepers.append(keeper)
        self.turns.spawn(keeper.watch())
        self.turns.spawn(keeper.keep())

    async def open_granted(self, keeper: LeaseKeeper, granted: Mapping[str, Any]) -> None:
        """Have the key of a lease opened that a program of the ledger granted among others, where
        the ledger alone does not open it: its custodian is shown this lease alone.

        Args:
            keeper: of the lease.
            granted: what the program answered of it.

        Raises:
            Refused: the custodian does not give it.
            LeaseEnded: the lease is over.
        """
        claimed = await keeper.claim()
        asked = replace(claimed, value={**granted, **claimed.value})
        await self._ended_unless(keeper, self._open(keeper, asked))

    async def container(self, file: str) -> Container:
        """One of the host's files, as a sealed container of this chain.

        Raises:
            ClientFault: there is none, or it is no container of this chain.
        """
        size = header_size(await self.host.read(file, 0, LENGTH_SIZE))
        header = Header.decode(await self.host.read(file, LENGTH_SIZE, size))
        header.check(self._chain, header.key)
        return Container(file, header)

    async def file(self, file: str, size_max: int) -> bytes:
        """One of the host's files as it is, unchecked.

        Raises:
            ClientFault: there is none (yet), or it has more bytes.
        """
        data = await self.host.read(file, 0, size_max + 1)
        if len(data) > size_max:
            raise ClientFault(f"{file} has more than {size_max} bytes")
        return data

    def sign(self, said: bytes) -> bytes:
        """The session's signature (ROOM_STATEMENT): with `evidence`, it shows to whoever checks
        that this room said so."""
        return bytes(self.boot.identity.key.sign(room_statement(self._chain, said)))

    async def evidence(self) -> bytes:
        """Fresh evidence of this room, over the newest block that a quorum vouches for."""
        return self.boot.evidence(*await self.ledger.newest(ASK_SECONDS))

    async def rest(self, seconds: float = 0.0) -> None:
        """Let beats have their turn; for work that awaits nothing else for long."""
        await self.turns.pause(seconds)

    def tell(self, what: str, **fields: str | int | bytes) -> None:
        """Say something in the open: whoever runs the room may read it. Never a secret."""
        self.host.tell(what, **fields)

    async def leave(self) -> None:
        """The program is over: end what it left open, so that this machine may ask again. What was
        reserved and not reported counts as used."""
        for keeper in self._keepers:
            if keeper.over is not None:
                continue
            with suppress(ClientFault):  # over before, or nobody answers: it lapses by itself
                await keeper.end(give_back=False)

    def close(self) -> None:
        """Wipe whatever is left."""
        for keeper in self._keepers:
            keeper.finish(LeaseEnded(ENDED, "the room ends"))

    async def _open(self, keeper: LeaseKeeper, asked: Executed) -> None:
        """Have a lease's key opened where the ledger alone does not."""
        if keeper.custody != LEDGER:
            await self._customers(keeper, asked).open()

    async def _rewrapped(self, keeper: LeaseKeeper, asked: Executed, data_key: Secret) -> bytes:
        held = self._customers(keeper, asked)
        if not isinstance(held, SplitKey):
            raise Refused("custody", "only a split key's data key is wrapped anew")
        return await held.rewrap(data_key)

    def _customers(self, keeper: LeaseKeeper, asked: Executed) -> Opened:
        """What holds a key that the ledger alone does not open."""
        keeper.opened = opened_by(keeper, asked, boot=self.boot, host=self.host, turns=self.turns)
        return keeper.opened

    async def _ended_unless(self, keeper: LeaseKeeper, opening: Coroutine[Any, Any, T]) -> T:
        """No lease is left whose key does not open: what it reserved comes back."""
        try:
            return await opening
        except Refused:
            with suppress(ClientFault):  # nobody answers: it lapses by itself
                await keeper.end()
            raise

    def _interrupt(self, why: LeaseEnded) -> None:
        if why.code == ENDED:
            return
        self.tell("lease-ended", code=why.code, why=why.message[:200])
        if self.task is not None and self.turns.current is not self.task:
            self.task.interrupt(why)
