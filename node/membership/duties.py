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
from strongroom.enclave.primitives import verify
from strongroom.node.enclave_client.calls import EnclaveClient, Need
from strongroom.node.enclave_client.refusals import Refusal, Superseded
from strongroom.node.execution.pipeline import PUBLIC_PREFIX, Pipeline
from strongroom.node.faults import RpcFault
from strongroom.node.ledger.reading import header_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.membership.key_exchange import KeysExchange
from strongroom.node.mempool.batches import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.network.links import Links
from strongroom.node.ordering.events import EventQueue
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
    succeed: Callable[[], Awaitable[None]]
    """Replace the enclave's process, so that nothing of what is erased stays on its heap."""
    introduce: Callable[[], Awaitable[None]]
    """Be admitted by nodes that this one has no link to."""


class DutyRoster:
    """The loop of one node's duties."""

    def __init__(self, office: DutyContext) -> None:
        self._office = office
        self._nudged = asyncio.Event()
        self._said: dict[str, float] = {}
        self._accused: set[tuple[int, int]] = set()
        self._submits: Counter[PublicKey] = Counter()
        """Of the current second."""
        self._giver = 0
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
        office = self._office
        wall_ms = time.time_ns() // 1_000_000
        duties = await office.enclave.duties(wall_ms)
        if duties.sealed:
            await office.store_sealed(duties.sealed)
        for envelope in duties.envelopes:
            self.submit(envelope)
        if 0 < duties.deadline_ms <= wall_ms:
            office.events.put(Work())  # the chain has a reason to move (PROTOCOL §7)
        await self._document()
        await self._meet(duties.need)
        if office.participant.needs_refresh and self._is_time("refresh"):
            self.submit(await office.enclave.refresh())

    async def _document(self) -> None:
        """Read the public state anew after something was executed."""
        office = self._office
        if self._documented != office.pipeline.reached:
            self._documented = office.pipeline.reached
            office.on_document(Document.read(await office.enclave.governance()))

    async def _meet(self, need: Need) -> None:
        match need:
            case Need.KEYS:
                await self._ask_for_keys()
            case Need.ATTEST:
                await self._attest()
            case Need.SUCCESSOR:
                await self._office.succeed()
            case Need.SUPERSEDED:
                raise OperatorFault(SUPERSEDED)
            case Need.NOTHING:
                pass

    async def _ask_for_keys(self) -> None:
        office = self._office
        members = {validator.node_key for validator in office.epochs.newest.validators}
        linked = sorted(key for key in office.links.links if key in members)
        if not linked:
            await office.introduce()
            return
        if self._is_time("keys"):
            self._giver += 1
            if await office.keys.ask(linked[self._giver % len(linked)]):
                del self._said["keys"]  # there may be more: of the next epoch, or as a member

    async def _attest(self) -> None:
        """Show evidence over a block that every replica has executed lately (T20)."""
        office = self._office
        height = office.pipeline.reached
        if height > 0 and self._is_time("attest"):
            block = header_at(office.store, height).digest
            self.submit(await office.enclave.attest(height, block, office.rpc, office.peer))

    def _is_time(self, what: str) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._said.get(what, -SAY_AGAIN_SECONDS) < SAY_AGAIN_SECONDS:
            return False
        self._said[what] = now
        return True

    # --- submitting ---

    def submit(self, envelope: bytes) -> None:
        """Into the own lane, else to every linked member: each puts it into its own, and doubles
        change nothing."""
        office = self._office
        if office.participant.has_lane:
            with contextlib.suppress(RpcFault):
                office.mempool.submit([envelope], wait=False)
            return
        message = encode_message(Submit(envelope))
        for index in office.links.linked_members():
            office.links.send(index, message)

    def take(self, sender: PublicKey, message: Submit) -> None:
        """A node without a lane hands a public transaction in.

        Raises:
            PeerFault: it is not a public one: clients use the front door.
        """
        if not message.envelope.startswith(PUBLIC_PREFIX):
            raise PeerFault("submit: not a public transaction")
        self._submits[sender] += 1
        if self._office.participant.has_lane and self._submits[sender] <= SUBMITS_MAX:
            self.submit(message.envelope)

    # --- evidence (R15) ---

    def accuse(self, description: EpochDescription, found: Equivocation | LaneFork) -> None:
        """Put what a replica found onto the ledger, once per offender and epoch."""
        proof = self._proof_of(found)
        if proof is None:
            return
        try:
            offender = check(proof, self._office.epochs.anchor.chain, description, verify)
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
            self._office.batches.get(found.first),
            self._office.batches.get(found.second),
        )
        if first is None or second is None:
            return None
        return BatchEvidence(first.header, first.signature, second.header, second.signature)
