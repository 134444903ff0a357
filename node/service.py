"""What a node tells and takes at its front door: the Backend of node/rpc, made of the host's parts.

Owns the shape of the documents (INTERFACES, JSON-RPC). It reads; what changes anything goes through mempool and
enclave.
"""

import asyncio
from asyncio import Future
from importlib.metadata import version
from typing import TYPE_CHECKING

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import Head
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height, SignerIndex, TransactionId
from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.envelope import transaction_id
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.requests import Refusal
from strongroom.node import metrics
from strongroom.node.documents import block_document, code_text, envelope_document, receipt_of
from strongroom.node.rpc.backend import Blob, Document, Included
from strongroom.node.rpc.faults import NotFound, NotReady, NotYet, Overloaded, Refused, RpcFault
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.stored import StoredBlock, header_and_certificate

if TYPE_CHECKING:
    from strongroom.node.host import Host

HEADS_SECONDS = 3.0
BEHIND_SECONDS = 10.0
"""How long a query waits for a height that it demands."""


class Service:
    """One node's front door."""

    def __init__(self, host: "Host") -> None:
        self._host = host

    @property
    def live(self) -> bool:
        """The process answers."""
        return True

    @property
    def ready(self) -> bool:
        """Takes part: transactions given here are ordered while a quorum is alive."""
        return self._host.state == "voting"

    # --- the service ---

    def service_info(self) -> Document:
        """Chain, genesis, epoch key, validators, limits; evidence comes from `node_evidence` over the asker's nonce."""
        host, genesis = self._host, self._host.genesis
        return {
            "chain": genesis.chain,
            "pin": genesis.pin,
            "name": genesis.constitution.name,
            "genesis": Blob(genesis.data),
            "height": host.replica.final.height,
            "executed": host.pipeline.executed,
            "epoch": genesis.description.epoch,
            "epoch_key": Blob(genesis.public_key),
            "epoch_key_digest": genesis.description.public_key_digest,
            "measurement": genesis.validators[host.own].measurement,
            "node": host.config.name,
            "validators": [self._validator(index, enclave) for index, enclave in enumerate(genesis.validators)],
            "limits": RpcLimits().public(),
            "simulated": genesis.simulated,
        }

    def _validator(self, index: int, enclave: VerifiedEnclave) -> Document:
        claims = enclave.claims
        return {
            "index": index,
            "name": claims.node,
            "node_key": claims.node_key,
            "vote_key": claims.vote_key,
            "operator": claims.operator,
            "region": claims.region,
            "endpoint": None if claims.node != self._host.config.name else f"https://{self._host.config.rpc}",
        }

    async def service_heads(self, nonce: bytes) -> list[Document]:
        """Heads over the caller's nonce, of q members or of those that answer in time."""
        heads = await self._collect(nonce, HEADS_SECONDS)
        names = {enclave.claims.node_key: enclave.claims.node for enclave in self._host.genesis.validators}
        return [
            {"node": names[head.node_key], "node_key": head.node_key, "head": Blob(codec.encode(head.to_wire()))}
            for head in heads
        ]

    async def _collect(self, nonce: bytes, seconds: float) -> list[Head]:
        try:
            return await self._host.heads.collect(nonce, seconds=seconds)
        except PeerFault as fault:
            raise Overloaded(str(fault), retry_after_ms=200) from None

    def service_epochs(self, start: int) -> list[Document]:
        """The chain of epochs from `start` on."""
        genesis = self._host.genesis
        if start > genesis.description.epoch:
            return []
        entry = {
            "epoch": genesis.description.epoch,
            "header": None,
            "certificate": None,
            "description": Blob(genesis.description.encode()),
            "epoch_key": Blob(genesis.public_key),
        }
        return [entry]

    def service_policy(self) -> Document:
        """The governed attestation policy."""
        policy = self._host.genesis.constitution.policy
        return {
            "measurements": list(policy.measurements),
            "roots": list(policy.roots),
            "allow_simulated": policy.allow_simulated,
            "regions": list(policy.regions),
            "max_age_ms": policy.max_age_ms,
            "operators": [{"name": name, "key": key} for name, key in policy.operators],
            "chips": [{"operator": operator, "chip": chip} for operator, chip in policy.chips],
        }

    def service_members(self) -> list[Document]:
        """The members of the service and their roles."""
        constitution = self._host.genesis.constitution
        roles = [
            {"program": program, "role": role, "identity": identity} for program, role, identity in constitution.roles
        ]
        return [
            {
                "name": name,
                "public": key,
                "roles": [role for role in roles if role["identity"] == transaction_id(key)],
            }
            for name, key in constitution.members
        ]

    def service_nodes(self) -> list[Document]:
        """Every validator as this node sees it."""
        host = self._host
        documents = []
        for index, enclave in enumerate(host.genesis.validators):
            own = index == host.own
            view = host.links.views.get(SignerIndex(index))
            status = host.inbox.status.get(SignerIndex(index))
            documents.append(
                {
                    **self._validator(index, enclave),
                    "verdict": "itself" if own else "not checked yet" if view is None else view.verdict,
                    "checked": 0 if view is None else view.checked,
                    "evidence_digest": "" if view is None else view.evidence_digest,
                    "connected": own or SignerIndex(index) in host.links.links,
                    "height": host.replica.final.height if own else None if status is None else status.body.height,
                    "executed": host.pipeline.executed if own else None if status is None else status.body.executed,
                    "view": host.replica.view if own else None if status is None else status.body.view,
                    "faults": host.inbox.faults[SignerIndex(index)],
                }
            )
        return documents

    # --- this node ---

    def node_status(self) -> Document:
        """This node, in numbers."""
        host = self._host
        return {
            "node": host.config.name,
            "state": host.state,
            "height": host.replica.final.height,
            "executed": host.pipeline.executed,
            "view": host.replica.view,
            "epoch": host.genesis.description.epoch,
            "leader": host.genesis.validators[host.replica.leader].claims.node,
            "peers": len(host.links.links),
            "quorum": host.genesis.description.quorum.size,
            "members": len(host.genesis.validators),
            "mempool": {"envelopes": host.mempool.envelopes, "bytes": host.mempool.held_bytes},
            "blocks_behind": host.pipeline.backlog,
            "strikes": host.replica.strikes,
            "version": version("strongroom"),
            "boot": host.boot,
            "alarm": host.alarm or None,
            "fresh": host.inbox.driver is not None,
        }

    async def node_evidence(self, nonce: bytes) -> Document:
        """Fresh evidence of this node's enclave."""
        return {"evidence": Blob(await self._host.enclave.link_evidence(nonce)), "nonce": nonce}

    def metrics(self) -> str:
        """Prometheus text."""
        return metrics.render(self._host)

    # --- transactions ---

    def submit(self, envelopes: list[bytes], *, wait: bool) -> "Future[list[Included]] | list[TransactionId]":
        """Into the mempool (Backend.submit)."""
        host = self._host
        if host.inbox.driver is None:
            raise NotReady(
                "this node waits for fresh heads of a quorum: try another node, or again", retry_after_ms=500
            )
        if not host.replica.voting:
            raise NotReady("this node only observes: submit to another one")
        return host.mempool.submit(envelopes, wait=wait)

    def place_of(self, id: TransactionId) -> Included | None:
        """Where an id took effect, else its first refusal; from the index and the store."""
        found = self._host.store.find_transaction(id)
        if found is None:
            return None
        result = self._outcome(found.height).result_at(found.position)
        return Included(id, Height(found.height), found.position, found.code, result or b"")

    def transaction(self, id: TransactionId) -> Document:
        """Where a transaction stands, with what anybody can see of it."""
        place = self.place_of(id)
        if place is None:
            return {"id": id, "status": "pending" if self._host.mempool.pending(id) else "unknown"}
        envelope = self._stored(place.height).envelopes()[place.index]
        return {
            "id": id,
            "status": "final",
            "height": place.height,
            "index": place.index,
            "code": place.code,
            "refusal": code_text(place.code) if place.code else None,
            "result": Blob(place.result),
            "envelope": envelope_document(envelope),
        }

    def receipt(self, id: TransactionId) -> Document:
        """The receipt, once an outcome anchor over it is final."""
        place = self.place_of(id)
        if place is None:
            raise NotFound("no executed transaction has this id: ask again later, or check the id")
        anchoring = self._anchoring(place.height)
        if anchoring is None:
            raise NotYet("executed, and not yet anchored: ask again in a moment", retry_after_ms=50)
        outcome = self._outcome(place.height)
        return receipt_of(self._host.genesis.data, outcome, place.index, self._host.history, *anchoring)

    def _anchoring(self, height: int) -> tuple[Header, Certificate] | None:
        """The first recorded header with a certificate of its own whose anchor covers this height."""
        for above in range(height + 1, self._host.store.newest_block + 1):
            data = self._host.store.block(above)
            if data is None:
                return None
            header, certificate = header_and_certificate(data)
            if certificate is not None and header.anchor.height >= height:
                return header, certificate
        return None

    # --- blocks ---

    def block(self, height_or_hash: int | bytes) -> Document:
        """One final block; transactions and outcome once it is executed."""
        if isinstance(height_or_hash, bytes):
            raise NotFound("blocks are found by height; a hash index comes with the ledger tools")
        outcome = self._host.store.outcome(height_or_hash) if height_or_hash > 0 else None
        names = [enclave.claims.node for enclave in self._host.genesis.validators]
        return block_document(self._stored(height_or_hash), None if outcome is None else Outcome.decode(outcome), names)

    def blocks(self, start: int, end: int) -> list[Document]:
        """Final blocks start … end."""
        newest = self._host.store.newest_block
        return [self.block(height) for height in range(max(1, start), min(end, newest) + 1)]

    def header(self, height: int) -> Document:
        """A final header with its own certificate, if it has one."""
        block = self._stored(height)
        certificate = None if block.certificate is None else Blob(codec.encode(block.certificate.to_wire()))
        return {"header": Blob(block.header.encoded), "certificate": certificate}

    def consistency(self, start: int, end: int) -> Document:
        """That the history over heights 0..start is a prefix of that over 0..end (RFC 6962 §2.1.2)."""
        history = self._host.history
        if not 0 <= start <= end < history.size:
            raise NotFound(f"heights 0..{history.size - 1} have a history root, start before end")
        return {
            "from_root": history.root(start + 1),
            "to_root": history.root(end + 1),
            "proof": list(history.consistency(start + 1, end + 1)),
        }

    async def next_height(self, after: int) -> int:
        """Wait for an executed height above `after`."""
        return await self._host.pipeline.wait_above(after)

    def _stored(self, height: int) -> StoredBlock:
        data = self._host.store.block(height) if height > 0 else None
        if data is None:
            raise NotFound(f"no block at height {height}: the newest final one is {self._host.store.newest_block}")
        return StoredBlock.decode(data)

    def _outcome(self, height: int) -> Outcome:
        data = self._host.store.outcome(height)
        if data is None:
            raise NotYet(f"height {height} is final and not yet executed here", retry_after_ms=50)
        return Outcome.decode(data)

    # --- queries ---

    async def query(self, envelope: bytes) -> Document:
        """A sealed answer; waits for a demanded height, and for fresh heads when the query is linearizable."""
        if self._host.inbox.driver is None:
            raise NotReady(
                "this node waits for fresh heads of a quorum: try another node, or again", retry_after_ms=500
            )
        outcome: bytes | None = None
        deadline = asyncio.get_running_loop().time() + BEHIND_SECONDS
        while True:
            try:
                answer = await self._host.enclave.query(envelope, outcome)
            except Refusal as refusal:
                await self._overcome(refusal, deadline)
                continue
            if not isinstance(answer, bytes):
                return {"answer": Blob(answer[0]), "height": answer[1]}
            outcome = self._needed(TransactionId(answer))

    def _needed(self, id: TransactionId) -> bytes:
        found = self._host.store.find_transaction(id)
        return b"" if found is None else self._host.store.outcome(found.height) or b""

    async def _overcome(self, refusal: Refusal, deadline: float) -> None:
        """Do what an enclave that cannot answer yet asks for, or pass its refusal on."""
        left = deadline - asyncio.get_running_loop().time()
        match refusal.kind:
            case "BelowDemanded" | "NotFresh":
                try:
                    async with asyncio.timeout(left):
                        await self._host.pipeline.wait_above(self._host.pipeline.executed)
                except TimeoutError:
                    raise NotYet(str(refusal), executed=self._host.pipeline.executed) from None
            case "HeadsNeeded" if left > 0:
                await self._freshen(left)
            case _:
                raise _fault_of(refusal)

    async def _freshen(self, seconds: float) -> None:
        async with self._host.freshening:
            enclave = self._host.enclave
            heads = await self._collect(await enclave.challenge(), min(seconds, HEADS_SECONDS))
            self._host.feed_certificates(heads)
            try:
                await enclave.freshen(heads)
            except Refusal as refusal:
                raise NotYet(f"not linearizable now: {refusal}") from None


def _fault_of(refusal: Refusal) -> RpcFault:
    """The front door's refusal for the enclave's."""
    if refusal.kind == "HeadsNeeded":
        return NotYet("no quorum answers over this query's nonce: not linearizable now")
    return Refused(str(refusal), reason=refusal.reason or refusal.kind)
