"""What a node tells and takes at its front door: the Backend of node/rpc, made of the host's parts.

Owns the documents about the service and this node (INTERFACES, JSON-RPC). It reads; what changes
anything goes through mempool and enclave. Blocks and receipts are ledger.py's, queries
queries.py's.
"""

from asyncio import Future
from importlib.metadata import version
from typing import TYPE_CHECKING

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch, TransactionId
from strongroom.enclave.governance.document import NodeEntry
from strongroom.node.api import metrics
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.public_state import (
    epoch_documents,
    member_documents,
    node_document,
    policy_document,
    proposal_document,
    rules_of,
    validator_names,
)
from strongroom.node.api.queries import QueryDesk
from strongroom.node.api.screening import Ledger, Screen
from strongroom.node.faults import NotFound, NotReady, RpcFault
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Blob, Document
from strongroom.node.rpc.limits import RpcLimits

if TYPE_CHECKING:
    from strongroom.node.host.host import Host

WAITS_FOR_HEADS = "this node waits for fresh heads of a quorum: try another node, or again"


class Service:
    """One node's front door."""

    def __init__(self, host: "Host") -> None:
        self._host, self._ledger, self._queries = host, LedgerDesk(host), QueryDesk(host)
        self._screen = screen_of(host)
        ledger = self._ledger
        self.place_of, self.transaction, self.receipt = (
            ledger.place_of,
            ledger.transaction,
            ledger.receipt,
        )
        self.block_reading, self.rows_reading = ledger.block_reading, ledger.rows_reading
        self.head_reading, self.header = ledger.head_reading, ledger.header
        self.consistency = ledger.consistency

    @property
    def live(self) -> bool:
        """The process answers."""
        return True

    @property
    def newest_block(self) -> int:
        """Height of the newest final block."""
        return self._ledger.newest_block

    @property
    def ready(self) -> bool:
        """Takes part: transactions given here are ordered and executed while a quorum is alive."""
        return self._host.state == "voting" and not self._host.watch.alarm

    @property
    def replicas(self) -> Document:
        """How many validators execute what is final, as this node sees it, of how many, and how
        many must."""
        watch, description = self._host.watch, self._host.participant.run.description
        return {
            "state": self._host.state,
            "executing": watch.count,
            "members": len(description.validators),
            "quorum": description.quorum.size,
        }

    @property
    def epoch(self) -> int:
        """The newest epoch whose beginning is proven here."""
        return self._host.epochs.newest.epoch

    # --- the service ---

    def service_info(self) -> Document:
        """Chain, genesis, epoch key, validators, limits; evidence comes from `node_evidence` over
        the asker's nonce."""
        host, genesis = self._host, self._host.genesis
        description, state = host.participant.run.description, host.governance
        key = (
            genesis.public_key
            if description.epoch == 0
            else host.epochs.public_key(description.epoch)
        )
        code = {one.claims.node: one.measurement for one in genesis.validators}
        code |= {} if state is None else {node.name: node.measurement for node in state.nodes}
        return {
            "chain": genesis.chain,
            "pin": genesis.pin,
            "name": genesis.constitution.name,
            "genesis": Blob(genesis.data),
            "height": host.participant.replica.final.height,
            "executed": host.pipeline.executed,
            "epoch": description.epoch,
            "epoch_key": Blob(key or b""),
            "epoch_key_digest": description.public_key_digest,
            "measurement": code.get(host.config.name),
            "node": host.config.name,
            "validators": self._validators(),
            "limits": {**RpcLimits().public(), **dict(rules_of(genesis, state).limits)},
            "simulated": genesis.simulated,
        }

    def _validators(self) -> list[Document]:
        host, own = self._host, self._host.own
        names = validator_names(host.genesis, host.governance)
        founders = {one.claims.node_key: one.claims for one in host.genesis.validators}
        registered = (
            {}
            if (state := host.governance) is None
            else {node.node_key: node for node in state.nodes}
        )
        documents = []
        for index, one in enumerate(host.participant.run.description.validators):
            known: NodeEntry | None = registered.get(one.node_key)
            source = known or founders.get(one.node_key)
            documents.append(
                {
                    "index": index,
                    "name": names.get(one.node_key, one.node_key.hex()),
                    "node_key": one.node_key,
                    "vote_key": one.vote_key,
                    "operator": None if source is None else source.operator,
                    "region": None if source is None else source.region,
                    "endpoint": f"https://{host.config.rpc}" if index == own else _endpoint(known),
                }
            )
        return documents

    async def service_heads(self, nonce: bytes) -> list[Document]:
        """Heads over the caller's nonce, of q members or of those that answer in time."""
        names = validator_names(self._host.genesis, self._host.governance)
        return [
            {
                "node": names.get(head.node_key, head.node_key.hex()),
                "node_key": head.node_key,
                "head": Blob(codec.encode(head.to_wire())),
            }
            for head in await self._queries.collect(nonce)
        ]

    def service_epochs(self, start: int) -> list[Document]:
        """The succession of epochs from `start` on."""
        return epoch_documents(self._host.genesis, self._host.epochs, start, self._host.governance)

    def service_policy(self) -> Document:
        """The governed attestation policy."""
        return policy_document(rules_of(self._host.genesis, self._host.governance).policy)

    def service_members(self) -> list[Document]:
        """The members of the service and their roles."""
        return member_documents(rules_of(self._host.genesis, self._host.governance))

    def service_nodes(self) -> list[Document]:
        """Every validator as this node sees it, and every other registered node as the ledger knows
        it."""
        state = self._host.governance
        registered = (
            {}
            if state is None
            else {bytes(node.node_key): node_document(node) for node in state.nodes}
        )
        unknown: Document = {"status": "validator", "offence": None}
        validators = [
            {**registered.pop(bytes(one["node_key"]), unknown), **one, **self._seen(one)}
            for one in self._validators()
        ]
        others = [
            {**one, "index": None, "verdict": one["status"], "connected": None}
            for one in registered.values()
        ]
        return [*validators, *others]

    def _seen(self, validator: Document) -> Document:
        """What this node knows of a validator at first hand."""
        host, participant, key = self._host, self._host.participant, validator["node_key"]
        own = validator["index"] == host.own
        view, status = host.links.views.get(key), participant.status.get(key)
        return {
            "verdict": "itself" if own else "not checked yet" if view is None else view.verdict,
            "checked": 0 if view is None else view.checked,
            "evidence_digest": "" if view is None else view.evidence_digest,
            "connected": own or key in host.links.links,
            "height": participant.replica.final.height
            if own
            else None
            if status is None
            else status.body.height,
            "executed": host.pipeline.executed
            if own
            else None
            if status is None
            else status.body.executed,
            "executes": key in host.watch.names,
            "view": participant.replica.view
            if own
            else None
            if status is None
            else status.body.view,
            "faults": host.inbox.faults[key],
        }

    def proposals(self) -> list[Document]:
        """Members' proposals, newest first."""
        state = self._host.governance
        return [] if state is None else [proposal_document(one) for one in state.proposals]

    def proposal(self, id: str) -> Document:
        """One of them."""
        found = next((one for one in self.proposals() if one["id"] == id), None)
        if found is None:
            raise NotFound(
                "no proposal of this id is open, and none of the newest decided ones has it"
            )
        return found

    def public_state(self) -> bytes:
        """The enclave's public document, encoded."""
        state = self._host.governance
        if state is None:
            raise NotReady("this node has not read its governance yet", retry_after_ms=200)
        return codec.encode(state)

    # --- this node ---

    def node_status(self) -> Document:
        """This node, in numbers."""
        host, participant, description = (
            self._host,
            self._host.participant,
            self._host.participant.run.description,
        )
        leader = description.validators[participant.replica.leader].node_key
        return {
            "node": host.config.name,
            "state": host.state,
            "executes": host.node_key in host.watch.names,
            "executing": host.watch.count,
            "height": participant.replica.final.height,
            "executed": host.pipeline.executed,
            "view": participant.replica.view,
            "epoch": description.epoch,
            "grace_ms": self._grace_ms(description.epoch),
            "leader": validator_names(host.genesis, host.governance).get(leader, leader.hex()),
            "peers": len(host.links.links),
            "quorum": description.quorum.size,
            "members": len(description.validators),
            "mempool": {"envelopes": host.mempool.envelopes, "bytes": host.mempool.held_bytes},
            "blocks_behind": host.pipeline.backlog,
            "strikes": participant.replica.strikes,
            "version": version("strongroom"),
            "boot": host.boot,
            "alarm": host.alarm or host.watch.alarm or None,
            "clock_behind_ms": host.clock_behind_ms,
            "fresh": host.participant.begun,
        }

    def _grace_ms(self, epoch: Epoch) -> int:
        """How long, from the end of the epoch before, calls in its sessions count."""
        state, anchor = self._host.governance, self._host.epochs.anchor_of(epoch)
        if state is None or anchor is None or state.epoch != epoch:
            return 0
        return max(0, state.grace_until_ms - anchor.time_ms)

    async def node_evidence(self, nonce: bytes) -> Document:
        """Fresh evidence of this node's enclave."""
        return {"evidence": Blob(await self._host.enclave.link_evidence(nonce)), "nonce": nonce}

    def metrics(self) -> str:
        """Prometheus text."""
        return metrics.render(self._host)

    # --- transactions and queries ---

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        """Those that are not worth batching (Backend.screen)."""
        return self._screen.faults(envelopes)

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "Future[list[Place]] | list[TransactionId]":
        """Into the mempool (Backend.submit)."""
        host = self._host
        if not host.participant.begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        if not host.participant.replica.voting:
            raise NotReady("this node only observes: submit to another one")
        return host.mempool.submit(envelopes, wait=wait, organisation=organisation)

    async def query(self, envelope: bytes) -> Document:
        """A sealed answer."""
        if not self._host.participant.begun:
            raise NotReady(WAITS_FOR_HEADS, retry_after_ms=500)
        return await self._queries.answer(envelope)

    async def next_height(self, after: int) -> int:
        """Wait for an executed height above `after`."""
        return await self._host.pipeline.wait_above(after)


def _endpoint(node: NodeEntry | None) -> str | None:
    """Where a node says that it serves."""
    return f"https://{node.rpc}" if node is not None and node.rpc else None


def screen_of(host: "Host") -> Screen:
    """What looks at every envelope that is submitted to this node."""

    def grace_over() -> bool:
        state = host.governance
        return (
            state is not None
            and state.epoch == host.epochs.newest.epoch
            and state.grace_until_ms == 0
        )

    def code_of(id: bytes) -> int | None:
        found = host.store.find_transaction(id)
        return None if found is None else found.code

    def lag() -> int:
        participant = host.participant
        claims = sorted(
            (status.body.executed for status in participant.status.values()), reverse=True
        )
        faults = participant.run.description.quorum.faults
        return claims[faults] - host.pipeline.executed if len(claims) > faults else 0

    return Screen(
        host.genesis.chain,
        Ledger(
            epoch=lambda: host.epochs.newest.epoch,
            grace_over=grace_over,
            code_of=code_of,
            pending=lambda id: host.mempool.pending(TransactionId(id)),
            lag=lag,
        ),
    )
