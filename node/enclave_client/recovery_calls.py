"""The host's side of the door for an enclave that brings a dead service back: a typed call for each
of its rows (enclave/door/requests.py, enclave/member/recovery.py).

Never sees a key or a share: what passes here is public, sealed or wrapped.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.door.requests import Op
from strongroom.enclave.keys.identity import Identity
from strongroom.node.enclave_client.process import EnclaveConnection

Recorded = tuple[Header, tuple[Batch, ...], Finality | None, bytes]
"""A block as the ledger has it, with its outcome, or nothing where none is recorded."""


class RecoveryProgress(NamedTuple):
    """How far a recovery is."""

    height: Height
    planned: bool
    threshold: int
    members: tuple[str, ...]
    given: tuple[str, ...]
    opened: bool

    @property
    def missing(self) -> int:
        """Shares."""
        return max(0, self.threshold - len(self.given))


class RecoveryClient:
    """One enclave without keys, alive from `start` until `stop` or its death."""

    def __init__(self, connection: EnclaveConnection) -> None:
        self._connection = connection
        self._ask = connection.ask

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> "RecoveryClient":
        """Start its process (see EnclaveConnection.start)."""
        return cls(await EnclaveConnection.start(chip, log))

    async def stop(self) -> None:
        """Close the door, which ends the enclave. Safe to call twice."""
        await self._connection.stop()

    async def begin(self, genesis: bytes, identity: Identity) -> None:
        """Begin to follow a dead service's ledger."""
        await self._ask(Op.RECOVER, genesis, identity)

    async def again(self, sealed: bytes, genesis: bytes, entries: Sequence[EpochEntry]) -> None:
        """Go on after a restart; the ledger's epochs are shown again."""
        await self._ask(Op.RECOVER_AGAIN, sealed, genesis)
        await self._ask(Op.RECOVER_LEARN, tuple(entries))

    async def follow(self, blocks: Sequence[Recorded]) -> Height:
        """Show the next blocks; the height reached."""
        return Height(await self._ask(Op.RECOVER_FOLLOW, tuple(blocks)))

    async def show(self) -> tuple[bytes, bytes]:
        """(sealed state, evidence)."""
        sealed, evidence = await self._ask(Op.RECOVER_SHOW)
        return sealed, evidence

    async def plan(self, evidence: Sequence[bytes], time_ms: int) -> tuple[bytes, bytes, bytes]:
        """(sealed state, plan, generation of shares)."""
        sealed, plan, generation = await self._ask(Op.RECOVER_PLAN, tuple(evidence), time_ms)
        return sealed, plan, generation

    async def join(self, plan: bytes) -> bytes:
        """Take part in the lead's plan; the sealed state."""
        return bytes(await self._ask(Op.RECOVER_JOIN, plan))

    async def take(self, given: bytes) -> tuple[bytes, str, int]:
        """Count a share: (sealed state, its member's name, how many are missing).

        Raises:
            Refusal: it does not count; `reason` says why.
        """
        sealed, name, missing = await self._ask(Op.RECOVER_TAKE, given)
        return sealed, name, missing

    async def status(self) -> RecoveryProgress:
        """How far it is."""
        return RecoveryProgress(*await self._ask(Op.RECOVER_STATUS))

    async def open(self) -> tuple[RecoveryCertificate, dict[PublicKey, bytes]]:
        """Open with k shares: the certificate, and what each other enclave needs."""
        certificate, handed = await self._ask(Op.RECOVER_OPEN)
        return certificate, dict(handed)

    async def receive(
        self, certificate: RecoveryCertificate, handed: bytes
    ) -> tuple[bytes, RecoveryCertificate]:
        """Take what the lead opened: (sealed state, certificate with its evidence)."""
        sealed, whole = await self._ask(Op.RECOVER_RECEIVE, certificate, handed)
        return sealed, whole

    async def apply(self, headers: Sequence[Header], outcomes: Sequence[bytes]) -> Height:
        """Apply recorded outcomes; the height reached."""
        return Height(await self._ask(Op.RECOVER_APPLY, tuple(headers), tuple(outcomes)))

    async def lose(self, blocks: Sequence[tuple[Header, Sequence[Batch]]]) -> tuple[bytes, ...]:
        """Outcomes of blocks that nobody executed."""
        asked = tuple((header, tuple(batches)) for header, batches in blocks)
        return tuple(await self._ask(Op.RECOVER_LOSE, asked))

    async def end(self) -> tuple[bytes, bytes]:
        """(outcome of the block that members agreed to, sealed state of a node)."""
        outcome, sealed = await self._ask(Op.RECOVER_END)
        return outcome, sealed
