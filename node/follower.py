"""How a node goes on whose enclave cannot execute: by outcomes that a quorum anchored (DESIGN §5, joiner; PROTOCOL §6).

Owns the way from peers' outcomes to the enclave's APPLY and CONFIRM. A peer's word counts for nothing: before the
enclave sees it, the history over what was given must be the one that a certified header anchors (T34). As soon as the
enclave can execute again, it does.
"""

import asyncio
from copy import deepcopy

import structlog

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.host_messages import OUTCOMES_MAX, OutcomeRequest, Outcomes
from strongroom.consensus.messages import encode_message
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.history import genesis_leaf
from strongroom.enclave.merkle import Frontier
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.requests import Refusal
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.ledger.store import BlockStore
from strongroom.node.links import Links
from strongroom.node.pipeline import KEYS_NEEDED, Pipeline
from strongroom.node.replay import stored_runs
from strongroom.node.snapshot_seeker import SnapshotSeeker
from strongroom.node.standing import block_at, header_at, outcome_at
from strongroom.node.stored import header_and_certificate

ASK_SECONDS = 0.5
"""Between two questions for outcomes, and between two looks at whether keys or blocks have come."""
LOOK_AHEAD_BLOCKS = 80
"""How far above the enclave's height an anchor is looked for."""

log = structlog.get_logger()


class Follower:
    """Catches the enclave up while the pipeline is behind."""

    def __init__(
        self,
        *,
        genesis: Header,
        store: BlockStore,
        enclave: EnclaveProcess,
        links: Links,
        pipeline: Pipeline,
        seeker: SnapshotSeeker,
    ) -> None:
        self._genesis, self._store, self._enclave = genesis, store, enclave
        self._links, self._pipeline, self._seeker = links, pipeline, seeker
        self._given: dict[Height, bytes] = {}
        """Peers' outcomes above what the enclave has; at most two answers' worth."""
        self._came = asyncio.Event()
        self._turn = 0
        self._history: Frontier | None = None
        """The history up to the enclave's height; up to the newest recorded outcome while a snapshot is sought."""
        self._proof: tuple[Header, Certificate] | None = None
        """The newest certified header whose anchor's outcome was recorded while a snapshot is sought."""

    def take(self, sender: PublicKey, message: Outcomes) -> None:
        """A peer's answer: kept until an anchor proves or refutes it."""
        if not self._pipeline.behind.is_set() or len(self._given) > OUTCOMES_MAX:
            return
        for offset, data in enumerate(message.outcomes):
            height = Height(message.start + offset)
            if height > max(self._pipeline.reached, self._store.newest_outcome):
                self._given.setdefault(height, data)
        self._came.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._pipeline.behind.wait()
            try:
                moved = await self._advance()
            except Refusal as refusal:
                if refusal.kind != KEYS_NEEDED:
                    raise
                moved = False
            if not moved:
                self._came.clear()
                try:
                    await asyncio.wait_for(self._came.wait(), ASK_SECONDS)
                except TimeoutError:
                    self._ask()

    async def _advance(self) -> bool:
        """One step: execute what is stored, else apply up to an anchor. Whether anything moved."""
        applied = (await self._enclave.status()).executed
        if applied == 0 and self._seeker.is_on:
            return await self._toward_snapshot()
        if applied == self._pipeline.reached and await self._execute_stored():
            return True
        found = self._anchor_above(self._pipeline.reached, applied)
        if found is None:
            return False
        anchoring, certificate = found
        wanted = range(self._pipeline.reached + 1, anchoring.anchor.height + 1)
        outcomes = self._gathered(wanted)
        history = None if outcomes is None else self._proven(outcomes, anchoring)
        if outcomes is None or history is None:
            self._ask()
            return False
        headers = [header_at(self._store, height) for height in wanted]
        begun = applied - self._pipeline.reached  # before a secret was missing
        await self._enclave.apply(headers[begun:], outcomes[begun:])
        between = range(anchoring.anchor.height + 1, anchoring.height + 1)
        await self._enclave.confirm([header_at(self._store, height) for height in between], certificate)
        decoded = [Outcome.decode(data) for data in outcomes]
        await self._pipeline.record_outcomes(headers, outcomes, decoded)
        self._history = history
        for height in wanted:
            self._given.pop(Height(height), None)
        log.info("follower.applied", height=int(anchoring.anchor.height))
        return True

    async def _toward_snapshot(self) -> bool:
        """Nothing was applied yet: record what anchors prove, until it names the snapshot that a peer has given."""
        recorded = Height(self._store.newest_outcome)
        found = self._anchor_above(recorded, recorded)
        moved = False
        if found is not None:
            wanted = range(recorded + 1, found[0].anchor.height + 1)
            outcomes = self._gathered(wanted)
            history = None if outcomes is None else self._proven(outcomes, found[0])
            if outcomes is None or history is None:
                self._ask()
                return False
            headers = [header_at(self._store, height) for height in wanted]
            await self._pipeline.record_ahead(headers, outcomes, [Outcome.decode(data) for data in outcomes])
            self._history, self._proof, moved = history, found, True
            for height in wanted:
                self._given.pop(Height(height), None)
        loaded = Height(0) if self._proof is None else await self._seeker.use(*self._proof)
        if loaded:
            self._pipeline.reached, self._history = loaded, None
        return moved or loaded > 0

    async def _execute_stored(self) -> bool:
        """Execute every stored run that is left, and be behind no more; False when the enclave cannot."""
        moved = False
        while self._pipeline.reached < self._store.newest_block:
            run = next(stored_runs(self._store, self._pipeline.reached), None)
            if run is None:
                return moved
            blocks = [(header, list(batches)) for header, batches in run.blocks]
            try:
                await self._pipeline.execute(blocks, run.certificate)
            except Refusal as refusal:
                if refusal.kind != KEYS_NEEDED:
                    raise
                return moved
            self._history, moved = None, True
        self._given.clear()
        self._history = None
        self._pipeline.behind.clear()
        log.info("follower.executes", height=int(self._pipeline.reached))
        return True

    def _anchor_above(self, reached: Height, applied: Height) -> tuple[Header, Certificate] | None:
        """The certified stored header with the highest anchor within one step above what the enclave has.

        The headers from the anchor up to the certified one must be of one epoch, whose quorum proves them.
        """
        newest = self._store.newest_block
        if reached >= newest:
            return None
        best: tuple[Header, Certificate] | None = None
        for height in range(reached + 2, min(newest, reached + LOOK_AHEAD_BLOCKS) + 1):
            header, certificate = header_and_certificate(block_at(self._store, height))
            anchor = header.anchor.height
            if certificate is None or not max(reached + 1, applied) <= anchor <= reached + OUTCOMES_MAX:
                continue
            if header_at(self._store, anchor + 1).epoch == header.epoch:
                best = (header, certificate)
        return best

    def _gathered(self, wanted: range) -> list[bytes] | None:
        """Outcomes of these heights, recorded here or given by peers; None if one is missing."""
        outcomes: list[bytes] = []
        for height in wanted:
            own = height <= self._store.newest_outcome
            data = outcome_at(self._store, height) if own else self._given.get(Height(height))
            if data is None:
                return None
            outcomes.append(data)
        return outcomes

    def _proven(self, outcomes: list[bytes], anchoring: Header) -> Frontier | None:
        """The history over these outcomes, if it is the anchored one.

        Raises:
            OperatorFault: all of them were recorded here, so what is on this disk is not what a quorum executed.
        """
        below = Height(anchoring.anchor.height - len(outcomes))
        trial = deepcopy(self._history or self._read_history(below))
        try:
            for data in outcomes:
                trial.append(Outcome.decode(data).history_leaf.hash)
            proven = trial.root == anchoring.anchor.root
        except NotCanonical:
            proven = False
        if proven:
            return trial
        if anchoring.anchor.height <= self._store.newest_outcome:
            raise OperatorFault(
                f"the outcomes recorded up to height {anchoring.anchor.height} are not what a quorum executed: "
                "restore the ledger folder"
            )
        log.warning("follower.forged", anchor=int(anchoring.anchor.height))
        self._given.clear()
        return None

    def _read_history(self, newest: Height) -> Frontier:
        history = Frontier()
        history.append(genesis_leaf(self._genesis).hash)
        for height in range(1, newest + 1):
            history.append(Outcome.decode(outcome_at(self._store, height)).history_leaf.hash)
        return history

    def _ask(self) -> None:
        """Ask one linked node after the other."""
        self._seeker.ask()
        linked = sorted(self._links.links)
        start = max(self._pipeline.reached, self._store.newest_outcome) + 1
        if linked and start <= self._store.newest_block:
            self._turn += 1
            request = encode_message(OutcomeRequest(Height(start)))
            self._links.send_to(linked[self._turn % len(linked)], request)
