"""Replacing the enclave's process, so that nothing of what was erased stays on its heap (DESIGN §5,
Grace; P10, T13).

Owns the order. The next process learns the ledger without the secret that goes, the first signs its
last statement and hands over all that it promised, the next one takes over: one boot, one voter.
Requests wait meanwhile; none is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from strongroom.consensus.errors import OperatorFault, PeerFault, invariant
from strongroom.consensus.types import Epoch, Height, SignerIndex
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import KeysNeeded, Refusal
from strongroom.node.host.replay import restore_enclave, show_epochs
from strongroom.node.host.resources import Resources
from strongroom.node.host.wiring import Wiring
from strongroom.node.ledger.reading import stored_runs

RANK_SECONDS = 5.0
"""The member of index r begins this long times r after the change is due: no two change at a
time."""
HEADS_SECONDS = 3.0
TRY_AGAIN_SECONDS = 20.0
"""After a change that could not begin: without a quorum's heads there is none."""

log = structlog.get_logger()


class ProcessChange:
    """Changes one node's enclave process when that is due."""

    def __init__(
        self,
        *,
        ground: Resources,
        parts: Wiring,
        chip: Path,
        store_sealed: Callable[[bytes], Awaitable[None]],
        on_changed: Callable[[], None],
    ) -> None:
        self._enclave, self._chip, self._genesis = ground.enclave, chip, ground.genesis.data
        self._store, self._epochs = ground.store, ground.epochs
        self._history, self._snapshots = ground.history, ground.snapshots.folder
        self._heads, self._pipeline = parts.heads, parts.pipeline
        self._store_sealed, self._on_changed = store_sealed, on_changed
        self._due_since: float | None = None
        self._applied, self._shown = Height(0), Epoch(0)
        """What the successor has taken in: up to this height, and the epochs up to this one."""

    async def succeed(self, own: SignerIndex | None) -> None:
        """Change the process, if this node's turn has come.

        Raises:
            OperatorFault: after the hand-over nothing can be undone: the node stops, and starts as
                a new boot.
        """
        now = asyncio.get_running_loop().time()
        self._due_since = now if self._due_since is None else self._due_since
        if now - self._due_since < RANK_SECONDS * (own or 0) or self._pipeline.behind.is_set():
            return
        self._due_since = None
        successor = await EnclaveClient.start(self._chip)
        try:
            nonce = await self._learn(successor)
        except (Refusal, PeerFault) as fault:
            log.warning("process.not_changed", reason=str(fault))
            self._due_since = now + TRY_AGAIN_SECONDS
            await successor.stop()
            return
        except BaseException:
            await successor.stop()
            raise
        await self._change(successor, nonce)

    async def _learn(self, successor: EnclaveClient) -> bytes:
        """Everything that a quorum has anchored, and that it is the newest; the nonce for the
        hand-over."""
        nonce = await successor.unseal_successor(await self._enclave.seal(), self._genesis)
        self._shown = await show_epochs(self._epochs, successor, Epoch(0))
        self._applied = await restore_enclave(
            self._store, self._history, self._epochs, self._snapshots, successor
        )
        heads = await self._heads.collect(await successor.challenge(), seconds=HEADS_SECONDS)
        await successor.freshen(heads)
        return nonce

    async def _change(self, successor: EnclaveClient, nonce: bytes) -> None:
        self._enclave.pause()
        try:
            sealed = await successor.take_over(await self._enclave.hand_over(nonce))
            await self._store_sealed(sealed)
            # One may have begun meanwhile: nobody shows it again, and each later one builds on it.
            await show_epochs(self._epochs, successor, self._shown)
            repeated = await self._repeat(successor, self._applied, self._pipeline.reached)
            if repeated < self._pipeline.reached:
                self._pipeline.fall_behind(repeated)
        except Refusal as refusal:
            await successor.stop()
            raise OperatorFault(
                f"the enclave's process could not be replaced ({refusal}): start the node again"
            ) from None
        before = self._enclave.pid
        await self._enclave.become(successor)
        self._on_changed()
        log.info("process.changed", before=before, now=self._enclave.pid)

    async def _repeat(self, successor: EnclaveClient, applied: Height, reached: Height) -> Height:
        """Execute again what the first process had executed and no quorum had anchored when this
        one learned.

        Returns how far it came: less than all when blocks need a secret that the first process was
        about to erase, and has, since an anchor went by meanwhile. The follower takes it from
        there.
        """
        repeated = applied
        for run in stored_runs(self._store, applied):
            if run.blocks[-1][0].height > reached:
                break
            blocks = [(header, list(batches)) for header, batches in run.blocks]
            try:
                outcomes = await successor.execute(blocks, run.certificate)
            except KeysNeeded:
                break
            for (header, _), (data, _) in zip(run.blocks, outcomes, strict=True):
                invariant(
                    self._store.outcome(header.height) == data,
                    f"height {header.height} gave another outcome before",
                )
            repeated = run.blocks[-1][0].height
        return repeated
