"""What a node's enclave wants said on the ledger, and what it needs, looked after once a second
(DESIGN §5, §6).

Owns the order: what is sealed is stored before anything that rests on it is submitted. Which words
are due, and which need comes first, the enclave says; what the words mean, governance does.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.equivocation import (
    BatchEvidence,
    Proof,
    VoteEvidence,
    check,
    encode_evidence,
)
from strongroom.consensus.errors import OperatorFault, PeerFault
from strongroom.consensus.host_messages import Submit
from strongroom.consensus.messages import encode_message
from strongroom.consensus.replica.events import Equivocation, LaneFork, Work
from strongroom.consensus.types import Height, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.public import evidence_envelope
from strongroom.enclave.member.stage import Need
from strongroom.enclave.primitives import verify
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal, Superseded
from strongroom.node.execution.pipeline import PUBLIC_PREFIX, Pipeline
from strongroom.node.faults import RpcFault
from strongroom.node.ledger.reading import header_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.membership.key_exchange import KeysExchange
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.network.links import Links
from strongroom.node.ordering.event_queue import EventQueue
from strongroom.node.ordering.participant import Participant

DUTIES_SECONDS = 1.0
NUDGE_SECONDS = 0.05
"""After a public transaction, so long is waited for company before the enclave is asked."""
SAY_AGAIN_SECONDS = 5.0
"""Between two attestations, or two requests for a refresh, that are submitted while the first is
not executed."""
SUBMITS_MAX = 64
"""Envelopes that one peer may hand in per second."""
OFFENDERS_MAX = 1024
SUPERSEDED = (
    "a newer boot of this node stands on the ledger: another process runs with the same keys. This "
    "one stops; end the other one, or leave this one stopped"
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyContext:
    """What the duties of a node need of it."""

    node_key: PublicKey
    epochs: EpochChain
    rpc: str
    peer: str
    """Where this node is reached, HOST:PORT."""
    enclave: EnclaveClient
    store: BlockStore
    links: Links
    batches: BatchPool
    mempool: Mempool
    pipeline: Pipeline
    keys: KeysExchange
    participant: Participant
    events: EventQueue
    store_sealed: Callable[[bytes], Awaitable[None]]
    on_document: Callable[[Document], None]
    look_after_process: Callable[[bool], None]
    """Whether the enclave's process is to be replaced, so that nothing of what is erased stays on
    its heap."""


class DutyRoster:
    """The loop of one node's duties."""

    def __init__(self, context: DutyContext) -> None:
        self._context = context
        self._nudged = asyncio.Event()
        self._said: dict[str, float] = {}
        self._accused: set[tuple[int, int]] = set()
        self._submits: Counter[PublicKey] = Counter()
        """Of the current second."""
        self._documented: Height | None = None

    def nudge(self) -> None:
        """A public transaction was executed, or something else that may make one due."""
        self._nudged.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            OperatorFault: a newer boot of this node is registered.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), DUTIES_SECONDS)
                await asyncio.sleep(NUDGE_SECONDS)
            self._nudged.clear()
            self._submits.clear()
            try:
                await self._look()
            except Superseded:
                raise OperatorFault(SUPERSEDED) from None
            except Refusal as refusal:
                log.info("duties.refused", reason=str(refusal))

    async def _look(self) -> None:
        context = self._context
        wall_ms = time.time_ns() // 1_000_000
        duties = await context.enclave.duties(wall_ms)
        if duties.sealed:
            await context.store_sealed(duties.sealed)
        for envelope in duties.envelopes:
            self.submit(envelope)
        if 0 < duties.deadline_ms <= wall_ms:
            context.events.put(Work())  # the chain has a reason to move (PROTOCOL §7)
        await self._document()
        await self._meet(duties.need)
        if context.participant.needs_refresh and self._is_time("refresh"):
            self.submit(await context.enclave.refresh())

    async def _document(self) -> None:
        """Read the public state anew after something was executed."""
        context = self._context
        if self._documented != context.pipeline.reached:
            self._documented = context.pipeline.reached
            context.on_document(Document.read(await context.enclave.governance()))

    async def _meet(self, need: Need) -> None:
        context = self._context
        context.keys.look(self._linked_validators(), needed=need is Need.KEYS)
        match need:
            case Need.ATTEST:
                await self._attest()
            case Need.SUCCESSOR | Need.NOTHING:
                context.look_after_process(need is Need.SUCCESSOR)
            case Need.SUPERSEDED:
                raise OperatorFault(SUPERSEDED)
            case Need.KEYS:
                pass

    def _linked_validators(self) -> tuple[PublicKey, ...]:
        keys = {validator.node_key for validator in self._context.epochs.newest.validators}
        return tuple(sorted(key for key in self._context.links.links if key in keys))

    async def _attest(self) -> None:
        """Show evidence over a block that every replica has executed lately (T20)."""
        context = self._context
        height = context.pipeline.reached
        if height > 0 and self._is_time("attest"):
            block = header_at(context.store, height).digest
            self.submit(await context.enclave.attest(height, block, context.rpc, context.peer))

    def _is_time(self, what: str) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._said.get(what, -SAY_AGAIN_SECONDS) < SAY_AGAIN_SECONDS:
            return False
        self._said[what] = now
        return True

    # --- submitting ---

    def submit(self, envelope: bytes) -> None:
        """Into the own lane, else to every linked validator: each puts it into its own, and doubles
        change nothing."""
        context = self._context
        if context.participant.has_lane:
            with contextlib.suppress(RpcFault):
                context.mempool.submit([envelope], wait=False)
            return
        message = encode_message(Submit(envelope))
        for index in context.links.linked_validators():
            context.links.send(index, message)

    def receive(self, sender: PublicKey, message: Submit) -> None:
        """A node without a lane hands a public transaction in.

        Raises:
            PeerFault: it is not a public one: clients use the front door.
        """
        if not message.envelope.startswith(PUBLIC_PREFIX):
            raise PeerFault("submit: not a public transaction")
        self._submits[sender] += 1
        if self._context.participant.has_lane and self._submits[sender] <= SUBMITS_MAX:
            self.submit(message.envelope)

    # --- evidence (R15) ---

    def accuse(self, description: EpochDescription, found: Equivocation | LaneFork) -> None:
        """Put what a replica found onto the ledger, once per offender and epoch."""
        proof = self._proof_of(found)
        if proof is None:
            return
        try:
            offender = check(proof, self._context.epochs.anchor.chain, description, verify)
        except PeerFault as fault:
            log.warning("evidence.unproven", reason=str(fault))
            return
        offence = (int(description.epoch), int(offender))
        if offence not in self._accused and len(self._accused) < OFFENDERS_MAX:
            self._accused.add(offence)
            log.warning("evidence", epoch=description.epoch, signer=int(offender))
            self.submit(evidence_envelope(encode_evidence(proof)))

    def _proof_of(self, found: Equivocation | LaneFork) -> Proof | None:
        if isinstance(found, Equivocation):
            return VoteEvidence(found.first, found.second)
        first, second = (
            self._context.batches.get(found.first),
            self._context.batches.get(found.second),
        )
        if first is None or second is None:
            return None
        return BatchEvidence(first.header, first.signature, second.header, second.signature)
