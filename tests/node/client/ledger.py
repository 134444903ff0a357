"""A service in this process: a founded cluster's real enclave code behind real TLS servers, ordered
without consensus.

Each `FakeNode` is the Backend of one node; they share one `Orderer`, which makes certified blocks
of what they are given. What a test wants a node to lie about, it sets on the node.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import web
from tests.enclave.chain import founded
from tests.enclave.fixtures import key_named
from tests.enclave.succession import vote_key
from tests.hang import HANG_SECONDS
from tests.node.client.turning import DEFAULT_GRACE_MS, TurningChain
from tests.node.rpc.results import least

from strongroom.consensus import codec
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Epoch, Height, TransactionId
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.execution.executor import Executor, OutcomeWanted
from strongroom.enclave.execution.queries import BelowDemanded, QueryRefused
from strongroom.enclave.formats.envelope import OPENING, SESSION_QUERY, Query, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.outside.client_sessions import Identity, seal_query
from strongroom.node import tls
from strongroom.node.api.access_state import access_document
from strongroom.node.api.documents import (
    block_document,
    envelope_document,
    receipt_of,
    transaction_documents,
)
from strongroom.node.api.public_state import (
    epoch_documents,
    member_documents,
    policy_document,
    proposal_document,
    users_document,
)
from strongroom.node.api.screening import wrong_epoch
from strongroom.node.client.calls import failback, nodes, racing
from strongroom.node.faults import NotFound, NotYet, Refused, RpcFault
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Blob, Document, Step
from strongroom.node.rpc.door import open_door
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.results import RESULTS
from strongroom.node.rpc.schemas import ref

ISSUER = Identity(key_named("member0"))
EPOCH = Epoch(0)


@cache
def certificates() -> list[tls.TlsIdentity]:
    """One per node, and one of nobody."""
    return [tls.make_certificate(f"n{index}") for index in range(5)]


class Orderer:
    """Makes one block of everything that was submitted in a turn of the loop, and an empty one that
    anchors it."""

    def __init__(self) -> None:
        self.chain = TurningChain()
        self.certificates: list[Certificate] = []
        self.places: dict[bytes, Place] = {}
        """By id: where it was executed, else first refused."""
        self.paused = False
        """No quorum."""
        self.honest_duplicates = False
        """Answer a second copy of an executed envelope as a duplicate, not with its place."""
        self.refuse_once: dict[int, Code] = {}
        """Position among all envelopes ever given → refused so for good, by every node,
        unexecuted."""
        self.given = 0
        self._waiting: list[tuple[list[bytes], asyncio.Future[list[Place]] | None]] = []
        self._scheduled = False
        self._grown = asyncio.Event()
        self.doctor: Callable[[bytes, Place], Place] | None = None
        """Changes what is answered (not what is recorded)."""

    def submit(self, envelopes: list[bytes], future: asyncio.Future[list[Place]] | None) -> None:
        self._waiting.append((envelopes, future))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.order)

    def resume(self) -> None:
        self.paused = False
        self.order()

    def order(self) -> None:
        self._scheduled = False
        if self.paused or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        flat = [envelope for envelopes, _ in waiting for envelope in envelopes]
        places = iter(self._refuse_or_commit(flat))
        for envelopes, future in waiting:
            mine = [next(places) for _ in envelopes]
            if future is not None and not future.done():
                future.set_result(mine)
        self._grown.set()
        self._grown = asyncio.Event()

    def _refuse_or_commit(self, envelopes: list[bytes]) -> list[Place]:
        refused: dict[int, Place] = {}
        for at, envelope in enumerate(envelopes):
            code = self.refuse_once.pop(self.given, None)
            self.given += 1
            if code is not None:
                place = Place(transaction_id(envelope), Height(self.height + 1), at, code, b"")
                refused[at] = self.places[place.id] = place
        committed = iter(
            self._commit([one for at, one in enumerate(envelopes) if at not in refused])
        )
        self._commit([])
        return [refused[at] if at in refused else next(committed) for at in range(len(envelopes))]

    def _commit(self, envelopes: list[bytes]) -> list[Place]:
        outcome = self.chain.commit(*envelopes)
        self.certificates.append(self.chain.certificate(self.chain.tip))
        places = []
        for index, (id, code) in enumerate(outcome.ids_and_codes()):
            place = Place(
                TransactionId(id), outcome.height, index, code, outcome.result_at(index) or b""
            )
            known = self.places.get(id)
            if known is None or known.code == Code.NO_ROOM or (known.code and not code):
                self.places[id] = place
            if code == Code.DUPLICATE and not self.honest_duplicates:
                place = self.places[id]
            places.append(place if self.doctor is None else self.doctor(envelopes[index], place))
        return places

    def turn(self, *, grace_ms: int = DEFAULT_GRACE_MS) -> None:
        """End the epoch."""
        ended = self.chain.epoch
        self.chain.turn(grace_ms=grace_ms)
        for block in self.chain.blocks[len(self.certificates) :]:
            assert block.header.epoch == ended
            self.certificates.append(self.chain.certificate(block.header))
        self._commit([])
        self._grown.set()
        self._grown = asyncio.Event()

    def pass_time(self, milliseconds: int) -> None:
        """A block whose time is so much later."""
        self.chain.time_step_ms = milliseconds
        self._commit([])
        self.chain.time_step_ms = TurningChain.time_step_ms

    @property
    def height(self) -> int:
        return len(self.chain.outcomes)

    async def above(self, after: int) -> int:
        while self.height <= after:
            await self._grown.wait()
        return self.height


class FakeNode:
    """One node of the service; attributes that a test sets make it lie."""

    def __init__(self, orderer: Orderer, index: int) -> None:
        self.orderer, self.index = orderer, index
        self.applicant = orderer.chain.cluster.applicants[index]
        self.name = self.applicant.name
        self.tls = certificates()[index]
        self.submitted: list[list[bytes]] = []
        self.refuse: list[Exception] = []
        """Raised by the next submissions, one each."""
        self.swallow = False
        """Take submissions, order none, and never answer."""
        self.swallowed: list[asyncio.Future[list[Place]]] = []
        self.mute = False
        """Order submissions, and never answer."""
        self.state = "voting"
        self.claims: dict[str, Any] = {}
        """Changes to the claims of its evidence."""
        self.evidence_nonce: bytes | None = None
        self.genesis: bytes | None = None
        self.epochs: list[Document] | None = None
        self.heads: Callable[[list[Head]], list[Head]] = list
        self.head_members = [0, 1, 2, 3]
        self.head_nonce: bytes | None = None
        self.transaction_lies: dict[bytes, Document] = {}
        self.queries: list[bytes] = []
        self.query_answer: bytes | None = None
        self.executor: Executor | None = None
        """Instead of the shared one: a node that is behind."""
        self.forgets_sessions = False
        self.stale: int | None = None
        """It says that this is still the epoch."""
        self.policy: Policy | None = None
        self.region = "eu-west"
        self.doctor_state: Callable[[PublicState], PublicState] = lambda state: state
        self.live = self.ready = True

    # --- the service ---

    def service_info(self) -> Document:
        least_info: Document = least(RESULTS["service_info"])
        return {
            **least_info,
            "chain": self.orderer.chain.genesis.chain,
            "pin": self.orderer.chain.genesis.pin,
            "node": self.name,
            "genesis": Blob(self.genesis or self.orderer.chain.cluster.genesis),
            "name": self.orderer.chain.genesis.constitution.name,
            "height": self.orderer.height,
            "executed": self.orderer.height,
            "epoch": self.epoch,
            "simulated": True,
        }

    async def service_heads(self, nonce: bytes) -> list[Document]:
        chain = self.orderer.chain
        certificate = self.orderer.certificates[-1] if self.orderer.certificates else None
        heads = []
        for index in self.head_members:
            key = chain.cluster.keys[index].node
            body = HeadBody(self.head_nonce or nonce, chain.epoch, chain.tip, certificate, None, ())
            heads.append(Head(body, key.public, key.sign(body.signed_bytes(chain.genesis.chain))))
        return [
            {
                "node": head.node_key.hex()[:8],
                "node_key": head.node_key,
                "head": Blob(codec.encode(head.to_wire())),
            }
            for head in self.heads(heads)
        ]

    def service_epochs(self, start: int) -> list[Document]:
        if self.epochs is not None:
            return [one for one in self.epochs if one["epoch"] >= start]
        chain = self.orderer.chain
        return epoch_documents(chain.genesis, chain.epochs, start, self._state())

    @property
    def epoch(self) -> int:
        return self.orderer.chain.epoch if self.stale is None else self.stale

    async def node_evidence(self, nonce: bytes) -> Document:
        chain, one = self.orderer.chain, self.applicant
        genesis = chain.genesis
        claims = Claims(
            chain=genesis.chain,
            node=one.name,
            node_key=one.keys.node.public,
            vote_key=vote_key(chain.cluster, chain.epoch, one.keys.node.public).public,
            wrap_keys=one.keys.wrap_keys,
            tls_key=Digest(tls.spki_digest(self.tls.certificate)),
            epoch=chain.epoch,
            epoch_key_digest=chain.description.public_key_digest,
            nonce=self.evidence_nonce or nonce,
            height=Height(self.orderer.height),
            region=self.region,
            operator=one.operator,
            boot=1,
        )
        measurement = self.orderer.chain.cluster.measurement
        deployment = Deployment(
            name=one.name,
            operator=one.operator,
            chip_id=one.chip.chip_id,
            measurement=measurement,
            region=self.region,
        )
        evidence = one.chip.evidence(
            replace(claims, **self.claims),
            measurement=measurement,
            deployment=deployment.sign(one.operator_key),
        )
        return {"evidence": Blob(evidence), "nonce": nonce}

    def service_policy(self) -> Document:
        policy = self.policy or self.orderer.chain.cluster.constitution.policy
        return policy_document(policy)

    def service_members(self) -> list[Document]:
        return member_documents(self._state().member_rules())

    def service_users(self) -> Document:
        return users_document(self.orderer.chain.genesis, self._state())

    def service_nodes(self) -> list[Document]:
        node: Document = least(ref("Node"))
        return [
            {**node, "name": f"n{index}", "index": index, "verdict": "good (SIMULATED)"}
            for index in range(4)
        ]

    def proposals(self) -> list[Document]:
        return [proposal_document(one) for one in self._state().proposals]

    def proposal(self, id: str) -> Document:
        return next(one for one in self.proposals() if one["id"] == id)

    def access(self) -> Document:
        return access_document(self._state())

    async def diagnostics(self, grant: str, recipient: bytes) -> Document:
        raise Refused("not-begun: nothing was begun", reason="not-begun")

    def public_state(self) -> bytes:
        return codec.encode(self.doctor_state(self._state()))

    def _state(self) -> PublicState:
        state: PublicState = self.orderer.chain.executor.governance.document()
        return state

    @property
    def replicas(self) -> Document:
        return {"state": "voting", "executing": 4, "members": 4, "quorum": 3}

    def node_status(self) -> Document:
        governance, least_status = self.orderer.chain.governance, least(ref("NodeStatus"))
        return {
            **least_status,
            "node": self.name,
            "state": self.state,
            "height": self.orderer.height,
            "executed": self.orderer.height,
            "epoch": self.epoch,
            "grace_ms": governance.grace_ms,
        }

    def node_consensus(self) -> Document:
        document: Document = least(ref("Consensus"))
        return {**document, "node": self.name, "epoch": self.epoch}

    def metrics(self) -> str:
        return ""

    # --- transactions ---

    def screen(self, envelopes: list[bytes]) -> dict[int, RpcFault]:
        """Openings of another epoch alone; the real one is tested in tests/node/api."""
        return {
            at: wrong_epoch(one, "opens a session in", fields[2], self.epoch)
            for at, one in enumerate(envelopes)
            if (fields := read_envelope(one))[1] == OPENING and fields[2] != self.epoch
        }

    def submit(
        self, envelopes: list[bytes], *, wait: bool, organisation: str = ""
    ) -> "asyncio.Future[list[Place]] | list[TransactionId]":
        if self.refuse:
            raise self.refuse.pop(0)
        self.submitted.append(envelopes)
        future: asyncio.Future[list[Place]] = asyncio.get_running_loop().create_future()
        if self.swallow:
            self.swallowed.append(future)
        else:
            self.orderer.submit(envelopes, future if wait and not self.mute else None)
        return future if wait else [transaction_id(envelope) for envelope in envelopes]

    def transaction_reading(self, id: TransactionId) -> Callable[[], Document]:
        document = self._transaction(id)
        return lambda: document

    def status_reading(self, id: TransactionId) -> Callable[[], str | None]:
        status = "final" if id in self.orderer.places else None
        return lambda: status

    def _transaction(self, id: TransactionId) -> Document:
        if id in self.transaction_lies:
            return self.transaction_lies[id]
        place = self.orderer.places.get(id)
        executed = {
            "executed": self.orderer.height,
            "epoch": self.epoch,
            "grace_over": self.orderer.chain.grace_over,
        }
        if place is None:
            return {"id": id, "status": "unknown", **executed}
        return {
            "id": id,
            **executed,
            "status": "final",
            "height": place.height,
            "index": place.index,
            "code": place.code,
            "refusal": Code(place.code).text if place.code else None,
            "result": Blob(place.result),
            "envelope": envelope_document(self._envelope(place)),
        }

    def _envelope(self, place: Place) -> bytes:
        """Nothing of one that was refused unexecuted: it stands in no block."""
        if place.height > self.orderer.height:
            return b""
        envelopes = self._stored(place.height).envelopes()
        return envelopes[place.index] if place.index < len(envelopes) else b""

    def _stored(self, height: int) -> StoredBlock:
        made = self.orderer.chain.blocks[height - 1]
        return StoredBlock(made.header, self.orderer.certificates[height - 1], made.batches)

    def receipt(self, id: TransactionId) -> Document:
        place = self.orderer.places.get(id)
        if place is None:
            raise NotFound("no such transaction")
        chain = self.orderer.chain
        for block, certificate in zip(chain.blocks, self.orderer.certificates, strict=True):
            if block.header.anchor.height >= place.height:
                outcome = chain.outcomes[place.height - 1]
                made = (
                    outcome,
                    place.index,
                    chain.history,
                    block.header,
                    certificate,
                    chain.epochs,
                )
                return receipt_of(chain.cluster.genesis, *made)
        raise NotYet("not anchored")

    def receipt_steps(self, id: TransactionId) -> Iterator[Step]:
        made = self.receipt(id)
        yield Step(lambda: made)

    # --- reading ---

    @property
    def newest_block(self) -> int:
        return self.orderer.height

    def block_reading(
        self, height_or_hash: int | bytes, *, transactions: bool = True
    ) -> Callable[[], Document]:
        if isinstance(height_or_hash, bytes) or not 0 < height_or_hash <= self.orderer.height:
            raise NotFound(f"no block {height_or_hash!r}")
        at = height_or_hash - 1
        stored = self._stored(height_or_hash)
        names = [f"n{index}" for index in range(4)]
        return lambda: block_document(
            stored, self.orderer.chain.outcomes[at], names, transactions=transactions
        )

    def rows_reading(self, height: int, offset: int, limit: int) -> Callable[[], Document]:
        stored, outcome = self._stored(height), self.orderer.chain.outcomes[height - 1]
        rows = transaction_documents(stored, outcome, offset, limit)
        return lambda: {
            "height": height,
            "offset": offset,
            "count": len(stored.envelopes()),
            "transactions": rows,
        }

    def head_reading(self, height: int) -> Callable[[], Document]:
        raise NotFound("not asked for here")

    def header_reading(self, height: int) -> Callable[[], Document]:
        if not 0 < height <= self.orderer.height:
            raise NotFound(f"no block {height}")
        certificate = self.orderer.certificates[height - 1]
        return lambda: {
            "header": Blob(self.orderer.chain.blocks[height - 1].header.encoded),
            "certificate": Blob(codec.encode(certificate.to_wire())),
        }

    def consistency(self, start: int, end: int) -> Document:
        return {}

    async def query(self, envelope: bytes) -> Document:
        self.queries.append(envelope)
        if self.query_answer is not None:
            return {"answer": Blob(self.query_answer), "height": self.orderer.height}
        if self.forgets_sessions and read_envelope(envelope)[1] == SESSION_QUERY:
            raise Refused("unknown session", reason="unknown session")
        executor = self.executor or self.orderer.chain.executor
        try:
            answer = executor.query(envelope)
            if isinstance(answer, OutcomeWanted):
                place = self.orderer.places.get(TransactionId(answer.id))
                outcome = (
                    b"" if place is None else self.orderer.chain.outcomes[place.height - 1].encode()
                )
                answer = executor.query(envelope, outcome)
        except QueryRefused as fault:
            raise Refused(str(fault), reason=fault.reason) from None
        except BelowDemanded as fault:
            raise NotYet(str(fault)) from None
        assert isinstance(answer, bytes)
        return {"answer": Blob(answer), "height": executor.height}

    async def answer_for(self, identity: Identity) -> bytes:
        """A genuine answer to somebody else's query."""
        chain = self.orderer.chain
        query = Query(chain.call("payments.balance"))
        _, envelope = seal_query(
            chain.genesis.public_key, chain.genesis.chain, EPOCH, identity, query
        )
        answer: bytes = (await self.query(envelope))["answer"]
        return answer

    async def next_height(self, after: int) -> int:
        return await self.orderer.above(after)

    @property
    def anchored(self) -> int:
        return self.orderer.height - 1

    async def next_anchored(self, after: int) -> int:
        return await self.orderer.above(after + 1) - 1


class Service:
    """The whole: four nodes, and a folder with service.json and keys of member0 (who may issue),
    alice and bob."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.orderer = Orderer()
        self.nodes = [FakeNode(self.orderer, index) for index in range(4)]
        self.runners: list[web.AppRunner | None] = [None] * 4
        self.ports = [0] * 4
        self.doors = [open_door() for _ in range(4)]
        self.limits = RpcLimits(shutdown_seconds_max=0.2)

    async def start(self, index: int) -> None:
        """Start, or start again, one node on its port."""
        node = self.nodes[index]
        certificate, key = self.directory / f"{index}.crt", self.directory / f"{index}.key"
        key.unlink(missing_ok=True)
        tls.write_identity(node.tls, certificate=certificate, key=key)
        context = tls.server_context(certificate, key)
        runner = await serve(
            make_app(node, self.limits, self.doors[index]), "127.0.0.1", self.ports[index], context
        )
        self.ports[index] = runner.addresses[0][1]
        self.runners[index] = runner

    async def stop(self, index: int) -> None:
        runner, self.runners[index] = self.runners[index], None
        if runner is not None:
            await runner.cleanup()

    def write(self) -> None:
        """service.json and the bundle."""
        genesis = self.orderer.chain.genesis
        (self.directory / "ca.pem").write_bytes(b"".join(one.certificate for one in certificates()))
        document = {
            "service": genesis.pin,
            "chain": genesis.chain.hex(),
            "endpoints": [f"https://127.0.0.1:{port}" for port in self.ports],
            "ca": "ca.pem",
        }
        (self.directory / "service.json").write_text(json.dumps(document))
        (self.directory / "keys").mkdir(exist_ok=True)
        for name in ("member0", "member1", "member2", "alice", "bob"):
            file = self.directory / "keys" / f"{name}.json"
            seed, public = sha256(name.encode()).hexdigest(), key_named(name).public.hex()
            file.write_text(json.dumps({"name": name, "public": public, "seed": seed}))
            file.chmod(0o600)

    def fund(self, identity: Identity, amount: int) -> None:
        """Issue, before or beside the clients."""
        chain = self.orderer.chain
        assert chain.once("member0", "payments.issue", to=identity.id, amount=amount).ok
        self.orderer.certificates.append(chain.certificate(chain.tip))

    def payments(self, node: int | None = None) -> int:
        """How many envelopes the nodes were given."""
        chosen = self.nodes if node is None else [self.nodes[node]]
        return sum(len(envelopes) for one in chosen for envelopes in one.submitted)


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Service]:
    """The service, up, with its folder; a test that hangs on it fails."""
    founded()
    service = Service(directory)
    async with AsyncExitStack() as stack:
        # A slow machine must not send clients through another door than the next one.
        stack.enter_context(patch.object(racing, "RACE_SECONDS", HANG_SECONDS))
        if failback.HOME_SECONDS > 1:  # a test that wants clients to go home says how soon
            stack.enter_context(patch.object(failback, "HOME_SECONDS", HANG_SECONDS))
        stack.enter_context(patch.object(nodes, "any_of", lambda ready: ready[0]))
        await stack.enter_async_context(asyncio.timeout(HANG_SECONDS))
        for index in range(4):
            await service.start(index)
            stack.push_async_callback(service.stop, index)
        service.write()
        yield service
