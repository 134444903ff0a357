"""Replacing the enclave's process, so that nothing of what was erased stays on its heap (DESIGN §5,
Grace; P10, T13).

Carries out what replacement_plan.py decides. The next process learns the ledger without the secret
that goes, the first signs its last statement and hands over all that it promised, the next one
takes over: one boot, one voter. Requests wait meanwhile; none is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from strongroom.consensus.errors import OperatorFault, PeerFault, invariant
from strongroom.consensus.types import Epoch, Height, SignerIndex
from strongroom.node.api.queries import HEADS_SECONDS
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import KeysNeeded, Refusal
from strongroom.node.faults import Overloaded
from strongroom.node.host import replacement_plan as plan
from strongroom.node.host.replay import restore_enclave, show_epochs
from strongroom.node.host.resources import Resources
from strongroom.node.host.wiring import Wiring
from strongroom.node.ledger.reading import stored_runs

TICK_SECONDS = 1.0

log = structlog.get_logger()


class ProcessChange:
    """Changes one node's enclave process when that is due, beside all else that the node does."""

    def __init__(
        self,
        *,
        resources: Resources,
        wiring: Wiring,
        chip: Path,
        store_sealed: Callable[[bytes], Awaitable[None]],
        on_changed: Callable[[], None],
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None],
    ) -> None:
        self._enclave, self._chip, self._genesis = resources.enclave, chip, resources.genesis.data
        self._store, self._epochs = resources.store, resources.epochs
        self._history, self._snapshots = resources.history, resources.snapshots.folder
        self._heads, self._pipeline = wiring.heads, wiring.pipeline
        self._store_sealed, self._on_changed, self._begin = store_sealed, on_changed, begin
        self._plan = plan.ReplacementPlan()
        self._successor: EnclaveClient | None = None
        self._nonce, self._shown = b"", Epoch(0)
        """Of the successor: for its hand-over; the newest epoch that it was shown."""
        self._task: asyncio.Task[None] | None = None

    def look(self, *, due: bool, own: SignerIndex | None) -> None:
        """Once a second, whether a change is due or not."""
        look = plan.Look(due, int(own or 0), self._executes)
        effects = self._plan.step(look, asyncio.get_running_loop().time())
        if effects:
            self._task = self._begin(self._carry_out(effects, self._task))

    @property
    def _executes(self) -> bool:
        return not self._pipeline.behind.is_set()

    async def _carry_out(
        self, effects: list[plan.PlanEffect], before: asyncio.Task[None] | None
    ) -> None:
        """One attempt, from its first effect to its last.

        Raises:
            OperatorFault: after the hand-over nothing can be undone: the node stops, and starts as
                a new boot.
        """
        if before is not None:
            await asyncio.wait({before})
        try:
            while effects:
                effects = await self._carry_out_each(effects)
        finally:
            if self._successor is not None:
                await self._successor.stop()
                self._successor = None

    async def _carry_out_each(self, effects: list[plan.PlanEffect]) -> list[plan.PlanEffect]:
        """One after the other; what follows from the last one, or from waiting too long."""
        loop = asyncio.get_running_loop()
        event: plan.PlanEvent | None = None
        for effect in effects:
            step = asyncio.ensure_future(self._answer(effect))
            try:
                while not (await asyncio.wait({step}, timeout=TICK_SECONDS))[0]:
                    if instead := self._plan.step(plan.Tick(), loop.time()):
                        return instead
                event = step.result()
            finally:
                step.cancel()
        return [] if event is None else self._plan.step(event, loop.time())

    async def _answer(self, effect: plan.PlanEffect) -> plan.PlanEvent | None:
        try:
            return await self._do(effect)
        except (Refusal, PeerFault, Overloaded, OSError) as fault:
            return plan.StepFailed(str(fault))
        except OperatorFault as fault:
            if isinstance(effect, plan.Halt):
                raise
            return plan.StepFailed(str(fault))

    async def _do(self, effect: plan.PlanEffect) -> plan.PlanEvent | None:
        match effect:
            case plan.StartSuccessor():
                self._successor = await _start(self._chip)
                return plan.Started()
            case plan.Pause():
                self._enclave.pause()
            case plan.Resume():
                self._enclave.resume()
            case plan.AskHandOver():
                handed = await self._enclave.hand_over(self._nonce)
                return plan.HandedOver(handed, self._pipeline.reached)
            case plan.StoreSealed(sealed):
                await self._store_sealed(sealed)
                return plan.SealedStored()
            case plan.FollowFrom(height):
                self._pipeline.fall_behind(height)
            case plan.Abandon(reason):
                log.warning("process.not_changed", reason=reason)
            case plan.Halt(reason):
                raise OperatorFault(
                    f"the enclave's process could not be replaced ({reason}): start the node again"
                )
            case _:
                assert self._successor is not None, "a successor was started"
                return await self._ask(self._successor, effect)
        return None

    async def _ask(self, successor: EnclaveClient, effect: plan.PlanEffect) -> plan.PlanEvent:
        match effect:
            case plan.Teach():
                applied = await self._teach(successor)
                return plan.Learned(applied, self._executes)
            case plan.ShowEpochs():
                self._shown = await show_epochs(self._epochs, successor, self._shown)
                return plan.EpochsShown()
            case plan.TakeOver(handed):
                return plan.TookOver(await successor.take_over(handed))
            case plan.Repeat(above, up_to):
                return plan.Repeated(await self._repeat(successor, above, up_to))
            case plan.Switch():
                await self._switch(successor)
                return plan.Switched()
        raise TypeError(f"no act for {type(effect).__name__}")

    async def _teach(self, successor: EnclaveClient) -> Height:
        """Everything that a quorum has anchored, and that it is the newest."""
        self._nonce = await successor.unseal_successor(await self._enclave.seal(), self._genesis)
        self._shown = await show_epochs(self._epochs, successor, Epoch(0))
        applied = await restore_enclave(
            self._store, self._history, self._epochs, self._snapshots, successor
        )
        heads = await self._heads.collect(await successor.challenge(), seconds=HEADS_SECONDS)
        await successor.freshen(heads)
        return applied

    async def _switch(self, successor: EnclaveClient) -> None:
        before, self._successor = self._enclave.pid, None
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


async def _start(chip: Path) -> EnclaveClient:
    """A process of its own; a start that is cut off ends it."""
    starting = asyncio.ensure_future(EnclaveClient.start(chip))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await (await starting).stop()
        raise
