"""A dead service's node folder, and enclaves without keys in this process instead of their own: the
host's part of a recovery, with a real ledger on a real disk.

What an enclave does is real (tests/enclave/dead_service.py); its door and its process are not.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.dead_service import LEDGER_PROGRAMS, Dead, given, identity_of, measurement
from tests.enclave.fixtures import MEASUREMENT

from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.keys.sealing import SealedState, unseal_state
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.outside.recovery_giving import Offer
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import Secret
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node.enclave_client.recovery_calls import RecoveryProgress
from strongroom.node.enclave_client.refusals import Refusal, RefusalKind
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.index import Index
from strongroom.node.ledger.reading import block_at, open_store, outcome_at
from strongroom.node.ledger.segments import Segments
from strongroom.node.ledger.store import BlockStore
from strongroom.node.membership import recovering
from strongroom.node.membership.recovering_end import open_ledger
from strongroom.node.membership.recovering_folder import RecoveryFolder
from strongroom.node.membership.recovering_progress import Reached

OPERATIONS = ("fsync", "fdatasync", "link", "rename", "replace", "unlink", "write")
"""What a process asks of a disk; before any of them it may be gone."""


class Killed(BaseException):
    """kill -9, as far as a disk sees it: nothing is tidied away after it."""


class EnclaveHere:
    """`RecoveryClient` with the enclave in this process."""

    dead: Dead

    def __init__(self, index: int) -> None:
        self._index = index
        self.enclave: Recovery | None = None

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> "EnclaveHere":
        return cls(index_of(chip.parent))

    async def stop(self) -> None:
        self.enclave = None

    def _parts(self) -> tuple[SimulatedChip, Measurement, Secret]:
        chip = self.dead.chain.cluster.chips[self._index]
        return chip, measurement(), chip.sealing_secret(MEASUREMENT)

    async def begin(self, genesis: bytes, identity: Any) -> None:
        self.enclave = Recovery(*self._parts(), verify_genesis(genesis), identity, LEDGER_PROGRAMS)

    async def again(self, sealed: bytes, genesis: bytes, entries: Sequence[Any]) -> None:
        self.enclave = Recovery.again(
            *self._parts(), verify_genesis(genesis), sealed, LEDGER_PROGRAMS
        )
        self.enclave.learn(entries)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.enclave, name)

        async def ask(*words: Any) -> Any:
            try:
                made = method(*words)
            except StrongroomError as fault:
                raise Refusal(RefusalKind.OPERATOR_FAULT, "", str(fault)) from None
            if name == "open":
                return made[0], dict(made[1])
            return RecoveryProgress(*made) if name == "status" else made

        return ask


@dataclass
class World:
    """One node's folder, and what was told of a walk over its ledger."""

    dead: Dead
    layout: NodeLayout
    told: list[Reached] = field(default_factory=list)

    @property
    def genesis(self) -> bytes:
        return self.dead.chain.genesis.data

    @property
    def folder(self) -> RecoveryFolder:
        return RecoveryFolder(self.layout)

    async def begin(self) -> Any:
        return await recovering.begin(self.layout, self.genesis, progress=self.told.append)

    async def plan(self) -> Offer:
        return await recovering.plan(self.layout, self.genesis, [])

    async def take(self, *names: str) -> Any:
        offer = Offer.decode(self.folder.offer.read_bytes())
        shares = [(name, given(self.dead, offer.plan, name).encode()) for name in names]
        return await recovering.take(self.layout, self.genesis, shares)

    async def open(self) -> Any:
        return await open_ledger(self.layout, self.genesis, None, progress=self.told.append)

    async def recover(self) -> Any:
        """All of it, with two members; what was done before a kill may have been done already."""
        await self.begin()
        await self.plan()
        await self.take("member0", "member2")
        return await self.open()

    def ledger(self) -> list[tuple[bytes, bytes]]:
        """(block, outcome) of every height."""
        with opened(self.layout) as store:
            assert store.newest_block == store.newest_outcome
            heights = range(1, store.newest_block + 1)
            return [(block_at(store, at), outcome_at(store, at)) for at in heights]

    def node(self) -> SealedState:
        """What the enclave has sealed to its chip, as the node that goes on."""
        chip = self.dead.chain.cluster.chips[0]
        sealed = (self.layout.sealed / SEALED_STATE).read_bytes()
        return unseal_state(chip.sealing_secret(MEASUREMENT), sealed)


def index_of(directory: Path) -> int:
    """Of a node, by its folder's name."""
    return int(directory.name.removeprefix("n"))


@contextmanager
def opened(layout: NodeLayout) -> Iterator[BlockStore]:
    store = open_store(layout.directory)
    yield store
    store.close()


def left_on_disk(
    dead: Dead, directory: Path, *, certified: int | None = None, executed: int | None = None
) -> NodeLayout:
    """The ledger of a dead service in a node's folder.

    Args:
        dead: the service.
        directory: the node's.
        certified: above this height no block has a certificate; None: all have.
        executed: the newest outcome; None: as the service recorded.
    """
    layout = NodeLayout(directory)
    layout.directory.mkdir(parents=True)
    layout.wal.mkdir()
    with opened(layout) as store:
        for header, batches, proof, data in dead.records:
            height = header.height
            kept = proof if certified is None or height <= certified else None
            store.append_block(height, StoredBlock(header, kept, tuple(batches)).encode())
            if data and (executed is None or height <= executed):
                outcome = Outcome.decode(data)
                store.append_outcome(
                    height, data, outcome.ids_and_codes(), outcome.history_leaf.hash
                )
    return layout


def played(monkeypatch: pytest.MonkeyPatch, dead: Dead, layout: NodeLayout) -> World:
    """Whoever recovers on this folder finds its enclave here, and knows who it was."""
    monkeypatch.setattr(EnclaveHere, "dead", dead, raising=False)
    monkeypatch.setattr(recovering, "RecoveryClient", EnclaveHere)
    monkeypatch.setattr(
        recovering,
        "find_identity",
        lambda node, *_: identity_of(
            dead, index_of(node.directory), dead.chain.cluster.chips[index_of(node.directory)]
        ),
    )
    times = iter(range(1, 1 << 20))
    newest = dead.records[-1][0].time_ms
    monkeypatch.setattr(
        recovering, "time_ns", lambda: (newest + Milliseconds(next(times))) * 1_000_000
    )
    return World(dead, layout)


class Kills:
    """Ends the process before the so many-th operation on its disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        self.killed = False
        for name in OPERATIONS:
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))
        for kind in (Segments, Index):
            monkeypatch.setattr(kind, "sync", self._unless_dead(kind, "sync"), raising=False)
            monkeypatch.setattr(kind, "write", self._unless_dead(kind, "write"), raising=False)

    def before(self, operation: int) -> None:
        """From now on: before this one, from 1."""
        self._left, self.killed = operation, False

    def never(self) -> None:
        """A process that lives."""
        self._left, self.killed = None, False

    def _watched(self, function: Any) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self.killed = True
                    raise Killed
            return function(*words, **named)

        return call

    def _unless_dead(self, kind: type, name: str) -> Any:
        function = getattr(kind, name, None)

        def call(*words: Any, **named: Any) -> Any:
            if self.killed:
                raise Killed
            return function(*words, **named) if function else None

        return call
